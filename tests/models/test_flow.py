"""How the last loss depends on earlier states: against central differences, and where it must vanish."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from chainrule.core import Batch, InputError, leaves
from chainrule.models.recurrent import RecurrentLearner, RecurrentModel
from chainrule.models.recurrent.flow import gradient_norms

Difference = Callable[[Callable[[], float], np.ndarray], np.ndarray]
CELLS = ("rnn", "gru", "lstm", "mingru", "minlstm")
V, H, B, T = 4, 3, 2, 5


def learner(cell: str, layers: int = 1, embedding: int = 0, **options: Any) -> RecurrentLearner:
    rng = np.random.default_rng(0)
    made = RecurrentLearner(
        V, cell=cell, layers=layers, hidden=H, embedding=embedding, rng=rng, dtype=np.float64, **options
    )
    for array in made.parameters.values():
        array += rng.normal(0, 0.3, array.shape)
    return made


def copied(state: Any) -> Any:
    if isinstance(state, np.ndarray):
        return state.copy()
    parts = [copied(part) for part in state]
    return type(state)(*parts) if hasattr(state, "_fields") else tuple(parts)


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize(
    ("layers", "options"),
    [
        (1, {}),
        (2, {}),
        (2, {"embedding": 2, "layer_norm": True, "dropout": 0.5}),
        (1, {"embedding": H, "tied": True}),
        (1, {"cutoffs": [2]}),
    ],
)
def test_the_norms_are_those_of_central_differences(
    cell: str, layers: int, options: dict[str, Any], central_differences: Difference
) -> None:
    """Cut the row after each step, move every number of the state there, and look at the last label."""
    made = learner(cell, layers, **options)
    model = RecurrentModel(made.arch, made.parameters)
    items = np.random.default_rng(1).integers(V, size=(B, T + 1))
    found = gradient_norms(made, Batch(items, np.ones(B, bool), 1), made.start(B))
    assert found.hidden.shape == found.state.shape == (layers, T)
    for k in range(T):
        state = copied(model.score(made.start(B), items[:, : T - k])[1])

        def loss(k: int = k, state: Any = state) -> float:
            return -float(model.score(state, items[:, T - k :])[0][:, -1].sum())

        for l in range(layers):
            moved = [central_differences(loss, leaf) for leaf in leaves(state[l])]
            by_hidden = np.linalg.norm(moved[0], axis=1).mean()
            by_all = np.linalg.norm(np.concatenate(moved, axis=1), axis=1).mean()
            assert found.hidden[l, k] == pytest.approx(by_hidden, abs=1e-8)
            assert found.state[l, k] == pytest.approx(by_all, abs=1e-8)


@pytest.mark.parametrize("cell", CELLS)
def test_the_state_handed_in_is_read_by_stale_rows_only(cell: str) -> None:
    made = learner(cell)
    items = np.random.default_rng(2).integers(V, size=(B, T + 1))
    _, state = made.model().score(made.start(B), items)
    fresh = gradient_norms(made, Batch(items, np.ones(B, bool), 1), state)
    start = gradient_norms(made, Batch(items, np.zeros(B, bool), 1), made.start(B))
    stale = gradient_norms(made, Batch(items, np.zeros(B, bool), 1), state)
    np.testing.assert_array_equal(fresh.hidden, start.hidden)
    assert np.abs(stale.hidden - start.hidden).max() > 1e-6


def test_a_linear_chain_by_hand() -> None:
    """Units that stay near zero: tanh is the identity there, and each step back is one factor w."""
    made, w = RecurrentLearner(2, cell="rnn", hidden=1, rng=np.random.default_rng(0), dtype=np.float64), 0.5
    for array in made.parameters.values():
        array[...] = 0
    made.parameters["layer0.recurrent"][...] = w
    made.parameters["output.weight"][...] = [[1.0, -1.0]]
    items = np.zeros((1, 7), np.int64)
    found = gradient_norms(made, Batch(items, np.ones(1, bool), 1), made.start(1))
    # d(-log softmax_0)/dH = -(1 - p_0) 1 + p_1 (-1) = -1 at p = 1/2
    np.testing.assert_allclose(found.hidden[0], w ** np.arange(6), rtol=1e-12)
    np.testing.assert_array_equal(found.state, found.hidden)


def test_an_lstm_whose_forget_gate_is_open_lets_the_error_pass() -> None:
    made = learner("lstm")
    made.parameters["layer0.bias"][H : 2 * H] = 50  # forget nothing
    made.parameters["layer0.recurrent"][...] = 0
    items = np.random.default_rng(3).integers(V, size=(B, 40))
    found = gradient_norms(made, Batch(items, np.ones(B, bool), 1), made.start(B))
    # by C it is the same at every step but the last, whose C is no longer used beside H
    np.testing.assert_allclose(found.state[0, 1:], found.state[0, 1], rtol=1e-6)
    assert not found.hidden[0, 1:].any()


def test_one_row_more_does_not_change_the_others() -> None:
    """The norm is a mean over rows, not the norm of the mean loss: it does not shrink with the batch."""
    made = learner("gru")
    row = np.random.default_rng(4).integers(V, size=(1, T + 1))
    one = gradient_norms(made, Batch(row, np.ones(1, bool), 1), made.start(1))
    three = gradient_norms(made, Batch(np.repeat(row, 3, 0), np.ones(3, bool), 1), made.start(3))
    np.testing.assert_allclose(three.state, one.state, rtol=1e-12)


def test_parameters_and_state_are_left_alone() -> None:
    made = learner("lstm", layers=2)
    items = np.random.default_rng(5).integers(V, size=(B, T + 1))
    _, state = made.model().score(made.start(B), items)
    kept = [array.copy() for array in (*made.parameters.values(), *leaves(state))]
    gradient_norms(made, Batch(items, np.array([True, False]), 1), state)
    for array, before in zip((*made.parameters.values(), *leaves(state)), kept, strict=True):
        np.testing.assert_array_equal(array, before)


def test_a_row_without_a_past_is_refused() -> None:
    made = learner("rnn")
    with pytest.raises(InputError, match="expected rows of at least 2 tokens, got 1"):
        gradient_norms(made, Batch(np.zeros((B, 1), np.int64), np.ones(B, bool), 1), made.start(B))
