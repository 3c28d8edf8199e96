"""What each token of a vocabulary is to a model that looks for words and lines, see `kernels/mixing.py`."""

import unicodedata
from collections.abc import Sequence

import numpy as np
from jaxtyping import UInt32

from chainrule.data.codec import END
from chainrule.kernels.mixing import CLASS, FOLDED, LINE_END

LETTER, ALONE = 1, 2
WIDE = ("W", "F")  # East Asian: scripts of which every character stands by itself


def token_kinds(tokens: Sequence[str]) -> UInt32[np.ndarray, " V"]:
    """Letters make words, whatever their case; what is a word already, or a Chinese character, is one by
    itself; white space and signs part them, and a line feed, or the token for it, ends a line."""
    kinds = np.zeros(len(tokens), np.uint32)
    for at, token in enumerate(tokens):
        kind, folded = 0, 0
        if len(token) == 1 and token.isalpha():
            kind = ALONE if unicodedata.east_asian_width(token) in WIDE else LETTER
            folded = ord(token.lower()[0]) if kind == LETTER else 0
        elif any(map(str.isalnum, token)) and len(token) > 1 and token != END:
            kind = ALONE
        kinds[at] = kind << CLASS | (token in ("\n", END)) << LINE_END | folded << FOLDED
    return kinds
