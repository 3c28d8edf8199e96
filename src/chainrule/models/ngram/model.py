"""An n-gram model: counts and a smoothing; the state is the last n-1 tokens.

    p(x_t | x_<t) = p(x_t | x_{t-n+1} .. x_{t-1})

Shape letters: B batch, T time, V vocabulary, n order, H = n-1 tokens of history.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float64, Integer

from chainrule.core import TokenModel, check_tokens
from chainrule.models.ngram.counts import ABSENT, NgramCounts, counts_from_arrays, counts_to_arrays
from chainrule.models.ngram.smoothing import MaximumLikelihood, Smoothing, make_smoothing

Array = np.ndarray
History = Integer[Array, "B H"]


@dataclass(frozen=True, eq=False)
class NgramModel(TokenModel[History]):
    """Counts of a text, and the smoothing that makes probabilities of them."""

    counts: NgramCounts
    smoothing: Smoothing

    @property
    def vocab_size(self) -> int:
        return self.counts.vocab_size

    @property
    def order(self) -> int:
        return self.counts.order

    def start(self, batch: int) -> History:
        """No token yet: ABSENT in every place."""
        return np.full((batch, self.order - 1), ABSENT, dtype=np.int64)

    def advance(self, state: History, items: Integer[Array, " B"]) -> History:
        check_tokens(items, self.vocab_size)
        return np.concatenate([state, items[:, None].astype(np.int64)], axis=1)[:, 1:]

    def predict(self, state: History) -> Float64[Array, "B V"]:
        contexts = self._contexts_of(state)
        batch = len(state)
        hits = np.zeros((self.order, batch, self.vocab_size), dtype=np.int64)
        for k, level in enumerate(self.counts.levels):
            for row in np.flatnonzero(contexts[k] != ABSENT):
                at = slice(*level.first[contexts[k, row] : contexts[k, row] + 2])
                hits[k, row, level.keys[at] % self.vocab_size] = level.counts[at]
        totals, types = self._evidence(contexts[..., None])
        return self._log(hits, totals, types, _known(state)[:, None])

    def score(self, state: History, tokens: Integer[Array, "B T"]) -> tuple[Float64[Array, "B T"], History]:
        """All positions at once: a look-up a level finds the counts of every context length."""
        check_tokens(tokens, self.vocab_size)
        contexts, ends, depth, after = self._along(state, tokens)
        hits = np.stack(
            [
                np.where(end == ABSENT, 0, level.counts[end])
                for level, end in zip(self.counts.levels, ends, strict=True)
            ]
        )
        totals, types = self._evidence(contexts)
        return self._log(hits, totals, types, depth), after

    def silent(self, state: History, tokens: Integer[Array, "B T"]) -> Bool[Array, "B T"]:
        """Where maximum likelihood stands at 0/0, its context never having been followed by anything."""
        if not isinstance(self.smoothing, MaximumLikelihood):
            return np.zeros(tokens.shape, dtype=bool)
        contexts, _, depth, _ = self._along(state, tokens)
        totals, _ = self._evidence(contexts)
        return np.take_along_axis(totals, depth[None], axis=0)[0] == 0

    def _contexts_of(self, state: History) -> Integer[Array, "n B"]:
        """The index of the context of each length 0..n-1 that ends a state."""
        batch = len(state)
        contexts = np.zeros((self.order, batch), dtype=np.int64)
        for k in range(1, self.order):
            here = np.zeros(batch, dtype=np.int64)
            for level, column in zip(self.counts.levels[:k], range(-k, 0), strict=True):
                here = level.find(here, state[:, column])
            contexts[k] = here
        return contexts

    def _along(
        self, state: History, tokens: Integer[Array, "B T"]
    ) -> tuple[Integer[Array, "n B T"], list[Array], Integer[Array, "B T"], History]:
        """For every token: contexts of each length, n-grams of each length, known depth; state after."""
        ends = self.counts.walk(state, tokens)
        contexts = np.zeros((self.order, *tokens.shape), dtype=np.int64)
        if tokens.shape[1]:
            contexts[:, :, 0] = self._contexts_of(state)
        for k, end in enumerate(ends[:-1], 1):
            contexts[k, :, 1:] = end[:, :-1]
        depth = np.minimum(_known(state)[:, None] + np.arange(tokens.shape[1]), self.order - 1)
        line = np.concatenate([state, tokens.astype(np.int64)], axis=1)
        return contexts, ends, depth, line[:, line.shape[1] - (self.order - 1) :]

    def _evidence(self, contexts: Integer[Array, " n *Q"]) -> tuple[Integer[Array, " n *Q"], ...]:
        absent = contexts == ABSENT
        totals = [level.totals[c] for level, c in zip(self.counts.levels, contexts, strict=True)]
        types = [level.types[c] for level, c in zip(self.counts.levels, contexts, strict=True)]
        return np.where(absent, 0, np.stack(totals)), np.where(absent, 0, np.stack(types))

    def _log(self, hits: Array, totals: Array, types: Array, depth: Array) -> Array:
        with np.errstate(divide="ignore"):
            return np.log(self.smoothing.probabilities(hits, totals, types, depth, self.vocab_size))

    def to_arrays(self) -> tuple[dict[str, Any], dict[str, Array]]:
        """Settings and arrays that `from_arrays` makes the same model of."""
        settings = {"vocab_size": self.vocab_size, "order": self.order, **self.smoothing.settings()}
        return settings, counts_to_arrays(self.counts)

    @classmethod
    def from_arrays(cls, settings: dict[str, Any], arrays: dict[str, Array]) -> "NgramModel":
        counts = counts_from_arrays(arrays, int(settings["vocab_size"]), int(settings["order"]))
        return cls(counts, make_smoothing(settings["smoothing"], settings.get("k", 1.0)))


def _known(state: History) -> Integer[Array, " B"]:
    """How many tokens of the history there are."""
    return (state != ABSENT).sum(axis=1)
