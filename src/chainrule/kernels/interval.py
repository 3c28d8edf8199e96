"""An arithmetic coder's interval: what is coded is a number in it, and every bit takes its share of it.

Binary arithmetic coding (Witten, Neal & Cleary 1987) with 64 bits, as `native/simd/mixing.c` has it.
"""

from collections.abc import Iterator
from dataclasses import dataclass

LAST = (1 << 64) - 1


@dataclass
class Interval:
    """What is coded is a number in low..high."""

    low: int = 0
    high: int = LAST

    def middle(self, one: int) -> int:
        """The last number that means 1, whose probability is `one` of 65536."""
        wide = self.high - self.low
        return self.low + (wide >> 16) * one + ((wide & 0xFFFF) * one >> 16)

    def narrow(self, middle: int, bit: int) -> Iterator[int]:
        """Keep the part of a bit; the bytes that are certain by now leave."""
        self.low, self.high = (self.low, middle) if bit else (middle + 1, self.high)
        while (self.low ^ self.high) >> 56 == 0:
            yield self.low >> 56
            self.low, self.high = self.low << 8 & LAST, self.high << 8 & LAST | 255
