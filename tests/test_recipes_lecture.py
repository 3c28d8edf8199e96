"""The lecture's experiments: laws that they keep whatever the text."""

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chainrule.core import InputError
from chainrule.data.example_texts import CHINESE, SENTENCES, english
from chainrule.models.ngram import AddK, MaximumLikelihood, WittenBell, count_ngrams
from chainrule.models.uniform import Uniform
from chainrule.recipes.lecture_coding import branching, one_favourite, perplexity_of, priced
from chainrule.recipes.lecture_networks import (
    concatenated_step,
    one_hot_difference,
    parameter_counts,
    recurrent_parameters,
    trained,
    unrolled,
)
from chainrule.recipes.lecture_ngrams import (
    agreeing,
    bits_by_context,
    chain_rule,
    count_in_ring,
    coverage,
    right_verbs,
    shares,
    smoothed,
    spelled,
)
from chainrule.recipes.lecture_text import unknown_shares, windows_read
from chainrule.tasks.evaluation import stream_perplexity

RNG = np.random.default_rng(0)


@given(st.text("ab", min_size=3, max_size=20), st.data())
def test_both_products_are_the_share_of_the_sentence_in_the_ring(text: str, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(text) - 1))
    sentence = (text + text)[start : start + data.draw(st.integers(1, len(text)))]
    share = count_in_ring(text, sentence) / len(text)
    for backwards in (False, True):
        factors = chain_rule(text, sentence, backwards=backwards)
        assert math.prod(factor.probability for factor in factors) == pytest.approx(share)
        told = [factor.token for factor in factors]
        assert "".join(reversed(told) if backwards else told) == sentence


def test_the_sentences_of_the_lecture_stand_in_its_text() -> None:
    text = [token for token in CHINESE if not token.isspace()]
    for sentence in SENTENCES:
        assert chain_rule(text, sentence)[-1].together >= 1
    with pytest.raises(InputError, match="expected one that stands in the text, got '天下无双'"):
        chain_rule(text, "天下无双")


def test_counts_go_round_the_ring() -> None:
    assert count_in_ring("abca", "aa") == 1
    assert count_in_ring("abca", "") == 4
    assert count_in_ring("aaa", "aa") == 3


def test_what_smoothing_gives_to_the_unseen() -> None:
    train, held_out = np.array([0, 1, 0, 1, 0, 1, 0, 1]), np.array([0, 1, 0, 2])
    counts = count_ngrams([train], 4, 2)
    likelihood, one = (smoothed(counts, train, held_out, by) for by in (MaximumLikelihood(), AddK(1.0)))
    assert (likelihood.unseen, likelihood.held_out) == (0, math.inf)
    assert likelihood.happened == pytest.approx(1 / 3)  # of 01, 10, 02 the last
    after_0, after_1 = 3 / (4 + 4), 3 / (3 + 4)
    assert one.unseen == pytest.approx((2 * after_0 + after_1) / 3)
    assert smoothed(counts, train, held_out, WittenBell()).held_out < one.held_out * 2


def test_coverage_counts_what_was_seen() -> None:
    found = coverage(np.array([0, 1, 0, 1, 2]), np.array([0, 1, 2, 0]), 3, (1, 2, 3))
    assert [c.possible for c in found] == [3, 9, 27]
    assert [c.seen for c in found] == [3, 3, 3]
    assert [c.held_out for c in found] == [1, pytest.approx(2 / 3), 0.5]
    with pytest.raises(InputError, match="expected at least 3 tokens, got 2"):
        coverage(np.array([0, 1, 0]), np.array([0, 1]), 3, (3,))


def test_verbs_agree_with_their_nouns_and_guessing_is_an_even_chance() -> None:
    sentences = agreeing(50, 3, RNG)
    assert sentences.shape == (50, 5)
    assert (sentences[:, -1] - sentences[:, 0] == 2).all()
    assert right_verbs(Uniform(10), sentences) == 0.5
    assert spelled(np.array([1, 4, 3])) == "the keys old open"


def test_a_model_without_a_memory_has_no_use_for_context() -> None:
    ids = RNG.integers(5, size=400)
    np.testing.assert_allclose(bits_by_context(Uniform(5), ids, (0, 1, 7)), math.log2(5))


