"""Was this text trained on? Hashes of a training text's long character n-grams, kept with the model.

    h_i = p^i sum_{j=i..i+w-1} c_j p^-j  mod 2^64        (after Karp & Rabin 1987), w = 50 characters

Of the windows a fixed share is kept, chosen by the hash itself, so that the same windows of another text
are chosen too.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import UInt32, UInt64

from chainrule.kernels.native import in_threads, library
from chainrule.kernels.words import window_hashes_native

WINDOW = 50  # characters, the length that contamination studies of large models settled on
KEEP = 1 << 15  # windows, about
PIECE = 1 << 22  # windows that are hashed at once
TRAINED_ON = 0.05  # the share above which a text counts as trained on
_P = np.uint64(0x9E3779B97F4A7C15)
_P_INVERSE = np.uint64(pow(int(_P), -1, 1 << 64))


@dataclass(frozen=True)
class Fingerprint:
    """hashes: sorted hashes of the windows kept. modulus: one window in so many was kept, 0 for none."""

    hashes: UInt64[np.ndarray, " W"]
    modulus: int

    @classmethod
    def unknown(cls) -> "Fingerprint":
        """Of a text that nobody has: it can tell of no other whether it is the same."""
        return cls(np.empty(0, dtype=np.uint64), 0)

    @classmethod
    def of(cls, text: str) -> "Fingerprint":
        modulus = 1
        while max(0, len(text) - WINDOW + 1) > modulus * KEEP:
            modulus *= 2
        return cls(np.unique(window_hashes(text, modulus)), modulus)

    def joined(self, other: "Fingerprint") -> "Fingerprint":
        """Of both texts; unknown where one of them is."""
        if not (self.modulus and other.modulus):
            return Fingerprint.unknown()
        modulus = max(self.modulus, other.modulus)
        hashes = np.union1d(self.hashes, other.hashes)
        return Fingerprint(hashes[hashes % np.uint64(modulus) == 0], modulus)

    def share(self, text: str) -> float | None:
        """The share of `text`'s windows that stand in the fingerprinted text; None where none can tell."""
        hashes = window_hashes(text, self.modulus) if self.modulus else self.hashes
        return float(np.isin(hashes, self.hashes).mean()) if len(hashes) else None


def window_hashes(text: str, modulus: int = 1) -> UInt64[np.ndarray, " W"]:
    """The hash of every window of 50 characters, scrambled so that its low bits are even, where it is a
    multiple of `modulus`, a power of two. Read in pieces, so that a long text is not held four times."""
    pieces = [text[at : at + PIECE + WINDOW - 1] for at in range(0, max(1, len(text) - WINDOW + 1), PIECE)]
    return np.concatenate(in_threads(_piece_hashes, [(piece, modulus) for piece in pieces]))


def _piece_hashes(text: str, modulus: int) -> UInt64[np.ndarray, " W"]:
    codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype=np.uint32)
    if len(codes) < WINDOW:
        return np.empty(0, dtype=np.uint64)
    if library() is not None:
        return window_hashes_native(codes, WINDOW, int(_P), modulus)
    return window_hashes_numpy(codes, modulus)


def window_hashes_numpy(codes: UInt32[np.ndarray, " C"], modulus: int) -> UInt64[np.ndarray, " W"]:
    """The readable twin of the compiled loop."""
    codes = codes.astype(np.uint64)
    # sums of c_j p^-j make every window one difference; multiplying by p^i brings it to the front
    inverse = _powers(_P_INVERSE, len(codes))
    sums = np.concatenate([np.zeros(1, np.uint64), np.cumsum((codes + np.uint64(1)) * inverse)])
    hashes = (sums[WINDOW:] - sums[:-WINDOW]) * _powers(_P, len(codes) - WINDOW + 1)
    hashes ^= hashes >> np.uint64(30)
    hashes *= np.uint64(0xBF58476D1CE4E5B9)
    hashes ^= hashes >> np.uint64(27)
    hashes *= np.uint64(0x94D049BB133111EB)
    hashes ^= hashes >> np.uint64(31)
    return hashes[hashes % np.uint64(modulus) == 0]


def _powers(base: np.uint64, n: int) -> UInt64[np.ndarray, " n"]:
    factors = np.full(n, base, dtype=np.uint64)
    factors[:1] = 1
    return np.cumprod(factors)
