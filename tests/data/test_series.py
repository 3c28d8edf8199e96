"""Tables to series: columns guessed, dates read, steps found, and what is wrong with a table said."""

from datetime import date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chainrule.core import InputError, RunError
from chainrule.data import example_series
from chainrule.data.calendar import find_steps, seasons, shown
from chainrule.data.series import Columns, guess_columns, make_series, parse_times, read_csv


def one(times: list[Any], values: list[Any], gaps: str = "refuse") -> Any:
    series, notes = make_series({"ds": times, "y": values}, Columns(None, "ds", "y"), gaps=gaps)
    assert len(series) == 1
    return series[0], notes


def days(*text: str) -> np.ndarray:
    return np.array(text, "M8[us]")


# Steps


@pytest.mark.parametrize(
    ("first", "step", "name", "season"),
    [
        ("2020-01-01", np.timedelta64(1, "D"), "daily", 7),
        ("2020-01-01T00:30", np.timedelta64(1, "h"), "hourly", 24),
        ("2020-01-06", np.timedelta64(7, "D"), "weekly", 52),
        ("2020-01-01", np.timedelta64(90, "m"), "every 1:30:00", 1),
    ],
)
def test_spans(first: str, step: np.timedelta64, name: str, season: int) -> None:
    times = np.datetime64(first, "us") + step * np.arange(9)
    steps = find_steps(times)
    assert str(steps) == name
    assert seasons(steps) == season
    np.testing.assert_array_equal(steps.at(times[0], np.arange(9)), times)


@given(st.integers(1, 12), st.integers(1, 28), st.integers(2, 20), st.sampled_from([1, 3, 12]))
def test_months_go_on_at_the_same_day(month: int, day: int, count: int, size: int) -> None:
    first = np.datetime64(f"2019-{month:02}-{day:02}", "us")
    months = first.astype("M8[M]") + size * np.arange(count)
    times = months.astype("M8[us]") + (first - first.astype("M8[M]"))
    steps = find_steps(times)
    assert (steps.kind, steps.size) == ("months", size)
    assert steps.places(times).tolist() == list(range(count))
    ahead = steps.at(times[-1], np.arange(1, 3))
    assert [shown(t)[-2:] for t in ahead] == [f"{day:02}"] * 2


def test_ends_of_months_stay_ends_of_months() -> None:
    steps = find_steps(days("2024-01-31", "2024-02-29", "2024-03-31", "2024-04-30"))
    assert steps.kind == "month-ends"
    ahead = steps.at(np.datetime64("2024-04-30", "us"), np.arange(1, 4))
    assert list(map(shown, ahead)) == ["2024-05-31", "2024-06-30", "2024-07-31"]


def test_weekdays_skip_weekends() -> None:
    times = np.busday_offset("2024-01-01", np.arange(12)).astype("M8[us]")
    steps = find_steps(times)
    assert str(steps) == "weekdays"
    assert steps.places(times).tolist() == list(range(12))
    friday = np.datetime64("2024-01-05", "us")
    assert shown(steps.at(friday, np.array([1]))[0]) == "2024-01-08"


def test_years_are_numbers() -> None:
    times = parse_times(["1700", "1701", "1702"], "YEAR")
    assert times.dtype == np.int64
    assert str(find_steps(times)) == "numbered"


@pytest.mark.parametrize(
    "text",
    ["2024-03-01", "2024-03-01T00:00:00", "2024/03/01", "01.03.2024", "2024-03", "Mar 2024", "20240301",
     "2024Q1", "2024-Q1", "2024-03-01 00:00:00"],
)  # fmt: skip
def test_dates_as_people_write_them(text: str) -> None:
    (time,) = parse_times([text], "ds")
    assert shown(time) == ("2024-01-01" if "Q" in text else "2024-03-01")


def test_dates_as_libraries_hold_them() -> None:
    cells = [date(2024, 3, 1), datetime(2024, 3, 2), np.datetime64("2024-03-03", "ns")]
    assert list(map(shown, parse_times(cells, "ds"))) == ["2024-03-01", "2024-03-02", "2024-03-03"]


# Columns


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (("unique_id", "ds", "y"), Columns("unique_id", "ds", "y")),
        (("Month", "passengers"), Columns(None, "Month", "passengers")),
        (("when", "sold"), Columns(None, "when", "sold")),
        (("sold",), Columns(None, None, "sold")),
    ],
)
def test_columns_are_guessed(names: tuple[str, ...], expected: Columns) -> None:
    cells = {"sold": ["1", "2"], "y": ["1", "2"], "passengers": ["1", "2"]}
    table = {name: cells.get(name, ["2024-01-01", "2024-02-01"]) for name in names}
    assert guess_columns(table) == expected


def test_columns_that_cannot_be_guessed_are_asked_for() -> None:
    table = {"ds": ["2024-01-01"], "a": ["1"], "b": ["2"]}
    with pytest.raises(InputError, match=r"expected one column of numbers, got a, b; name it with --value"):
        guess_columns(table)
    assert guess_columns(table, value="b").value == "b"
    with pytest.raises(InputError, match=r"expected one of ds, a, b, got 'c'"):
        guess_columns(table, value="c")


