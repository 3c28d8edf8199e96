"""Exponential smoothing: a level, a trend and a season that every error moves (Holt 1957, Winters 1960).

    mu_t = l + phi b + s_{t-m},   e_t = x_t - mu_t,   x_t ~ N(mu_t, scale^2)
    l <- l + phi b + alpha e_t,   b <- phi b + beta e_t,   s_t = s_{t-m} + gamma e_t

The state (l, b, s) is latent: nobody sees it, every value is a hint at it (Hyndman, Koehler, Ord & Snyder 2008).
Errors are linear in the first state, so for given alpha, beta, gamma, phi it is solved by least squares.

Shape letters: B batch, T time, m period, P settings tried at once, K columns: the data, then each first state.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float64

from chainrule.core import InputError, Normal, SeriesModel, check_values
from chainrule.models.series.autoregression import least_scale

Array = np.ndarray
TRIED, ROUNDS, SHRINK = 32, 5, 0.4  # settings at once, how often, how much closer each time
RECENT = 1000  # values that a fit reads at most: older ones say little about a level
RIDGE = 1e-8


class Hidden(NamedTuple):
    """level, trend [B]; season [B, m], that of the next value first (m = 0: none)."""

    level: Float64[Array, " B"]
    trend: Float64[Array, " B"]
    season: Float64[Array, "B m"]


class Rates(NamedTuple):
    """How far an error moves each part, and how much of a trend is left after a step."""

    alpha: Any
    beta: Any = 0.0
    gamma: Any = 0.0
    phi: Any = 1.0


class Form(NamedTuple):
    """Which parts there are. trend: none, linear, damped, or drift: fixed at half the slope (Theta,
    Assimakopoulos & Nikolopoulos 2000; Hyndman & Billah 2003). period: of the season, 0 for none."""

    trend: str = "none"
    period: int = 0


@dataclass(frozen=True, eq=False)
class ExponentialSmoothing(SeriesModel[Hidden]):
    """first: the state before the first value, of one row."""

    rates: Rates
    first: Hidden
    scale: float

    def start(self, batch: int) -> Hidden:
        return Hidden(*(np.repeat(part, batch, axis=0) for part in self.first))

    def predict(self, state: Hidden) -> Normal:
        mean = state.level + self.rates.phi * state.trend
        if state.season.shape[1]:
            mean = mean + state.season[:, 0]
        return Normal(mean, np.full(len(mean), self.scale))

    def advance(self, state: Hidden, items: Float64[Array, " B"]) -> Hidden:
        errors, r = check_values(items) - self.predict(state).mean, self.rates
        trend, season = r.phi * state.trend, state.season
        if season.shape[1]:
            season = np.concatenate([season[:, 1:], season[:, :1] + r.gamma * errors[:, None]], axis=1)
        return Hidden(state.level + trend + r.alpha * errors, trend + r.beta * errors, season)

    def follow(self, state: Hidden, values: Float64[Array, "B T"]) -> tuple[Normal, Hidden]:
        """The same without a new object at every step."""
        errors, (level, trend, season) = smooth(
            self.rates, check_values(values).T, state.level, state.trend, state.season.T
        )
        return Normal(values - errors.T, np.full(values.shape, self.scale)), Hidden(level, trend, season.T)


def smooth(
    rates: Rates,
    values: Float64[Array, "T *shape"],
    level: Float64[Array, "*shape"],
    trend: Float64[Array, "*shape"],
    season: Float64[Array, "m *shape"],
) -> tuple[Float64[Array, "T *shape"], tuple[Array, Array, Array]]:
    """All errors, and level, trend and season after the last. Rates are numbers, or arrays that broadcast."""
    errors, period = np.empty((len(values), *level.shape)), len(season)
    season = season.copy()
    moves, fades = np.any(rates.beta), np.any(np.asarray(rates.phi) != 1)
    for t, x in enumerate(values):
        trend = rates.phi * trend if fades else trend
        level = level + trend
        e = np.subtract(x, level, out=errors[t])
        if period:
            place = t % period
            e -= season[place]
            season[place] += rates.gamma * e
        level = level + rates.alpha * e
        if moves:
            trend = trend + rates.beta * e
    return errors, (level, trend, np.roll(season, -(len(values) % period), axis=0) if period else season)


def fit_smoothing(values: Float64[Array, " T"], form: Form) -> ExponentialSmoothing:
    """The rates with the least squared errors, by points that close in on the best; no chance in it.

    Raises InputError for fewer than two periods, or too few values for the parts of the form.
    """
    if form.period == 1 or form.period < 0 or form.trend not in ("none", "linear", "damped", "drift"):
        raise InputError(f"form: expected a trend none, linear, damped or drift and no period 1, got {form}")
    parts = 1 + (form.trend in ("linear", "damped")) + max(form.period - 1, 0)
    if len(values) < max(2 * form.period, parts + 2, 4):
        raise InputError(
            f"smoothing: expected at least {max(2 * form.period, parts + 2, 4)} values, got {len(values)}"
        )
    skipped = max(len(values) - max(RECENT, 4 * form.period), 0)
    skipped -= skipped % max(form.period, 1)
    size = max(float(values.std()), least_scale(values))
    z = (values[skipped:] - values[skipped]) / size
    drift = float(np.polyfit(np.arange(len(z)), z, 1)[0]) / 2 if form.trend == "drift" else 0.0
    points = _spread(TRIED)
    best, around, width = np.full(4, 0.5), np.full(4, 0.5), 1.0
    least, found = np.inf, None
    for _ in range(ROUNDS):
        tried = np.clip(around + width * (points - 0.5), 0, 1)
        tried[0] = best if found is not None else tried[0]
        squares, firsts = _solve(z, _rates(tried, form), form, drift)
        lowest = int(squares.argmin())
        if squares[lowest] < least:
            least, best = float(squares[lowest]), tried[lowest]
            found = Rates(*(float(r[lowest]) for r in _rates(tried, form))), firsts[lowest]
        around, width = best, width * SHRINK
    if found is None:
        raise InputError("smoothing: expected numbers that can be squared, got larger ones")
    rates, first = found
    scale = max(size * np.sqrt(least / max(len(z) - parts, 1)), least_scale(values))
    level, trend = size * first[:1] + values[skipped], size * first[1:2]
    hidden = Hidden(level, trend, size * first[None, 2:])
    return ExponentialSmoothing(rates, hidden, float(scale))


def _spread(count: int) -> Float64[Array, "P 4"]:
    """Points that fill the unit cube evenly (Roberts 2018): multiples of powers of 1/g, g^5 = g + 1."""
    g = 1.1673039782614187
    return (0.5 + np.arange(1, count + 1)[:, None] * g ** -np.arange(1.0, 5.0)) % 1


def _rates(points: Float64[Array, "P 4"], form: Form) -> Rates:
    """Inside 0 < beta < alpha < 1, 0 < gamma < 1 - alpha, 0.8 < phi < 0.98, as is usual."""
    a, b, c, d = points.T
    alpha, nothing = 0.0001 + 0.9998 * a**1.5, np.zeros(len(points))
    beta = alpha * b**2 if form.trend in ("linear", "damped") else nothing
    gamma = (1 - alpha) * c**2 if form.period else nothing
    phi = 0.8 + 0.18 * d if form.trend == "damped" else nothing + 1
    return Rates(alpha, beta, gamma, phi)


def _solve(
    z: Float64[Array, " T"], rates: Rates, form: Form, drift: float
) -> tuple[Float64[Array, " P"], Float64[Array, "P parts"]]:
    """The sum of squares of each setting with its best first state (level, trend, season)."""
    tried, period = len(rates.alpha), form.period
    has_trend = form.trend in ("linear", "damped")
    count = 1 + has_trend + max(period - 1, 0)
    values = np.zeros((len(z), 1, 1 + count))
    values[:, 0, 0] = z
    level, trend = np.zeros((tried, 1 + count)), np.zeros((tried, 1 + count))
    season = np.zeros((period, tried, 1 + count))
    level[:, 1] = 1
    trend[:, 0] = drift
    if has_trend:
        trend[:, 2] = 1
    for k in range(period - 1):  # a season sums to 0: the last place is what the others leave
        season[k, :, 2 + has_trend + k], season[-1, :, 2 + has_trend + k] = 1, -1
    columns = Rates(*(rate[:, None] for rate in rates))
    errors, _ = smooth(columns, values, level, trend, season)
    with np.errstate(over="ignore", invalid="ignore"):
        by_setting = errors.transpose(1, 2, 0)
        squares = by_setting @ by_setting.transpose(0, 2, 1)
    gram, right = squares[:, 1:, 1:], -squares[:, 1:, 0]
    gram = gram + RIDGE * np.trace(gram, axis1=1, axis2=2)[:, None, None] * np.eye(count)
    weights = np.linalg.solve(gram, right[..., None])[..., 0]
    sums = squares[:, 0, 0] + 2 * (weights * squares[:, 1:, 0]).sum(axis=1)
    sums += np.einsum("pi,pij,pj->p", weights, squares[:, 1:, 1:], weights)
    firsts = np.zeros((tried, 2 + period))
    firsts[:, 0], firsts[:, 1] = weights[:, 0], weights[:, 1] if has_trend else drift
    if period:
        own = weights[:, 1 + has_trend :]
        firsts[:, 2:] = np.concatenate([own, -own.sum(axis=1, keepdims=True)], axis=1)
    return np.where(np.isfinite(sums), np.maximum(sums, 0), np.inf), firsts
