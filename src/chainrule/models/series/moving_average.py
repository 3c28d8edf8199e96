"""Values and surprises of the past, near and a season ago, move the next value (Box & Jenkins 1970).

    phi(B) PHI(B^m) z_t = c + theta(B) THETA(B^m) e_t,   e_t ~ N(0, scale^2),   B z_t = z_{t-1}

Products of the two polynomials give one sum over lags, 1..p, m and m + 1..m + p. The state is the last
values and the last errors, which a reader of the values can tell: they are not hidden, as a level is.
Coefficients have the least squared errors given that there was no error before the first value; every
factor is kept stationary, or invertible, by its partial correlations (Monahan 1984).

Shape letters: B batch, T time, A and M the longest lags, P settings, K coefficients.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Float64

from chainrule.core import InputError, Normal, SeriesModel, check_values
from chainrule.kernels.series import arma_errors
from chainrule.models.series.autoregression import least_scale

Array = np.ndarray
STEPS, NUDGE, ENOUGH, EDGE = 12, 1e-4, 1e-4, 0.995


class Orders(NamedTuple):
    """p, q: values and errors just before; seasonal_p, seasonal_q: of the same place in earlier seasons."""

    p: int = 0
    q: int = 0
    seasonal_p: int = 0
    seasonal_q: int = 0


class Recent(NamedTuple):
    """values [B, A], less their mean, and errors [B, M], the newest last."""

    values: Float64[Array, "B A"]
    errors: Float64[Array, "B M"]


@dataclass(frozen=True, eq=False)
class MovingAverage(SeriesModel[Recent]):
    """ar [A], ma [M]: what values and errors 1, 2, .. steps ago say; middle: the mean."""

    ar: Float64[Array, " A"]
    ma: Float64[Array, " M"]
    middle: float
    scale: float

    def start(self, batch: int) -> Recent:
        return Recent(np.zeros((batch, len(self.ar))), np.zeros((batch, len(self.ma))))

    def predict(self, state: Recent) -> Normal:
        mean = self.middle + state.values @ self.ar[::-1] + state.errors @ self.ma[::-1]
        return Normal(mean, np.full(len(mean), self.scale))

    def advance(self, state: Recent, items: Float64[Array, " B"]) -> Recent:
        errors = check_values(items) - self.predict(state).mean
        return Recent(_pushed(state.values, items - self.middle), _pushed(state.errors, errors))

    def follow(self, state: Recent, values: Float64[Array, "B T"]) -> tuple[Normal, Recent]:
        """The values' part of all steps in one product; errors one after the other."""
        line = np.concatenate([state.values, check_values(values) - self.middle], axis=1)
        steps, reach, back = values.shape[1], len(self.ar), len(self.ma)
        errors = np.concatenate([state.errors, line[:, reach:]], axis=1)
        for lag in np.flatnonzero(self.ar) + 1:
            errors[:, back:] -= self.ar[lag - 1] * line[:, reach - lag :][:, :steps]
        places = np.flatnonzero(self.ma) + 1
        for t in range(back, back + steps if len(places) else back):
            errors[:, t] -= errors[:, t - places] @ self.ma[places - 1]
        made = Normal(values - errors[:, back:], np.full(values.shape, self.scale))
        return made, Recent(line[:, steps:].copy(), errors[:, steps:].copy())


def _pushed(line: Float64[Array, "B L"], items: Float64[Array, " B"]) -> Float64[Array, "B L"]:
    return np.concatenate([line, items[:, None]], axis=1)[:, 1:] if line.shape[1] else line


def fit_moving_average(
    values: Float64[Array, " T"], orders: Orders, period: int = 1, *, centred: bool = True
) -> MovingAverage:
    """centred: with a mean, of differences a drift; else it is 0. Raises InputError for too few values."""
    return choose_moving_average(values, (orders,), period, centred=centred)


def choose_moving_average(
    values: Float64[Array, " T"], tried: Sequence[Orders], period: int = 1, *, centred: bool = True
) -> MovingAverage:
    """Of those for which there are enough values, the one with the least corrected criterion of Akaike.

    AICc = n log(SSE / n) + 2 k + 2 k (k + 1) / (n - k - 1) over the same n values (Hurvich & Tsai 1989).
    Raises InputError where there are too few for all.
    """
    if period < 1 or any(min(orders) < 0 for orders in tried):
        raise InputError(f"orders: expected none below 0 and a period of at least 1, got {tried}, {period}")
    enough = [orders for orders in tried if len(values) >= least_length(orders, period)]
    if not enough:
        fewest = min((least_length(orders, period) for orders in tried), default=0)
        raise InputError(f"moving average: expected at least {fewest} values, got {len(values)}")
    middle = float(values.mean()) if centred else 0.0
    size = max(float((values - middle).std()), least_scale(values))
    z, n = (values - middle) / size, len(values)
    points, squares = descend(z, enough, period)
    k = np.array([sum(orders) for orders in enough]) + centred + 1
    means = np.maximum(squares / n, (least_scale(values) / size) ** 2)
    best = int(np.argmin(n * np.log(means) + 2 * k + 2 * k * (k + 1) / (n - k - 1)))
    ar, ma = polynomials(points[best][None], widest(enough), period)
    scale = size * np.sqrt(squares[best] / max(n - k[best] + 1, 1))
    return MovingAverage(_trimmed(ar[0]), _trimmed(ma[0]), middle, max(float(scale), least_scale(values)))


