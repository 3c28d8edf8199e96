"""The n-grams of a text, all orders in one sort: a trie with the extensions of a context side by side.

    level 1   a  b  c            every token of the vocabulary, seen or not
    level 2   aa ab | ba | ca    an n-gram is a slot: its last token, and whose child it is, by `first`
    level 3   aab | aba | ...    links: the n-gram without its first token, one level below (aab -> ab)

room[p]: how many tokens from position p on belong to the same row, `order` at most.

Shape letters: N tokens, V tokens of the alphabet, U n-grams of a level, C contexts (n-grams one level below).
"""

from collections.abc import Sequence
from ctypes import c_int32, c_int64
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from jaxtyping import Int32, Int64, UInt8, UInt32

from chainrule.kernels.native import call, check_memory, cores, in_threads

Array = np.ndarray
Line = Int32[Array, " N"]
Room = UInt8[Array, " N"]


class GramLevel(NamedTuple):
    """The n-grams of one order, in the order of their tokens."""

    tokens: Int32[Array, " U"]
    first: UInt32[Array, " C_plus_1"]
    counts: UInt32[Array, " U"]
    links: UInt32[Array, " U"]


def parents_of(first: UInt32[Array, " C_plus_1"]) -> Int64[Array, " U"]:
    """The context of each n-gram of a level, from where the extensions of each context begin."""
    fanout = np.diff(first.astype(np.int64))
    return np.repeat(np.arange(len(fanout)), fanout)


def spelled(
    tokens: Sequence[Int32[Array, " _"]], contexts: Sequence[Int64[Array, " _"]]
) -> Int32[Array, "U n"]:
    """The n-grams of the last level as rows, from last tokens and contexts of all levels, lowest first."""
    index = np.arange(len(tokens[-1]))
    columns: list[Array] = []
    for last, context in zip(reversed(tokens), reversed(contexts), strict=True):
        columns.append(last[index])
        index = context[index]
    return np.stack(columns[::-1], axis=1)


def sentences_native(ids: Line, begin: int, end: int, order: int) -> tuple[Array, Array]:
    """`begin` before every sentence, which `end` ends; and the room from each position on."""
    longest = 2 * len(ids)  # virtual: what is not written takes no memory
    line, room = np.empty(longest, np.int32), np.empty(longest, np.uint8)
    made: int = call(
        "sentences", ids, len(ids), c_int32(begin), c_int32(end), c_int32(order), line, room,
        returns=c_int64,
    )  # fmt: skip
    return line[:made], room[:made]


def sentences_numpy(ids: Line, begin: int, end: int, order: int) -> tuple[Array, Array]:
    """The readable twin of `sentences_native`."""
    starts = np.flatnonzero(np.concatenate([[True], ids[:-1] == end])) if len(ids) else np.empty(0, np.int64)
    line = np.insert(ids, starts, begin).astype(np.int32)
    stops = np.append(starts[1:] + np.arange(1, len(starts)), len(line))  # one past the last of each
    left = np.repeat(stops, np.diff(stops, prepend=0)) - np.arange(len(line)) if len(line) else line
    return line, np.minimum(left, order).astype(np.uint8)


def levels_native(line: Line, room: Room, vocab_size: int, order: int) -> list[GramLevel]:
    """Every level; ids of `line` are below vocab_size, positions fit 32 bits, order is at most 255."""
    text = _sorted_text(line, room, vocab_size, order)
    sizes, heads = np.empty(order, np.int64), np.empty(len(line), np.uint32)
    evidence = text.shared, text.rooms, len(line), c_int32(order)
    heads = heads[: call("heads", *evidence, heads, sizes, returns=c_int64)]

    def level(k: int) -> tuple[Array, Array, Array, Array]:
        return _level(line, text, heads, k, int(sizes[k - 1]))

    made = in_threads(level, [(k,) for k in range(order, 0, -1)])[::-1]
    levels = [_alphabet(made[0][0], made[0][2], vocab_size)]
    first = made[0][1]
    if order > 1:  # from the tokens seen to all of them
        first = first[np.searchsorted(made[0][0], np.arange(vocab_size + 1))]
    for tokens, above, counts, links in made[1:]:
        levels.append(GramLevel(tokens, first, counts, links))
        first = above
    return levels


