"""Complex exponential smoothing: a level and what it is about to do, moved by every error (Svetunkov 2022).

    mu_t = l + l^s_{t-m},   e_t = x_t - mu_t,   x_t ~ N(mu_t, scale^2)
    l' = l - (1 - a1) c + (a0 - a1) e,   c' = l + (1 - a0) c + (a0 + a1) e

which is one smoothing of a complex number l + i c by a0 + i a1. Level and trend are not told apart, so a
series may pass from one to the other. The season is such a number for each of its places, a period apart,
with b0 + i b1.

Shape letters: B batch, T time, m period, P settings tried at once, K columns: the data, then each first
state."""

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float64

from chainrule.core import InputError, Normal, SeriesModel, check_values
from chainrule.kernels.series import complex_squares, turned
from chainrule.models.series.autoregression import least_scale
from chainrule.models.series.search import closing_in, recent, solve_first

Array = np.ndarray


class Complex(NamedTuple):
    """level, potential [B]; season and its potential [B, m], those of the next value first (m = 0: none)."""

    level: Float64[Array, " B"]
    potential: Float64[Array, " B"]
    season: Float64[Array, "B m"]
    season_potential: Float64[Array, "B m"]


class ComplexRates(NamedTuple):
    """a0 + i a1 of the level, b0 + i b1 of the season."""

    a0: Any
    a1: Any
    b0: Any = 0.0
    b1: Any = 0.0


@dataclass(frozen=True, eq=False)
class ComplexSmoothing(SeriesModel[Complex]):
    """first: the state before the first value, of one row."""

    rates: ComplexRates
    first: Complex
    scale: float

    def start(self, batch: int) -> Complex:
        return Complex(*(np.repeat(part, batch, axis=0) for part in self.first))

    def predict(self, state: Complex) -> Normal:
        mean = state.level + state.season[:, 0] if state.season.shape[1] else state.level
        return Normal(mean.copy(), np.full(len(mean), self.scale))

    def advance(self, state: Complex, items: Float64[Array, " B"]) -> Complex:
        errors, r = check_values(items) - self.predict(state).mean, self.rates
        level, potential = turned(state.level, state.potential, errors, r.a0, r.a1)
        season, potentials = state.season, state.season_potential
        if season.shape[1]:
            one, other = turned(season[:, 0], potentials[:, 0], errors, r.b0, r.b1)
            season = np.concatenate([season[:, 1:], one[:, None]], axis=1)
            potentials = np.concatenate([potentials[:, 1:], other[:, None]], axis=1)
        return Complex(level, potential, season, potentials)

    def follow(self, state: Complex, values: Float64[Array, "B T"]) -> tuple[Normal, Complex]:
        """The same without a new object at every step."""
        parts = (state.level, state.potential, state.season.T, state.season_potential.T)
        errors, after = smooth_complex(self.rates, check_values(values).T, *parts)
        made = Normal(values - errors.T, np.full(values.shape, self.scale))
        return made, Complex(after[0], after[1], after[2].T, after[3].T)


def smooth_complex(
    rates: ComplexRates,
    values: Array,
    level: Array,
    potential: Array,
    season: Array,
    season_potential: Array,
) -> tuple[Array, tuple[Array, Array, Array, Array]]:
    """All errors [T, ..], and the state after the last; seasons are [m, ..]. Rates are numbers or
    broadcast."""
    errors, period = np.empty((len(values), *level.shape)), len(season)
    season, season_potential = season.copy(), season_potential.copy()
    for t, x in enumerate(values):
        e = np.subtract(x, level, out=errors[t])
        if period:
            k = t % period
            e -= season[k]
            season[k], season_potential[k] = turned(season[k], season_potential[k], e, rates.b0, rates.b1)
        level, potential = turned(level, potential, e, rates.a0, rates.a1)
    shift = -(len(values) % period) if period else 0
    rolled = [np.roll(part, shift, axis=0) if period else part for part in (season, season_potential)]
    return errors, (level, potential, rolled[0], rolled[1])


def fit_complex(values: Float64[Array, " T"], period: int = 0) -> ComplexSmoothing:
    """The rates with the least squared errors, by points that close in on the best; no chance in it.

    Raises InputError for fewer than three periods, or too few values.
    """
    if period == 1 or period < 0:
        raise InputError(f"period: expected 0 or at least 2, got {period}")
    count = 2 + 2 * period
    if len(values) < max(3 * period, 6):
        raise InputError(
            f"complex smoothing: expected at least {max(3 * period, 6)} values, got {len(values)}"
        )
    kept = recent(values, period)
    size = max(float(kept.std()), least_scale(kept))
    z = kept / size  # not shifted: only with a1 = 1 is a level at rest at any height

    levels = np.zeros((2, 1 + count))
    levels[0, 1] = levels[1, 2] = 1
    season, potentials = np.zeros((period, 1 + count)), np.zeros((period, 1 + count))
    season[range(period), range(3, 3 + period)] = 1
    potentials[range(period), range(3 + period, 3 + 2 * period)] = 1

    def solved(points: Float64[Array, "P 4"]) -> tuple[Float64[Array, " P"], Float64[Array, "P parts"]]:
        rates = np.stack(rates_at(points))
        with np.errstate(over="ignore", invalid="ignore"):
            return solve_first(complex_squares(z, rates, levels, season, potentials))

    least, point, first = closing_in(solved)
    rates = ComplexRates(*(float(rate[0]) for rate in rates_at(point[None])))
    scale = max(size * np.sqrt(least / max(len(z) - count, len(z) / 2)), least_scale(values))
    parts = size * first[None]
    state = Complex(parts[:, 0], parts[:, 1], parts[:, 2 : 2 + period], parts[:, 2 + period :])
    return ComplexSmoothing(rates, state, float(scale))


def rates_at(points: Float64[Array, "P 4"]) -> ComplexRates:
    """a0 in 0.1..1.99, a1 in 0.8..1.3, the same of the season."""
    a, b, c, d = points.T
    return ComplexRates(0.1 + 1.89 * a, 0.8 + 0.5 * b, 0.1 + 1.89 * c, 0.8 + 0.5 * d)
