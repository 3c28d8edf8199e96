"""The forecaster: its columns, the kinds of table, windows that see no future, and what it refuses."""

from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from chainrule.core import InputError
from chainrule.forecaster import Forecaster, SeriesWarning
from chainrule.recipes.forecasting import (
    Fitted,
    check_length,
    fit_average,
    fit_default,
    held_out_cutoffs,
)
from chainrule.recipes.series_models import SEASONAL_NAIVE, candidates, named
from chainrule.tasks.forecasting import mean_path

PERIOD = 4
Columns = dict[str, list[Any]]


def values(length: int = 40, seed: int = 0) -> np.ndarray:
    t, rng = np.arange(length), np.random.default_rng(seed)
    return 20 + 0.1 * t + np.array([2.0, 0.0, -2.0, 0.0])[t % PERIOD] + rng.normal(0, 0.3, length)


def table(*lengths: int) -> Columns:
    """A series a length, quarterly."""
    made: Columns = {"unique_id": [], "ds": [], "y": []}
    for at, length in enumerate(lengths):
        made["unique_id"] += [f"s{at}"] * length
        made["ds"] += list((np.datetime64("2010-01", "M") + 3 * np.arange(length)).astype("M8[us]"))
        made["y"] += values(length, at).tolist()
    return made


@pytest.fixture(scope="module")
def validated() -> Columns:
    return Forecaster(("chainrule", SEASONAL_NAIVE), season_length=PERIOD).cross_validation(
        table(32, 28), h=3, n_windows=2, step_size=2, level=(80, 95)
    )


def test_columns_are_those_that_people_know(validated: Columns) -> None:
    expected = ["unique_id", "ds", "cutoff", "y"]
    for model in ("chainrule", SEASONAL_NAIVE):
        expected += [model, f"{model}-lo-80", f"{model}-hi-80", f"{model}-lo-95", f"{model}-hi-95"]
    assert list(validated) == expected
    assert {len(cells) for cells in validated.values()} == {2 * 2 * 3}


def test_windows_end_with_the_series_and_stand_beside_what_came(validated: Columns) -> None:
    whole = table(32, 28)
    known = {
        (name, time): y for name, time, y in zip(*(whole[c] for c in ("unique_id", "ds", "y")), strict=True)
    }
    for name, time, cutoff, y in zip(
        *(validated[column] for column in ("unique_id", "ds", "cutoff", "y")), strict=True
    ):
        assert known[name, time] == y
        assert cutoff < time
    assert validated["ds"][5] == whole["ds"][31]
    assert validated["ds"][3] == whole["ds"][29]


def test_intervals_hold_the_forecast_and_each_other(validated: Columns) -> None:
    column = {name: np.array(cells) for name, cells in validated.items() if "chainrule" in name}
    edges = ("-lo-95", "-lo-80", "", "-hi-80", "-hi-95")
    for lower, upper in pairwise(edges):
        assert (column[f"chainrule{lower}"] <= column[f"chainrule{upper}"]).all()


def test_what_comes_later_changes_no_forecast(validated: Columns) -> None:
    changed = table(32, 28)
    changed["y"][31] += 100  # the last value of the first series: inside the last window alone
    again = Forecaster(season_length=PERIOD).cross_validation(changed, h=3, n_windows=2, step_size=2)
    assert again["chainrule"] == validated["chainrule"]


def test_without_refitting_only_the_states_read_on(validated: Columns) -> None:
    once = Forecaster(season_length=PERIOD).cross_validation(
        table(32, 28), h=3, n_windows=2, step_size=2, refit=False
    )
    first, second = slice(0, 3), slice(3, 6)
    assert once["chainrule"][first] == validated["chainrule"][first]
    assert once["chainrule"][second] != validated["chainrule"][second]
    np.testing.assert_allclose(once["chainrule"][second], validated["chainrule"][second], atol=1)


