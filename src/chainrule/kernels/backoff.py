"""Reading and making backoff models: log p(w | h) = log_prob(h w), or backoff(h) + log p(w | h').

h' is h without its first token. A level is a trie's: the n-grams that extend context c stand at first[c] to
first[c + 1], their last tokens rising; level 1 holds the alphabet, token t at t. Where codes are given, they
choose among 256 values. After the token `end` a sentence begins anew, with the context token vocab_size.

Shape letters: B rows, T time, V vocabulary, H = n - 1 tokens of history, U n-grams, C contexts.
"""

import ctypes
from collections.abc import Sequence
from ctypes import c_int32, c_int64, c_void_p
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float32, Float64, Int32, Int64, UInt8, UInt32

from chainrule.kernels.grams import parents_of
from chainrule.kernels.native import call, cores, in_threads, library

Array = np.ndarray
ABSENT = -1
PIECE = 1 << 14  # numbers that are worked on at once
APART = 20_000  # tokens that are worth a thread of their own


class LevelArrays(NamedTuple):
    """One order of a backoff model. log_probs, backoffs: [U], or the 256 values that the codes [U] choose."""

    tokens: Int32[Array, " U"]
    first: UInt32[Array, " C_plus_1"]
    log_probs: Float32[Array, " P"]
    backoffs: Float32[Array, " Q"] | None = None
    prob_codes: UInt8[Array, " U"] | None = None
    backoff_codes: UInt8[Array, " U"] | None = None

    def log_prob(self, at: Any) -> Any:
        return self.log_probs[at if self.prob_codes is None else self.prob_codes[at]]

    def backoff(self, at: Any) -> Any:
        assert self.backoffs is not None
        return self.backoffs[at if self.backoff_codes is None else self.backoff_codes[at]]


class _Level(ctypes.Structure):
    _fields_ = [
        *((name, c_void_p) for name in LevelArrays._fields),
        ("size", c_int64),
        ("contexts", c_int64),
    ]


class Table(NamedTuple):
    """Levels as the compiled loops read them, and the arrays that must stay alive for it."""

    levels: Sequence[LevelArrays]
    vocab_size: int
    end: int
    structure: Any

    @property
    def order(self) -> int:
        return len(self.levels)


def table(levels: Sequence[LevelArrays], vocab_size: int, end: int | None) -> Table:
    """A table of the levels, made once a model."""
    rows: list[_Level] = []
    for level in levels:
        places = (None if array is None else array.ctypes.data for array in level)
        rows.append(_Level(*places, len(level.tokens), len(level.first) - 1))
    return Table(levels, vocab_size, ABSENT if end is None else end, (_Level * len(rows))(*rows))


def score(
    made: Table, history: Int32[Array, "B H"], tokens: Int32[Array, "B T"]
) -> tuple[Float64[Array, "B T"], UInt8[Array, "B T"]]:
    """Log-probability of every token after the history and all before it, and the order it was found in."""
    if library() is None:
        return score_numpy(made, history, tokens)
    return score_native(made, history, tokens)


