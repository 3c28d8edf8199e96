"""Counted models: tables worked by hand, and a slow twin that counts with a dictionary."""

import math
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from typing import NamedTuple
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chainrule.core import FileFormatError, InputError
from chainrule.models.archive import pack, unpack
from chainrule.models.ngram import (
    AddK,
    MaximumLikelihood,
    NgramCounts,
    NgramModel,
    Smoothing,
    StupidBackoff,
    WittenBell,
    count_ngrams,
    counts,
)
from chainrule.models.ngram.counts import counts_from_arrays, counts_to_arrays, spelled
from chainrule.models.ngram.history import after
from chainrule.models.ngram.smoothing import make_smoothing
from chainrule.tasks.evaluation import TextCounts, evaluate, surprisal
from chainrule.testing import check_token_model

NORMALISED = (MaximumLikelihood(), AddK(1.0), AddK(0.25), WittenBell())
SMOOTHINGS = (*NORMALISED, StupidBackoff())
LETTERS = "abcdr"  # ids 0 to 4


def ids(text: str) -> np.ndarray:
    return np.array([LETTERS.index(c) for c in text], dtype=np.int32)


def abracadabra(order: int, smoothing: Smoothing) -> NgramModel:
    return NgramModel(count_ngrams([ids("abracadabra")], 5, order), smoothing)


def probability(model: NgramModel, context: str, token: str) -> float:
    """p(token | context), the context being all that was read."""
    _, state = model.score(model.start(1), ids(context)[None])
    return float(np.exp(model.predict(state)[0, LETTERS.index(token)]))


# --- tables worked by hand ---------------------------------------------------------------------------------
#
# abracadabra, 11 letters:  a 5   b 2   r 2   c 1   d 1
#              10 pairs:    ab 2  br 2  ra 2  ac 1  ca 1  ad 1  da 1
#               9 triples:  abr 2  bra 2  rac 1  aca 1  cad 1  ada 1  dab 1
#
# the last a is followed by nothing: four letters follow an a, of three kinds (b b c d)

TABLES = {
    1: {"a": 5, "b": 2, "c": 1, "d": 1, "r": 2},
    2: {"ab": 2, "ac": 1, "ad": 1, "br": 2, "ca": 1, "da": 1, "ra": 2},
    3: {"abr": 2, "aca": 1, "ada": 1, "bra": 2, "cad": 1, "dab": 1, "rac": 1},
}


def test_the_counts_of_abracadabra() -> None:
    counts = count_ngrams([ids("abracadabra")], 5, 3)
    assert len(counts) == 5 + 7 + 7
    for order, table in TABLES.items():
        rows, number = counts.ngrams(order)
        words = ["".join(LETTERS[i] for i in row) for row in rows]
        assert dict(zip(words, number.tolist(), strict=True)) == table
        assert words == sorted(words)