@pytest.mark.parametrize("kind", ["polars", "pandas"])
def test_a_frame_comes_out_as_it_went_in(kind: str) -> None:
    library = pytest.importorskip(kind, reason="the extra `series` is not installed")
    forecaster = Forecaster(("seasonal-naive",), season_length=PERIOD)
    plain, columns = table(20), {}
    for name, cells in plain.items():
        columns[name] = np.array(cells) if name == "ds" else cells
    made = forecaster.fit(library.DataFrame(columns)).predict(2, level=[80])
    assert isinstance(made, library.DataFrame)
    expected = forecaster.fit(plain).predict(2, level=[80])
    assert list(made.columns) == list(expected)
    assert list(made["seasonal-naive"]) == expected["seasonal-naive"]
    assert np.array(made["ds"], "M8[us]").tolist() == np.array(expected["ds"], "M8[us]").tolist()


def test_predict_goes_on_after_the_last_time() -> None:
    fitted = Forecaster(season_length=PERIOD).fit(table(30))
    made = fitted.predict(5)
    assert list(made) == ["unique_id", "ds", "chainrule"]
    assert [str(t)[:7] for t in made["ds"]] == ["2017-07", "2017-10", "2018-01", "2018-04", "2018-07"]


def test_the_default_beats_the_season_before_where_there_is_a_trend() -> None:
    """A steeper line with a season: repeating the last year is off by a year's growth."""
    training, later = values(80)[:76] + 0.3 * np.arange(76), values(80)[76:] + 0.3 * np.arange(76, 80)
    ours = fit_default(training, PERIOD, 4).mean(4)
    naive = training[-4:]
    assert np.abs(ours - later).mean() < 0.5 * np.abs(naive - later).mean()


def test_simulated_intervals_cover_a_random_walk() -> None:
    rng = np.random.default_rng(0)
    forecaster = Forecaster(("naive",), season_length=1, intervals="simulation")
    inside = []
    for _ in range(40):
        walk = np.cumsum(rng.normal(size=66))
        fitted = forecaster.fit_values({"": walk[:60]}, 6)[0]["naive"]
        low, high = forecaster.interval(fitted, 6, [80.0])[80.0]
        inside += ((low <= walk[60:]) & (walk[60:] <= high)).tolist()
    assert 0.65 < np.mean(inside) < 0.95


# The default


def test_held_out_values_are_at_most_a_third() -> None:
    for length in range(4, 200):
        cutoffs = held_out_cutoffs(length, PERIOD, 6)
        assert cutoffs[0] >= length - length // 3
        assert cutoffs[-1] == length - 1
        assert len(cutoffs) <= 40


def test_the_forecast_is_the_average_of_the_best_the_better_the_more() -> None:
    fitted = fit_default(values(), PERIOD, 3)
    assert len(fitted.members) == 15
    sizes = [member.error for member in fitted.members]
    assert sizes == sorted(sizes)
    paths = [mean_path(member.model, member.state, 3)[0] for member in fitted.members]
    weights = np.array([1 / size for size in sizes])
    np.testing.assert_allclose(fitted.mean(3), weights @ paths / weights.sum())


def test_a_candidate_is_tried_on_what_it_was_not_fitted_to() -> None:
    seen: list[int] = []

    def watch(training: np.ndarray) -> Any:
        seen.append(len(training))
        return named(PERIOD)["ar"](training)

    fit_average(values(), {"it": watch}, PERIOD, 3)
    assert seen == [held_out_cutoffs(40, PERIOD, 3)[0], 40]


def test_candidates_suit_the_values() -> None:
    assert any("log" in name for name in candidates(values(), PERIOD))
    assert not any("log" in name for name in candidates(values() - 21, PERIOD))
    assert not any("season" in name for name in candidates(values(11), PERIOD))


@pytest.mark.parametrize("name", named(PERIOD))
@pytest.mark.parametrize("length", [4, 7, 40])
def test_models_by_name_can_be_fitted_to_anything(name: str, length: int) -> None:
    fitted = fit_average(values(length), {name: named(PERIOD)[name]}, PERIOD, 3)
    assert np.isfinite(fitted.mean(3)).all()


