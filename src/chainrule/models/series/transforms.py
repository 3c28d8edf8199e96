"""A model of transformed values is a model of the values: scaled, logged, without season, differenced.

    z_t = f(x_t; memory),   predict(x) = f^-1(predict(z); memory)

    scale  z = (x - shift) / size          log  z = log x
    difference  z_t = x_t - x_{t-lag}      season  z_t = x_t - s_{t mod m}

What a step has to remember (the last values, the place in the season) is part of the state; every number in
it comes from the training part. A Normal stays one: through a logarithm its median is kept, and its scale
to first order, exp(mean) scale.

Shape letters: B batch, T time, m period, L lag.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float64, Integer

from chainrule.core import InputError, Normal, SeriesModel, check_values, reset_rows
from chainrule.models.series.autoregression import least_scale, marginal

Array = np.ndarray
Values = Float64[Array, "*shape"]
LARGEST = 600.0  # exp of more overflows once it is multiplied


class Step(ABC):
    """One transformation. A memory's axis 0 is the batch."""

    @abstractmethod
    def memory(self, batch: int) -> Array:
        """Before the first value."""

    @abstractmethod
    def after(self, memory: Array, values: Float64[Array, "B T"]) -> Array:
        """The memory after these values."""

    @abstractmethod
    def forth(self, memory: Array, values: Float64[Array, "B T"]) -> Float64[Array, "B T"]:
        """z; NaN where the memory does not reach back far enough."""

    @abstractmethod
    def back(self, memory: Array, values: Float64[Array, "B T"], predicted: Normal) -> Normal:
        """What is predicted of z [B, T], for x. Only values before each step are looked at, and of [B, 1]
        none at all."""


class Pointwise(Step):
    """Looks at one value at a time and remembers nothing."""

    @abstractmethod
    def of(self, values: Values) -> Values:
        """z."""

    @abstractmethod
    def inverse(self, predicted: Normal) -> Normal:
        """What is predicted of z, for x."""

    def memory(self, batch: int) -> Array:
        return np.empty((batch, 0))

    def after(self, memory: Array, values: Float64[Array, "B T"]) -> Array:
        del values
        return memory

    def forth(self, memory: Array, values: Float64[Array, "B T"]) -> Float64[Array, "B T"]:
        del memory
        return self.of(values)

    def back(self, memory: Array, values: Float64[Array, "B T"], predicted: Normal) -> Normal:
        del memory, values
        return self.inverse(predicted)


@dataclass(frozen=True)
class Scale(Pointwise):
    """z = (x - shift) / size."""

    shift: float
    size: float

    def of(self, values: Values) -> Values:
        return (values - self.shift) / self.size

    def inverse(self, predicted: Normal) -> Normal:
        return Normal(predicted.mean * self.size + self.shift, predicted.scale * self.size)


@dataclass(frozen=True)
class Log(Pointwise):
    """z = log x. What is below a thousandth of `least`, the smallest of training, counts as that: a value
    of 0 has no logarithm."""

    least: float

    def of(self, values: Values) -> Values:
        return np.log(np.maximum(values, 1e-3 * self.least))

    def inverse(self, predicted: Normal) -> Normal:
        middle = np.exp(np.clip(predicted.mean, -LARGEST, LARGEST))
        return Normal(middle, np.maximum(middle * predicted.scale, np.finfo(float).tiny))


@dataclass(frozen=True)
class Root(Pointwise):
    """z = sqrt(x + 3/8) (Anscombe 1948), for counts; what is below -3/8 counts as that."""

    def of(self, values: Values) -> Values:
        return np.sqrt(np.maximum(values + 0.375, 0.0))

    def inverse(self, predicted: Normal) -> Normal:
        root = np.maximum(predicted.mean, 0.0)
        return Normal(root**2 - 0.375, 2 * np.maximum(root, predicted.scale) * predicted.scale)


@dataclass(frozen=True)
class Difference(Step):
    """z_t = x_t - x_{t-lag}. marginal: of x, for the first `lag` values."""

    lag: int
    marginal: tuple[float, float]

    def memory(self, batch: int) -> Array:
        return np.full((batch, self.lag), np.nan)

    def after(self, memory: Array, values: Float64[Array, "B T"]) -> Array:
        return np.concatenate([memory, values], axis=1)[:, values.shape[1] :]

    def forth(self, memory: Array, values: Float64[Array, "B T"]) -> Float64[Array, "B T"]:
        return values - self._before(memory, values)

    def back(self, memory: Array, values: Float64[Array, "B T"], predicted: Normal) -> Normal:
        before = self._before(memory, values)
        unseen = np.isnan(before)
        mean = np.where(unseen, self.marginal[0], before + predicted.mean)
        return Normal(mean, np.where(unseen, self.marginal[1], predicted.scale))

    def _before(self, memory: Array, values: Float64[Array, "B T"]) -> Float64[Array, "B T"]:
        return np.concatenate([memory, values], axis=1)[:, : values.shape[1]]


