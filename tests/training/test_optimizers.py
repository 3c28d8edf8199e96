"""Optimisers against their formulas, worked by hand in plain floats."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chainrule.core import InputError
from chainrule.training import SGD, Adam, clip

GRADIENTS = ([1.0, -2.0], [0.5, 0.0], [-3.0, 1e-3])  # three steps of one parameter with two entries
RATES = (0.1, 0.1, 0.05)


def test_descent_by_hand() -> None:
    parameters = {"w": np.array([1.0, 2.0])}
    optimizer = SGD(0.1)
    for gradient, rate in zip(GRADIENTS, RATES, strict=True):
        optimizer.step(parameters, {"w": np.array(gradient)}, rate)
    # 1 - 0.1 * 1 - 0.1 * 0.5 + 0.05 * 3 and 2 + 0.1 * 2 - 0 - 0.05 * 0.001
    np.testing.assert_allclose(parameters["w"], [1.0, 2.19995], rtol=1e-14)


def test_adam_by_hand() -> None:
    parameters = {"w": np.array([1.0, 2.0]), "b": np.array(0.5)}
    optimizer = Adam(0.1, beta1=0.8, beta2=0.9, eps=1e-3)
    for gradient, rate in zip(GRADIENTS, RATES, strict=True):
        optimizer.step(parameters, {"w": np.array(gradient), "b": np.array(gradient[0])}, rate)
    for entry, start in ((0, 1.0), (1, 2.0), (0, 0.5)):
        w, m, v = start, 0.0, 0.0
        for t, (gradient, rate) in enumerate(zip(GRADIENTS, RATES, strict=True), 1):
            g = gradient[entry]
            m = 0.8 * m + 0.2 * g
            v = 0.9 * v + 0.1 * g * g
            w -= rate * (m / (1 - 0.8**t)) / (math.sqrt(v / (1 - 0.9**t)) + 1e-3)
        got = parameters["b"] if start == 0.5 else parameters["w"][entry]
        np.testing.assert_allclose(got, w, rtol=1e-13)


@pytest.mark.parametrize("size", [1e-4, 1.0, 1e4])
def test_the_first_step_of_adam_is_the_rate_whatever_the_size_of_the_gradient(size: float) -> None:
    parameters = {"w": np.zeros(2)}
    Adam(0.01).step(parameters, {"w": np.array([size, -size])}, 0.01)
    np.testing.assert_allclose(parameters["w"], [-0.01, 0.01], rtol=1e-3)


@pytest.mark.parametrize("make", [SGD, Adam])
def test_parameters_are_stepped_in_place_in_their_own_precision(make: type[SGD] | type[Adam]) -> None:
    w, untouched = np.ones(3, np.float32), np.ones(2, np.float32)
    gradient = np.ones(3, np.float32)
    make(0.5).step({"w": w, "untouched": untouched}, {"w": gradient}, 0.5)
    assert w.dtype == np.float32
    np.testing.assert_allclose(w, np.full(3, 0.5), rtol=1e-6)
    np.testing.assert_array_equal(untouched, np.ones(2))
    np.testing.assert_array_equal(gradient, np.ones(3))


@pytest.mark.parametrize("rate", [0.0, -1.0, math.nan, math.inf])
@pytest.mark.parametrize("make", [SGD, Adam])
def test_a_rate_without_a_meaning_is_refused(make: type[SGD] | type[Adam], rate: float) -> None:
    with pytest.raises(InputError, match=f"learning rate: expected a positive number, got {rate}"):
        make(rate)


# --- clipping: g <- min(1, theta / |g|) g over all parameters together --------------------------------------

numbers = st.lists(st.floats(-1e3, 1e3), min_size=1, max_size=4)


@given(st.lists(numbers, min_size=1, max_size=3), st.floats(1e-3, 1e3))
def test_clipping(lists: list[list[float]], theta: float) -> None:
    gradients = {str(i): np.array(numbers) for i, numbers in enumerate(lists)}
    kept = {name: gradient.copy() for name, gradient in gradients.items()}
    whole = np.concatenate(list(kept.values()))
    norm = clip(gradients, theta)
    assert norm == pytest.approx(float(np.linalg.norm(whole)), rel=1e-12)
    factor = min(1.0, theta / norm) if norm else 1.0
    for name, gradient in gradients.items():
        np.testing.assert_allclose(gradient, factor * kept[name], rtol=1e-12)
    assert np.linalg.norm(np.concatenate(list(gradients.values()))) <= theta * (1 + 1e-12)


def test_clipping_by_hand() -> None:
    gradients = {"a": np.array([[3.0, 0.0]], np.float32), "b": np.array([4.0], np.float32)}
    assert clip(gradients, 1.0) == 5.0
    np.testing.assert_allclose(gradients["a"], [[0.6, 0]], rtol=1e-6)
    np.testing.assert_allclose(gradients["b"], [0.8], rtol=1e-6)
    assert gradients["a"].dtype == np.float32
    below = {"a": np.array([3.0]), "b": np.array([4.0])}
    assert clip(below, 5.0) == 5.0
    assert (below["a"], below["b"]) == (3.0, 4.0)


def test_a_large_gradient_is_clipped_not_lost() -> None:
    # its square does not fit into float32, its norm does
    gradients = {"a": np.array([3e25, 4e25], np.float32)}
    assert clip(gradients, 1.0) == pytest.approx(5e25, rel=1e-6)
    np.testing.assert_allclose(gradients["a"], [0.6, 0.8], rtol=1e-6)
