"""Pruned models: Stolcke's formula written down slowly over dictionaries, n-gram by n-gram."""

import math
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from chainrule.core import InputError
from chainrule.kernels.backoff import ABSENT, LevelArrays
from chainrule.models.archive import pack, unpack
from chainrule.models.ngram import ESTIMATED, BackoffModel, count_ngrams, estimate
from chainrule.models.ngram.backoff import spell
from chainrule.models.ngram.pruning import losses, prune_entropy, prune_to_size, renormalised, without
from chainrule.testing import check_token_model

Ngram = tuple[int, ...]


def row_sums(model: BackoffModel) -> np.ndarray:
    """The sums of the rows after every context that is listed, and after none."""
    histories = [np.full((1, model.order - 1), ABSENT, np.int32)]
    for k in range(1, model.order):
        some = spell(model.levels, k)
        history = np.full((len(some), model.order - 1), ABSENT, np.int32)
        history[:, model.order - 1 - k :] = some
        histories.append(history)
    return np.exp(model.predict(np.concatenate(histories))).sum(axis=1)


class Case(NamedTuple):
    """A random text, in which some tokens are frequent, and how it is estimated."""

    seed: int
    vocab_size: int
    order: int
    sentences: bool
    smoothing: str
    length: int = 60

    @property
    def model(self) -> BackoffModel:
        rng = np.random.default_rng(self.seed)
        text = rng.choice(self.vocab_size, self.length, p=rng.dirichlet(np.full(self.vocab_size, 0.7)))
        end = self.seed % self.vocab_size if self.sentences else None
        if end is not None:
            text[4::5] = end
            text[:8] = (end + 1) % self.vocab_size  # a sentence that is long enough for any order here
        counts = count_ngrams([text], self.vocab_size, self.order, end=end)
        return estimate(counts, self.smoothing).model


def cases(least: int = 1) -> st.SearchStrategy[Case]:
    return st.builds(
        Case, st.integers(0, 2**32 - 1), st.integers(2, 6), st.integers(least, 4), st.booleans(),
        st.sampled_from(ESTIMATED), st.integers(20, 150),
    )  # fmt: skip


# --- the slow twin -----------------------------------------------------------------------------------------


@dataclass
class Slow:
    """A model as dictionaries."""

    model: BackoffModel

    @cached_property
    def log_probs(self) -> dict[Ngram, float]:
        out: dict[Ngram, float] = {}
        for k, level in enumerate(self.model.levels, 1):
            rows = map(tuple, spell(self.model.levels, k).tolist())
            out |= dict(zip(rows, level.log_prob(np.arange(len(level.tokens))).tolist(), strict=True))
        return out

    @cached_property
    def backoffs(self) -> dict[Ngram, float]:
        out: dict[Ngram, float] = {}
        for k, level in enumerate(self.model.levels[:-1], 1):
            rows = map(tuple, spell(self.model.levels, k).tolist())
            out |= dict(zip(rows, level.backoff(np.arange(len(level.tokens))).tolist(), strict=True))
        return out

    @cached_property
    def longer(self) -> dict[Ngram, list[int]]:
        """What each context lists."""
        out: dict[Ngram, list[int]] = {}
        for ngram in self.log_probs:
            out.setdefault(ngram[:-1], []).append(ngram[-1])
        return out

    def p(self, context: Ngram, token: int) -> float:
        if (*context, token) in self.log_probs:
            return math.exp(self.log_probs[*context, token])
        return math.exp(self.backoffs.get(context, 0.0)) * self.p(context[1:], token)

    def mass(self, context: Ngram) -> float:
        """p(h): of its tokens one after the other; a sentence begins for certain."""
        begins = context[0] == self.model.size
        return math.prod(self.p(context[:i], context[i]) for i in range(int(begins), len(context)))

    def loss(self, ngram: Ngram) -> float:
        h, w = ngram[:-1], ngram[-1]
        listed = self.longer[h]
        if len(listed) == self.model.size:  # as if the least likely were dropped already
            least = min(listed, key=lambda token: self.log_probs[*h, token])
            listed = [token for token in listed if token != least]
            if w == least:
                return 0.0
        free = sum(self.p(h, v) for v in range(self.model.size) if v not in listed)
        free_lower = sum(self.p(h[1:], v) for v in range(self.model.size) if v not in listed)
        p, lower = self.p(h, w), self.p(h[1:], w)
        old, new = math.log(free / free_lower), math.log((free + p) / (free_lower + lower))
        d = -self.mass(h) * (p * (math.log(lower) + new - math.log(p)) + (new - old) * free)
        return math.expm1(d)

    def pruned(self, threshold: float) -> set[Ngram]:
        kept: set[Ngram] = set()
        for ngram in sorted(self.log_probs, key=len, reverse=True):
            begins_one = any((*ngram, token) in kept for token in self.longer.get(ngram, []))
            if len(ngram) == 1 or begins_one or self.loss(ngram) >= threshold:
                kept.add(ngram)
        return kept


