"""White-space words of a text as numbers, and the hashes of its windows, at the speed that it can be read.

Shape letters: N tokens, W distinct words, C characters, H hashes.
"""

from ctypes import c_int32, c_int64, c_uint64

import numpy as np
from jaxtyping import Int32, UInt32, UInt64

from chainrule.kernels.native import call, check_memory, library

Array = np.ndarray
LINE_END = -1


def split_words(text: bytes, *, line_ends: bool = False) -> tuple[Int32[Array, " N"], list[bytes]]:
    """The number of each word, counted in order of first appearance, and the words.

    Words are what ASCII white space separates. line_ends: LINE_END stands after the words of every line, the
    last one too when nothing ends it.
    """
    if library() is None or not text:
        return split_words_python(text, line_ends=line_ends)
    return split_words_native(text, line_ends=line_ends)


def split_words_native(text: bytes, *, line_ends: bool) -> tuple[Int32[Array, " N"], list[bytes]]:
    """One pass over the bytes with a hash table."""
    data = np.frombuffer(text, np.uint8)
    ids = np.empty(len(data) + 1, np.int32)  # virtual: what is not written takes no memory
    starts, ends = np.empty((2, len(data) // 2 + 1), np.int64)
    counts = np.zeros(2, np.int64)
    arguments = (data, len(data), c_int32(line_ends), ids, starts, ends, counts)
    check_memory(call("split_words", *arguments, returns=c_int32))
    made, words = counts.tolist()
    bounds = zip(starts[:words].tolist(), ends[:words].tolist(), strict=True)
    return ids[:made], [text[low:high] for low, high in bounds]


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
