"""How varied a generated text is, and how much it repeats itself.

    distinct-n = different n-grams / n-grams                                            (Li 2016)
    repetition = n-grams that stand among the w before them / n-grams with any before   (Welleck 2020, n = 1)

The first falls with the length of the text: compare texts of one length.

Shape letters: T tokens.
"""

import numpy as np
from jaxtyping import Integer

from chainrule.core import InputError

Array = np.ndarray
Tokens = Integer[Array, " T"]


def distinct_ngrams(tokens: Tokens, n: int) -> float:
    """The share of n-grams that are different ones: 1 where none comes twice."""
    ids = _ngram_ids(tokens, n)
    return len(np.unique(ids)) / len(ids)


def repetition(tokens: Tokens, n: int = 1, window: int = 128) -> float:
    """The share of n-grams that were said already, no more than `window` places before; 0 without a past."""
    if window < 1:
        raise InputError(f"window: expected at least 1, got {window}")
    ids = _ngram_ids(tokens, n)
    if len(ids) == 1:
        return 0.0
    # sorted by n-gram and, within one, by place: each stands beside its last occurrence
    order = np.argsort(ids, kind="stable")
    same, distance = ids[order[1:]] == ids[order[:-1]], np.diff(order)
    return float(np.count_nonzero(same & (distance <= window))) / (len(ids) - 1)


def _ngram_ids(tokens: Tokens, n: int) -> Integer[Array, " _"]:
    """Each n-gram as a number; the same for the same n-gram."""
    if n < 1:
        raise InputError(f"n: expected at least 1, got {n}")
    if len(tokens) < n:
        raise InputError(f"tokens: expected at least {n}, one {n}-gram, got {len(tokens)}")
    grams = np.lib.stride_tricks.sliding_window_view(tokens, n)
    return np.unique(grams, axis=0, return_inverse=True)[1].reshape(-1)
