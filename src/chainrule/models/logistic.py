"""Logistic regression on wide, almost empty rows, by Newton's method with conjugate gradients.

    min over w, b of  |w|^2 / 2 + C sum_i log(1 + exp(-s_i (w . x_i + b))),     s_i = +1 or -1

The bias is not penalised. Newton steps are solved inexactly (Lin, Weng & Keerthi 2008) and halved until the
objective falls as it should (Armijo).

Shape letters: N rows, F columns, E entries.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float64, Int64

from chainrule.core import InputError

Array = np.ndarray
NEWTON_STEPS, INNER_STEPS = 50, 100
ENOUGH = 1e-2  # of the first gradient's length: more does not move a held-out figure


@dataclass(frozen=True, eq=False)
class Sparse:
    """values[e] stands in row rows[e], rising, and column columns[e]; everything else is 0."""

    rows: Int64[Array, " E"]
    columns: Int64[Array, " E"]
    values: Float64[Array, " E"]
    height: int
    width: int

    def dot(self, weights: Float64[Array, " F"]) -> Float64[Array, " N"]:
        """X w."""
        return _sums(self.rows, self.values * weights[self.columns], self.height)

    def back(self, numbers: Float64[Array, " N"]) -> Float64[Array, " F"]:
        """X^T v."""
        return _sums(self.columns, self.values * numbers[self.rows], self.width)


def _sums(places: Int64[Array, " E"], values: Float64[Array, " E"], length: int) -> Float64[Array, " L"]:
    """Values added up by place; of none at all `bincount` makes integers."""
    return np.bincount(places, values, minlength=length).astype(np.float64, copy=False)


class Linear(NamedTuple):
    """w . x + b is the log-odds of the positive class."""

    weights: Float64[Array, " F"]
    bias: float


def fit_logistic(x: Sparse, positive: Bool[Array, " N"], cost: float, *, enough: float = ENOUGH) -> Linear:
    """The minimum, to a gradient `enough` times as long as the first. cost: C.

    Raises InputError unless there are rows of both classes, and for a cost that is not above 0.
    """
    if not (cost > 0 and np.isfinite(cost)):
        raise InputError(f"cost: expected above 0, got {cost}")
    if positive.all() or not positive.any():
        raise InputError("logistic regression: expected rows of two classes, got one")
    sign = np.where(positive, 1.0, -1.0)
    weights, bias, scores = np.zeros(x.width), 0.0, np.zeros(x.height)
    first = 0.0
    for _ in range(NEWTON_STEPS):
        wrong = 1 / (1 + np.exp(np.clip(sign * scores, -500, 500)))  # the probability of the other class
        gradient = weights - cost * x.back(sign * wrong)
        of_bias = -cost * float((sign * wrong).sum())
        length = float(np.sqrt(gradient @ gradient + of_bias**2))
        first = first or length
        if length <= enough * first:
            break
        curvature = cost * wrong * (1 - wrong)
        within = min(0.1, float(np.sqrt(length / first))) * length
        step, of_step = _newton_step(x, gradient, of_bias, curvature, within)
        moved = x.dot(step) + of_step
        slope = float(gradient @ step) + of_bias * of_step
        t = _armijo(weights, scores, sign, cost, (step, moved, slope))
        weights, bias, scores = weights + t * step, bias + t * of_step, scores + t * moved
    return Linear(weights, bias)


def _newton_step(
    x: Sparse, gradient: Float64[Array, " F"], of_bias: float, curvature: Float64[Array, " N"], within: float
) -> tuple[Float64[Array, " F"], float]:
    """The step s of H s = -gradient, H = I + X^T diag(curvature) X, to a rest shorter than `within`."""
    step, of_step = np.zeros_like(gradient), 0.0
    rest, of_rest = -gradient, -of_bias
    towards, of_towards = rest.copy(), of_rest
    square = float(rest @ rest) + of_rest**2
    for _ in range(INNER_STEPS):
        bent = curvature * (x.dot(towards) + of_towards)
        product, of_product = towards + x.back(bent), float(bent.sum())
        scale = square / (float(towards @ product) + of_towards * of_product)
        step, of_step = step + scale * towards, of_step + scale * of_towards
        rest, of_rest = rest - scale * product, of_rest - scale * of_product
        now = float(rest @ rest) + of_rest**2
        if np.sqrt(now) < within:
            break
        towards, of_towards = rest + now / square * towards, of_rest + now / square * of_towards
        square = now
    return step, of_step


def _armijo(
    weights: Float64[Array, " F"],
    scores: Float64[Array, " N"],
    sign: Float64[Array, " N"],
    cost: float,
    line: tuple[Float64[Array, " F"], Float64[Array, " N"], float],
) -> float:
    """The share of a step that makes the objective fall by 1e-4 of what its slope says."""
    step, moved, slope = line

    def objective(t: float) -> float:
        along = weights + t * step
        return 0.5 * float(along @ along) + cost * float(np.logaddexp(0, -sign * (scores + t * moved)).sum())

    before, t = objective(0.0), 1.0
    while objective(t) > before + 1e-4 * t * slope and t > 1e-10:
        t /= 2
    return t
