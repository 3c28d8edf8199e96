"""Was this text trained on? Hashes of a training text's long character n-grams, kept with the model.

    h_i = p^i sum_{j=i..i+w-1} c_j p^-j  mod 2^64        (after Karp & Rabin 1987), w = 50 characters

Of the windows a fixed share is kept, chosen by the hash itself, so that the same windows of another text
are chosen too.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import UInt64

WINDOW = 50  # characters, the length that contamination studies of large models settled on
KEEP = 1 << 15  # windows, about
TRAINED_ON = 0.05  # the share above which a text counts as trained on
_P = np.uint64(0x9E3779B97F4A7C15)
_P_INVERSE = np.uint64(pow(int(_P), -1, 1 << 64))


@dataclass(frozen=True)
class Fingerprint:
    """hashes: sorted hashes of the windows kept. modulus: one window in so many was kept."""

    hashes: UInt64[np.ndarray, " W"]
    modulus: int

    @classmethod
    def of(cls, text: str) -> "Fingerprint":
        hashes, modulus = window_hashes(text), 1
        while len(hashes) > modulus * KEEP:
            modulus *= 2
        return cls(np.unique(hashes[hashes % np.uint64(modulus) == 0]), modulus)

    def share(self, text: str) -> float | None:
        """The share of `text`'s windows that stand in the fingerprinted text; None where none can tell."""
        hashes = window_hashes(text)
        hashes = hashes[hashes % np.uint64(self.modulus) == 0]
        if not len(hashes):
            return None
        return float(np.isin(hashes, self.hashes).mean())


def window_hashes(text: str) -> UInt64[np.ndarray, " W"]:
    """The hash of every window of 50 characters, scrambled so that its low bits are even."""
    codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype=np.uint32).astype(np.uint64)
    if len(codes) < WINDOW:
        return np.empty(0, dtype=np.uint64)
    # sums of c_j p^-j make every window one difference; multiplying by p^i brings it to the front
    inverse = _powers(_P_INVERSE, len(codes))
    sums = np.concatenate([np.zeros(1, np.uint64), np.cumsum((codes + np.uint64(1)) * inverse)])
    hashes = (sums[WINDOW:] - sums[:-WINDOW]) * _powers(_P, len(codes) - WINDOW + 1)
    hashes ^= hashes >> np.uint64(30)
    hashes *= np.uint64(0xBF58476D1CE4E5B9)
    hashes ^= hashes >> np.uint64(27)
    hashes *= np.uint64(0x94D049BB133111EB)
    return hashes ^ (hashes >> np.uint64(31))


def _powers(base: np.uint64, n: int) -> UInt64[np.ndarray, " n"]:
    factors = np.full(n, base, dtype=np.uint64)
    factors[:1] = 1
    return np.cumprod(factors)
