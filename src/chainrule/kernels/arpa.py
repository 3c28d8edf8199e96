"""Lines of an ARPA file: log10 probability, tab, the words of an n-gram, and a tab and a backoff where it has one.

Shape letters: U n-grams of a section, k their order.
"""

import re
from collections.abc import Sequence
from ctypes import c_int32, c_int64
from typing import NamedTuple

import numpy as np
from jaxtyping import Float64, Int32, Int64

from chainrule.kernels.native import call, check_memory

Array = np.ndarray
NUMBER = re.compile(rb"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
WRONG = {-1: "a number", -2: "a number, the words, and a backoff or none", -3: "no more lines", -4: "listed words"}
BLANK = b" \t\n\v\f\r"


class Section(NamedTuple):
    """The n-grams of one order as they stand in a file. bytes: how far the section goes. wrong: what was
    expected of the line that begins at byte `line`, where one is wrong."""

    rows: Int32[Array, "U k"]
    probs: Float64[Array, " U"]
    backoffs: Float64[Array, " U"]
    bytes: int
    wrong: str | None
    line: int


class Words(NamedTuple):
    """Spellings one after another, and where each begins and the last ends."""

    blob: bytes
    starts: Int64[Array, " W_plus_1"]

    def __getitem__(self, word: int) -> bytes:  # pyright: ignore[reportIncompatibleMethodOverride]
        return self.blob[self.starts[word] : self.starts[word + 1]]

    @classmethod
    def of(cls, words: Sequence[bytes]) -> "Words":
        return cls(b"".join(words), np.cumsum([0, *map(len, words)], dtype=np.int64))


def write_native(
    rows: Int32[Array, "U k"], probs: Float64[Array, " U"], backoffs: Float64[Array, " U"] | None, words: Words
) -> bytes:
    """Lines with seven decimals; -99 stands for a probability of zero."""
    lengths = np.diff(words.starts)
    room = int(lengths[rows].sum()) + rows.size + len(rows) * 26
    out = np.empty(room, np.uint8)
    blob = np.frombuffer(words.blob, np.uint8)
    arguments = (rows, len(rows), c_int32(rows.shape[1]), probs, backoffs, blob, words.starts, out)
    made: int = call("arpa_write", *arguments, returns=c_int64)
    return out[:made].tobytes()


def write_python(
    rows: Int32[Array, "U k"], probs: Float64[Array, " U"], backoffs: Float64[Array, " U"] | None, words: Words
) -> bytes:
    """The readable twin of `write_native`."""
    spelled = [words.blob[low:high] for low, high in zip(words.starts[:-1], words.starts[1:], strict=True)]
    ends = [b""] * len(rows) if backoffs is None else [b"\t" + _number(b) for b in backoffs.tolist()]
    lines = (
        _number(prob) + b"\t" + b" ".join([spelled[w] for w in row]) + end + b"\n"
        for row, prob, end in zip(rows.tolist(), probs.tolist(), ends, strict=True)
    )
    return b"".join(lines)


def _number(value: float) -> bytes:
    if value <= -99:
        return b"-99"
    whole, rest = divmod(int(np.floor(abs(value) * 1e7 + 0.5)), 10_000_000)
    return b"%s%d.%07d" % (b"-" if value < 0 else b"", whole, rest)


def read_native(text: bytes, k: int, most: int, words: Words) -> Section:
    """The lines of one section, at most so many; `text` ends in a line end."""
    data, blob = np.frombuffer(text, np.uint8), np.frombuffer(words.blob, np.uint8)
    rows, (probs, backoffs) = np.empty((most, k), np.int32), np.empty((2, most))
    found = np.empty(4, np.int64)
    known = blob, words.starts, len(words.starts) - 1
    arguments = (data, len(data), c_int32(k), most, *known, rows, probs, backoffs, found)
    check_memory(call("arpa_read", *arguments, returns=c_int32))
    made, end, wrong, line = found.tolist()
    return Section(rows[:made], probs[:made], backoffs[:made], end, WRONG.get(wrong), line)


def read_python(text: bytes, k: int, most: int, words: Words) -> Section:
    """The readable twin of `read_native`."""
    number = {words[w]: w for w in range(len(words.starts) - 1)}
    rows: list[list[int]] = []
    probs: list[float] = []
    backoffs: list[float] = []
    at, wrong, line = 0, 0, 0
    while at < len(text) and text[at : at + 1] != b"\\":
        line, end = at, text.index(b"\n", at)
        fields = text[at:end].split()
        numbers = [NUMBER.fullmatch(field) for field in (*fields[:1], *fields[k + 1 :])]
        if fields and len(rows) == most:
            wrong = -3
        elif fields and not numbers[0]:
            wrong = -1
        elif any(word not in number for word in fields[1 : k + 1]):
            wrong = -4
        elif fields and not k < len(fields) < k + 3:
            wrong = -2 if len(fields) <= k or numbers[1] else -1
        elif fields and not all(numbers):
            wrong = -1
        if wrong:
            break
        if fields:
            rows.append([number[word] for word in fields[1 : k + 1]])
            probs.append(float(fields[0]))
            backoffs.append(float(fields[k + 1]) if len(fields) > k + 1 else 0.0)
        at = end + 1
    ids = np.array(rows, np.int32).reshape(len(rows), k)
    return Section(ids, np.array(probs, float), np.array(backoffs, float), at, WRONG.get(wrong), line)
