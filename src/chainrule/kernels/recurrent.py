"""The steps in time of recurrent layers as compiled loops; their readable twins are in models.recurrent.

In the calling thread, which lets go of the interpreter: in single precision, and forwards in double precision
too, for few rows, as compression reads. `table` and `ids`: the input product of row b at step t is
table[ids[t, b]]; without ids the table is [T, B, G] and has a row a step.

Shape letters: T time, B batch, H hidden, R rows of a table, G = gates times H.
"""

from ctypes import c_int
from typing import Any

import numpy as np
from jaxtyping import Float, Float32, Int64

from chainrule.kernels.native import call_simd, check_memory

Array = np.ndarray
Table = Float[Array, "R G"] | Float[Array, "T B G"]
Ids = Int64[Array, "T B"] | None


def rnn_forward(
    table: Table, ids: Ids, recurrent: Float[Array, "H H"], state: Float[Array, "B H"]
) -> Float[Array, "T1 B H"]:
    """The hidden vectors, the one handed in first."""
    steps, batch, hidden = _sizes(table, ids, state)
    hiddens = _after(state, steps)
    _run(_named("rnn", state), steps, batch, hidden, table, ids, recurrent, hiddens)
    return hiddens


def rnn_backward(
    recurrent: Float32[Array, "H H"], hiddens: Float32[Array, "T1 B H"], d_hidden: Float32[Array, "T B H"]
) -> tuple[Float32[Array, "T B H"], Float32[Array, "B H"], Float32[Array, "H H"]]:
    """The gradients by the arguments of tanh, by the state handed in, and by the recurrent weight."""
    made = _room(d_hidden.shape), _room(hiddens.shape[1:]), _room(recurrent.shape)
    _run("rnn_backward", *d_hidden.shape, recurrent, hiddens, d_hidden, *made)
    return made


def gru_forward(
    table: Table,
    ids: Ids,
    recurrent: Float[Array, "H G"],
    candidate_bias: Float[Array, " H"],
    state: Float[Array, "B H"],
) -> tuple[Float[Array, "T1 B H"], Float[Array, "T B G"], Float[Array, "T B H"]]:
    """The hidden vectors, the gates R Z N, and what the reset gate acts on."""
    steps, batch, hidden = _sizes(table, ids, state)
    hiddens = _after(state, steps)
    gates, reset = (_room((steps, batch, size), state.dtype) for size in (3 * hidden, hidden))
    _run(
        *(_named("gru", state), steps, batch, hidden, table, ids, recurrent, candidate_bias),
        *(hiddens, gates, reset),
    )
    return hiddens, gates, reset


def gru_backward(
    recurrent: Float32[Array, "H G"],
    hiddens: Float32[Array, "T1 B H"],
    gates: Float32[Array, "T B G"],
    reset: Float32[Array, "T B H"],
    d_hidden: Float32[Array, "T B H"],
) -> tuple[Float32[Array, "T B G"], Float32[Array, "T B H"], Float32[Array, "B H"], Float32[Array, "H G"]]:
    """The gradients by the recurrent product and by the candidate's argument, which take the place of gates
    and reset, by the state handed in, and by the recurrent weight."""
    made = _room(hiddens.shape[1:]), _room(recurrent.shape)
    _run("gru_backward", *d_hidden.shape, recurrent, hiddens, gates, reset, d_hidden, *made)
    return gates, reset, *made


def lstm_forward(
    table: Table,
    ids: Ids,
    recurrent: Float[Array, "H G"],
    hidden_state: Float[Array, "B H"],
    cell_state: Float[Array, "B H"],
) -> tuple[Float[Array, "T1 B H"], Float[Array, "T1 B H"], Float[Array, "T B G"], Float[Array, "T B H"]]:
    """The hidden vectors, the cells (of both the ones handed in first), the gates I F G O, and tanh C."""
    steps, batch, hidden = _sizes(table, ids, hidden_state)
    hiddens, cells = _after(hidden_state, steps), _after(cell_state, steps)
    gates, squashed = (_room((steps, batch, size), hidden_state.dtype) for size in (4 * hidden, hidden))
    _run(
        *(_named("lstm", hidden_state), steps, batch, hidden, table, ids, recurrent),
        *(hiddens, cells, gates, squashed),
    )
    return hiddens, cells, gates, squashed


