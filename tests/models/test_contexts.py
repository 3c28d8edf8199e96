"""Context mixing as a token model: the laws, histories that fork, and a second opinion."""

import copy

import numpy as np
import pytest

from chainrule.core import InputError, join_rows, take_rows
from chainrule.models.contexts import ByteMixing, ContextMixing
from chainrule.models.ngram import NgramModel, WittenBell, count_ngrams
from chainrule.models.uniform import Uniform
from chainrule.testing import check_token_model

SMALL = 10  # bits of the table


def bigram(ids: np.ndarray, vocab: int) -> NgramModel:
    return NgramModel(count_ngrams([ids], vocab, 2), WittenBell())


@pytest.mark.parametrize("vocab", [1, 2, 28, 300])
def test_the_laws_hold(vocab: int) -> None:
    check_token_model(ContextMixing(vocab, table_bits=SMALL))


def test_the_laws_hold_with_another_model_inside() -> None:
    counted = bigram(np.tile(np.arange(5), 20), 5)
    check_token_model(ContextMixing(5, other=counted, table_bits=SMALL))


def test_it_learns_what_repeats_and_starts_afresh() -> None:
    model, line = ContextMixing(10, table_bits=SMALL), np.tile(np.arange(10), 30)[None]
    first, _ = model.score(model.start(1), line)
    assert -first[0, :10].mean() > np.log(10) - 0.3
    assert -first[0, -10:].mean() < 0.05
    again, _ = model.score(model.start(1), line)
    assert np.array_equal(first, again)


def test_going_on_from_an_old_state_is_another_history() -> None:
    model = ContextMixing(6, table_bits=SMALL)
    _, fork = model.score(model.start(1), np.array([[1, 2, 3, 1, 2]]))
    ahead = model.predict(fork)
    _, one = model.score(fork, np.array([[3, 1, 2, 3]]))
    _, other = model.score(fork, np.array([[5, 5, 5, 5]]))
    assert np.array_equal(model.predict(fork), ahead)
    for tail, state in (([3, 1, 2, 3], one), ([5, 5, 5, 5], other)):
        _, straight = model.score(model.start(1), np.array([[1, 2, 3, 1, 2, *tail]]))
        assert np.array_equal(model.predict(state), model.predict(straight))


def test_rows_that_share_a_past_part_ways() -> None:
    model = ContextMixing(6, table_bits=SMALL)
    _, state = model.score(model.start(1), np.array([[1, 2, 1, 2]]))
    both = join_rows([state, take_rows(copy.deepcopy(state), np.array([0]))])
    after = model.advance(both, np.array([1, 4]))
    for row, token in enumerate((1, 4)):
        _, alone = model.score(model.start(1), np.array([[1, 2, 1, 2, token]]))
        assert np.array_equal(model.predict(after)[row], model.predict(alone)[0])


def test_a_second_opinion_that_is_right_is_believed() -> None:
    rng = np.random.default_rng(0)
    ids = np.cumsum(rng.integers(1, 3, 600)) % 7  # one of two next ids, which nothing tells apart
    counted = bigram(np.cumsum(rng.integers(1, 3, 5000)) % 7, 7)

    def nats(model: ContextMixing) -> float:
        return float(-model.score(model.start(1), ids[None])[0].mean())

    alone, told = (
        nats(ContextMixing(7, table_bits=SMALL)),
        nats(ContextMixing(7, other=counted, table_bits=SMALL)),
    )
    assert np.log(2) <= told < alone < np.log(7)


@pytest.mark.parametrize("vocab", [0, 65537])
def test_a_vocabulary_that_does_not_fit_is_refused(vocab: int) -> None:
    with pytest.raises(InputError, match=r"expected 1\.\.65536 ids, got"):
        ContextMixing(vocab)


def test_models_of_two_vocabularies_are_refused() -> None:
    with pytest.raises(InputError, match="one vocabulary, got sizes 5, 6"):
        ContextMixing(5, other=Uniform(6))


def test_bytes_learned_elsewhere_are_known() -> None:
    plain, told = ByteMixing(12), ByteMixing(12)
    told.learn(b"the time machine " * 3)
    assert len(told.encode(b"the time machine")) < len(plain.encode(b"the time machine"))