def score_native(
    made: Table, history: Int32[Array, "B H"], tokens: Int32[Array, "B T"]
) -> tuple[Float64[Array, "B T"], UInt8[Array, "B T"]]:
    """Several rows, or the parts of a long one, are read by several threads at once: where a part begins, its
    history is known from the tokens before."""
    log_probs, matched = np.empty(tokens.shape), np.empty(tokens.shape, np.uint8)
    rows, length = tokens.shape
    pieces = min(cores(), max(1, tokens.size // APART))
    history = np.ascontiguousarray(history, np.int32)
    tasks: list[tuple[Any, ...]] = []
    if rows >= pieces:
        tasks = [(history[low:high], slice(low, high), slice(0, length)) for low, high in _cuts(rows, pieces)]
    else:
        for row in range(rows):
            for low, high in _cuts(length, pieces):
                before = history_after(history[row], tokens[row, :low], made)[None]
                tasks.append((before, slice(row, row + 1), slice(low, high)))

    def work(before: Array, some: slice, part: slice) -> None:
        sizes = c_int32(made.order), made.vocab_size, made.end
        extent = some.stop - some.start, part.stop - part.start, length
        columns = (array[some.start :, part.start :] for array in (tokens, log_probs, matched))
        inside, out, orders = (ctypes.c_void_p(column.ctypes.data) for column in columns)
        call("score", made.structure, *sizes, np.ascontiguousarray(before), inside, *extent, out, orders)

    if pieces < 2:
        for task in tasks:
            work(*task)
    else:
        in_threads(work, tasks)
    return log_probs, matched


def walk(made: Table, history: Int32[Array, " H"], tokens: Int32[Array, " T"]) -> Int64[Array, "n T"]:
    """At every token of a row the n-gram of each length 1..n that ends there, ABSENT where there is none.

    Of the levels only tokens and offsets are read: `Table` may be of counts. Its readable twin is
    `NgramCounts.walk`."""
    ends = np.empty((made.order, len(tokens)), np.int64)
    sizes = c_int32(made.order), made.vocab_size, made.end
    tokens = np.ascontiguousarray(tokens, np.int32)
    call("walk", made.structure, *sizes, np.ascontiguousarray(history, np.int32), tokens, len(tokens), ends)
    return ends


def _cuts(length: int, pieces: int) -> list[tuple[int, int]]:
    edges = [length * piece // pieces for piece in range(pieces + 1)]
    return list(pairwise(edges))


def history_after(history: Int32[Array, " H"], tokens: Int32[Array, " T"], made: Table) -> Int32[Array, " H"]:
    """The last H tokens of a history and what followed it; none from before the sentence."""
    size = len(history)
    if not size:
        return history
    line = np.concatenate([history, tokens[max(0, len(tokens) - size) :]])[-size:].astype(np.int32)
    ended = np.flatnonzero(line == made.end) if made.end >= 0 else line[:0]
    if len(ended):
        kept = line[int(ended[-1]) + 1 :]
        line = np.full(size, ABSENT, np.int32)
        line[size - len(kept) :] = kept
        line[size - len(kept) - 1] = made.vocab_size
    return line


def score_numpy(
    made: Table, history: Int32[Array, "B H"], tokens: Int32[Array, "B T"]
) -> tuple[Float64[Array, "B T"], UInt8[Array, "B T"]]:
    """The readable twin of `score_native`."""
    log_probs, matched = np.empty(tokens.shape), np.empty(tokens.shape, np.uint8)
    for row, line in enumerate(tokens):
        before = history[row]
        for t, token in enumerate(line.tolist()):
            contexts = contexts_of(made, before)
            total = 0.0
            for k in range(len(contexts), 0, -1):
                context = contexts[k - 1]
                at = find(made, k, context, token)
                if at != ABSENT:
                    log_probs[row, t], matched[row, t] = total + float(made.levels[k - 1].log_prob(at)), k
                    break
                if k > 1 and context != ABSENT:
                    total += float(made.levels[k - 2].backoff(context))
            else:
                log_probs[row, t], matched[row, t] = -np.inf, 1
            before = history_after(before, line[t : t + 1], made)
    return log_probs, matched


def contexts_of(made: Table, history: Int32[Array, " H"]) -> list[int]:
    """The slots of the contexts of length 0 to n - 1 that end a history, ABSENT where not listed."""
    contexts = [0] + [ABSENT] * (made.order - 1)
    for token in history.tolist():
        if token >= 0:
            ends = [find(made, k, contexts[k - 1], token) for k in range(1, made.order)]
            contexts = [0, *ends]
    return contexts


def find(made: Table, k: int, context: int, token: int) -> int:
    """The slot of the k-gram that extends a context by a token, or ABSENT."""
    level = made.levels[k - 1]
    if k == 1:
        return token if 0 <= token < len(level.tokens) else ABSENT
    if context == ABSENT:
        return ABSENT
    low, high = children(level, context)
    at = low + int(np.searchsorted(level.tokens[low:high], token))
    return at if at < high and level.tokens[at] == token else ABSENT


def children(level: LevelArrays, context: int) -> tuple[int, int]:
    """The slots that extend a context: from, up to. Offsets of a damaged file are kept inside the arrays."""
    high = min(int(level.first[context + 1]), len(level.tokens))
    return min(int(level.first[context]), high), high


def predict(made: Table, history: Int32[Array, "B H"]) -> Float64[Array, "B V"]:
    """Log-probabilities of every token after each history."""
    if library() is None:
        return predict_numpy(made, history)
    return predict_native(made, history)


def predict_native(made: Table, history: Int32[Array, "B H"]) -> Float64[Array, "B V"]:
    """One pass over the vocabulary and one over the listed extensions of each context."""
    out = np.empty((len(history), made.vocab_size))
    for row, before in zip(out, history, strict=True):
        call("predict", made.structure, c_int32(made.order), made.vocab_size, made.end, before, row)
    return out


def predict_numpy(made: Table, history: Int32[Array, "B H"]) -> Float64[Array, "B V"]:
    """The readable twin of `predict_native`."""
    out = np.empty((len(history), made.vocab_size))
    for row, before in enumerate(history):
        contexts = contexts_of(made, before)
        weight = np.zeros(made.order)  # what a token found at order k + 1 pays for the longer contexts
        for k in range(made.order - 1, 0, -1):
            listed = contexts[k] != ABSENT
            weight[k - 1] = weight[k] + (float(made.levels[k - 1].backoff(contexts[k])) if listed else 0.0)
        out[row] = made.levels[0].log_prob(np.arange(made.vocab_size)) + weight[0]
        for k in range(1, made.order):
            if contexts[k] != ABSENT:
                level = made.levels[k]
                at = np.arange(*children(level, contexts[k]))
                at = at[(level.tokens[at] >= 0) & (level.tokens[at] < made.vocab_size)]
                out[row, level.tokens[at]] = level.log_prob(at) + weight[k]
    return out


def slots_native(made: Table, rows: Int32[Array, "R k"]) -> Int64[Array, " R"]:
    """Where the context, all but the last token, of each row is listed; ABSENT where it is not."""
    out = np.empty(len(rows), np.int64)
    call("slots", made.structure, rows, len(rows), c_int32(rows.shape[1]), out)
    return out


def slots_numpy(made: Table, rows: Int32[Array, "R k"]) -> Int64[Array, " R"]:
    """The readable twin of `slots_native`."""
    out = np.empty(len(rows), np.int64)
    for i, row in enumerate(rows.tolist()):
        slot = 0
        for k, token in enumerate(row[:-1], 1):
            slot = find(made, k, slot, token)
        out[i] = slot
    return out


class Interpolated(NamedTuple):
    """One level's probabilities, their logarithms, and the backoffs of the level below, in nats."""

    probs: Float64[Array, " U"]
    log_probs: Float32[Array, " U"]
    backoffs: Float32[Array, " C"]


def interpolate_native(
    first: UInt32[Array, " C_plus_1"],
    counts: UInt32[Array, " U"],
    kept: UInt8[Array, " U"] | None,
    discounts: Float64[Array, " 4"],
    types: bool,
    lower: Float64[Array, " L"],
    links: UInt32[Array, " U"],
) -> Interpolated:
    """p(w | h) = (c - D(c)) / total + backoff(h) p(w | h'), backoff(h) = sum over w of D(c) / total.

    discounts: D of counts 0, 1, 2, and 3 or more. kept: 0 for an n-gram that is to go: its whole count is
    discounted. types: Witten & Bell's: as many again as there are different tokens after h join the
    discounts and the total. lower, links: the probabilities of the level below, and where h' w is in it.
    """
    contexts, size = len(first) - 1, len(counts)
    made = Interpolated(np.empty(size), np.empty(size, np.float32), np.empty(contexts, np.float32))
    weights = np.empty(contexts)

    def work(low: int, high: int) -> None:
        evidence = counts, kept, discounts, c_int32(types), lower, links
        call("interpolate", first, low, high, *evidence, made.probs, weights)
        _log(made.probs, made.log_probs, int(first[low]), int(first[high]))
        _log(weights, made.backoffs, low, high)

    pieces = cores() if size > APART else 1
    # the first contexts have the most n-grams
    cuts = np.searchsorted(first, np.linspace(0, size, pieces + 1)[1:-1])
    in_threads(work, list(pairwise([0, *cuts.tolist(), contexts])))
    return made


def _log(numbers: Float64[Array, " N"], out: Float32[Array, " N"], low: int, high: int) -> None:
    """A slice's logarithms, in pieces that stay in the cache; NumPy's are vectorised, those of C are not."""
    with np.errstate(divide="ignore"):
        for at in range(low, high, PIECE):
            end = min(at + PIECE, high)
            out[at:end] = np.log(numbers[at:end])


def interpolate_numpy(
    first: UInt32[Array, " C_plus_1"],
    counts: UInt32[Array, " U"],
    kept: UInt8[Array, " U"] | None,
    discounts: Float64[Array, " 4"],
    types: bool,
    lower: Float64[Array, " L"],
    links: UInt32[Array, " U"],
) -> Interpolated:
    """The readable twin of `interpolate_native`."""
    context, contexts = parents_of(first), len(first) - 1
    less = discounts[np.minimum(counts, 3)]
    if kept is not None:
        less = np.where(kept, less, counts)
    kinds = np.bincount(context, counts > 0, contexts) if types else 0
    total = np.bincount(context, counts, contexts) + kinds
    mass = np.bincount(context, less, contexts) + kinds
    weight = np.divide(mass, total, out=np.ones(contexts), where=total > 0)
    seen = np.maximum(total, np.finfo(float).tiny)[context]  # 0 / 0 is 0
    probs = (counts - less) / seen + weight[context] * lower[links]
    with np.errstate(divide="ignore"):
        return Interpolated(probs, np.log(probs).astype(np.float32), np.log(weight).astype(np.float32))
