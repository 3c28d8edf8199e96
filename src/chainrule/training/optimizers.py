"""What is done with a gradient: stochastic descent, and Adam.

An optimiser steps the parameters in place and keeps its own averages by name.
"""

from collections.abc import Mapping
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float

from chainrule.core import InputError

Arrays = Mapping[str, Float[np.ndarray, "..."]]


@runtime_checkable
class Optimizer(Protocol):
    """rate: the learning rate at its full height; a schedule scales it."""

    rate: float

    def step(self, parameters: Arrays, gradients: Arrays, rate: float) -> None: ...


def check_rate(rate: float) -> float:
    """The learning rate, or an InputError that says what it should be."""
    if not (rate > 0 and np.isfinite(rate)):
        raise InputError(f"learning rate: expected a positive number, got {rate}")
    return rate


class SGD:
    """w <- w - rate g (Robbins & Monro 1951)."""

    def __init__(self, rate: float) -> None:
        self.rate = check_rate(rate)

    def step(self, parameters: Arrays, gradients: Arrays, rate: float) -> None:
        for name, gradient in gradients.items():
            parameters[name][...] -= gradient.dtype.type(rate) * gradient


class Adam:
    """Adam (Kingma & Ba 2015, algorithm 1):

    m <- b1 m + (1 - b1) g,   v <- b2 v + (1 - b2) g^2,   w <- w - rate m' / (sqrt v' + eps),

    m' and v' divided by 1 - b^t, which makes up for their start at zero.
    """

    def __init__(self, rate: float, *, beta1: float = 0.9, beta2: float = 0.999, eps: float = 1e-8) -> None:
        self.rate = check_rate(rate)
        self.beta1, self.beta2, self.eps = beta1, beta2, eps
        self.steps = 0
        self.mean: dict[str, Float[np.ndarray, "..."]] = {}
        self.square: dict[str, Float[np.ndarray, "..."]] = {}

    def step(self, parameters: Arrays, gradients: Arrays, rate: float) -> None:
        self.steps += 1
        scale = rate / (1 - self.beta1**self.steps)
        correction = (1 - self.beta2**self.steps) ** 0.5
        for name, gradient in gradients.items():
            kind = gradient.dtype.type
            mean = self.mean.setdefault(name, np.zeros_like(gradient))
            square = self.square.setdefault(name, np.zeros_like(gradient))
            mean += kind(1 - self.beta1) * (gradient - mean)
            square += kind(1 - self.beta2) * (gradient * gradient - square)
            divisor = np.sqrt(square)
            divisor *= kind(1 / correction)
            divisor += kind(self.eps)
            parameters[name][...] -= kind(scale) * mean / divisor
