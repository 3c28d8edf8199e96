"""Lines of an ARPA file, written and read: log10 probability, the words of an n-gram, a backoff or none.

    log10 p = ln p / ln 10, in nine digits, which are enough to lead back to the same single

Shape letters: U n-grams, k their order, W words, N bytes of text, S slots of a hash table.
"""

import re
from collections.abc import Sequence
from ctypes import c_int32, c_int64
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from math import floor, isfinite
from typing import NamedTuple

import numpy as np
from jaxtyping import Float32, Float64, Int32, Int64, UInt8, UInt32

from chainrule.kernels.native import call, check_memory

Array = np.ndarray
LN10 = 2.302585092994046
DIGITS = 9
NUMBER_BYTES = 16  # that a number written takes at most
NUMBER = re.compile(rb"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?|-(?i:inf)")
LONGEST_NUMBER = 64  # bytes
LARGEST = 1e37  # that is a single in nats too
NO_NUMBER, POSITIVE, NO_WORD, FIELDS, TOO_MANY, TOO_LONG = range(-1, -7, -1)  # what can be wrong with a line


class Lines(NamedTuple):
    """Lines of one section as they stand in a file. rows: words, or from where to where a word goes in the
    text. lines: how many lines stand before each. bytes, passed: how much was read, in bytes and in lines.
    wrong: what is wrong with the line that comes next, or 0.
    """

    rows: Int32[Array, "U k"]
    probs: Float64[Array, " U"]
    backoffs: Float64[Array, " U"]
    lines: Int64[Array, " U"]
    bytes: int
    passed: int
    wrong: int


@dataclass(frozen=True, eq=False)
class Words:
    """Spellings one after another, and where each begins and the last ends."""

    blob: bytes
    starts: Int64[Array, " W_plus_1"]

    @classmethod
    def of(cls, words: Sequence[bytes]) -> "Words":
        return cls(b"".join(words), np.cumsum([0, *map(len, words)], dtype=np.int64))

    @cached_property
    def spelled(self) -> list[bytes]:
        places = self.starts.tolist()
        return [self.blob[low:high] for low, high in pairwise(places)]

    def spell(self, row: Int32[Array, " k"]) -> bytes:
        """The words of an n-gram."""
        return b" ".join([self.spelled[w] for w in row.tolist()])

    @cached_property
    def number(self) -> dict[bytes, int]:
        """The number of each word."""
        return {word: w for w, word in enumerate(self.spelled)}

    @cached_property
    def table(self) -> Int32[Array, " S"]:
        """`number` for the compiled loops: hashed, at most half full."""
        words = len(self.starts) - 1
        made = np.full(max(4, 1 << (2 * words).bit_length()), -1, np.int32)
        call("arpa_table", self.bytes, self.starts, words, made, len(made))
        return made

    @property
    def bytes(self) -> UInt8[Array, " _"]:
        """The blob for the compiled loops."""
        return np.frombuffer(self.blob or b"\0", np.uint8)


def write_native(
    rows: Int32[Array, "U k"],
    log_probs: Float32[Array, " U"],
    backoffs: Float32[Array, " U"] | None,
    words: Words,
) -> bytes:
    """Lines of n-grams from natural logarithms; -99 stands for the logarithm of 0."""
    room = int(np.diff(words.starts)[rows].sum()) + rows.size + (2 * NUMBER_BYTES + 2) * len(rows)
    out = np.empty(room, np.uint8)
    known = words.bytes, words.starts
    arguments = (rows, len(rows), c_int32(rows.shape[1]), log_probs, backoffs, *known, out)
    made: int = call("arpa_write", *arguments, returns=c_int64)
    return out[:made].tobytes()


def write_python(
    rows: Int32[Array, "U k"],
    log_probs: Float32[Array, " U"],
    backoffs: Float32[Array, " U"] | None,
    words: Words,
) -> bytes:
    """The readable twin of `write_native`."""
    ends = [b""] * len(rows) if backoffs is None else [b"\t" + _spelled(value) for value in backoffs.tolist()]
    lines = (
        _spelled(value) + b"\t" + b" ".join([words.spelled[w] for w in row]) + end + b"\n"
        for row, value, end in zip(rows.tolist(), log_probs.tolist(), ends, strict=True)
    )
    return b"".join(lines)


def _ten(power: int) -> float:
    return float(f"1e{power}")  # the nearest double, which 10.0**power need not be


def _spelled(nats: float) -> bytes:
    """log10 in DIGITS digits, those that are 0 at the end left out."""
    value = abs(nats) / LN10
    if not isfinite(value):
        return b"-99"
    sign = b"-" if nats < 0 else b""
    if value == 0:
        return sign + b"0"
    e = -1 if value < 1 else 0  # 10^e <= value < 10^(e+1)
    while e < 0 and value * _ten(-e) < 1:
        e -= 1
    while e >= 0 and value >= _ten(e + 1):
        e += 1
    shift = DIGITS - 1 - e
    whole = floor((value * _ten(shift) if shift >= 0 else value / _ten(-shift)) + 0.5)
    if whole == 10**DIGITS:
        whole, e = whole // 10, e + 1
    digits = (b"%d" % whole).rjust(DIGITS, b"0")
    if not -5 <= e < DIGITS:
        rest = digits[1:].rstrip(b"0")
        power = b"e%c%02d" % (b"-" if e < 0 else b"+", abs(e))
        return sign + digits[:1] + (b"." + rest if rest else b"") + power
    digits = b"0" * -e + digits if e < 0 else digits
    point = max(e, 0) + 1
    rest = digits[point:].rstrip(b"0")
    return sign + digits[:point] + (b"." + rest if rest else b"")