def test_shares_of_the_most_frequent() -> None:
    assert shares({"a": 6, "b": 3, "c": 1}, 2) == 0.9
    assert shares({}, 3) == 0


@given(st.lists(st.floats(0.01, 1), min_size=1, max_size=20))
def test_perplexity_is_between_the_best_and_the_worst(probabilities: list[float]) -> None:
    found = perplexity_of(probabilities)
    assert 1 / max(probabilities) * (1 - 1e-9) <= found <= 1 / min(probabilities) * (1 + 1e-9)


def test_perplexity_of_certainty_guessing_and_the_impossible() -> None:
    assert perplexity_of([1.0, 1.0]) == 1
    assert perplexity_of([0.1] * 7) == pytest.approx(10)
    assert perplexity_of([0.5, 0.0]) == math.inf
    assert branching(one_favourite(28, 1 / 28)) == pytest.approx(28)
    assert branching(one_favourite(28, 1.0)) == 1
    assert branching(one_favourite(28, 0.0)) == pytest.approx(27)
    for wrong in ([], [1.1], [-0.1], [math.nan]):
        with pytest.raises(InputError, match="expected numbers from 0 to 1"):
            perplexity_of(wrong)
    with pytest.raises(InputError, match="favourite"):
        one_favourite(1, 0.5)


def test_a_text_costs_what_its_bits_say() -> None:
    cost = priced(Uniform(8), RNG.integers(8, size=64))
    assert cost.bits.sum() == pytest.approx(192)
    assert cost.perplexity == pytest.approx(8)
    assert 24 <= len(cost.payload) <= 32
    with pytest.raises(InputError, match="at least one token"):
        priced(Uniform(8), np.empty(0, np.int64))


def test_one_product_is_two_and_one_hot_is_a_row() -> None:
    assert concatenated_step(3, 4, 5, RNG).difference < 1e-12
    assert one_hot_difference(6, 4, np.array([0, 5, 5]), RNG) == 0


def test_parameters_do_not_grow_with_the_context() -> None:
    assert recurrent_parameters(28, 64) == {
        "layer0.input": 28 * 64,
        "layer0.bias": 64,
        "layer0.recurrent": 64 * 64,
        "output.weight": 64 * 28,
        "output.bias": 28,
    }
    grown = parameter_counts(28, 64, (1, 2, 4))
    assert len(set(grown["RNN"])) == 1
    assert grown["n-gram table"] == [28**2, 28**3, 28**5]
    assert grown["window MLP"][2] - grown["window MLP"][1] == 2 * 32 * 64


def test_unrolling_is_scoring_step_by_step() -> None:
    ids = RNG.integers(4, size=600)
    model = trained(ids, 4, hidden=6, epochs=1)
    steps = unrolled(model, ids[:5])
    assert steps.hidden.shape == (5, 6)
    log_probs, _ = model.score(model.start(1), ids[None, :6])
    np.testing.assert_allclose(steps.log_probs[np.arange(5), ids[1:6]], log_probs[0, 1:], rtol=1e-5)
    assert stream_perplexity(Uniform(4), ids) == pytest.approx(4)


def test_rarer_words_out_means_more_unknown() -> None:
    sizes, unknown = unknown_shares("a a b c " * 2 + "d", "a b e", "words", (1, 2, 3))
    assert sizes == [5, 4, 2]
    assert unknown["unknown, training"] == pytest.approx([0, 1 / 9, 5 / 9])
    assert unknown["unknown, held out"] == pytest.approx([1 / 3, 1 / 3, 2 / 3])


@pytest.mark.parametrize("partition", ["random", "sequential"])
def test_windows_lie_in_the_text_and_do_not_overlap(partition: str) -> None:
    windows = [row for rows in windows_read(partition, 50, 3, 4, 1) for row in rows]
    read = sorted(place for first, length in windows for place in range(first, first + length))
    assert len(read) == len(set(read))
    assert read[0] >= 0
    assert read[-1] < 50


def test_rows_of_sequential_batches_go_on_where_they_ended() -> None:
    batches = windows_read("sequential", 60, 3, 5, 2)
    for before, after in pairwise(batches):
        assert [first + length for first, length in before] == [first for first, _ in after]


def test_the_english_text_is_always_here() -> None:
    assert len(english(1000)) == 1000
    assert set(english(1000, clean=True)) <= set("abcdefghijklmnopqrstuvwxyz ")
