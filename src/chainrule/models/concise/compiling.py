"""torch.compile, where a trial shows that it pays: it fuses what stands around the recurrent layers."""

import time
from collections.abc import Callable
from statistics import median
from typing import cast

import numpy as np
import torch
from torch import nn

from chainrule.core import Batch
from chainrule.models.concise.learner import TorchLearner
from chainrule.models.concise.missing import first_line
from chainrule.models.recurrent.learner import draw_masks

WARM, TRIALS = 3, 15  # steps of each
WORTH = 0.03  # a gain below it is within the noise


def compile_if_faster(
    learner: TorchLearner, batch: int, steps: int, agreed: Callable[[float], float] = float
) -> str:
    """Put the compiled network in the place of the plain one if a step of such a batch is faster; a sentence
    with both times. Weights and random state stay as they are. agreed: makes a decision everybody's."""
    modules = learner.module, cast(nn.Module, torch.compile(learner.module))
    taken: tuple[list[float], list[float]] = [], []
    try:
        for _ in range(WARM + TRIALS):  # in turns: a machine's speed drifts
            for module, own in zip(modules, taken, strict=True):
                learner.module = module
                own.append(_milliseconds(learner, batch, steps))
    except Exception as error:  # whatever a compiler may say
        learner.module = modules[0]
        return f"torch.compile failed, and is left: {first_line(error)}"
    before, after = (median(own[WARM:]) for own in taken)
    pays = agreed(after < (1 - WORTH) * before) > 0
    learner.module = modules[pays]
    return f"torch.compile: {after:.1f} ms a step, {before:.1f} without: {'used' if pays else 'not used'}"


def _milliseconds(learner: TorchLearner, batch: int, steps: int) -> float:
    """Of one step, with masks of its own."""
    items = np.random.default_rng(0).integers(0, learner.vocab_size, (batch, steps + 1))
    made = Batch(items, np.zeros(batch, bool), 1)
    rates, rng = learner.rates, np.random.default_rng(0)
    masks = draw_masks(learner.arch, rates, learner.vocab_size, batch, rng, learner.dtype)
    began = time.perf_counter()
    learner.backpropagate(made, learner.start(batch), masks, made.labels.size)
    return 1e3 * (time.perf_counter() - began)
