"""Long short-term memory (Hochreiter & Schmidhuber 1997), with the forget gate of Gers 2000.

    I_t = sigma(X_t W_xi + H_{t-1} W_hi + b_i)       F_t, O_t likewise
    G_t = tanh (X_t W_xg + H_{t-1} W_hg + b_g)
    C_t = F_t C_{t-1} + I_t G_t
    H_t = O_t tanh(C_t)

The columns of W_x, W_h and b stand in the order I F G O. The forget gate's bias begins at 1, so that a
fresh cell remembers (Jozefowicz 2015).

Shape letters: T time, B batch, H hidden, G = 4 H.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

from chainrule.kernels.native import fast, fast_in_rows
from chainrule.kernels.recurrent import lstm_backward, lstm_forward
from chainrule.models.recurrent.cell import (
    Backward,
    Forward,
    Inputs,
    Weights,
    flat,
    sigmoid_,
    table_and_ids,
    uniform,
    written_out,
)

Array = np.ndarray


class LstmState(NamedTuple):
    """hidden: what the network sees. cell: what the layer remembers."""

    hidden: Float[Array, "B H"]
    cell: Float[Array, "B H"]


class Tape(NamedTuple):
    """hiddens, cells [T + 1, B, H]; gates I F G O [T, B, G]; squashed: tanh C_t [T, B, H]."""

    hiddens: Array
    cells: Array
    gates: Array
    squashed: Array


@dataclass(frozen=True)
class Lstm:
    """The state of a layer is (H, C), each [B, H]."""

    name = "lstm"
    gates = 4

    def shapes(self, hidden: int) -> dict[str, tuple[int, ...]]:
        return {"recurrent": (hidden, 4 * hidden)}

    def weights(self, hidden: int, rng: np.random.Generator, dtype: Any) -> Weights:
        return {"recurrent": uniform(rng, (hidden, 4 * hidden), hidden, dtype)}

    def bias(self, hidden: int, dtype: Any) -> Float[Array, " G"]:
        bias = np.zeros(4 * hidden, dtype)
        bias[hidden : 2 * hidden] = 1
        return bias

    def start(self, batch: int, hidden: int, dtype: Any) -> LstmState:
        return LstmState(np.zeros((batch, hidden), dtype), np.zeros((batch, hidden), dtype))

    def output(self, state: LstmState) -> Float[Array, "B H"]:
        return state.hidden

    def forward(self, weights: Weights, inputs: Inputs, state: LstmState) -> Forward:
        recurrent = weights["recurrent"]
        if fast(*state, recurrent) or fast_in_rows(*state, recurrent):
            tape = Tape(*lstm_forward(*table_and_ids(inputs), recurrent, *state))
        else:
            tape = forward(recurrent, written_out(inputs), state)
        after = LstmState(tape.hiddens[-1].copy(), tape.cells[-1].copy())
        return Forward(tape.hiddens[1:], after, tape)

    def backward(self, weights: Weights, d_hidden: Float[Array, "T B H"], tape: Tape) -> Backward:
        back = lstm_backward if fast(d_hidden, *tape) else backward
        d_a, *flows, d_recurrent = back(weights["recurrent"], *tape, d_hidden)
        return Backward(d_a, {"recurrent": d_recurrent}, LstmState(*flows))


def forward(recurrent: Float[Array, "H G"], inputs: Float[Array, "T B G"], state: LstmState) -> Tape:
    """The hidden vectors and the cells, the ones handed in first, and what the way back needs."""
    steps, (batch, width) = len(inputs), state.hidden.shape
    hiddens = np.empty((steps + 1, batch, width), inputs.dtype)
    cells, squashed = np.empty_like(hiddens), np.empty((steps, batch, width), inputs.dtype)
    gates = np.empty((steps, batch, 4 * width), inputs.dtype)
    hiddens[0], cells[0] = state
    for t, x in enumerate(inputs):
        a = np.matmul(hiddens[t], recurrent, out=gates[t])
        a += x
        sigmoid_(a[:, : 2 * width])
        np.tanh(a[:, 2 * width : 3 * width], out=a[:, 2 * width : 3 * width])
        sigmoid_(a[:, 3 * width :])
        i, f, g, o = (a[:, k * width : (k + 1) * width] for k in range(4))
        np.multiply(f, cells[t], out=cells[t + 1])
        cells[t + 1] += i * g
        np.tanh(cells[t + 1], out=squashed[t])
        np.multiply(o, squashed[t], out=hiddens[t + 1])
    return Tape(hiddens, cells, gates, squashed)


def backward(
    recurrent: Float[Array, "H G"],
    hiddens: Float[Array, "T1 B H"],
    cells: Float[Array, "T1 B H"],
    gates: Float[Array, "T B G"],
    squashed: Float[Array, "T B H"],
    d_hidden: Float[Array, "T B H"],
) -> tuple[Float[Array, "T B G"], Float[Array, "B H"], Float[Array, "B H"], Float[Array, "H G"]]:
    """The gradients by the gates' arguments, by the state handed in (hidden and cell), and by W_h."""
    width = cells.shape[-1]
    i, f, g, o = (gates[..., k * width : (k + 1) * width] for k in range(4))
    back = np.ascontiguousarray(recurrent.T)
    # everything that does not depend on the flow through time, for all steps at once
    d_a = np.empty_like(gates)
    by_gate = d_a.reshape(*d_a.shape[:2], 4, width)
    by_i, by_f, by_g, by_o = (by_gate[:, :, k] for k in range(4))
    np.multiply(g * i, 1 - i, out=by_i)
    np.multiply(cells[:-1] * f, 1 - f, out=by_f)
    np.multiply(i, 1 - g * g, out=by_g)
    np.multiply(squashed * o, 1 - o, out=by_o)
    into_cell = o * (1 - squashed * squashed)
    flow, cell_flow = np.zeros_like(cells[0]), np.zeros_like(cells[0])
    for t in reversed(range(len(d_hidden))):
        flow += d_hidden[t]
        cell_flow += flow * into_cell[t]
        by_gate[t, :, :3] *= cell_flow[:, None]
        by_o[t] *= flow
        cell_flow *= f[t]
        np.matmul(d_a[t], back, out=flow)
    return d_a, flow, cell_flow, flat(hiddens[:-1]).T @ flat(d_a)
