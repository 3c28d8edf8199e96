"""Which learning rate? Steps at ever higher rates, and where the loss falls fastest (Smith 2017).

    rate_k = low (high / low)^{k/K},   suggested: a third of the rate at which the smoothed loss is lowest

Beyond the lowest point steps begin to do harm; the steepest descent lies some way below it, and so does a
rate that a whole run can bear.

Shape letters: K steps taken.
"""

import math
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float64

from chainrule.core import Batch, InputError, Learner
from chainrule.training.loop import clip
from chainrule.training.optimizers import Optimizer

Array = np.ndarray
LOW, HIGH = 1e-5, 10.0
STEPS = 300
WIDTH = 0.04  # of the sweep: the standard deviation of the bell that smooths the loss
LOST = 1.5  # nats above the lowest smoothed loss: nothing is to be learned from higher rates
SHARE = 1 / 3


class Sweep(NamedTuple):
    """A sweep over learning rates: nats per token of the step before each rate was used, as it was and
    smoothed; the rate suggested, and the one at the lowest smoothed loss."""

    rates: Float64[Array, " K"]
    nats: Float64[Array, " K"]
    smoothed: Float64[Array, " K"]
    suggested: float
    lowest: float


def sweep_rates(
    learner: Learner[Any, Any],
    batches: Iterable[Batch],
    optimizer: Optimizer,
    *,
    low: float = LOW,
    high: float = HIGH,
    steps: int = STEPS,
    theta: float = 1.0,
    report: Callable[[float], None] | None = None,
) -> Sweep:
    """Train on the batches with a rate that rises from low to high, until the loss is lost. The learner is
    then of no more use. Raises InputError for rates and steps without a meaning."""
    if not 0 < low < high < math.inf:
        raise InputError(f"rates: expected 0 < low < high, got {low} and {high}")
    if steps < 10:
        raise InputError(f"steps: expected at least 10, got {steps}")
    every = low * (high / low) ** (np.arange(steps) / (steps - 1))
    nats: list[float] = []
    state: Any = None
    with np.errstate(over="ignore", invalid="ignore"):
        for rate, batch in zip(every, batches, strict=False):
            if state is None or batch.fresh.all():
                state = learner.start(len(batch.items))
            step = learner.gradients(batch, state)
            state, loss = step.state, step.nats / step.count
            norm = clip(step.gradients, theta)
            if not (math.isfinite(loss) and math.isfinite(norm)):
                break
            nats.append(loss)
            if loss > min(smooth(np.array(nats), steps)) + LOST:
                break
            optimizer.step(learner.parameters, step.gradients, float(rate))
            if report:
                report(len(nats) / steps)
    if len(nats) < 3:
        raise InputError(
            f"rates: expected at least 3 steps before the loss is lost, got {len(nats)}: lower them"
        )
    found, rates = np.array(nats), every[: len(nats)]
    smoothed = smooth(found, steps)
    lowest = float(rates[smoothed.argmin()])
    return Sweep(rates, found, smoothed, SHARE * lowest, lowest)


def smooth(values: Float64[Array, " K"], steps: int) -> Float64[Array, " K"]:
    """Weighed by a bell around each step, of a width that is a share of the sweep: nothing is shifted."""
    at = np.arange(len(values))
    weights = np.exp(-0.5 * ((at[:, None] - at) / max(WIDTH * steps, 1e-9)) ** 2)
    return (weights @ values) / weights.sum(axis=1)
