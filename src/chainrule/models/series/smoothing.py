"""Exponential smoothing: a level, a trend and a season that every error moves (Holt 1957, Winters 1960).

    mu_t = l + phi b + s_{t-m},   e_t = x_t - mu_t,   x_t ~ N(mu_t, scale^2)
    l <- l + phi b + alpha e_t,   b <- phi b + beta e_t,   s_t = s_{t-m} + gamma e_t

The state (l, b, s) is latent: nobody sees it, every value is a hint at it (Hyndman, Koehler, Ord & Snyder
2008). Errors are linear in the first state, so for given alpha, beta, gamma, phi it is solved by least
squares.

Shape letters: B batch, T time, m period, P settings tried at once, K columns: the data, then each first
state."""

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float64

from chainrule.core import InputError, Normal, SeriesModel, check_values
from chainrule.kernels.series import smooth_squares
from chainrule.models.series.autoregression import least_scale
from chainrule.models.series.search import closing_in, recent, solve_first

Array = np.ndarray


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
    values: Array,
    level: Array,
    trend: Array,
    season: Array,
) -> tuple[Array, tuple[Array, Array, Array]]:
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
    kept = recent(values, form.period)
    size = max(float(kept.std()), least_scale(values))
    z = (kept - kept[0]) / size
    drift = float(np.polyfit(np.arange(len(z)), z, 1)[0]) / 2 if form.trend == "drift" else 0.0
    least, point, first = closing_in(lambda points: _solve(z, _rates(points, form), form, drift))
    rates = Rates(*(float(rate[0]) for rate in _rates(point[None], form)))
    scale = max(size * np.sqrt(least / max(len(z) - parts, 1)), least_scale(values))
    state = _first(first, form, drift)
    level, trend = size * state.level + kept[0], size * state.trend
    return ExponentialSmoothing(rates, Hidden(level, trend, size * state.season), float(scale))


def _first(parts: Float64[Array, " parts"], form: Form, drift: float) -> Hidden:
    """The parts as one row's state; the last place of the season is what the others leave of 0."""
    has_trend = form.trend in ("linear", "damped")
    own = parts[1 + has_trend :]
    season = np.append(own, -own.sum()) if form.period else own
    return Hidden(parts[:1], parts[1:2] if has_trend else np.array([drift]), season[None])


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
    period = form.period
    has_trend = form.trend in ("linear", "damped")
    count = 1 + has_trend + max(period - 1, 0)
    level, trend = np.zeros(1 + count), np.zeros(1 + count)
    season = np.zeros((period, 1 + count))
    level[1], trend[0] = 1, drift
    if has_trend:
        trend[2] = 1
    for k in range(period - 1):
        season[k, 2 + has_trend + k], season[-1, 2 + has_trend + k] = 1, -1
    with np.errstate(over="ignore", invalid="ignore"):
        return solve_first(smooth_squares(z, np.stack(rates), level, trend, season))
