"""The gated recurrent unit (Cho 2014), its reset gate after the product, as cuDNN and torch have it.

    R_t = sigma(X_t W_xr + H_{t-1} W_hr + b_r)
    Z_t = sigma(X_t W_xz + H_{t-1} W_hz + b_z)
    N_t = tanh(X_t W_xn + b_n + R_t (H_{t-1} W_hn + c_n))
    H_t = (1 - Z_t) N_t + Z_t H_{t-1}

The lecture writes N_t with (R_t H_{t-1}) W_hn. Resetting after the product lets one product serve all three
gates; it is why the candidate has a second bias c_n. The columns of W_x, W_h and b stand in the order R Z N.

Shape letters: T time, B batch, H hidden, G = 3 H.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

from chainrule.kernels.native import fast, fast_in_rows
from chainrule.kernels.recurrent import gru_backward, gru_forward
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


class Tape(NamedTuple):
    """hiddens [T + 1, B, H]; gates R Z N [T, B, G]; reset: H_{t-1} W_hn + c_n [T, B, H]."""

    hiddens: Array
    gates: Array
    reset: Array


@dataclass(frozen=True)
class Gru:
    """The state of a layer is H [B, H]."""

    name = "gru"
    gates = 3

    def shapes(self, hidden: int) -> dict[str, tuple[int, ...]]:
        return {"recurrent": (hidden, 3 * hidden), "candidate_bias": (hidden,)}

    def weights(self, hidden: int, rng: np.random.Generator, dtype: Any) -> Weights:
        return {
            "recurrent": uniform(rng, (hidden, 3 * hidden), hidden, dtype),
            "candidate_bias": np.zeros(hidden, dtype),
        }

    def bias(self, hidden: int, dtype: Any) -> Float[Array, " G"]:
        return np.zeros(3 * hidden, dtype)

    def start(self, batch: int, hidden: int, dtype: Any) -> Float[Array, "B H"]:
        return np.zeros((batch, hidden), dtype)

    def output(self, state: Float[Array, "B H"]) -> Float[Array, "B H"]:
        return state

    def forward(self, weights: Weights, inputs: Inputs, state: Float[Array, "B H"]) -> Forward:
        own = weights["recurrent"], weights["candidate_bias"]
        if fast(state, *own) or fast_in_rows(state, *own[::-1]):
            tape = Tape(*gru_forward(*table_and_ids(inputs), *own, state))
        else:
            tape = forward(*own, written_out(inputs), state)
        return Forward(tape.hiddens[1:], tape.hiddens[-1].copy(), tape)

    def backward(self, weights: Weights, d_hidden: Float[Array, "T B H"], tape: Tape) -> Backward:
        back = gru_backward if fast(d_hidden, *tape) else backward
        d_product, d_candidate, flow, d_recurrent = back(weights["recurrent"], *tape, d_hidden)
        width = d_hidden.shape[-1]
        own = {"recurrent": d_recurrent, "candidate_bias": d_product[..., 2 * width :].sum(axis=(0, 1))}
        d_product[..., 2 * width :] = d_candidate  # past the reset gate: by the input product
        return Backward(d_product, own, flow)


def forward(
    recurrent: Float[Array, "H G"],
    candidate_bias: Float[Array, " H"],
    inputs: Float[Array, "T B G"],
    state: Float[Array, "B H"],
) -> Tape:
    """The hidden vectors, the one handed in first, and what the way back needs."""
    steps, (batch, width) = len(inputs), state.shape
    hiddens = np.empty((steps + 1, batch, width), inputs.dtype)
    hiddens[0] = state
    gates = np.empty((steps, batch, 3 * width), inputs.dtype)
    reset = np.empty((steps, batch, width), inputs.dtype)
    for t, x in enumerate(inputs):
        a = np.matmul(hiddens[t], recurrent, out=gates[t])
        np.add(a[:, 2 * width :], candidate_bias, out=reset[t])
        both = a[:, : 2 * width]
        both += x[:, : 2 * width]
        sigmoid_(both)
        candidate = a[:, 2 * width :]
        np.multiply(a[:, :width], reset[t], out=candidate)
        candidate += x[:, 2 * width :]
        np.tanh(candidate, out=candidate)
        after = np.subtract(hiddens[t], candidate, out=hiddens[t + 1])
        after *= a[:, width : 2 * width]
        after += candidate
    return Tape(hiddens, gates, reset)


def backward(
    recurrent: Float[Array, "H G"],
    hiddens: Float[Array, "T1 B H"],
    gates: Float[Array, "T B G"],
    reset: Float[Array, "T B H"],
    d_hidden: Float[Array, "T B H"],
) -> tuple[Float[Array, "T B G"], Float[Array, "T B H"], Float[Array, "B H"], Float[Array, "H G"]]:
    """The gradients by the recurrent product, by the candidate's argument, by the state handed in, and by
    W_h."""
    width = hiddens.shape[-1]
    r, z, n = (gates[..., i * width : (i + 1) * width] for i in range(3))
    back = np.ascontiguousarray(recurrent.T)
    # everything that does not depend on the flow through time, for all steps at once
    by_candidate = (1 - z) * (1 - n * n)
    by_update = (hiddens[:-1] - n) * z * (1 - z)
    by_reset = reset * r * (1 - r)
    d_product, d_candidate = np.empty_like(gates), np.empty_like(reset)
    flow = np.zeros_like(hiddens[0])
    for t in reversed(range(len(d_hidden))):
        flow += d_hidden[t]
        d_a = np.multiply(flow, by_candidate[t], out=d_candidate[t])
        np.multiply(d_a, by_reset[t], out=d_product[t, :, :width])
        np.multiply(flow, by_update[t], out=d_product[t, :, width : 2 * width])
        np.multiply(d_a, r[t], out=d_product[t, :, 2 * width :])
        flow *= z[t]
        flow += d_product[t] @ back
    return d_product, d_candidate, flow, flat(hiddens[:-1]).T @ flat(d_product)
