"""The training loop: truncated backpropagation through time with a carried state, clipping, early stop.

    g <- min(1, theta / |g|) g          |g| the norm over all parameters together (Pascanu 2013)

The loop knows nothing of models: a learner gives gradients, an optimiser steps, a function validates. What
it must remember from one step to the next is one value, a `Run`.
"""

import math
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Generic, NamedTuple, TypeVar

import numpy as np
from jaxtyping import Float

from chainrule.core import Batch, InputError, Learner, Step
from chainrule.kernels.optimizer import square_sum
from chainrule.training.averaging import average_step, check_decay
from chainrule.training.optimizers import Optimizer
from chainrule.training.run import (
    Limits,
    Point,
    Progress,
    Run,
    Since,
    Snapshot,
    Training,
    Weights,
    copy_into,
    pack,
    put,
    put_back,
    unpack,
)
from chainrule.training.schedules import Plateau, constant

Model = TypeVar("Model")
Gradients = Mapping[str, Float[np.ndarray, "..."]]
DIVERGED = (
    "training diverged: the loss or its gradient is no longer finite; the last good weights are kept. "
    "Lower the learning rate or the clipping norm"
)
OFTEN = 0.1  # of the time limit: no stretch without a validation is longer
RECENT = 0.1  # weight of the last step in the speed that is shown


class Watch(NamedTuple):
    """Who looks on while a run goes. report: after each step. log: each new row of the log. keep: between two
    steps, handed what makes a snapshot of the run and whether an epoch has ended; it may write one."""

    report: Callable[[Progress], None] | None = None
    log: Callable[[Point], None] | None = None
    keep: Callable[[Callable[[], Snapshot], bool], None] | None = None


def clip(gradients: Gradients, theta: float) -> float:
    """Scale all gradients in place so that their common norm is at most theta; returns the norm before."""
    norm = math.sqrt(sum(map(square_sum, gradients.values())))
    if math.isinf(norm):  # the squares may be too large for float32 where the gradient is not
        norm = math.sqrt(sum(float(np.square(g, dtype=np.float64).sum()) for g in gradients.values()))
    if norm > theta:
        for gradient in gradients.values():
            gradient[...] *= gradient.dtype.type(theta / norm)
    return norm


def check_clip(theta: float) -> float:
    """The norm to clip to, or an InputError that says what it should be."""
    if not (theta > 0 and not math.isnan(theta)):
        raise InputError(f"clip: expected a positive norm, got {theta}")
    return theta


def train(
    learner: Learner[Any, Model],
    epoch: Callable[[], Iterable[Batch]],
    optimizer: Optimizer,
    *,
    limits: Limits = Limits(),  # noqa: B008 - an immutable value
    theta: float = 1.0,
    schedule: Callable[[float], float] = constant,
    plateau: Plateau | None = None,
    average: float = 0.0,
    validate: Callable[[Model], float] | None = None,
    report: Callable[[Progress], None] | None = None,
    log: Callable[[Point], None] | None = None,
    keep: Callable[[Callable[[], Snapshot], bool], None] | None = None,
    rng: np.random.Generator | None = None,
    resume: Snapshot | None = None,
    clock: Callable[[], float] | None = None,
) -> Training[Model]:
    """Train until the limits, and hand back the model that validated best (the last one, unvalidated).

    epoch: makes the batches of one epoch; rng: what it draws them with. plateau: halves the rate besides the
    schedule. average: the decay of the moving average of the weights that is validated and handed back in
    their place, 0 for none. validate: nats per token of a model on the validation part; an epoch is validated
    at its end, and in between where it takes more than a tenth of the time. Ctrl-C ends the run and keeps
    what was learned; so does a loss that is no longer finite, which also gives advice.

    report, log, keep: see `Watch`. resume: what `keep` was given, by a run of the same settings on the same
    data: it goes on from there, and the weights come out bit for bit as if it had never stopped, provided
    that rng is given and the run is limited by epochs. Under a limit of time, which counts the time before
    the stop too, the schedule follows the clock, and no two runs are the same. clock: seconds, the
    machine's own unless processes that train together share one.
    Raises InputError for limits that allow nothing.
    """
    limits.check()
    check_clip(theta)
    watch = Watch(report, log, keep)
    plan = _Plan(limits, theta, schedule, check_decay(average), validate)
    loop = _Loop(learner, epoch, optimizer, plan, watch, rng, clock or time.monotonic)
    loop.begin(Run(plateau) if resume is None else unpack(resume, learner, optimizer), resume)
    with np.errstate(over="ignore", invalid="ignore"):  # what is not finite is looked for by name
        try:
            stopped = loop.epochs()
        except KeyboardInterrupt:
            stopped = "interrupted"
        try:
            if stopped != "early":
                loop.validate()
            if stopped == "diverged":
                loop.consider_restored()
        except KeyboardInterrupt:  # whoever will not wait for the last figure keeps the weights all the same
            stopped = "interrupted"
    advice = DIVERGED if stopped == "diverged" else None
    return Training(loop.best(), tuple(loop.run.history), stopped, advice)


