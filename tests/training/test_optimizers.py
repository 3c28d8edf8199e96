"""Optimisers against their formulas, worked by hand in plain floats."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chainrule.core import FileFormatError, InputError
from chainrule.training import SGD, Adam, AdamW, clip
from chainrule.training.optimizers import OptimizerState

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


@pytest.mark.parametrize("make", [SGD, Adam, AdamW])
def test_parameters_are_stepped_in_place_in_their_own_precision(make: type[SGD] | type[Adam]) -> None:
    w, untouched = np.ones(3, np.float32), np.ones(2, np.float32)
    gradient = np.ones(3, np.float32)
    (make(0.5, decay=0.0) if make is AdamW else make(0.5)).step(
        {"w": w, "untouched": untouched}, {"w": gradient}, 0.5
    )
    assert w.dtype == np.float32
    np.testing.assert_allclose(w, np.full(3, 0.5), rtol=1e-6)
    np.testing.assert_array_equal(untouched, np.ones(2))
    np.testing.assert_array_equal(gradient, np.ones(3))


@pytest.mark.parametrize("rate", [0.0, -1.0, math.nan, math.inf])
@pytest.mark.parametrize("make", [SGD, Adam, AdamW])
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


# --- decay of the weights, and what is remembered -----------------------------------------------------------


def test_adamw_by_hand() -> None:
    parameters = {"w": np.array([[1.0, 2.0]]), "b": np.array([1.0, 2.0])}
    plain = {name: array.copy() for name, array in parameters.items()}
    decaying, adam = AdamW(0.1, decay=0.2), Adam(0.1)
    shrunk = parameters["w"][0].copy()
    for gradient, rate in zip(GRADIENTS, RATES, strict=True):
        before = plain["w"].copy()
        adam.step(plain, {"w": np.array([gradient]), "b": np.array(gradient)}, rate)
        decaying.step(parameters, {"w": np.array([gradient]), "b": np.array(gradient)}, rate)
        shrunk = shrunk * (1 - rate * 0.2) + (plain["w"] - before)[0]  # the step itself is Adam's
    np.testing.assert_allclose(parameters["w"][0], shrunk, rtol=1e-13)
    np.testing.assert_array_equal(parameters["b"], plain["b"])  # a bias does not shrink


@pytest.mark.parametrize("decay", [-0.1, math.nan, math.inf])
def test_a_decay_without_a_meaning_is_refused(decay: float) -> None:
    with pytest.raises(InputError, match=f"weight decay: expected 0 or more, got {decay}"):
        AdamW(0.1, decay=decay)


@pytest.mark.parametrize("make", [SGD, Adam, AdamW])
@given(seed=st.integers(0, 99), at=st.integers(0, 5))
def test_an_optimiser_goes_on_from_its_state(make: type[SGD] | type[Adam], seed: int, at: int) -> None:
    rng = np.random.default_rng(seed)
    gradients = [{"w": rng.normal(size=(2, 3)), "b": rng.normal(size=3)} for _ in range(6)]
    one = {"w": rng.normal(size=(2, 3)), "b": rng.normal(size=3)}
    other = {name: array.copy() for name, array in one.items()}
    whole, first, second = make(0.1), make(0.1), make(0.1)
    for gradient in gradients:
        whole.step(one, gradient, 0.1)
    for gradient in gradients[:at]:
        first.step(other, gradient, 0.1)
    state = first.state()
    second.restore(OptimizerState(state.steps, {name: array.copy() for name, array in state.arrays.items()}))
    for array in state.arrays.values():
        array[...] = np.nan  # what was restored is its own
    for gradient in gradients[at:]:
        second.step(other, gradient, 0.1)
    for name, array in one.items():
        assert array.tobytes() == other[name].tobytes()


def test_averages_of_another_optimiser_are_refused() -> None:
    array = np.zeros(2)
    for make, arrays in (
        (SGD, {"mean/w": array}),
        (Adam, {"median/w": array}),
        (Adam, {"mean/w": array}),
        (Adam, {"mean/w": array, "square/w": np.zeros(3)}),
    ):
        with pytest.raises(FileFormatError, match="optimiser: expected"):
            make(0.1).restore(OptimizerState(1, arrays))


@pytest.mark.parametrize("name", ["SGD", "Adam", "AdamW"])
def test_steps_are_those_of_torch(name: str) -> None:
    torch = pytest.importorskip("torch", reason="torch is not installed")
    rng = np.random.default_rng(0)
    start = {"w": rng.normal(size=(3, 4)), "b": rng.normal(size=4)}
    mine = {key: array.copy() for key, array in start.items()}
    theirs = {key: torch.nn.Parameter(torch.tensor(array)) for key, array in start.items()}
    groups = [{"params": [theirs["w"]]}, {"params": [theirs["b"]], "weight_decay": 0.0}]
    decay = {"weight_decay": 0.1} if name == "AdamW" else {}
    peer = getattr(torch.optim, name)(groups, lr=0.05, **decay)
    optimizer = AdamW(0.05, decay=0.1) if name == "AdamW" else {"SGD": SGD, "Adam": Adam}[name](0.05)
    for _ in range(20):
        gradients = {key: rng.normal(size=array.shape) for key, array in start.items()}
        for key, gradient in gradients.items():
            theirs[key].grad = torch.tensor(gradient)
        peer.step()
        optimizer.step(mine, gradients, 0.05)
    for key, array in mine.items():
        np.testing.assert_allclose(array, theirs[key].detach().numpy(), rtol=1e-10)
