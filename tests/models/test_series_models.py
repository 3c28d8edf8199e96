"""Models of real values: the laws of the interface, the equations, and what a fit finds again."""

from functools import partial
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chainrule import testing
from chainrule.core import InputError, Normal, SeriesModel
from chainrule.models.series import (
    Autoregression,
    ComplexSmoothing,
    ExponentialSmoothing,
    Form,
    Hidden,
    Rates,
    Root,
    Season,
    Transformed,
    choose_lags,
    deseasoned,
    differenced,
    fit_autoregression,
    fit_complex,
    fit_smoothing,
    logged,
    scaled,
    seasonal_naive,
    transformed,
)
from chainrule.models.series.complex_smoothing import Complex, ComplexRates
from chainrule.models.series.direct import fit_direct
from chainrule.models.series.ensemble import Ensemble
from chainrule.models.series.search import spread
from chainrule.tasks.forecasting import mean_path, states_at

LEVEL, SIZE = 20.0, 2.0
TREND, NONE = Form("damped", 4), Form("none", 0)


def wave(length: int = 80, seed: int = 0) -> np.ndarray:
    """Above 0, with a season of 4 and a drift."""
    t, rng = np.arange(length), np.random.default_rng(seed)
    return LEVEL + 0.02 * t + SIZE * np.array([1.0, 0.0, -1.5, 0.5])[t % 4] + rng.normal(0, 0.3, length)


def ar(values: np.ndarray) -> Autoregression:
    return fit_autoregression([values], (1, 4))


def smooth(values: np.ndarray, form: Form = TREND) -> ExponentialSmoothing:
    return fit_smoothing(values, form)


def over(step: Any, fit: Any = ar) -> Transformed:
    return transformed(step(wave()), wave(), fit)


def chained(values: np.ndarray) -> SeriesModel[Any]:
    return transformed(differenced(values, 4), values, ar)


MODELS: dict[str, SeriesModel[Any]] = {
    "mean": choose_lags(wave(), 0),
    "naive": seasonal_naive(wave(), 1),
    "seasonal naive": seasonal_naive(wave(), 4),
    "ar": ar(wave()),
    "level": smooth(wave(), NONE),
    "drift": smooth(wave(), Form("drift")),
    "trend, season": smooth(wave(), Form("linear", 4)),
    "damped, season": smooth(wave()),
    "complex": fit_complex(wave()),
    "complex, season": fit_complex(wave(), 4),
    "scaled": over(scaled),
    "log": over(logged),
    "root": over(lambda _: Root()),
    "changes": over(differenced),
    "seasonal changes": over(partial(differenced, lag=4)),
    "changes of seasonal changes": over(differenced, chained),
    "seasonal means": over(partial(deseasoned, period=4)),
    "multiplied season of smoothing": over(partial(deseasoned, period=4, multiplied=True), smooth),
    "ensemble": Ensemble((ar(wave()), over(differenced), smooth(wave()))),
}


@pytest.mark.parametrize("name", MODELS)
def test_the_laws_of_the_interface(name: str) -> None:
    testing.check_series_model(MODELS[name], level=LEVEL, size=SIZE, tolerance=1e-8)


# The suite catches who breaks a law


class _Honest(SeriesModel[np.ndarray]):
    """The last value."""

    def start(self, batch: int) -> np.ndarray:
        return np.zeros(batch)

    def predict(self, state: np.ndarray) -> Normal:
        return Normal(state.copy(), np.ones(len(state)))

    def advance(self, state: np.ndarray, items: np.ndarray) -> np.ndarray:
        if not np.isfinite(items).all():
            raise InputError("values: expected finite numbers")
        return items.copy()


class _NoScale(_Honest):
    def predict(self, state: np.ndarray) -> Normal:
        return Normal(state.copy(), np.zeros(len(state)))


class _ChangesItsState(_Honest):
    def advance(self, state: np.ndarray, items: np.ndarray) -> np.ndarray:
        state[:] = super().advance(state, items)
        return state


