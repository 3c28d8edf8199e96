"""Learning by gradients: the loop, what it steps with, and how fast."""

from chainrule.training.loop import Point, Training, clip, train
from chainrule.training.optimizers import SGD, Adam, Optimizer
from chainrule.training.schedules import constant, cosine

__all__ = ["SGD", "Adam", "Optimizer", "Point", "Training", "clip", "constant", "cosine", "train"]