def lstm_backward(
    recurrent: Float32[Array, "H G"],
    hiddens: Float32[Array, "T1 B H"],
    cells: Float32[Array, "T1 B H"],
    gates: Float32[Array, "T B G"],
    squashed: Float32[Array, "T B H"],
    d_hidden: Float32[Array, "T B H"],
) -> tuple[Float32[Array, "T B G"], Float32[Array, "B H"], Float32[Array, "B H"], Float32[Array, "H G"]]:
    """The gradients by the gates' arguments, which take the gates' place, by the state handed in (hidden and
    cell), and by the recurrent weight."""
    made = _room(cells.shape[1:]), _room(cells.shape[1:]), _room(recurrent.shape)
    _run("lstm_backward", *d_hidden.shape, recurrent, hiddens, cells, gates, squashed, d_hidden, *made)
    return gates, *made


def mingru_forward(
    table: Table, ids: Ids, state: Float32[Array, "B H"]
) -> tuple[Float32[Array, "T1 B H"], Float32[Array, "T B G"]]:
    """The hidden vectors, the one handed in first, and the gates Z N."""
    steps, batch, hidden = _sizes(table, ids, state)
    made = _after(state, steps), _room((steps, batch, 2 * hidden))
    _run("mingru_forward", steps, batch, hidden, table, ids, *made)
    return made


def mingru_backward(
    hiddens: Float32[Array, "T1 B H"], gates: Float32[Array, "T B G"], d_hidden: Float32[Array, "T B H"]
) -> tuple[Float32[Array, "T B G"], Float32[Array, "B H"]]:
    """The gradients by the gates' arguments, and by the state handed in."""
    made = _room(gates.shape), _room(hiddens.shape[1:])
    _run("mingru_backward", *d_hidden.shape, hiddens, gates, d_hidden, *made)
    return made


def minlstm_forward(
    table: Table, ids: Ids, state: Float32[Array, "B H"]
) -> tuple[Float32[Array, "T1 B H"], Float32[Array, "T B G"], Float32[Array, "T B H"]]:
    """The hidden vectors, the one handed in first, the gates F I N, and the share F' that is kept."""
    steps, batch, hidden = _sizes(table, ids, state)
    made = _after(state, steps), _room((steps, batch, 3 * hidden)), _room((steps, batch, hidden))
    _run("minlstm_forward", steps, batch, hidden, table, ids, *made)
    return made


def minlstm_backward(
    hiddens: Float32[Array, "T1 B H"],
    gates: Float32[Array, "T B G"],
    forget: Float32[Array, "T B H"],
    d_hidden: Float32[Array, "T B H"],
) -> tuple[Float32[Array, "T B G"], Float32[Array, "B H"]]:
    """The gradients by the gates' arguments, and by the state handed in."""
    made = _room(gates.shape), _room(hiddens.shape[1:])
    _run("minlstm_backward", *d_hidden.shape, hiddens, gates, forget, d_hidden, *made)
    return made


def _sizes(table: Array, ids: Array | None, state: Array) -> tuple[int, int, int]:
    steps, batch = table.shape[:2] if ids is None else ids.shape
    return steps, batch, state.shape[1]


def _after(state: Array, steps: int) -> Array:
    """Room for the states of all steps, the first in its place."""
    states = _room((steps + 1, *state.shape), state.dtype)
    states[0] = state
    return states


def _room(shape: tuple[int, ...], dtype: Any = np.float32) -> Array:
    return np.empty(shape, dtype)


def _named(cell: str, state: Array) -> str:
    return f"{cell}_forward" if state.dtype == np.float32 else f"{cell}_rows"


def _run(name: str, *arguments: Any) -> None:
    ready = (np.ascontiguousarray(a) if isinstance(a, np.ndarray) else a for a in arguments)
    check_memory(call_simd(name, *ready, returns=c_int))
