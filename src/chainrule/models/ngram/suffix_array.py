"""Phrases of any length, counted: in a suffix array all suffixes that begin with a phrase stand side by side.

    p(x | h) = c(h' x) / sum_y c(h' y),     h' the longest suffix of h that something follows in the text

    a b r a      order   3 a                count(a) = 2: rows 0 and 1
    0 1 2 3              0 a b r a          after a: b once; the a at 3 is the last token
                         1 b r a            longest suffix of r b seen before something: b
                         2 r a

Arrays: Manber & Myers 1993, refined as in Larsson & Sadakane 2007; look-up: Liu et al. 2024 (Infini-gram).

Shape letters: N tokens, T phrase, H history, K different tokens, P suffixes still to be told apart.
"""

from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Int32, Int64, Integer, UInt64

from chainrule.core import FileFormatError, InputError, check_tokens

Array = np.ndarray
LONGEST = (1 << 32) - 2  # tokens: two ranks have to fit into 64 bits


class Found(NamedTuple):
    """The longest suffix of a history that something follows: its length, and its rows of the order."""

    length: int
    low: int
    high: int


@dataclass(frozen=True, eq=False)
class SuffixIndex:
    """A text and its suffix array. order: where each suffix begins, in lexicographic order.

    A phrase may hold no id outside 0..V-1 (InputError); the empty phrase stands before every token, N times.
    Phrases run over document ends; a token of its own between documents keeps them apart.
    """

    tokens: Integer[Array, " N"]
    order: Integer[Array, " N"]
    vocab_size: int

    @classmethod
    def build(cls, tokens: Integer[Array, " N"], vocab_size: int) -> "SuffixIndex":
        """Sort the suffixes of a text."""
        check_tokens(tokens, vocab_size)
        return cls(tokens, suffix_array(tokens), vocab_size)

    @classmethod
    def restore(cls, tokens: Integer[Array, " N"], order: Array, vocab_size: int) -> "SuffixIndex":
        """The same from an order that was kept; raises FileFormatError unless it sorts these tokens."""
        check_tokens(tokens, vocab_size)
        if not is_suffix_array(tokens, order):
            raise FileFormatError(f"suffix array: expected the order of these {len(tokens):,} suffixes")
        return cls(tokens, order, vocab_size)

    def __len__(self) -> int:
        return len(self.tokens)

    def range_of(self, phrase: Integer[Array, " T"]) -> tuple[int, int]:
        """The rows low to high - 1 of the order whose suffixes begin with the phrase."""
        return self._rows(_checked(phrase, self.vocab_size))

    def count(self, phrase: Integer[Array, " T"]) -> int:
        """How often the phrase occurs; occurrences may overlap."""
        low, high = self.range_of(phrase)
        return high - low

    def longest_suffix(self, history: Integer[Array, " H"]) -> Found:
        """The longest suffix of the history that occurs with a token after it; length 0 where none does."""
        wanted = _checked(history, self.vocab_size)

        def followed(length: int) -> tuple[int, int]:
            low, high = self._rows(wanted[len(wanted) - length :])
            # the text's own end is a prefix of all the others, so it comes first
            return low + (low < high and int(self.order[low]) + length == len(self)), high

        def missing(length: int) -> bool:
            low, high = followed(length)
            return low >= high

        # what a longer suffix ends with occurs wherever it does: lengths occur up to one, and none above
        longest = bisect_left(range(1, min(len(wanted), len(self)) + 1), True, key=missing)
        return Found(longest, *followed(longest))

    def next_counts(
        self, history: Integer[Array, " H"]
    ) -> tuple[int, Integer[Array, " K"], Int64[Array, " K"]]:
        """How long a suffix of the history was found, the tokens after it, and how often each came; the most
        frequent first, ties by the id."""
        length, low, high = self.longest_suffix(history)
        ids, counts = np.unique(self.tokens[self.order[low:high] + length], return_counts=True)
        falling = np.argsort(-counts, kind="stable")
        return length, ids[falling], counts[falling]

    def where(self, phrase: Integer[Array, " T"], limit: int | None = None) -> Integer[Array, " _"]:
        """Where the phrase begins, in the order of the text: the first `limit` places, or all."""
        if limit is not None and limit < 0:
            raise InputError(f"limit: expected 0 or more, got {limit}")
        low, high = self.range_of(phrase)
        return np.sort(self.order[low:high])[:limit]

    def _rows(self, wanted: list[int]) -> tuple[int, int]:
        def row(at: np.integer) -> list[int]:
            """The first tokens of a suffix, as a list: lists compare as words in a dictionary do."""
            return self.tokens[int(at) : int(at) + len(wanted)].tolist()

        low = bisect_left(self.order, wanted, key=row)
        return low, bisect_right(self.order, wanted, low, key=row)