MAXIMUM_LIKELIHOOD = [  # c(h w) / c(h .)
    (1, "", "a", "5/11"),
    (2, "a", "b", "2/4"),
    (2, "a", "c", "1/4"),
    (2, "a", "a", "0/4"),
    (2, "r", "a", "2/2"),
    (3, "ab", "r", "2/2"),
    (3, "ra", "c", "1/1"),
    (3, "ra", "b", "0/1"),
    (3, "bb", "a", "1/5"),  # bb was never seen: 0/0, uniform
    (3, "a", "b", "2/4"),  # one letter has been read: the longest context there is
    (3, "", "a", "5/11"),
]
ADD_K = [  # (c(h w) + k) / (c(h .) + 5 k)
    (1, 1.0, "", "b", "3/16"),
    (2, 1.0, "a", "b", "3/9"),
    (2, 1.0, "a", "r", "1/9"),
    (2, 1.0, "c", "a", "2/6"),
    (2, 0.5, "a", "b", "5/13"),  # 2.5 / 6.5
    (3, 1.0, "ab", "r", "3/7"),
    (3, 1.0, "bb", "r", "1/5"),
]
# unigrams: 11 tokens of 5 kinds, (c + 5/5) / 16:                    a 6/16  b, r 3/16  c, d 2/16
# after a: 4 tokens of 3 kinds, (c + 3 p(w)) / 7:                    b (2 + 9/16) / 7 = 41/112
# after ra: 1 token of 1 kind, (c + 1 p(w | a)) / 2:                 c (1 + 22/112) / 2 = 67/112
# after ab: 2 tokens of 1 kind; after b: 2 of 1, r (2 + 3/16) / 3 = 35/48:   r (2 + 35/48) / 3 = 131/144
WITTEN_BELL = [
    (1, "", "a", "6/16"),
    (1, "", "b", "3/16"),
    (1, "", "d", "2/16"),
    (2, "a", "a", "18/112"),
    (2, "a", "b", "41/112"),
    (2, "a", "c", "22/112"),
    (2, "a", "d", "22/112"),
    (2, "a", "r", "9/112"),
    (3, "ra", "c", "67/112"),
    (3, "ra", "b", "41/224"),
    (3, "ab", "r", "131/144"),
    (3, "bb", "r", "35/48"),  # bb was never seen: what follows a b
    (3, "a", "b", "41/112"),  # a single letter was read
]
STUPID_BACKOFF = [  # c(h w) / c(h .) where h w was seen, else 2/5 of what the shorter context says
    (1, "", "a", "5/11"),
    (2, "a", "b", "2/4"),
    (2, "a", "r", "4/55"),  # 2/5 * 2/11
    (2, "", "r", "2/11"),  # nothing was read: nothing to pay for
    (3, "ra", "c", "1/1"),
    (3, "ra", "b", "2/10"),  # 2/5 * 2/4
    (3, "ra", "r", "8/275"),  # 2/5 * 2/5 * 2/11
    (3, "bb", "r", "4/10"),  # bb was never seen: 2/5 * 2/2
    (3, "a", "r", "4/55"),  # a single letter was read, so one step down
]


@pytest.mark.parametrize(("order", "context", "token", "expected"), MAXIMUM_LIKELIHOOD)
def test_maximum_likelihood_by_hand(order: int, context: str, token: str, expected: str) -> None:
    model = abracadabra(order, MaximumLikelihood())
    assert probability(model, context, token) == pytest.approx(float(Fraction(expected)), rel=1e-14)


@pytest.mark.parametrize(("order", "k", "context", "token", "expected"), ADD_K)
def test_add_k_by_hand(order: int, k: float, context: str, token: str, expected: str) -> None:
    model = abracadabra(order, AddK(k))
    assert probability(model, context, token) == pytest.approx(float(Fraction(expected)), rel=1e-14)


@pytest.mark.parametrize(("order", "context", "token", "expected"), WITTEN_BELL)
def test_witten_bell_by_hand(order: int, context: str, token: str, expected: str) -> None:
    model = abracadabra(order, WittenBell())
    assert probability(model, context, token) == pytest.approx(float(Fraction(expected)), rel=1e-14)


@pytest.mark.parametrize(("order", "context", "token", "expected"), STUPID_BACKOFF)
def test_stupid_backoff_by_hand(order: int, context: str, token: str, expected: str) -> None:
    model = abracadabra(order, StupidBackoff())
    assert probability(model, context, token) == pytest.approx(float(Fraction(expected)), rel=1e-14)


def test_only_the_scores_of_stupid_backoff_are_no_probabilities() -> None:
    assert [abracadabra(2, smoothing).normalised for smoothing in SMOOTHINGS] == [True] * 4 + [False]
    model = abracadabra(2, StupidBackoff())
    assert np.exp(model.predict(ids("a")[None])).sum() == pytest.approx(
        1 + 0.4 * 7 / 11
    )  # a and r, from below
    unseen = NgramModel(count_ngrams([ids("abab")], 5, 2), StupidBackoff())
    assert probability(unseen, "a", "r") == 0


def test_a_whole_text_by_hand() -> None:
    # p(abra) = p(a) p(b | a) p(r | ab) p(a | br) = 5/11 * 2/4 * 2/2 * 2/2
    model = abracadabra(3, MaximumLikelihood())
    log_probs, state = model.score(model.start(1), ids("abra")[None])
    assert math.exp(log_probs.sum()) == pytest.approx(5 / 22)
    np.testing.assert_array_equal(state, [ids("ra")])


