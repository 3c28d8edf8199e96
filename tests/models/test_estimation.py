"""Estimated models: every smoothing against its paper's formula, written down slowly over dictionaries."""

import math
from collections import Counter, defaultdict
from pathlib import Path
from typing import NamedTuple
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chainrule.core import InputError
from chainrule.kernels.native import library
from chainrule.models.ngram import (
    ESTIMATED,
    BackoffModel,
    NgramCounts,
    NgramModel,
    WittenBell,
    count_ngrams,
    estimate,
    estimation,
)
from chainrule.models.ngram.backoff import spell
from chainrule.models.ngram.estimation import adjusted_counts

Ngram = tuple[int, ...]
Rows = list[list[int]]
LETTERS = "abcdr"  # ids 0 to 4


def ids(text: str) -> np.ndarray:
    return np.array([LETTERS.index(c) for c in text], dtype=np.int32)


# --- the slow twin -----------------------------------------------------------------------------------------


class Text(NamedTuple):
    """Rows of tokens below V; what ends sentences, None for running text."""

    rows: Rows
    vocab_size: int
    end: int | None

    @property
    def lines(self) -> Rows:
        """What n-grams may not cross: rows, or sentences with V before each."""
        if self.end is None:
            return self.rows
        lines: Rows = []
        for row in self.rows:
            for i, token in enumerate(row):
                if not i or row[i - 1] == self.end:
                    lines.append([self.vocab_size])
                lines[-1].append(token)
        return lines

    def counted(self, order: int) -> NgramCounts:
        return count_ngrams(
            [np.array(row, np.int32) for row in self.rows], self.vocab_size, order, end=self.end
        )

    def context(self, before: list[int], order: int) -> Ngram:
        if self.end is not None:
            since = max((i + 1 for i, token in enumerate(before) if token == self.end), default=0)
            before = [self.vocab_size, *before[since:]]
        return tuple(before[max(0, len(before) - order + 1) :])


class Twin:
    """Witten & Bell 1991, Ney et al. 1994, Kneser & Ney 1995, Chen & Goodman 1998: recursive p(w | h)."""

    def __init__(self, text: Text, order: int, smoothing: str, minimum: list[int]) -> None:
        self.text, self.order, self.smoothing = text, order, smoothing
        self.least = [*minimum, *[minimum[-1] if minimum else 1] * order][:order]
        self.raw = [self._seen(n) for n in range(1, order + 1)]
        self.counts = [
            self._adjusted(n) if "kneser-ney" in smoothing else self.raw[n - 1] for n in range(1, order + 1)
        ]
        self.discounts = [self._discounts(counts) for counts in self.counts]
        self.followers: dict[Ngram, dict[int, int]] = defaultdict(dict)
        for counts in self.counts:
            for ngram, count in counts.items():
                self.followers[ngram[:-1]][ngram[-1]] = count
        self.known: dict[Ngram, float] = {}

    def _seen(self, n: int) -> Counter[Ngram]:
        found = Counter(tuple(line[i : i + n]) for line in self.text.lines for i in range(len(line) - n + 1))
        del found[(self.text.vocab_size,)]  # a beginning is not predicted
        return found

    def _adjusted(self, n: int) -> Counter[Ngram]:
        """After how many different tokens; what stands at a beginning, and the longest, as often as seen."""
        if n == self.order:
            return self.raw[n - 1]
        before: dict[Ngram, set[int]] = defaultdict(set)
        for longer in self.raw[n]:
            before[longer[1:]].add(longer[0])
        begins = {
            ngram: count for ngram, count in self.raw[n - 1].items() if ngram[0] == self.text.vocab_size
        }
        return Counter({ngram: len(tokens) for ngram, tokens in before.items()} | begins)

    def _discounts(self, counts: Counter[Ngram]) -> tuple[float, float, float]:
        """Of counts of one, two, and three or more."""
        n = Counter(counts.values())
        if self.smoothing == "witten-bell":
            return 0.0, 0.0, 0.0
        if self.smoothing != "modified-kneser-ney":
            d = n[1] / (n[1] + 2 * n[2]) if n[1] and n[2] else 0.75
            return d, d, d
        if not all(n[i] for i in (1, 2, 3)):
            return 0.5, 1.0, 1.5
        y = n[1] / (n[1] + 2 * n[2])
        d1, d2, d3 = 1 - 2 * y * n[2] / n[1], 2 - 3 * y * n[3] / n[2], 3 - 4 * y * n[4] / n[3]
        return (d1, d2, d3) if 0 < d1 <= 1 and 0 < d2 <= 2 and 0 < d3 <= 3 else (0.5, 1.0, 1.5)

    def probability(self, context: Ngram, token: int) -> float:
        ngram = (*context, token)
        if ngram not in self.known:
            lower = self.probability(context[1:], token) if context else 1 / self.text.vocab_size
            self.known[ngram] = self._interpolated(context, token, lower)
        return self.known[ngram]

    def _interpolated(self, context: Ngram, token: int, lower: float) -> float:
        followers = self.followers.get(context, {})
        total = sum(followers.values())
        if not total:
            return lower
        less = {w: self._discount((*context, w), count) for w, count in followers.items()}
        own = followers.get(token, 0) - less.get(token, 0)
        if self.smoothing == "witten-bell":
            kinds = len(followers)
            return (own + (kinds + sum(less.values())) * lower) / (total + kinds)
        return own / total + sum(less.values()) / total * lower

    def _discount(self, ngram: Ngram, count: int) -> float:
        """All of it, where the n-gram is too rare to be listed."""
        n = len(ngram) - 1
        return count if self.raw[n][ngram] < self.least[n] else self.discounts[n][min(count, 3) - 1]