class _Plan(NamedTuple):
    """What stays as it is."""

    limits: Limits
    theta: float
    schedule: Callable[[float], float]
    average: float
    validate: Callable[[Any], float] | None


class _Loop(Generic[Model]):
    """What moves a run on."""

    def __init__(
        self,
        learner: Learner[Any, Model],
        epoch: Callable[[], Iterable[Batch]],
        optimizer: Optimizer,
        plan: _Plan,
        watch: Watch,
        rng: np.random.Generator | None,
        clock: Callable[[], float],
    ) -> None:
        self.learner, self.epoch, self.optimizer = learner, epoch, optimizer
        self.plan, self.watch, self.rng, self.clock = plan, watch, rng, clock
        self.run = Run()
        self.batches: list[Batch] | None = None  # of the epoch that a checkpoint lies in
        self.entered = self.started = clock()
        self.already = 0.0  # the share that was done when this process took over
        self.speed = math.nan

    def begin(self, run: Run, resume: Snapshot | None) -> None:
        """Take a run over. Batches that were drawn before are drawn again, from the same random state."""
        self.run = run
        if resume is None:
            return
        put_back(self.rng, run.draws)
        if run.index:
            self.batches = list(self.epoch())
        put_back(getattr(self.learner, "rng", None), resume.facts["learner"])  # perhaps the same generator
        self.started -= run.seconds
        self.already = self._done()

    def epochs(self) -> str:
        """Run the epochs; the word for why they ended."""
        limits, run = self.plan.limits, self.run
        while True:
            if run.worse >= limits.patience:
                return "early"
            if run.step and self._elapsed() > 1:
                return "time"
            if run.epoch >= limits.epochs:
                return "finished"
            stopped = self._rest_of_epoch()
            if stopped:
                return stopped

    def _rest_of_epoch(self) -> str | None:
        """The batches of an epoch that are still to be read; why the run must end there, if it must."""
        run = self.run
        if self.batches is None:
            run.draws = self._draws()
            self.batches = list(self.epoch())
        count = len(self.batches)
        if not count:
            raise InputError("epoch: expected at least one batch, got none")
        for batch in self.batches[run.index :]:
            began = time.monotonic()
            if run.state is None or batch.fresh.all():
                run.state = self.learner.start(len(batch.items))
            step = self.learner.gradients(batch, run.state)
            norm = self._apply(step)
            if norm is None:
                return "diverged"
            run.state = step.state
            run.index += 1
            run.share = run.epoch + run.index / count
            self._tell(step, norm, time.monotonic() - began)
            ends = run.index == count
            if ends:
                self._end_epoch()
            elif self._elapsed() >= run.validated + OFTEN:
                self.validate(epoch_ends=False)
            if self.watch.keep:
                self.watch.keep(self._snapshot, ends)
            if not ends and self._elapsed() > 1:
                return "time"
        return None

    def _end_epoch(self) -> None:
        self.validate()
        self.run.epoch, self.run.index, self.run.state = self.run.epoch + 1, 0, None
        self.run.draws, self.batches = self._draws(), None

    def _draws(self) -> dict[str, Any] | None:
        return None if self.rng is None else dict(self.rng.bit_generator.state)

    def _snapshot(self) -> Snapshot:
        self.run.seconds = self.clock() - self.started
        return pack(self.run, self.learner, self.optimizer)

    def _apply(self, step: Step[Any]) -> float | None:
        """Clip and step; the norm before. None when the numbers are not finite: the weights then are put back
        to the last good ones, whose loss was no more than usual, for it was a step from there that went too
        far."""
        run, weights = self.run, self.learner.parameters
        norm = clip(step.gradients, self.plan.theta)
        if not (math.isfinite(step.nats) and math.isfinite(norm)):
            put(self.learner, run.good)
            run.average.clear()
            return None
        nats = step.nats / step.count
        run.usual = nats if math.isnan(run.usual) else run.usual
        if nats <= run.usual + 1:  # a nat: batches differ, but not by so much
            copy_into(run.good, weights)
        run.usual += 0.1 * (min(nats, run.usual + 1) - run.usual)
        self.optimizer.step(weights, step.gradients, self._rate())
        run.step += 1
        run.tokens += step.count
        run.since = run.since.and_step(step.nats, step.count, norm)
        if self.plan.average:
            average_step(run.average, weights, self.plan.average, run.step)
        return norm

    def _tell(self, step: Step[Any], norm: float, seconds: float) -> None:
        if not self.watch.report:
            return
        speed = step.count / max(seconds, 1e-9)
        self.speed = speed if math.isnan(self.speed) else self.speed + RECENT * (speed - self.speed)
        valid = self.run.history[-1].valid if self.run.history else math.nan
        nats, done = step.nats / step.count, self._done()
        here, own = self.clock() - self.entered, done - self.already
        left = here * (1 - done) / own if own > 0 else math.nan
        epoch = math.ceil(self.run.share)
        self.watch.report(Progress(done, epoch, nats, valid, norm, self.speed, left))

    def validate(self, *, epoch_ends: bool = True) -> None:
        """Add a row to the log, and keep the weights if they are the best. Patience is counted in epochs."""
        run, since = self.run, self.run.since
        if not since.steps:
            return
        run.validated = self._elapsed()
        weights = run.average or self.learner.parameters
        valid = self.plan.validate(self._model(run.average)) if self.plan.validate else math.nan
        point = Point(
            epoch=run.share,
            step=run.step,
            seconds=self.clock() - self.started,
            tokens=run.tokens,
            nats=since.nats / since.tokens,
            valid=valid,
            norm=since.norm / since.steps,
            rate=self._rate(),
        )
        run.history.append(point)
        run.since = Since()
        if self.plan.validate is not None:
            better = self._is_best(weights, valid)
            run.worse = 0 if better else run.worse + epoch_ends
            run.plateau = run.plateau and run.plateau.after(valid, epoch_ends=epoch_ends)
        if self.watch.log:
            self.watch.log(point)

    def consider_restored(self) -> None:
        """After a divergence: the weights that were put back may be better than any that were validated."""
        if self.plan.validate is not None:
            self._is_best(self.learner.parameters, self.plan.validate(self.learner.model()))

    def _is_best(self, weights: Mapping[str, np.ndarray], valid: float) -> bool:
        if valid < self.run.best_valid:
            self.run.best_valid = valid
            copy_into(self.run.best, weights)
            return True
        return False

    def _model(self, weights: Weights) -> Model:
        """The model of these weights (of the learner's own, where there are none), which is left as it is."""
        if not weights:
            return self.learner.model()
        own = {name: array.copy() for name, array in self.learner.parameters.items()}
        try:
            put(self.learner, weights)
            return self.learner.model()
        finally:
            put(self.learner, own)

    def best(self) -> Model:
        return self._model(self.run.best or self.run.average)

    def _rate(self) -> float:
        halved = 1.0 if self.run.plateau is None else self.run.plateau.factor
        return self.optimizer.rate * halved * self.plan.schedule(self._done())

    def _done(self) -> float:
        return min(1.0, max(self.run.share / self.plan.limits.epochs, self._elapsed()))

    def _elapsed(self) -> float:
        """The share of the time limit that is over; 0 without one, so that a seed repeats a run."""
        if self.plan.limits.seconds is None:
            return 0.0
        return (self.clock() - self.started) / max(self.plan.limits.seconds, 1e-9)