class _FollowLies(_Honest):
    def follow(self, state: np.ndarray, values: np.ndarray) -> tuple[Normal, np.ndarray]:
        made, after = super().follow(state, values)
        return Normal(made.mean + 0.01, made.scale), after


class _RowsTalk(_Honest):
    def predict(self, state: np.ndarray) -> Normal:
        return Normal(np.full(len(state), state.sum()), np.ones(len(state)))


class _TakesAnything(_Honest):
    def advance(self, state: np.ndarray, items: np.ndarray) -> np.ndarray:
        return np.nan_to_num(items)


BREAKERS = {
    _NoScale: testing.check_predictions_are_normal,
    _ChangesItsState: testing.check_series_state_is_a_value,
    _FollowLies: testing.check_follow_is_the_loop,
    _RowsTalk: testing.check_series_rows_and_future,
    _TakesAnything: testing.check_nothing_to_follow,
}


def test_an_honest_model_of_ones_own_passes() -> None:
    testing.check_series_model(_Honest())


@pytest.mark.parametrize("broken", BREAKERS, ids=lambda kind: kind.__name__)
def test_each_law_catches_the_model_that_breaks_it(broken: type[_Honest]) -> None:
    with pytest.raises(AssertionError):
        BREAKERS[broken](broken(), np.random.default_rng(0), 1e-9)


# Equations


def test_a_density_is_that_of_the_normal() -> None:
    log_p = Normal(np.array([1.0]), np.array([2.0])).log_density(np.array([4.0]))
    assert log_p[0] == pytest.approx(-0.5 * 1.5**2 - np.log(2) - 0.5 * np.log(2 * np.pi))


def test_score_is_the_density_of_what_is_predicted() -> None:
    model, values = MODELS["ar"], wave(20, 5)[None]
    log_p, _ = model.score(model.start(1), values)
    made, _ = model.follow(model.start(1), values)
    np.testing.assert_allclose(log_p, made.log_density(values))


@given(st.integers(0, 10_000), st.sampled_from([0, 3]))
def test_smoothing_is_its_equations(seed: int, period: int) -> None:
    rng = np.random.default_rng(seed)
    alpha, beta, gamma, phi = rng.uniform(0.05, 0.9, 4)
    level, trend, season = rng.normal(), rng.normal(), list(rng.normal(size=period))
    first = Hidden(np.array([level]), np.array([trend]), np.array(season).reshape(1, period))
    model = ExponentialSmoothing(Rates(alpha, beta, gamma, phi), first, 1.0)
    values = rng.normal(size=(1, 11))
    made, _ = model.follow(model.start(1), values)
    for t, x in enumerate(values[0]):
        s = season[t % period] if period else 0.0
        mu = level + phi * trend + s
        assert made.mean[0, t] == pytest.approx(mu, abs=1e-9)
        level, trend = level + phi * trend + alpha * (x - mu), phi * trend + beta * (x - mu)
        if period:
            season[t % period] = s + gamma * (x - mu)


@given(st.integers(0, 10_000))
def test_complex_smoothing_is_one_of_a_complex_number(seed: int) -> None:
    rng = np.random.default_rng(seed)
    a0, a1 = rng.uniform(0.8, 1.4), rng.uniform(0.9, 1.1)
    level, potential = rng.normal(size=2)
    empty = np.empty((1, 0))
    model = ComplexSmoothing(
        ComplexRates(a0, a1), Complex(np.array([level]), np.array([potential]), empty, empty), 1.0
    )
    values = rng.normal(size=(1, 9))
    made, _ = model.follow(model.start(1), values)
    for t, x in enumerate(values[0]):
        assert made.mean[0, t] == pytest.approx(level, abs=1e-9)
        # Svetunkov (2022): y + i e is smoothed, of what was y-hat + i e-hat
        e = x - level
        smoothed = complex(a0, a1) * complex(x, e) + (1 - complex(a0, a1) + 1j) * complex(level, potential)
        assert smoothed.real == pytest.approx(level - (1 - a1) * potential + (a0 - a1) * e, abs=1e-9)
        assert smoothed.imag == pytest.approx(level + (1 - a0) * potential + (a0 + a1) * e, abs=1e-9)
        level, potential = smoothed.real, smoothed.imag


