"""Variety and repetition: by hand, against the definitions spelt out, and where they must be 0 and 1."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chainrule.core import InputError
from chainrule.tasks.diversity import distinct_ngrams, repetition

texts = st.lists(st.integers(0, 3), min_size=3, max_size=40).map(np.array)


def test_by_hand() -> None:
    # a b a b c: the bigrams are ab ba ab bc
    tokens = np.array([0, 1, 0, 1, 2])
    assert distinct_ngrams(tokens, 1) == 3 / 5
    assert distinct_ngrams(tokens, 2) == 3 / 4
    assert repetition(tokens, 1, 2) == 2 / 4
    assert repetition(tokens, 1, 1) == 0
    assert repetition(tokens, 2, 2) == 1 / 3


@given(texts, st.integers(1, 3), st.integers(1, 45))
def test_they_are_what_they_are_defined_as(tokens: np.ndarray, n: int, window: int) -> None:
    grams = [tuple(tokens[at : at + n].tolist()) for at in range(len(tokens) - n + 1)]
    assert distinct_ngrams(tokens, n) == len(set(grams)) / len(grams)
    said = [gram in grams[max(0, at - window) : at] for at, gram in enumerate(grams)]
    assert repetition(tokens, n, window) == (sum(said) / (len(grams) - 1) if len(grams) > 1 else 0)


@given(texts, st.integers(1, 3))
def test_names_of_tokens_do_not_matter(tokens: np.ndarray, n: int) -> None:
    other = 7 - 2 * tokens
    assert distinct_ngrams(other, n) == distinct_ngrams(tokens, n)
    assert repetition(other, n, 5) == repetition(tokens, n, 5)


def test_the_ends_of_the_scale() -> None:
    same, different = np.zeros(50, np.int64), np.arange(50)
    assert repetition(same) == 1
    assert distinct_ngrams(same, 2) == 1 / 49
    assert repetition(different) == 0
    assert distinct_ngrams(different, 2) == 1
    assert repetition(np.array([3])) == 0


def test_what_has_no_meaning_is_refused() -> None:
    with pytest.raises(InputError, match="n: expected at least 1, got 0"):
        distinct_ngrams(np.array([1, 2]), 0)
    with pytest.raises(InputError, match="tokens: expected at least 3, one 3-gram, got 2"):
        repetition(np.array([1, 2]), 3)
    with pytest.raises(InputError, match="window: expected at least 1, got 0"):
        repetition(np.array([1, 2]), 1, 0)
