"""Dynamic evaluation: the laws, each step against the formula, and what it is good for."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chainrule.core import Batch, InputError, TokenModel, join_rows, take_rows
from chainrule.models.online import DynamicEvaluation
from chainrule.models.online.dynamic import SHORT
from chainrule.models.recurrent import RecurrentLearner, RecurrentModel
from chainrule.testing import check_token_model

Difference = Callable[[Callable[[], float], np.ndarray], np.ndarray]
V, H = 7, 5
TEXT = np.random.default_rng(0).integers(0, V, 60)
KINDS: dict[str, dict[str, Any]] = {
    "rnn": {"cell": "rnn"},
    "gru, adaptive softmax": {"cell": "gru", "embedding": 3, "cutoffs": (3,)},
    "lstm, two layers": {"layers": 2, "layer_norm": True},
    "lstm, tied": {"embedding": H, "tied": True},
    "minlstm": {"cell": "minlstm"},
}


def network(dtype: Any = np.float64, **options: Any) -> RecurrentModel:
    """No parameter at zero: a bias that starts there would hide a lost term."""
    rng = np.random.default_rng(1)
    made = RecurrentLearner(V, hidden=H, rng=rng, dtype=dtype, **options)
    for array in made.parameters.values():
        array += rng.normal(0, 0.3, array.shape).astype(dtype)
    return made.model()


@pytest.mark.parametrize("name", KINDS)
def test_it_keeps_the_laws(name: str) -> None:
    check_token_model(DynamicEvaluation(network(**KINDS[name]), rate=0.03, every=4, decay=0.01))


@pytest.mark.parametrize("every", [2, 50])
def test_it_keeps_the_laws_in_single_precision(every: int) -> None:
    check_token_model(DynamicEvaluation(network(np.float32, cell="rnn"), every=every), tolerance=1e-4)


def test_the_first_step_goes_down_the_gradient(central_differences: Difference) -> None:
    model = network(cell="gru")
    learning = DynamicEvaluation(model, rate=0.05, every=6, decay=0)
    _, after = learning.score(learning.start(1), TEXT[None, :6])
    slopes: list[np.ndarray] = []
    for array in model.parameters.values():
        slope = central_differences(lambda: -model.score(model.start(1), TEXT[None, :6])[0].mean(), array)
        slopes.append(slope.ravel())
    slope, trained = np.concatenate(slopes), learning.start(1).weights[0]
    expected = trained - 0.05 * np.sqrt(len(slope)) * slope / max(np.linalg.norm(slope), SHORT)
    np.testing.assert_allclose(after.weights[0], expected, atol=1e-8)
    assert np.sqrt(np.mean((after.weights[0] - trained) ** 2)) <= 0.05 * (1 + 1e-9)


def test_it_is_the_loop_by_hand() -> None:
    """Stretches of 4: score them, then step on them, from the state where they began."""
    made = RecurrentLearner(V, hidden=H, rng=np.random.default_rng(1), dtype=np.float64)
    learning = DynamicEvaluation(made.model(), rate=0.02, every=4, decay=0.1)
    found, _ = learning.score(learning.start(1), TEXT[None])
    trained = {name: array.copy() for name, array in made.parameters.items()}
    state = made.start(1)
    for at in range(0, len(TEXT), 4):
        stretch = TEXT[None, at : at + 4]
        expected, after = made.model().score(state, stretch)
        np.testing.assert_allclose(found[:, at : at + 4], expected, rtol=1e-9)
        step = made.gradients(Batch(stretch, np.zeros(1, np.bool_)), state)
        norm = np.sqrt(sum((g**2).sum() for g in step.gradients.values()))
        size = sum(g.size for g in step.gradients.values())
        for name, array in made.parameters.items():
            array -= 0.02 * np.sqrt(size) * step.gradients[name] / max(norm, SHORT)
            array += 0.1 * (trained[name] - array)
        state = after


@given(st.lists(st.integers(0, 15), min_size=1, max_size=3), st.integers(1, 6))
@settings(max_examples=10)
def test_rows_may_stand_anywhere_in_their_stretches(lengths: list[int], every: int) -> None:
    """Rows that have read more or less are joined, and go on as they would alone."""
    learning = DynamicEvaluation(network(), rate=0.03, every=every)
    alone = [learning.score(learning.start(1), TEXT[None, :n])[1] for n in lengths]
    together = take_rows(join_rows(alone), np.arange(len(lengths))[::-1])
    more = np.tile(TEXT[None, 30:37], (len(lengths), 1))
    found, _ = learning.score(together, more)
    for row, state in zip(found, reversed(alone), strict=True):
        np.testing.assert_allclose(row, learning.score(state, more[:1])[0][0], rtol=1e-9)


def test_no_weights_are_copied_before_a_step_is_taken() -> None:
    learning = DynamicEvaluation(network(), every=3)
    state = learning.start(2)
    assert state.weights.strides[0] == 0  # one set of numbers, shown twice
    after = learning.advance(state, TEXT[:2])
    assert after.weights is state.weights
    assert learning.score(after, TEXT[None, :4].reshape(2, 2))[1].weights is not state.weights


def test_what_was_read_is_learned_and_the_trained_weights_stay() -> None:
    model = network()
    kept = {name: array.copy() for name, array in model.parameters.items()}
    learning = DynamicEvaluation(model, rate=0.05, every=5)
    line = np.tile(TEXT[:10], 30)[None]
    found, after = learning.score(learning.start(1), line)
    assert -found[0, -50:].mean() < 0.75 * -model.score(model.start(1), line)[0][0, -50:].mean()
    for name, array in model.parameters.items():
        np.testing.assert_array_equal(array, kept[name])
    again, _ = learning.score(learning.start(1), line)
    np.testing.assert_array_equal(found, again)
    drawn_back = DynamicEvaluation(model, rate=0.05, every=5, decay=0.5)
    _, near = drawn_back.score(drawn_back.start(1), line)
    trained = learning.start(1).weights
    assert np.abs(near.weights - trained).sum() < 0.5 * np.abs(after.weights - trained).sum()


def test_settled_it_is_a_network_that_says_the_same() -> None:
    learning = DynamicEvaluation(network(), rate=0.05, every=4)
    _, state = learning.score(learning.start(1), TEXT[None, :21])
    settled = learning.settled(state)
    np.testing.assert_allclose(settled.predict(state.own), learning.predict(state), rtol=1e-12)
    looped, _ = TokenModel.score(settled, state.own, TEXT[None, 21:])
    np.testing.assert_allclose(settled.score(state.own, TEXT[None, 21:])[0], looped, rtol=1e-9)
    assert not np.allclose(learning.score(state, TEXT[None, 21:])[0], looped)


def test_steps_shrink_where_the_text_is_known() -> None:
    """A network that has one thing to say, and is right: a full step would lead away."""
    model = network(cell="rnn")
    model.parameters["output.bias"][2] += 50
    learning = DynamicEvaluation(model, rate=0.05, every=5, decay=0)
    _, after = learning.score(learning.start(1), np.full((1, 20), 2))
    assert np.abs(after.weights - learning.start(1).weights).max() < 1e-9


@pytest.mark.parametrize(
    "wrong", [{"rate": 0.0}, {"rate": float("nan")}, {"rate": float("inf")}, {"every": 0}, {"decay": 1.0}]
)
def test_what_has_no_meaning_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="dynamic evaluation: expected a rate above 0"):
        DynamicEvaluation(network(), **wrong)
