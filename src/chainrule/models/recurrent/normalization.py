"""Layer normalisation (Ba 2016): the units of a vector get mean 0 and variance 1, then a scale of their own.

    m = mean_i x_i,   s = 1 / sqrt(mean_i (x_i - m)^2 + eps),   u = (x - m) s,   y = gain u + bias

Backwards, with dU = gain dY: a change that only shifts or stretches x leaves u as it was, so both parts go:

    dX = s (dU - mean_i dU_i - u mean_i (u_i dU_i)),   d_gain = sum u dY,   d_bias = sum dY

A row's numbers depend on that row alone, so nothing changes with the batch or between training and use.

Shape letters: H hidden; the axes before it are rows.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

Array = np.ndarray
EPSILON = 1e-5


class Normalized(NamedTuple):
    """out: y. units: u. scale: s."""

    out: Float[Array, "*rows H"]
    units: Float[Array, "*rows H"]
    scale: Float[Array, "*rows 1"]


def normalize(x: Float[Array, "*rows H"], gain: Float[Array, " H"], bias: Float[Array, " H"]) -> Normalized:
    """Forwards, with what the way back needs."""
    units = x - x.mean(axis=-1, keepdims=True)
    scale = 1 / np.sqrt(np.square(units).mean(axis=-1, keepdims=True) + x.dtype.type(EPSILON))
    units *= scale
    return Normalized(units * gain + bias, units, scale)


def normalize_backward(
    d_out: Float[Array, "*rows H"], gain: Float[Array, " H"], tape: Normalized
) -> tuple[Float[Array, "*rows H"], Float[Array, " H"], Float[Array, " H"]]:
    """The gradients by x, by the gain and by the bias."""
    over_rows = tuple(range(d_out.ndim - 1))
    by_unit = d_out * tape.units
    d_gain, d_bias = by_unit.sum(axis=over_rows), d_out.sum(axis=over_rows)
    d_x = d_out * gain
    along = np.multiply(by_unit, gain, out=by_unit).mean(axis=-1, keepdims=True)
    d_x -= d_x.mean(axis=-1, keepdims=True)
    d_x -= tape.units * along
    d_x *= tape.scale
    return d_x, d_gain, d_bias
