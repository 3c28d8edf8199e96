"""The moving average of the weights."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chainrule.core import InputError
from chainrule.training.averaging import average_step, check_decay


@given(st.lists(st.floats(-5, 5), min_size=1, max_size=30), st.floats(0, 0.999))
def test_the_average_by_hand(values: list[float], decay: float) -> None:
    average: dict[str, np.ndarray] = {}
    expected = values[0]
    for step, value in enumerate(values, 1):
        average_step(average, {"w": np.array([value])}, decay, step)
        d = min(decay, (1 + step) / (10 + step))
        expected = d * expected + (1 - d) * value
    np.testing.assert_allclose(average["w"], [expected], rtol=1e-9, atol=1e-9)


def test_it_keeps_its_own_copy_in_the_precision_of_the_weights() -> None:
    weights, average = {"w": np.ones((2, 2), np.float32)}, {}
    average_step(average, weights, 0.9, 1)
    weights["w"] += 1
    np.testing.assert_array_equal(average["w"], np.ones((2, 2)))
    average_step(average, weights, 0.9, 2)
    assert average["w"].dtype == np.float32
    assert 1 < average["w"][0, 0] < 2


@pytest.mark.parametrize("decay", [-0.1, 1.0, math.nan])
def test_a_decay_without_a_meaning_is_refused(decay: float) -> None:
    with pytest.raises(InputError, match=f"average: expected a decay from 0 to below 1, got {decay}"):
        check_decay(decay)