def test_beyond_what_was_held_out_intervals_grow_with_the_root() -> None:
    fitted = fit_default(values(), PERIOD, 2)
    radii = fitted.radii(8, 80.0)
    assert radii[7] == pytest.approx(radii[1] * 2)
    assert (np.diff(radii) >= 0).all()


@pytest.mark.slow
def test_draws_have_the_intervals_as_their_quantiles() -> None:
    fitted = fit_default(values(), PERIOD, 3)
    draws = fitted.draws(3, 400)
    low, high = np.quantile(draws, [0.1, 0.9], axis=0)
    np.testing.assert_allclose((high - low) / 2, fitted.radii(3, 80.0), rtol=0.1)


# Strange series


@pytest.mark.parametrize("length", [4, 5, 6, 8, 11])
def test_short_series_are_forecast(length: int) -> None:
    fitted = fit_default(values(length), PERIOD, 4)
    assert np.isfinite(fitted.mean(4)).all()


@pytest.mark.parametrize("value", [0.0, 7.0, -3.0])
def test_a_constant_series_goes_on(value: float) -> None:
    fitted = fit_default(np.full(30, value), PERIOD, 4)
    np.testing.assert_allclose(fitted.mean(4), value, atol=1e-6)
    assert (fitted.radii(4, 80.0) < 1e-3).all()


def test_where_nothing_can_be_held_out_there_is_no_interval() -> None:
    fitted = Fitted(fit_default(values(), PERIOD, 2).members[:1], np.empty((0, 0)))
    with pytest.raises(InputError, match="interval: expected held-out errors"):
        fitted.radii(2, 80.0)


@pytest.mark.parametrize("scale", [1e-9, 1e9])
def test_the_unit_does_not_matter(scale: float) -> None:
    """Twice the values, twice the forecast."""
    plain, other = (fit_default(values(24) * size, PERIOD, 2).mean(2) for size in (1.0, scale))
    np.testing.assert_allclose(other / scale, plain, rtol=0.05)


def test_many_short_series_are_many_forecasts() -> None:
    made = Forecaster(("theta",), season_length=PERIOD).fit(table(*[9] * 60)).predict(2)
    assert len(made["theta"]) == 120
    assert made["unique_id"][::2] == [f"s{at}" for at in range(60)]