def read_native(text: bytes, k: int, most: int, longest: int, words: Words | None) -> Lines:
    """At most `most` lines of k-grams; a line that begins with a backslash ends the section.

    text: whole lines, under 2 GiB. longest: bytes of a line. words: None in the section that lists them.
    """
    _check(text, k, words)
    room = min(most, len(text) // (2 * k + 2)) + 1  # `0 a b` and a line end: no line is shorter
    rows, lines = np.empty((room, k if words else 2), np.int32), np.empty(room, np.int64)
    probs, backoffs = np.empty((2, room))
    found = np.zeros(4, np.int64)
    known = (words.bytes, words.starts, words.table, len(words.table)) if words else (None, None, None, 0)
    data = np.frombuffer(text or b"\0", np.uint8)
    arguments = (data, len(text), c_int32(k), min(most, room), longest, *known)
    call("arpa_read", *arguments, rows, probs, backoffs, lines, found)
    made, end, passed, wrong = found.tolist()
    return Lines(rows[:made], probs[:made], backoffs[:made], lines[:made], end, passed, wrong)


def _check(text: bytes, k: int, words: Words | None) -> None:
    """What the compiled loop trusts."""
    if (text and not text.endswith(b"\n")) or len(text) >= 1 << 31 or k < 1 or (k > 1 and words is None):
        raise ValueError("lines: expected whole ones, under 2 GiB, of an order with its words")


def read_python(text: bytes, k: int, most: int, longest: int, words: Words | None) -> Lines:
    """The readable twin of `read_native`."""
    _check(text, k, words)
    rows: list[list[int]] = []
    probs: list[float] = []
    backoffs: list[float] = []
    lines: list[int] = []
    at = passed = wrong = 0
    while at < len(text) and text[at : at + 1] != b"\\":
        end = text.index(b"\n", at)
        places = [(at + found.start(), at + found.end()) for found in re.finditer(rb"\S+", text[at:end])]
        fields = [text[low:high] for low, high in places]
        wrong = TOO_MANY if fields and len(rows) == most else _wrong(fields, k, words)
        wrong = wrong or (TOO_LONG if end - at > longest else 0)
        if wrong:
            break
        if fields:
            rows.append([words.number[word] for word in fields[1 : k + 1]] if words else list(places[1]))
            probs.append(float(fields[0]))
            backoffs.append(float(fields[k + 1]) if len(fields) > k + 1 else 0.0)
            lines.append(passed)
        at, passed = end + 1, passed + 1
    ids = np.array(rows, np.int32).reshape(len(rows), k if words else 2)
    numbers = np.array(probs, float), np.array(backoffs, float), np.array(lines, np.int64)
    return Lines(ids, *numbers, at, passed, wrong)


def _wrong(fields: Sequence[bytes], k: int, words: Words | None) -> int:
    """What is wrong with a line first, from left to right."""
    for i, field in enumerate(fields):
        if i in (0, k + 1):
            good = len(field) <= LONGEST_NUMBER and NUMBER.fullmatch(field)
            if not good or (abs(float(field)) > LARGEST and field.lower() != b"-inf"):
                return NO_NUMBER
            if i == 0 and float(field) > 0:
                return POSITIVE
        elif i > k + 1:
            return FIELDS
        elif words and field not in words.number:
            return NO_WORD
    return FIELDS if 0 < len(fields) <= k else 0


def sort_native(rows: Int32[Array, "U k"], alphabet: int) -> UInt32[Array, " U"]:
    """Where rows stand in lexicographic order; they hold numbers below `alphabet`."""
    if len(rows) and not (rows.min() >= 0 and rows.max() < alphabet):
        raise ValueError(f"rows: expected numbers in 0..{alphabet - 1}")
    if 4 * len(rows) < alphabet:  # then counting what each column holds takes longest
        return sort_numpy(rows, alphabet)
    order, spare = np.empty(len(rows), np.uint32), np.empty(len(rows), np.uint32)
    check_memory(
        call("arpa_sort", rows, len(rows), c_int32(rows.shape[1]), alphabet, order, spare, returns=c_int32)
    )
    return order


def sort_numpy(rows: Int32[Array, "U k"], alphabet: int) -> UInt32[Array, " U"]:
    """The readable twin of `sort_native`."""
    del alphabet
    return np.lexsort(rows.T[::-1]).astype(np.uint32)


def contexts_native(rows: Int32[Array, "U k"], below: Int32[Array, "C k_less_1"]) -> Int64[Array, " U"]:
    """Where all but the last column of each row stands in `below`, or -1; both are in order."""
    if rows.shape[1] != below.shape[1] + 1:
        raise ValueError(f"contexts: expected {rows.shape[1] - 1} columns, got {below.shape[1]}")
    out = np.empty(len(rows), np.int64)
    call("arpa_contexts", rows, len(rows), c_int32(rows.shape[1]), below, len(below), out)
    return out


def contexts_numpy(rows: Int32[Array, "U k"], below: Int32[Array, "C k_less_1"]) -> Int64[Array, " U"]:
    """The readable twin of `contexts_native`."""
    slot = {tuple(row): i for i, row in enumerate(below.tolist())}
    return np.array([slot.get(tuple(row[:-1]), -1) for row in rows.tolist()], np.int64)
