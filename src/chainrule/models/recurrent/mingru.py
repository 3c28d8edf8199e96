"""The minimal gated recurrent unit (Feng 2024): gates that look at the input alone.

    Z_t = sigma(X_t W_xz + b_z)
    N_t = X_t W_xn + b_n
    H_t = (1 - Z_t) H_{t-1} + Z_t N_t

There is no W_h, so a layer has no product that must wait for the step before: all of them are taken at
once over B T rows, and what is left of time is one multiplication and one addition a unit. The price: what a
layer remembers does not depend on what it already holds; that takes a second layer. The columns of W_x and b
stand in the order Z N.

The candidate is plain, as in the paper's first form. Its second, N_t = g(X_t W_xn + b_n) with g above 0, is
there so that H can be summed as logarithms on parallel processors; this loop has no need of that, and with g
networks learned slower (characters, two layers of 256: 2.35 nats against 2.12). Gates biased to remember
learned slower too, 2.26 nats, so the biases begin at 0.

Shape letters: T time, B batch, H hidden, G = 2 H.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

from chainrule.kernels.native import fast
from chainrule.kernels.recurrent import mingru_backward, mingru_forward
from chainrule.models.recurrent.cell import (
    Backward,
    Forward,
    Inputs,
    Weights,
    sigmoid_,
    table_and_ids,
    written_out,
)

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
        if fast(state, table_and_ids(inputs)[0]):
            tape = Tape(*mingru_forward(*table_and_ids(inputs), state))
        else:
            tape = forward(written_out(inputs), state)
        return Forward(tape.hiddens[1:], tape.hiddens[-1].copy(), tape)

    def backward(self, weights: Weights, d_hidden: Float[Array, "T B H"], tape: Tape) -> Backward:
        del weights
        back = mingru_backward if fast(d_hidden, *tape) else backward
        d_input, flow = back(*tape, d_hidden)
        return Backward(d_input, {}, flow)


def forward(inputs: Float[Array, "T B G"], state: Float[Array, "B H"]) -> Tape:
    """The hidden vectors, the one handed in first, and the gates."""
    width = state.shape[-1]
    gates = np.array(inputs)
    z, n = gates[..., :width], gates[..., width:]
    sigmoid_(z)
    hiddens = np.empty((len(gates) + 1, *state.shape), gates.dtype)
    hiddens[0] = state
    for t in range(len(gates)):
        step = np.subtract(n[t], hiddens[t], out=hiddens[t + 1])
        step *= z[t]
        step += hiddens[t]
    return Tape(hiddens, gates)


def backward(
    hiddens: Float[Array, "T1 B H"], gates: Float[Array, "T B G"], d_hidden: Float[Array, "T B H"]
) -> tuple[Float[Array, "T B G"], Float[Array, "B H"]]:
    """The gradients by the gates' arguments, and by the state handed in."""
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
    return d_input, flow
