"""Counted models: tables worked by hand, and a slow twin that counts with a dictionary."""

import math
from collections import Counter
from fractions import Fraction
from typing import NamedTuple

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
    WittenBell,
    count_ngrams,
)
from chainrule.models.ngram.smoothing import make_smoothing
from chainrule.tasks.evaluation import TextCounts, evaluate, surprisal

SMOOTHINGS = (MaximumLikelihood(), AddK(1.0), AddK(0.25), WittenBell())
LETTERS = "abcdr"  # ids 0 to 4


def ids(text: str) -> np.ndarray:
    return np.array([LETTERS.index(c) for c in text], dtype=np.int64)


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


def test_a_whole_text_by_hand() -> None:
    # p(abra) = p(a) p(b | a) p(r | ab) p(a | br) = 5/11 * 2/4 * 2/2 * 2/2
    model = abracadabra(3, MaximumLikelihood())
    log_probs, state = model.score(model.start(1), ids("abra")[None])
    assert math.exp(log_probs.sum()) == pytest.approx(5 / 22)
    np.testing.assert_array_equal(state, [ids("ra")])


# --- the slow twin -----------------------------------------------------------------------------------------


Rows = list[list[int]]


class Case(NamedTuple):
    """Training rows, V, an order, and two held-out rows of one length."""

    rows: Rows
    vocab_size: int
    order: int
    held_out: Rows

    @property
    def text(self) -> np.ndarray:
        return np.array(self.held_out, dtype=np.int64)

    def model(self, smoothing: Smoothing) -> NgramModel:
        return NgramModel(counted(self.rows, self.vocab_size, self.order), smoothing)

    def twin(self, smoothing: Smoothing) -> "Twin":
        return Twin(self.rows, self.vocab_size, self.order, smoothing)


@st.composite
def cases(draw: st.DrawFn) -> Case:
    vocab_size = draw(st.integers(1, 4))
    token = st.integers(0, vocab_size - 1)
    rows = draw(st.lists(st.lists(token, max_size=12), min_size=1, max_size=3).filter(any))
    order = draw(st.integers(1, min(8, max(len(row) for row in rows))))
    length = draw(st.integers(0, 10))
    held_out = st.lists(token, min_size=length, max_size=length)
    return Case(rows, vocab_size, order, [draw(held_out), draw(held_out)])


def counted(rows: Rows, vocab_size: int, order: int) -> NgramCounts:
    return count_ngrams([np.array(row, dtype=np.int32) for row in rows], vocab_size, order)


def ngrams_of(rows: Rows, n: int) -> Counter[tuple[int, ...]]:
    return Counter(tuple(row[i : i + n]) for row in rows for i in range(len(row) - n + 1))


class Twin:
    """The formulas of smoothing.py word for word, over a dictionary of counts, in fractions."""

    def __init__(self, rows: Rows, vocab_size: int, order: int, smoothing: Smoothing) -> None:
        self.vocab_size, self.order, self.smoothing = vocab_size, order, smoothing
        self.counts = sum((ngrams_of(rows, n) for n in range(1, order + 1)), Counter[tuple[int, ...]]())

    def after(self, context: tuple[int, ...]) -> dict[int, int]:
        """How often each token followed a context."""
        return {w: self.counts[*context, w] for w in range(self.vocab_size) if self.counts[*context, w]}

    def context(self, before: list[int]) -> tuple[int, ...]:
        return tuple(before[max(0, len(before) - self.order + 1) :])

    def probability(self, before: list[int], token: int) -> Fraction:
        context = self.context(before)
        followers, uniform = self.after(context), Fraction(1, self.vocab_size)
        hits, total = followers.get(token, 0), sum(followers.values())
        match self.smoothing:
            case MaximumLikelihood():
                return Fraction(hits, total) if total else uniform
            case AddK(k=k):
                return (hits + Fraction(k)) / (total + Fraction(k) * self.vocab_size)
            case _:
                return self.witten_bell(context, token)

    def witten_bell(self, context: tuple[int, ...], token: int) -> Fraction:
        lower = self.witten_bell(context[1:], token) if context else Fraction(1, self.vocab_size)
        followers = self.after(context)
        total, kinds = sum(followers.values()), len(followers)
        return (followers.get(token, 0) + kinds * lower) / (total + kinds) if total else lower


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