def least_length(orders: Orders, period: int) -> int:
    reach = max(orders.p + period * orders.seasonal_p, orders.q + period * orders.seasonal_q)
    return reach + sum(orders) + 4


def widest(tried: Sequence[Orders]) -> Orders:
    return Orders(*np.max(tried, axis=0).tolist())


def _trimmed(weights: Float64[Array, " L"]) -> Float64[Array, " _"]:
    """Without the zeros at the end."""
    used = np.flatnonzero(weights)
    return weights[: used[-1] + 1].copy() if len(used) else weights[:0].copy()


def descend(
    z: Float64[Array, " T"], tried: Sequence[Orders], period: int
) -> tuple[Float64[Array, "O K"], Float64[Array, " O"]]:
    """Points of all orders at once, and their sums of squares, by damped steps of least squares (Marquardt
    1963) with differences for derivatives. What an order does not have stays 0."""
    most = widest(tried)
    free = np.array([[k < own for own, top in zip(o, most, strict=True) for k in range(top)] for o in tried])
    rows, count = free.shape
    is_ma = np.repeat([False, True, False, True], most)
    points = np.where(free, np.where(is_ma, -0.3, 0.1), 0.0)
    damping, eye = np.full(rows, 1e-2), np.eye(count)
    now = _sums(errors_of(z, *polynomials(points, most, period)))
    for _ in range(STEPS if count else 0):
        nudged = np.concatenate([points[:, None], points[:, None] + NUDGE * eye * free[:, None]], axis=1)
        errors = errors_of(z, *polynomials(nudged.reshape(-1, count), most, period))
        errors = errors.reshape(rows, 1 + count, len(z))
        slopes = (errors[:, 1:] - errors[:, :1]) / NUDGE
        squares, right = slopes @ slopes.transpose(0, 2, 1), -(slopes @ errors[:, 0, :, None])
        size = np.einsum("okk->ok", squares)
        size = np.where(free, size + 1e-9 * size.max(axis=1, keepdims=True) + 1e-12, 1.0)
        gain = np.zeros(rows)
        for _ in range(3):
            steps = np.linalg.solve(
                squares + (damping[:, None] * size)[:, None] * eye + eye * ~free[:, None], right
            )
            moved = points + np.clip(steps[..., 0], -1, 1)
            after = _sums(errors_of(z, *polynomials(moved, most, period)))
            better = (after < now) & (gain == 0)
            gain = np.where(better, now - after, gain)
            points, now = np.where(better[:, None], moved, points), np.where(better, after, now)
            damping = np.where(gain > 0, np.maximum(damping / 5, 1e-9), np.minimum(damping * 5, 1e9))
            if (gain > 0).all():
                break
        if (gain <= ENOUGH * now).all():
            break
    return points, now


def _sums(errors: Float64[Array, "P T"]) -> Float64[Array, " P"]:
    return np.einsum("pt,pt->p", errors, errors)


def errors_of(
    z: Float64[Array, " T"], ar: Float64[Array, "P A"], ma: Float64[Array, "P M"]
) -> Float64[Array, "P T"]:
    """Only lags that any setting uses are gone through."""
    ar_lags, ma_lags = (np.flatnonzero(np.any(part, axis=0)) for part in (ar, ma))
    used = [np.ascontiguousarray(part[:, lags]) for part, lags in ((ar, ar_lags), (ma, ma_lags))]
    return arma_errors(z, ar_lags + 1, ma_lags + 1, *used)


def polynomials(
    points: Float64[Array, "P K"], orders: Orders, period: int
) -> tuple[Float64[Array, "P A"], Float64[Array, "P M"]]:
    """Coefficients of lags 1, 2, .. of values and of errors."""
    p, q, seasonal_p, _ = np.split(points, np.cumsum(orders[:3]), axis=1)[:4]
    seasonal_q = points[:, orders.p + orders.q + orders.seasonal_p :]
    return -multiplied(p, seasonal_p, period), multiplied(-q, -seasonal_q, period)


def multiplied(
    near: Float64[Array, "P p"], seasonal: Float64[Array, "P q"], period: int
) -> Float64[Array, "P L"]:
    """(1 - sum a_k B^k)(1 - sum b_k B^{m k}) without its 1."""
    rows, reach = len(near), near.shape[1] + period * seasonal.shape[1]
    made = np.zeros((rows, 1 + reach))
    one = np.concatenate([np.ones((rows, 1)), -stationary(near)], axis=1)
    other = np.concatenate([np.ones((rows, 1)), -stationary(seasonal)], axis=1)
    for k in range(other.shape[1]):
        made[:, k * period : k * period + one.shape[1]] += other[:, k, None] * one
    return made[:, 1:]


def stationary(free: Float64[Array, "P k"]) -> Float64[Array, "P k"]:
    """Weights of a stationary autoregression from any numbers: tanh makes them partial correlations, Durbin
    and Levinson's recursion weights."""
    partial = EDGE * np.tanh(free)
    weights = np.zeros(free.shape)
    for k in range(free.shape[1]):
        weights[:, :k] -= partial[:, k, None] * weights[:, :k][:, ::-1].copy()
        weights[:, k] = partial[:, k]
    return weights
