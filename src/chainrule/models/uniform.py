"""The state is nothing and so is the knowledge: every token has probability 1/V. The bar for all others."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float64, Integer

from chainrule.core import InputError, TokenModel, check_tokens

Array = np.ndarray
Nothing = Float[Array, "B 0"]


@dataclass(frozen=True)
class Uniform(TokenModel[Nothing]):
    """p(x) = 1/V; perplexity V on every text."""

    size: int

    def __post_init__(self) -> None:
        if self.size < 1:
            raise InputError(f"uniform: expected at least one token, got {self.size}")

    @property
    def vocab_size(self) -> int:
        return self.size

    def start(self, batch: int) -> Nothing:
        return np.empty((batch, 0))

    def predict(self, state: Nothing) -> Float64[Array, "B V"]:
        return np.full((len(state), self.size), -np.log(self.size))

    def advance(self, state: Nothing, items: Integer[Array, " B"]) -> Nothing:
        check_tokens(items, self.size)
        return state

    def score(self, state: Nothing, tokens: Integer[Array, "B T"]) -> tuple[Float64[Array, "B T"], Nothing]:
        return np.full(check_tokens(tokens, self.size).shape, -np.log(self.size)), state
