"""Several models as one: the same state for each, their predictions mixed (Hansen & Salamon 1990).

    mean = sum_k mean_k / K,   scale^2 = sum_k (scale_k^2 + mean_k^2) / K - mean^2

Shape letters: B batch, T time, K members.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float64

from chainrule.core import InputError, Normal, SeriesModel

Array = np.ndarray
States = tuple[Any, ...]


@dataclass(frozen=True, eq=False)
class Ensemble(SeriesModel[States]):
    """Members as they come, each with the same say."""

    members: tuple[SeriesModel[Any], ...]

    def __post_init__(self) -> None:
        if not self.members:
            raise InputError("ensemble: expected at least 1 member, got none")

    def start(self, batch: int) -> States:
        return tuple(member.start(batch) for member in self.members)

    def predict(self, state: States) -> Normal:
        return mixed([m.predict(s) for m, s in zip(self.members, state, strict=True)])

    def advance(self, state: States, items: Float64[Array, " B"]) -> States:
        return tuple(m.advance(s, items) for m, s in zip(self.members, state, strict=True))

    def follow(self, state: States, values: Float64[Array, "B T"]) -> tuple[Normal, States]:
        pairs = [m.follow(s, values) for m, s in zip(self.members, state, strict=True)]
        return mixed([made for made, _ in pairs]), tuple(after for _, after in pairs)


def mixed(predictions: list[Normal]) -> Normal:
    """A Normal with the mean and the variance of the mixture."""
    means = np.stack([each.mean for each in predictions])
    scales = np.stack([each.scale for each in predictions])
    mean = means.mean(axis=0)
    return Normal(mean, np.sqrt((scales**2 + (means - mean) ** 2).mean(axis=0)))
