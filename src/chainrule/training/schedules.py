"""The learning rate over a run, as a factor of its full height.

A schedule is a function of the share of the run that is over, 0 to 1, be it counted in epochs or in time.
"""

import math


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