@dataclass(frozen=True, eq=False)
class Season(Step):
    """z_t = x_t - s_{t mod m}, or x_t / s with `multiplied`. The memory is the place in the season."""

    pattern: Float64[Array, " m"]
    multiplied: bool = False

    def memory(self, batch: int) -> Array:
        return np.zeros(batch, np.int64)

    def after(self, memory: Array, values: Float64[Array, "B T"]) -> Array:
        return (memory + values.shape[1]) % len(self.pattern)

    def forth(self, memory: Array, values: Float64[Array, "B T"]) -> Float64[Array, "B T"]:
        season = self._at(memory, values.shape[1])
        return values / season if self.multiplied else values - season

    def back(self, memory: Array, values: Float64[Array, "B T"], predicted: Normal) -> Normal:
        season = self._at(memory, values.shape[1])
        if self.multiplied:
            return Normal(predicted.mean * season, predicted.scale * season)
        return Normal(predicted.mean + season, predicted.scale)

    def _at(self, places: Integer[Array, " B"], steps: int) -> Float64[Array, "B T"]:
        return self.pattern[(places[:, None] + np.arange(steps)) % len(self.pattern)]


class State(NamedTuple):
    """memory: the step's. inner: the state of the model of z."""

    memory: Array
    inner: Any


@dataclass(frozen=True, eq=False)
class Transformed(SeriesModel[State]):
    """`inner` is a model of what `step` makes of the values."""

    step: Step
    inner: SeriesModel[Any]

    def start(self, batch: int) -> State:
        return State(self.step.memory(batch), self.inner.start(batch))

    def predict(self, state: State) -> Normal:
        inner = self.inner.predict(state.inner)
        columns = Normal(inner.mean[:, None], inner.scale[:, None])
        made = self.step.back(state.memory, np.zeros(columns.mean.shape), columns)
        return Normal(made.mean[:, 0], made.scale[:, 0])

    def advance(self, state: State, items: Float64[Array, " B"]) -> State:
        values = check_values(items)[:, None]
        z = self.step.forth(state.memory, values)[:, 0]
        unseen = np.isnan(z)
        inner = self.inner.advance(state.inner, np.where(unseen, 0.0, z))
        if unseen.any():  # there was no z: the model of it has read nothing
            inner = reset_rows(inner, unseen, state.inner)
        return State(self.step.after(state.memory, values), inner)

    def follow(self, state: State, values: Float64[Array, "B T"]) -> tuple[Normal, State]:
        """All steps at once where all rows have a z from the same step on; else the loop."""
        z = self.step.forth(state.memory, check_values(values))
        unseen = np.isnan(z)
        first = int(unseen.sum(axis=1).max(initial=0))
        if not (unseen[:, :first].all() and not unseen[:, first:].any()):
            return super().follow(state, values)
        nothing = self.inner.predict(state.inner)
        later, inner = self.inner.follow(state.inner, z[:, first:])
        mean = np.concatenate([np.repeat(nothing.mean[:, None], first, axis=1), later.mean], axis=1)
        scale = np.concatenate([np.repeat(nothing.scale[:, None], first, axis=1), later.scale], axis=1)
        made = self.step.back(state.memory, values, Normal(mean, scale))
        return made, State(self.step.after(state.memory, values), inner)


Fit = Callable[[Float64[Array, " T"]], SeriesModel[Any]]


def transformed(step: Step, values: Float64[Array, " T"], fit: Fit) -> Transformed:
    """`fit` on what the step makes of the training values."""
    z = step.forth(step.memory(1), values[None])[0]
    return Transformed(step, fit(z[~np.isnan(z)]))


def scaled(values: Float64[Array, " T"]) -> Scale:
    """To mean 0 and variance 1 in training."""
    return Scale(*marginal([values]))


def logged(values: Float64[Array, " T"]) -> Log:
    """Raises InputError unless all values are above 0."""
    if values.min() <= 0:
        raise InputError(f"logarithm: expected values above 0, got {values.min():g}")
    return Log(float(values.min()))


def differenced(values: Float64[Array, " T"], lag: int = 1) -> Difference:
    """By the value `lag` steps before."""
    if not 1 <= lag < len(values):
        raise InputError(f"difference: expected a lag of 1..{len(values) - 1}, got {lag}")
    return Difference(lag, marginal([values]))


def deseasoned(values: Float64[Array, " T"], period: int, *, multiplied: bool = False) -> Season:
    """The mean at each place of the period, after a moving average over whole periods was taken off.

    multiplied: the mean ratio to it. The pattern has mean 0, or 1 (classical decomposition, Persons 1919).
    Raises InputError for fewer than two periods.
    """
    if len(values) < 2 * period:
        raise InputError(f"season: expected at least two periods of {period}, got {len(values)} values")
    if multiplied and values.min() <= 0:
        raise InputError(f"multiplied season: expected values above 0, got {values.min():g}")
    window = np.ones(period + 1 - period % 2)
    if period % 2 == 0:  # both ends are the same place of the season: half each
        window[[0, -1]] = 0.5
    level = np.convolve(values, window / window.sum(), mode="valid")
    first = len(window) // 2
    middle = values[first : first + len(level)]
    apart = middle / np.maximum(level, least_scale(values)) if multiplied else middle - level
    place = (first + np.arange(len(level))) % period
    counts = np.bincount(place, minlength=period)
    sums = np.bincount(place, weights=apart, minlength=period)
    neutral = 1.0 if multiplied else 0.0
    pattern = np.where(counts > 0, sums / np.maximum(counts, 1), neutral)
    return Season(pattern / pattern.mean() if multiplied else pattern - pattern.mean(), multiplied)
