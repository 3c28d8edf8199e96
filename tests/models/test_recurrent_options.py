"""Networks with options: every gradient against differences, the masks held; what each option says."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chainrule import testing
from chainrule.core import Batch, InputError, TokenModel, leaves, reset_rows, take_rows
from chainrule.models.archive import describe_state, pack, size, unpack
from chainrule.models.recurrent import RecurrentLearner
from chainrule.models.recurrent.backpropagation import backpropagate, through_layers
from chainrule.models.recurrent.dropout import NO_MASKS, Masks, draw_mask
from chainrule.models.recurrent.minlstm import MinLstm
from chainrule.models.recurrent.network import run
from chainrule.models.recurrent.normalization import normalize, normalize_backward

Difference = Callable[..., np.ndarray]
CELLS = ("rnn", "gru", "lstm", "mingru", "minlstm")
V, H, B, T = 7, 3, 2, 4
ITEMS = np.array([[6, 1, 2, 3, 4, 5], [0, 3, 4, 5, 6, 2]])  # labels in every cluster
DROPOUT = {"dropout": 0.4, "embedding_dropout": 0.3, "weight_dropout": 0.4}
UNITS = {"dropout": 0.4, "embedding_dropout": 0.3}
OPTIONS: dict[str, dict[str, Any]] = {
    "tied": {"embedding": H, "tied": True},
    "tied, two layers": {"embedding": H, "tied": True, "layers": 2},
    "normalised": {"layer_norm": True},
    "normalised, two layers": {"layer_norm": True, "layers": 2, "embedding": 2},
    "dropout": {**UNITS},
    "dropout, two layers, embedding": {**UNITS, "layers": 2, "embedding": 2},
    "clusters": {"cutoffs": (2, 4)},
    "one cluster": {"cutoffs": (5,), "embedding": 2},
    "all with tied": {"embedding": H, "tied": True, "layers": 2, "layer_norm": True, **UNITS},
    "all with clusters": {"embedding": 2, "layers": 2, "layer_norm": True, "cutoffs": (1, 3, 5), **UNITS},
}


def learner(cell: str = "gru", vocab_size: int = V, **options: Any) -> RecurrentLearner:
    """In float64, no parameter at zero: a bias that starts there would hide a lost term."""
    rng = np.random.default_rng(0)
    made = RecurrentLearner(vocab_size, cell=cell, hidden=H, rng=rng, dtype=np.float64, **options)
    for array in made.parameters.values():
        array += rng.normal(0, 0.3, array.shape)
    return made


def some_state(made: RecurrentLearner, rows: int = B) -> Any:
    """A state in the middle of a text."""
    tokens = np.random.default_rng(1).integers(made.vocab_size, size=(rows, 5))
    return made.model().score(made.start(rows), tokens)[1]


def some_items(rows: int = B, steps: int = T, seed: int = 3) -> np.ndarray:
    return np.random.default_rng(seed).integers(V, size=(rows, steps))


def check_gradients(
    made: RecurrentLearner, given: int, masks: Masks, central_differences: Difference
) -> None:
    state = reset_rows(some_state(made), np.array([False, True]), made.start(B))
    batch = Batch(ITEMS, np.zeros(B, bool), given)

    def loss() -> float:
        step = backpropagate(made.arch, made.parameters, batch, state, masks)
        return step.nats / step.count

    step = backpropagate(made.arch, made.parameters, batch, state, masks)
    assert step.gradients.keys() == made.parameters.keys()
    for name, array in made.parameters.items():
        # small ones: a normalised vector of almost equal units bends sharply
        expected = central_differences(loss, array, 1e-6)
        assert expected.any(), name
        np.testing.assert_allclose(step.gradients[name], expected, atol=2e-8, err_msg=name)


@pytest.mark.parametrize("option", OPTIONS)
@pytest.mark.parametrize("cell", ["gru", "minlstm"])
@pytest.mark.parametrize("given", [0, 1])
def test_every_entry_of_every_parameter(
    option: str, cell: str, given: int, central_differences: Difference
) -> None:
    """From a state in the middle of a text in one row, from the start in the other."""
    made = learner(cell, **OPTIONS[option])
    check_gradients(made, given, made.draw_masks(B), central_differences)


@pytest.mark.parametrize("cell", ["rnn", "gru", "lstm"])
@pytest.mark.parametrize("embedding", [0, 2])
def test_every_entry_where_recurrent_weights_are_dropped(
    cell: str, embedding: int, central_differences: Difference
) -> None:
    made = learner(cell, layers=2, embedding=embedding, weight_dropout=0.4)
    check_gradients(made, 1, made.draw_masks(B), central_differences)


@pytest.mark.parametrize("option", OPTIONS)
def test_the_loss_without_masks_is_what_the_model_scores(option: str) -> None:
    made = learner("lstm", **OPTIONS[option])
    state, items = some_state(made), some_items()
    step = backpropagate(made.arch, made.parameters, Batch(items, np.zeros(B, bool)), state)
    assert step.nats == pytest.approx(-made.model().score(state, items)[0].sum(), rel=1e-12)


# --- blocks of rows ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("option", ["dropout, two layers, embedding", "all with tied", "all with clusters"])
@pytest.mark.parametrize("given", [0, 1])
def test_blocks_of_rows_add_up_to_the_batch(option: str, given: int) -> None:
    made = learner("lstm", weight_dropout=0.3, **OPTIONS[option])
    state, items, masks = some_state(made, 5), some_items(5), made.draw_masks(5)
    stale = np.zeros(5, bool)
    whole = backpropagate(made.arch, made.parameters, Batch(items, stale, given), state, masks)
    blocks = []
    for rows in (slice(0, 2), slice(2, 5)):
        batch = Batch(items[rows], stale[rows], given)
        part = take_rows(state, np.arange(5)[rows])
        blocks.append(backpropagate(made.arch, made.parameters, batch, part, masks.rows(rows)))
    assert sum(block.nats for block in blocks) == pytest.approx(whole.nats, rel=1e-12)
    assert sum(block.count for block in blocks) == whole.count
    for name, gradient in whole.gradients.items():
        mean = sum(block.gradients[name] * (block.count / whole.count) for block in blocks)
        np.testing.assert_allclose(mean, gradient, atol=1e-12, err_msg=name)
    for parts in zip(*(leaves(block.state) for block in blocks), leaves(whole.state), strict=True):
        np.testing.assert_allclose(np.concatenate(parts[:2]), parts[2], rtol=1e-12)


@pytest.mark.parametrize("option", OPTIONS)
@pytest.mark.parametrize("workers", [2, 3, 8])
def test_the_number_of_workers_changes_nothing(option: str, workers: int) -> None:
    """Not the masks either: they are drawn for the whole batch before it is cut."""
    alone, several = learner("minlstm", **OPTIONS[option]), learner("minlstm", **OPTIONS[option])
    alone.workers, several.workers = 1, workers
    batch, state = Batch(some_items(5), np.arange(5) == 3, 1), some_state(alone, 5)
    one, other = alone.gradients(batch, state), several.gradients(batch, state)
    assert (one.count, one.nats) == (other.count, pytest.approx(other.nats, rel=1e-12))
    for name, gradient in one.gradients.items():
        np.testing.assert_allclose(other.gradients[name], gradient, atol=1e-12, err_msg=name)
    for got, expected in zip(leaves(other.state), leaves(one.state), strict=True):
        np.testing.assert_allclose(got, expected, rtol=1e-12)


@pytest.mark.parametrize("cell", CELLS)
def test_through_the_layers_to_the_states_handed_in(cell: str, central_differences: Difference) -> None:
    made = learner(cell, layers=2, embedding=2, layer_norm=True)
    state, read = some_state(made), some_items()
    d_hidden = np.random.default_rng(5).normal(size=(T, B, H))

    def loss() -> float:
        return float((run(made.arch, made.parameters, read, state)[-1].hidden * d_hidden).sum())

    passes = run(made.arch, made.parameters, read, state)
    back = through_layers(made.arch, made.parameters, d_hidden, passes, read)
    for got, part in zip(leaves(tuple(back.d_states)), leaves(state), strict=True):
        np.testing.assert_allclose(got, central_differences(loss, part), atol=1e-8)


# --- dropout -----------------------------------------------------------------------------------------------


@given(st.floats(0.01, 0.95), st.sampled_from([np.float32, np.float64]))
def test_a_mask_is_one_on_average(rate: float, dtype: Any) -> None:
    mask = draw_mask(np.random.default_rng(0), rate, (400, 500), dtype)
    assert mask is not None
    assert mask.dtype == dtype
    values = np.unique(mask)
    assert values[0] == 0
    np.testing.assert_allclose(values[1:], [1 / (1 - rate)], rtol=1e-6)
    spread = np.sqrt(rate / (1 - rate) / mask.size)
    assert abs(mask.mean(dtype=np.float64) - 1) < 5 * spread


@pytest.mark.parametrize("embedding", [0, 2])
def test_masks_are_the_same_at_all_steps(embedding: int) -> None:
    """With the weights of the cell at zero a mask is all that time could move: nothing may move."""
    made = learner("rnn", layers=2, embedding=embedding, **UNITS)
    for l in range(2):
        made.parameters[f"layer{l}.recurrent"][...] = 0
    read = np.tile(np.array([[3], [5]]), (1, 6))
    masks = made.draw_masks(B)
    assert masks.upward is not None
    assert 0 < (masks.upward == 0).sum() < masks.upward.size
    top = run(made.arch, made.parameters, read, made.start(B), masks)[-1]
    np.testing.assert_array_equal(top.hidden, np.broadcast_to(top.hidden[:1], top.hidden.shape))
    below = top.below[:, masks.upward[0] == 0]
    assert not below.any()


def test_each_rate_drops_what_it_is_named_after() -> None:
    def drawn(**rates: float) -> list[bool]:
        masks = learner("lstm", embedding=2, **rates).draw_masks(B)
        return [mask is not None for mask in masks]  # words, embedded, upward, recurrent

    assert drawn(dropout=0.5) == [False, True, True, False]
    assert drawn(embedding_dropout=0.5) == [True, False, False, False]
    assert drawn(weight_dropout=0.5) == [False, False, False, True]


def test_each_row_has_a_mask_of_its_own() -> None:
    masks = learner("lstm", layers=2, embedding=4, dropout=0.5).draw_masks(64)
    assert masks.upward is not None
    assert masks.embedded is not None
    assert len(np.unique(masks.embedded, axis=0)) > 8
    assert len(np.unique(masks.upward[0], axis=0)) == len(np.unique(masks.upward[1], axis=0)) == 2**H
    assert not np.array_equal(masks.upward[0], masks.upward[1])


@pytest.mark.parametrize("embedding", [0, 3])
def test_a_dropped_word_is_read_as_nothing(embedding: int) -> None:
    """Its embedding, or its row of W_x, is zero: whichever it is, the hidden vectors are the same."""
    made = learner("gru", embedding=embedding)
    words = np.ones(V)
    words[[2, 5]] = 0
    for steps in (2, 9):  # fewer positions than words, and more
        read = np.array([[2, 1, 5, 0, 2, 6, 3, 5, 5]])[:, :steps]
        other = np.array([[5, 1, 2, 0, 5, 6, 3, 2, 5]])[:, :steps]
        dropped = [
            run(made.arch, made.parameters, r, made.start(1), Masks(words=words))[-1].hidden
            for r in (read, other)
        ]
        np.testing.assert_array_equal(*dropped)
        kept = run(made.arch, made.parameters, read, made.start(1))[-1].hidden
        assert not np.array_equal(dropped[0], kept)


def test_a_dropped_word_is_predicted_all_the_same() -> None:
    made = learner(embedding=H, tied=True)
    batch, state = Batch(some_items(), np.zeros(B, bool), 1), some_state(made)
    step = backpropagate(made.arch, made.parameters, batch, state, Masks(words=np.zeros(V)))
    assert step.gradients["embedding"].all()  # of a tied embedding the output's part is left
    assert not step.gradients["layer0.input"].any()


def test_a_dropped_recurrent_weight_neither_speaks_nor_learns() -> None:
    made = learner("lstm", layers=2, weight_dropout=0.5)
    masks = made.draw_masks(B)
    assert masks.recurrent is not None
    batch, state = Batch(some_items(), np.zeros(B, bool)), some_state(made)
    first = backpropagate(made.arch, made.parameters, batch, state, masks)
    for l in range(2):
        gone = masks.recurrent[l] == 0
        assert not first.gradients[f"layer{l}.recurrent"][gone].any()
        made.parameters[f"layer{l}.recurrent"][gone] += 1
    second = backpropagate(made.arch, made.parameters, batch, state, masks)
    assert second.nats == first.nats


def test_without_rates_nothing_is_drawn_and_nothing_changes() -> None:
    made = learner("lstm", layers=2, embedding=2)
    before = made.rng.bit_generator.state
    assert made.draw_masks(B) == NO_MASKS
    batch, state = Batch(some_items(), np.zeros(B, bool), 1), some_state(made)
    step = made.gradients(batch, state)
    assert made.rng.bit_generator.state == before
    assert step.nats == backpropagate(made.arch, made.parameters, batch, state).nats


def test_the_state_of_the_generator_repeats_the_masks() -> None:
    made = learner("lstm", embedding=2, **DROPOUT)
    batch, state = Batch(some_items(), np.zeros(B, bool), 1), some_state(made)
    kept = made.rng.bit_generator.state
    first, other = made.gradients(batch, state), made.gradients(batch, state)
    made.rng.bit_generator.state = kept
    again = made.gradients(batch, state)
    assert first.nats == again.nats != other.nats
    for name, gradient in first.gradients.items():
        np.testing.assert_array_equal(gradient, again.gradients[name])


def test_dropout_leaves_the_model_without_a_trace() -> None:
    plain, dropping = (learner("lstm", embedding=2, **options) for options in ({}, DROPOUT))
    assert pack(plain.model())[1] == pack(dropping.model())[1]


# --- normalisation -----------------------------------------------------------------------------------------


def test_normalised_vectors_have_mean_0_and_variance_1() -> None:
    x = np.random.default_rng(0).normal(3, 5, (4, 6, 50))
    out = normalize(x, np.ones(50), np.zeros(50)).out
    np.testing.assert_allclose(out.mean(axis=-1), 0, atol=1e-12)
    np.testing.assert_allclose(out.var(axis=-1), 1, rtol=1e-5)
    gain, bias = np.random.default_rng(1).normal(size=(2, 50))
    np.testing.assert_allclose(normalize(x, gain, bias).out, gain * out + bias, rtol=1e-12)


def test_normalisation_goes_backwards(central_differences: Difference) -> None:
    rng = np.random.default_rng(0)
    x, d_out = rng.normal(size=(2, 3, 4)), rng.normal(size=(2, 3, 4))
    gain, bias = rng.normal(size=(2, 4))

    def loss() -> float:
        return float((normalize(x, gain, bias).out * d_out).sum())

    back = normalize_backward(d_out, gain, normalize(x, gain, bias))
    for got, array in zip(back, (x, gain, bias), strict=True):
        np.testing.assert_allclose(got, central_differences(loss, array), atol=1e-8)


def test_the_state_goes_on_unnormalised() -> None:
    plain, normalised = learner("gru"), learner("gru", layer_norm=True)
    for name, array in plain.parameters.items():
        normalised.parameters[name][...] = array
    (one,), (other,) = some_state(plain), some_state(normalised)
    np.testing.assert_array_equal(one, other)


# --- the minimal cells -------------------------------------------------------------------------------------


def test_gates_that_are_both_shut_share_all_the_same() -> None:
    inputs = np.array([[[-200.0, -200.0, 4.0]]], np.float32)
    passed = MinLstm().forward({}, inputs, np.array([[2.0]], np.float32))
    np.testing.assert_allclose(passed.hidden, [[[3.0]]], rtol=1e-6)


def test_the_state_of_a_minimal_cell_is_one_vector() -> None:
    assert describe_state(learner("minlstm").model()) == "a vector of 3"
    assert describe_state(learner("mingru", layers=2).model()) == "a vector of 6"


@pytest.mark.parametrize("cell", ["mingru", "minlstm"])
def test_a_fresh_minimal_cell_takes_the_mean_of_old_and_new(cell: str) -> None:
    made = RecurrentLearner(V, cell=cell, hidden=H, rng=np.random.default_rng(0), dtype=np.float64)
    gates = made.arch.cell.gates
    made.parameters["layer0.input"][:, : (gates - 1) * H] = 0
    new = made.parameters["layer0.input"][[2, 5], -H:]
    (after,) = made.model().advance((np.ones((B, H)),), np.array([2, 5]))
    np.testing.assert_allclose(after, (1 + new) / 2, rtol=1e-12)


# --- tied --------------------------------------------------------------------------------------------------


def test_a_tied_network_has_one_array_for_both_ends() -> None:
    made = learner(embedding=H, tied=True)
    assert "output.weight" not in made.parameters
    p, state = made.parameters, some_state(made)
    logits = state[0] @ p["embedding"].T + p["output.bias"]
    expected = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
    np.testing.assert_allclose(made.model().predict(state), expected, rtol=1e-12)
    untied = learner(embedding=H)
    assert size(untied.model())[0] - size(made.model())[0] == V * H


def test_a_tied_gradient_is_the_sum_of_both_uses() -> None:
    tied, untied = learner(embedding=H, tied=True), learner(embedding=H)
    for name, array in tied.parameters.items():
        untied.parameters[name][...] = array
    untied.parameters["output.weight"][...] = tied.parameters["embedding"].T
    batch, state = Batch(some_items(), np.zeros(B, bool), 1), some_state(tied)
    one, both = tied.gradients(batch, state).gradients, untied.gradients(batch, state).gradients
    np.testing.assert_allclose(one["embedding"], both["embedding"] + both["output.weight"].T, rtol=1e-12)
    assert one["embedding"].flags.c_contiguous  # as the optimiser's arrays are


def test_a_fresh_tied_network_hears_its_input_and_is_sure_of_nothing() -> None:
    made = RecurrentLearner(
        200, cell="lstm", hidden=64, embedding=64, tied=True, rng=np.random.default_rng(0)
    )
    tokens = np.random.default_rng(1).integers(200, size=(8, 20))
    log_probs, (state,) = made.model().score(made.start(8), tokens)
    assert abs(-log_probs.mean() - np.log(200)) < 0.1
    assert state.hidden.std() > 0.1


# --- laws and files ----------------------------------------------------------------------------------------

MODELS: dict[str, tuple[TokenModel[Any], float]] = {
    **{
        f"{cell} {layers}x": (learner(cell, layers=layers, embedding=2 * (layers - 1)).model(), 1e-9)
        for cell in ("mingru", "minlstm")
        for layers in (1, 2)
    },
    **{name: (learner("lstm", **options).model(), 1e-9) for name, options in OPTIONS.items()},
    "minlstm V=1": (learner("minlstm", 1).model(), 1e-9),
    "float32": (
        RecurrentLearner(
            V, cell="minlstm", layers=2, hidden=8, layer_norm=True, cutoffs=(3,), rng=np.random.default_rng(0)
        ).model(),
        1e-4,
    ),
}


@pytest.mark.parametrize("name", MODELS)
def test_every_law_holds(name: str) -> None:
    model, tolerance = MODELS[name]
    testing.check_token_model(model, tolerance=tolerance, reload=lambda model: unpack(*pack(model)))


@pytest.mark.parametrize("option", OPTIONS)
def test_a_network_stays_in_the_precision_it_was_made_in(option: str) -> None:
    rng = np.random.default_rng(0)
    made = RecurrentLearner(V, cell="minlstm", hidden=H, rng=rng, **OPTIONS[option])
    step = made.gradients(Batch(some_items(), np.ones(B, bool), 1), made.start(B))
    for array in (*made.parameters.values(), *step.gradients.values(), *leaves(step.state)):
        assert array.dtype == np.float32


@pytest.mark.parametrize("option", OPTIONS)
def test_gradients_leave_what_they_are_handed_alone(option: str) -> None:
    made = learner("minlstm", **OPTIONS[option])
    state, items, masks = some_state(made), some_items(), made.draw_masks(B)
    handed = [*made.parameters.values(), *leaves(state), items, *(m for m in masks if m is not None)]
    kept = [array.copy() for array in handed]
    backpropagate(made.arch, made.parameters, Batch(items, np.zeros(B, bool), 1), state, masks)
    for array, before in zip(handed, kept, strict=True):
        np.testing.assert_array_equal(array, before)


@pytest.mark.parametrize("option", [*OPTIONS, "weights"])
def test_nothing_to_learn_from(option: str) -> None:
    made = learner("lstm", **OPTIONS.get(option, {"weight_dropout": 0.5}))
    for first, steps in ((0, 0), (0, 1), (1, 0), (1, 1)):
        step = made.gradients(Batch(some_items(B, steps), np.ones(B, bool), first), made.start(B))
        assert step.count == B * max(steps - first, 0)
        assert step.gradients.keys() == made.parameters.keys()


# --- refusals ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"dropout": 1.0}, "dropout: expected 0 or more and less than 1, got 1.0"),
        ({"dropout": -0.1}, "dropout: expected 0 or more and less than 1, got -0.1"),
        ({"dropout": float("nan")}, "dropout: expected 0 or more and less than 1, got nan"),
        ({"embedding_dropout": 1.5}, "embedding_dropout: expected 0 or more and less than 1, got 1.5"),
        ({"weight_dropout": 1}, "weight_dropout: expected 0 or more and less than 1, got 1"),
        (
            {"weight_dropout": 0.5, "cell": "mingru"},
            "weight_dropout: expected a cell with recurrent weights, got mingru",
        ),
        ({"tied": True}, "tied: expected an embedding as wide as the hidden vectors, 3, got 0"),
        ({"tied": True, "embedding": 2}, "hidden vectors, 3, got 2"),
        (
            {"tied": True, "embedding": H, "cutoffs": (2,)},
            r"cutoffs: expected none where .* tied, got \(2,\)",
        ),
        ({"cutoffs": (0, 2)}, r"cutoffs: expected rising ids in 1\.\.6, got \(0, 2\)"),
        ({"cutoffs": (2, 2)}, r"cutoffs: expected rising ids in 1\.\.6, got \(2, 2\)"),
        ({"cutoffs": (4, 2)}, r"cutoffs: expected rising ids in 1\.\.6, got \(4, 2\)"),
        ({"cutoffs": [V]}, r"cutoffs: expected rising ids in 1\.\.6, got \(7,\)"),
        ({"cutoffs": (-3,)}, r"cutoffs: expected rising ids in 1\.\.6, got \(-3,\)"),
        ({"layers": 0}, "layers: expected at least 1, got 0"),
    ],
)
def test_settings_without_a_meaning_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        learner(**options)
