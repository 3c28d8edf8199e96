"""Context mixing: a symbol's bits, each predicted by many contexts whose opinions a small network weighs.

    stretch(p) = log p / (1 - p)       p = squash(sum_i w_i stretch(p_i))       squash = stretch^-1
    w_i <- w_i + rate (bit - p) stretch(p_i),      once the bit was seen

Logistic mixing of bits (Mahoney 2005), in integers alone, so that a file coded with it opens anywhere. A
symbol is D bits, a path in a tree. For each context of the past (an order, a word, ...) a hash table has a
node for every node of that tree, with counts of zeros and ones, and a probability. A map from counts to
probabilities, one a context, says what they are worth; six sets of weights, each picked by something else,
mix all of it, a seventh mixes these, and two tables correct what comes out of it.

A mix is one array of bytes, laid out as `native/simd/mixing.c` and `mixing_python.py` have it.

Shape letters: N symbols, V vocabulary, D bits of a symbol.
"""

from ctypes import c_int64

import numpy as np
from jaxtyping import Int32, Integer, UInt8, UInt32

from chainrule.kernels import mixing_python
from chainrule.kernels.native import call_simd, library

Array = np.ndarray
Mix = UInt8[Array, " bytes"]
CACHE_LINE = 64
MORE = 0  # where in a symbol's kind stands what: how many symbols belong to the same unit after this one
CLASS = 2  # 0: between words, 1: of a word, 2: a word by itself
LINE_END = 4
FOLDED = 8  # what is the same letter, in another case
LARGEST = 1 << 16  # vocabulary
ONE = mixing_python.ONE  # of a probability
WORST = 12  # bits that a bit may cost


def new_mix(kinds: UInt32[Array, " V"], table_bits: int) -> Mix:
    """Nothing learned yet. kinds: of the symbols, see MORE, CLASS, LINE_END, FOLDED. table_bits: log2 of the
    number of buckets of 64 bytes."""
    mix = _aligned(mixing_python.layout().itemsize + (CACHE_LINE << table_bits))
    if library() is None:
        mixing_python.start(mix, table_bits, kinds)
    else:
        call_simd("mixing_start", mix, len(kinds), table_bits, np.ascontiguousarray(kinds))
    return mix


def copied(mix: Mix) -> Mix:
    """Another one that has learned the same."""
    other = _aligned(len(mix))
    other[:] = mix
    return other


def _aligned(size: int) -> Mix:
    memory = np.zeros(size + CACHE_LINE, np.uint8)  # virtual: what is never written takes no memory
    first = -memory.ctypes.data % CACHE_LINE
    return memory[first : first + size]


def depth(mix: Mix) -> int:
    """D."""
    return int(mixing_python.fields(mix)["depth"])


def learn(mix: Mix, symbols: Integer[Array, " N"]) -> Int32[Array, "N D"]:
    """Read symbols, learn them, and tell the probability, of 65536, of each of their bits; 0: no choice."""
    ids = np.ascontiguousarray(symbols, np.int32)
    probs = np.empty((len(ids), depth(mix)), np.int32)
    if library() is None:
        mixing_python.learn(mix, ids, probs)
    else:
        call_simd("mixing_learn", mix, ids, len(ids), probs)
    return probs


def predict(mix: Mix) -> Int32[Array, " nodes"]:
    """The probability, of 65536, that the next bit is 1, at each node of the tree: node 1 is the root, node n
    has the children 2 n and 2 n + 1."""
    probs = np.zeros(1 << depth(mix), np.int32)
    if library() is None:
        mixing_python.predict(mix, probs)
    else:
        call_simd("mixing_predict", mix, probs)
    return probs


def encode(mix: Mix, data: bytes) -> bytes:
    """Code bytes, of a mix of 256 symbols, and learn them."""
    if library() is None:
        return mixing_python.encode(mix, data)
    out = np.empty(len(data) * WORST + 64, np.uint8)
    size = call_simd(
        "mixing_encode", mix, np.frombuffer(data, np.uint8), len(data), out, len(out), returns=c_int64
    )
    if size < 0:
        raise RuntimeError(f"mixing: expected {len(data)} bytes to take {len(out)} at most")
    return out[:size].tobytes()


def decode(mix: Mix, payload: bytes, count: int) -> bytes:
    """The bytes that were coded, learned again. A payload that nothing was coded to gives some bytes, too."""
    if library() is None:
        return mixing_python.decode(mix, payload, count)
    data, coded = np.empty(count, np.uint8), np.frombuffer(payload, np.uint8)
    call_simd("mixing_decode", mix, coded, len(coded), data, count, returns=c_int64)
    return data.tobytes()
