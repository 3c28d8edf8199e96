"""The learning rate over a run, as a factor of its full height.

A schedule is a function of the share of the run that is over, 0 to 1, be it counted in epochs or in time.
What depends on how the run goes is a value that is folded over its validations: `Plateau`.
"""

import math
from typing import NamedTuple

from chainrule.core import InputError


def constant(done: float) -> float:
    """The full rate throughout."""
    del done
    return 1.0


def cosine(done: float, *, warmup: float = 0.05, floor: float = 0.05) -> float:
    """Up in a line over the first `warmup`, then down along half a cosine to `floor` (Loshchilov 2017)."""
    if done < warmup:
        return max(done / warmup, 0.05)
    half = 0.5 * (1 + math.cos(math.pi * min(1.0, (done - warmup) / (1 - warmup))))
    return floor + (1 - floor) * half


def check_warmup(warmup: float) -> float:
    """The share of the run that warms up, or an InputError that says what it should be."""
    if not 0 <= warmup < 1:
        raise InputError(f"warmup: expected a share from 0 to below 1, got {warmup}")
    return warmup


class Plateau(NamedTuple):
    """Half the rate after `patience` epochs in a row that are no better than the best before them.

    A value: `after` gives the next one. factor: what the rate is multiplied by now. It never falls below
    `floor`, where a run would only stand still.
    """

    patience: int = 1
    floor: float = 1e-3
    best: float = math.inf
    waited: int = 0
    factor: float = 1.0

    def after(self, valid: float, *, epoch_ends: bool = True) -> "Plateau":
        """With one more validation: only the end of an epoch can try its patience. nan is never better."""
        if valid < self.best:
            return self._replace(best=valid, waited=0)
        waited = self.waited + epoch_ends
        if waited < self.patience:
            return self._replace(waited=waited)
        return self._replace(waited=0, factor=max(self.floor, self.factor / 2))
