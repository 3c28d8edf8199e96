"""Counting n-grams: the compiled loops against their readable twins, and both against a dictionary."""

from collections import Counter
from collections.abc import Callable, Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chainrule.kernels import grams
from chainrule.kernels.grams import GramLevel
from chainrule.kernels.native import library

compiled = pytest.mark.skipif(library() is None, reason="the loops were not compiled at install")
Counting = Callable[[np.ndarray, np.ndarray, int, int], list[GramLevel]]
WAYS = [
    pytest.param(grams.levels_numpy, id="numpy"),
    pytest.param(grams.levels_native, id="native", marks=compiled),
]


def laid_out(rows: Sequence[Sequence[int]], order: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows as one line, and the room that each position has."""
    line = np.array([token for row in rows for token in row], np.int32)
    room = np.array([min(order, left) for row in rows for left in range(len(row), 0, -1)], np.uint8)
    return line, room


def assert_same(some: Sequence[GramLevel], others: Sequence[GramLevel]) -> None:
    assert len(some) == len(others)
    for k, (one, other) in enumerate(zip(some, others, strict=True), 1):
        for name, a, b in zip(GramLevel._fields, one, other, strict=True):
            assert a.dtype == b.dtype, (k, name)
            np.testing.assert_array_equal(a, b, err_msg=f"{name} of level {k}")


@st.composite
def texts(draw: st.DrawFn) -> tuple[list[list[int]], int, int]:
    """Rows over a few tokens of an alphabet, so that long n-grams come again; the alphabet, and an order that
    some row reaches."""
    vocab_size = draw(st.integers(1, 300))
    few = draw(st.lists(st.integers(0, vocab_size - 1), min_size=1, max_size=3))
    token = st.one_of(st.sampled_from(few), st.integers(0, vocab_size - 1))
    row = st.one_of(st.lists(token, max_size=25), st.lists(st.sampled_from(few), min_size=1, max_size=25))
    rows = draw(st.lists(row, min_size=1, max_size=6).filter(any))
    order = draw(st.integers(1, min(12, max(map(len, rows)))))
    return rows, vocab_size, order


# --- levels ------------------------------------------------------------------------------------------------


@compiled
@settings(max_examples=120)
@given(texts())
def test_both_ways_of_counting_give_the_same_arrays(text: tuple[list[list[int]], int, int]) -> None:
    rows, vocab_size, order = text
    line, room = laid_out(rows, order)
    one, other = (count(line, room, vocab_size, order) for count in (grams.levels_native, grams.levels_numpy))
    assert_same(one, other)


LARGER = {  # tokens, alphabet, order: what hypothesis would take too long to find
    "one token over and over": (5000, 1, 12),
    "buckets for the radix sort": (9000, 2, 12),
    "several threads": (30_000, 3, 6),
    "keys of 7 tokens": (15_000, 300, 9),
    "keys of 3 tokens": (12_000, 1 << 20, 5),
    "orders as high as they go": (700, 1, 255),
}


@compiled
@pytest.mark.parametrize(("tokens", "vocab_size", "order"), LARGER.values(), ids=LARGER.keys())
@pytest.mark.parametrize("longest", [10**6, 20])
def test_longer_texts_too(tokens: int, vocab_size: int, order: int, longest: int) -> None:
    rng = np.random.default_rng(tokens)
    line = (vocab_size * rng.random(tokens) ** 6).astype(int)  # few are frequent
    half = tokens // 2
    line[half:][: half // 2] = line[: half // 2]  # a long passage twice, which only the last pass tells apart
    cuts = np.cumsum(rng.integers(1, longest, tokens)) if longest < tokens else []
    rows = np.split(line, [cut for cut in cuts if cut < tokens])
    order = min(order, max(map(len, rows)))
    arguments = *laid_out([row.tolist() for row in rows], order), vocab_size, order
    assert_same(grams.levels_native(*arguments), grams.levels_numpy(*arguments))


@pytest.mark.parametrize("count", WAYS)
@settings(max_examples=100)
@given(texts())
def test_levels_are_the_ngrams_of_a_dictionary(
    count: Counting, text: tuple[list[list[int]], int, int]
) -> None:
    rows, vocab_size, order = text
    made = count(*laid_out(rows, order), vocab_size, order)
    below: list[tuple[int, ...]] = [()]
    for n, level in enumerate(made, 1):
        seen = Counter(tuple(row[i : i + n]) for row in rows for i in range(len(row) - n + 1))
        expected = sorted(seen) if n > 1 else [(token,) for token in range(vocab_size)]
        fanout = np.diff(level.first.astype(int)).tolist()
        contexts = [context for context, children in zip(below, fanout, strict=True) for _ in range(children)]
        spelled = [(*context, token) for context, token in zip(contexts, level.tokens.tolist(), strict=True)]
        assert spelled == expected
        assert level.counts.tolist() == [seen[ngram] for ngram in expected]
        assert [below[link] for link in level.links.tolist()] == [ngram[1:] for ngram in expected]
        below = spelled


@pytest.mark.parametrize("count", WAYS)
def test_the_levels_of_abracadabra(count: Counting) -> None:
    # a 0  b 1  c 2  d 3  r 4;    ab ac ad | br | ca | da | ra;    abr | aca | ada | bra | cad | dab | rac
    line, room = laid_out([[0, 1, 4, 0, 2, 0, 3, 0, 1, 4, 0]], 3)
    one, two, three = count(line, room, 5, 3)
    assert one.counts.tolist() == [5, 2, 1, 1, 2]
    assert one.first.tolist() == [0, 5]
    assert (two.tokens.tolist(), two.first.tolist()) == ([1, 2, 3, 4, 0, 0, 0], [0, 3, 4, 5, 6, 7])
    assert (two.counts.tolist(), two.links.tolist()) == ([2, 1, 1, 2, 1, 1, 2], [1, 2, 3, 4, 0, 0, 0])
    assert (three.tokens.tolist(), three.first.tolist()) == ([4, 0, 0, 0, 3, 1, 2], [0, 1, 2, 3, 4, 5, 6, 7])
    assert (three.counts.tolist(), three.links.tolist()) == ([2, 1, 1, 2, 1, 1, 1], [3, 4, 5, 6, 2, 0, 1])


# --- sentences and tallies ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "cut",
    [
        pytest.param(grams.sentences_numpy, id="numpy"),
        pytest.param(grams.sentences_native, id="native", marks=compiled),
    ],
)
@given(st.lists(st.integers(0, 2), max_size=30), st.integers(1, 6))
def test_every_sentence_has_a_beginning_and_room_up_to_its_end(
    cut: Callable[..., tuple[np.ndarray, np.ndarray]], text: list[int], order: int
) -> None:
    end, begin = 2, 3
    sentences: list[list[int]] = []
    for i, token in enumerate(text):
        if not i or text[i - 1] == end:
            sentences.append([begin])
        sentences[-1].append(token)
    line, room = cut(np.array(text, np.int32), begin, end, order)
    expected = laid_out(sentences, order)
    np.testing.assert_array_equal(line, expected[0])
    np.testing.assert_array_equal(room, expected[1])
    assert (line.dtype, room.dtype) == (np.int32, np.uint8)


@compiled
@given(st.integers(1, 40), st.integers(0, 100), st.integers(0, 2**32 - 1))
def test_both_tallies_count_the_links(size: int, links: int, seed: int) -> None:
    drawn = np.random.default_rng(seed).integers(size, size=links).astype(np.uint32)
    expected = [drawn.tolist().count(slot) for slot in range(size)]
    for tally in (grams.tally_native, grams.tally_numpy):
        assert tally(drawn, size).tolist() == expected
        assert tally(drawn, size).dtype == np.uint32