# --- the slow twin -----------------------------------------------------------------------------------------


Rows = list[list[int]]


class Case(NamedTuple):
    """Training rows, V, an order, what ends sentences (None: running text), two equal held-out rows."""

    rows: Rows
    vocab_size: int
    order: int
    end: int | None
    held_out: Rows

    @property
    def text(self) -> np.ndarray:
        return np.array(self.held_out, dtype=np.int64)

    @property
    def lines(self) -> Rows:
        return lines_of(self.rows, self.vocab_size, self.end)

    def model(self, smoothing: Smoothing) -> NgramModel:
        return NgramModel(self.counted(), smoothing)

    def twin(self, smoothing: Smoothing) -> "Twin":
        return Twin(self, smoothing)

    def counted(self, order: int | None = None) -> NgramCounts:
        rows = [np.array(row, dtype=np.int32) for row in self.rows]
        return count_ngrams(rows, self.vocab_size, order or self.order, end=self.end)

    def line(self, before: list[int]) -> list[int]:
        """What conditions after all that was read; in a text of sentences from the beginning of this one."""
        if self.end is None:
            return before
        return lines_of([[*before, 0]], self.vocab_size, self.end)[-1][:-1]


@st.composite
def cases(draw: st.DrawFn) -> Case:
    vocab_size = draw(st.integers(1, 4))
    token = st.integers(0, vocab_size - 1)
    end = draw(st.none() | token)
    rows = draw(st.lists(st.lists(token, max_size=12), min_size=1, max_size=3).filter(any))
    order = draw(st.integers(1, min(8, max(map(len, lines_of(rows, vocab_size, end))))))
    length = draw(st.integers(0, 10))
    held_out = st.lists(token, min_size=length, max_size=length)
    return Case(rows, vocab_size, order, end, [draw(held_out), draw(held_out)])


def lines_of(rows: Rows, vocab_size: int, end: int | None) -> Rows:
    """What n-grams may not cross: rows, or sentences with V before each."""
    if end is None:
        return rows
    lines: Rows = []
    for row in rows:
        for i, token in enumerate(row):
            if not i or row[i - 1] == end:
                lines.append([vocab_size])
            lines[-1].append(token)
    return lines


def ngrams_of(lines: Rows, n: int, vocab_size: int) -> Counter[tuple[int, ...]]:
    """All but the beginning of a sentence on its own, which is never predicted."""
    found = Counter(tuple(line[i : i + n]) for line in lines for i in range(len(line) - n + 1))
    del found[(vocab_size,)]
    return found


class Twin:
    """The formulas of smoothing.py word for word, over a dictionary of counts, in fractions."""

    def __init__(self, case: Case, smoothing: Smoothing) -> None:
        self.case, self.vocab_size, self.order, self.smoothing = case, case.vocab_size, case.order, smoothing
        self.counts: Counter[tuple[int, ...]] = Counter()
        for n in range(1, self.order + 1):
            self.counts += ngrams_of(case.lines, n, self.vocab_size)

    def after(self, context: tuple[int, ...]) -> dict[int, int]:
        """How often each token followed a context."""
        return {w: self.counts[*context, w] for w in range(self.vocab_size) if self.counts[*context, w]}

    def context(self, before: list[int]) -> tuple[int, ...]:
        line = self.case.line(before)
        return tuple(line[max(0, len(line) - self.order + 1) :])

    def probability(self, before: list[int], token: int) -> Fraction:
        context = self.context(before)
        followers, uniform = self.after(context), Fraction(1, self.vocab_size)
        hits, total = followers.get(token, 0), sum(followers.values())
        match self.smoothing:
            case MaximumLikelihood():
                return Fraction(hits, total) if total else uniform
            case AddK(k=k):
                return (hits + Fraction(k)) / (total + Fraction(k) * self.vocab_size)
            case WittenBell():
                return self.witten_bell(context, token)
            case _:
                return self.stupid_backoff(context, token)

    def witten_bell(self, context: tuple[int, ...], token: int) -> Fraction:
        lower = self.witten_bell(context[1:], token) if context else Fraction(1, self.vocab_size)
        followers = self.after(context)
        total, kinds = sum(followers.values()), len(followers)
        return (followers.get(token, 0) + kinds * lower) / (total + kinds) if total else lower

    def stupid_backoff(self, context: tuple[int, ...], token: int) -> Fraction:
        followers = self.after(context)
        if token in followers:
            return Fraction(followers[token], sum(followers.values()))
        return Fraction(2, 5) * self.stupid_backoff(context[1:], token) if context else Fraction(0)


