"""Backoff models: the laws, the order each token was found in, the likeliest tokens, and their arrays."""

from collections.abc import Callable
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jaxtyping import TypeCheckError
from tests.kernels.tries import Trie, make_trie, tries

from chainrule.core import FileFormatError, InputError
from chainrule.kernels import backoff as kernel
from chainrule.models.archive import pack, unpack
from chainrule.models.ngram import ESTIMATED, BackoffModel, count_ngrams, estimate
from chainrule.models.ngram.backoff import spell
from chainrule.testing import check_token_model

V, END = 6, 2


def estimated(
    order: int, end: int | None, smoothing: str = "modified-kneser-ney", **options: Any
) -> BackoffModel:
    text = np.random.default_rng(order).integers(0, V, 400) // np.random.default_rng(7).integers(1, 4, 400)
    return estimate(count_ngrams([text], V, order, end=end), smoothing, **options).model


def model_of(trie: Trie) -> BackoffModel:
    return BackoffModel(trie.vocab_size, trie.levels, trie.end)


def through_arrays(model: BackoffModel) -> BackoffModel:
    return BackoffModel.from_arrays(*model.to_arrays())


# --- the laws ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("order", [1, 2, 5])
@pytest.mark.parametrize("end", [None, END])
@pytest.mark.parametrize("smoothing", ESTIMATED)
def test_the_laws_hold(smoothing: str, end: int | None, order: int) -> None:
    check_token_model(estimated(order, end, smoothing), reload=through_arrays)


@pytest.mark.parametrize("end", [None, END])
def test_the_laws_hold_where_rare_ngrams_are_left_out(end: int | None) -> None:
    model = estimated(4, end, minimum=(1, 2))
    assert sum(model.ngrams) < sum(estimated(4, end).ngrams)
    check_token_model(model, reload=lambda model: unpack(*pack(model)))


@pytest.mark.parametrize("end", [None, 0])
def test_the_laws_hold_for_a_vocabulary_of_one(end: int | None) -> None:
    model = estimate(count_ngrams([np.zeros(9, int)], 1, 2, end=end)).model
    check_token_model(model, reload=through_arrays)


@pytest.mark.parametrize("end", [None, END])
@settings(max_examples=30)
@given(seed=st.integers(0, 2**32 - 1))
def test_rows_sum_to_one_after_any_history(end: int | None, seed: int) -> None:
    rng = np.random.default_rng(seed)
    model = estimated(4, end)
    _, state = model.score(model.start(5), rng.integers(0, V, (5, seed % 8)))
    np.testing.assert_allclose(np.exp(model.predict(state)).sum(axis=1), 1, rtol=0, atol=1e-6)


# --- the order that each token was found in ----------------------------------------------------------------


@settings(max_examples=100)
@given(tries(), st.data())
def test_tokens_are_matched_by_the_longest_ngram_that_is_listed(trie: Trie, data: st.DataObject) -> None:
    token = st.integers(0, trie.vocab_size - 1)
    before, text = data.draw(st.lists(token, max_size=8)), data.draw(st.lists(token, max_size=12))
    model = model_of(trie)
    _, state = model.score(model.start(1), np.array([before], np.int64))
    log_probs, matched = model.score_matched(state, np.array([text], np.int64))
    for t, (token_, order) in enumerate(zip(text, matched[0].tolist(), strict=True)):
        context = trie.context(before + text[:t])
        listed = [
            n for n in range(len(context) + 1) if (*context[len(context) - n :], token_) in trie.log_probs
        ]
        assert order == max(listed) + 1
    np.testing.assert_array_equal(log_probs, model.score(state, np.array([text], np.int64))[0])


def test_the_orders_of_a_text_by_hand() -> None:
    # abab:  of two tokens ab, ba;  of three aba, bab          b is 1
    model = estimate(count_ngrams([np.array([0, 1, 0, 1])], 3, 3), "witten-bell").model
    assert model.ngrams == (3, 2, 2)
    _, matched = model.score_matched(model.start(1), np.array([[0, 1, 0, 0, 1, 1, 2, 1]]))
    assert matched.tolist() == [[1, 2, 3, 1, 2, 1, 1, 1]]


# --- sentences ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("order", [1, 2, 3, 5])
def test_after_the_end_of_a_sentence_it_is_as_at_the_start(order: int) -> None:
    model = estimated(order, END)
    _, state = model.score(model.start(2), np.array([[0, 1, 4, 3], [1, 1, 0, 0]]))
    np.testing.assert_array_equal(model.advance(state, np.array([END, END])), model.start(2))
    mixed = model.advance(state, np.array([END, 0]))
    np.testing.assert_array_equal(mixed[:1], model.start(1))
    assert order == 1 or not np.array_equal(mixed[1:], model.start(1))
    _, scored = model.score(state, np.array([[5, END], [END, END]]))
    np.testing.assert_array_equal(scored, model.start(2))


