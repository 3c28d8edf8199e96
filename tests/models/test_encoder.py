"""The encoder: its equations, every gradient against differences, and that padding says nothing."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chainrule.core import Batch, FileFormatError, InputError
from chainrule.models.encoder import HEADS, Encoder, EncoderLearner, contributions
from chainrule.models.encoder import model as model_file
from chainrule.models.encoder.heads import make_head
from chainrule.models.encoder.network import back_through, encode, turned
from chainrule.models.recurrent import RecurrentLearner

Difference = Callable[[Callable[[], float], np.ndarray], np.ndarray]
CELLS = ("rnn", "gru", "lstm", "mingru", "minlstm")
V, C, H, D, T = 4, 3, 2, 2, 4
LENGTHS = np.array([4, 2, 1])
B = len(LENGTHS)


def learner(dtype: Any = np.float64, **options: Any) -> EncoderLearner:
    """No parameter at zero: a bias that starts there would hide a lost term."""
    rng = np.random.default_rng(0)
    usual = {"hidden": H, "embedding": D} | options
    made = EncoderLearner(V, C, rng=rng, dtype=dtype, **usual)
    for array in made.parameters.values():
        array += rng.normal(0, 0.3, array.shape).astype(dtype)
    made.workers = 2
    return made


def some_batch(head: str, seed: int = 3) -> Batch:
    rng = np.random.default_rng(seed)
    targets = rng.integers(C, size=(B, T) if head == "each" else B)
    mask = np.arange(T) < LENGTHS[:, None]
    return Batch(rng.integers(V, size=(B, T)), np.ones(B, bool), mask=mask, targets=targets)


def mean_nats(encoder: Encoder, batch: Batch) -> float:
    """The loss from what `predict` says."""
    assert batch.mask is not None
    assert batch.targets is not None
    log_probs = encoder.predict(batch.items, batch.mask.sum(axis=1))
    chosen = np.take_along_axis(log_probs, batch.targets[..., None], axis=-1)[..., 0]
    return -float((chosen[batch.mask] if chosen.ndim == 2 else chosen).mean())


# --- the equations ------------------------------------------------------------------------------------------


def test_one_direction_is_the_language_model_s_network() -> None:
    """Its vectors are those that a recurrent model of the same weights predicts from."""
    made = learner(bidirectional=False, head="each", layers=2)
    model = RecurrentLearner(
        V, cell="gru", layers=2, hidden=H, embedding=D, rng=made.rng, dtype=np.float64
    ).model()
    for name in model.parameters:
        if not name.startswith("output"):
            model.parameters[name][...] = made.parameters[name if name == "embedding" else f"forward.{name}"]
    ids = some_batch("each").items
    rows = encode(made.design, made.parameters, ids, LENGTHS).rows
    at = 0
    for row, length in enumerate(LENGTHS):
        state = model.start(1)
        for t in range(length):
            state = model.advance(state, ids[row : row + 1, t])
            np.testing.assert_allclose(rows[at], state[-1][0], rtol=1e-12)
            at += 1


def test_the_backward_direction_reads_from_the_end() -> None:
    """With the same weights in both, it finds in a row what the forward one finds in the row turned."""
    made = learner(head="each")
    for name, array in made.parameters.items():
        if name.startswith("backward."):
            array[...] = made.parameters[name.replace("backward", "forward")]
    ids = np.array([[0, 1, 2, 3]])
    there, back = (
        encode(made.design, made.parameters, rows, np.array([4])).rows for rows in (ids, ids[:, ::-1])
    )
    np.testing.assert_allclose(there[:, H:], back[::-1, :H], rtol=1e-12)
    assert not np.allclose(there[:, H:], there[:, :H])


@pytest.mark.parametrize("head", HEADS)
def test_a_head_is_its_equation(head: str) -> None:
    vectors = np.random.default_rng(0).normal(size=(T, B, H))
    rows = make_head(head).forward(vectors, LENGTHS).rows
    own = [vectors[:n, b] for b, n in enumerate(LENGTHS)]
    expected = {
        "mean": lambda v: v.mean(axis=0)[None],
        "last": lambda v: v[-1:],
        "max": lambda v: v.max(axis=0)[None],
        "each": lambda v: v,
    }[head]
    np.testing.assert_allclose(rows, np.concatenate([expected(v) for v in own]), rtol=1e-12)


def test_turning_twice_is_nothing() -> None:
    rows = np.arange(B * T).reshape(B, T)
    assert turned(rows, LENGTHS).tolist() == [[3, 2, 1, 0], [5, 4, 6, 7], [8, 9, 10, 11]]
    np.testing.assert_array_equal(turned(turned(rows, LENGTHS), LENGTHS), rows)


# --- gradients ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("head", HEADS)
def test_every_entry_of_every_parameter(cell: str, head: str, central_differences: Difference) -> None:
    check_gradients(learner(cell=cell, head=head), head, central_differences)


@pytest.mark.parametrize("head", ["mean", "each"])
@pytest.mark.parametrize(
    "options", [{"bidirectional": False}, {"layers": 2}, {"embedding": 0}, {"layer_norm": True}], ids=str
)
def test_gradients_of_other_builds(
    head: str, options: dict[str, Any], central_differences: Difference
) -> None:
    check_gradients(learner(head=head, **options), head, central_differences)


def check_gradients(made: EncoderLearner, head: str, differences: Difference) -> None:
    batch = some_batch(head)
    model = Encoder(made.design, made.parameters, V)  # reads the very arrays that the differences move
    step = made.gradients(batch, made.start(B))
    assert step.count == (LENGTHS.sum() if head == "each" else B)
    assert step.nats / step.count == pytest.approx(mean_nats(model, batch), rel=1e-12)
    assert step.gradients.keys() == made.parameters.keys()
    for name, array in made.parameters.items():
        expected = differences(lambda: mean_nats(model, batch), array)
        assert expected.any() or head == "max", name  # the largest may be the first, which has no past
        np.testing.assert_allclose(step.gradients[name], expected, atol=1e-8, err_msg=name)


@pytest.mark.parametrize("head", ["max", "each"])
def test_gradients_through_what_is_dropped(head: str, central_differences: Difference) -> None:
    """With masks held still, by differences of the loss that they make."""
    made = learner(head=head, layers=2, dropout=0.4, embedding_dropout=0.2, weight_dropout=0.3)
    ids, masks = some_batch(head).items, made.draw_masks(B)
    weight = np.random.default_rng(0).normal(
        size=encode(made.design, made.parameters, ids, LENGTHS, masks).rows.shape
    )

    def loss() -> float:
        return float((encode(made.design, made.parameters, ids, LENGTHS, masks).rows * weight).sum())

    encoded = encode(made.design, made.parameters, ids, LENGTHS, masks)
    found = back_through(made.design, made.parameters, encoded, weight, LENGTHS, masks)
    for name, gradient in found.items():
        expected = central_differences(loss, made.parameters[name])
        np.testing.assert_allclose(gradient, expected, atol=1e-7, err_msg=name)


@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("cell", CELLS)
def test_compiled_loops_say_what_numpy_says(head: str, cell: str) -> None:
    double, single = (learner(dtype, head=head, cell=cell) for dtype in (np.float64, np.float32))
    for name, array in single.parameters.items():
        double.parameters[name][...] = array
    batch = some_batch(head)
    expected, got = (made.gradients(batch, ()) for made in (double, single))
    assert got.nats == pytest.approx(expected.nats, rel=1e-5)
    for name, gradient in expected.gradients.items():
        np.testing.assert_allclose(got.gradients[name], gradient, atol=1e-5, err_msg=name)


# --- padding ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("head", HEADS)
@settings(max_examples=15)
@given(data=st.data())
def test_what_is_padded_changes_nothing(head: str, dtype: Any, data: st.DataObject) -> None:
    """Neither which ids stand there, nor how many, nor which rows a row is read with."""
    made = learner(dtype, head=head, cell=data.draw(st.sampled_from(CELLS)))
    rows = data.draw(st.lists(st.lists(st.integers(0, V - 1), max_size=5), min_size=1, max_size=4))
    lengths = np.array(list(map(len, rows)))
    wide = data.draw(st.integers(int(lengths.max()), 7))
    rng = np.random.default_rng(data.draw(st.integers(0, 9)))
    ids = rng.integers(V, size=(len(rows), wide))
    for row, own in zip(ids, rows, strict=True):
        row[: len(own)] = own
    together = made.model().predict(ids, lengths)
    np.testing.assert_allclose(np.exp(together).sum(axis=-1), 1, atol=1e-9)
    for row, (own, length) in enumerate(zip(rows, lengths, strict=True)):
        alone = made.model().predict(np.array([own], np.int64).reshape(1, -1), np.array([length]))[0]
        got = together[row, :length] if head == "each" else together[row]
        np.testing.assert_allclose(got, alone, atol=1e-5 if dtype == np.float32 else 1e-12)
    if head == "each":
        padded = np.arange(wide) >= lengths[:, None]
        np.testing.assert_allclose(together[padded], -np.log(C))


@pytest.mark.parametrize("head", HEADS)
def test_no_gradient_comes_from_padding(head: str) -> None:
    made, batch = learner(head=head), some_batch(head)
    assert batch.mask is not None
    items, targets = batch.items.copy(), batch.targets.copy()  # pyright: ignore[reportOptionalMemberAccess]
    items[~batch.mask] = (items[~batch.mask] + 1) % V
    if head == "each":
        targets[~batch.mask] = -1
    first, second = (
        made.gradients(batch, ()),
        made.gradients(batch._replace(items=items, targets=targets), ()),
    )
    assert first.nats == second.nats
    for name, gradient in first.gradients.items():
        np.testing.assert_array_equal(gradient, second.gradients[name])


def test_many_rows_are_read_in_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    model, rng = learner(head="max").model(), np.random.default_rng(0)
    ids, lengths = rng.integers(V, size=(40, 6)), rng.integers(0, 7, size=40)
    whole = model.predict(ids, lengths)
    monkeypatch.setattr(model_file, "BLOCK", 10)
    np.testing.assert_allclose(model.predict(ids, lengths), whole, rtol=1e-12)


# --- beginning, keeping, explaining -------------------------------------------------------------------------


@pytest.mark.parametrize("cell", ["gru", "lstm"])
def test_it_begins_with_a_language_model(cell: str) -> None:
    rng = np.random.default_rng(1)
    given, other = (
        RecurrentLearner(V, cell=cell, hidden=H, embedding=D, rng=rng, dtype=np.float64).model() for _ in "ab"
    )
    made = learner(cell=cell)
    made.begin_with(given)
    made.begin_with(other, "backward")
    np.testing.assert_array_equal(made.parameters["embedding"], other.parameters["embedding"])
    for direction, model in (("forward", given), ("backward", other)):
        for name in ("input", "bias", "recurrent"):
            np.testing.assert_array_equal(
                made.parameters[f"{direction}.layer0.{name}"], model.parameters[f"layer0.{name}"]
            )
    assert not np.array_equal(made.parameters["forward.layer0.input"], other.parameters["layer0.input"])


def test_a_language_model_of_another_build_is_refused() -> None:
    rng = np.random.default_rng(1)
    with pytest.raises(InputError, match=r"expected a gru of arrays .*got a lstm"):
        learner().begin_with(RecurrentLearner(V, cell="lstm", hidden=H, embedding=D, rng=rng).model())
    with pytest.raises(InputError, match="expected a gru of arrays"):
        learner().begin_with(RecurrentLearner(V + 1, cell="gru", hidden=H, embedding=D, rng=rng).model())
    model = RecurrentLearner(V, cell="gru", hidden=H, embedding=D, rng=rng).model()
    with pytest.raises(InputError, match="direction: expected forward, got 'backward'"):
        learner(bidirectional=False).begin_with(model, "backward")


@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("options", [{}, {"embedding": 0, "bidirectional": False, "cell": "lstm"}], ids=str)
def test_arrays_and_back(head: str, options: dict[str, Any]) -> None:
    model, batch = learner(head=head, **options).model(), some_batch(head)
    kept, arrays = model.to_arrays()
    again = Encoder.from_arrays(kept, arrays)
    np.testing.assert_array_equal(model.predict(batch.items, LENGTHS), again.predict(batch.items, LENGTHS))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"cell": "gnu"}, "cell: expected"),
        ({"head": "tail"}, "head: expected"),
        ({"directions": 3}, "shapes|directions"),
        ({"directions": 0}, "directions"),
        ({"layers": 10**9}, "layers"),
        ({"hidden": 4}, "shapes"),
        ({"hidden": "4"}, "whole numbers"),
        ({"vocab_size": V + 1}, "shapes"),
        ({"layer_norm": 1}, "true or false"),
    ],
    ids=str,
)
def test_arrays_that_make_no_encoder(change: dict[str, Any], said: str) -> None:
    kept, arrays = learner().model().to_arrays()
    if change == {"directions": 3}:  # as many as there are
        assert Encoder.from_arrays(kept | change, arrays).design.directions == ("forward", "backward")
        return
    with pytest.raises(FileFormatError, match=said):
        Encoder.from_arrays(kept | change, arrays)


def test_weights_that_are_no_numbers_are_refused() -> None:
    kept, arrays = learner().model().to_arrays()
    arrays["output.weight"][0, 0] = np.nan
    with pytest.raises(FileFormatError, match="finite"):
        Encoder.from_arrays(kept, arrays)


@pytest.mark.parametrize("head", ["mean", "max", "last"])
def test_the_token_that_decides_is_found(head: str) -> None:
    """Of a network that was made to wait for one token, whatever stands around it."""
    made = EncoderLearner(V, 2, head=head, cell="rnn", hidden=1, embedding=0, bidirectional=False,
                          rng=np.random.default_rng(0), dtype=np.float64)  # fmt: skip
    for array in made.parameters.values():
        array[...] = 0
    made.parameters["forward.layer0.input"][2] = 1.0
    made.parameters["forward.layer0.recurrent"][...] = 1.0
    made.parameters["output.weight"][...] = [[-2.0, 2.0]]
    ids = np.array([0, 1, 2, 3])
    found = contributions(made.model(), ids, 1)
    assert found.argmax() == 2
    assert found[2] > 0
    whole, less = (
        made.model().predict(np.array([row]), np.array([len(row)]))[0, 1] for row in (ids, ids[[0, 1, 3]])
    )
    assert found[2] == pytest.approx(whole - less)
    np.testing.assert_allclose(
        contributions(made.model(), ids, 0)[2], made.model().predict(ids[None], np.array([4]))[0, 0]
        - made.model().predict(ids[[[0, 1, 3]]], np.array([3]))[0, 0]
    )  # fmt: skip


def test_contributions_of_nothing_and_of_one_token() -> None:
    model = learner().model()
    assert contributions(model, np.array([], np.int64), 0).shape == (0,)
    assert contributions(model, np.array([1]), 0).shape == (1,)
    with pytest.raises(InputError, match=r"label: expected 0..2, got 3"):
        contributions(model, np.array([1]), C)
    with pytest.raises(InputError, match="whole sequences"):
        contributions(learner(head="each").model(), np.array([1]), 0)


# --- what makes no sense ------------------------------------------------------------------------------------


def test_batches_that_make_no_sense() -> None:
    made, batch = learner(head="max"), some_batch("max")
    wrong = [
        (batch._replace(items=batch.items + V), "tokens: expected ids"),
        (batch._replace(targets=None), "targets: expected labels"),
        (batch._replace(targets=np.full(B, C)), "expected labels in 0..2, got 3"),
        (batch._replace(targets=np.zeros((B, T), int)), "targets: expected labels"),
        (batch._replace(mask=np.arange(T) >= LENGTHS[:, None]), "padding at the ends"),
        (batch._replace(items=batch.items[:, :0], mask=None), "at least a row and a token"),
    ]
    for one, said in wrong:
        with pytest.raises(InputError, match=said):
            made.gradients(one, ())
    with pytest.raises(InputError, match=r"lengths: expected 0..4, got 5 at row 1"):
        made.model().predict(batch.items, np.array([4, 5, 1]))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"head": "tail"}, "head: expected one of mean, last, max, each"),
        ({"cell": "gnu"}, "cell: expected"),
        ({"hidden": 0}, "hidden: expected at least 1"),
        ({"dropout": 1.0}, "dropout: expected"),
        ({"cell": "mingru", "weight_dropout": 0.1}, "weight_dropout: expected a cell with recurrent weights"),
    ],
    ids=str,
)
def test_settings_that_make_no_sense(options: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=said):
        EncoderLearner(V, C, rng=np.random.default_rng(0), **options)
    with pytest.raises(InputError, match="classes"):
        EncoderLearner(V, 0, rng=np.random.default_rng(0))