@settings(max_examples=150)
@given(cases(), st.sampled_from(SMOOTHINGS), st.data())
def test_score_and_predict_are_the_formulas(case: Case, smoothing: Smoothing, data: st.DataObject) -> None:
    model, twin, text = case.model(smoothing), case.twin(smoothing), case.text
    cut = data.draw(st.integers(0, text.shape[1]))
    first, state = model.score(model.start(2), text[:, :cut])
    second, after = model.score(state, text[:, cut:])
    scored = np.exp(np.concatenate([first, second], axis=1))
    expected = [[float(twin.probability(row[:t], w)) for t, w in enumerate(row)] for row in case.held_out]
    np.testing.assert_allclose(scored, np.reshape(expected, text.shape), rtol=1e-12)
    for end, reached in ((cut, state), (len(case.held_out[0]), after)):
        table = [
            [float(twin.probability(row[:end], w)) for w in range(case.vocab_size)] for row in case.held_out
        ]
        np.testing.assert_allclose(np.exp(model.predict(reached)), table, rtol=1e-12)


@settings(max_examples=60)
@given(cases(), st.data())
def test_silence_is_where_the_twin_divides_by_zero(case: Case, data: st.DataObject) -> None:
    model, twin, text = case.model(MaximumLikelihood()), case.twin(MaximumLikelihood()), case.text
    cut = data.draw(st.integers(0, text.shape[1]))
    _, state = model.score(model.start(2), text[:, :cut])
    silent = [model.silent(model.start(2), text[:, :cut]), model.silent(state, text[:, cut:])]
    expected = [[not twin.after(twin.context(row[:t])) for t in range(len(row))] for row in case.held_out]
    np.testing.assert_array_equal(np.concatenate(silent, axis=1), np.reshape(expected, text.shape))


@contextmanager
def counting(native: bool) -> Iterator[None]:
    """With the compiled loops, where there are any, or without."""
    with patch.object(counts, "library", counts.library if native else lambda: None):
        yield


@pytest.mark.parametrize("native", [True, False])
@settings(max_examples=60)
@given(cases())
def test_ngrams_and_their_counts(native: bool, case: Case) -> None:
    with counting(native):
        made = case.counted()
        lower = [case.counted(n) for n in range(1, case.order + 1)]
    assert (made.order, made.vocab_size, made.end) == (case.order, case.vocab_size, case.end)
    everything = 0
    for n in range(1, case.order + 1):
        expected = ngrams_of(case.lines, n, case.vocab_size)
        rows, number = made.ngrams(n)
        assert rows.tolist() == [list(ngram) for ngram in sorted(expected)]
        assert number.tolist() == [expected[ngram] for ngram in sorted(expected)]
        everything += len(expected)
        assert len(made.up_to(n)) == len(lower[n - 1]) == everything
        assert_same_counts(made.up_to(n), lower[n - 1])


@settings(max_examples=60)
@given(cases())
def test_totals_and_types_are_what_followed_each_context(case: Case) -> None:
    made, twin = case.counted(), case.twin(AddK())
    contexts: list[tuple[int, ...]] = [()]
    for n, level in enumerate(made.levels, 1):
        followers = [twin.after(context) for context in contexts]
        assert level.totals.tolist() == [sum(found.values()) for found in followers]
        assert level.types.tolist() == [len(found) for found in followers]
        contexts = [tuple(row) for row in spelled(made.levels[:n]).tolist()]