def positive(model: BackoffModel) -> bool:
    """Whether the slow twin may take all its logarithms."""
    return all(level.backoffs is None or np.isfinite(level.backoffs).all() for level in model.levels)


@settings(deadline=None)
@given(cases(2))
def test_losses_are_the_formula(case: Case) -> None:
    model = case.model
    assume(positive(model))
    slow = Slow(model)
    for k, found in enumerate(losses(model), 2):
        wanted = [slow.loss(tuple(row)) for row in spell(model.levels, k).tolist()]
        np.testing.assert_allclose(found, wanted, rtol=1e-3, atol=1e-6)


@settings(deadline=None)
@given(cases(2), st.floats(0, 1))
def test_what_goes_and_what_stays(case: Case, where: float) -> None:
    model = case.model
    assume(positive(model))
    slow = Slow(model)
    costs = sorted({0.0, *(slow.loss(ngram) for ngram in slow.log_probs if len(ngram) > 1), 1.0})
    i = min(int(where * (len(costs) - 1)), len(costs) - 2)
    assume(costs[i + 1] - costs[i] > 1e-5)  # not where rounding has the say
    threshold = (costs[i] + costs[i + 1]) / 2
    made = prune_entropy(model, threshold)
    kept = Slow(made)
    assert set(kept.log_probs) == slow.pruned(threshold)
    assert all(kept.log_probs[ngram] == slow.log_probs[ngram] for ngram in kept.log_probs)
    np.testing.assert_allclose(row_sums(made), 1, atol=1e-5)


@settings(deadline=None)
@given(cases(2), st.sampled_from([1e-6, 1e-4, 1e-3, 1e-2]))
def test_a_pruned_model_can_be_pruned_again(case: Case, threshold: float) -> None:
    """Then the shorter ends of an n-gram may be missing."""
    model = case.model
    once = prune_entropy(model, threshold)
    twice = prune_entropy(once, 3 * threshold)
    assert set(Slow(twice).log_probs) <= set(Slow(once).log_probs)
    np.testing.assert_allclose(row_sums(twice), 1, atol=1e-5)
    if positive(once):
        slow = Slow(once)
        for k, found in enumerate(losses(once), 2):
            wanted = [slow.loss(tuple(row)) for row in spell(once.levels, k).tolist()]
            np.testing.assert_allclose(found, wanted, rtol=1e-3, atol=1e-6)


# --- the ends of the scale ---------------------------------------------------------------------------------


@settings(deadline=None)
@given(cases())
def test_a_threshold_of_nothing_keeps_all(case: Case) -> None:
    model = case.model
    made = prune_entropy(model, 0.0)
    assert made.ngrams == model.ngrams
    np.testing.assert_allclose(row_sums(made), 1, atol=1e-5)
    before, after = (np.exp(m.predict(m.start(1))) for m in (model, made))
    np.testing.assert_allclose(after, before, atol=1e-5)


@settings(deadline=None)
@given(cases())
def test_a_high_threshold_leaves_single_tokens(case: Case) -> None:
    model = case.model
    made = prune_entropy(model, 1e30)
    assert made.ngrams == (len(model.levels[0].tokens), *[0] * (model.order - 1))
    wanted = model.levels[0].log_prob(np.arange(model.size))
    np.testing.assert_allclose(made.predict(made.start(2)), [wanted, wanted], atol=1e-6)


def test_a_context_that_lists_all_tokens_loses_one_for_nothing_and_not_all() -> None:
    """What the others leave is what the one had; a second one has a price."""
    model = Case(0, 2, 2, False, "absolute", 400).model
    assert model.ngrams == (2, 4)
    made = prune_entropy(model, 1e-12)
    assert made.ngrams == (2, 2)
    tokens = np.array([[0, 0, 1, 1, 0]])
    for before, after in zip(
        model.score(model.start(1), tokens), made.score(made.start(1), tokens), strict=True
    ):
        np.testing.assert_allclose(before, after, atol=1e-6)


def by_hand(alone: list[float], after_0: dict[int, float]) -> BackoffModel:
    """Probabilities of single tokens, and of some after the token 0."""
    size, listed = len(alone), sorted(after_0)
    with np.errstate(divide="ignore"):
        logs = np.log(np.array(alone)).astype(np.float32)
    one = LevelArrays(
        np.arange(size, dtype=np.int32), np.array([0, size], np.uint32), logs, np.zeros(size, np.float32)
    )
    first = np.array([0, *[len(listed)] * size], np.uint32)
    after = np.log([after_0[token] for token in listed]).astype(np.float32)
    return BackoffModel(size, (one, LevelArrays(np.array(listed, np.int32), first, after)))