def test_what_stood_in_the_last_sentence_does_not_matter() -> None:
    model = estimated(4, END)
    texts = np.array([[0, 1, END, 3, 0, 1], [5, END, END, 3, 0, 1], [4, 4, END, 3, 0, 1]])
    log_probs, _ = model.score(model.start(3), texts)
    alone, _ = model.score(model.start(1), texts[:1, 3:])
    np.testing.assert_array_equal(log_probs[:, 3:], np.repeat(alone, 3, axis=0))


# --- the likeliest tokens ----------------------------------------------------------------------------------


def assert_top_is_predict_sorted(model: BackoffModel, state: np.ndarray) -> None:
    predicted = model.predict(state)
    order = [sorted(range(model.vocab_size), key=lambda v: (-row[v], v)) for row in predicted.tolist()]
    for k in range(1, model.vocab_size + 3):
        for row, (tokens, log_probs), expected in zip(predicted, model.top(state, k), order, strict=True):
            assert tokens.tolist() == expected[:k]
            np.testing.assert_array_equal(log_probs, row[expected[:k]])


@settings(max_examples=150)
@given(tries(), st.data())
def test_the_top_is_predict_sorted(trie: Trie, data: st.DataObject) -> None:
    """Ties go to the lower id; what is impossible comes last."""
    texts = st.lists(st.integers(0, trie.vocab_size - 1), max_size=8)
    histories = [trie.history(before) for before in (data.draw(texts), data.draw(texts))]
    assert_top_is_predict_sorted(model_of(trie), np.stack(histories))


@pytest.mark.parametrize("end", [None, END])
@pytest.mark.parametrize("minimum", [(), (1, 2)])
def test_the_top_of_an_estimated_model_is_predict_sorted(end: int | None, minimum: tuple[int, ...]) -> None:
    model = estimated(4, end, minimum=minimum)
    states = [model.start(4)]
    for column in np.random.default_rng(0).integers(0, V, (6, 4)):
        states.append(model.advance(states[-1], column))
    assert_top_is_predict_sorted(model, np.concatenate(states))


@pytest.mark.parametrize("k", [0, -1])
def test_the_top_none_is_refused(k: int) -> None:
    model = estimated(2, None)
    with pytest.raises(InputError, match=f"k: expected at least 1, got {k}"):
        model.top(model.start(1), k)


# --- long rows ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("end", [None, END])
@pytest.mark.parametrize("order", [1, 2, 5])
def test_a_long_row_read_in_pieces_by_threads_is_read_as_one(order: int, end: int | None) -> None:
    model = estimated(order, end)
    text = np.random.default_rng(0).integers(0, V, (3, 1000))
    _, state = model.score(model.start(3), text[:, :7])
    whole = *model.score_matched(state, text), model.score(state, text)[1]
    for apart, cores in ((1, 6), (90, 6), (450, 6), (1, 3), (1, 2)):
        with patch.object(kernel, "APART", apart), patch.object(kernel, "cores", lambda cores=cores: cores):
            pieces = *model.score_matched(state, text), model.score(state, text)[1]
        for one, other in zip(whole, pieces, strict=True):
            np.testing.assert_array_equal(one, other)


def test_without_compiled_loops_the_numbers_are_the_same() -> None:
    for end in (None, END):
        model = estimated(3, end)
        text = np.random.default_rng(0).integers(0, V, (2, 40))
        first, state = model.score(model.start(2), text)
        predicted = model.predict(state)
        with patch.object(kernel, "library", lambda: None):
            second, _ = model.score(model.start(2), text)
            np.testing.assert_allclose(model.predict(state), predicted, rtol=1e-14)
        np.testing.assert_allclose(first, second, rtol=1e-14)


# --- on disk -----------------------------------------------------------------------------------------------


@given(tries())
def test_any_model_comes_back_from_its_arrays(trie: Trie) -> None:
    model = model_of(trie)
    settings_, arrays = model.to_arrays()
    back = BackoffModel.from_arrays(settings_, arrays)
    assert (back.size, back.order, back.end, back.ngrams, back.made_by) == (
        model.size, model.order, model.end, model.ngrams, model.made_by,
    )  # fmt: skip
    for one, other in zip(back.levels, model.levels, strict=True):
        for name, a, b in zip(one._fields, one, other, strict=True):
            assert (a is None) == (b is None), name
            np.testing.assert_array_equal(a, b)


