"""A backoff model with its probabilities in 8 bits: each the nearest of 256 values of its order.

Values are the means of equally filled bins (as KenLM's), so that frequent ones are met closely. Single tokens and
backoffs stay as they are: backoffs are made anew, so that every row still sums to 1.

Shape letters: U n-grams of a level.
"""

import numpy as np
from jaxtyping import Float32, UInt8

from chainrule.models.ngram.backoff import BackoffModel, renormalised

Array = np.ndarray
VALUES = 256


def quantize(model: BackoffModel) -> BackoffModel:
    """The model with 8-bit log-probabilities from order 2 on."""
    levels = [model.levels[0]]
    for level in model.levels[1:]:
        codes, book = coded(level.log_prob(np.arange(len(level.tokens))))
        levels.append(level._replace(log_probs=book, prob_codes=codes))
    return renormalised(BackoffModel(model.size, tuple(levels), model.end, model.made_by))


def coded(values: Float32[Array, " U"]) -> tuple[UInt8[Array, " U"], Float32[Array, " 256"]]:
    """Codes and the 256 values they stand for; exact where there are no more different values than that.

    A bin's value is its lowest: the sum of a row's listed probabilities never grows, so there is always mass
    left to back off with.
    """
    different = np.unique(values)
    if len(different) <= VALUES:
        lows = different
    else:
        ranked = np.sort(values)
        lows = np.unique(ranked[np.arange(VALUES) * len(ranked) // VALUES])
    codes = np.searchsorted(lows, values, side="right") - 1
    book = np.full(VALUES, lows[-1] if len(lows) else 0.0, np.float32)
    book[: len(lows)] = lows
    return codes.astype(np.uint8), book
