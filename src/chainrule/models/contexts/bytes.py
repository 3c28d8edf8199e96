"""The adaptive mix over bytes that both sides of a compressed file learn as they go.

Nothing but integers decides what is written, so that a file opens on any machine. See `kernels/mixing.py`.
"""

import numpy as np
from jaxtyping import UInt32

from chainrule.kernels import mixing

Array = np.ndarray
TABLE_BITS = 22  # 2^22 buckets of 64 bytes: 268 MB at most, of which only what was met is touched
LETTER, ALONE = 1, 2


def byte_kinds() -> UInt32[Array, " V"]:
    """What each byte is to the mix.

    ASCII letters make words. The first byte of a UTF-8 character says how many follow, and whether the script
    joins letters to words (two bytes: Latin, Greek, Cyrillic, ...) or each character stands by itself (three
    and four: Chinese, ...).
    """
    kinds = np.zeros(256, np.uint32)
    for byte in range(256):
        kind, more, folded = 0, 0, 0
        if chr(byte).isascii() and chr(byte).isalpha():
            kind, folded = LETTER, byte | 32
        elif 0xC0 <= byte < 0xE0:
            kind, more = LETTER, 1
        elif 0xE0 <= byte < 0xF8:
            kind, more = ALONE, 2 + (byte >= 0xF0)
        ends = byte == ord("\n")
        kinds[byte] = (
            more << mixing.MORE | kind << mixing.CLASS | ends << mixing.LINE_END | folded << mixing.FOLDED
        )
    return kinds


class ByteMixing:
    """One stream of bytes, coded stretch by stretch, each learned once it was coded."""

    def __init__(self, table_bits: int = TABLE_BITS) -> None:
        self._mix = mixing.new_mix(byte_kinds(), table_bits)

    def encode(self, data: bytes) -> bytes:
        """A stretch as a stream of its own, see `kernels/interval.py`."""
        return mixing.encode(self._mix, data)

    def decode(self, payload: bytes, count: int) -> bytes:
        """The stretch of so many bytes. What was never encoded gives some bytes, too: keep a check sum."""
        return mixing.decode(self._mix, payload, count)

    def learn(self, data: bytes) -> None:
        """A stretch that was coded in another way."""
        mixing.learn(self._mix, np.frombuffer(data, np.uint8))