@settings(max_examples=60)
@given(cases())
def test_counts_come_back_from_their_arrays(case: Case) -> None:
    made = case.counted()
    arrays = counts_to_arrays(made)
    assert len(arrays) == 4 * case.order
    assert_same_counts(counts_from_arrays(arrays, case.vocab_size, case.order, case.end), made)


def assert_same_counts(one: NgramCounts, other: NgramCounts) -> None:
    assert (one.vocab_size, one.order, one.end) == (other.vocab_size, other.order, other.end)
    for a, b in zip(one.levels, other.levels, strict=True):
        for name in ("tokens", "first", "counts", "links"):
            np.testing.assert_array_equal(getattr(a, name), getattr(b, name))


@given(cases(), st.data())
def test_a_walk_finds_the_contexts_before_each_token_and_the_ngrams_it_ends(
    case: Case, data: st.DataObject
) -> None:
    """With nothing before, and with tokens before them that are handed in as history."""
    made, text = case.counted(), case.text
    cut = data.draw(st.integers(0, text.shape[1]))
    start = NgramModel(made, AddK()).start(2)
    history = after(start, text[:, :cut], case.vocab_size, case.end)
    contexts, ends = made.walk(history, text[:, cut:])
    assert contexts.shape == ends.shape == (case.order, 2, text.shape[1] - cut)
    below = {(): 0}
    for n in range(1, case.order + 1):
        place = {tuple(row): i for i, row in enumerate(spelled(made.levels[:n]).tolist())}
        for row, before, found in zip(case.held_out, contexts[n - 1], ends[n - 1], strict=True):
            lines = [case.line(row[:t]) for t in range(cut, len(row))]
            # shorter contexts than n - 1 stand nowhere in the table of level n - 1
            wanted = [tuple(line[len(line) - n + 1 :]) if len(line) >= n - 1 else None for line in lines]
            assert before.tolist() == [below.get(context, -1) for context in wanted]
            ngrams = [
                None if context is None else (*context, token)
                for context, token in zip(wanted, row[cut:], strict=True)
            ]
            assert found.tolist() == [place.get(ngram, -1) for ngram in ngrams]
        below = place


def test_ngrams_do_not_cross_rows() -> None:
    # in one row: ab bb ba; in two rows no bb
    apart = count_ngrams([ids("ab"), ids("ba")], 5, 2)
    assert apart.ngrams(2)[0].tolist() == [[0, 1], [1, 0]]
    assert NgramModel(apart, MaximumLikelihood()).predict(ids("b")[None])[0, 1] == -np.inf
    together = count_ngrams([ids("abba")], 5, 2)
    assert together.ngrams(2)[0].tolist() == [[0, 1], [1, 0], [1, 1]]


def test_rows_shorter_than_the_order_count_for_the_lower_orders() -> None:
    counts = count_ngrams([ids("a"), ids("abc"), ids("")], 5, 3)
    assert [number.tolist() for _, number in map(counts.ngrams, (1, 2, 3))] == [[2, 1, 1], [1, 1], [1]]


# --- sentences ---------------------------------------------------------------------------------------------
#
# r ends a sentence, and 5 begins one:  5 a b r | 5 b r | 5 r | 5 a       the text breaks off


@pytest.mark.parametrize("native", [True, False])
def test_no_ngram_crosses_the_end_of_a_sentence(native: bool) -> None:
    with counting(native):
        counts = count_ngrams([ids("abrbrra")], 5, 3, end=4)
    tables = [
        dict(zip(map(tuple, rows.tolist()), number, strict=True))
        for rows, number in map(counts.ngrams, (1, 2, 3))
    ]
    assert tables == [
        {(0,): 2, (1,): 2, (4,): 3},
        {(0, 1): 1, (1, 4): 2, (5, 0): 2, (5, 1): 1, (5, 4): 1},
        {(0, 1, 4): 1, (5, 0, 1): 1, (5, 1, 4): 1},
    ]
    assert len(counts) == 3 + 5 + 3


