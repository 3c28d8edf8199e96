"""Several models as one: a mixture of what they say, which may be better than any of them.

    linear, fixed     p(v) = sum_k w_k p_k(v),        w by expectation-maximisation (Jelinek & Mercer 1980)
    linear, online    the same,  w_k <- w_k + rate (r_k - w_k)       r_k = w_k p_k(x) / p(x), once x was seen
    logistic, online  p(v) = exp(sum_k w_k log p_k(v)) / Z,  w_k <- w_k + rate (log p_k(x) - E_p log p_k)

The last is gradient ascent on log p(x). With two symbols it is the logistic mixing of bits of the PAQ family
(Mahoney 2005), with V its softmax (Mattern 2013). Weights that learn stand in the state, so that a mixture is
a model like any other and may be a member of one. One of several sets of weights is picked by what the state
is: `bucket`, from whoever makes the mixture and knows its members.

Shape letters: B batch, T time, V vocabulary, K members, S sets of weights, N tokens.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float64, Int64, Integer

from chainrule.core import InputError, TokenModel, check_tokens, leaves

Array = np.ndarray
Members = tuple[TokenModel[Any], ...]
States = tuple[Any, ...]
Bucket = Callable[[States], Integer[Array, " B"]]
ROUNDS = 1000  # of expectation and maximisation, after which at most log(K) / 1000 nats a token are missing
MOST_ROUNDS, EFFORT = 20_000, 4_000_000  # where there is little to read: numbers read in all rounds
LEAST = -40.0  # nats: who rules a token out cannot rule it out of a product for ever


def one_set(states: States) -> Integer[Array, " B"]:
    """The bucket of a mixture with a single set of weights."""
    return np.zeros(len(next(leaves(states))), np.int64)


def best_weights(log_probs: Float64[Array, "K N"], tolerance: float = 1e-5) -> Float64[Array, " K"]:
    """The weights under which the tokens, which each member gave these log-probabilities, are likeliest.

    Expectation and maximisation from even ones; ends where no weights can be better by more than the
    tolerance, in nats a token. A member without which the tokens are as likely nears 0.
    Raises InputError for no tokens, and for tokens that no member can give.
    """
    members, tokens = log_probs.shape
    if not tokens:
        raise InputError("tokens: expected some to weigh the models on, got none")
    log_probs = log_probs[:, np.isfinite(log_probs.max(axis=0))]  # what none can give says nothing about them
    if not log_probs.shape[1]:
        raise InputError("tokens: expected some that a model can give, got none")
    probs = np.exp(log_probs - log_probs.max(axis=0))
    weights = np.full(members, 1 / members)
    for _ in range(max(ROUNDS, min(MOST_ROUNDS, EFFORT // probs.size))):
        shares = weights[:, None] * probs
        better = (shares / shares.sum(axis=0)).mean(axis=1)
        growth = np.divide(better, weights, out=np.zeros(members), where=weights > 0)
        weights = better
        if np.log(growth.max()) < tolerance:  # it bounds what is missing, as the likelihood is concave
            break
    return weights


@dataclass(frozen=True, eq=False)
class LinearMixture(TokenModel[States]):
    """models: of one vocabulary. weights: not negative, each set sums to 1. The state is the members'."""

    models: Members
    weights: Float64[Array, "S K"]
    bucket: Bucket = one_set

    def __post_init__(self) -> None:
        check_members(self.models)
        check_weights(self.weights, len(self.models))

    @classmethod
    def fit(
        cls,
        models: Sequence[TokenModel[Any]],
        tokens: Integer[Array, " N"],
        *,
        bucket: Bucket = one_set,
        sets: int = 1,
    ) -> "LinearMixture":
        """Weigh the models on tokens that none of them was trained on, each set on those of its bucket; a set
        that is never picked has the weights of all. Raises InputError as `best_weights` does."""
        members = tuple(models)
        check_members(members)
        tokens = check_tokens(tokens, members[0].vocab_size)
        start = tuple(model.start(1) for model in members)
        log_probs, picked, _ = _followed(members, start, tokens[None], bucket)
        overall = best_weights(log_probs[:, 0])
        weights = np.tile(overall, (sets, 1))
        if bucket is not one_set:
            for at in np.unique(picked):
                weights[at] = best_weights(log_probs[:, 0, picked[0] == at])
        return cls(members, weights, bucket)

    @property
    def vocab_size(self) -> int:
        return self.models[0].vocab_size

    def start(self, batch: int) -> States:
        return tuple(model.start(batch) for model in self.models)

    def predict(self, state: States) -> Float64[Array, "B V"]:
        weights = self.weights[self.bucket(state)]
        return _log_sum(weights.T[:, :, None], _predictions(self.models, state))

    def advance(self, state: States, items: Integer[Array, " B"]) -> States:
        return _advanced(self.models, state, items)

    def score(self, state: States, tokens: Integer[Array, "B T"]) -> tuple[Float64[Array, "B T"], States]:
        """Each member reads all steps in its own way, where they need not be looked at one by one."""
        log_probs, picked, after = _followed(self.models, state, tokens, self.bucket)
        weights = np.moveaxis(self.weights[picked], 2, 0)
        return _log_sum(weights, log_probs), after