def test_a_repair_is_said() -> None:
    whole = table(24)
    shuffled = {name: cells[::-1] for name, cells in whole.items()}
    with pytest.warns(SeriesWarning, match="have been sorted"):
        made = Forecaster(("theta",), season_length=PERIOD).fit(shuffled).predict(2)
    assert made == Forecaster(("theta",), season_length=PERIOD).fit(whole).predict(2)
    with_gap = {name: [*cells[:9], *cells[10:]] for name, cells in whole.items()}
    with pytest.warns(SeriesWarning, match="1 missing values were filled"):
        Forecaster(("theta",), season_length=PERIOD, gaps="interpolate").fit(with_gap)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: Forecaster(season_length=0), "season_length: expected at least 1, got 0"),
        (lambda: Forecaster(("best",), season_length=4), "models: expected some of chainrule"),
        (lambda: Forecaster((), season_length=4), "models: expected different names"),
        (lambda: Forecaster(("ar", "ar"), season_length=4), "models: expected different names"),
        (lambda: Forecaster(season_length=4, gaps="fill"), "gaps: expected refuse or interpolate"),
        (lambda: Forecaster(season_length=4, intervals="bayes"), "intervals: expected conformal or sim"),
        (lambda: Forecaster(season_length=4).fit([1, 2]), "expected a polars or pandas frame or columns"),
        (lambda: Forecaster(season_length=4).fit(table(3)), "series s0: expected at least 4 values"),
        (lambda: Forecaster(season_length=4).fit(table(30)).predict(0), "h: expected at least 1 step"),
        (lambda: Forecaster(("ar",), season_length=4).fit(table(30)).predict(2, [100]), "level: expected a"),
        (lambda: Forecaster(season_length=4).cross_validation(table(9), h=3, n_windows=3), "windows: expe"),
        (lambda: check_length(np.full(9, 1e200)), r"expected values up to 1e\+100 in size"),
        (lambda: check_length(np.full(9, np.inf)), "expected finite numbers, got inf"),
    ],
)
def test_what_has_no_meaning_is_refused(call: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        call()


def test_season_length_is_said_by_name() -> None:
    with pytest.raises(TypeError):
        Forecaster(("ar",), 4)  # type: ignore[misc]


# Networks, one model for all, many series


@pytest.mark.parametrize("name", ["mlp", "gru"])
def test_a_network_can_be_asked_for_by_name(name: str) -> None:
    made = Forecaster((name,), season_length=PERIOD).fit(table(28), h=2).predict(2, [80])
    assert np.isfinite(made[name]).all()
    assert (np.array(made[f"{name}-lo-80"]) < made[name]).all()


@pytest.mark.parametrize("name", ["shared-ar", "shared-mlp", "shared-gru"])
def test_one_model_for_all_series(name: str) -> None:
    """Of different lengths and sizes; a twin a hundred times as large has a forecast as much larger."""
    columns = table(20, 24, 20)
    columns["y"][-20:] = [100 * y for y in columns["y"][:20]]
    made = Forecaster((name,), season_length=PERIOD).fit(columns, h=2).predict(2, [80])
    assert made["unique_id"] == ["s0", "s0", "s1", "s1", "s2", "s2"]
    np.testing.assert_allclose(made[name][-2:], 100 * np.array(made[name][:2]))
    assert np.abs(np.array(made[name][:4]) - 22).max() < 8


def test_too_many_series_for_the_default_are_refused_with_what_is_quick() -> None:
    columns: Columns = {"unique_id": [], "ds": [], "y": []}
    for at in range(1001):
        columns["unique_id"] += [str(at)] * 6
        columns["ds"] += list(range(6))
        columns["y"] += [1.0, 2.0, 1.0, 3.0, 2.0, 3.0]
    with pytest.raises(InputError, match=r"expected at most 1,000 for the model chainrule, .* shared-ar"):
        Forecaster(season_length=1).fit(columns)
    made = Forecaster(("shared-ar",), season_length=1).fit(columns, h=1).predict(1)
    assert len(made["shared-ar"]) == 1001


def test_evaluation_has_a_row_a_model_and_the_coverage(validated: Columns) -> None:
    rows = Forecaster(("chainrule", SEASONAL_NAIVE), season_length=PERIOD).evaluate(validated)
    assert list(rows) == ["model", "mae", "smape", "coverage-80", "coverage-95"]
    assert rows["model"] == ["chainrule", SEASONAL_NAIVE]
    off = np.abs(np.array(validated["y"]) - validated["chainrule"])
    assert rows["mae"][0] == pytest.approx(off.mean())
    assert 0 <= rows["coverage-80"][0] <= rows["coverage-95"][0] <= 100


def test_errors_name_the_series_once() -> None:
    columns = table(30, 3)
    for call in (
        lambda: Forecaster(season_length=PERIOD).fit(columns),
        lambda: Forecaster(("shared-ar",), season_length=PERIOD).fit(columns),
        lambda: Forecaster(season_length=PERIOD).cross_validation(columns, h=1),
    ):
        with pytest.raises(InputError, match=r"^series s1: (?!series)"):
            call()


def test_what_grows_is_missed_by_more() -> None:
    """Errors are a share of the level: the last interval is wider than the errors of the years before."""
    rng = np.random.default_rng(0)
    grown = np.exp(0.05 * np.arange(60) + rng.normal(0, 0.1, 60))
    fitted = fit_default(grown, 1, 3)
    plain = Fitted(fitted.members, fitted.errors)
    assert (fitted.radii(3, 80.0) > plain.radii(3, 80.0)).all()
