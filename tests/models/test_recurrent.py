"""Recurrent networks: the cells against the equations they quote, every gradient against differences."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from chainrule.core import Batch, InputError, TokenModel, leaves, reset_rows
from chainrule.models.recurrent import Cell, Gru, Lstm, RecurrentLearner, RecurrentModel, Rnn, make_cell
from chainrule.models.recurrent.cell import sigmoid_
from chainrule.models.recurrent.lstm import LstmState

Difference = Callable[[Callable[[], float], np.ndarray], np.ndarray]
CELLS = ("rnn", "gru", "lstm", "mingru", "minlstm")
V, H, D, B, T = 4, 3, 2, 2, 4


def learner(cell: str, *, layers: int = 1, embedding: int = 0) -> RecurrentLearner:
    """In float64, no parameter at zero: a bias that starts there would hide a lost term."""
    rng = np.random.default_rng(0)
    made = RecurrentLearner(
        V, cell=cell, layers=layers, hidden=H, embedding=embedding, rng=rng, dtype=np.float64
    )
    for array in made.parameters.values():
        array += rng.normal(0, 0.3, array.shape)
    return made


def some_state(made: RecurrentLearner) -> Any:
    """A state in the middle of a text."""
    tokens = np.random.default_rng(1).integers(V, size=(B, 5))
    return made.model().score(made.start(B), tokens)[1]


# --- the equations, one step at a time, one gate at a time --------------------------------------------------


def sigma(a: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-a))


def columns(matrix: np.ndarray, gates: int) -> list[np.ndarray]:
    """The block of each gate."""
    return np.split(matrix, gates, axis=-1)


def rnn_step(x: np.ndarray, h: np.ndarray, w: dict[str, np.ndarray]) -> np.ndarray:
    return np.tanh(x + h @ w["recurrent"])


def gru_step(x: np.ndarray, h: np.ndarray, w: dict[str, np.ndarray]) -> np.ndarray:
    (x_r, x_z, x_n), (w_r, w_z, w_n) = columns(x, 3), columns(w["recurrent"], 3)
    r, z = sigma(x_r + h @ w_r), sigma(x_z + h @ w_z)
    n = np.tanh(x_n + r * (h @ w_n + w["candidate_bias"]))
    return (1 - z) * n + z * h


def lstm_step(x: np.ndarray, state: LstmState, w: dict[str, np.ndarray]) -> LstmState:
    h, c = state
    (x_i, x_f, x_g, x_o), (w_i, w_f, w_g, w_o) = columns(x, 4), columns(w["recurrent"], 4)
    i, f, o = sigma(x_i + h @ w_i), sigma(x_f + h @ w_f), sigma(x_o + h @ w_o)
    g = np.tanh(x_g + h @ w_g)
    c = f * c + i * g
    return LstmState(o * np.tanh(c), c)


def mingru_step(x: np.ndarray, h: np.ndarray, w: dict[str, np.ndarray]) -> np.ndarray:
    x_z, n = columns(x, 2)
    z = sigma(x_z)
    return (1 - z) * h + z * n


def minlstm_step(x: np.ndarray, h: np.ndarray, w: dict[str, np.ndarray]) -> np.ndarray:
    x_f, x_i, n = columns(x, 3)
    f, i = sigma(x_f), sigma(x_i)
    return f / (f + i) * h + i / (f + i) * n


STEPS: dict[str, Callable[..., Any]] = {
    "rnn": rnn_step,
    "gru": gru_step,
    "lstm": lstm_step,
    "mingru": mingru_step,
    "minlstm": minlstm_step,
}


def loose_cell(name: str) -> tuple[Cell, dict[str, np.ndarray], np.ndarray, Any]:
    """A cell with weights, inputs [T, B, G] and a state that are all random numbers."""
    cell, rng = make_cell(name), np.random.default_rng(0)
    weights = cell.weights(H, rng, np.float64)
    for array in weights.values():
        array += rng.normal(0, 0.3, array.shape)
    state = rng.normal(size=(B, H)) if name != "lstm" else LstmState(*rng.normal(size=(2, B, H)))
    return cell, weights, rng.normal(size=(T, B, cell.gates * H)), state


@pytest.mark.parametrize("name", CELLS)
def test_a_cell_is_its_equations(name: str) -> None:
    cell, weights, inputs, state = loose_cell(name)
    passed = cell.forward(weights, inputs, state)
    for t in range(T):
        state = STEPS[name](inputs[t], state, weights)
        np.testing.assert_allclose(passed.hidden[t], cell.output(state), rtol=1e-12)
    for got, expected in zip(leaves(passed.state), leaves(state), strict=True):
        np.testing.assert_allclose(got, expected, rtol=1e-12)


@pytest.mark.parametrize("name", CELLS)
@pytest.mark.parametrize(("layers", "embedding"), [(1, 0), (2, 0), (1, D), (2, D)])
def test_a_network_is_its_equations(name: str, layers: int, embedding: int) -> None:
    made = learner(name, layers=layers, embedding=embedding)
    p, model = made.parameters, made.model()
    tokens = np.random.default_rng(2).integers(V, size=(B, T))
    state = list(made.start(B))
    log_probs, _ = model.score(model.start(B), tokens)
    for t in range(T):
        logits = made.arch.cell.output(state[-1]) @ p["output.weight"] + p["output.bias"]
        softmax = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
        np.testing.assert_allclose(np.exp(log_probs[:, t]), softmax[np.arange(B), tokens[:, t]], rtol=1e-12)
        x = p["embedding"][tokens[:, t]] if embedding else np.eye(V)[tokens[:, t]]
        for l in range(layers):
            own = {name.partition(".")[2]: w for name, w in p.items() if name.startswith(f"layer{l}.")}
            state[l] = STEPS[name](x @ own["input"] + own["bias"], state[l], own)
            x = made.arch.cell.output(state[l])


def test_two_products_are_the_product_of_what_is_stacked() -> None:
    # the lecture: X W_x + H W_h = [X H] [W_x; W_h]
    rng = np.random.default_rng(0)
    x, w_x, h, w_h = (rng.normal(size=shape) for shape in ((3, 1), (1, 4), (3, 4), (4, 4)))
    stacked = np.concatenate([x, h], axis=1) @ np.concatenate([w_x, w_h])
    np.testing.assert_allclose(x @ w_x + h @ w_h, stacked, rtol=1e-13)


@pytest.mark.parametrize("embedding", [0, D])
def test_a_step_of_the_network_is_the_product_of_what_is_stacked(embedding: int) -> None:
    made = learner("rnn", embedding=embedding)
    p, (before,) = made.parameters, some_state(made)
    items = np.array([1, 3])
    x = p["embedding"][items] if embedding else np.eye(V)[items]
    stacked = np.concatenate([p["layer0.input"], p["layer0.recurrent"]])
    (after,) = made.model().advance((before,), items)
    expected = np.tanh(np.concatenate([x, before], axis=1) @ stacked + p["layer0.bias"])
    np.testing.assert_allclose(after, expected, rtol=1e-13)


def test_sigmoid_is_in_place_and_does_not_overflow() -> None:
    x = np.array([-1e4, -2.0, 0.0, 2.0, 1e4], np.float32)
    assert sigmoid_(x) is x
    np.testing.assert_allclose(x, [0, 1 / (1 + np.exp(2)), 0.5, 1 / (1 + np.exp(-2)), 1], atol=1e-7)


def test_a_fresh_lstm_remembers() -> None:
    bias = Lstm().bias(2, np.float32)
    assert bias.tolist() == [0, 0, 1, 1, 0, 0, 0, 0]
    assert not Gru().bias(2, np.float32).any()
    assert not Rnn().bias(2, np.float32).any()


# --- gradients ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", CELLS)
def test_a_cell_goes_backwards(name: str, central_differences: Difference) -> None:
    """By its input, by its own weights, and by every part of the state that was handed in."""
    cell, weights, inputs, state = loose_cell(name)
    d_hidden = np.random.default_rng(1).normal(size=(T, B, H))

    def loss() -> float:
        return float((cell.forward(weights, inputs, state).hidden * d_hidden).sum())

    back = cell.backward(weights, d_hidden, cell.forward(weights, inputs, state).tape)
    np.testing.assert_allclose(back.d_input, central_differences(loss, inputs), atol=1e-8)
    assert back.weights.keys() == weights.keys()
    for own, array in weights.items():
        np.testing.assert_allclose(back.weights[own], central_differences(loss, array), atol=1e-8)
    parts = list(zip(leaves(back.d_state), leaves(state), strict=True))
    assert len(parts) == (2 if name == "lstm" else 1)
    for d_part, part in parts:
        np.testing.assert_allclose(d_part, central_differences(loss, part), atol=1e-8)


@pytest.mark.parametrize("name", CELLS)
@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("embedding", [0, D])
@pytest.mark.parametrize("given", [0, 1])
def test_every_entry_of_every_parameter(
    name: str, layers: int, embedding: int, given: int, central_differences: Difference
) -> None:
    """From a carried state in one row and a fresh start in the other."""
    made = learner(name, layers=layers, embedding=embedding)
    state = some_state(made)
    items = np.random.default_rng(3).integers(V, size=(B, T))
    fresh = np.array([False, True])
    mixed = reset_rows(state, fresh, made.start(B))
    model = RecurrentModel(made.arch, made.parameters)  # reads the very arrays that the differences move

    def loss() -> float:
        return float(-model.score(mixed, items)[0][:, given:].mean())

    step = made.gradients(Batch(items, fresh, given), state)
    assert step.count == B * (T - given)
    assert step.nats / step.count == pytest.approx(loss(), rel=1e-12)
    assert step.gradients.keys() == made.parameters.keys()
    for parameter, array in made.parameters.items():
        expected = central_differences(loss, array)
        assert expected.any(), parameter
        np.testing.assert_allclose(step.gradients[parameter], expected, atol=1e-8, err_msg=parameter)


@pytest.mark.parametrize("name", CELLS)
def test_gradients_leave_parameters_batch_and_state_alone(name: str) -> None:
    made = learner(name, layers=2)
    state, items = some_state(made), np.array([[0, 1, 2], [3, 3, 0]])
    kept = [array.copy() for array in (*made.parameters.values(), *leaves(state), items)]
    first = made.gradients(Batch(items, np.array([True, False]), 1), state)
    second = made.gradients(Batch(items, np.array([True, False]), 1), state)
    for array, before in zip((*made.parameters.values(), *leaves(state), items), kept, strict=True):
        np.testing.assert_array_equal(array, before)
    for parameter, gradient in first.gradients.items():
        np.testing.assert_array_equal(gradient, second.gradients[parameter])


@pytest.mark.parametrize("name", CELLS)
@pytest.mark.parametrize("given", [0, 1])
def test_no_gradient_flows_through_the_state_handed_in(name: str, given: int) -> None:
    """Two halves with the state carried cost what the whole costs, but their gradients are cut between."""
    made = learner(name)
    items = np.random.default_rng(4).integers(V, size=(B, 9 + given))
    fresh, stale = np.ones(B, bool), np.zeros(B, bool)
    whole = made.gradients(Batch(items, fresh, given), made.start(B))
    first = made.gradients(Batch(items[:, : 4 + given], fresh, given), made.start(B))
    second = made.gradients(Batch(items[:, 4:], stale, given), first.state)
    assert first.nats + second.nats == pytest.approx(whole.nats, rel=1e-12)
    assert first.count + second.count == whole.count
    for got, expected in zip(leaves(second.state), leaves(whole.state), strict=True):
        np.testing.assert_allclose(got, expected, rtol=1e-12)
    cut = {
        parameter: (first.count * gradient + second.count * second.gradients[parameter]) / whole.count
        for parameter, gradient in first.gradients.items()
    }
    # the output layer has no past; what lies before the cut misses the error from behind it
    np.testing.assert_allclose(cut["output.weight"], whole.gradients["output.weight"], rtol=1e-10)
    for parameter in ("layer0.input", "layer0.bias", *(["layer0.recurrent"] if "min" not in name else [])):
        assert np.abs(cut[parameter] - whole.gradients[parameter]).max() > 1e-5


# --- states and shapes -------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", CELLS)
@pytest.mark.parametrize(("layers", "embedding"), [(1, 0), (2, D)])
def test_score_is_the_loop(name: str, layers: int, embedding: int) -> None:
    made = learner(name, layers=layers, embedding=embedding)
    model, state = made.model(), some_state(made)
    tokens = np.random.default_rng(5).integers(V, size=(B, 7))
    fast, after = model.score(state, tokens)
    slow, looped = TokenModel.score(model, state, tokens)
    np.testing.assert_allclose(fast, slow, rtol=1e-12)
    for got, expected in zip(leaves(after), leaves(looped), strict=True):
        np.testing.assert_allclose(got, expected, rtol=1e-12)


@pytest.mark.parametrize("name", CELLS)
def test_before_the_first_token_only_the_output_bias_speaks(name: str) -> None:
    made = learner(name, layers=2)
    bias = np.exp(made.parameters["output.bias"])
    model = made.model()
    np.testing.assert_allclose(np.exp(model.predict(model.start(1)))[0], bias / bias.sum(), rtol=1e-12)


@pytest.mark.parametrize("name", CELLS)
@pytest.mark.parametrize("given", [0, 1])
def test_fresh_rows_are_reset_and_only_they(name: str, given: int) -> None:
    made = learner(name, layers=2)
    state, items = some_state(made), np.array([[0, 1, 2, 3], [3, 1, 0, 2]])
    mixed = made.gradients(Batch(items, np.array([True, False]), given), state)
    anew = made.gradients(Batch(items, np.array([True, True]), given), state)
    start = made.gradients(Batch(items, np.array([False, False]), given), made.start(B))
    carried = made.gradients(Batch(items, np.array([False, False]), given), state)
    assert anew.nats == start.nats
    for got, fresh, stale in zip(leaves(mixed.state), leaves(anew.state), leaves(carried.state), strict=True):
        np.testing.assert_array_equal(got[0], fresh[0])
        np.testing.assert_array_equal(got[1], stale[1])
        assert not np.array_equal(fresh[1], stale[1])


@pytest.mark.parametrize("name", CELLS)
def test_what_is_given_is_read_but_not_predicted(name: str) -> None:
    made = learner(name)
    items, fresh = np.array([[0, 1, 2, 3], [3, 1, 0, 2]]), np.ones(B, bool)
    log_probs, _ = made.model().score(made.start(B), items)
    all_of_it = made.gradients(Batch(items, fresh, 0), made.start(B))
    pairs = made.gradients(Batch(items, fresh, 1), made.start(B))
    assert all_of_it.nats == pytest.approx(-log_probs.sum(), rel=1e-12)
    assert pairs.nats == pytest.approx(-log_probs[:, 1:].sum(), rel=1e-12)
    # with something given the state stands before the last item: the next batch begins with that item
    _, before_last = made.model().score(made.start(B), items[:, :-1])
    for got, expected in zip(leaves(pairs.state), leaves(before_last), strict=True):
        np.testing.assert_allclose(got, expected, rtol=1e-12)


def expected_size(gates: int, layers: int, embedding: int, own: int) -> int:
    """V and H as above; own: what a cell has besides W_x and b."""
    width, total = embedding or V, V * embedding
    for _ in range(layers):
        total += gates * (width * H + H) + own
        width = H
    return total + H * V + V


@pytest.mark.parametrize(
    ("name", "gates", "own"),
    [
        ("rnn", 1, H * H),
        ("gru", 3, 3 * H * H + H),
        ("lstm", 4, 4 * H * H),
        ("mingru", 2, 0),
        ("minlstm", 3, 0),
    ],
)
@pytest.mark.parametrize(("layers", "embedding"), [(1, 0), (3, 0), (2, D)])
def test_the_number_of_parameters_does_not_depend_on_the_time(
    name: str, gates: int, own: int, layers: int, embedding: int
) -> None:
    made = learner(name, layers=layers, embedding=embedding)
    for steps in (1, 2, 50):
        items = np.zeros((B, steps), np.int64)
        gradients = made.gradients(Batch(items, np.ones(B, bool)), made.start(B)).gradients
        assert sum(g.size for g in gradients.values()) == expected_size(gates, layers, embedding, own)
        for parameter, gradient in gradients.items():
            assert gradient.shape == made.parameters[parameter].shape


@pytest.mark.parametrize("name", CELLS)
def test_a_network_stays_in_the_precision_it_was_made_in(name: str) -> None:
    made = RecurrentLearner(V, cell=name, layers=2, hidden=H, embedding=D, rng=np.random.default_rng(0))
    step = made.gradients(Batch(np.array([[0, 1, 2]]), np.ones(1, bool), 1), made.start(1))
    for array in (*made.parameters.values(), *step.gradients.values(), *leaves(step.state)):
        assert array.dtype == np.float32


def test_a_model_does_not_follow_its_learner() -> None:
    made = learner("gru")
    model = made.model()
    kept = {name: array.copy() for name, array in model.parameters.items()}
    for array in made.parameters.values():
        array += 1
    for name, array in kept.items():
        np.testing.assert_array_equal(model.parameters[name], array)


# --- refusals ----------------------------------------------------------------------------------------------


def test_settings_without_a_meaning_are_refused() -> None:
    rng = np.random.default_rng(0)
    with pytest.raises(
        InputError, match="cell: expected rnn, gru, lstm, mingru or minlstm, got 'transformer'"
    ):
        RecurrentLearner(V, cell="transformer", rng=rng)
    with pytest.raises(InputError, match="layers: expected at least 1, got 0"):
        RecurrentLearner(V, layers=0, rng=rng)
    with pytest.raises(InputError, match="hidden: expected at least 1, got 0"):
        RecurrentLearner(V, hidden=0, rng=rng)
    with pytest.raises(InputError, match="embedding: expected at least 0, got -1"):
        RecurrentLearner(V, embedding=-1, rng=rng)


def test_ids_outside_the_vocabulary_are_refused() -> None:
    made = learner("rnn")
    with pytest.raises(InputError, match=r"expected ids in 0\.\.3, got 4 at row 0, step 1"):
        made.gradients(Batch(np.array([[0, 4]]), np.ones(1, bool)), made.start(1))