class Learned(NamedTuple):
    """own: the states of the members. weights: as they are by now. seen: tokens that each set met."""

    own: States
    weights: Float64[Array, "B S K"]
    seen: Int64[Array, "B S"]


@dataclass(frozen=True, eq=False)
class OnlineMixture(TokenModel[Learned]):
    """A linear mixture whose weights follow what was read.

    rate: how far they move towards what the last token says, at least; the first n tokens count alike. first:
    the weights that every set begins with, as if they had long been learned; even ones where it is left out.
    """

    models: Members
    rate: float = 0.002
    bucket: Bucket = one_set
    sets: int = 1
    first: Float64[Array, " K"] | None = None

    def __post_init__(self) -> None:
        check_members(self.models)
        _check_learning(self.rate, self.sets)
        if self.first is not None:
            check_weights(self.first[None], len(self.models))

    @property
    def vocab_size(self) -> int:
        return self.models[0].vocab_size

    def start(self, batch: int) -> Learned:
        begin = _unlearned(self.models, batch, self.sets, 1 / len(self.models))
        if self.first is None:
            return begin
        weights = np.broadcast_to(self.first, begin.weights.shape)
        return begin._replace(weights=weights, seen=begin.seen + round(1 / self.rate))

    def predict(self, state: Learned) -> Float64[Array, "B V"]:
        weights = state.weights[np.arange(len(state.weights)), self.bucket(state.own)]
        return _log_sum(weights.T[:, :, None], _predictions(self.models, state.own))

    def advance(self, state: Learned, items: Integer[Array, " B"]) -> Learned:
        return self.score(state, items[:, None])[1]

    def score(self, state: Learned, tokens: Integer[Array, "B T"]) -> tuple[Float64[Array, "B T"], Learned]:
        """The members read all steps in their own way; then the weights follow token by token."""
        log_probs, picked, after = _followed(self.models, state.own, tokens, self.bucket)
        weights, seen, out = state.weights.copy(), state.seen.copy(), np.empty(tokens.shape)
        rows = np.arange(len(tokens))
        for t in range(tokens.shape[1]):
            sets = picked[:, t]
            own = weights[rows, sets]
            given = log_probs[:, :, t].T
            out[:, t] = _log_sum(own.T, given.T)
            with np.errstate(invalid="ignore"):
                shares = own * np.exp(given - out[:, t, None])
            shares = np.where(np.isfinite(out[:, t, None]), shares, own)  # ruled out by all: it tells nothing
            seen[rows, sets] += 1
            rate = np.maximum(1 / (seen[rows, sets] + 1), self.rate)[:, None]
            weights[rows, sets] = own + rate * (shares - own)
        return out, Learned(after, weights, seen)


