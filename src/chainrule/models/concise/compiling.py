"""torch.compile, where a trial shows that it pays: it fuses what stands around the recurrent layers."""

import time
from statistics import median
from typing import cast

import numpy as np
import torch
from torch import nn

from chainrule.core import Batch
from chainrule.models.concise.learner import TorchLearner
from chainrule.models.recurrent.dropout import NO_MASKS

TRIALS = 5


def compile_if_faster(learner: TorchLearner, batch: int, steps: int) -> str:
    """Put the compiled network in the place of the plain one if a step of such a batch is faster; a sentence
    with both times. Weights and random state stay as they are."""
    plain = learner.module
    before = _milliseconds(learner, batch, steps)
    try:
        learner.module = cast(nn.Module, torch.compile(plain))
        after = _milliseconds(learner, batch, steps)
    except Exception as error:  # whatever a compiler may say
        learner.module = plain
        return f"torch.compile failed, and is not used: {str(error).strip().splitlines()[0]}"
    pays = after < before
    if not pays:
        learner.module = plain
    return f"torch.compile: {after:.1f} ms a step, {before:.1f} without: {'used' if pays else 'not used'}"


def _milliseconds(learner: TorchLearner, batch: int, steps: int) -> float:
    """The median of a few steps, after two that are not counted."""
    items = np.random.default_rng(0).integers(0, learner.vocab_size, (batch, steps + 1))
    made, taken = Batch(items, np.zeros(batch, bool), 1), list[float]()
    for _ in range(2 + TRIALS):
        began = time.perf_counter()
        learner.backpropagate(made, learner.start(batch), NO_MASKS, made.labels.size)
        taken.append(1e3 * (time.perf_counter() - began))
    return median(taken[2:])
