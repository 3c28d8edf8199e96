"""A continuous cache beside a recurrent network: what followed when it was like this (Grave 2017).

    p(w | h) = (1 - weight) p_model(w | h) + weight p_cache(w | h)
    p_cache(w | h_t) ~ sum over the last `size` steps i < t with x_{i+1} = w of exp(theta h_t . h_i)

h_t is the vector that the network's softmax sees. Nothing is trained: the network writes down what it saw and
what followed, and looks up what was alike. Before the first token there is nothing to look up, and it speaks
alone.

Shape letters: B batch, T time, V vocabulary, H hidden, S size of the cache, N steps of a block.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Float64, Int64, Integer

from chainrule.core import InputError, TokenModel, check_tokens
from chainrule.models.online.dynamic import DynamicEvaluation
from chainrule.models.online.reading import Read, read, vectors_of
from chainrule.models.recurrent import RecurrentModel

Array = np.ndarray
EMPTY = -1
BLOCK = 256  # steps that look at the cache at once


class Remembered(NamedTuple):
    """The network's own state; the vectors of the last steps, and the token that followed each, EMPTY where
    there was none yet."""

    own: Any
    keys: Float[Array, "B S H"]
    followed: Int64[Array, "B S"]


@dataclass(frozen=True, eq=False)
class ContinuousCache(TokenModel[Remembered]):
    """model: a recurrent network, also one that learns. size: how many steps are remembered. weight: of the
    cache, between 0 and 1. theta: how much likeness counts; 0 is a unigram cache."""

    model: RecurrentModel | DynamicEvaluation
    size: int = 2000
    weight: float = 0.1
    theta: float = 0.6

    def __post_init__(self) -> None:
        if not (0 < self.weight < 1 and self.size >= 1 and 0 <= self.theta < np.inf):
            raise InputError(
                f"cache: expected a weight between 0 and 1, a size and a theta of 0 or more, got "
                f"{self.weight}, {self.size}, {self.theta}"
            )

    @property
    def vocab_size(self) -> int:
        return self.model.vocab_size

    def start(self, batch: int) -> Remembered:
        own = self.model.start(batch)
        width = self._vectors(own).shape[1]
        kind = self._vectors(own).dtype
        none = np.full((batch, self.size), EMPTY, np.int64)
        return Remembered(own, np.zeros((batch, self.size, width), kind), none)

    def predict(self, state: Remembered) -> Float64[Array, "B V"]:
        """The formula, row by row."""
        log_probs = np.array(self.model.predict(state.own))
        for row, vector, keys, followed in zip(
            log_probs, self._vectors(state.own), state.keys, state.followed, strict=True
        ):
            seen = followed != EMPTY
            if seen.any():
                alike = self.theta * (keys[seen].astype(np.float64) @ vector.astype(np.float64))
                alike = np.exp(alike - alike.max())
                shares = np.bincount(followed[seen], alike, self.vocab_size) / alike.sum()
                with np.errstate(divide="ignore"):
                    row[:] = np.logaddexp(row + np.log1p(-self.weight), np.log(self.weight * shares))
        return log_probs

    def advance(self, state: Remembered, items: Integer[Array, " B"]) -> Remembered:
        items = check_tokens(items, self.vocab_size)
        keys = np.concatenate([state.keys[:, 1:], self._vectors(state.own)[:, None]], axis=1)
        followed = np.concatenate([state.followed[:, 1:], items[:, None].astype(np.int64)], axis=1)
        return Remembered(self.model.advance(state.own, items), keys, followed)

    def score(
        self, state: Remembered, tokens: Integer[Array, "B T"]
    ) -> tuple[Float64[Array, "B T"], Remembered]:
        """The network reads all steps in its own way; then blocks of steps look at the cache, which is a band
        of one line of steps, by a product."""
        tokens = check_tokens(tokens, self.vocab_size)
        found = self._read(state.own, tokens)
        keys = np.concatenate([state.keys, found.vectors], axis=1)
        followed = np.concatenate([state.followed, tokens.astype(np.int64)], axis=1)
        out = np.array(found.log_probs)
        for row in range(len(tokens)):
            for at in range(0, tokens.shape[1], BLOCK):
                end = min(at + BLOCK, tokens.shape[1]) + self.size
                out[row, at : at + BLOCK] = self._mixed(
                    found.log_probs[row, at : at + BLOCK], keys[row, at:end], followed[row, at:end]
                )
        steps = tokens.shape[1]
        return out, Remembered(found.state, keys[:, steps:].copy(), followed[:, steps:].copy())

    def _mixed(
        self, log_probs: Float64[Array, " N"], keys: Float[Array, "SN H"], followed: Int64[Array, " SN"]
    ) -> Float64[Array, " N"]:
        """The log-probabilities of a block's tokens: step t, of the N last of the line, looks at the S before
        it."""
        steps = len(log_probs)
        line, own = np.arange(len(keys)), np.arange(steps)[:, None]
        inside = (line >= own) & (line < own + self.size) & (followed != EMPTY)
        alike = (keys[self.size :] @ keys.T).astype(np.float64) * self.theta
        alike[~inside] = -np.inf
        some = inside.any(axis=1)
        alike -= np.where(some, alike.max(axis=1), 0)[:, None]
        likeness = np.exp(alike)
        same = followed == followed[self.size :, None]
        total = np.where(some, likeness.sum(axis=1), 1)
        with np.errstate(divide="ignore"):
            looked_up = np.log(self.weight * (likeness * same).sum(axis=1) / total)
        return np.where(some, np.logaddexp(log_probs + np.log1p(-self.weight), looked_up), log_probs)

    def _vectors(self, own: Any) -> Float[Array, "B H"]:
        model = self.model
        if isinstance(model, DynamicEvaluation):
            return model.vectors(own)
        return vectors_of(model.arch, model.parameters, own)

    def _read(self, own: Any, tokens: Integer[Array, "B T"]) -> Read:
        model = self.model
        if isinstance(model, DynamicEvaluation):
            return model.read(own, tokens)
        return read(model.arch, model.parameters, own, tokens)