@st.composite
def texts(draw: st.DrawFn) -> tuple[Text, int, list[int]]:
    """A small text, an order that it reaches, and the counts from which n-grams are listed."""
    vocab_size = draw(st.integers(1, 5))
    token = st.integers(0, vocab_size - 1)
    rows = draw(st.lists(st.lists(token, max_size=30), min_size=1, max_size=3).filter(any))
    text = Text(rows, vocab_size, draw(st.none() | token))
    order = draw(st.integers(1, min(5, max(map(len, text.lines)))))
    minimum = draw(st.lists(st.integers(1, 3), max_size=4).map(sorted))
    return text, order, [1, *minimum] if minimum else []


def check(text: Text, order: int, smoothing: str, minimum: list[int], seed: int) -> BackoffModel:
    """Every token after random histories, and every token of a random row."""
    model = estimate(text.counted(order), smoothing, minimum=minimum).model
    twin = Twin(text, order, smoothing, minimum)
    row = np.random.default_rng(seed).integers(0, text.vocab_size, 16).tolist()
    row[6:] = [*text.rows[0], *row[6:]][:10]  # n-grams that were seen
    log_probs, _ = model.score(model.start(1), np.array([row]))
    contexts = [text.context(row[:t], order) for t in range(len(row))]
    expected = [
        math.log(twin.probability(context, token)) for context, token in zip(contexts, row, strict=True)
    ]
    np.testing.assert_allclose(log_probs[0], expected, atol=1e-5)
    state = model.start(1)
    for context, token in zip(contexts, row, strict=True):
        table = [math.log(twin.probability(context, w)) for w in range(text.vocab_size)]
        predicted = model.predict(state)[0]
        np.testing.assert_allclose(predicted, table, atol=1e-5)
        assert abs(np.exp(predicted).sum() - 1) < 1e-6
        state = model.advance(state, np.array([token]))
    return model


@pytest.mark.parametrize("smoothing", ESTIMATED)
@settings(max_examples=50)
@given(texts(), st.integers(0, 2**32 - 1))
def test_small_texts_are_estimated_as_the_papers_say(
    smoothing: str, case: tuple[Text, int, list[int]], seed: int
) -> None:
    """Too small for an estimate of the discounts, most of them."""
    check(*case[:2], smoothing, case[2], seed)


def larger(end: int | None) -> Text:
    """Zipf-distributed words, among them phrases that come again, so that every order has all counts."""
    rng = np.random.default_rng(2)
    vocab_size = 60
    likely = 1 / np.arange(1, vocab_size + 1)
    phrases = [
        rng.choice(vocab_size, rng.integers(3, 9), p=likely / likely.sum()).tolist() for _ in range(60)
    ]
    often = 1 / np.arange(1, 61)
    row: list[int] = []
    for phrase in rng.choice(60, 120, p=often / often.sum()):
        row += phrases[phrase]
    return Text([row], vocab_size, end)