def test_the_first_state_is_the_least_squares_one() -> None:
    values = wave(40)
    model = smooth(values)
    made, _ = model.follow(model.start(1), values[None])
    least = ((values - made.mean[0]) ** 2).sum()
    for part in range(3):
        for change in (-0.05, 0.05):
            moved = [leaf.copy() for leaf in model.first]
            moved[part][..., 0] += change
            if part == 2:  # a season sums to 0: what one place gains another loses
                moved[2][..., 1] -= change
            other = ExponentialSmoothing(model.rates, Hidden(*moved), 1.0)
            again, _ = other.follow(other.start(1), values[None])
            assert ((values - again.mean[0]) ** 2).sum() > least


@pytest.mark.parametrize("form", [Form("none"), Form("linear"), Form("damped"), Form("none", 4)])
def test_a_fit_is_no_worse_than_the_rates_that_made_the_series(form: Form) -> None:
    rng = np.random.default_rng(3)
    rates = Rates(0.4, 0.05 if form.trend != "none" else 0.0, 0.1 if form.period else 0.0,
                  0.9 if form.trend == "damped" else 1.0)  # fmt: skip
    season = np.array([[1.0, -1.0, 2.0, -2.0]])[:, : form.period]
    truth = ExponentialSmoothing(rates, Hidden(np.array([5.0]), np.zeros(1), season), 1.0)
    state, values = truth.start(1), np.empty(150)
    for t in range(150):
        values[t] = truth.predict(state).mean[0] + rng.normal()
        state = truth.advance(state, values[t : t + 1])
    model = fit_smoothing(values, form)
    own, _ = model.follow(model.start(1), values[None])
    true, _ = truth.follow(truth.start(1), values[None])
    assert ((values - own.mean[0]) ** 2).mean() <= 1.01 * ((values - true.mean[0]) ** 2).mean()


def test_an_autoregression_finds_the_weights_that_made_the_series() -> None:
    rng, values = np.random.default_rng(0), np.zeros(4000)
    for t in range(2, 4000):
        values[t] = 1 + 0.6 * values[t - 1] - 0.3 * values[t - 2] + rng.normal()
    model = fit_autoregression([values], (1, 2))
    np.testing.assert_allclose(model.weights, [0.6, -0.3], atol=0.05)
    assert model.intercept == pytest.approx(1, abs=0.1)
    assert model.scale == pytest.approx(1, abs=0.05)
    assert len(choose_lags(values, 8).lags) in (2, 3, 4)


def test_one_autoregression_of_many_series_is_that_of_their_rows() -> None:
    first, second = wave(40, 1), wave(50, 2)
    together = fit_autoregression([first, second], (1,))
    rows = np.concatenate([[first[:-1], first[1:]], [second[:-1], second[1:]]], axis=1)
    slope, intercept = np.polyfit(rows[0], rows[1], 1)
    assert together.weights[0] == pytest.approx(slope)
    assert together.intercept == pytest.approx(intercept)


def test_before_the_longest_lag_the_marginal_is_predicted() -> None:
    model = seasonal_naive(wave(), 4)
    made, _ = model.follow(model.start(1), wave()[None, :6])
    np.testing.assert_allclose(made.mean[0, :4], wave().mean())
    np.testing.assert_allclose(made.mean[0, 4:], wave()[:2])


# Transforms


@pytest.mark.parametrize("name", ["scaled", "log", "root", "changes", "seasonal changes", "seasonal means"])
def test_there_and_back_is_nothing(name: str) -> None:
    """Where z is predicted without error, x is what came."""
    model = MODELS[name]
    assert isinstance(model, Transformed)
    memory, values = model.step.memory(2), wave(24, 7).reshape(2, 12)
    z = model.step.forth(memory, values)
    seen = ~np.isnan(z)
    back = model.step.back(memory, values, Normal(np.nan_to_num(z), np.ones(z.shape)))
    np.testing.assert_allclose(back.mean[seen], values[seen])


