"""The training loop: truncated backpropagation through time with a carried state, clipping, early stop.

    g <- min(1, theta / |g|) g          |g| the norm over all parameters together (Pascanu 2013)

The loop knows nothing of models: a learner gives gradients, an optimiser steps, a function validates.
"""

import math
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, NamedTuple, TypeVar

import numpy as np
from jaxtyping import Float

from chainrule.core import Batch, InputError, Learner, Step
from chainrule.training.optimizers import Optimizer
from chainrule.training.schedules import constant

Model = TypeVar("Model")
Gradients = Mapping[str, Float[np.ndarray, "..."]]
DIVERGED = (
    "training diverged: the loss or its gradient is no longer finite; the last good weights are kept. "
    "Lower the learning rate or the clipping norm"
)


OFTEN = 0.1  # of the time limit: no stretch without a validation is longer


class Point(NamedTuple):
    """One row of the log. epoch: epochs done. nats: mean training loss per token since the row before.

    valid: nats per token on the validation part, nan without one. norm: mean gradient norm before clipping.
    """

    epoch: float
    step: int
    seconds: float
    tokens: int
    nats: float
    valid: float
    norm: float
    rate: float


class Progress(NamedTuple):
    """Where a run stands: the share that is done, 0 to 1, and its last figures."""

    done: float
    epoch: int
    nats: float
    valid: float


@dataclass(frozen=True)
class Training(Generic[Model]):
    """What a run gave. stopped: why it ended (finished, early, time, interrupted, diverged)."""

    model: Model
    history: tuple[Point, ...]
    stopped: str
    advice: str | None = None

    @property
    def seconds(self) -> float:
        return self.history[-1].seconds if self.history else 0.0

    @property
    def tokens(self) -> int:
        """Tokens trained on, counted as often as they were read."""
        return self.history[-1].tokens if self.history else 0


class Limits(NamedTuple):
    """How long to train. patience: validations in a row without a better one before it stops.

    seconds: a limit of time, None for none.
    """

    epochs: int = 10
    patience: int = 3
    seconds: float | None = None


def clip(gradients: Gradients, theta: float) -> float:
    """Scale all gradients in place so that their common norm is at most theta; returns the norm before."""
    norm = math.sqrt(sum(float(np.vdot(g, g)) for g in gradients.values()))
    if math.isinf(norm):  # the squares may be too large for float32 where the gradient is not
        norm = math.sqrt(sum(float(np.square(g, dtype=np.float64).sum()) for g in gradients.values()))
    if norm > theta:
        for gradient in gradients.values():
            gradient[...] *= gradient.dtype.type(theta / norm)
    return norm


def train(
    learner: Learner[Any, Model],
    epoch: Callable[[], Iterable[Batch]],
    optimizer: Optimizer,
    *,
    limits: Limits = Limits(),  # noqa: B008 - an immutable value
    theta: float = 1.0,
    schedule: Callable[[float], float] = constant,
    validate: Callable[[Model], float] | None = None,
    report: Callable[[Progress], None] | None = None,
) -> Training[Model]:
    """Train until the limits, and hand back the model that validated best (the last one, unvalidated).

    epoch: makes the batches of one epoch. validate: nats per token of a model on the validation part; an
    epoch is validated at its end, and in between where it takes more than a tenth of the time. Ctrl-C ends
    the run and keeps what was learned; so does a loss that is no longer finite, which also gives advice.
    Raises InputError for limits that allow nothing.
    """
    if limits.epochs < 1:
        raise InputError(f"epochs: expected at least 1, got {limits.epochs}")
    if limits.patience < 1:
        raise InputError(f"patience: expected at least 1, got {limits.patience}")
    if limits.seconds is not None and not limits.seconds > 0:
        raise InputError(f"seconds: expected more than 0, got {limits.seconds}")
    if not (theta > 0 and not math.isnan(theta)):
        raise InputError(f"clip: expected a positive norm, got {theta}")
    run = _Run(learner, optimizer, limits, theta, schedule, validate, report)
    with np.errstate(over="ignore", invalid="ignore"):  # what is not finite is looked for by name
        try:
            stopped = run.epochs(epoch)
        except KeyboardInterrupt:
            stopped = "interrupted"
        try:
            if stopped != "early":
                run.validate()
            if stopped == "diverged":
                run.consider_restored()
        except KeyboardInterrupt:  # whoever will not wait for the last figure keeps the weights all the same
            stopped = "interrupted"
    return Training(run.best(), tuple(run.history), stopped, DIVERGED if stopped == "diverged" else None)


