"""Reading and making backoff models: compiled loops, readable twins, and the definition over a dictionary."""

from collections.abc import Callable
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chainrule.kernels import backoff as kernel
from chainrule.kernels.backoff import ABSENT, LevelArrays, Table, table
from chainrule.kernels.native import library
from chainrule.models.ngram.history import after
from tests.kernels.tries import Trie, make_trie, tries

compiled = pytest.mark.skipif(library() is None, reason="the loops were not compiled at install")
seeds = st.integers(0, 2**32 - 1)


def either(**ways: Callable[..., object]) -> pytest.MarkDecorator:
    """The native way, where there is one, and the twin."""
    name, (native, twin) = "way", (ways["native"], ways["numpy"])
    return pytest.mark.parametrize(
        name, [pytest.param(native, id="native", marks=compiled), pytest.param(twin, id="numpy")]
    )


def text_for(trie: Trie, data: st.DataObject, longest: int = 12) -> list[int]:
    return data.draw(st.lists(st.integers(0, trie.vocab_size - 1), max_size=longest))


# --- the definition ----------------------------------------------------------------------------------------


@either(native=kernel.score_native, numpy=kernel.score_numpy)
@settings(max_examples=150)
@given(tries(), st.data())
def test_score_is_the_definition_and_says_where_it_found_each_token(
    way: Callable[..., tuple[np.ndarray, np.ndarray]], trie: Trie, data: st.DataObject
) -> None:
    before, text = text_for(trie, data), text_for(trie, data)
    expected = [trie.find(trie.context(before + text[:t]), token) for t, token in enumerate(text)]
    log_probs, matched = way(trie.table, trie.history(before)[None], np.array([text], np.int32))
    assert matched[0].tolist() == [order for _, order in expected]
    np.testing.assert_allclose(log_probs[0], [log_prob for log_prob, _ in expected], rtol=1e-14)


@either(native=kernel.predict_native, numpy=kernel.predict_numpy)
@settings(max_examples=150)
@given(tries(), st.data())
def test_predict_is_the_definition(way: Callable[..., np.ndarray], trie: Trie, data: st.DataObject) -> None:
    befores = [text_for(trie, data), text_for(trie, data)]
    expected = [
        [trie.find(trie.context(before), token)[0] for token in range(trie.vocab_size)] for before in befores
    ]
    log_probs = way(trie.table, np.stack([trie.history(before) for before in befores]))
    assert log_probs.dtype == np.float64
    np.testing.assert_allclose(log_probs, expected, rtol=1e-14)


@compiled
@given(tries(), st.data())
def test_both_ways_add_up_in_the_same_order(trie: Trie, data: st.DataObject) -> None:
    """So that what ties with one ties with the other."""
    history = trie.history(text_for(trie, data))[None]
    np.testing.assert_array_equal(
        kernel.predict_native(trie.table, history), kernel.predict_numpy(trie.table, history)
    )


@given(tries(), st.data())
def test_a_history_is_what_one_token_after_another_leaves(trie: Trie, data: st.DataObject) -> None:
    before, text = text_for(trie, data), text_for(trie, data)
    state, tokens = trie.history(before), np.array(text, np.int32)
    found = kernel.history_after(state, tokens, trie.table)
    assert found.tolist() == trie.history(before + text).tolist()
    assert found.tolist() == after(state[None], tokens[None], trie.vocab_size, trie.end)[0].tolist()


@compiled
@pytest.mark.parametrize("end", [None, 2])
@pytest.mark.parametrize("apart", [1, 7, 500])
@pytest.mark.parametrize("cores", [2, 5])  # rows among threads, parts of each row among threads
def test_long_rows_are_read_in_pieces_that_leave_no_seam(cores: int, end: int | None, apart: int) -> None:
    trie = make_trie(apart, 4, 4, end)
    tokens = np.random.default_rng(apart).integers(0, 4, (3, 500)).astype(np.int32)
    history = np.stack([trie.history(before) for before in ([], [0, 1], [3, 2, 0])])
    whole = kernel.score_native(trie.table, history, tokens)
    with patch.object(kernel, "APART", apart), patch.object(kernel, "cores", lambda: cores):
        pieces = kernel.score_native(trie.table, history, tokens)
    for one, other in zip(whole, pieces, strict=True):
        np.testing.assert_array_equal(one, other)