def suffix_array(tokens: Integer[Array, " N"]) -> Int32[Array, " N"] | Int64[Array, " N"]:
    """Where each suffix begins, in lexicographic order; one that is a prefix of another comes before it.

    Every round packs as many ranks as fit into 64 bits, so that the known prefixes grow at least twofold,
    and sorts again only those suffixes that are not told apart yet.
    """
    _check_line(tokens)
    rank = _small_ids(tokens)
    order, slots = np.arange(len(tokens)), np.arange(len(tokens))
    known = 1  # the tokens that a rank has looked at
    while len(slots):
        keys, reach = _packed(rank, order[slots], known)
        known *= reach
        by_key = np.argsort(keys, kind="stable")  # which is quick where runs are sorted already
        keys, order[slots] = keys[by_key], order[slots][by_key]
        first = np.ones(len(keys), dtype=bool)
        first[1:] = keys[1:] != keys[:-1]
        # a suffix ranks by the slot where its equals begin: to split them changes no other's rank
        rank[order[slots]] = slots[first][np.cumsum(first) - 1] + 1
        alone = first & np.append(first[1:], True)
        slots = slots[~alone]
    return order.astype(np.int32 if len(tokens) < 1 << 31 else np.int64)


def is_suffix_array(tokens: Integer[Array, " N"], order: Array) -> bool:
    """Whether an array is the suffix array of `tokens`, in linear time (Burkhardt & Karkkainen 2003)."""
    n = len(tokens)
    if order.shape != (n,) or order.dtype.kind != "i" or (n and not 0 <= order.min() <= order.max() < n):
        return False
    rank = np.full(n + 1, -1)  # what is past the end comes before all
    rank[order] = np.arange(n)
    if (rank[:n] < 0).any():
        return False
    here, after = order[:-1], order[1:]
    tied = tokens[here] == tokens[after]
    return bool(np.where(tied, rank[here + 1] < rank[after + 1], tokens[here] < tokens[after]).all())


def _small_ids(tokens: Integer[Array, " N"]) -> UInt64[Array, " N_plus_1"]:
    """Ranks of the tokens from 1, and 0 past the end of the text."""
    if len(tokens) and not 0 <= tokens.min() <= tokens.max() <= len(tokens):
        tokens = np.unique(tokens, return_inverse=True)[1]
    rank = np.zeros(len(tokens) + 1, dtype=np.uint64)
    rank[:-1] = tokens
    rank[:-1] += np.uint64(1)
    return rank


def _packed(
    rank: UInt64[Array, " N_plus_1"], places: Integer[Array, " P"], known: int
) -> tuple[UInt64[Array, " P"], int]:
    """As many ranks from each place on as fit, `known` tokens apart, as one number; and how many."""
    base, end = int(rank.max()) + 1, len(rank) - 1
    keys, reach = rank[places], 1
    while base ** (reach + 1) <= 1 << 64:
        keys = keys * np.uint64(base) + rank[np.minimum(places + known * reach, end)]
        reach += 1
    return keys, reach


def _check_line(tokens: Array) -> None:
    if tokens.ndim != 1 or tokens.dtype.kind not in "iu":
        raise InputError(f"tokens: expected a row of integer ids, got {tokens.dtype} {list(tokens.shape)}")
    if len(tokens) > LONGEST:
        raise InputError(f"tokens: expected at most {LONGEST:,}, got {len(tokens):,}")


def _checked(phrase: Integer[Array, " T"], vocab_size: int) -> list[int]:
    """The ids of a phrase, or an InputError that names the one that is none."""
    return check_tokens(phrase, vocab_size).tolist()