@settings(max_examples=60)
@given(cases())
def test_ngrams_and_their_counts(case: Case) -> None:
    counts = counted(case.rows, case.vocab_size, case.order)
    assert counts.order == case.order
    for n in range(1, case.order + 1):
        expected = ngrams_of(case.rows, n)
        rows, number = counts.ngrams(n)
        assert rows.tolist() == [list(ngram) for ngram in sorted(expected)]
        assert number.tolist() == [expected[ngram] for ngram in sorted(expected)]
        fewer, same = counts.up_to(n), counted(case.rows, case.vocab_size, n)
        assert len(fewer) == len(same)
        for one, other in zip(fewer.levels, same.levels, strict=True):
            np.testing.assert_array_equal(one.keys, other.keys)
            np.testing.assert_array_equal(one.counts, other.counts)


@given(cases())
def test_a_walk_finds_the_ngrams_that_end_at_each_token(case: Case) -> None:
    """With nothing before, and with tokens before them that are handed in as history."""
    counts, text = counted(case.rows, case.vocab_size, case.order), case.text
    for back in range(min(case.order, text.shape[1]) + 1):
        ends = counts.walk(text[:, :back], text[:, back:])
        assert len(ends) == case.order
        for n, found in enumerate(ends, 1):
            place = {tuple(row): i for i, row in enumerate(counts.ngrams(n)[0].tolist())}
            for row, at in zip(case.held_out, found, strict=True):
                ngrams = [tuple(row[max(0, t - n + 1) : t + 1]) for t in range(back, len(row))]
                assert at.tolist() == [place.get(ngram, -1) for ngram in ngrams]


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


@pytest.mark.parametrize("order", [-1, 0, 12])
def test_an_order_that_the_text_has_not_is_refused(order: int) -> None:
    with pytest.raises(InputError, match=rf"order: expected 1\.\.11 \(the text has 11 tokens\), got {order}"):
        abracadabra(order, WittenBell())
    counts = count_ngrams([ids("abracadabra")], 5, 11)  # as long as the text: one 11-gram
    assert counts.ngrams(11)[1].tolist() == [1]
    for method in (counts.up_to, counts.ngrams):
        with pytest.raises(InputError, match=rf"order: expected 1\.\.11, got {order}"):
            method(order)


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
    assert [make_smoothing(name) for name in ("maximum-likelihood", "add-k", "witten-bell")] == [
        MaximumLikelihood(),
        AddK(1.0),
        WittenBell(),
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


DAMAGES = {
    "a level is missing": {"keys2": None},
    "counts are missing": {"counts3": None},
    "keys out of order": {"keys1": np.array([0, 2, 1, 3, 4])},
    "a key twice": {"keys1": np.array([0, 1, 1, 3, 4])},
    "a negative key": {"keys1": np.array([-1, 1, 2, 3, 4])},
    "a token that does not exist": {"keys1": np.array([0, 1, 2, 3, 5])},
    "a context that does not exist": {"keys3": np.array([0, 1, 2, 3, 4, 5, 35])},
    "a count of zero": {"counts1": np.array([5, 2, 1, 0, 2])},
    "a negative count": {"counts1": np.array([5, 2, 1, -1, 2])},
    "fewer counts than keys": {"counts1": np.array([5, 2, 1, 1])},
    "nothing": {"keys1": np.empty(0, np.int64), "counts1": np.empty(0, np.int64)},
    "a table for a list": {"keys1": np.zeros((5, 1), np.int64)},
    "broken numbers": {"counts1": np.array([5, 2, 1, 1, 2.5])},
    "small numbers": {"keys1": np.arange(5, dtype=np.int32)},
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


@pytest.mark.parametrize("name", ["order", "vocab_size", "smoothing"])
def test_missing_settings_are_refused(name: str) -> None:
    family, settings_, arrays = pack(abracadabra(3, WittenBell()))
    del settings_[name]
    with pytest.raises(FileFormatError, match="ngram model: its settings are damaged"):
        unpack(family, settings_, arrays)
