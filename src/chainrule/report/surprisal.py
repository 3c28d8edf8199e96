"""Text coloured by surprisal.

    bits = -log2 p(x_t | x_<t)

Shape letters: T tokens.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float64

from chainrule.tasks.evaluation import LN2

Array = np.ndarray

LEVELS = (0.5, 1.0, 2.0, 3.0, 4.0, 6.0, 8.0, 12.0)  # bits at which the colour gets stronger
_ODD = [*range(32), *range(0x7F, 0xA0), *range(0xD800, 0xE000)]  # control characters, lone surrogates
_SAFE = {
    **dict.fromkeys(_ODD, "\ufffd"),
    **{code: chr(0x2400 + code) for code in range(32) if chr(code) not in "\t\n"},  # their pictures: ␀ ␍
    **{ord(kept): kept for kept in "\t\n"},
}


class Span(NamedTuple):
    """A piece of text to show, the bits that it cost, and the class that colours it: s0 to s8, or inf."""

    text: str
    bits: float
    css: str


def surprisal_spans(tokens: Sequence[str], nats: Float64[Array, " T"]) -> list[Span]:
    """Each token with its surprisal in bits and its colour; a line's end is shown as ↵ before it breaks.

    Control characters are shown by their pictures. The texts are not escaped: the template does that.
    """
    bits = nats / LN2
    levels = np.searchsorted(np.array(LEVELS), bits, side="right")
    return [
        Span(visible(token).replace("\n", "↵\n"), float(b), f"s{level}" if math.isfinite(b) else "inf")
        for token, b, level in zip(tokens, bits, levels, strict=True)
    ]


def surprisal_legend() -> list[Span]:
    """Every colour with the bits from which on it is used, as text."""
    starts = (0.0, *LEVELS)
    spans = [
        Span(f"{start:g}–{end:g}", start, f"s{level}")
        for level, (start, end) in enumerate(zip(starts, LEVELS, strict=False))
    ]
    return [
        *spans,
        Span(f"{LEVELS[-1]:g} or more", LEVELS[-1], f"s{len(LEVELS)}"),
        Span("∞", math.inf, "inf"),
    ]


def signs(token: str) -> str:
    """A token so that a blank or a line's end can be seen."""
    return visible(token).replace("\n", "↵").replace(" ", "␣").replace("\t", "⇥") or "∅"


def visible(text: str) -> str:
    """The text with characters that cannot be shown, or not written to a file, replaced by such as can."""
    return text.translate(_SAFE)
