"""An n-gram model: counts and a smoothing; the state is the last n-1 tokens.

    p(x_t | x_<t) = p(x_t | x_{t-n+1} .. x_{t-1})

Shape letters: B batch, T time, V vocabulary, n order, H = n-1 tokens of history.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float64, Integer

from chainrule.core import TokenModel, check_tokens
from chainrule.models.ngram.counts import NgramCounts, counts_from_arrays, counts_to_arrays
from chainrule.models.ngram.history import ABSENT, History, advanced, after, beginning
from chainrule.models.ngram.smoothing import MaximumLikelihood, Smoothing, StupidBackoff, make_smoothing

Array = np.ndarray


@dataclass(frozen=True, eq=False)
class NgramModel(TokenModel[History]):
    """Counts of a text, and the smoothing that makes probabilities of them."""

    counts: NgramCounts
    smoothing: Smoothing

    @property
    def vocab_size(self) -> int:
        return self.counts.vocab_size

    @property
    def normalised(self) -> bool:
        """False for scores that are no probabilities."""
        return not isinstance(self.smoothing, StupidBackoff)

    @property
    def order(self) -> int:
        return self.counts.order

    def start(self, batch: int) -> History:
        """No token yet, or the beginning of a sentence."""
        return beginning(batch, self.order, self.vocab_size, self.counts.end)

    def advance(self, state: History, items: Integer[Array, " B"]) -> History:
        return advanced(state, check_tokens(items, self.vocab_size), self.vocab_size, self.counts.end)

    def predict(self, state: History) -> Float64[Array, "B V"]:
        batch = len(state)
        contexts, _ = self.counts.walk(state, np.zeros((batch, 1), np.int64))
        hits = np.zeros((self.order, batch, self.vocab_size), dtype=np.int64)
        for k, level in enumerate(self.counts.levels):
            for row in np.flatnonzero(contexts[k, :, 0] != ABSENT):
                at = slice(*level.first[contexts[k, row, 0] : contexts[k, row, 0] + 2])
                predicted = level.tokens[at] < self.vocab_size  # all but what begins a sentence
                hits[k, row, level.tokens[at][predicted]] = level.counts[at][predicted]
        totals, types = self._evidence(contexts)
        return self._log(hits, totals, types, self._depth(state, 1))

    def score(self, state: History, tokens: Integer[Array, "B T"]) -> tuple[Float64[Array, "B T"], History]:
        """All positions at once: a look-up a level finds the counts of every context length."""
        check_tokens(tokens, self.vocab_size)
        contexts, ends = self.counts.walk(state, tokens)
        levels = zip(self.counts.levels, ends, strict=True)
        hits = np.stack([np.where(end == ABSENT, 0, level.counts[end]) for level, end in levels])
        totals, types = self._evidence(contexts)
        log_probs = self._log(hits, totals, types, self._depth(state, tokens.shape[1], tokens))
        return log_probs, after(state, tokens, self.vocab_size, self.counts.end)

    def silent(self, state: History, tokens: Integer[Array, "B T"]) -> Bool[Array, "B T"]:
        """Where maximum likelihood stands at 0/0, its context never having been followed by anything."""
        if not isinstance(self.smoothing, MaximumLikelihood):
            return np.zeros(tokens.shape, dtype=bool)
        contexts, _ = self.counts.walk(state, tokens)
        totals, _ = self._evidence(contexts)
        depth = self._depth(state, tokens.shape[1], tokens)
        return np.take_along_axis(totals, depth[None], axis=0)[0] == 0

    def _depth(self, state: History, steps: int, tokens: Integer[Array, "B T"] | None = None) -> Array:
        """How many tokens before each of the next `steps` there are to condition on, n-1 at most."""
        known = np.repeat((state != ABSENT).sum(axis=1)[:, None], steps, axis=1) + np.arange(steps)
        if tokens is not None and self.counts.end is not None and steps > 1:
            at = np.arange(1, steps)
            ended = np.where(tokens[:, :-1] == self.counts.end, at, 0)
            since = np.maximum.accumulate(ended, axis=1)
            known[:, 1:] = np.where(since > 0, at - since + 1, known[:, 1:])
        return np.minimum(known, self.order - 1)

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
        shape = {"vocab_size": self.vocab_size, "order": self.order, "end": self.counts.end}
        return {**shape, **self.smoothing.settings()}, counts_to_arrays(self.counts)

    @classmethod
    def from_arrays(cls, settings: dict[str, Any], arrays: dict[str, Array]) -> "NgramModel":
        shape = int(settings["vocab_size"]), int(settings["order"]), settings["end"]
        counts = counts_from_arrays(arrays, *shape)
        return cls(counts, make_smoothing(settings["smoothing"], settings.get("k", 1.0)))
