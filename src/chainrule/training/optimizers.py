"""What is done with a gradient: stochastic descent, Adam, and Adam with decay of the weights.

An optimiser steps the parameters in place and keeps its own averages by name. `state` gives all that it
remembers, so that a run that is taken up again steps as the one that was cut off would have.
"""

from collections.abc import Mapping
from typing import NamedTuple, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float

from chainrule.core import FileFormatError, InputError
from chainrule.kernels.optimizer import adam

Array = np.ndarray
Arrays = Mapping[str, Float[Array, "..."]]


class OptimizerState(NamedTuple):
    """What an optimiser remembers: steps taken, and its averages. They are the optimiser's own, no copies."""

    steps: int
    arrays: Arrays


@runtime_checkable
class Optimizer(Protocol):
    """rate: the learning rate at its full height; a schedule scales it."""

    rate: float

    def step(self, parameters: Arrays, gradients: Arrays, rate: float) -> None:
        """Moves the parameters, in place, against their gradients."""
        ...

    def state(self) -> OptimizerState:
        """What a checkpoint keeps."""
        ...

    def restore(self, state: OptimizerState) -> None:
        """Go on from what `state` gave; raises FileFormatError for what no such optimiser remembers."""
        ...


def check_rate(rate: float) -> float:
    """The learning rate, or an InputError that says what it should be."""
    if not (rate > 0 and np.isfinite(rate)):
        raise InputError(f"learning rate: expected a positive number, got {rate}")
    return rate


class SGD:
    """w <- w - rate g (Robbins & Monro 1951)."""

    def __init__(self, rate: float) -> None:
        self.rate = check_rate(rate)
        self.steps = 0

    def step(self, parameters: Arrays, gradients: Arrays, rate: float) -> None:
        self.steps += 1
        for name, gradient in gradients.items():
            parameters[name][...] -= gradient.dtype.type(rate) * gradient

    def state(self) -> OptimizerState:
        return OptimizerState(self.steps, {})

    def restore(self, state: OptimizerState) -> None:
        if state.arrays:
            raise FileFormatError(f"optimiser: expected no averages, got {len(state.arrays)}")
        self.steps = state.steps


class Adam:
    """Adam (Kingma & Ba 2015, algorithm 1):

    m <- b1 m + (1 - b1) g,   v <- b2 v + (1 - b2) g^2,   w <- w - rate m' / (sqrt v' + eps),

    m' and v' divided by 1 - b^t, which makes up for their start at zero.
    """

    def __init__(self, rate: float, *, beta1: float = 0.9, beta2: float = 0.999, eps: float = 1e-8) -> None:
        self.rate = check_rate(rate)
        self.beta1, self.beta2, self.eps = beta1, beta2, eps
        self.steps = 0
        self.mean: dict[str, Float[Array, "..."]] = {}
        self.square: dict[str, Float[Array, "..."]] = {}

    def step(self, parameters: Arrays, gradients: Arrays, rate: float) -> None:
        self.steps += 1
        for name, gradient in gradients.items():
            if name not in self.mean:
                self.mean[name] = np.zeros_like(gradient, order="C")
                self.square[name] = np.zeros_like(gradient, order="C")
            adam(
                parameters[name],
                gradient,
                self.mean[name],
                self.square[name],
                keep=(1 - self.beta1, 1 - self.beta2),
                rate=rate / (1 - self.beta1**self.steps),
                correction=1 / (1 - self.beta2**self.steps) ** 0.5,
                eps=self.eps,
                decay=1 - rate * self.decay_of(parameters[name]),
            )

    def decay_of(self, weights: Float[Array, "..."]) -> float:
        """How strongly these weights shrink."""
        del weights
        return 0.0

    def state(self) -> OptimizerState:
        arrays = {f"mean/{name}": array for name, array in self.mean.items()}
        return OptimizerState(self.steps, arrays | {f"square/{n}": array for n, array in self.square.items()})

    def restore(self, state: OptimizerState) -> None:
        found: dict[str, dict[str, Array]] = {"mean": {}, "square": {}}
        for name, array in state.arrays.items():
            kind, _, own = name.partition("/")
            if kind not in found:
                raise FileFormatError(f"optimiser: expected averages mean and square, got {name!r}")
            found[kind][own] = array.copy()
        self.mean, self.square = found["mean"], found["square"]
        if {n: a.shape for n, a in self.mean.items()} != {n: a.shape for n, a in self.square.items()}:
            raise FileFormatError("optimiser: expected a mean and a square of each parameter")
        self.steps = state.steps


class AdamW(Adam):
    """Adam, and besides it the weights shrink (Loshchilov & Hutter 2019): w <- w - rate decay w - ..

    The decay does not pass through Adam's averages, so that it is the same for every weight of a matrix.
    Biases and other arrays of one axis are left as they are.
    """

    def __init__(
        self, rate: float, *, decay: float = 0.01, beta1: float = 0.9, beta2: float = 0.999, eps: float = 1e-8
    ) -> None:
        super().__init__(rate, beta1=beta1, beta2=beta2, eps=eps)
        if not (decay >= 0 and np.isfinite(decay)):
            raise InputError(f"weight decay: expected 0 or more, got {decay}")
        self.decay = decay

    def decay_of(self, weights: Float[Array, "..."]) -> float:
        return self.decay if weights.ndim > 1 else 0.0
