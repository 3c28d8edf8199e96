"""Several processes that train one network: each reads its own rows of every batch, and all stay the same.

    g = (1 / R) sum_r g_r,   g_r the gradient of R / N times the nats of rank r's rows

N are the predictions of the whole batch and R the processes, so g is the gradient that one process has of it
all. Every process draws the same batches and the same masks, and is told the others' nats and the states of
their rows; then all clip and step alike, and each has everything that a checkpoint keeps.

What depends on a clock or a figure must not be decided by each for itself: rank 0's time, and its validation,
are everybody's; Ctrl-C in one of them ends the run of all after the same step.
"""

import gc
import os
import signal
import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.distributed as dist
from torch.distributed.rendezvous import rendezvous
from torch.nn.parallel import DistributedDataParallel

from chainrule.core import Batch, RunError, Step, leaves, reset_rows, take_rows
from chainrule.models.concise.learner import TorchLearner
from chainrule.models.concise.missing import first_line
from chainrule.models.concise.model import TorchRecurrent
from chainrule.models.recurrent.network import LayerStates

MEET = timedelta(seconds=60)  # to find each other
WAIT = timedelta(minutes=30)  # for each other, once met: one may be validating


class Processes(NamedTuple):
    """Who this process is among those that train together. group: through which they speak."""

    rank: int
    ranks: int
    group: Any

    def rows(self, batch: int, rank: int) -> slice:
        """The rows of a batch that are a rank's."""
        return slice(batch * rank // self.ranks, batch * (rank + 1) // self.ranks)


def meet(device: torch.device) -> Processes:
    """Find the others; raises RunError when they cannot be reached within a minute."""
    told = os.environ
    backend = "cpu:gloo,cuda:nccl" if device.type == "cuda" else "gloo"
    try:
        store, rank, ranks = next(rendezvous("env://", timeout=MEET))
        dist.init_process_group(backend, store=store, rank=rank, world_size=ranks, timeout=MEET)
    except (RuntimeError, ValueError) as error:
        me = f"rank {told.get('RANK', '?')} of {told.get('WORLD_SIZE', '?')}"
        where = f"{told.get('MASTER_ADDR', 'no address')}:{told.get('MASTER_PORT', 'no port')}"
        raise RunError(
            f"{me}: expected to meet the others at {where} within {MEET.seconds} s, got {first_line(error)}"
        ) from error
    return Processes(rank, ranks, dist.new_group(timeout=WAIT))


@contextmanager
def sharing(learner: TorchLearner, step: int = 0, digest: int = 0) -> Generator["SharedLearner"]:
    """The learner in company of those of the other processes, and Ctrl-C told to them all.

    step, digest: how many steps were taken before, and a number of 48 bits for what the run is made of; they
    must be the same everywhere. Raises RunError where they are not, or the others cannot be reached.
    """
    if learner.device.type == "cuda":
        torch.cuda.set_device(learner.device)
    processes = meet(learner.device)
    try:
        check_same(processes, step, digest)
        shared = SharedLearner(learner, processes)
        if threading.current_thread() is not threading.main_thread():  # no other may handle signals
            yield shared
            return
        before = signal.signal(signal.SIGINT, shared.stop)
        try:
            yield shared
        finally:
            signal.signal(signal.SIGINT, before)
    finally:
        learner.module = learner.network
        gc.collect()  # the wrapper holds the group in a cycle, and the group's threads must end before Python
        dist.destroy_process_group()


class SharedLearner:
    """A learner that works on its own rows of every batch, and gives the step of the whole batch.

    clock: seconds as rank 0 had them at the last step, for a loop that all ranks must leave together. Its
    `gradients` raises RunError when another process is gone, and KeyboardInterrupt, in all of them, when one
    was told to stop.
    """

    def __init__(self, learner: TorchLearner, processes: Processes) -> None:
        self.learner, self.processes = learner, processes
        self.parameters, self.rng = learner.parameters, learner.rng
        local = [learner.device] if learner.device.type == "cuda" else None
        with reached(processes):
            learner.module = DistributedDataParallel(learner.module, local, process_group=processes.group)
            self._now, self._stop = summed(processes, [0.0, self._own_time(), 0.0])[1], False

    def clock(self) -> float:
        return self._now

    def start(self, batch: int) -> LayerStates:
        return self.learner.start(batch)

    def model(self) -> TorchRecurrent:
        return self.learner.model()

    def gradients(self, batch: Batch, state: LayerStates) -> Step[LayerStates]:
        """The step of the whole batch, the same in every process."""
        (me, ranks, _), rows = self.processes, len(batch.items)
        state = reset_rows(state, batch.fresh, self.start(rows))
        masks = self.learner.draw_masks(rows)
        own = self.processes.rows(rows, me)
        idle = own.start == own.stop  # fewer rows than processes: one is read, and counts for nothing
        read = slice(0, 1) if idle else own
        part = Batch(batch.items[read], batch.fresh[read], batch.given)
        share = np.inf if idle else batch.labels.size / ranks
        with reached(self.processes):
            step = self.learner.backpropagate(
                part, take_rows(state, np.arange(read.start, read.stop)), masks.rows(read), share
            )
            told = [0.0 if idle else step.nats, self._own_time(), self._stop]
            nats, self._now, stop = summed(self.processes, told)
            after = self._gathered(take_rows(step.state, np.arange(own.stop - own.start)), rows)
        if stop:
            raise KeyboardInterrupt
        return Step(nats, batch.labels.size, step.gradients, after)

    def agreed(self, figure: Callable[[TorchRecurrent], float]) -> Callable[[TorchRecurrent], float]:
        """A figure of a model as rank 0 finds it, for all; it raises RunError as `gradients` does."""

        def told(model: TorchRecurrent) -> float:
            return self.of_first(figure(model) if self.processes.rank == 0 else 0.0)

        return told

    def of_first(self, number: float) -> float:
        """Rank 0's number, for all."""
        with reached(self.processes):
            return summed(self.processes, [number if self.processes.rank == 0 else 0.0])[0]

    def stop(self, *_: Any) -> None:
        """Have all processes stop after the next step: a signal's handler."""
        self._stop = True

    def _own_time(self) -> float:
        return time.monotonic() if self.processes.rank == 0 else 0.0

    def _gathered(self, own: LayerStates, rows: int) -> LayerStates:
        """The states of all rows from everybody's own, which may differ in number by one."""
        blocks = [self.processes.rows(rows, rank) for rank in range(self.processes.ranks)]
        most = max(block.stop - block.start for block in blocks)
        whole = self.start(rows)
        widths = [leaf.shape[1] for leaf in leaves(whole)]
        sent = torch.zeros(most, sum(widths), dtype=torch.from_numpy(next(leaves(whole))).dtype)
        mine = np.concatenate(list(leaves(own)), axis=1)
        sent[: len(mine)] = torch.from_numpy(mine)
        received = [torch.empty_like(sent) for _ in blocks]
        dist.all_gather(received, sent, group=self.processes.group)
        for block, part in zip(blocks, received, strict=True):
            columns = torch.split(part[: block.stop - block.start], widths, dim=1)
            for leaf, column in zip(leaves(whole), columns, strict=True):
                leaf[block] = column.numpy()
        return whole


def summed(processes: Processes, numbers: list[float]) -> list[float]:
    """Sums over the processes, in double precision."""
    told = torch.tensor(numbers, dtype=torch.float64)
    dist.all_reduce(told, group=processes.group)
    return told.tolist()


def check_same(processes: Processes, step: int, digest: int) -> None:
    """Raises RunError unless all have the same before them: one may lack a checkpoint, or its text differ."""
    me, ranks, _ = processes
    with reached(processes):
        found = [
            summed(processes, [float(own) if rank == me else 0.0 for rank in range(ranks)])
            for own in (step, digest)
        ]
    if len(set(found[0])) > 1:
        told = ", ".join(f"{steps:.0f}" for steps in found[0])
        raise RunError(f"rank {me} of {ranks}: expected all to go on from the same step, got {told}")
    if len(set(found[1])) > 1:
        raise RunError(f"rank {me} of {ranks}: expected all to have the same text and settings, got others")


@contextmanager
def reached(processes: Processes) -> Generator[None]:
    """Says in one line that another process is gone, or cannot be reached any more."""
    try:
        yield
    except RuntimeError as error:
        said = str(error).lower()  # gloo has no class of error of its own
        if not (isinstance(error, dist.DistError) or "gloo" in said or "peer" in said):
            raise
        raise RunError(
            f"rank {processes.rank} of {processes.ranks}: another process has stopped or cannot be reached; "
            f"the last checkpoint is kept ({first_line(error)})"
        ) from error
