"""The simple recurrent network (Elman 1990).

    H_t = tanh(X_t W_x + H_{t-1} W_h + b)

which is [X_t H_{t-1}] times the two matrices stacked. Backwards, with A_t the argument of tanh:

    dA_t = (dH_t + dA_{t+1} W_h^T) (1 - H_t^2),   dW_h = sum_t H_{t-1}^T dA_t,   dX_t W_x = dA_t

Shape letters: T time, B batch, H hidden.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float

from chainrule.kernels.native import fast, fast_in_rows
from chainrule.kernels.recurrent import rnn_backward, rnn_forward
from chainrule.models.recurrent.cell import (
    Backward,
    Forward,
    Inputs,
    Weights,
    flat,
    table_and_ids,
    uniform,
    written_out,
)

Array = np.ndarray


@dataclass(frozen=True)
class Rnn:
    """The state of a layer is H [B, H]."""

    name = "rnn"
    gates = 1

    def shapes(self, hidden: int) -> dict[str, tuple[int, ...]]:
        return {"recurrent": (hidden, hidden)}

    def weights(self, hidden: int, rng: np.random.Generator, dtype: Any) -> Weights:
        return {"recurrent": uniform(rng, (hidden, hidden), hidden, dtype)}

    def bias(self, hidden: int, dtype: Any) -> Float[Array, " H"]:
        return np.zeros(hidden, dtype)

    def start(self, batch: int, hidden: int, dtype: Any) -> Float[Array, "B H"]:
        return np.zeros((batch, hidden), dtype)

    def output(self, state: Float[Array, "B H"]) -> Float[Array, "B H"]:
        return state

    def forward(self, weights: Weights, inputs: Inputs, state: Float[Array, "B H"]) -> Forward:
        if fast(state, weights["recurrent"]) or fast_in_rows(state, weights["recurrent"]):
            hiddens = rnn_forward(*table_and_ids(inputs), weights["recurrent"], state)
        else:
            hiddens = forward(weights["recurrent"], written_out(inputs), state)
        return Forward(hiddens[1:], hiddens[-1].copy(), hiddens)

    def backward(self, weights: Weights, d_hidden: Float[Array, "T B H"], tape: Any) -> Backward:
        hiddens: Array = tape
        back = rnn_backward if fast(hiddens, d_hidden) else backward
        d_a, flow, d_recurrent = back(weights["recurrent"], hiddens, d_hidden)
        return Backward(d_a, {"recurrent": d_recurrent}, flow)


def forward(
    recurrent: Float[Array, "H H"], inputs: Float[Array, "T B H"], state: Float[Array, "B H"]
) -> Float[Array, "T1 B H"]:
    """The hidden vectors, the one handed in first."""
    hiddens = np.empty((len(inputs) + 1, *state.shape), inputs.dtype)
    hiddens[0] = state
    for t, x in enumerate(inputs):
        a = np.matmul(hiddens[t], recurrent, out=hiddens[t + 1])
        a += x
        np.tanh(a, out=a)
    return hiddens


def backward(
    recurrent: Float[Array, "H H"], hiddens: Float[Array, "T1 B H"], d_hidden: Float[Array, "T B H"]
) -> tuple[Float[Array, "T B H"], Float[Array, "B H"], Float[Array, "H H"]]:
    """dA of all steps, and the gradients by the state handed in and by W_h."""
    back = np.ascontiguousarray(recurrent.T)
    d_a = 1 - hiddens[1:] * hiddens[1:]
    flow = np.zeros_like(hiddens[0])
    for t in reversed(range(len(d_hidden))):
        flow += d_hidden[t]
        d_a[t] *= flow
        np.matmul(d_a[t], back, out=flow)
    return d_a, flow, flat(hiddens[:-1]).T @ flat(d_a)