# --- files from strangers ----------------------------------------------------------------------------------


def surrounded(array: np.ndarray | None, poison: bytes) -> np.ndarray | None:
    """The same array in the middle of something else."""
    if array is None:
        return None
    margin = poison * 256
    held = np.frombuffer(margin + array.tobytes() + margin, array.dtype)
    return held[len(margin) // array.itemsize :][: array.size]


def in_poison(levels: tuple[LevelArrays, ...], poison: bytes) -> tuple[LevelArrays, ...]:
    return tuple(LevelArrays(*(surrounded(column, poison) for column in level)) for level in levels)


def spoiled(trie: Trie, seed: int, *, sorted_tokens: bool) -> tuple[LevelArrays, ...]:
    """Levels whose arrays fit one another and hold anything."""
    rng = np.random.default_rng(seed)
    levels = [trie.levels[0]]
    for level in trie.levels[1:]:
        size = len(level.tokens)
        far = rng.integers(0, 2**32, len(level.first)).astype(np.uint32)
        near = rng.integers(0, size + 3, len(level.first)).astype(np.uint32)
        first = np.where(rng.random(len(far)) < 0.2, far, near)
        tokens = rng.integers(-2, trie.vocab_size + 3, size).astype(np.int32)
        tokens[rng.random(size) < 0.1] = rng.choice([-(2**31), 2**31 - 1])
        if sorted_tokens:
            tokens = np.arange(-2, size - 2, dtype=np.int32)  # rising, whatever the offsets say
        levels.append(level._replace(tokens=tokens, first=first))
    return tuple(levels)


def answers(made: Table, history: np.ndarray, tokens: np.ndarray, suffix: str) -> list[np.ndarray]:
    score, predict = getattr(kernel, f"score_{suffix}"), getattr(kernel, f"predict_{suffix}")
    return [*score(made, history, tokens), predict(made, history)]


@pytest.mark.parametrize("suffix", [pytest.param("native", marks=compiled), "numpy"])
@settings(max_examples=100)
@given(tries(), seeds)
def test_damaged_levels_are_read_inside_their_arrays(suffix: str, trie: Trie, seed: int) -> None:
    """What lies around them changes nothing, and an offset that leads far away is not followed."""
    levels = spoiled(trie, seed, sorted_tokens=False)
    rng = np.random.default_rng(seed)
    history = rng.integers(-1, trie.vocab_size + 1, (4, trie.order - 1)).astype(np.int32)
    if trie.end is None:
        history[history == trie.vocab_size] = ABSENT
    tokens = rng.integers(0, trie.vocab_size, (4, 9)).astype(np.int32)
    found = [
        answers(table(in_poison(levels, poison), trie.vocab_size, trie.end), history, tokens, suffix)
        for poison in (b"\x00\x00\x00\x00", b"\xff\xff\xff\x7f", b"\x01\x00\x00\x00")
    ]
    for one, *others in zip(*found, strict=True):
        for other in others:
            np.testing.assert_array_equal(one, other)


@compiled
@settings(max_examples=100)
@given(tries(), seeds)
def test_both_ways_read_the_same_out_of_damaged_offsets(trie: Trie, seed: int) -> None:
    levels = spoiled(trie, seed, sorted_tokens=True)
    rng = np.random.default_rng(seed)
    tokens = rng.integers(0, trie.vocab_size, (3, 9)).astype(np.int32)
    history = np.full((3, trie.order - 1), ABSENT, np.int32)
    made = table(levels, trie.vocab_size, trie.end)
    for one, other in zip(*(answers(made, history, tokens, way) for way in ("native", "numpy")), strict=True):
        np.testing.assert_array_equal(one, other)


# --- making them -------------------------------------------------------------------------------------------


def random_level(seed: int, kept: bool) -> tuple[np.ndarray, ...]:
    """first, counts, kept, discounts, lower, links; some contexts list nothing, some only zeros."""
    rng = np.random.default_rng(seed)
    fanout = rng.integers(0, 5, int(rng.integers(1, 40)))
    size = int(fanout.sum())
    counts = rng.integers(0, 6, size)
    counts[np.repeat(rng.random(len(fanout)) < 0.2, fanout)] = 0
    lower = rng.random(int(rng.integers(1, 20)))
    return (
        np.cumsum([0, *fanout]).astype(np.uint32),
        counts.astype(np.uint32),
        (rng.random(size) < 0.7).astype(np.uint8) if kept else None,
        np.array([0.0, *np.sort(rng.random(3))]),
        lower,
        rng.integers(len(lower), size=size).astype(np.uint32),
    )


def by_hand(
    first: np.ndarray,
    counts: np.ndarray,
    kept: np.ndarray | None,
    discounts: np.ndarray,
    types: bool,
    lower: np.ndarray,
    links: np.ndarray,
) -> tuple[list[float], list[float]]:
    """Probabilities and backoff weights, context by context."""
    probs, weights = [], []
    for low, high in zip(first[:-1].tolist(), first[1:].tolist(), strict=True):
        slots = range(low, high)
        less = [
            counts[i] if kept is not None and not kept[i] else discounts[min(counts[i], 3)] for i in slots
        ]
        kinds = sum(counts[i] > 0 for i in slots) if types else 0
        total = float(sum(counts[i] for i in slots) + kinds)
        weights.append((sum(less) + kinds) / total if total else 1.0)
        for i, discount in zip(slots, less, strict=True):
            own = (counts[i] - discount) / total if total else 0.0
            probs.append(own + weights[-1] * lower[links[i]])
    return probs, weights


@either(native=kernel.interpolate_native, numpy=kernel.interpolate_numpy)
@pytest.mark.parametrize("types", [False, True])
@pytest.mark.parametrize("kept", [False, True])
@given(seeds)
def test_a_level_is_interpolated_with_the_one_below(
    way: Callable[..., kernel.Interpolated], kept: bool, types: bool, seed: int
) -> None:
    first, counts, keep, discounts, lower, links = random_level(seed, kept)
    if types:
        discounts = np.zeros(4)
    probs, weights = by_hand(first, counts, keep, discounts, types, lower, links)
    with patch.object(kernel, "APART", seed % 50):  # by one thread or several
        made = way(first, counts, keep, discounts, types, lower, links)
    np.testing.assert_allclose(made.probs, probs, rtol=1e-12)
    with np.errstate(divide="ignore"):
        np.testing.assert_allclose(made.log_probs, np.log(probs), rtol=1e-6, atol=1e-6)
        np.testing.assert_allclose(made.backoffs, np.log(weights), rtol=1e-6, atol=1e-6)
    assert (made.log_probs.dtype, made.backoffs.dtype) == (np.float32, np.float32)


@compiled
@given(tries(), seeds)
def test_contexts_of_ngrams_are_found_both_ways(trie: Trie, seed: int) -> None:
    """Of n-grams that are listed, and of any others."""
    rng = np.random.default_rng(seed)
    alphabet = len(trie.levels[0].tokens)
    for k in range(2, trie.order + 1):
        rows = rng.integers(0, alphabet, (30, k)).astype(np.int32)
        listed = [ngram for ngram in trie.log_probs if len(ngram) == k - 1]
        found = kernel.slots_native(trie.table, rows)
        assert found.tolist() == [
            listed.index(context) if (context := tuple(row[:-1])) in listed else ABSENT
            for row in rows.tolist()
        ]
        np.testing.assert_array_equal(found, kernel.slots_numpy(trie.table, rows))
