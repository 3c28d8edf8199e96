"""One-step errors of linear recursions over a series, for many settings of their rates at once.

    smoothing   e_t = z_t - l - phi b - s_{t-m},  and what e_t moves    (models/series/smoothing.py)
    complex     e_t = z_t - l - l^s_{t-m},        and what e_t turns    (models/series/complex_smoothing.py)
    ARMA        e_t = z_t - sum_k a_k z_{t-k} - sum_k b_k e_{t-k}       (models/series/moving_average.py)

The first two are linear in their first state as well: the errors of the data (column 0) and of each part of a
first state go through together, and what a least squares solution needs of them is E'E.

Shape letters: T time, m period, P settings, K columns, A and M lags.
"""

from ctypes import c_int
from typing import Any

import numpy as np
from jaxtyping import Float64, Int64

from chainrule.kernels.native import call, check_memory, library

Array = np.ndarray
Rates = Float64[Array, "4 P"]
Squares = Float64[Array, "P K K"]
Line = Float64[Array, " T"]
Block = Float64[Array, "m K"]


def smooth_squares(
    z: Line, rates: Rates, level: Float64[Array, " K"], trend: Float64[Array, " K"], season: Block
) -> Squares:
    """E'E of exponential smoothing. rates: alpha, beta, gamma, phi."""
    if library() is None:
        return smooth_squares_numpy(z, rates, level, trend, season)
    made = np.empty((rates.shape[1], len(level), len(level)))
    sizes = len(z), len(season), *made.shape[:2]
    check_memory(call("smooth_squares", *sizes, z, rates, level, trend, season, made, returns=c_int))
    return made


def smooth_squares_numpy(
    z: Line, rates: Rates, level: Float64[Array, " K"], trend: Float64[Array, " K"], season: Block
) -> Squares:
    alpha, beta, gamma, phi = rates[:, :, None]
    places = [np.repeat(place[None], rates.shape[1], axis=0) for place in season]
    errors = np.empty((len(z), rates.shape[1], len(level)))
    for t, x in enumerate(z):
        trend = phi * trend
        level = level + trend
        e = errors[t]
        e[:] = -level
        e[:, 0] += x
        if places:
            e -= places[t % len(places)]
            places[t % len(places)] = places[t % len(places)] + gamma * e
        level, trend = level + alpha * e, trend + beta * e
    return squared(errors)


def complex_squares(
    z: Line, rates: Rates, levels: Float64[Array, "2 K"], season: Block, potentials: Block
) -> Squares:
    """E'E of complex smoothing. rates: a0, a1, b0, b1; levels: the level and its potential."""
    if library() is None:
        return complex_squares_numpy(z, rates, levels, season, potentials)
    made = np.empty((rates.shape[1], levels.shape[1], levels.shape[1]))
    first = np.concatenate([levels, season, potentials])
    sizes = len(z), len(season), *made.shape[:2]
    check_memory(call("complex_squares", *sizes, z, rates, first, made, returns=c_int))
    return made


def complex_squares_numpy(
    z: Line, rates: Rates, levels: Float64[Array, "2 K"], season: Block, potentials: Block
) -> Squares:
    a0, a1, b0, b1 = rates[:, :, None]
    (level, potential), period = levels, len(season)
    places, others = list(season), list(potentials)
    errors = np.empty((len(z), rates.shape[1], levels.shape[1]))
    for t, x in enumerate(z):
        e = errors[t]
        e[:] = -level
        e[:, 0] += x
        if period:
            k = t % period
            e -= places[k]
            places[k], others[k] = turned(places[k], others[k], e, b0, b1)
        level, potential = turned(level, potential, e, a0, a1)
    return squared(errors)


def turned(level: Array, potential: Array, errors: Array, a0: Any, a1: Any) -> tuple[Array, Array]:
    """One step of the complex number."""
    return (
        level - (1 - a1) * potential + (a0 - a1) * errors,
        level + (1 - a0) * potential + (a0 + a1) * errors,
    )


def squared(errors: Float64[Array, "T P K"]) -> Squares:
    by_setting = np.ascontiguousarray(errors.transpose(1, 2, 0))
    return by_setting @ by_setting.transpose(0, 2, 1)


def arma_errors(
    z: Line,
    ar_lags: Int64[Array, " A"],
    ma_lags: Int64[Array, " M"],
    ar: Float64[Array, "P A"],
    ma: Float64[Array, "P M"],
) -> Float64[Array, "P T"]:
    """Errors of every setting; lags rise; before the first value there was nothing."""
    if library() is None:
        return arma_errors_numpy(z, ar_lags, ma_lags, ar, ma)
    made = np.empty((len(ar), len(z)))
    call("arma_errors", len(z), len(ar), len(ar_lags), len(ma_lags), ar_lags, ma_lags, ar, ma, z, made)
    return made


def arma_errors_numpy(
    z: Line,
    ar_lags: Int64[Array, " A"],
    ma_lags: Int64[Array, " M"],
    ar: Float64[Array, "P A"],
    ma: Float64[Array, "P M"],
) -> Float64[Array, "P T"]:
    made = np.repeat(z[None], len(ar), axis=0)
    for k, lag in enumerate(ar_lags):
        made[:, lag:] -= ar[:, k, None] * z[: max(len(z) - lag, 0)]
    for t in range(1, len(z)):
        for k, lag in enumerate(ma_lags):
            if lag <= t:
                made[:, t] -= ma[:, k] * made[:, t - lag]
    return made
