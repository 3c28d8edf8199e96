"""Tokens to ids: most frequent first, ties by the token, whatever the run."""

from collections import Counter
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chainrule.core import InputError
from chainrule.data.vocabulary import UNKNOWN, Vocabulary

TOKENS = st.lists(st.text("ab红", min_size=1, max_size=2))
MANY = ["b"] * 3 + ["a"] * 3 + ["d"] + ["c"] * 2 + ["红"]


def test_most_frequent_first_ties_by_the_token() -> None:
    vocabulary = Vocabulary.count(MANY)
    assert vocabulary.tokens == (UNKNOWN, "a", "b", "c", "d", "红")
    assert vocabulary.counts == (0, 3, 3, 2, 1, 1)
    assert len(vocabulary) == 6
    assert vocabulary.unknown_id == 0


@given(TOKENS, st.randoms())
def test_the_order_of_the_text_does_not_matter(tokens: list[str], random: Random) -> None:
    shuffled = list(tokens)
    random.shuffle(shuffled)
    one, other = Vocabulary.count(tokens), Vocabulary.count(shuffled)
    assert (one.tokens, one.counts) == (other.tokens, other.counts)


@given(TOKENS, st.integers(1, 4))
def test_count_then_token_decides(tokens: list[str], min_freq: int) -> None:
    vocabulary = Vocabulary.count(tokens, min_freq=min_freq)
    frequency = Counter(tokens)
    assert set(vocabulary.tokens) == {UNKNOWN} | {token for token in tokens if frequency[token] >= min_freq}
    keys = [(-frequency[token], token) for token in vocabulary.tokens[1:]]
    assert keys == sorted(keys)
    assert vocabulary.counts == tuple(frequency[token] for token in vocabulary.tokens)


def test_what_is_rare_is_unknown() -> None:
    vocabulary = Vocabulary.count(MANY, min_freq=2)
    assert vocabulary.tokens == (UNKNOWN, "a", "b", "c")
    assert vocabulary.encode(["a", "d", "红", "c", "never"]).tolist() == [1, 0, 0, 3, 0]


def test_reserved_symbols_stand_behind_the_unknown_one() -> None:
    vocabulary = Vocabulary.count([*MANY, "<end>", "<end>"], reserved=["<pad>", "<end>", "<pad>"])
    assert vocabulary.tokens == (UNKNOWN, "<pad>", "<end>", "a", "b", "c", "d", "红")
    assert vocabulary.counts == (0, 0, 2, 3, 3, 2, 1, 1)


def test_the_unknown_symbol_may_have_another_name() -> None:
    vocabulary = Vocabulary.count(["a", "?"], unknown="?", reserved=["?"])
    assert vocabulary.tokens == ("?", "a")
    assert vocabulary.encode(["b", "a"]).tolist() == [0, 1]


def test_a_text_that_holds_the_unknown_symbol_is_counted_once() -> None:
    vocabulary = Vocabulary.count([UNKNOWN, UNKNOWN, "a"])
    assert vocabulary.tokens == (UNKNOWN, "a")
    assert vocabulary.counts == (2, 1)


@given(TOKENS)
def test_what_is_known_comes_back(tokens: list[str]) -> None:
    vocabulary = Vocabulary.count(tokens)
    ids = vocabulary.encode(tokens)
    assert ids.dtype == np.int32
    assert vocabulary.decode(ids) == tokens


@given(TOKENS, TOKENS)
def test_what_is_not_known_comes_back_as_the_unknown_symbol(train: list[str], other: list[str]) -> None:
    vocabulary = Vocabulary.count(train)
    shown = [token if token in train else UNKNOWN for token in other]
    assert vocabulary.decode(vocabulary.encode(other)) == shown


def test_of_nothing_only_the_unknown_symbol_is_left() -> None:
    vocabulary = Vocabulary.count([])
    assert vocabulary.tokens == (UNKNOWN,)
    assert vocabulary.encode([]).tolist() == []
    assert vocabulary.decode(np.empty(0, dtype=np.int32)) == []
    assert len(Vocabulary.count([], unknown=None)) == 0


def test_a_closed_vocabulary_refuses_what_it_lacks() -> None:
    vocabulary = Vocabulary(("a", "b"))
    assert vocabulary.unknown_id is None
    assert vocabulary.encode(["b", "a"]).tolist() == [1, 0]
    with pytest.raises(InputError, match="token 'c' at 2: not in the vocabulary, which is closed"):
        vocabulary.encode(["a", "b", "c", "d"])


@pytest.mark.parametrize("bad", [-1, 2])
def test_ids_that_there_are_not_are_refused(bad: int) -> None:
    with pytest.raises(InputError, match=rf"tokens: expected ids in 0\.\.1, got {bad} at row 1"):
        Vocabulary(("a", "b")).decode(np.array([0, bad]))


@pytest.mark.parametrize("min_freq", [0, -1])
def test_a_minimum_below_one_is_refused(min_freq: int) -> None:
    with pytest.raises(InputError, match=f"min_freq: expected at least 1, got {min_freq}"):
        Vocabulary.count(["a"], min_freq=min_freq)
