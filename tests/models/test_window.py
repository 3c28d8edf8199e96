"""The window network: its equation, its gradient, and the padding before a text."""

from collections.abc import Callable

import numpy as np
import pytest

from chainrule.core import Batch, InputError, TokenModel
from chainrule.models.window import WindowLearner, WindowModel

Difference = Callable[[Callable[[], float], np.ndarray], np.ndarray]
V, TAU, D, H, B, T = 4, 3, 2, 5, 2, 6
PAD = V


def learner(window: int = TAU, seed: int = 0) -> WindowLearner:
    """In float64, no parameter at zero."""
    rng = np.random.default_rng(seed)
    made = WindowLearner(V, window=window, embedding=D, hidden=H, rng=rng, dtype=np.float64)
    for array in made.parameters.values():
        array += rng.normal(0, 0.3, array.shape)
    return made


@pytest.mark.parametrize("window", [1, TAU])
def test_a_prediction_is_the_equation_over_the_last_tokens(window: int) -> None:
    made = learner(window)
    p, model = made.parameters, made.model()
    tokens = np.random.default_rng(1).integers(V, size=(B, T))
    log_probs, state = model.score(model.start(B), tokens)
    padded = np.concatenate([np.full((B, window), PAD), tokens], axis=1)
    for row in range(B):
        for t in range(T + 1):
            x = np.concatenate([p["embedding"][v] for v in padded[row, t : t + window]])
            h = np.tanh(x @ p["hidden.weight"] + p["hidden.bias"])
            logits = h @ p["output.weight"] + p["output.bias"]
            softmax = np.exp(logits) / np.exp(logits).sum()
            if t < T:
                assert np.exp(log_probs[row, t]) == pytest.approx(softmax[tokens[row, t]], rel=1e-12)
            else:
                np.testing.assert_allclose(np.exp(model.predict(state)[row]), softmax, rtol=1e-12)


def test_places_before_the_first_token_hold_the_padding_symbol() -> None:
    model = learner().model()
    assert model.start(2).tolist() == [[PAD] * TAU] * 2
    state = model.advance(model.start(2), np.array([1, 2]))
    assert state.tolist() == [[PAD, PAD, 1], [PAD, PAD, 2]]
    _, state = model.score(state, np.array([[0, 3, 3], [1, 1, 0]]))
    assert state.tolist() == [[0, 3, 3], [1, 1, 0]]


def test_padding_is_a_symbol_of_its_own() -> None:
    made = learner()
    before = made.model().predict(made.start(1))
    made.parameters["embedding"][PAD] += 1
    changed = made.model()
    assert not np.allclose(changed.predict(changed.start(1)), before)
    full = np.array([[0, 1, 2]])  # no padding in sight: the embedding of padding plays no part
    np.testing.assert_array_equal(changed.predict(full), learner().model().predict(full))


def test_what_is_older_than_the_window_is_forgotten() -> None:
    model = learner().model()
    _, after_one = model.score(model.start(1), np.array([[0, 1, 2, 3, 1, 2]]))
    _, after_other = model.score(model.start(1), np.array([[2, 2, 3, 1, 2]]))
    np.testing.assert_array_equal(after_one, [[3, 1, 2]])
    np.testing.assert_array_equal(after_other, after_one)
    np.testing.assert_array_equal(model.advance(after_one, np.array([0])), [[1, 2, 0]])


def test_padding_cannot_be_read() -> None:
    model = learner().model()
    with pytest.raises(InputError, match=rf"expected ids in 0\.\.{V - 1}, got {PAD} at row 0"):
        model.advance(model.start(1), np.array([PAD]))


@pytest.mark.parametrize("window", [1, TAU, T + 3])
def test_score_is_the_loop(window: int) -> None:
    model = learner(window).model()
    tokens = np.random.default_rng(2).integers(V, size=(B, T))
    fast, after = model.score(model.start(B), tokens)
    slow, looped = TokenModel.score(model, model.start(B), tokens)
    np.testing.assert_allclose(fast, slow, rtol=1e-12)
    np.testing.assert_array_equal(after, looped)


@pytest.mark.parametrize("given", [0, 1])
@pytest.mark.parametrize("window", [1, TAU])
def test_every_entry_of_every_parameter(given: int, window: int, central_differences: Difference) -> None:
    """From a carried state in one row and a fresh start in the other."""
    made = learner(window)
    rng = np.random.default_rng(3)
    items, state = rng.integers(V, size=(B, T)), rng.integers(V, size=(B, window))
    mixed = np.where([[False], [True]], PAD, state)
    model = WindowModel(made.parameters, window)  # reads the very arrays that the differences move

    def loss() -> float:
        return float(-model.score(mixed, items)[0][:, given:].mean())

    step = made.gradients(Batch(items, np.array([False, True]), given), state)
    assert step.count == B * (T - given)
    assert step.nats / step.count == pytest.approx(loss(), rel=1e-12)
    assert step.gradients.keys() == made.parameters.keys()
    for parameter, array in made.parameters.items():
        expected = central_differences(loss, array)
        np.testing.assert_allclose(step.gradients[parameter], expected, atol=1e-8, err_msg=parameter)


@pytest.mark.parametrize("given", [0, 1])
def test_halves_cost_what_the_whole_costs(given: int) -> None:
    made = learner()
    items = np.random.default_rng(4).integers(V, size=(B, 9 + given))
    fresh, stale = np.ones(B, bool), np.zeros(B, bool)
    whole = made.gradients(Batch(items, fresh, given), made.start(B))
    first = made.gradients(Batch(items[:, : 4 + given], fresh, given), made.start(B))
    second = made.gradients(Batch(items[:, 4:], stale, given), first.state)
    assert first.nats + second.nats == pytest.approx(whole.nats, rel=1e-12)
    np.testing.assert_array_equal(second.state, whole.state)
    # nothing learned is carried in a window, so here, unlike in a recurrent network, nothing is cut either
    for parameter, gradient in whole.gradients.items():
        halves = first.count * first.gradients[parameter] + second.count * second.gradients[parameter]
        np.testing.assert_allclose(halves / whole.count, gradient, atol=1e-12)


def test_a_model_does_not_follow_its_learner() -> None:
    made = learner()
    model, state = made.model(), np.array([[0, 1, 2]])
    before = model.predict(state)
    for array in made.parameters.values():
        array += 1
    np.testing.assert_array_equal(model.predict(state), before)


@pytest.mark.parametrize("name", ["window", "embedding", "hidden"])
def test_sizes_below_one_are_refused(name: str) -> None:
    with pytest.raises(InputError, match=f"{name}: expected at least 1, got 0"):
        WindowLearner(V, **{name: 0}, rng=np.random.default_rng(0))
