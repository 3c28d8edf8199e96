"""Every n-gram of a text up to an order, counted, as sorted arrays: a trie with one level an order.

    level 1   a  b  c            all tokens of the vocabulary
    level 2   aa ab | ba | ca    the extensions of a context stand side by side, so their counts are a slice
    level 3   aab | aba | ...

In a text of sentences the alphabet has one token more, V, which begins each sentence and is never predicted.

Shape letters: N tokens, U distinct n-grams of a level, C contexts (the n-grams one level below), M queries.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Int32, Int64, Integer, UInt32

from chainrule.core import FileFormatError, InputError, check_tokens
from chainrule.kernels import grams
from chainrule.kernels.native import library
from chainrule.models.ngram.history import ABSENT

Array = np.ndarray
MOST = 255  # orders: how far the room after a position is looked at
LONGEST = (1 << 32) - 2  # tokens: positions are 32 bits


@dataclass(frozen=True, eq=False)
class Level:
    """The n-grams of one order. tokens: the last token of each. first: those of context c are first[c] to
    first[c + 1]. counts: how often each was seen. links: the n-gram without its first token, one level below.
    """

    tokens: Int32[Array, " U"]
    first: UInt32[Array, " C_plus_1"]
    counts: UInt32[Array, " U"]
    links: UInt32[Array, " U"]
    alphabet: int

    def __len__(self) -> int:
        return len(self.tokens)

    @cached_property
    def contexts(self) -> Int64[Array, " U"]:
        """The context of each n-gram."""
        return grams.parents_of(self.first)

    @cached_property
    def _keys(self) -> Int64[Array, " U"]:
        return self.contexts * self.alphabet + self.tokens

    @cached_property
    def types(self) -> Int64[Array, " C"]:
        """How many different tokens followed each context."""
        return np.bincount(self.contexts[self.counts > 0], minlength=len(self.first) - 1)

    @cached_property
    def totals(self) -> Int64[Array, " C"]:
        """How many tokens followed each context."""
        sums = np.concatenate([np.zeros(1, np.int64), np.cumsum(self.counts, dtype=np.int64)])
        return sums[self.first[1:]] - sums[self.first[:-1]]

    def find(self, contexts: Integer[Array, " M"], tokens: Integer[Array, " M"]) -> Int64[Array, " M"]:
        """The index of each n-gram, ABSENT where it was never seen or its context is ABSENT."""
        wanted = contexts.astype(np.int64) * self.alphabet + tokens  # below 0 for an ABSENT context
        if not len(self):
            return np.full(len(wanted), ABSENT)
        at = np.minimum(np.searchsorted(self._keys, wanted), len(self) - 1)
        return np.where((tokens >= 0) & (self._keys[at] == wanted), at, ABSENT)


@dataclass(frozen=True, eq=False)
class NgramCounts:
    """Levels 1 to n of a text. end: the token that ends a sentence; None for one running text."""

    vocab_size: int
    levels: tuple[Level, ...]
    end: int | None = None

    @property
    def order(self) -> int:
        return len(self.levels)

    def __len__(self) -> int:
        """All n-grams seen, of every order."""
        return int(np.count_nonzero(self.levels[0].counts)) + sum(map(len, self.levels[1:]))

    def up_to(self, order: int) -> "NgramCounts":
        """The same counts with the highest orders left out; nothing is copied."""
        if not 1 <= order <= self.order:
            raise InputError(f"order: expected 1..{self.order}, got {order}")
        return NgramCounts(self.vocab_size, self.levels[:order], self.end)

    def ngrams(self, order: int) -> tuple[Integer[Array, "U n"], UInt32[Array, " U"]]:
        """The n-grams of one order as rows of ids, and their counts; at the beginning of a sentence V."""
        if not 1 <= order <= self.order:
            raise InputError(f"order: expected 1..{self.order}, got {order}")
        level = self.levels[order - 1]
        rows = spelled(self.levels[:order])
        return rows[level.counts > 0], level.counts[level.counts > 0]

    def walk(
        self, history: Integer[Array, "B H"], tokens: Integer[Array, "B T"]
    ) -> tuple[Int64[Array, "n B T"], Int64[Array, "n B T"]]:
        """Before each token the index of the context of each length 0..n-1, and of each length 1..n the index
        of the n-gram that it ends; ABSENT where unseen.

        history: the tokens before, the latest last, ABSENT where there was none.
        """
        line = np.concatenate([history, tokens], axis=1).astype(np.int64)
        back, last = history.shape[1], line[:, :-1]
        before = np.zeros(line.shape, dtype=np.int64)  # the empty n-gram ends everywhere
        contexts, ends = np.empty((2, self.order, *tokens.shape), dtype=np.int64)
        for k, level in enumerate(self.levels):
            here = level.find(before.ravel(), line.ravel()).reshape(line.shape)
            contexts[k], ends[k] = before[:, back:], here[:, back:]
            before = np.full(line.shape, ABSENT)
            before[:, 1:] = here[:, :-1]
            if self.end is not None:  # then a sentence begins, and that is all there is before it
                before[:, 1:][last == self.end] = ABSENT if k else self.vocab_size
        return contexts, ends


def spelled(levels: Sequence[Level]) -> Int32[Array, "U n"]:
    """The n-grams of the last level as rows of ids."""
    return grams.spelled([level.tokens for level in levels], [level.contexts for level in levels])


def count_ngrams(
    rows: Sequence[Integer[Array, " _"]], vocab_size: int, order: int, *, end: int | None = None
) -> NgramCounts:
    """Count all n-grams of orders 1 to `order`; none crosses from one row to the next.

    end: the token that ends a sentence, where the rows are made of sentences; none crosses from one to the
    next either, and each has a beginning that conditions and is not predicted.
    Raises InputError when the order is below 1 or above the longest row or sentence, or the end is no id.
    """
    if end is not None and not 0 <= end < vocab_size:
        raise InputError(f"end: expected an id in 0..{vocab_size - 1}, got {end}")
    ids = check_tokens(np.concatenate(rows), vocab_size) if rows else np.empty(0, np.int32)
    ids = np.ascontiguousarray(ids, dtype=np.int32)
    if len(ids) > LONGEST // 2:
        raise InputError(f"text: expected at most {LONGEST // 2:,} tokens, got {len(ids):,}")
    native = library() is not None
    most = order if 1 <= order <= MOST else MOST
    if end is None:
        line, alphabet, what = ids, vocab_size, "text"
        room = np.concatenate([np.minimum(np.arange(len(row), 0, -1), most) for row in rows] or [ids])
        room = room.astype(np.uint8)
    else:
        cut = grams.sentences_native if native else grams.sentences_numpy
        ends = np.cumsum([len(row) for row in rows], dtype=np.int64)
        pieces = [cut(piece, vocab_size, end, most) for piece in np.split(ids, ends[:-1])]
        line, room = pieces[0] if len(pieces) == 1 else map(np.concatenate, zip(*pieces, strict=True))
        alphabet, what = vocab_size + 1, "longest sentence, its two ends included,"
    longest = int(room.max(initial=0))
    if not 1 <= order <= longest:
        highest = f"1..{longest} (the {what} has {longest} tokens)" if longest < MOST else f"1..{MOST}"
        raise InputError(f"order: expected {highest}, got {order}")
    made = (grams.levels_native if native else grams.levels_numpy)(line, room, alphabet, order)
    if end is not None:
        made[0].counts[vocab_size] = 0
    return NgramCounts(vocab_size, tuple(Level(*level, alphabet) for level in made), end)


def longest_row(tokens: Integer[Array, " T"], end: int | None) -> int:
    """The highest order that a text can be counted to: its length, or its longest sentence with both ends."""
    if end is None or not len(tokens):
        return len(tokens)
    ends = np.flatnonzero(tokens == end)
    return int(np.diff(ends, prepend=-1, append=len(tokens) - 1).max()) + 1


def counts_to_arrays(counts: NgramCounts) -> dict[str, Array]:
    """The arrays of a file: tokens, offsets and counts of every level."""
    return {
        f"{name}{k}": getattr(level, name)
        for k, level in enumerate(counts.levels, 1)
        for name in ("tokens", "first", "counts", "links")
    }


def counts_from_arrays(
    arrays: dict[str, Array], vocab_size: int, order: int, end: int | None = None
) -> NgramCounts:
    """Counts back from their arrays; raises FileFormatError when these cannot be counts."""
    if order < 1 or vocab_size < 1 or not (end is None or 0 <= end < vocab_size):
        raise FileFormatError(f"n-gram model: expected an order and a vocabulary, got {order}, {vocab_size}")
    if len(arrays) != 4 * order:
        raise FileFormatError(f"n-gram model: expected {order} levels, got {len(arrays) / 4:g}")
    alphabet = vocab_size + (end is not None)
    levels: list[Level] = []
    below = 1
    for k in range(1, order + 1):
        try:
            columns = [arrays[f"{name}{k}"] for name in ("tokens", "first", "counts", "links")]
        except KeyError as error:
            raise FileFormatError(f"n-gram model: the array {error} is missing") from error
        tokens, first, counts, links = columns
        kinds = [np.int32, np.uint32, np.uint32, np.uint32]
        sound = (
            all(c.dtype == kind and c.ndim == 1 for c, kind in zip(columns, kinds, strict=True))
            and len(tokens) == len(counts) == len(links) > 0
            and check_trie(tokens, first, below, alphabet)
            and (k > 1 or len(tokens) == alphabet)
            and int(links.max()) < max(below, 1)
        )
        if not sound:
            raise FileFormatError(f"n-gram model: level {k} holds no sorted counts")
        levels.append(Level(tokens, first, counts, links, alphabet))
        below = len(tokens)
    return NgramCounts(vocab_size, tuple(levels), end)


def check_trie(tokens: Array, first: Array, contexts: int, alphabet: int) -> bool:
    """Whether offsets divide the tokens among all contexts, and tokens rise within each."""
    if len(first) != contexts + 1 or first[0] != 0 or first[-1] != len(tokens):
        return False
    if not (first[1:] >= first[:-1]).all() or tokens.min() < 0 or tokens.max() >= alphabet:
        return False
    rising = tokens[1:] > tokens[:-1]
    rising[np.unique(first[(first > 0) & (first < len(tokens))]) - 1] = True  # from one context to the next
    return bool(rising.all())
