"""Mixtures: as good as their best member and better, a state that learns, each row a distribution."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chainrule.core import InputError, TokenModel
from chainrule.models.mixture import LinearMixture, LogisticMixture, OnlineMixture, best_weights
from chainrule.models.ngram import NgramModel, StupidBackoff, WittenBell, count_ngrams
from chainrule.models.uniform import Uniform
from chainrule.tasks.evaluation import surprisal
from chainrule.testing import check_token_model

V = 5
TRAIN = np.random.default_rng(0).integers(0, V, 400) * np.random.default_rng(1).integers(0, 2, 400)
HELD_OUT = np.random.default_rng(2).integers(0, V, 300) * np.random.default_rng(3).integers(0, 2, 300)


def members() -> tuple[TokenModel[Any], ...]:
    """Of different kinds of states."""
    counted = (NgramModel(count_ngrams([TRAIN], V, order=n), WittenBell()) for n in (1, 3))
    return (*counted, Uniform(V))


def by_last(states: Any) -> np.ndarray:
    """The last token of the trigram's history picks the weights."""
    return np.where(states[1][:, -1] > 0, 1, 0)


MIXTURES = {
    "linear": lambda: LinearMixture.fit(members(), HELD_OUT),
    "linear, by bucket": lambda: LinearMixture.fit(members(), HELD_OUT, bucket=by_last, sets=2),
    "online": lambda: OnlineMixture(members()),
    "online, from weights": lambda: OnlineMixture(members(), first=np.array([0.2, 0.7, 0.1])),
    "online, by bucket": lambda: OnlineMixture(members(), bucket=by_last, sets=2),
    "logistic": lambda: LogisticMixture(members()),
    "logistic, by bucket": lambda: LogisticMixture(members(), bucket=by_last, sets=2),
    "of mixtures": lambda: OnlineMixture((OnlineMixture(members()), LogisticMixture(members()), Uniform(V))),
    "of one": lambda: LinearMixture(members()[:1], np.ones((1, 1))),
}


@pytest.mark.parametrize("name", MIXTURES)
def test_a_mixture_keeps_the_laws(name: str) -> None:
    check_token_model(MIXTURES[name]())


@pytest.mark.parametrize("name", ["online", "online, by bucket", "logistic", "logistic, by bucket"])
def test_what_is_learned_is_in_the_state(name: str) -> None:
    model = MIXTURES[name]()
    first, after = model.score(model.start(1), HELD_OUT[None])
    again, _ = model.score(model.start(1), HELD_OUT[None])
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(after.weights, model.start(1).weights)
    assert after.seen.sum() == len(HELD_OUT)