class _Sorted(NamedTuple):
    """Positions in the order of the tokens from there on; how many tokens each shares with the one before it;
    and its room."""

    positions: UInt32[Array, " N"]
    shared: UInt8[Array, " N"]
    rooms: UInt8[Array, " N"]


def _sorted_text(line: Line, room: Room, vocab_size: int, order: int) -> _Sorted:
    n = len(line)
    text = _Sorted(np.empty(n, np.uint32), np.empty(n, np.uint8), np.empty(n, np.uint8))
    ends = np.zeros(vocab_size + 1, np.int64)
    call("bucket", line, n, vocab_size, ends, text.positions)
    sizes = c_int32(order), c_int32(max(1, int(vocab_size).bit_length()))
    pieces = 8 * cores() if n > 10_000 else 1
    cuts = np.unique(np.searchsorted(ends, np.linspace(0, n, pieces + 1)[1:-1]))

    def sort(low: int, high: int) -> None:
        check_memory(call("sort", line, room, *sizes, ends, low, high, *text, returns=c_int32))

    in_threads(sort, list(pairwise([0, *cuts.tolist(), vocab_size])))
    return text


def _level(
    line: Line, text: _Sorted, heads: UInt32[Array, " H"], k: int, size: int
) -> tuple[Array, Array, Array, Array]:
    """Last tokens, where the extensions of each begin, counts and links of the k-grams."""
    n, tokens = len(line), np.empty(size, np.int32)
    counts, stands, above = (np.empty(length, np.uint32) for length in (size, size, size + 1))
    call("level", line, *text, n, heads, len(heads), c_int32(k), tokens, counts, stands, above)
    if k < 3:
        return tokens, above, counts, tokens.astype(np.uint32)
    links = np.empty(size, np.uint32)
    check_memory(call("links", *text, n, c_int32(k - 1), stands, size, links, returns=c_int32))
    return tokens, above, counts, links


def levels_numpy(line: Line, room: Room, vocab_size: int, order: int) -> list[GramLevel]:
    """The readable twin of `levels_native`: a k-gram is the (k-1)-gram where it starts and a token more."""
    seen, counts = np.unique(line, return_counts=True)
    levels = [_alphabet(seen.astype(np.int32), counts.astype(np.uint32), vocab_size)]
    node = line.astype(np.int64)  # the (k-1)-gram that starts at each position
    for k in range(2, order + 1):
        starts = np.flatnonzero(room >= k)
        keys = node[starts] * vocab_size + line[starts + k - 1]
        found, stands, inverse, counts = np.unique(
            keys, return_index=True, return_inverse=True, return_counts=True
        )
        contexts, tokens = np.divmod(found, vocab_size)
        first = np.searchsorted(contexts, np.arange(len(levels[-1].tokens) + 1))
        links = node[starts[stands] + 1]
        columns = tokens.astype(np.int32), *(a.astype(np.uint32) for a in (first, counts, links))
        levels.append(GramLevel(*columns))
        node[starts] = inverse
    return levels


def _alphabet(tokens: Array, counts: Array, vocab_size: int) -> GramLevel:
    """Level 1: all tokens, those that were not seen with a count of 0."""
    every = np.zeros(vocab_size, np.uint32)
    every[tokens] = counts
    first = np.array([0, vocab_size], np.uint32)
    return GramLevel(np.arange(vocab_size, dtype=np.int32), first, every, np.zeros(vocab_size, np.uint32))


def tally_native(links: UInt32[Array, " U"], size: int) -> UInt32[Array, " C"]:
    """How many links lead to each slot."""
    out = np.zeros(size, np.uint32)
    call("tally", links, len(links), out)
    return out


def tally_numpy(links: UInt32[Array, " U"], size: int) -> UInt32[Array, " C"]:
    """The readable twin of `tally_native`."""
    return np.bincount(links, minlength=size).astype(np.uint32)