@dataclass(frozen=True, eq=False)
class LogisticMixture(TokenModel[Learned]):
    """A product of powers of what the members say, renormalised; the powers follow what was read.

    Two members that agree may be surer together than either. rate: of the gradient ascent. first: the power
    that each begins with, 1 / K where it is left out.
    """

    models: Members
    rate: float = 0.01
    bucket: Bucket = one_set
    sets: int = 1
    first: float | None = None

    def __post_init__(self) -> None:
        check_members(self.models)
        _check_learning(self.rate, self.sets)

    @property
    def vocab_size(self) -> int:
        return self.models[0].vocab_size

    def start(self, batch: int) -> Learned:
        first = 1 / len(self.models) if self.first is None else self.first
        return _unlearned(self.models, batch, self.sets, first)

    def predict(self, state: Learned) -> Float64[Array, "B V"]:
        return self._mixed(state)[0]

    def advance(self, state: Learned, items: Integer[Array, " B"]) -> Learned:
        items = check_tokens(items, self.vocab_size)
        log_probs, said, sets = self._mixed(state)
        rows = np.arange(len(items))
        expected = np.einsum("bv,kbv->bk", np.exp(log_probs), said)
        weights, seen = state.weights.copy(), state.seen.copy()
        weights[rows, sets] += self.rate * (said[:, rows, items].T - expected)
        seen[rows, sets] += 1
        return Learned(_advanced(self.models, state.own, items), weights, seen)

    def _mixed(
        self, state: Learned
    ) -> tuple[Float64[Array, "B V"], Float64[Array, "K B V"], Integer[Array, " B"]]:
        """Log-probabilities, what the members say, and the sets of weights."""
        sets = self.bucket(state.own)
        said = np.maximum(_predictions(self.models, state.own), LEAST)
        logits = np.einsum("bk,kbv->bv", state.weights[np.arange(len(sets)), sets], said)
        return logits - np.logaddexp.reduce(logits, axis=1, keepdims=True), said, sets


def check_members(models: Sequence[TokenModel[Any]]) -> None:
    """Raises InputError unless there is a model, and all have one vocabulary and give probabilities."""
    if not models:
        raise InputError("mixture: expected at least one model, got none")
    if not all(getattr(model, "normalised", True) for model in models):
        raise InputError("mixture: expected models of probabilities, got one whose scores only rank")
    sizes = [model.vocab_size for model in models]
    if len(set(sizes)) > 1:
        raise InputError(
            f"mixture: expected models of one vocabulary, got sizes {', '.join(map(str, sizes))}"
        )


def check_weights(weights: Float64[Array, "S K"], members: int) -> None:
    """Raises InputError unless there are sets of one weight a member, none below 0, that sum to 1."""
    sums = weights.sum(axis=1)
    whole = weights.shape[1] == members and len(sums) and (weights >= 0).all() and np.allclose(sums, 1)
    if not whole:
        raise InputError(
            f"weights: expected sets of {members}, none below 0, that sum to 1; got {weights.tolist()}"
        )


def _check_learning(rate: float, sets: int) -> None:
    if not 0 < rate < 1:
        raise InputError(f"rate: expected a number between 0 and 1, got {rate}")
    if sets < 1:
        raise InputError(f"sets: expected at least 1, got {sets}")


def _unlearned(models: Members, batch: int, sets: int, first: float) -> Learned:
    """The state before anything was read, every weight the same."""
    own = tuple(model.start(batch) for model in models)
    return Learned(own, np.full((batch, sets, len(models)), first), np.zeros((batch, sets), np.int64))


def _predictions(models: Members, states: States) -> Float64[Array, "K B V"]:
    return np.stack([model.predict(state) for model, state in zip(models, states, strict=True)])


def _advanced(models: Members, states: States, items: Integer[Array, " B"]) -> States:
    return tuple(model.advance(state, items) for model, state in zip(models, states, strict=True))


def _followed(
    models: Members, states: States, tokens: Integer[Array, "B T"], bucket: Bucket
) -> tuple[Float64[Array, "K B T"], Integer[Array, "B T"], States]:
    """What each member gives each token, the set of weights at each, and the states after the last."""
    check_tokens(tokens, models[0].vocab_size)
    if bucket is one_set:
        read = [model.score(state, tokens) for model, state in zip(models, states, strict=True)]
        return np.stack([own for own, _ in read]), np.zeros(tokens.shape, np.int64), tuple(s for _, s in read)
    log_probs, picked = np.empty((len(models), *tokens.shape)), np.empty(tokens.shape, np.int64)
    for t in range(tokens.shape[1]):
        picked[:, t] = bucket(states)
        read = [model.score(s, tokens[:, t : t + 1]) for model, s in zip(models, states, strict=True)]
        log_probs[:, :, t : t + 1] = np.stack([own for own, _ in read])
        states = tuple(state for _, state in read)
    return log_probs, picked, states


def _log_sum(weights: Float64[Array, "..."], log_probs: Float64[Array, "..."]) -> Float64[Array, "..."]:
    """log sum_k w_k exp(log_probs_k), k the first axis of both; -inf where every member says so."""
    with np.errstate(divide="ignore"):
        return np.logaddexp.reduce(np.log(weights) + log_probs, axis=0)
