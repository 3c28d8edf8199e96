"""A backoff model with its probabilities in 8 bits: each the nearest of 256 values of its order.

    p(w | h) = book[code(h w)],    backoff(h) = (1 - sum over listed w of p(w|h)) / (1 - sum of p(w|h'))

Values are the means of equally filled bins, as KenLM's (Heafield 2011): frequent ones are met closely. Single
tokens stay as they are. Backoffs have 32 bits and are made anew after rounding, so every row still sums to 1.

Shape letters: U n-grams of a level, K values of a book, 256 at most.
"""

import numpy as np
from jaxtyping import Float32, UInt8

from chainrule.kernels.backoff import LevelArrays
from chainrule.models.ngram.backoff import BackoffModel, contexts_of_level
from chainrule.models.ngram.pruning import remainders, renormalised

Array = np.ndarray
VALUES = 256


def quantize(model: BackoffModel) -> BackoffModel:
    """The model with 8-bit log-probabilities from order 2 on.

    An order of 256 different log-probabilities or fewer loses nothing. One stays as it is if a row of it
    lists every token that can follow: what rounding adds or takes there, no backoff could make good.
    """
    levels = [model.levels[0], *(_quantized(model, k) for k in range(2, model.order + 1))]
    return renormalised(BackoffModel(model.size, tuple(levels), model.end, model.made_by))


def _quantized(model: BackoffModel, k: int) -> LevelArrays:
    level, contexts = model.levels[k - 1], contexts_of_level(model.levels, k)
    exact = level.log_prob(np.arange(len(contexts)))
    book = book_of(exact)
    codes = nearest(exact, book)
    if not np.array_equal(book[codes], exact):
        log_p = exact.astype(np.float64)
        free, free_q = remainders(model, k, log_p, model.backed_off(k))
        if (free_q[contexts] == 0).any():
            return level._replace(log_probs=exact, prob_codes=None)
        rounded = np.bincount(contexts, np.exp(book[codes].astype(np.float64)), len(free))
        # a row that would lose more than half of what it backs off with is rounded down, which takes nothing
        codes = np.where((1 - rounded < free / 2)[contexts], below(exact, book), codes)
    padded = np.full(VALUES, book[-1] if len(book) else 0.0, np.float32)
    padded[: len(book)] = book
    return level._replace(log_probs=padded, prob_codes=codes)


def book_of(values: Float32[Array, " U"]) -> Float32[Array, " K"]:
    """At most 256 values, rising, that stand for all: the least, means of bins, and -inf if it is there."""
    different = np.unique(values)
    if len(different) <= VALUES:
        return different
    impossible = different[:1][np.isneginf(different[:1])]
    ranked = np.sort(values[~np.isneginf(values)])
    bins = VALUES - 1 - len(impossible)
    edges = np.arange(bins) * len(ranked) // bins
    means = np.add.reduceat(ranked.astype(np.float64), edges) / np.diff(np.append(edges, len(ranked)))
    return np.unique(np.concatenate([impossible, ranked[:1], means.astype(np.float32)]))


def nearest(values: Float32[Array, " U"], book: Float32[Array, " K"]) -> UInt8[Array, " U"]:
    """The code of the value of the book that is closest to each; -inf is close to nothing else."""
    middles = (book[1:].astype(np.float64) + book[:-1]) / 2
    return np.searchsorted(middles, values, side="left").astype(np.uint8)


def below(values: Float32[Array, " U"], book: Float32[Array, " K"]) -> UInt8[Array, " U"]:
    """The code of the highest value of the book that is not above each."""
    return (np.searchsorted(book, values, side="right") - 1).astype(np.uint8)
