"""Forecasting: a roll-out whose choice is the mean, or a draw; and how far off it was, on what came later.

    MASE   mean |x - f| / mean |x_t - x_{t-m}| of the training part     (Hyndman & Koehler 2006)
    sMAPE  mean 200 |x - f| / (|x| + |f|), from 0 to 200                (Makridakis 1993)
    CRPS   E |X - x| - E |X - X'| / 2, X and X' drawn from the forecast (Gneiting & Raftery 2007)

Shape letters: B batch, T time, H horizon, N draws, O origins.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Float64, Integer

from chainrule.core import InputError, Normal, SeriesModel, join_rows, rollout, take_rows

Array = np.ndarray


class Window(NamedTuple):
    """Values before `cutoff` are known, the `horizon` from there on are to be forecast."""

    cutoff: int
    horizon: int


def check_horizon(h: int) -> int:
    """`h`, or an InputError."""
    if h < 1:
        raise InputError(f"h: expected at least 1 step, got {h}")
    return h


def mean_path(model: SeriesModel[Any], state: Any, h: int) -> Float64[Array, "B H"]:
    """Each prediction's mean taken for what came: the recursive k-step forecast."""
    steps = [items for items, _ in rollout(model, state, check_horizon(h), lambda next: next.mean)]
    return np.stack(steps, axis=1)


def simulate(
    model: SeriesModel[Any], state: Any, h: int, draws: int, rng: np.random.Generator
) -> Float64[Array, "B N H"]:
    """Futures drawn step by step from the predictions, `draws` for each row of the state."""

    def drawn(next: Normal) -> Float64[Array, " BN"]:
        return next.mean + next.scale * rng.standard_normal(len(next.mean))

    batch = len(model.predict(state).mean)
    many = take_rows(state, np.repeat(np.arange(batch), draws))
    steps = [items for items, _ in rollout(model, many, check_horizon(h), drawn)]
    return np.stack(steps, axis=1).reshape(batch, draws, h)


def states_at(model: SeriesModel[Any], values: Float64[Array, " T"], cutoffs: Sequence[int]) -> Any:
    """A row for each cutoff, rising: the state after the values before it."""
    states: list[Any] = []
    state, read = model.start(1), 0
    for cutoff in cutoffs:
        if cutoff == read + 1:
            state = model.advance(state, values[read:cutoff])
        else:
            _, state = model.follow(state, values[None, read:cutoff])
        read = cutoff
        states.append(state)
    return join_rows(states)


def rolling_windows(length: int, h: int, n_windows: int, step_size: int, least: int = 1) -> list[Window]:
    """The last windows of a series of `length` values, the oldest first; the last one ends at its end.

    Raises InputError unless at least `least` values stand before the first.
    """
    check_horizon(h)
    if n_windows < 1 or step_size < 1:
        raise InputError(f"windows: expected at least 1, 1 step apart, got {n_windows}, {step_size} apart")
    first = length - h - (n_windows - 1) * step_size
    if first < least:
        raise InputError(
            f"windows: expected at least {least + length - first} values for {n_windows} windows of {h} "
            f"steps, {step_size} apart, and {least} to learn from, got {length}"
        )
    return [Window(first + k * step_size, h) for k in range(n_windows)]


def targets_at(values: Float64[Array, " T"], cutoffs: Sequence[int], h: int) -> Float64[Array, "O H"]:
    """What came after each cutoff, NaN past the end."""
    padded = np.concatenate([values, np.full(h, np.nan)])
    return np.stack([padded[cutoff : cutoff + h] for cutoff in cutoffs])


def seasonal_error(training: Float64[Array, " T"], period: int) -> float:
    """What MASE divides by: the mean absolute change over a period; NaN where nothing changes."""
    if len(training) <= period:
        return float("nan")
    error = float(np.abs(training[period:] - training[:-period]).mean())
    return error if error > 0 else float("nan")


def mase(
    values: Float64[Array, " H"], forecast: Float64[Array, " H"], training: Float64[Array, " T"], period: int
) -> float:
    return float(np.abs(values - forecast).mean() / seasonal_error(training, period))


def smape(values: Float64[Array, "*shape"], forecast: Float64[Array, "*shape"]) -> float:
    """From 0 to 200; where both are 0 the forecast is right."""
    size = np.abs(values) + np.abs(forecast)
    return float(np.mean(200 * np.abs(values - forecast) / np.where(size > 0, size, 1)))


def mse(values: Float64[Array, "*shape"], forecast: Float64[Array, "*shape"]) -> float:
    return float(np.mean((values - forecast) ** 2))


def crps(values: Float64[Array, " H"], draws: Float64[Array, "N H"]) -> float:
    """The mean over the horizon, in the values' unit, from sorted draws; of one draw the absolute error."""
    ordered, n = np.sort(draws, axis=0), len(draws)
    spread = (2 * np.arange(1, n + 1) - n - 1) @ ordered / n**2
    return float(np.mean(np.abs(draws - values).mean(axis=0) - spread))


def covered(
    values: Float64[Array, "*shape"], low: Float64[Array, "*shape"], high: Float64[Array, "*shape"]
) -> Bool[Array, "*shape"]:
    return (low <= values) & (values <= high)


def check_level(level: float) -> float:
    """A percentage, or an InputError."""
    if not 0 < level < 100:
        raise InputError(f"level: expected a percentage between 0 and 100, got {level:g}")
    return level


def simulated_interval(
    draws: Float64[Array, "N H"], level: float
) -> tuple[Float64[Array, " H"], Float64[Array, " H"]]:
    """The middle `level` percent of the draws."""
    tail = (1 - check_level(level) / 100) / 2
    low, high = np.quantile(draws, [tail, 1 - tail], axis=0)
    return low, high


def conformal_radius(errors: Float64[Array, " N"], level: float) -> float:
    """The ceil((n + 1) level)-th smallest absolute error: exchangeable errors fall within it as often as
    `level` says (split conformal, Papadopoulos 2002). With too few errors it is the largest of them."""
    sizes = np.sort(np.abs(errors[~np.isnan(errors)]))
    if not len(sizes):
        raise InputError("conformal interval: expected errors of held-out forecasts, got none")
    place = int(np.ceil((len(sizes) + 1) * check_level(level) / 100))
    return float(sizes[min(place, len(sizes)) - 1])


def conformal_radii(errors: Float64[Array, "O H"], level: float) -> Float64[Array, " H"]:
    """One a step, from the errors at that step; errors do not shrink with distance, so radii never fall."""
    radii = [conformal_radius(column, level) for column in errors.T if not np.isnan(column).all()]
    rising = np.maximum.accumulate(np.array(radii))
    return np.concatenate([rising, np.full(errors.shape[1] - len(rising), rising[-1])])


def one_step_errors(model: SeriesModel[Any], values: Float64[Array, " T"]) -> Float64[Array, " T"]:
    """Value less prediction, all along."""
    predicted, _ = model.follow(model.start(1), values[None])
    return values - predicted.mean[0]


def k_step_errors(
    model: SeriesModel[Any], values: Float64[Array, " T"], cutoffs: Sequence[int], h: int
) -> Float64[Array, "O H"]:
    """At every cutoff the errors of the forecasts 1..h steps on, NaN past the end of the values."""
    return targets_at(values, cutoffs, h) - mean_path(model, states_at(model, values, cutoffs), h)


def places(length: int, count: int, last: int) -> Integer[Array, " _"]:
    """At most `count` cutoffs, evenly over the last `last` places that have a value after them."""
    first = max(length - last, 1)
    return np.unique(np.linspace(first, length - 1, min(count, length - first)).round().astype(np.int64))