@pytest.mark.parametrize("native", [True, False])
def test_a_row_that_breaks_off_does_not_run_into_the_next(native: bool) -> None:
    with counting(native):
        counts = count_ngrams([ids("ab"), ids(""), ids("cr")], 5, 2, end=4)
    assert counts.ngrams(2)[0].tolist() == [[0, 1], [2, 4], [5, 0], [5, 2]]


def test_a_sentence_is_read_as_if_nothing_stood_before_it() -> None:
    model = NgramModel(count_ngrams([ids("abrbrra")], 5, 3, end=4), MaximumLikelihood())
    # 5 -> a 2/4, b 1/4, r 1/4;   5 a -> b 1/1;   a b -> r 1/1
    log_probs, state = model.score(model.start(1), ids("abrabrbr")[None])
    np.testing.assert_allclose(np.exp(log_probs[0]), [2 / 4, 1, 1, 2 / 4, 1, 1, 1 / 4, 1])
    np.testing.assert_array_equal(state, model.start(1))
    assert not model.silent(model.start(1), ids("abrabrbr")[None]).any()
    np.testing.assert_allclose(np.exp(model.predict(state)[0]), [2 / 4, 1 / 4, 0, 0, 1 / 4])


def test_an_order_above_the_longest_sentence_is_refused() -> None:
    longest = r"the longest sentence, its two ends included, has 4 tokens"
    for order in (0, 5, 300):
        with pytest.raises(InputError, match=rf"order: expected 1\.\.4 \({longest}\), got {order}"):
            count_ngrams([ids("abrbrra")], 5, order, end=4)
    with pytest.raises(InputError, match=r"order: expected 1\.\.0 .*, got 1"):
        count_ngrams([], 5, 1, end=4)


@pytest.mark.parametrize("end", [-1, 5])
def test_an_end_outside_the_vocabulary_is_refused(end: int) -> None:
    with pytest.raises(InputError, match=rf"end: expected an id in 0\.\.4, got {end}"):
        count_ngrams([ids("abra")], 5, 2, end=end)


@pytest.mark.parametrize("order", [1, 2, 5])
@pytest.mark.parametrize("end", [None, 3])
@pytest.mark.parametrize("smoothing", NORMALISED, ids=lambda smoothing: smoothing.name)
def test_the_laws_hold_for_running_text_and_for_sentences(
    smoothing: Smoothing, end: int | None, order: int
) -> None:
    text = np.random.default_rng(order).integers(0, 6, 200)
    model = NgramModel(count_ngrams([text], 6, order, end=end), smoothing)
    check_token_model(model, tolerance=1e-9, reload=lambda model: unpack(*pack(model)))


# --- zero, and nothing to say ------------------------------------------------------------------------------


def test_an_ngram_never_seen_has_perplexity_infinity_and_no_warning() -> None:
    model, text = abracadabra(3, MaximumLikelihood()), ids("abd")  # abd: seen ab, never abd
    nats = surprisal(model, text)
    assert nats.tolist() == pytest.approx([math.log(11 / 5), math.log(2), math.inf])
    report = evaluate(nats, text, TextCounts.of("abd"), model=model, tokenizer="characters")
    assert report.perplexity == math.inf
    assert report.silent == 0


def test_silence_is_counted_where_nothing_ever_followed_the_context() -> None:
    # b is read after nothing, b after b (seen, but never another b: zero), r after bb (never seen: 0/0)
    model = abracadabra(3, MaximumLikelihood())
    text = ids("bbra")
    log_probs, _ = model.score(model.start(1), text[None])
    np.testing.assert_array_equal(model.silent(model.start(1), text[None]), [[False, False, True, False]])
    np.testing.assert_allclose(np.exp(log_probs), [[2 / 11, 0, 1 / 5, 1]])  # br -> a, twice of two
    report = evaluate(-log_probs[0], text, TextCounts.of("bbra"), model=model, tokenizer="characters")
    assert report.silent == 1


