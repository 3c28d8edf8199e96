"""Dropout that holds still while time passes: one mask for all steps of a batch (Gal & Ghahramani 2016).

    y_t = m * x_t,   m_i = 0 with probability p, else 1 / (1 - p)      (E m = 1: the trained model needs no m)

Three things can be dropped, each with a rate of its own: units of what a layer hands upward and of the
embedded input, a mask for each row; whole words of the vocabulary, in every row alike; entries of the
recurrent weights (DropConnect, Merity 2018), in every row alike. A new mask at each step, as in a network
without recurrence, would drown in noise what the state has to carry.

Shape letters: L layers, B batch, V vocabulary, D embedding, H hidden, G = gates times H.
"""

from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

from chainrule.core import InputError

Array = np.ndarray


class Rates(NamedTuple):
    """The probability that a unit, a word, a recurrent weight is dropped."""

    units: float = 0.0
    words: float = 0.0
    weights: float = 0.0


class Masks(NamedTuple):
    """What one batch is multiplied by; None where nothing is dropped."""

    words: Float[Array, " V"] | None = None
    embedded: Float[Array, "B D"] | None = None
    upward: Float[Array, "L B H"] | None = None
    recurrent: Float[Array, "L H G"] | None = None

    def above(self, layer: int) -> Float[Array, "B H"] | None:
        """The mask of what a layer hands upward."""
        return None if self.upward is None else self.upward[layer]

    def rows(self, rows: slice) -> "Masks":
        """The masks of some rows of the batch."""
        return self._replace(
            embedded=None if self.embedded is None else self.embedded[rows],
            upward=None if self.upward is None else self.upward[:, rows],
        )


NO_MASKS = Masks()


def check_rate(name: str, rate: float) -> float:
    """`rate`, or an InputError: at 1 nothing would be left."""
    if not 0 <= rate < 1:
        raise InputError(f"{name}: expected 0 or more and less than 1, got {rate}")
    return rate


def draw_mask(
    rng: np.random.Generator, rate: float, shape: tuple[int, ...], dtype: Any
) -> Float[Array, "..."] | None:
    """0 or 1 / (1 - rate); None, and nothing drawn, at rate 0."""
    if not rate:
        return None
    kept = rng.random(shape, dtype=np.float32) >= rate
    return kept.astype(dtype) * np.dtype(dtype).type(1 / (1 - rate))
