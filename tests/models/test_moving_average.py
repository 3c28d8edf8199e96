"""Moving averages: what was put in is found again, factors stay stationary, and the laws of the interface."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chainrule import testing
from chainrule.core import InputError
from chainrule.models.series import Orders, choose_moving_average, fit_moving_average
from chainrule.models.series.moving_average import stationary

RNG = np.random.default_rng(0)


def made(count: int, near: float, seasonal: float, period: int) -> np.ndarray:
    """(1 - near B)(1 - seasonal B^m) of noise: moving averages alone."""
    e = RNG.normal(size=count + period + 1)
    before, ago = e[period:-1], e[1:-period]
    return e[period + 1 :] - near * before - seasonal * ago + near * seasonal * e[: -period - 1]


def test_a_seasonal_moving_average_is_found_again() -> None:
    model = fit_moving_average(made(1500, 0.5, 0.6, 4), Orders(0, 1, 0, 1), 4)
    assert model.ma[0] == pytest.approx(-0.5, abs=0.06)
    assert model.ma[3] == pytest.approx(-0.6, abs=0.06)
    assert model.ma[4] == pytest.approx(model.ma[0] * model.ma[3])
    assert model.scale == pytest.approx(1, abs=0.06)


def test_an_autoregression_is_found_again_around_its_mean() -> None:
    values = np.zeros(1500)
    for t in range(2, len(values)):
        values[t] = 1.2 * values[t - 1] - 0.5 * values[t - 2] + RNG.normal()
    tried = tuple(Orders(p, 0) for p in (1, 2, 3))
    model = choose_moving_average(values + 7, tried)
    assert model.ar[:2] == pytest.approx([1.2, -0.5], abs=0.08)
    assert model.middle == pytest.approx(7, abs=0.5)


def test_of_noise_the_fewest_coefficients_are_chosen() -> None:
    model = choose_moving_average(RNG.normal(size=300), (Orders(3, 1), Orders(0, 0), Orders(2, 2)))
    assert len(model.ar) == len(model.ma) == 0
    testing.check_series_model(model)


def test_the_laws_of_the_interface() -> None:
    testing.check_series_model(fit_moving_average(made(200, 0.4, 0.3, 4), Orders(1, 1, 1, 1), 4))


@given(st.lists(st.floats(-20, 20), min_size=1, max_size=5))
def test_weights_are_those_of_a_stationary_autoregression(free: list[float]) -> None:
    weights = stationary(np.array([free]))[0]
    roots = np.abs(np.roots([1, *-weights]))
    assert (roots < 1 + 1e-6).all()


def test_a_constant_has_no_error() -> None:
    model = fit_moving_average(np.full(30, 5.0), Orders(1, 1))
    assert model.predict(model.start(1)).mean[0] == 5
    assert 0 < model.scale < 1e-6


@pytest.mark.parametrize(
    ("orders", "period", "message"),
    [
        (Orders(-1), 1, "orders: expected none below 0"),
        (Orders(1), 0, "a period of at least 1"),
        (Orders(1, 1, 1, 1), 12, "moving average: expected at least 21 values, got 20"),
    ],
)
def test_what_has_no_meaning_is_refused(orders: Orders, period: int, message: str) -> None:
    with pytest.raises(InputError, match=message):
        fit_moving_average(np.arange(20.0), orders, period)
