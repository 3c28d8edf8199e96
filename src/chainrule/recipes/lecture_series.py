"""The lecture's first experiment, beside its baselines: a noisy sine, and how far ahead it can be told.

    x_t = sin(0.01 t) + N(0, 0.2^2),  t = 1..1000; a network 4-10-1 learns from the first 600

Shape letters: T time, H horizon, O origins, S seeds.
"""

from collections.abc import Collection, Mapping
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float64

from chainrule.core import SeriesModel
from chainrule.models.series import Scale, choose_lags, fit_autoregression, seasonal_naive
from chainrule.recipes.series_models import Fit
from chainrule.recipes.series_networks import (
    LECTURE,
    Training,
    fit_network,
    recurrent_network,
    train_network,
    window_network,
    windows_of,
)
from chainrule.tasks.forecasting import mean_path, one_step_errors, states_at, targets_at

Array = np.ndarray
LENGTH, TRAINING, TAU, NOISE = 1000, 600, 4, 0.2
PERIOD = 628  # of the sine, in steps: longer than the training part
STEPS = (1, 4, 16, 64)


class Result(NamedTuple):
    """Mean squared errors on the part after training. at: by steps ahead; rollout: of all 400 from the end of
    training. path: that roll-out. None: cannot be told."""

    at: dict[int, float | None]
    rollout: float | None
    path: Float64[Array, " H"] | None


def noisy_sine(rng: np.random.Generator, length: int = LENGTH) -> Float64[Array, " T"]:
    return np.sin(0.01 * np.arange(1, length + 1)) + rng.normal(0, NOISE, length)


def models(seed: int, epochs: int = LECTURE.epochs) -> dict[str, Fit]:
    """What is fitted to the first 600, by name; the network is the book's, unscaled as there, the others are
    what it leaves out."""
    how = Training(epochs=epochs, seeds=(seed,))
    network = window_network(TAU, 10)
    return {
        "MLP 4-10-1": lambda values: train_network(windows_of([values], TAU + 1), network, how, seed),
        "last value": partial(seasonal_naive, period=1),
        "training mean": partial(choose_lags, most=0),
        "linear AR(4)": lambda values: fit_autoregression([values], tuple(range(1, TAU + 1))),
        "linear AR(64)": lambda values: fit_autoregression([values], tuple(range(1, 65))),
        "GRU 16": lambda values: fit_network(
            [values], recurrent_network("gru", 16, 48), how._replace(epochs=2 * epochs)
        )[0],
    }


def evaluate(model: SeriesModel[Any], values: Float64[Array, " T"]) -> Result:
    """k-step errors from every origin from the end of training on, and the roll-out."""
    at: dict[int, float | None] = {}
    cutoffs = list(range(TRAINING, len(values)))
    paths = mean_path(model, states_at(model, values, cutoffs), max(STEPS))
    errors = targets_at(values, cutoffs, max(STEPS)) - paths
    for k in STEPS:
        at[k] = float(np.nanmean(errors[:, k - 1] ** 2))
    end = states_at(model, values, [TRAINING])
    path = mean_path(model, end, len(values) - TRAINING)[0]
    return Result(at, float(np.mean((values[TRAINING:] - path) ** 2)), path)


def seasonal_baseline(values: Float64[Array, " T"]) -> Result:
    """The value one period before: known only where the series is that long, not from training alone."""
    later = np.arange(max(TRAINING, PERIOD), len(values))
    error = float(np.mean((values[later] - values[later - PERIOD]) ** 2))
    return Result(dict.fromkeys(STEPS, error), None, None)


def lecture(
    seed: int, epochs: int = LECTURE.epochs, names: Collection[str] | None = None
) -> dict[str, Result]:
    """One series and one network by a seed; the table's rows. names: of `models`, all where left out."""
    values = noisy_sine(np.random.default_rng(seed))
    fits = {name: fit for name, fit in models(seed, epochs).items() if names is None or name in names}
    found = {name: evaluate(fit(values[:TRAINING]), values) for name, fit in fits.items()}
    return found | {f"{PERIOD} steps before": seasonal_baseline(values)}


def interpolation(seed: int) -> Mapping[str, float]:
    """One-step squared error of the same network where its windows lay among those of training, and after
    them: inside, every second window is held out; outside, the last 400 values are."""
    rng = np.random.default_rng(seed)
    values = noisy_sine(rng) + 0.003 * np.arange(LENGTH)  # with a trend, what comes later was never seen
    windows = np.lib.stride_tricks.sliding_window_view(values, TAU + 1)
    drawn = rng.permutation(len(windows))
    inside, held = drawn[: len(windows) // 2], drawn[len(windows) // 2 :]
    before, after = np.arange(TRAINING - TAU), np.arange(TRAINING - TAU, len(windows))
    return {
        "interpolation": _window_error(windows[inside], windows[held], seed),
        "extrapolation": _window_error(windows[before], windows[after], seed),
    }


def shuffled(seed: int) -> Mapping[str, float]:
    """One-step squared error of AR(4) in order, and with the values of the series in any order, where nothing
    is left to know but their variance."""
    rng = np.random.default_rng(seed)
    ordered = noisy_sine(rng)
    found: dict[str, float] = {}
    for name, values in (("in order", ordered), ("shuffled", rng.permutation(ordered))):
        model = fit_autoregression([values[:TRAINING]], tuple(range(1, TAU + 1)))
        found[name] = float(np.mean(one_step_errors(model, values)[TRAINING:] ** 2))
    found["variance"] = float(ordered.var())
    return found


def _window_error(training: Array, held: Array, seed: int) -> float:
    """Trained on windows [N, tau + 1] in their own scale, squared error on others."""
    scale = Scale(float(training.mean()), float(training.std()))
    model = train_network(scale.of(training), window_network(TAU, 10), LECTURE._replace(epochs=20), seed)
    predicted = scale.inverse(model.predict(scale.of(held[:, :-1])))
    return float(np.mean((held[:, -1] - predicted.mean) ** 2))
