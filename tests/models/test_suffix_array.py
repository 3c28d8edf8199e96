"""Suffix arrays against sorting and counting by hand."""

from collections import Counter
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chainrule.core import FileFormatError, InputError
from chainrule.models.ngram import suffix_array as module
from chainrule.models.ngram.suffix_array import SuffixIndex, is_suffix_array, suffix_array

V = 3
ROWS = st.lists(st.integers(0, V - 1), max_size=40)
PHRASES = st.lists(st.integers(0, V - 1), max_size=6)


def ids(row: list[int]) -> np.ndarray:
    return np.array(row, dtype=np.int32)


def by_hand(row: list[int]) -> list[int]:
    return sorted(range(len(row)), key=lambda at: row[at:])


def places(row: list[int], phrase: list[int]) -> list[int]:
    """Where a phrase begins; the empty one begins at every token, and not past the last."""
    return [at for at in range(len(row)) if row[at : at + len(phrase)] == phrase]


def followers(row: list[int], phrase: list[int]) -> Counter[int]:
    ends = [at + len(phrase) for at in places(row, phrase)]
    return Counter(row[end] for end in ends if end < len(row))


def test_abra() -> None:
    index = SuffixIndex.build(ids([0, 1, 2, 0]), 3)
    assert index.order.tolist() == [3, 0, 1, 2]
    assert index.count(ids([0])) == 2
    assert index.range_of(ids([0])) == (0, 2)
    assert index.where(ids([0])).tolist() == [0, 3]
    assert index.longest_suffix(ids([2, 1])) == (1, 2, 3)
    length, tokens, counts = index.next_counts(ids([0]))
    assert (length, tokens.tolist(), counts.tolist()) == (1, [1], [1])
    assert len(index) == 4


@given(ROWS)
def test_the_order_is_that_of_sorting(row: list[int]) -> None:
    order = suffix_array(ids(row))
    assert order.tolist() == by_hand(row)
    assert is_suffix_array(ids(row), order)


@given(st.lists(st.sampled_from([-5, 0, 7, 1 << 40, (1 << 63) - 1]), max_size=30))
def test_tokens_may_be_any_whole_numbers(row: list[int]) -> None:
    assert suffix_array(np.array(row, dtype=np.int64)).tolist() == by_hand(row)


@given(st.lists(st.integers(0, 1), min_size=1, max_size=4), st.integers(1, 400))
def test_periodic_texts_take_several_rounds(period: list[int], length: int) -> None:
    row = np.resize(period, length).tolist()
    assert suffix_array(ids(row)).tolist() == by_hand(row)


@pytest.mark.parametrize("n", [0, 1, 2, 63, 64, 65, 1000])
def test_one_word_repeated(n: int) -> None:
    row = np.zeros(n, dtype=np.int64)
    index = SuffixIndex.build(row, 1)
    assert index.order.tolist() == list(range(n))[::-1]
    for length in (0, 1, n // 2, n, n + 1):
        assert index.count(row[:1].repeat(length)) == (max(n - max(length - 1, 0), 0) if n else 0)
    used, tokens, counts = index.next_counts(row)
    assert used == max(n - 1, 0)
    assert (tokens.tolist(), counts.tolist()) == (([0], [1]) if n else ([], []))


def test_rounds_are_few() -> None:
    with patch.object(module, "_packed", wraps=module._packed) as packed:
        suffix_array(np.zeros(1 << 16, dtype=np.int32))
    assert packed.call_count <= 8  # 64 tokens in the first, then at least twice as many each


@given(ROWS, PHRASES)
def test_counts_and_places(row: list[int], phrase: list[int]) -> None:
    index = SuffixIndex.build(ids(row), V)
    found = places(row, phrase)
    assert index.count(ids(phrase)) == len(found)
    assert index.where(ids(phrase)).tolist() == found
    assert index.where(ids(phrase), 2).tolist() == found[:2]
    low, high = index.range_of(ids(phrase))
    assert sorted(index.order[low:high].tolist()) == found


@given(ROWS, PHRASES)
def test_the_longest_suffix_and_what_follows_it(row: list[int], history: list[int]) -> None:
    index = SuffixIndex.build(ids(row), V)
    ends = [history[len(history) - length :] for length in range(len(history) + 1)]
    longest = max((end for end in ends if followers(row, end)), key=len, default=[])
    length, low, high = index.longest_suffix(ids(history))
    assert length == len(longest)
    assert sorted(index.order[low:high].tolist()) == [
        at for at in places(row, longest) if at + length < len(row)
    ]
    used, tokens, counts = index.next_counts(ids(history))
    assert used == length
    expected = sorted(followers(row, longest).items(), key=lambda pair: (-pair[1], pair[0]))
    assert list(zip(tokens.tolist(), counts.tolist(), strict=True)) == expected


def test_an_end_token_between_documents_is_the_callers() -> None:
    index = SuffixIndex.build(ids([0, 1, 2, 1, 0, 2]), 3)  # 2 ends a document
    assert index.count(ids([1, 1])) == 0
    assert index.next_counts(ids([2]))[1].tolist() == [1]


@given(ROWS, st.data())
def test_only_the_right_order_is_restored(row: list[int], data: st.DataObject) -> None:
    order = np.array(data.draw(st.permutations(range(len(row)))), dtype=np.int64)
    right = order.tolist() == by_hand(row)
    assert is_suffix_array(ids(row), order) == right
    if right:
        assert SuffixIndex.restore(ids(row), order, V).order is order
    else:
        with pytest.raises(FileFormatError, match="suffix array: expected the order of these"):
            SuffixIndex.restore(ids(row), order, V)


@pytest.mark.parametrize(
    "order",
    [
        np.array([3, 0, 1]),
        np.array([[3, 0, 1, 2]]),
        np.array([3.0, 0.0, 1.0, 2.0]),
        np.array([3, 0, 1, 4]),
        np.array([3, 0, 1, -2]),
        np.array([3, 0, 1, 1]),
        np.array([0, 3, 1, 2]),
    ],
    ids=["short", "two axes", "no integers", "too high", "too low", "twice", "unsorted"],
)
def test_no_order_at_all(order: np.ndarray) -> None:
    assert not is_suffix_array(ids([0, 1, 2, 0]), order)


def test_ids_outside_the_vocabulary() -> None:
    index = SuffixIndex.build(ids([0, 1, 2, 0]), 3)
    for ask in (index.count, index.range_of, index.where, index.longest_suffix, index.next_counts):
        with pytest.raises(InputError, match=r"tokens: expected ids in 0\.\.2, got 3"):
            ask(ids([0, 3]))
    with pytest.raises(InputError, match=r"expected ids in 0\.\.1, got 2"):
        SuffixIndex.build(ids([0, 1, 2, 0]), 2)
    with pytest.raises(InputError, match="limit: expected 0 or more, got -1"):
        index.where(ids([0]), -1)


def test_what_is_no_row_of_ids() -> None:
    check = module._check_line  # the annotation stops these first, where shapes are checked
    for wrong in (np.zeros((2, 2), dtype=np.int32), np.zeros(3)):
        with pytest.raises(InputError, match="tokens: expected a row of integer ids, got"):
            check(wrong)
    with patch.object(module, "LONGEST", 2), pytest.raises(InputError, match="expected at most 2, got 3"):
        suffix_array(ids([0, 0, 0]))
