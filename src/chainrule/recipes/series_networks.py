"""Networks of real values, trained: windows drawn at random, Adam, as often as asked, or until it stops
helping.

One network may learn from many series, each scaled by its own mean and deviation.

Shape letters: T time, N windows.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float64

from chainrule.core import InputError, SeriesModel
from chainrule.models.series import Transformed, differenced, logged, scaled
from chainrule.models.series.autoregression import least_scale
from chainrule.models.series.ensemble import Ensemble
from chainrule.models.series.networks import RecurrentNetworkLearner, WindowNetworkLearner
from chainrule.recipes.series_models import Fit, chain
from chainrule.training.optimizers import Adam

Array = np.ndarray
Learner = WindowNetworkLearner | RecurrentNetworkLearner
Make = Callable[[np.random.Generator], Learner]


class Training(NamedTuple):
    """How long and in what steps. seeds: one network each, together an ensemble."""

    epochs: int = 5
    batch: int = 16
    rate: float = 0.01
    seeds: tuple[int, ...] = (0,)


LECTURE = Training()
NETWORKS = ("mlp", "rnn", "gru", "lstm")
HIDDEN, LONGEST = 16, 36
ENSEMBLE = {name: Training(60 if name == "mlp" else 20, seeds=(0, 1, 2)) for name in NETWORKS}


def windows_of(series: Sequence[Float64[Array, " _"]], span: int) -> Float64[Array, "N span"]:
    """Every stretch of `span` values of every series. Raises InputError where there is none."""
    view = np.lib.stride_tricks.sliding_window_view
    found = [view(values, span) for values in series if len(values) >= span]
    if not found:
        longest = max(map(len, series), default=0)
        raise InputError(f"series: expected at least {span} values for one window, got {longest}")
    return np.concatenate(found)


def train_network(
    windows: Float64[Array, "N span"], make: Make, how: Training, seed: int
) -> SeriesModel[Any]:
    """Epochs over the windows in a new order each; the constant scale is what error is left."""
    rng = np.random.default_rng(seed)
    learner, optimizer = make(rng), Adam(how.rate)
    for _ in range(how.epochs):
        order = rng.permutation(len(windows))
        for first in range(0, len(order), how.batch):
            step = learner.gradients(windows[order[first : first + how.batch]])
            optimizer.step(learner.parameters, step.gradients, how.rate)
    left = learner.gradients(windows)
    scale = float(np.sqrt(max(2 * left.nats / left.count, 0.0)))
    return learner.model(max(scale, least_scale(windows)))


def fit_network(
    series: Sequence[Float64[Array, " _"]], make: Make, how: Training = LECTURE
) -> list[SeriesModel[Any]]:
    """A model for each series: one network (or ensemble) for all of them, around it each series' own
    scale."""
    scales = [scaled(values) for values in series]
    nothing = np.empty((1, 0))
    z = [scale.forth(nothing, values[None])[0] for scale, values in zip(scales, series, strict=True)]
    span = make(np.random.default_rng(0)).span
    windows = windows_of(z, span)
    members = tuple(train_network(windows, make, how, seed) for seed in how.seeds)
    inner = members[0] if len(members) == 1 else Ensemble(members)
    return [Transformed(scale, inner) for scale in scales]


def window_network(window: int, hidden: int, *, learned_scale: bool = False) -> Make:
    return lambda rng: WindowNetworkLearner(
        window=window, hidden=hidden, learned_scale=learned_scale, rng=rng
    )


def recurrent_network(cell: str, hidden: int, span: int, *, learned_scale: bool = False) -> Make:
    learner = partial(RecurrentNetworkLearner, cell=cell, hidden=hidden, span=span)
    return lambda rng: learner(learned_scale=learned_scale, rng=rng)


def make_network(name: str, period: int, shortest: int) -> Make:
    """16 units; a window of a season and one more, a recurrent one reads three seasons at most, and neither
    more than a third of the shortest series."""
    room = max(shortest // 3, 1)
    if name == "mlp":
        return window_network(min(max(period + 1, 4), room), HIDDEN)
    return recurrent_network(name, HIDDEN, min(max(3 * period, 12), LONGEST, room + 1))


def network(name: str, period: int) -> Fit:
    """An ensemble of three for one series, on logarithms where all values are above 0, and on seasonal
    changes where there are three seasons: what is left for it is what these do not tell."""

    def fit(values: Float64[Array, " T"]) -> SeriesModel[Any]:
        steps: list[Callable[[Array], Any]] = [logged] if values.min() > 0 else []
        if period > 1 and len(values) >= 3 * period:
            steps.append(partial(differenced, lag=period))

        def trained(z: Float64[Array, " _"]) -> SeriesModel[Any]:
            return fit_network([z], make_network(name, period, len(z)), ENSEMBLE[name])[0]

        return chain(*steps, fit=trained)(values)

    return fit