@pytest.mark.parametrize(
    ("alone", "after_0"),
    [
        ([0.5, 0.5, 0.0], {2: 0.5}),
        ([0.5, 0.5, 0.0, 0.0], {0: 0.25, 1: 0.25, 2: 0.5}),  # nothing is left to back off with
    ],
)
def test_what_has_no_other_probability_stays(alone: list[float], after_0: dict[int, float]) -> None:
    """A token that is impossible alone, and likely after another."""
    model = renormalised(by_hand(alone, after_0))
    size = len(alone)
    for made in (prune_entropy(model, 1e6), prune_to_size(model, size + 1)):
        assert made.ngrams == (size, 1)
        np.testing.assert_allclose(row_sums(made), 1, atol=1e-6)
    with pytest.raises(InputError, match=f"at least the {size + 1} n-grams that have to stay, got {size}"):
        prune_to_size(model, size)


def test_a_row_is_whole_where_backing_off_multiplies_a_lot() -> None:
    """The one token that is not listed is as likely as the two that are, and all but impossible alone: one
    less two numbers of 32 bits would hold no digit of it."""
    made = renormalised(by_hand([0.6, 0.4 - 1e-7, 1e-7], {0: 0.25, 1: 0.25}))
    np.testing.assert_allclose(row_sums(made), 1, atol=1e-6)
    np.testing.assert_allclose(made.predict(np.array([[0]], np.int32))[0, 2], np.log(0.5), atol=1e-6)


# --- sizes -------------------------------------------------------------------------------------------------


@settings(deadline=None)
@given(cases(), st.floats(0, 1.2))
def test_the_size_is_kept_to(case: Case, share: float) -> None:
    model = case.model
    tokens = len(model.levels[0].tokens)
    size = tokens + int(share * (sum(model.ngrams) - tokens))
    made = prune_to_size(model, size)
    assert sum(made.ngrams) <= size
    assert (made is model) == (size >= sum(model.ngrams))
    np.testing.assert_allclose(row_sums(made), 1, atol=1e-5)


@pytest.mark.slow
@settings(deadline=None, max_examples=10)
@given(cases(2), st.floats(0, 1))
def test_the_threshold_of_a_size_is_the_lowest(case: Case, share: float) -> None:
    """One threshold gives the same n-grams; at any lower one there are too many."""
    model = case.model
    tokens, every = len(model.levels[0].tokens), sum(model.ngrams)
    size = tokens + int(share * (every - 1 - tokens))
    made = prune_to_size(model, size)
    steps = np.unique(np.concatenate([*losses(model), [0.0]]))
    sizes = {prune_entropy(model, step).ngrams for step in steps} | {prune_entropy(model, 1e30).ngrams}
    assert made.ngrams in sizes
    assert sum(made.ngrams) == max(sum(one) for one in sizes if sum(one) <= size)


# --- whole -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("sentences", [False, True])
@pytest.mark.parametrize("smoothing", ESTIMATED)
def test_conformance(sentences: bool, smoothing: str) -> None:
    model = Case(3, 5, 3, sentences, smoothing, 300).model
    for made in (prune_entropy(model, 1e-3), prune_entropy(model, 1.0), prune_to_size(model, 25)):
        assert sum(made.ngrams) < sum(model.ngrams)
        check_token_model(made, tolerance=1e-5, reload=lambda one: unpack(*pack(one)))


def test_the_model_is_left_alone() -> None:
    model = Case(5, 4, 3, True, "modified-kneser-ney").model
    before = {name: array.copy() for name, array in model.to_arrays()[1].items()}
    prune_entropy(model, 1e-2)
    prune_to_size(model, 12)
    for name, array in model.to_arrays()[1].items():
        assert np.array_equal(before[name], array), name


def test_one_token_and_one_order() -> None:
    only = estimate(count_ngrams([np.zeros(5, np.int32)], 1, 3), "witten-bell").model
    np.testing.assert_allclose(row_sums(prune_entropy(only, 1e-3)), 1, atol=1e-6)
    single = Case(0, 4, 1, False, "witten-bell").model
    assert prune_entropy(single, 1.0).ngrams == prune_to_size(single, 4).ngrams == (4,)


@pytest.mark.parametrize("threshold", [-1e-9, float("nan"), float("inf")])
def test_a_bad_threshold(threshold: float) -> None:
    with pytest.raises(InputError, match="threshold: expected a number of 0 or more"):
        prune_entropy(Case(0, 3, 2, False, "absolute").model, threshold)


def test_a_size_below_the_alphabet() -> None:
    with pytest.raises(InputError, match="at least the 4 n-grams that have to stay, got 3"):
        prune_to_size(Case(0, 3, 2, True, "absolute").model, 3)


def test_an_ngram_without_its_context() -> None:
    model = Case(0, 3, 3, False, "absolute").model
    keep = [np.ones(n, bool) for n in model.ngrams]
    keep[1][:] = False
    with pytest.raises(ValueError, match="expected the contexts of all kept 3-grams"):
        without(model, keep)
