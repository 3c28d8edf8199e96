"""What a training step does with every parameter, each array read and written once.

m <- m + (1 - b1) (g - m),   v <- v + (1 - b2) (g^2 - v),   w <- d w - rate m / (c sqrt v + eps)
"""

from ctypes import c_double
from typing import Any

import numpy as np
from jaxtyping import Float

from chainrule.kernels.native import call_simd, fast_in_order

Array = np.ndarray


def adam(
    weight: Float[Array, "*shape"],
    gradient: Float[Array, "*shape"],
    mean: Float[Array, "*shape"],
    square: Float[Array, "*shape"],
    *,
    keep: tuple[float, float],
    rate: float,
    correction: float,
    eps: float,
    decay: float = 1.0,
) -> None:
    """One step in place of weight, mean and square. keep: 1 - b1 and 1 - b2; correction: c; decay: d."""
    arrays = (weight, gradient, mean, square)
    if fast_in_order(*arrays):
        call_simd("adam", weight.size, *arrays, *keep, rate, correction, eps, decay)
    else:
        _adam_numpy(*arrays, keep, rate, correction, eps, decay)


def _adam_numpy(
    weight: Array,
    gradient: Array,
    mean: Array,
    square: Array,
    keep: tuple[float, float],
    rate: float,
    correction: float,
    eps: float,
    decay: float,
) -> None:
    kind: Any = weight.dtype.type
    mean += kind(keep[0]) * (gradient - mean)
    square += kind(keep[1]) * (gradient * gradient - square)
    divisor = np.sqrt(square)
    divisor *= kind(correction)
    divisor += kind(eps)
    weight *= kind(decay)
    weight -= kind(rate) * mean / divisor


def square_sum(x: Float[Array, "*shape"]) -> float:
    """The sum of the squares; of single precision in blocks that are added up in double."""
    if fast_in_order(x):
        return call_simd("squares", x.size, x, returns=c_double)
    return float(np.vdot(x, x))
