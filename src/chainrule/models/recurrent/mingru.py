"""The minimal gated recurrent unit (Feng 2024): gates that look at the input alone.

    Z_t = sigma(X_t W_xz + b_z)
    N_t = X_t W_xn + b_n
    H_t = (1 - Z_t) H_{t-1} + Z_t N_t

There is no W_h, so a layer has no product that must wait for the step before: all of them are taken at
once over B T rows, and what is left of time is one multiplication and one addition a unit. The price: what a
layer remembers does not depend on what it already holds; that takes a second layer. The columns of W_x and b
stand in the order Z N.

Shape letters: T time, B batch, H hidden, G = 2 H.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

from chainrule.models.recurrent.cell import Backward, Forward, Inputs, Weights, sigmoid_, written_out

Array = np.ndarray


class Tape(NamedTuple):
    """hiddens [T + 1, B, H]; gates Z N [T, B, G]."""

    hiddens: Array
    gates: Array


@dataclass(frozen=True)
class MinGru:
    """The state of a layer is H [B, H]."""

    name = "mingru"
    gates = 2

    def shapes(self, hidden: int) -> dict[str, tuple[int, ...]]:
        del hidden
        return {}

    def weights(self, hidden: int, rng: np.random.Generator, dtype: Any) -> Weights:
        del hidden, rng, dtype
        return {}

    def bias(self, hidden: int, dtype: Any) -> Float[Array, " G"]:
        return np.zeros(2 * hidden, dtype)

    def start(self, batch: int, hidden: int, dtype: Any) -> Float[Array, "B H"]:
        return np.zeros((batch, hidden), dtype)

    def output(self, state: Float[Array, "B H"]) -> Float[Array, "B H"]:
        return state

    def forward(self, weights: Weights, inputs: Inputs, state: Float[Array, "B H"]) -> Forward:
        del weights
        width = state.shape[-1]
        gates = np.array(written_out(inputs))
        z, n = gates[..., :width], gates[..., width:]
        sigmoid_(z)
        hiddens = np.empty((len(gates) + 1, *state.shape), gates.dtype)
        hiddens[0] = state
        for t in range(len(gates)):
            step = np.subtract(n[t], hiddens[t], out=hiddens[t + 1])
            step *= z[t]
            step += hiddens[t]
        return Forward(hiddens[1:], hiddens[-1].copy(), Tape(hiddens, gates))

    def backward(self, weights: Weights, d_hidden: Float[Array, "T B H"], tape: Tape) -> Backward:
        del weights
        hiddens, gates = tape
        width = hiddens.shape[-1]
        z, n = gates[..., :width], gates[..., width:]
        d_input = np.empty_like(gates)
        np.multiply((n - hiddens[:-1]) * z, 1 - z, out=d_input[..., :width])
        d_input[..., width:] = z
        flow = np.zeros_like(hiddens[0])
        for t in reversed(range(len(d_hidden))):
            flow += d_hidden[t]
            d_input[t, :, :width] *= flow
            d_input[t, :, width:] *= flow
            flow -= flow * z[t]
        return Backward(d_input, {}, flow)