# What is wrong with a table

MONTHS = ["2024-01-01", "2024-02-01", "2024-03-01", "2024-04-01", "2024-05-01"]


def test_a_gap_is_refused_or_filled_and_said() -> None:
    times, values = [m for m in MONTHS if "03" not in m], ["1", "2", "4", "5"]
    with pytest.raises(
        InputError, match="monthly, got 2024-04-01 after 2024-02-01: 1 missing; gaps interpolate"
    ):
        one(times, values)
    series, notes = one(times, values, "interpolate")
    assert series.values.tolist() == [1, 2, 3, 4, 5]
    assert list(map(shown, series.times)) == MONTHS
    assert notes == ["1 missing values were filled by straight lines between their neighbours"]


@pytest.mark.parametrize("empty", ["", "NA", "nan", None, float("nan")])
def test_an_empty_cell_is_a_gap(empty: Any) -> None:
    values = ["1", "2", empty, "4", "5"]
    with pytest.raises(InputError, match="expected a number, got none at 2024-03-01"):
        one(MONTHS, values)
    series, _ = one(MONTHS, values, "interpolate")
    assert series.values[2] == 3
    with pytest.raises(InputError, match="expected numbers at both ends"):
        one(MONTHS, [empty, "2", "3", "4", "5"], "interpolate")
    with pytest.raises(InputError, match="at half of the times to fill gaps, got 2 of 5"):
        one(MONTHS, ["1", empty, empty, empty, "5"], "interpolate")


def test_times_in_disorder_are_sorted_and_said() -> None:
    series, notes = one(MONTHS[::-1], ["5", "4", "3", "2", "1"])
    assert series.values.tolist() == [1, 2, 3, 4, 5]
    assert notes == ["times were not in order and have been sorted (1 of 1 series)"]


@pytest.mark.parametrize(
    ("times", "values", "message"),
    [
        ([*MONTHS[:4], MONTHS[3]], list("12345"), "expected each time once, got 2024-04-01 twice"),
        (MONTHS, ["1", "2", "three", "4", "5"], "column y: expected numbers, got 'three' at row 3"),
        (MONTHS, ["1", "2", "inf", "4", "5"], "expected finite numbers, got inf at 2024-03-01"),
        ([*MONTHS[:4], "soon"], list("12345"), "column ds: expected dates or numbers, got 'soon' at row 5"),
        ([*MONTHS[:4], "5"], list("12345"), "expected dates or whole numbers, got both"),
        (MONTHS[:1], ["1"], "expected at least 2 times"),
        (
            ["2024-01-01", "2024-01-02", "2024-01-03", "2024-01-03 07:00"],
            list("1234"),
            "expected times daily",
        ),
    ],
)
def test_what_cannot_be_repaired_is_said(times: list[str], values: list[str], message: str) -> None:
    with pytest.raises(InputError, match=message):
        one(times, values)


def test_the_series_with_the_fault_is_named() -> None:
    table = {"unique_id": ["a", "a", "b", "b"], "ds": [1, 2, 1, 1], "y": [1.0, 2.0, 3.0, 4.0]}
    with pytest.raises(InputError, match="series b: expected each time once, got 1 twice"):
        make_series(table, guess_columns(table))


# Files


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "expected a table with a header, got an empty file"),
        (b"ds,y\n", "expected rows below the header, got none"),
        (b"ds,y\n1,2,3\n", "expected 2 cells, got 3 at line 2"),
        (b"y,y\n1,2\n", "expected columns with different names"),
        (b"ds,y\n1,\xff\n", "expected UTF-8, got another byte at offset 7"),
    ],
)
def test_a_file_that_is_no_table(tmp_path: Path, data: bytes, message: str) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(data)
    with pytest.raises(InputError, match=message):
        read_csv(path)


@pytest.mark.parametrize("mark", [",", ";", "\t"])
def test_other_marks_between_cells(tmp_path: Path, mark: str) -> None:
    path = tmp_path / "t.csv"
    path.write_text(f"\ufeffds{mark}y\n1{mark}2\n", "utf-8")
    assert read_csv(path) == {"ds": ["1"], "y": ["2"]}


# Series that ship elsewhere


def test_examples_need_their_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> Any:
        raise ImportError(name=name)

    monkeypatch.setattr(example_series.importlib, "import_module", missing)
    with pytest.raises(RunError, match=r"found none \(statsmodels.*pip install 'chainrule\[series\]'"):
        example_series.load_series("co2")
    with pytest.raises(InputError, match="expected one of airline, co2"):
        example_series.load_series("rain")


@pytest.mark.parametrize(
    ("name", "count", "steps"),
    [("co2", 526, "monthly"), ("sunspots", 309, "numbered"), ("gdp", 203, "quarterly")],
)
def test_examples(name: str, count: int, steps: str) -> None:
    pytest.importorskip("statsmodels", reason="the extra `series` is not installed")
    series = example_series.load_series(name)
    assert len(series.values) == count
    assert np.isfinite(series.values).all()
    assert str(series.steps) == steps
