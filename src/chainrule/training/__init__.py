"""Learning by gradients: the loop, what it steps with, how fast, and what it leaves behind."""

from chainrule.training.checkpoints import Checkpoints, discard, read_checkpoint
from chainrule.training.finder import Sweep, sweep_rates
from chainrule.training.loop import clip, train
from chainrule.training.optimizers import SGD, Adam, AdamW, Optimizer
from chainrule.training.run import Limits, Point, Progress, Training
from chainrule.training.schedules import Plateau, constant, cosine

__all__ = [
    "SGD",
    "Adam",
    "AdamW",
    "Checkpoints",
    "Limits",
    "Optimizer",
    "Plateau",
    "Point",
    "Progress",
    "Sweep",
    "Training",
    "clip",
    "constant",
    "cosine",
    "discard",
    "read_checkpoint",
    "sweep_rates",
    "train",
]
