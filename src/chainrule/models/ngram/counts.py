"""Every n-gram of a text up to an order, counted, as sorted arrays: a trie with one array a level.

    level 1   a  b  c            an n-gram is a pair (the index of its first n-1 tokens one level below,
    level 2   aa ab | ba | ca    its last token), packed into one number; the children of a context stand
    level 3   aab | aba | ...    side by side, so their counts are a slice

The k-gram that ends at position i extends the (k-1)-gram that ends at i-1, so one look-up a level finds
all n-grams of all positions at once.

Shape letters: N tokens, U distinct n-grams of a level, C contexts (the n-grams one level below), M queries.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Int64, Integer

from chainrule.core import FileFormatError, InputError, check_tokens

Array = np.ndarray
ABSENT = -1


@dataclass(frozen=True, eq=False)
class Level:
    """The n-grams of one order. keys: context * V + token, ascending. counts: how often each was seen.

    contexts: how many n-grams the level below has (1, the empty one, below level 1).
    """

    keys: Int64[Array, " U"]
    counts: Int64[Array, " U"]
    contexts: int
    vocab_size: int

    def __len__(self) -> int:
        return len(self.keys)

    @cached_property
    def first(self) -> Int64[Array, " C_plus_1"]:
        """The children of context c are first[c] to first[c + 1]."""
        edges = np.arange(self.contexts + 1, dtype=np.int64) * self.vocab_size
        return np.searchsorted(self.keys, edges).astype(np.int64)

    @cached_property
    def types(self) -> Int64[Array, " C"]:
        """How many different tokens followed each context."""
        return np.diff(self.first)

    @cached_property
    def totals(self) -> Int64[Array, " C"]:
        """How many tokens followed each context."""
        sums = np.concatenate([np.zeros(1, np.int64), np.cumsum(self.counts)])
        return sums[self.first[1:]] - sums[self.first[:-1]]

    def find(self, contexts: Integer[Array, " M"], tokens: Integer[Array, " M"]) -> Int64[Array, " M"]:
        """The index of each n-gram, ABSENT where it was never seen or its context is ABSENT."""
        wanted = contexts.astype(np.int64) * self.vocab_size + tokens  # below 0 for an ABSENT context
        at = np.minimum(np.searchsorted(self.keys, wanted), len(self.keys) - 1)
        return np.where((tokens >= 0) & (self.keys[at] == wanted), at, ABSENT)


@dataclass(frozen=True, eq=False)
class NgramCounts:
    """Levels 1 to n of a text."""

    vocab_size: int
    levels: tuple[Level, ...]

    @property
    def order(self) -> int:
        return len(self.levels)

    def __len__(self) -> int:
        """All n-grams stored, of every order."""
        return sum(len(level) for level in self.levels)

    def up_to(self, order: int) -> "NgramCounts":
        """The same counts with the highest orders left out; nothing is copied."""
        if not 1 <= order <= self.order:
            raise InputError(f"order: expected 1..{self.order}, got {order}")
        return NgramCounts(self.vocab_size, self.levels[:order])

    def ngrams(self, order: int) -> tuple[Integer[Array, "U n"], Int64[Array, " U"]]:
        """The n-grams of one order as rows of ids, and their counts."""
        if not 1 <= order <= self.order:
            raise InputError(f"order: expected 1..{self.order}, got {order}")
        index = np.arange(len(self.levels[order - 1]), dtype=np.int64)
        columns: list[Array] = []
        for level in reversed(self.levels[:order]):
            index, token = np.divmod(level.keys[index], self.vocab_size)
            columns.append(token)
        return np.stack(columns[::-1], axis=1), self.levels[order - 1].counts

    def walk(self, history: Integer[Array, "B H"], tokens: Integer[Array, "B T"]) -> list[Array]:
        """For k = 1..n the index [B, T] of the k-gram that ends at each token, ABSENT where unseen.

        history: the tokens before, the latest last, ABSENT where there was none.
        """
        line = np.concatenate([history, tokens], axis=1).astype(np.int64)
        shape, back = line.shape, history.shape[1]
        before = np.zeros(shape, dtype=np.int64)  # the empty n-gram ends everywhere
        absent = np.full((shape[0], 1), ABSENT)
        ends: list[Array] = []
        for level in self.levels:
            here = level.find(before.ravel(), line.ravel()).reshape(shape)
            ends.append(here[:, back:])
            before = np.concatenate([absent, here], axis=1)[:, : shape[1]]
        return ends


def count_ngrams(rows: Sequence[Integer[Array, " _"]], vocab_size: int, order: int) -> NgramCounts:
    """Count all n-grams of orders 1 to `order`; none crosses from one row to the next.

    Raises InputError when the order is below 1 or above the longest row.
    """
    longest = max((len(row) for row in rows), default=0)
    if not 1 <= order <= longest:
        raise InputError(f"order: expected 1..{longest} (the text has {longest} tokens), got {order}")
    line = check_tokens(np.concatenate(rows), vocab_size).astype(np.int64)
    into_row = np.concatenate([np.arange(len(row)) for row in rows])
    before = np.zeros(len(line), dtype=np.int64)
    levels: list[Level] = []
    contexts = 1
    for k in range(order):
        positions = np.flatnonzero(into_row >= k)
        keys, index, counts = np.unique(
            before[positions] * vocab_size + line[positions], return_inverse=True, return_counts=True
        )
        levels.append(Level(keys, counts.astype(np.int64), contexts, vocab_size))
        contexts = len(keys)
        here = np.full(len(line), ABSENT, dtype=np.int64)
        here[positions] = index
        before = np.concatenate([[ABSENT], here[:-1]])
    return NgramCounts(vocab_size, tuple(levels))


def counts_to_arrays(counts: NgramCounts) -> dict[str, Array]:
    """The arrays of a file: keys and counts of every level."""
    return {
        name: array
        for k, level in enumerate(counts.levels, 1)
        for name, array in ((f"keys{k}", level.keys), (f"counts{k}", level.counts))
    }


def counts_from_arrays(arrays: dict[str, Array], vocab_size: int, order: int) -> NgramCounts:
    """Counts back from their arrays; raises FileFormatError when these cannot be counts."""
    if order < 1 or vocab_size < 1:
        raise FileFormatError(f"n-gram model: expected an order and a vocabulary, got {order}, {vocab_size}")
    if len(arrays) != 2 * order:
        raise FileFormatError(f"n-gram model: expected {order} levels, got {len(arrays) / 2:g}")
    levels: list[Level] = []
    contexts = 1
    for k in range(1, order + 1):
        try:
            keys, counts = arrays[f"keys{k}"], arrays[f"counts{k}"]
        except KeyError as error:
            raise FileFormatError(f"n-gram model: the array {error} is missing") from error
        sound = (
            keys.dtype == counts.dtype == np.int64
            and keys.ndim == counts.ndim == 1
            and len(keys) == len(counts) > 0
            and bool((np.diff(keys) > 0).all())
            and keys[0] >= 0
            and keys[-1] < contexts * vocab_size
            and counts.min() > 0
        )
        if not sound:
            raise FileFormatError(f"n-gram model: level {k} holds no sorted counts")
        levels.append(Level(keys, counts, contexts, vocab_size))
        contexts = len(keys)
    return NgramCounts(vocab_size, tuple(levels))