@pytest.mark.parametrize("order", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("end", [None, 2])
@pytest.mark.parametrize("smoothing", ESTIMATED)
def test_larger_texts_are_estimated_as_the_papers_say(smoothing: str, end: int | None, order: int) -> None:
    text = larger(end)
    check(text, order, smoothing, [], order)
    check(text, order, smoothing, [1, 1, 2, 3], order)
    found = estimate(text.counted(order), smoothing).discounts
    twin = Twin(text, order, smoothing, [])
    if smoothing == "witten-bell":
        assert found == ()
    else:
        assert [one.why for one in found] == [None] * order
        assert [one.order for one in found] == list(range(1, order + 1))
        np.testing.assert_allclose(
            [(one.one, one.two, one.more) for one in found], twin.discounts, rtol=1e-12
        )


@pytest.mark.parametrize("end", [None, 2])
@pytest.mark.parametrize("smoothing", ESTIMATED)
def test_without_compiled_loops_the_model_is_the_same(smoothing: str, end: int | None) -> None:
    counts = larger(end).counted(4)
    for minimum in ([], [1, 1, 2]):
        first = estimate(counts, smoothing, minimum=minimum)
        with patch.object(estimation, "library", lambda: None):
            second = estimate(counts, smoothing, minimum=minimum)
        assert first.discounts == second.discounts
        for one, other in zip(first.model.levels, second.model.levels, strict=True):
            np.testing.assert_array_equal(one.tokens, other.tokens)
            np.testing.assert_array_equal(one.first, other.first)
            np.testing.assert_allclose(one.log_probs, other.log_probs, rtol=1e-6, atol=1e-7)
            if one.backoffs is not None:
                np.testing.assert_allclose(one.backoffs, other.backoffs, rtol=1e-6, atol=1e-7)


# --- by hand -----------------------------------------------------------------------------------------------


def test_adjusted_counts_of_abracadabra() -> None:
    # left of a: r c d (and nothing);  of b, c, d: a;  of r: b         the pairs are the highest order
    counts = count_ngrams([ids("abracadabra")], 5, 2)
    assert [some.tolist() for some in adjusted_counts(counts)] == [[3, 1, 1, 1, 1], [2, 1, 1, 2, 1, 1, 2]]
    # left of ab: d;  ac, ad: r, c;  br, ca, da: a;  ra: b
    counts = count_ngrams([ids("abracadabra")], 5, 3)
    assert adjusted_counts(counts)[1].tolist() == [1, 1, 1, 1, 1, 1, 1]


def test_adjusted_counts_where_nothing_stands_before() -> None:
    # running text: ab begins it and nothing ever stands before ab
    counts = count_ngrams([ids("abca")], 5, 3)
    assert counts.ngrams(2)[0].tolist() == [[0, 1], [1, 2], [2, 0]]
    assert adjusted_counts(counts)[1].tolist() == [0, 1, 1]
    # sentences 5 a b r | 5 a r | 5 b r: what begins one counts as often as it was seen
    counts = count_ngrams([ids("abrarbr")], 5, 3, end=4)
    assert counts.ngrams(2)[0].tolist() == [[0, 1], [0, 4], [1, 4], [5, 0], [5, 1]]
    singles, pairs, triples = adjusted_counts(counts)
    assert singles.tolist() == [1, 2, 0, 0, 2, 0]  # a after 5;  b after a, 5;  r after a, b
    assert pairs.tolist() == [1, 1, 2, 2, 1]  # br after a, 5;  5a twice, 5b once
    assert triples.tolist() == counts.levels[2].counts.tolist()


@pytest.mark.parametrize("smoothing", ["kneser-ney", "modified-kneser-ney"])
def test_a_context_that_only_begins_the_text_passes_through(smoothing: str) -> None:
    """ab stands only at the beginning: below the highest order nothing counts for it, 0 of 0."""
    model = estimate(count_ngrams([ids("abca")], 5, 3), smoothing).model
    after_a = model.predict(np.array([[-1, 0]], np.int32))
    np.testing.assert_allclose(after_a, model.predict(model.start(1)), atol=1e-6)
    assert not any(np.isnan(level.log_probs).any() for level in model.levels)


# 4 tokens once, 2 twice, 1 three times, 1 four times: n1..n4 = 4 2 1 1, 15 tokens of 8 kinds
ONCE_TO_FOUR_TIMES = np.repeat(np.arange(8), [1, 1, 1, 1, 2, 2, 3, 4])


def test_modified_discounts_by_hand() -> None:
    # Y = 4 / (4 + 2 * 2) = 1/2;  D1 = 1 - 2 Y 2/4 = 1/2;  D2 = 2 - 3 Y 1/2 = 5/4;  D3 = 3 - 4 Y 1/1 = 1
    found = estimate(count_ngrams([ONCE_TO_FOUR_TIMES], 9, 1))
    (discounts,) = found.discounts
    assert (discounts.order, discounts.one, discounts.two, discounts.more) == (1, 0.5, 1.25, 1.0)
    assert discounts.why is None
    # backoff = (4 * 1/2 + 2 * 5/4 + 2 * 1) / 15 = 6.5 / 15, a ninth of it for every token
    share = 6.5 / 15 / 9
    expected = np.array([0.5, 0.5, 0.5, 0.5, 0.75, 0.75, 2, 3, 0]) / 15 + share
    np.testing.assert_allclose(np.exp(found.model.predict(found.model.start(1))[0]), expected, rtol=1e-6)


@pytest.mark.parametrize("smoothing", ["absolute", "kneser-ney"])
def test_a_single_discount_by_hand(smoothing: str) -> None:
    # D = n1 / (n1 + 2 n2) = 1/2 for every count
    found = estimate(count_ngrams([ONCE_TO_FOUR_TIMES], 9, 1), smoothing)
    (discounts,) = found.discounts
    assert (discounts.one, discounts.two, discounts.more) == (0.5, 0.5, 0.5)
    expected = (np.array([1, 1, 1, 1, 2, 2, 3, 4, 0.5]) - 0.5) / 15 + 8 * 0.5 / 15 / 9
    np.testing.assert_allclose(np.exp(found.model.predict(found.model.start(1))[0]), expected, rtol=1e-6)


FALLBACKS = {  # how often each token stands in the text
    "no n-gram has a count of 1": ([2, 2, 3], "modified-kneser-ney"),
    "no n-gram has a count of 2": ([1, 1, 3, 4], "modified-kneser-ney"),
    "no n-gram has a count of 3": ([1, 1, 2, 4], "modified-kneser-ney"),
    # Y = 4 / (4 + 2 * 2);  D3 = 3 - 4 Y 2/1
    "the estimate for a count of 3 is -1.00": ([1, 1, 1, 1, 2, 2, 3, 4, 4], "modified-kneser-ney"),
    # Y = 4 / (4 + 2 * 1);  D2 = 2 - 3 Y 2/1
    "the estimate for a count of 2 is -2.00": ([1, 1, 1, 1, 2, 3, 3, 4], "modified-kneser-ney"),
    "no n-gram has a count of 2 ": ([1, 1, 3], "kneser-ney"),
    "no n-gram has a count of 1 ": ([2, 2, 3], "absolute"),
}


@pytest.mark.parametrize(("times", "smoothing"), FALLBACKS.values(), ids=FALLBACKS.keys())
def test_where_the_data_supports_no_estimate_the_fallback_says_why(
    times: list[int], smoothing: str, request: pytest.FixtureRequest
) -> None:
    text = np.repeat(np.arange(len(times)), times)
    (discounts,) = estimate(count_ngrams([text], len(times), 1), smoothing).discounts
    assert discounts.why == next(why for why, case in FALLBACKS.items() if case == (times, smoothing)).strip()
    amounts = (0.5, 1.0, 1.5) if smoothing.startswith("modified") else (0.75, 0.75, 0.75)
    assert (discounts.one, discounts.two, discounts.more) == amounts


def test_where_no_count_is_four_a_count_of_three_is_discounted_whole() -> None:
    """As KenLM has it: D3 = 3 - 4 Y 0 / 1."""
    text = np.repeat(np.arange(4), [1, 1, 2, 3])
    (discounts,) = estimate(count_ngrams([text], 4, 1)).discounts
    assert (discounts.one, discounts.two, discounts.more, discounts.why) == (0.5, 0.5, 3.0, None)


# --- what follows ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("order", [1, 2, 3, 5])
@pytest.mark.parametrize("end", [None, 2])
def test_witten_bell_is_the_one_that_counts_as_it_goes(end: int | None, order: int) -> None:
    counts = larger(end).counted(order)
    counted, estimated = NgramModel(counts, WittenBell()), estimate(counts, "witten-bell").model
    text = np.random.default_rng(0).integers(0, 60, (3, 50))
    text[0] = larger(end).rows[0][:50]
    for one, other in zip(
        counted.score(counted.start(3), text), estimated.score(estimated.start(3), text), strict=True
    ):
        np.testing.assert_allclose(one, other, atol=1e-5)


@pytest.mark.parametrize("smoothing", ESTIMATED)
@settings(max_examples=30)
@given(texts())
def test_ngrams_below_the_minimum_are_not_listed(smoothing: str, case: tuple[Text, int, list[int]]) -> None:
    text, order, minimum = case
    counts = text.counted(order)
    made = estimate(counts, smoothing, minimum=minimum)
    assert made.discounts == estimate(counts, smoothing).discounts  # they are of all n-grams
    least = [*minimum, *[minimum[-1] if minimum else 1] * order]
    for k in range(2, order + 1):
        rows, number = counts.ngrams(k)
        listed = spell(made.model.levels, k).tolist() if made.model.ngrams[k - 1] else []
        assert listed == rows[number >= least[k - 1]].tolist()
    assert made.model.ngrams[0] == text.vocab_size + (text.end is not None)


def test_an_estimate_knows_what_it_was_made_by() -> None:
    for smoothing in ESTIMATED:
        assert estimate(count_ngrams([ids("abracadabra")], 5, 2), smoothing).model.made_by == smoothing
    assert estimate(count_ngrams([ids("abracadabra")], 5, 2)).model.made_by == "modified-kneser-ney"


@pytest.mark.parametrize("minimum", [[2], [1, 3, 2], [2, 2], [-1], [1, 0], [0, -1]])
def test_a_minimum_that_falls_or_leaves_out_tokens_is_refused(minimum: list[int]) -> None:
    with pytest.raises(InputError, match="minimum counts: expected 1 and then none that falls, got"):
        estimate(count_ngrams([ids("abracadabra")], 5, 3), minimum=minimum)


@pytest.mark.parametrize("smoothing", ["good-turing", "add-k", "", "Kneser-Ney"])
def test_another_smoothing_is_refused(smoothing: str) -> None:
    with pytest.raises(InputError, match=rf"smoothing: expected one of witten-bell, .*, got '{smoothing}'"):
        estimate(count_ngrams([ids("abracadabra")], 5, 3), smoothing)


# --- a text that others have measured ----------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.skipif(library() is None, reason="the loops were not compiled, and NumPy takes minutes")
def test_wikitext_2_has_the_perplexities_of_kenlm(shared_data: Path) -> None:
    """Closed vocabulary: the words of the training text, the end of a line, and one unknown, never seen."""
    folder = shared_data / "wikitext-2"
    if not folder.is_dir():
        pytest.skip("../shared/data/wikitext-2 is not there")
    words = {part: sentences(folder / f"{part}.txt") for part in ("train", "valid", "test")}
    number = {word: i for i, word in enumerate(dict.fromkeys(words["train"]))}
    train, valid, test = (np.array([number[word] for word in words[part]], np.int32) for part in words)
    counts = count_ngrams([train], len(number) + 1, 5, end=number["</s>"])
    models = [estimate(counts.up_to(order)).model for order in (2, 3, 4, 5)]
    assert [perplexity(model, test) for model in models] == pytest.approx(
        [263.9597, 226.0510, 221.3441, 220.1385], abs=1e-4
    )
    assert perplexity(models[-1], valid) == pytest.approx(234.8620, abs=1e-4)


def sentences(path: Path) -> list[str]:
    lines = path.read_text(encoding="utf-8").split("\n")[:-1]
    return [word for line in lines for word in (*line.split(), "</s>")]


def perplexity(model: BackoffModel, text: np.ndarray) -> float:
    return float(np.exp(-model.score(model.start(1), text[None])[0].mean()))
