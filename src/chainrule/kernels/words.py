"""White-space words of a text as numbers, and the hashes of its windows, at the speed that it can be read.

Shape letters: N tokens, W distinct words, C characters, H hashes.
"""

from ctypes import c_int32, c_int64, c_uint64
from itertools import pairwise

import numpy as np
from jaxtyping import Int32, UInt32, UInt64

from chainrule.kernels.native import call, check_memory, cores, in_threads, library

Array = np.ndarray
LINE_END = -1
APART = 1 << 20  # bytes that are worth threads


def split_words(text: bytes, *, line_ends: bool = False) -> tuple[Int32[Array, " N"], list[bytes]]:
    """The number of each word, counted in order of first appearance, and the words.

    Words are what ASCII white space separates. line_ends: LINE_END stands after the words of every line, the
    last one too when nothing ends it.
    """
    if library() is None or not text:
        return split_words_python(text, line_ends=line_ends)
    pieces = _pieces(text, cores() if len(text) > APART else 1)

    def split(piece: bytes) -> tuple[Array, list[bytes]]:
        return split_words_native(piece, line_ends=line_ends)

    found = in_threads(split, [(piece,) for piece in pieces])
    ids, words = [found[0][0]], list(found[0][1])
    number = {word: i for i, word in enumerate(words)} if len(found) > 1 else {}
    for more, others in found[1:]:
        known = [number.setdefault(word, len(number)) for word in others]
        ids.append(np.array([*known, LINE_END], np.int32)[more])  # LINE_END, -1, is the last of them
        words = list(number)
    return np.concatenate(ids) if len(ids) > 1 else ids[0], words


def _pieces(text: bytes, count: int) -> list[bytes]:
    """The text cut after line ends into about so many parts."""
    cuts = [0]
    for piece in range(1, count):
        cut = text.find(b"\n", len(text) * piece // count) + 1
        if cut > cuts[-1]:
            cuts.append(cut)
    return [text[low:high] for low, high in pairwise([*cuts, len(text)]) if high > low]


def split_words_native(text: bytes, *, line_ends: bool) -> tuple[Int32[Array, " N"], list[bytes]]:
    """One pass over the bytes with a hash table."""
    data = np.frombuffer(text, np.uint8)
    ids = np.empty(len(data) + 1, np.int32)  # virtual: what is not written takes no memory
    starts, spelled = np.empty(len(data) // 2 + 2, np.int64), np.empty(len(data) + 1, np.uint8)
    counts = np.zeros(2, np.int64)
    arguments = (data, len(data), c_int32(line_ends), ids, starts, spelled, counts)
    check_memory(call("split_words", *arguments, returns=c_int32))
    made, words = counts.tolist()
    bounds = starts[: words + 1].tolist()
    blob = spelled[: bounds[-1]].tobytes()
    return ids[:made], [blob[low:high] for low, high in pairwise(bounds)]


def split_words_python(text: bytes, *, line_ends: bool) -> tuple[Int32[Array, " N"], list[bytes]]:
    """The readable twin of `split_words_native`."""
    number: dict[bytes, int] = {}
    ids: list[int] = []
    lines = text.split(b"\n") if line_ends else [text]
    if line_ends and not lines[-1]:
        lines.pop()
    for line in lines:
        ids += [number.setdefault(word, len(number)) for word in line.split()]
        ids += [LINE_END] * line_ends
    return np.array(ids, np.int32), list(number)


def window_hashes_native(
    codes: UInt32[Array, " C"], width: int, multiplier: int, modulus: int
) -> UInt64[Array, " H"]:
    """The scrambled hash of every window of `width` codes, where it is a multiple of `modulus`."""
    out = np.empty(max(0, len(codes) - width + 1), np.uint64)
    inverse = pow(multiplier, -1, 1 << 64)
    numbers = (c_uint64(number) for number in (multiplier, inverse, modulus))
    kept: int = call("window_hashes", codes, len(codes), width, *numbers, out, returns=c_int64)
    return out[:kept].copy()
