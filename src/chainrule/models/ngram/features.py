"""Which n-grams of a trie each sentence has: a text as a row of a wide and almost empty matrix.

    x_{d j} = 1 where n-gram j ends somewhere in sentence d       (Wang & Manning 2012)

Shape letters: T tokens, D sentences, E entries of the matrix, F n-grams (of all orders asked for).
"""

from collections.abc import Sequence
from functools import cached_property
from typing import NamedTuple

import numpy as np
from jaxtyping import Float64, Int64, Integer

from chainrule.core import InputError, check_tokens
from chainrule.kernels import backoff as kernel
from chainrule.kernels.native import library
from chainrule.models.ngram.counts import NgramCounts
from chainrule.models.ngram.history import ABSENT, beginning

Array = np.ndarray
NOTHING = np.empty(0, np.float32)


class Found(NamedTuple):
    """Where n-grams end. at: the token; sentence: the one that it belongs to; column: the n-gram's number;
    order: its length."""

    at: Int64[Array, " E"]
    sentence: Int64[Array, " E"]
    column: Int64[Array, " E"]
    order: Int64[Array, " E"]


class NgramFeatures:
    """The n-grams of `counts` (of a text of sentences) as columns."""

    def __init__(self, counts: NgramCounts, orders: Sequence[int]) -> None:
        if counts.end is None:
            raise InputError("features: expected counts of sentences, got those of one running text")
        if not orders or not set(orders) <= set(range(1, counts.order + 1)):
            raise InputError(f"orders: expected some of 1..{counts.order}, got {list(orders)}")
        self.counts, self.orders = counts, tuple(sorted(set(orders)))
        sizes = [len(counts.levels[k - 1]) for k in self.orders]
        self.offsets = dict(zip(self.orders, np.cumsum([0, *sizes]).tolist(), strict=False))
        self.size = sum(sizes)

    @cached_property
    def _table(self) -> kernel.Table:
        levels = [kernel.LevelArrays(level.tokens, level.first, NOTHING) for level in self.counts.levels]
        return kernel.table(levels, self.counts.vocab_size, self.counts.end)

    def ends(self, tokens: Integer[Array, " T"]) -> Int64[Array, "n T"]:
        """At every token the n-gram of each length that ends there, ABSENT where it was never counted."""
        tokens = check_tokens(tokens, self.counts.vocab_size)
        history = beginning(1, self.counts.order, self.counts.vocab_size, self.counts.end)
        if library() is not None:
            return kernel.walk(self._table, history[0], tokens)
        return self.counts.walk(history, tokens[None])[1][:, 0]

    def find(self, tokens: Integer[Array, " T"]) -> Found:
        """Every n-gram that ends anywhere, in the order of orders, then of tokens."""
        ends = self.ends(tokens)
        ended = np.cumsum(tokens == self.counts.end)
        sentence = np.concatenate([[0], ended[:-1]]) if len(tokens) else ended
        parts: list[tuple[Array, ...]] = []
        for k in self.orders:
            at = np.flatnonzero(ends[k - 1] != ABSENT)
            parts.append((at, sentence[at], ends[k - 1][at] + self.offsets[k], np.full(len(at), k)))
        return Found(*(np.concatenate(column) for column in zip(*parts, strict=True)))

    def presence(self, tokens: Integer[Array, " T"]) -> tuple[Int64[Array, " E"], Int64[Array, " E"]]:
        """Sentence and column of every n-gram, each once a sentence, in order of sentences."""
        found = self.find(tokens)
        keys = np.sort(found.sentence * self.size + found.column)
        keys = keys[np.diff(keys, prepend=-1) > 0]
        sentence, column = np.divmod(keys, self.size)
        return sentence, column


def log_count_ratio(
    column: Int64[Array, " E"], positive: Array, size: int, smoothing: float = 1.0
) -> Float64[Array, " F"]:
    """r_j = log of (smoothing + c_j) / sum over positive entries, less the same of the others (Wang & Manning
    2012, eq. 2): what naive Bayes adds for n-gram j."""
    ratios = np.zeros(size)
    for sign, chosen in ((1, positive), (-1, ~positive)):
        counts = np.bincount(column[chosen], minlength=size) + smoothing
        ratios += sign * (np.log(counts) - np.log(counts.sum()))
    return ratios
