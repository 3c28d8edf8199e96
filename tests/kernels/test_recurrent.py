"""The compiled steps in time against their readable twins."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chainrule.core import leaves, take_rows
from chainrule.kernels.native import instructions
from chainrule.models.recurrent import Gru, Lstm, MinGru, MinLstm, Rnn, gru, lstm, rnn
from chainrule.models.recurrent.cell import Cell, Gathered

pytestmark = pytest.mark.skipif(not instructions(), reason="the loops are not compiled here")
sizes = st.integers(1, 20)


def same(found: object, expected: object, scale: float = 1.0) -> None:
    """Leaf by leaf, within what single precision leaves of sums of some hundred terms."""
    if isinstance(found, np.ndarray):
        assert isinstance(expected, np.ndarray)
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=2e-5 * scale)
    else:
        assert isinstance(found, tuple)
        assert isinstance(expected, tuple)
        for one, other in zip(found, expected, strict=True):
            same(one, other, scale)


def double(value: object) -> object:
    """The same in double precision, for which the twins stand in."""
    if isinstance(value, np.ndarray):
        return value.astype(np.float64) if value.dtype == np.float32 else value
    assert isinstance(value, tuple)
    parts = [double(part) for part in value]
    return type(value)(*parts) if hasattr(value, "_fields") else tuple(parts)


@pytest.mark.parametrize("cell", [Rnn(), Gru(), Lstm(), MinGru(), MinLstm()], ids=lambda cell: cell.name)
@given(steps=sizes, batch=sizes, hidden=st.integers(1, 70), gathered=st.booleans(), seed=st.integers(0, 99))
def test_compiled_and_readable_agree(
    cell: Cell, steps: int, batch: int, hidden: int, gathered: bool, seed: int
) -> None:
    rng = np.random.default_rng(seed)

    def normal(*shape: int) -> np.ndarray:
        return rng.normal(size=shape).astype(np.float32)

    weights = cell.weights(hidden, rng, np.float32)
    if "candidate_bias" in weights:
        weights["candidate_bias"] = normal(hidden)
    ids = rng.integers(5, size=(steps, batch))
    inputs = (
        Gathered(normal(5, cell.gates * hidden), ids)
        if gathered
        else normal(steps, batch, cell.gates * hidden)
    )
    state = cell.start(batch, hidden, np.float32)
    state = (
        type(state)(*(normal(batch, hidden) for _ in state))
        if isinstance(state, tuple)
        else normal(batch, hidden)
    )
    d_hidden = normal(steps, batch, hidden)
    exact = {name: array.astype(np.float64) for name, array in weights.items()}
    ours, twin = cell.forward(weights, inputs, state), cell.forward(exact, double(inputs), double(state))
    same(tuple(ours), tuple(twin))
    back, twin_back = (
        cell.backward(weights, d_hidden, ours.tape),
        cell.backward(exact, double(d_hidden), twin.tape),
    )
    same(back.d_input, twin_back.d_input)
    same(back.d_state, twin_back.d_state)
    for name, gradient in back.weights.items():
        same(gradient, twin_back.weights[name], scale=10)


@pytest.mark.parametrize("cell", [Rnn(), Gru(), Lstm()], ids=lambda cell: cell.name)
@given(
    steps=st.integers(1, 4),
    batch=st.integers(1, 9),
    hidden=st.integers(1, 150),
    large=st.sampled_from([1.0, 30.0, 1e4]),
)
def test_few_rows_in_double_precision(cell: Cell, steps: int, batch: int, hidden: int, large: float) -> None:
    """As the readable twin has it, and the same digits whether steps and rows are taken alone or together."""
    rng = np.random.default_rng(steps)
    weights = cell.weights(hidden, rng, np.float32)
    if "candidate_bias" in weights:
        weights["candidate_bias"] = rng.normal(size=hidden)
    inputs = large * rng.normal(size=(steps, batch, cell.gates * hidden))
    start = cell.start(batch, hidden, np.float64)
    for array in leaves(start):
        array[:] = rng.normal(size=array.shape)
    readable = {
        "rnn": lambda x, s: rnn.forward(weights["recurrent"], x, s),
        "gru": lambda x, s: gru.forward(weights["recurrent"], weights["candidate_bias"], x, s)[0],
        "lstm": lambda x, s: lstm.forward(weights["recurrent"], x, s)[0],
    }[cell.name]
    ours = cell.forward(weights, inputs, start)
    np.testing.assert_allclose(ours.hidden, readable(inputs, start)[1:], rtol=1e-11, atol=1e-14)
    for row in range(batch):
        state = take_rows(start, np.array([row]))
        for t in range(steps):
            alone = cell.forward(weights, Gathered(inputs[:, row], np.array([[t]])), state)
            np.testing.assert_array_equal(alone.hidden[0, 0], ours.hidden[t, row])
            state = alone.state
