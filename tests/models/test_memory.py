"""How much memory counting takes: said before it starts, with an order that would fit."""

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chainrule import LanguageModel
from chainrule.core import InputError
from chainrule.models.ngram import memory
from chainrule.models.ngram.counts import count_ngrams
from chainrule.models.ngram.estimation import estimate
from chainrule.models.ngram.memory import check_memory, memory_here, memory_needed

TOKENS, VOCABULARY, ORDER = st.integers(1, 10**10), st.integers(1, 10**7), st.integers(1, 20)


@given(TOKENS, VOCABULARY, ORDER)
def test_more_of_anything_needs_more(tokens: int, vocab_size: int, order: int) -> None:
    needed = memory_needed(tokens, vocab_size, order)
    assert needed > 0
    assert memory_needed(tokens + 1, vocab_size, order) > needed
    assert memory_needed(tokens, vocab_size + 1, order) > needed
    assert memory_needed(tokens, vocab_size, order + 1) > needed


@pytest.mark.parametrize("vocab_size", [10, 5000])
def test_counts_and_model_take_no_more(vocab_size: int) -> None:
    tokens = np.random.default_rng(0).integers(0, vocab_size, 3000).astype(np.int32)
    counts = count_ngrams([tokens], vocab_size, 4)
    model = estimate(counts).model
    arrays = [
        array for level in model.levels for array in level
    ]  # tokens and offsets are those of the counts
    arrays += [array for level in counts.levels for array in (level.counts, level.links)]
    taken = sum(array.nbytes for array in arrays if array is not None)
    assert taken <= memory_needed(len(tokens), vocab_size, 4)


def test_this_machine_says_what_it_has() -> None:
    here = memory_here()
    assert here is None or here > 1 << 26


@given(TOKENS, VOCABULARY, ORDER, st.integers(1, 1 << 50))
def test_an_order_that_fits_is_named(tokens: int, vocab_size: int, order: int, here: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(memory, "memory_here", lambda: here)
        if memory_needed(tokens, vocab_size, order) <= here:
            check_memory(tokens, vocab_size, order)
            return
        with pytest.raises(
            InputError, match=f"memory: {order}-grams of {tokens:,} tokens may take"
        ) as raised:
            check_memory(tokens, vocab_size, order)
    named = re.search(r"order (\d+) fits", str(raised.value))
    if named:
        fits = int(named[1])
        assert memory_needed(tokens, vocab_size, fits) <= here < memory_needed(tokens, vocab_size, fits + 1)
    else:
        assert "a smaller text or vocabulary may fit" in str(raised.value)
        assert memory_needed(tokens, vocab_size, 1) > here


def test_a_machine_that_says_nothing_is_taken_at_its_word(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "memory_here", lambda: None)
    check_memory(10**15, 10**9, 100)


def test_fitting_is_refused_before_anything_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    text = "the cat sat on the mat " * 50
    settings = {"model": "ngram", "tokenizer": "space", "valid": 0, "test": 0}
    monkeypatch.setattr(memory, "memory_here", lambda: memory_needed(300, 6, 2))
    monkeypatch.setattr(
        "chainrule.recipes.counted.count_ngrams", lambda *rest, **named: pytest.fail("counted")
    )
    with pytest.raises(InputError, match=r"memory: 4-grams of 300 tokens .*: order 2 fits"):
        LanguageModel.fit(text, order=4, **settings)
