"""From probabilities to bits to a file, and what perplexity counts.

    bits = -log2 p,    perplexity = 2^(mean bits) = exp(H) for a distribution: its weighted branching factor

Shape letters: T time, V vocabulary.
"""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float64, Integer

from chainrule.core import InputError, TokenModel
from chainrule.tasks.compression.coder import encode
from chainrule.tasks.evaluation import LN2, surprisal

Array = np.ndarray


class Priced(NamedTuple):
    """bits: what each token costs by its probability; payload: the tokens as the coder writes them."""

    bits: Float64[Array, " T"]
    payload: bytes

    @property
    def perplexity(self) -> float:
        return perplexity_of(np.exp2(-self.bits).tolist())


def priced(model: TokenModel[Any], ids: Integer[Array, " T"]) -> Priced:
    """Raises InputError for a text without a token."""
    if not len(ids):
        raise InputError("text: expected at least one token, got none")
    return Priced(surprisal(model, ids) / LN2, encode(model, model.start(1), ids).payload)


def perplexity_of(probabilities: Sequence[float]) -> float:
    """exp(-mean log p) of what came true: the geometric mean of 1/p; infinity where one of them is 0."""
    if not probabilities or not all(0 <= p <= 1 for p in probabilities):
        raise InputError(f"probabilities: expected numbers from 0 to 1, got {list(probabilities)}")
    if min(probabilities) == 0:
        return math.inf
    return math.exp(-sum(map(math.log, probabilities)) / len(probabilities))


def one_favourite(vocab_size: int, favourite: float) -> list[float]:
    """A distribution over V symbols: one has this probability, the others share the rest alike."""
    if vocab_size < 2 or not 0 <= favourite <= 1:
        raise InputError(f"favourite: expected 0 to 1 and 2 symbols or more, got {favourite}, {vocab_size}")
    return [favourite, *[(1 - favourite) / (vocab_size - 1)] * (vocab_size - 1)]


def branching(distribution: Sequence[float]) -> float:
    """exp(H): among how many equally likely symbols it is as hard to choose."""
    return math.exp(-sum(p * math.log(p) for p in distribution if p > 0))