class _Run(Generic[Model]):
    """The moving parts of one run."""

    def __init__(
        self,
        learner: Learner[Any, Model],
        optimizer: Optimizer,
        limits: Limits,
        theta: float,
        schedule: Callable[[float], float],
        validate: Callable[[Model], float] | None,
        report: Callable[[Progress], None] | None,
    ) -> None:
        self.learner, self.optimizer, self.limits, self.theta = learner, optimizer, limits, theta
        self.schedule, self.validation, self.report = schedule, validate, report
        self.started = time.monotonic()
        self.history: list[Point] = []
        self.best_model: Model | None = None
        self.best_valid, self.worse = math.inf, 0
        self.step = self.tokens = 0
        self.epoch_share = 0.0
        self.validated = 0.0  # the share of the time limit that was over at the last validation
        self.since: list[tuple[float, int, float]] = []  # nats, count, norm of each step since the last row
        self.good: dict[str, Float[np.ndarray, "..."]] = {}
        self.usual = math.nan  # training nats per token, a running mean

    def epochs(self, epoch: Callable[[], Iterable[Batch]]) -> str:
        """Run the epochs; the word for why they ended."""
        for number in range(self.limits.epochs):
            state: Any = None
            batches = list(epoch())
            for index, batch in enumerate(batches):
                if state is None or batch.fresh.all():
                    state = self.learner.start(len(batch.items))
                step = self.learner.gradients(batch, state)
                state = step.state
                if not self._apply(step):
                    return "diverged"
                self.epoch_share = number + (index + 1) / len(batches)
                self._tell(step)
                if index + 1 == len(batches):
                    self.validate()
                    if self.worse >= self.limits.patience:
                        return "early"
                elif self._elapsed() >= self.validated + OFTEN:
                    self.validate(epoch_ends=False)
                if self._elapsed() > 1:
                    return "time"
        return "finished"

    def _apply(self, step: Step[Any]) -> bool:
        """Clip and step. False when the numbers are not finite: the weights then are put back to the last
        good ones, whose loss was no more than usual, for it was a step from there that went too far."""
        norm = clip(step.gradients, self.theta)
        if not (math.isfinite(step.nats) and math.isfinite(norm)):
            for name, array in self.good.items():
                self.learner.parameters[name][...] = array
            return False
        nats = step.nats / step.count
        self.usual = nats if math.isnan(self.usual) else self.usual
        if nats <= self.usual + 1:  # a nat: batches differ, but not by so much
            for name, array in self.learner.parameters.items():
                np.copyto(self.good.setdefault(name, np.empty_like(array)), array)
        self.usual += 0.1 * (min(nats, self.usual + 1) - self.usual)
        self.optimizer.step(self.learner.parameters, step.gradients, self._rate())
        self.step += 1
        self.tokens += step.count
        self.since.append((step.nats, step.count, norm))
        return True

    def _tell(self, step: Step[Any]) -> None:
        if self.report:
            valid = self.history[-1].valid if self.history else math.nan
            epoch = math.ceil(self.epoch_share)
            self.report(Progress(self._done(), epoch, step.nats / step.count, valid))

    def validate(self, *, epoch_ends: bool = True) -> None:
        """Add a row to the log, and keep the model if it is the best. Patience is counted in epochs."""
        if not self.since:
            return
        self.validated = self._elapsed()
        nats, count, norm = (sum(column) for column in zip(*self.since, strict=True))
        model = self.learner.model()
        valid = self.validation(model) if self.validation else math.nan
        self.history.append(
            Point(
                epoch=self.epoch_share,
                step=self.step,
                seconds=time.monotonic() - self.started,
                tokens=self.tokens,
                nats=nats / count,
                valid=valid,
                norm=norm / len(self.since),
                rate=self._rate(),
            )
        )
        self.since.clear()
        if self.validation is not None:
            better = self._is_best(model, valid)
            self.worse = 0 if better else self.worse + epoch_ends

    def consider_restored(self) -> None:
        """After a divergence: the weights that were put back may be better than any that were validated."""
        model = self.learner.model()
        if self.validation is not None:
            self._is_best(model, self.validation(model))

    def _is_best(self, model: Model, valid: float) -> bool:
        if valid < self.best_valid:
            self.best_valid, self.best_model = valid, model
            return True
        return False

    def best(self) -> Model:
        return self.learner.model() if self.best_model is None else self.best_model

    def _rate(self) -> float:
        return self.optimizer.rate * self.schedule(self._done())

    def _done(self) -> float:
        return min(1.0, max(self.epoch_share / self.limits.epochs, self._elapsed()))

    def _elapsed(self) -> float:
        """The share of the time limit that is over; 0 without one, so that a seed repeats a run."""
        if self.limits.seconds is None:
            return 0.0
        return (time.monotonic() - self.started) / max(self.limits.seconds, 1e-9)
