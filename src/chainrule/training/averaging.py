"""The moving average of the weights, which is often better than where the last step left them.

    a_t = d_t a_{t-1} + (1 - d_t) w_t,   d_t = min(d, (1 + t) / (10 + t))          (Polyak & Juditsky 1992)

d_t begins low, so that the average soon forgets the weights that training began with.
"""

from collections.abc import Mapping

import numpy as np
from jaxtyping import Float

from chainrule.core import InputError

Array = np.ndarray


def check_decay(decay: float) -> float:
    """The decay of the average (0: there is none), or an InputError that says what it should be."""
    if not 0 <= decay < 1:
        raise InputError(f"average: expected a decay from 0 to below 1, got {decay}")
    return decay


def average_step(
    average: dict[str, Float[Array, "..."]],
    weights: Mapping[str, Float[Array, "..."]],
    decay: float,
    steps: int,
) -> None:
    """Move the average, in place, towards the weights after so many steps; an empty one starts from them."""
    share = 1 - min(decay, (1 + steps) / (10 + steps))
    for name, array in weights.items():
        if name not in average:
            average[name] = array.copy()
            continue
        change = array - average[name]
        average[name] += change.dtype.type(share) * change
