"""Forecasts as roll-outs, rolling windows, and the measures against their definitions."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chainrule.core import InputError, Normal, SeriesModel
from chainrule.tasks.forecasting import (
    Window,
    conformal_radii,
    conformal_radius,
    covered,
    crps,
    k_step_errors,
    mase,
    mean_path,
    mse,
    one_step_errors,
    places,
    rolling_windows,
    seasonal_error,
    simulate,
    simulated_interval,
    smape,
    states_at,
    targets_at,
)


class Growing(SeriesModel[np.ndarray]):
    """One more than the last value, with a scale of 2."""

    def start(self, batch: int) -> np.ndarray:
        return np.zeros(batch)

    def predict(self, state: np.ndarray) -> Normal:
        return Normal(state + 1, np.full(len(state), 2.0))

    def advance(self, state: np.ndarray, items: np.ndarray) -> np.ndarray:
        return items.copy()


VALUES = np.array([3.0, 1.0, 4.0, 1.0, 5.0])


def test_the_mean_path_takes_each_prediction_for_what_came() -> None:
    model = Growing()
    states = states_at(model, VALUES, [1, 2, 5])
    assert mean_path(model, states, 3).tolist() == [[4, 5, 6], [2, 3, 4], [6, 7, 8]]


def test_errors_at_every_cutoff() -> None:
    assert one_step_errors(Growing(), VALUES).tolist() == [2, -3, 2, -4, 3]
    errors = k_step_errors(Growing(), VALUES, [2, 4], 2)
    assert errors[0].tolist() == [2, -2]
    assert errors[1, 0] == 3
    assert np.isnan(errors[1, 1])


def test_simulation_spreads_as_steps_add_up() -> None:
    """A random walk: after k steps the deviation is 2 sqrt k. Its standard error with 4000 draws is 1.1 %."""
    draws = simulate(Growing(), np.zeros(2), 4, 4000, np.random.default_rng(0))
    assert draws.shape == (2, 4000, 4)
    for row in draws:
        np.testing.assert_allclose(row.mean(axis=0), [1, 2, 3, 4], atol=0.3)
        np.testing.assert_allclose(row.std(axis=0), 2 * np.sqrt([1, 2, 3, 4]), rtol=0.06)
    low, high = simulated_interval(draws[0], 80.0)
    assert ((low <= draws[0]) & (draws[0] <= high)).mean() == pytest.approx(0.8, abs=0.01)


@given(st.integers(1, 5), st.integers(1, 4), st.integers(1, 6), st.integers(0, 30))
def test_rolling_windows(h: int, count: int, step: int, more: int) -> None:
    length = h + (count - 1) * step + 1 + more
    windows = rolling_windows(length, h, count, step)
    assert len(windows) == count
    assert windows[-1] == Window(length - h, h)
    assert {b.cutoff - a.cutoff for a, b in pairwise(windows)} <= {step}
    with pytest.raises(InputError, match="windows: expected at least"):
        rolling_windows(length - more - 1, h, count, step)


def test_windows_that_have_no_meaning() -> None:
    for arguments in ((10, 0, 1, 1), (10, 1, 0, 1), (10, 1, 1, 0)):
        with pytest.raises(InputError):
            rolling_windows(*arguments)


def test_targets_end_with_the_series() -> None:
    assert targets_at(VALUES, [3, 4], 2).tolist()[0] == [1, 5]
    assert np.isnan(targets_at(VALUES, [4], 2)[0, 1])


@given(st.integers(2, 200), st.integers(1, 50), st.integers(1, 100))
def test_places_have_a_value_after_them(length: int, count: int, last: int) -> None:
    found = places(length, count, last)
    assert 1 <= len(found) <= count
    assert found[0] >= max(length - last, 1)
    assert found[-1] <= length - 1
    assert (np.diff(found) > 0).all()


# Measures


def test_mase_of_the_seasonal_naive_forecast_in_training_is_one() -> None:
    training = np.array([1.0, 2.0, 4.0, 3.0, 9.0])
    assert mase(training[2:], training[:-2], training, 2) == pytest.approx(1)
    assert seasonal_error(training, 2) == pytest.approx((3 + 1 + 5) / 3)
    assert np.isnan(mase(VALUES, VALUES, np.ones(9), 1))
    assert np.isnan(seasonal_error(training, 5))


def test_smape_is_from_0_to_200() -> None:
    assert smape(np.array([1.0, 0.0]), np.array([1.0, 0.0])) == 0
    assert smape(np.array([1.0]), np.array([-1.0])) == 200
    assert smape(np.array([3.0]), np.array([1.0])) == 100
    assert mse(np.array([3.0, 1.0]), np.array([1.0, 1.0])) == 2


@given(st.lists(st.floats(-10, 10), min_size=1, max_size=12), st.floats(-10, 10))
def test_crps_is_its_definition(draws: list[float], value: float) -> None:
    x = np.array(draws)
    expected = np.abs(x - value).mean() - np.abs(x[:, None] - x[None, :]).mean() / 2
    assert crps(np.array([value]), x[:, None]) == pytest.approx(expected, abs=1e-9)


def test_crps_of_many_draws_is_that_of_the_normal() -> None:
    """At the mean of N(0, 1): 2 phi(0) - 1 / sqrt(pi)."""
    quantiles = np.sort(np.random.default_rng(0).standard_normal(40_000))[:, None]
    expected = 2 / np.sqrt(2 * np.pi) - 1 / np.sqrt(np.pi)
    assert crps(np.zeros(1), quantiles) == pytest.approx(expected, abs=0.01)


# Conformal intervals


def test_a_conformal_interval_covers_what_is_exchangeable() -> None:
    """P(covered) lies in [level, level + 1 / (n + 1)]; 4000 trials have a standard error of 0.6 %."""
    rng, n = np.random.default_rng(0), 19
    errors = rng.standard_t(2, (4000, n + 1))
    inside = [abs(row[-1]) <= conformal_radius(row[:-1], 80.0) for row in errors]
    assert 0.78 < np.mean(inside) < 0.87


def test_radii_do_not_fall_and_go_on_where_nothing_was_held_out() -> None:
    errors = np.array([[1.0, 0.5, 3.0, np.nan], [2.0, 0.1, 4.0, np.nan]])
    assert conformal_radii(errors, 50.0).tolist() == [2, 2, 4, 4]


def test_intervals_that_cannot_be_made() -> None:
    with pytest.raises(InputError, match="expected errors of held-out forecasts"):
        conformal_radius(np.array([np.nan]), 80.0)
    for level in (0.0, 100.0, -5.0):
        with pytest.raises(InputError, match="level: expected a percentage"):
            conformal_radius(np.ones(3), level)


def test_covered_takes_the_edges_in() -> None:
    edges = np.array([1.0, 2.0, 3.0])
    assert covered(edges, np.ones(3), np.full(3, 2.0)).tolist() == [True, True, False]