@given(tries())
def test_ngrams_are_spelled_in_order(trie: Trie) -> None:
    for k in range(1, trie.order + 1):
        expected = [list(ngram) for ngram in sorted(trie.log_probs) if len(ngram) == k]
        assert spell(trie.levels, k).tolist() == expected


CODED = make_trie(1, 4, 3, 1, coded=True)
DAMAGES: dict[str, Callable[[np.ndarray], np.ndarray | None]] = {
    "is missing": lambda array: None,
    "is too short": lambda array: array[:-1],
    "is too long": lambda array: np.append(array, array[-1:]),
    "is empty": lambda array: array[:0],
    "is of another type": lambda array: array.astype(np.float64),
    "is a table": lambda array: array[None],
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES.keys())
@pytest.mark.parametrize(
    ("coded", "name"),
    [
        (coded, name)
        for coded in (True, False)
        for name in model_of(make_trie(1, 4, 3, 1, coded)).to_arrays()[1]
    ],
)
def test_arrays_that_do_not_fit_are_refused(
    coded: bool, name: str, damage: Callable[[np.ndarray], np.ndarray | None]
) -> None:
    settings_, arrays = model_of(make_trie(1, 4, 3, 1, coded)).to_arrays()
    damaged = {
        key: array for key, array in (arrays | {name: damage(arrays[name])}).items() if array is not None
    }
    with pytest.raises(
        FileFormatError, match=f"backoff model: .*{name[-1]}|backoff model: expected 4 tokens"
    ):
        BackoffModel.from_arrays(settings_, damaged)


@pytest.mark.parametrize(
    "damage",
    [
        {"order": 0}, {"order": 4}, {"order": 256}, {"order": 2}, {"order": "three"}, {"order": None},
        {"vocab_size": 0}, {"vocab_size": 3}, {"vocab_size": 5}, {"vocab_size": -1},
        {"end": None}, {"end": 4}, {"end": -1}, {"end": "the end"},
    ],
)  # fmt: skip
def test_settings_that_do_not_fit_are_refused(damage: dict[str, Any]) -> None:
    family, settings_, arrays = pack(model_of(CODED))
    with pytest.raises(FileFormatError, match="backoff model"):
        unpack(family, settings_ | damage, arrays)


@pytest.mark.parametrize("name", ["vocab_size", "order", "end", "made_by"])
def test_missing_settings_are_refused(name: str) -> None:
    family, settings_, arrays = pack(model_of(CODED))
    del settings_[name]
    with pytest.raises(FileFormatError, match="backoff model: its settings are damaged"):
        unpack(family, settings_, arrays)


@settings(max_examples=50)
@given(tries(), st.integers(0, 2**32 - 1))
def test_whatever_the_arrays_hold_every_answer_is_a_number_or_a_refusal(trie: Trie, seed: int) -> None:
    """A file is not read before it is used, so its offsets and tokens may be anything."""
    rng = np.random.default_rng(seed)
    settings_, arrays = model_of(trie).to_arrays()
    for name, array in arrays.items():
        if name[:-1] in ("first", "tokens"):
            anything = rng.integers(0, 2**32, array.shape).astype(np.uint32).view(array.dtype)
            small = rng.integers(0, trie.vocab_size + 3, array.shape).astype(array.dtype)
            arrays[name] = np.where(rng.random(array.shape) < 0.2, anything, small)
    model = BackoffModel.from_arrays(settings_, arrays)
    text = rng.integers(0, trie.vocab_size, (2, 15))
    log_probs, state = model.score(model.start(2), text)
    predicted = model.predict(state)
    assert log_probs.shape == (2, 15)
    assert predicted.shape == (2, trie.vocab_size)
    assert not np.isnan(log_probs).any()
    assert not np.isnan(predicted).any()
    for tokens, values in model.top(state, 3):
        assert ((tokens >= 0) & (tokens < trie.vocab_size)).all()
        assert not np.isnan(values).any()


def test_a_state_of_another_shape_is_refused_and_another_width_of_numbers_is_not() -> None:
    model = estimate(count_ngrams([np.arange(40) % 7], 7, 3), "witten-bell").model
    _, state = model.score(model.start(2), np.array([[1, 2], [3, 4]]))
    np.testing.assert_array_equal(model.predict(state.astype(np.int64)), model.predict(state))
    np.testing.assert_array_equal(model.predict(state[::-1]), model.predict(state)[::-1])
    for wrong in (state[:, :1], state[0], state.astype(np.float64)):
        for ask in (model.predict, lambda s: model.score(s, np.array([[1], [2]])), lambda s: model.top(s, 2)):
            with pytest.raises((InputError, TypeCheckError)):
                ask(wrong)
    with pytest.raises((InputError, TypeCheckError)):
        model.score(state, np.array([[1]]))