def test_a_context_that_only_ends_the_text_is_silent() -> None:
    model = NgramModel(count_ngrams([ids("ab")], 5, 2), MaximumLikelihood())
    np.testing.assert_array_equal(model.silent(model.start(1), ids("abc")[None]), [[False, False, True]])
    assert probability(model, "b", "c") == pytest.approx(1 / 5)


@pytest.mark.parametrize("smoothing", [AddK(), WittenBell()])
def test_a_smoothed_model_is_never_silent_and_never_at_zero(smoothing: Smoothing) -> None:
    model, text = abracadabra(4, smoothing), ids("bbrrddccaacdrb")[None]
    assert not model.silent(model.start(1), text).any()
    assert np.isfinite(model.score(model.start(1), text)[0]).all()


# --- refusals ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("order", [-1, 0, 12, 256])
def test_an_order_that_the_text_has_not_is_refused(order: int) -> None:
    with pytest.raises(InputError, match=rf"order: expected 1\.\.11 \(the text has 11 tokens\), got {order}"):
        abracadabra(order, WittenBell())
    counts = count_ngrams([ids("abracadabra")], 5, 11)  # as long as the text: one 11-gram
    assert counts.ngrams(11)[1].tolist() == [1]
    for method in (counts.up_to, counts.ngrams):
        with pytest.raises(InputError, match=rf"order: expected 1\.\.11, got {order}"):
            method(order)


def test_orders_end_at_255() -> None:
    assert count_ngrams([np.zeros(300, int)], 1, 255).ngrams(255)[1].tolist() == [46]
    for order in (0, 256):
        with pytest.raises(InputError, match=rf"order: expected 1\.\.255, got {order}"):
            count_ngrams([np.zeros(300, int)], 1, order)


@pytest.mark.parametrize("rows", [[], [""], ["", ""]])
def test_an_empty_text_is_refused(rows: list[str]) -> None:
    with pytest.raises(InputError, match=r"order: expected .* \(the text has 0 tokens\), got 1"):
        count_ngrams([ids(row) for row in rows], 5, 1)


def test_ids_outside_the_vocabulary_are_refused() -> None:
    with pytest.raises(InputError, match=r"expected ids in 0\.\.3, got 4"):
        count_ngrams([ids("abr")], 4, 1)


@pytest.mark.parametrize("k", [0.0, -1.0, math.nan, math.inf])
def test_a_k_without_a_meaning_is_refused(k: float) -> None:
    with pytest.raises(InputError, match="add-k: expected k above 0, got"):
        AddK(k)


def test_smoothings_go_by_the_names_of_the_command() -> None:
    names = ("maximum-likelihood", "add-k", "witten-bell", "stupid-backoff")
    assert [make_smoothing(name) for name in names] == [
        MaximumLikelihood(),
        AddK(1.0),
        WittenBell(),
        StupidBackoff(),
    ]
    assert make_smoothing("add-k", 0.5).name == "add-0.5"
    with pytest.raises(InputError, match=r"smoothing: expected .*, got 'kneser-ney'"):
        make_smoothing("kneser-ney")


# --- on disk -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("smoothing", SMOOTHINGS)
def test_a_model_comes_back_from_its_arrays(smoothing: Smoothing) -> None:
    model = abracadabra(3, smoothing)
    family, settings_, arrays = pack(model)
    back = unpack(family, settings_, arrays)
    assert isinstance(back, NgramModel)
    assert back.smoothing == smoothing
    text = ids("abradacabbr")[None]
    np.testing.assert_array_equal(back.score(back.start(1), text)[0], model.score(model.start(1), text)[0])


# abracadabra:  level 2  ab ac ad | br | ca | da | ra     level 3  abr | aca | ada | bra | cad | dab | rac


def _ints(*numbers: int) -> np.ndarray:
    return np.array(numbers, np.int32)


def _slots(*numbers: int) -> np.ndarray:
    return np.array(numbers, np.uint32)


