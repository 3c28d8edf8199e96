"""The lecture's experiment, the made-up ratings, the backtest, and the pictures of them."""

import numpy as np
import pytest

from chainrule.core import InputError
from chainrule.recipes.backtesting import Forecast, backtest, ours
from chainrule.recipes.film_ratings import YEAR, film_ratings
from chainrule.recipes.lecture_series import (
    LENGTH,
    NOISE,
    STEPS,
    TRAINING,
    Result,
    evaluate,
    models,
    noisy_sine,
    seasonal_baseline,
    shuffled,
)
from chainrule.report import forecast_figure, k_step_figure, png

NONE = np.empty((0, 2))


@pytest.fixture(scope="module")
def found() -> dict[str, Result]:
    """Of the quick models, and the network after a single epoch."""
    values = noisy_sine(np.random.default_rng(0))
    quick = {name: fit for name, fit in models(0, epochs=1).items() if "GRU" not in name}
    return {name: evaluate(fit(values[:TRAINING]), values) for name, fit in quick.items()}


def test_the_series_is_a_sine_and_noise() -> None:
    values = noisy_sine(np.random.default_rng(1))
    noise = values - np.sin(0.01 * np.arange(1, LENGTH + 1))
    assert noise.std() == pytest.approx(NOISE, rel=0.1)
    assert abs(noise.mean()) < 4 * NOISE / LENGTH**0.5


def test_errors_are_those_that_follow_from_the_noise(found: dict[str, Result]) -> None:
    """Repeating the last value: twice the noise, and what the sine moved: 2 sin^2(k / 200), in the mean."""
    for k, error in found["last value"].at.items():
        assert error == pytest.approx(2 * NOISE**2 + 2 * np.sin(0.005 * k) ** 2, rel=0.25)
    for result in found.values():
        assert set(result.at) == set(STEPS)
        assert result.path is not None
        assert len(result.path) == LENGTH - TRAINING
    assert found["linear AR(64)"].at[64] < found["last value"].at[64]


def test_a_period_before_is_twice_the_noise_and_no_roll_out() -> None:
    result = seasonal_baseline(noisy_sine(np.random.default_rng(0)))
    assert result.at[1] == pytest.approx(2 * NOISE**2, rel=0.25)
    assert result.rollout is None


def test_in_any_order_nothing_is_left_to_tell() -> None:
    errors = shuffled(0)
    assert errors["in order"] < 0.3 * errors["variance"]
    assert errors["shuffled"] > 0.9 * errors["variance"]


def test_made_up_ratings_are_the_sum_of_their_parts() -> None:
    truth = film_ratings(np.random.default_rng(0))
    np.testing.assert_allclose(truth.expected, truth.level + truth.prize + truth.season + truth.scandal)
    assert truth.prize[2 * YEAR] == 0.5
    assert truth.prize[: 2 * YEAR].max() == 0
    assert truth.prize[2 * YEAR + 60] == pytest.approx(0.5 / np.e)
    assert set(truth.scandal[4 * YEAR :]) == {-0.6}
    assert truth.season[:YEAR] == pytest.approx(truth.season[YEAR : 2 * YEAR])
    assert 1 <= truth.ratings.min() <= truth.ratings.max() <= 5


# Backtest


def test_a_backtest_of_a_perfect_and_a_wrong_forecast() -> None:
    line = np.arange(20.0)

    def perfect(values: np.ndarray, h: int) -> Forecast:
        mean = values[-1] + np.arange(1.0, h + 1)
        return Forecast(mean, {80.0: (mean, mean)}, mean[None])

    def wrong(values: np.ndarray, h: int) -> Forecast:
        return Forecast(np.full(h, values[-1]), {}, np.empty((0, h)))

    told = []
    scores = backtest(
        {"a": line, "b": line + 1}, {"perfect": perfect, "wrong": wrong}, period=1, h=2, n_windows=3,
        tell=lambda done, name: told.append((done, name)),
    )  # fmt: skip
    assert scores["perfect"].mase == 0
    assert scores["perfect"].crps == 0
    assert scores["perfect"].coverage == {80.0: 100.0}
    assert scores["perfect"].windows == 6
    assert scores["wrong"].mase == pytest.approx(1.5)
    assert scores["wrong"].crps is None
    assert scores["wrong"].coverage == {}
    assert told[0] == (0.0, "perfect")
    assert len(told) == 12


def test_a_backtest_sees_no_future() -> None:
    seen: list[int] = []

    def watch(values: np.ndarray, h: int) -> Forecast:
        seen.append(len(values))
        return Forecast(np.zeros(h), {}, np.empty((0, h)))

    backtest({"": np.arange(20.0)}, {"it": watch}, period=1, h=3, n_windows=3)
    assert seen == [11, 14, 17]


def test_a_backtest_of_ours_has_intervals() -> None:
    values = np.random.default_rng(0).normal(size=40)
    made = ours("mean", 1, [80.0])(values, 3)
    low, high = made.bands[80.0]
    assert (low < made.mean).all()
    assert (made.mean < high).all()
    with pytest.raises(InputError, match="series x: windows: expected at least"):
        backtest({"x": values[:6]}, {"it": ours("mean", 1, [])}, period=1, h=3, n_windows=2)


# Pictures


def test_pictures(found: dict[str, Result]) -> None:
    errors = {name: {k: [float(e or 0)] for k, e in result.at.items()} for name, result in found.items()}
    paths = {name: result.path for name, result in found.items() if result.path is not None}
    values = noisy_sine(np.random.default_rng(0))
    figure = k_step_figure(values, TRAINING, paths, errors, NOISE**2)
    assert [text.get_text() for text in figure.legends[0].get_texts()] == [*errors, "noise"]
    assert png(figure).startswith(b"\x89PNG")
    band = (np.zeros(2), np.ones(2))
    figure = forecast_figure(
        np.arange(9), np.arange(9.0), np.arange(9, 11), np.ones(2), {80.0: band, 95.0: band}
    )
    labels = [text.get_text() for text in figure.axes[0].get_legend().get_texts()]
    assert labels == ["series", "95 %", "80 %", "forecast"]
    with pytest.raises(InputError, match="expected something to show"):
        k_step_figure(values, TRAINING, {}, {}, 0.04)