def test_the_season_goes_on_where_the_training_part_ended() -> None:
    pattern = np.array([10.0, 0.0, -10.0])
    values = 50 + np.tile(pattern, 8)[:-1]  # ends one before the end of a season
    model = transformed(deseasoned(values, 3), values, lambda z: choose_lags(z, 0))
    path = mean_path(model, states_at(model, values, [len(values)]), 4)[0]
    np.testing.assert_allclose(path, 50 + pattern[[2, 0, 1, 2]], atol=1e-6)


def test_a_multiplied_season_has_mean_one() -> None:
    values = (100 + np.arange(36.0)) * np.tile([1.2, 1.0, 0.8], 12)
    step = deseasoned(values, 3, multiplied=True)
    assert isinstance(step, Season)
    np.testing.assert_allclose(step.pattern, [1.2, 1.0, 0.8], atol=0.01)


def test_numbers_of_a_transform_come_from_training_alone() -> None:
    values = wave()
    before = transformed(scaled(values[:40]), values[:40], ar)
    again = transformed(scaled(values[:40].copy()), values[:40], ar)
    changed = values.copy()
    changed[40:] += 100
    first = mean_path(before, states_at(before, values, [40]), 3)
    np.testing.assert_array_equal(first, mean_path(again, states_at(again, changed, [40]), 3))


# Others


def test_an_ensemble_has_the_moments_of_the_mixture() -> None:
    class Fixed(_Honest):
        def __init__(self, mean: float, scale: float) -> None:
            self.mean, self.scale = mean, scale

        def predict(self, state: np.ndarray) -> Normal:
            return Normal(np.full(len(state), self.mean), np.full(len(state), self.scale))

    mixed = Ensemble((Fixed(0, 1), Fixed(4, 2)))
    made = mixed.predict(mixed.start(1))
    assert made.mean[0] == 2
    assert made.scale[0] == pytest.approx(np.sqrt((1 + 4) / 2 + 4))


def test_a_direct_forecast_of_a_line_is_the_line() -> None:
    line = 3 + 2 * np.arange(40.0)
    model = fit_direct(line, 2, 5)
    np.testing.assert_allclose(model.forecast(line[None, -2:])[0], 3 + 2 * np.arange(40.0, 45), rtol=1e-6)
    assert model.window == 2


def test_points_fill_the_cube() -> None:
    points = spread(64)
    assert ((points >= 0) & (points < 1)).all()
    for axis in points.T:
        assert (np.histogram(axis, 8, (0, 1))[0] >= 4).all()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: fit_autoregression([wave(5)], (1, 4)), "expected more than"),
        (lambda: fit_autoregression([wave()], (0,)), "lags: expected different numbers of at least 1"),
        (lambda: fit_smoothing(wave(7), Form("none", 4)), "expected at least 8 values, got 7"),
        (lambda: fit_smoothing(wave(), Form("none", 1)), "no period 1"),
        (lambda: fit_complex(wave(9), 4), "expected at least 12 values"),
        (lambda: logged(wave() - 20), "expected values above 0"),
        (lambda: deseasoned(wave(7), 4), "two periods of 4"),
        (lambda: deseasoned(wave() - 20, 4, multiplied=True), "expected values above 0"),
        (lambda: differenced(wave(3), 3), r"a lag of 1\.\.2"),
        (lambda: fit_direct(wave(8), 3, 4), "expected at least 12 values"),
        (lambda: fit_direct(wave(8), 0, 4), "of at least 1, got 0, 4"),
        (lambda: seasonal_naive(wave(4), 4), "expected more than 4 values"),
        (lambda: Ensemble(()), "expected at least 1 member"),
    ],
)  # fmt: skip
def test_what_cannot_be_fitted_is_said(call: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        call()
