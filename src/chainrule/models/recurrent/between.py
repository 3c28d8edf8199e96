"""What stands between a layer and the one above it, or the output: layer normalisation, then dropout.

    u_t = m * norm(h_t)

It acts on what is handed upward only: the state that goes on to the next step stays as the cell made it, so
a state can be carried, stored and reordered without knowing of either.

Shape letters: T time, B batch, H hidden.
"""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from chainrule.models.recurrent.normalization import Normalized, normalize, normalize_backward

Array = np.ndarray
Weights = Mapping[str, Float[Array, "..."]]
GAIN, BIAS = "norm_gain", "norm_bias"  # a layer's parameters; it is normalised where they are there


class Upward(NamedTuple):
    """vectors: what the layer above reads. tape: of the normalisation, None without one."""

    vectors: Float[Array, "T B H"]
    tape: Normalized | None


def hand_up(
    weights: Weights, hidden: Float[Array, "T B H"], mask: Float[Array, "B H"] | None = None
) -> Upward:
    """From a layer's hidden vectors to what it hands upward."""
    tape = normalize(hidden, weights[GAIN], weights[BIAS]) if GAIN in weights else None
    vectors = hidden if tape is None else tape.out
    return Upward(vectors if mask is None else vectors * mask, tape)


def hand_down(
    weights: Weights,
    d_vectors: Float[Array, "T B H"],
    upward: Upward,
    mask: Float[Array, "B H"] | None = None,
) -> tuple[Float[Array, "T B H"], dict[str, Float[Array, " H"]]]:
    """The gradient by the hidden vectors, and by the gain and bias where there are any."""
    d_hidden = d_vectors if mask is None else d_vectors * mask
    if upward.tape is None:
        return d_hidden, {}
    d_hidden, d_gain, d_bias = normalize_backward(d_hidden, weights[GAIN], upward.tape)
    return d_hidden, {GAIN: d_gain, BIAS: d_bias}
