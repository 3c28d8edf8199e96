"""A backoff model with fewer n-grams.

Shape letters: U n-grams of a level, C contexts.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool

from chainrule.models.ngram.backoff import BackoffModel

Array = np.ndarray


def without(model: BackoffModel, keep: Sequence[Bool[Array, " U"]]) -> BackoffModel:
    """The model with the n-grams marked True, at every order; a context of a kept n-gram must be kept.

    Backoffs stay as they are, so they must be those of the smaller model.
    """
    levels = [model.levels[0]]
    for k in range(1, model.order):
        level, kept, parents = model.levels[k], keep[k], keep[k - 1]
        ahead = np.concatenate([np.zeros(1, np.int64), np.cumsum(kept)])
        low, high = ahead[level.first[:-1]], ahead[level.first[1:]]
        if not parents[low < high].all():
            raise ValueError(f"pruning: expected the contexts of all kept {k + 1}-grams to be kept")
        first = np.append(low[parents], ahead[-1]).astype(np.uint32)
        columns = (
            None if array is None or len(array) != len(kept) else array[kept]
            for array in (level.log_probs, level.backoffs)
        )
        log_probs, backoffs = columns
        assert log_probs is not None
        levels.append(level._replace(tokens=level.tokens[kept], first=first, log_probs=log_probs, backoffs=backoffs))
    return BackoffModel(model.size, tuple(levels), model.end, model.made_by)