DAMAGES = {
    "an array is missing": {"tokens2": None},
    "a level is missing": {f"{name}3": None for name in ("tokens", "first", "counts", "links")},
    "an array under another name": {"counts3": None, "counts4": _slots(1, 1, 1, 2, 1, 1, 2)},
    "an array too many": {"tokens4": _ints(1)},
    "tokens out of order": {"tokens2": _ints(2, 1, 3, 4, 0, 0, 0)},
    "a token twice": {"tokens2": _ints(1, 1, 3, 4, 0, 0, 0)},
    "a negative token": {"tokens2": _ints(-1, 2, 3, 4, 0, 0, 0)},
    "a token that does not exist": {"tokens2": _ints(1, 2, 5, 4, 0, 0, 0)},
    "not the whole alphabet": {
        "tokens1": _ints(0, 1, 2, 3),
        "first1": _slots(0, 4),
        "counts1": _slots(5, 2, 1, 1),
        "links1": _slots(0, 0, 0, 0),
    },
    "an offset beyond the level": {"first2": _slots(0, 3, 4, 5, 6, 8)},
    "an offset far beyond the level": {"first2": _slots(0, 2**32 - 1, 4, 5, 6, 7)},
    "offsets that fall": {"first2": _slots(0, 4, 3, 5, 6, 7)},
    "offsets that leave some out": {"first2": _slots(1, 3, 4, 5, 6, 7)},
    "offsets that end too early": {"first2": _slots(0, 3, 4, 5, 6, 6)},
    "fewer offsets than contexts": {"first3": _slots(0, 1, 2, 3, 4, 5, 7)},
    "more offsets than contexts": {"first3": _slots(0, 1, 2, 3, 4, 5, 6, 7, 7)},
    "a link that leads nowhere": {"links3": _slots(3, 4, 5, 6, 2, 0, 7)},
    "fewer links than tokens": {"links3": _slots(3, 4, 5, 6, 2, 0)},
    "fewer counts than tokens": {"counts1": _slots(5, 2, 1, 1)},
    "nothing": {
        f"{name}1": kind() for name, kind in (("tokens", _ints), ("counts", _slots), ("links", _slots))
    },
    "no offsets": {"first3": _slots()},
    "a table for a list": {"tokens1": np.zeros((5, 1), np.int32)},
    "negative counts": {"counts1": _ints(5, 2, 1, -1, 2)},
    "broken numbers": {"counts1": np.array([5, 2, 1, 1, 2.5])},
    "large numbers": {"tokens1": np.arange(5)},
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES.keys())
def test_damaged_arrays_are_refused(damage: dict[str, np.ndarray | None]) -> None:
    family, settings_, arrays = pack(abracadabra(3, WittenBell()))
    damaged = {name: array for name, array in (arrays | damage).items() if array is not None}
    with pytest.raises(FileFormatError, match="n-gram model"):
        unpack(family, settings_, damaged)


@pytest.mark.parametrize(
    "damage",
    [
        {"order": 4},
        {"order": 0},
        {"order": -1},
        {"order": "three"},
        {"vocab_size": 4},
        {"vocab_size": 6},
        {"end": 0},
        {"end": 5},
        {"end": "the end"},
        {"vocab_size": 0},
        {"smoothing": "guess"},
        {"smoothing": "add-k", "k": -1},
        {"smoothing": "add-k", "k": "one"},
    ],
)
def test_damaged_settings_are_refused(damage: dict[str, object]) -> None:
    family, settings_, arrays = pack(abracadabra(3, WittenBell()))
    with pytest.raises(FileFormatError):
        unpack(family, settings_ | damage, arrays)


@pytest.mark.parametrize("end", [-1, 5])
def test_a_damaged_end_is_refused(end: int) -> None:
    model = NgramModel(count_ngrams([ids("abracadabra")], 5, 3, end=4), WittenBell())
    family, settings_, arrays = pack(model)
    with pytest.raises(FileFormatError, match="n-gram model"):
        unpack(family, settings_ | {"end": end}, arrays)


@pytest.mark.parametrize("name", ["order", "vocab_size", "smoothing", "end"])
def test_missing_settings_are_refused(name: str) -> None:
    family, settings_, arrays = pack(abracadabra(3, WittenBell()))
    del settings_[name]
    with pytest.raises(FileFormatError, match="ngram model: its settings are damaged"):
        unpack(family, settings_, arrays)
