"""The minimal long short-term memory (Feng 2024): its two gates look at the input alone and share out 1.

    F_t = sigma(X_t W_xf + b_f)       I_t likewise
    F'_t = F_t / (F_t + I_t),         I'_t = I_t / (F_t + I_t) = 1 - F'_t
    N_t = X_t W_xn + b_n
    H_t = F'_t H_{t-1} + I'_t N_t

As in the minimal GRU there is no W_h, no tanh around the state and no cell beside it. F' is computed as
sigma(log F_t - log I_t), which has no 0/0 where both gates are shut. Backwards, with U the argument:

    dU_t = dH_t (H_{t-1} - N_t) F'_t I'_t,   dA_f = dU_t (1 - F_t),   dA_i = -dU_t (1 - I_t)

The columns of W_x and b stand in the order F I N. The candidate is plain and the biases begin at 0, for the
reasons that stand in mingru.py.

Shape letters: T time, B batch, H hidden, G = 3 H.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

from chainrule.kernels.native import fast
from chainrule.kernels.recurrent import minlstm_backward, minlstm_forward
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
    """hiddens [T + 1, B, H]; gates F I N [T, B, G]; forget: F' [T, B, H]."""

    hiddens: Array
    gates: Array
    forget: Array


def softplus(x: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """log(1 + exp x), which is -log sigma(-x)."""
    return np.maximum(x, 0) + np.log(1 + np.exp(-np.abs(x)))


@dataclass(frozen=True)
class MinLstm:
    """The state of a layer is H [B, H]."""

    name = "minlstm"
    gates = 3

    def shapes(self, hidden: int) -> dict[str, tuple[int, ...]]:
        del hidden
        return {}

    def weights(self, hidden: int, rng: np.random.Generator, dtype: Any) -> Weights:
        del hidden, rng, dtype
        return {}

    def bias(self, hidden: int, dtype: Any) -> Float[Array, " G"]:
        return np.zeros(3 * hidden, dtype)

    def start(self, batch: int, hidden: int, dtype: Any) -> Float[Array, "B H"]:
        return np.zeros((batch, hidden), dtype)

    def output(self, state: Float[Array, "B H"]) -> Float[Array, "B H"]:
        return state

    def forward(self, weights: Weights, inputs: Inputs, state: Float[Array, "B H"]) -> Forward:
        del weights
        if fast(state, table_and_ids(inputs)[0]):
            tape = Tape(*minlstm_forward(*table_and_ids(inputs), state))
        else:
            tape = forward(written_out(inputs), state)
        return Forward(tape.hiddens[1:], tape.hiddens[-1].copy(), tape)

    def backward(self, weights: Weights, d_hidden: Float[Array, "T B H"], tape: Tape) -> Backward:
        del weights
        back = minlstm_backward if fast(d_hidden, *tape) else backward
        d_input, flow = back(*tape, d_hidden)
        return Backward(d_input, {}, flow)


def forward(inputs: Float[Array, "T B G"], state: Float[Array, "B H"]) -> Tape:
    """The hidden vectors, the one handed in first, the gates, and the share that is kept."""
    width = state.shape[-1]
    gates = np.array(inputs)
    forget = sigmoid_(softplus(-gates[..., width : 2 * width]) - softplus(-gates[..., :width]))
    sigmoid_(gates[..., : 2 * width])
    n = gates[..., 2 * width :]
    hiddens = np.empty((len(gates) + 1, *state.shape), gates.dtype)
    hiddens[0] = state
    for t in range(len(gates)):
        step = np.subtract(hiddens[t], n[t], out=hiddens[t + 1])
        step *= forget[t]
        step += n[t]
    return Tape(hiddens, gates, forget)


def backward(
    hiddens: Float[Array, "T1 B H"],
    gates: Float[Array, "T B G"],
    forget: Float[Array, "T B H"],
    d_hidden: Float[Array, "T B H"],
) -> tuple[Float[Array, "T B G"], Float[Array, "B H"]]:
    """The gradients by the gates' arguments, and by the state handed in."""
    width = hiddens.shape[-1]
    f, i, n = (gates[..., k * width : (k + 1) * width] for k in range(3))
    d_input = np.empty_like(gates)
    by_argument = (hiddens[:-1] - n) * forget * (1 - forget)
    np.multiply(by_argument, 1 - f, out=d_input[..., :width])
    np.multiply(by_argument, i - 1, out=d_input[..., width : 2 * width])
    np.subtract(1, forget, out=d_input[..., 2 * width :])
    by_gate = d_input.reshape(*d_input.shape[:2], 3, width)
    flow = np.zeros_like(hiddens[0])
    for t in reversed(range(len(d_hidden))):
        flow += d_hidden[t]
        by_gate[t] *= flow[:, None]
        flow *= forget[t]
    return d_input, flow
