"""The models that one series is tried with, each by its name.

They differ in what is done to the values first (logarithm, differences, seasonal differences, seasonal
means) and in the state: the last values (autoregression) or a level, trend and season (smoothing)."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np
from jaxtyping import Float64

from chainrule.core import SeriesModel
from chainrule.models.series import (
    Form,
    Orders,
    Root,
    Step,
    choose_lags,
    choose_moving_average,
    deseasoned,
    differenced,
    fit_complex,
    fit_smoothing,
    logged,
    scaled,
    seasonal_naive,
    transformed,
)

Array = np.ndarray
Model = SeriesModel[Any]
Fit = Callable[[Float64[Array, " T"]], Model]
Make = Callable[[Float64[Array, " T"]], Step]
MOST_LAGS, FEWEST_LAGS = 26, 12
ROWS_PER_LAG = 4
# Orders (p, q, seasonal p, seasonal q): what is tried after each way of taking differences
NONE = tuple(Orders(*o) for o in ((1, 0), (2, 0), (1, 1), (2, 1), (3, 0), (2, 2), (0, 1)))
ONCE = tuple(Orders(*o) for o in ((0, 0), (0, 1), (1, 0), (1, 1), (2, 0), (0, 2), (2, 1), (3, 0)))
SEASONAL_NONE = tuple(
    Orders(*o)
    for o in (
        (1, 0, 0, 0),
        (2, 0, 0, 0),
        (1, 1, 0, 0),
        (1, 0, 1, 0),
        (2, 0, 1, 0),
        (1, 1, 1, 0),
        (1, 0, 1, 1),
    )
)
SEASONAL_ONCE = tuple(
    Orders(*o)
    for o in ((0, 1), (1, 1), (2, 0), (0, 1, 1, 0), (1, 1, 1, 0), (1, 0, 1, 0), (0, 1, 0, 1), (1, 1, 1, 1))
)
SEASON_TAKEN = tuple(
    Orders(*o) for o in ((1, 0, 0, 1), (1, 1, 0, 1), (2, 0, 0, 1), (2, 1, 0, 1), (3, 0, 0, 1), (1, 1, 1, 0))
)
BOTH_TAKEN = tuple(Orders(*o) for o in ((0, 1, 0, 1), (1, 1, 0, 1), (0, 2, 0, 1), (2, 0, 0, 1), (0, 1, 1, 1)))
NAIVE, SEASONAL_NAIVE = "naive", "seasonal-naive"


def chain(*makers: Make, fit: Fit) -> Fit:
    """`fit` on what the steps, made one after the other from training values, leave."""
    if not makers:
        return fit
    first, *others = makers
    return lambda values: transformed(first(values), values, chain(*others, fit=fit))


def smoothing(trend: str, period: int = 0) -> Fit:
    return lambda values: fit_smoothing(values, Form(trend, period))


def complex_smoothing(period: int = 0) -> Fit:
    return lambda values: fit_complex(values, period)


def autoregression(most: int) -> Fit:
    """At most `most` lags, and at least so many values for each."""
    return lambda values: choose_lags(values, max(0, min(most, len(values) // ROWS_PER_LAG)))


def moving_average(tried: tuple[Orders, ...], period: int = 1, *, centred: bool = True) -> Fit:
    return lambda values: choose_moving_average(values, tried, period, centred=centred)


def naive(period: int) -> Fit:
    return lambda values: seasonal_naive(values, period if len(values) > period else 1)


def candidates(values: Float64[Array, " T"], period: int) -> dict[str, Fit]:
    """What suits these values: logarithms where all are above 0, seasons where there are two of them."""
    seasonal = period if period > 1 and len(values) >= 3 * period else 0
    made = {**_plain(period, seasonal, ())}
    if values.min() > 0:
        made |= {f"log {name}": fit for name, fit in _plain(period, seasonal, (logged,)).items()}
        if seasonal:
            multiplied = partial(deseasoned, period=period, multiplied=True)
            made["theta, season multiplied"] = chain(multiplied, fit=smoothing("drift"))
    if values.min() >= 0:
        made["root ar"] = chain(lambda _: Root(), scaled, fit=autoregression(_most(period)))
    if seasonal:
        made[SEASONAL_NAIVE] = naive(period)
    return made


def _most(period: int) -> int:
    return min(2 * period + 1, MOST_LAGS) if period > 1 else FEWEST_LAGS


def _plain(period: int, seasonal: int, before: tuple[Make, ...]) -> dict[str, Fit]:
    """The same models after the steps `before`."""
    ar = autoregression(_most(period))
    made = {"ar": chain(*before, scaled, fit=ar), "ar of changes": chain(*before, differenced, fit=ar)}
    return made | (_with_season(seasonal, ar, before) if seasonal else _without_season(before))


def _without_season(before: tuple[Make, ...]) -> dict[str, Fit]:
    return {
        "level": chain(*before, fit=smoothing("none")),
        "damped trend": chain(*before, fit=smoothing("damped")),
        "trend": chain(*before, fit=smoothing("linear")),
        "theta": chain(*before, fit=smoothing("drift")),
        "arma": chain(*before, fit=moving_average(NONE)),
        "arma of changes": chain(*before, differenced, fit=moving_average(ONCE, centred=False)),
        "arma of changes, drift": chain(*before, differenced, fit=moving_average(ONCE)),
    }


def _with_season(m: int, ar: Fit, before: tuple[Make, ...]) -> dict[str, Fit]:
    means, over = partial(deseasoned, period=m), partial(differenced, lag=m)
    once, twice = (moving_average(tried, m, centred=False) for tried in (SEASONAL_ONCE, BOTH_TAKEN))
    return {
        "level, season": chain(*before, fit=smoothing("none", m)),
        "damped trend, season": chain(*before, fit=smoothing("damped", m)),
        "trend, season": chain(*before, fit=smoothing("linear", m)),
        "theta": chain(*before, means, fit=smoothing("drift")),
        "complex, season": chain(*before, fit=complex_smoothing(m)),
        "complex, seasonal means": chain(*before, means, fit=complex_smoothing()),
        "ar, seasonal means": chain(*before, means, scaled, fit=ar),
        "ar of changes, seasonal means": chain(*before, means, differenced, fit=ar),
        "ar of seasonal changes": chain(*before, over, fit=ar),
        "ar of changes of seasonal changes": chain(*before, over, differenced, fit=ar),
        "arma": chain(*before, fit=moving_average(SEASONAL_NONE, m)),
        "arma of changes": chain(*before, differenced, fit=once),
        "arma of seasonal changes": chain(*before, over, fit=moving_average(SEASON_TAKEN, m)),
        "arma of changes of seasonal changes": chain(*before, over, differenced, fit=twice),
    }


def named(period: int) -> Mapping[str, Fit]:
    """Models that can be asked for by name, for any values; without two seasons they do without a season."""

    def seasonal(values: Float64[Array, " T"]) -> bool:
        return period > 1 and len(values) >= 2 * period

    def theta(values: Float64[Array, " T"]) -> Model:
        steps = (partial(deseasoned, period=period),) if seasonal(values) else ()
        return chain(*steps, fit=smoothing("drift"))(values)

    def ets(values: Float64[Array, " T"]) -> Model:
        return smoothing("damped", period if seasonal(values) else 0)(values)

    def ar(values: Float64[Array, " T"]) -> Model:
        return chain(scaled, fit=autoregression(_most(period)))(values)

    def mean(values: Float64[Array, " T"]) -> Model:
        return choose_lags(values, 0)

    return {
        SEASONAL_NAIVE: naive(period),
        NAIVE: naive(1),
        "mean": mean,
        "theta": theta,
        "smoothing": ets,
        "ar": ar,
    }