@given(st.integers(1, 4), st.integers(1, 30), st.integers(0, 1000))
@settings(max_examples=50)
def test_no_other_weights_are_better(count: int, tokens: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    log_probs = np.log(rng.dirichlet(np.full(6, 0.5), (count, tokens)).max(axis=2))
    found = best_weights(log_probs)
    assert found.sum() == pytest.approx(1)

    def nats(weights: np.ndarray) -> float:
        return float(-np.log(weights @ np.exp(log_probs)).mean())

    for other in (*np.eye(count), *rng.dirichlet(np.ones(count), 20)):
        assert nats(found) <= nats(other) + 1e-4


def test_tokens_that_no_member_can_give_say_nothing() -> None:
    log_probs = np.log([[0.9, 0.1, 1e-300], [0.1, 0.1, 1e-300]])
    log_probs[:, 2] = -np.inf
    np.testing.assert_allclose(best_weights(log_probs), best_weights(log_probs[:, :2]))
    with pytest.raises(InputError, match="expected some that a model can give"):
        best_weights(log_probs[:, 2:])
    with pytest.raises(InputError, match="expected some to weigh the models on"):
        best_weights(log_probs[:, :0])


def test_a_fitted_mixture_is_no_worse_than_its_best_member_on_what_it_was_fitted_to() -> None:
    best = min(surprisal(model, HELD_OUT).mean() for model in members())
    whole = surprisal(MIXTURES["linear"](), HELD_OUT).mean()
    by_bucket = surprisal(MIXTURES["linear, by bucket"](), HELD_OUT).mean()
    assert by_bucket <= whole + 1e-5
    assert whole <= best + 1e-5


@pytest.mark.slow
@pytest.mark.parametrize("kind", [OnlineMixture, LogisticMixture])
def test_online_weights_find_the_member_that_knows(kind: Any) -> None:
    """A text of the trigram itself: its nats are neared, though nobody said which member it was."""
    knows, rng, text = members()[1], np.random.default_rng(4), []
    state = knows.start(1)
    for _ in range(1500):
        text.append(int(rng.choice(V, p=np.exp(knows.predict(state)[0]))))
        state = knows.advance(state, np.array(text[-1:]))
    costs = {name: surprisal(model, np.array(text))[500:].mean() for name, model in
             (("knows", knows), ("mixed", kind(members())), ("uniform", Uniform(V)))}  # fmt: skip
    assert costs["mixed"] - costs["knows"] < 0.2 * (costs["uniform"] - costs["knows"])


def test_the_first_tokens_of_an_online_mixture_by_hand() -> None:
    model = OnlineMixture(members(), rate=1e-9)
    each = np.exp([member.score(member.start(1), HELD_OUT[None, :3])[0][0] for member in members()])
    found, after = model.score(model.start(1), HELD_OUT[None, :3])
    weights = np.full(3, 1 / 3)
    for t in range(3):
        assert found[0, t] == pytest.approx(np.log(weights @ each[:, t]))
        weights += (weights * each[:, t] / (weights @ each[:, t]) - weights) / (t + 2)
    np.testing.assert_allclose(after.weights[0, 0], weights)


def test_weights_to_begin_with_move_slowly_from_the_first_token_on() -> None:
    first, rate = np.array([0.2, 0.7, 0.1]), 0.01
    model = OnlineMixture(members(), rate=rate, first=first)
    state = model.start(1)
    said = np.exp(
        np.stack([member.predict(own)[0] for member, own in zip(model.models, state.own, strict=True)])
    )
    np.testing.assert_allclose(np.exp(model.predict(state)[0]), first @ said)
    after = model.advance(state, np.array([1]))
    shares = first * said[:, 1] / (first @ said[:, 1])
    np.testing.assert_allclose(after.weights[0, 0], first + rate * (shares - first))
    with pytest.raises(InputError, match="sum to 1"):
        OnlineMixture(members(), first=np.array([0.5, 0.2, 0.1]))


def test_scores_that_only_rank_are_refused() -> None:
    ranking = NgramModel(count_ngrams([TRAIN], V, order=2), StupidBackoff())
    with pytest.raises(InputError, match="expected models of probabilities"):
        OnlineMixture((ranking, Uniform(V)))


def test_logistic_weights_climb_the_gradient() -> None:
    model, token = LogisticMixture(members(), rate=0.5), np.array([3])
    _, state = model.score(model.start(1), HELD_OUT[None, :20])
    step = (model.advance(state, token).weights - state.weights)[0, 0] / 0.5
    for k in range(3):
        e = 1e-5 * np.eye(3)[k]
        above, below = (
            model.predict(state._replace(weights=state.weights + sign * e))[0, token[0]] for sign in (1, -1)
        )
        assert step[k] == pytest.approx((above - below) / 2e-5, abs=1e-7)


def test_two_symbols_are_a_logistic_regression_on_log_odds() -> None:
    text = TRAIN % 2
    pair = tuple(NgramModel(count_ngrams([text], 2, order=n), WittenBell()) for n in (1, 2))
    model = LogisticMixture(pair, first=0.7)
    state = model.start(1)
    odds = [member.predict(own)[0] for member, own in zip(pair, state.own, strict=True)]
    logit = sum(0.7 * (row[1] - row[0]) for row in odds)
    assert np.exp(model.predict(state)[0, 1]) == pytest.approx(1 / (1 + np.exp(-logit)))


def test_a_member_that_rules_a_token_out() -> None:
    class Never(Uniform):
        def predict(self, state: Any) -> np.ndarray:
            log_probs = np.full((len(super().predict(state)), V), -np.inf)
            log_probs[:, 0] = 0
            return log_probs

        def score(self, state: Any, tokens: Any) -> Any:
            return TokenModel.score(self, state, tokens)

    for kind in (OnlineMixture, LogisticMixture):
        model = kind((Never(V), Uniform(V)))
        log_probs, state = model.score(model.start(1), np.array([[1, 2, 0, 3]]))
        assert np.isfinite(log_probs).all()
        assert np.isfinite(state.weights).all()
    alone = OnlineMixture((Never(V),))
    log_probs, state = alone.score(alone.start(1), np.array([[1, 0]]))
    assert log_probs.tolist() == [[-np.inf, 0]]
    assert np.isfinite(state.weights).all()


def test_what_is_refused() -> None:
    with pytest.raises(InputError, match="expected at least one model"):
        OnlineMixture(())
    with pytest.raises(InputError, match="expected models of one vocabulary, got sizes 5, 6"):
        LogisticMixture((Uniform(5), Uniform(6)))
    for weights in ([[0.5, 0.6]], [[1.5, -0.5]], [[1.0]], [[np.nan, 1.0]]):
        with pytest.raises(InputError, match="weights: expected sets of 2"):
            LinearMixture((Uniform(5), Uniform(5)), np.array(weights))
    for rate in (0.0, 1.0, np.nan):
        with pytest.raises(InputError, match="rate: expected a number between 0 and 1"):
            OnlineMixture((Uniform(5),), rate=rate)
    with pytest.raises(InputError, match="sets: expected at least 1"):
        LogisticMixture((Uniform(5),), sets=0)
