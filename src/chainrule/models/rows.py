"""A batch's rows apart on threads: blocks of them know nothing of each other, and what they give adds up.

    nats = sum_k nats_k,   gradient = sum_k gradient_k        (each a share of the whole batch's mean)

Threads meet at the end of a step and nowhere before: beside a busy process a step waits once for its slowest
block, not once for every product.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import Any

import numpy as np

from chainrule.core import Step, join_rows
from chainrule.kernels.native import cores, instructions, keep_memory


def workers_for(dtype: Any) -> int:
    """How many blocks are worth cutting: as many as threads can run, where compiled loops let them."""
    return cores() if np.dtype(dtype) == np.float32 and instructions() else 1


class RowThreads:
    """Threads that are kept from step to step: to start one takes as long as a small product."""

    def __init__(self) -> None:
        self._pool: ThreadPoolExecutor | None = None
        keep_memory()

    def run(self, work: Callable[[slice], Step[Any]], rows: int, workers: int) -> Step[Any]:
        """`work` on blocks of rows, one of them in the calling thread; sums are in the blocks' order, so the
        number of workers, not the threads' luck, decides their last digits."""
        blocks = max(1, min(workers, rows))
        if blocks == 1:
            return work(slice(0, rows))
        if self._pool is None:
            self._pool = ThreadPoolExecutor(cores())
        first, *others = (
            slice(rows * i // blocks, rows * j // blocks) for i, j in pairwise(range(blocks + 1))
        )
        running = [self._pool.submit(work, block) for block in others]
        return joined([work(first), *(future.result() for future in running)])


def joined(blocks: list[Step[Any]]) -> Step[Any]:
    """The step of a batch from those of its blocks; the first one's gradients are added to in place."""
    gradients = blocks[0].gradients
    for block in blocks[1:]:
        for name, gradient in block.gradients.items():
            gradients[name] += gradient
    states = join_rows([block.state for block in blocks])
    return Step(sum(b.nats for b in blocks), sum(b.count for b in blocks), gradients, states)
