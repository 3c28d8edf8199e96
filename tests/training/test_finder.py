"""The sweep over learning rates."""

import math
from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np
import pytest

from chainrule.core import Batch, InputError, Step
from chainrule.data.partition import sequential_batches
from chainrule.models.recurrent import RecurrentLearner
from chainrule.training import SGD, Adam, Limits, sweep_rates, train
from chainrule.training.finder import smooth


class Bowl:
    """A loss of w^2 / 2 in one direction: descent is stable below a rate of 2, and best at 1."""

    def __init__(self, curvature: float) -> None:
        self.curvature, self.parameters = curvature, {"w": np.array([1.0])}
        self.states: list[int] = []

    def start(self, batch: int) -> int:
        return 0

    def gradients(self, batch: Batch, state: int) -> Step[int]:
        w = float(self.parameters["w"][0])
        self.states.append(state)
        nats = 1.0 + self.curvature * w * w / 2
        gradient = {"w": np.array([self.curvature * w])}
        return Step(nats * batch.labels.size, batch.labels.size, gradient, state + 1)

    def model(self) -> float:
        return float(self.parameters["w"][0])


def endless(epoch: Any = None) -> Iterator[Batch]:
    while True:
        yield Batch(np.zeros((1, 3), dtype=np.int64), np.array([False]), given=1)


def test_what_is_suggested_is_a_rate_that_descends() -> None:
    for curvature in (0.01, 1.0, 100.0):
        sweep = sweep_rates(Bowl(curvature), endless(), SGD(1.0), low=1e-6, high=1e4, theta=math.inf)
        assert 0 < sweep.suggested * curvature < 2
        assert sweep.suggested == pytest.approx(sweep.lowest / 3)
        assert len(sweep.rates) == len(sweep.nats) == len(sweep.smoothed)
        assert sweep.rates[-1] < 1e4  # it does not go on when all is lost


def test_the_state_is_carried() -> None:
    bowl = Bowl(1.0)
    sweep_rates(bowl, endless(), SGD(1.0), low=1e-6, high=1e-5, steps=10)
    assert bowl.states == list(range(10))


@pytest.mark.slow
def test_a_network_trains_well_at_the_rate_it_suggests() -> None:
    tokens = np.tile([0, 1, 0, 2, 0, 1, 0, 3], 125)

    def learner() -> RecurrentLearner:
        return RecurrentLearner(4, cell="gru", hidden=16, rng=np.random.default_rng(0))

    def final(rate: float) -> float:
        epoch = partial(sequential_batches, tokens, 8, 24, np.random.default_rng(0))
        return train(learner(), epoch, Adam(rate), limits=Limits(20)).history[-1].nats

    def batches() -> Iterator[Batch]:
        while True:
            yield from sequential_batches(tokens, 8, 24, np.random.default_rng(0))

    found = sweep_rates(learner(), batches(), Adam(1.0)).suggested
    assert final(found) < min(final(found / 30), final(found * 30)) - 0.1


def test_a_run_that_is_lost_at_once_says_so() -> None:
    with pytest.raises(InputError, match="rates: expected at least 3 steps before the loss is lost, got 0"):
        sweep_rates(Bowl(1e300), endless(), SGD(1.0), low=1e10, high=1e20, theta=math.inf)


@pytest.mark.parametrize(("low", "high"), [(0, 1), (1, 1), (2, 1), (1, math.inf), (math.nan, 1)])
def test_rates_without_a_meaning_are_refused(low: float, high: float) -> None:
    with pytest.raises(InputError, match="rates: expected 0 < low < high"):
        sweep_rates(Bowl(1), endless(), SGD(1.0), low=low, high=high)
    with pytest.raises(InputError, match="steps: expected at least 10, got 9"):
        sweep_rates(Bowl(1), endless(), SGD(1.0), steps=9)


def test_smoothing_shifts_nothing() -> None:
    line = np.linspace(0, 1, 101)
    np.testing.assert_allclose(smooth(line, 100)[20:-20], line[20:-20], atol=1e-6)
    np.testing.assert_allclose(smooth(np.full(30, 2.0), 100), 2.0)
    bump = smooth(np.eye(101)[50], 100)
    assert bump.argmax() == 50
    np.testing.assert_allclose(bump[:50], bump[:50:-1], rtol=1e-9)
