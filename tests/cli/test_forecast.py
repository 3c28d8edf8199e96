"""`chainrule forecast`: what it prints and writes, and one line for everything that is wrong with a file."""

import json
from pathlib import Path

import numpy as np
import pytest

from tests.cli.conftest import Done, Run


def csv(count: int = 30, header: str = "month,sold", seed: int = 0) -> str:
    """A trend and a season of 4, quarterly."""
    t, rng = np.arange(count), np.random.default_rng(seed)
    values = 20 + 0.1 * t + np.array([2.0, 0.0, -2.0, 0.0])[t % 4] + rng.normal(0, 0.3, count)
    times = np.datetime64("2015-01", "M") + 3 * t
    return "\n".join([header, *(f"{time}-01,{value:.3f}" for time, value in zip(times, values, strict=True))])


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "sales.csv"
    path.write_text(csv())
    return path


def one_line(done: Done, code: int = 2) -> str:
    assert done.code == code, done
    assert done.out == ""
    (line,) = done.err.strip().splitlines()
    return line


def test_a_table_a_csv_and_a_picture(run: Run, file: Path, tmp_path: Path) -> None:
    done = run("forecast", "sales.csv", "--h", "3", "--level", "80,95", "--plot", "-o", "next.csv",
               "--windows", "1", "--no-peers")  # fmt: skip
    assert done.code == 0, done.err
    assert "30 values, quarterly, seasons of 4; time = month, value = sold" in done.out
    assert "seasonal-naive" in done.out
    assert "within 95 %" in done.out
    assert "sMAPE (0-200)" in done.out
    header, *rows = (tmp_path / "next.csv").read_text().splitlines()
    assert header == "ds,chainrule,chainrule-lo-80,chainrule-hi-80,chainrule-lo-95,chainrule-hi-95"
    assert [row[:10] for row in rows] == ["2022-07-01", "2022-10-01", "2023-01-01"]
    assert (tmp_path / "sales-forecast.png").read_bytes().startswith(b"\x89PNG")
    again = run("forecast", "sales.csv", "-o", "next.csv")
    assert "next.csv: exists already; --force overwrites it" in one_line(again)


def test_json_is_all_there_is_on_standard_output(run: Run, file: Path) -> None:
    done = run("forecast", "sales.csv", "--h", "2", "--json", "--windows", "1", "--no-peers")
    made = json.loads(done.out)
    assert made["season_length"] == 4
    assert {"chainrule", "seasonal-naive"} <= made["backtest"].keys()
    assert set(made["backtest"]["chainrule"]) == {"mase", "smape_0_to_200", "crps", "coverage", "windows"}
    assert [row["ds"] for row in made["forecast"]] == ["2022-07-01", "2022-10-01"]


def test_a_panel_names_its_series(run: Run, tmp_path: Path) -> None:
    rows = [f"{name},{line}" for name in "ab" for line in csv(16).splitlines()[1:]]
    (tmp_path / "panel.csv").write_text("\n".join(["store,date,y", *rows]))
    done = run("forecast", "panel.csv", "--id", "store", "--h", "2", "--windows", "0", "-o", "out.csv")
    assert done.code == 0, done.err
    assert "2 series, quarterly" in done.out
    assert [row[:12] for row in (tmp_path / "out.csv").read_text().splitlines()[1:]] == [
        "a,2019-01-01", "a,2019-04-01", "b,2019-01-01", "b,2019-04-01",
    ]  # fmt: skip


def test_repairs_and_doubts_are_said(run: Run, tmp_path: Path) -> None:
    header, *lines = csv(7).splitlines()
    (tmp_path / "t.csv").write_text("\n".join([header, *lines[::-1]]))
    done = run("forecast", "t.csv", "--h", "2")
    assert done.code == 0, done.err
    assert "note: times were not in order and have been sorted" in done.err
    assert "note: fewer than two seasons of 4 values: nothing seasonal is learned" in done.err
    assert "note: the backtest has 0 of 5 windows" in done.err
    (tmp_path / "c.csv").write_text("y\n" + "5\n" * 20)
    done = run("forecast", "c.csv", "--h", "2", "--windows", "1", "--no-peers")
    assert done.code == 0, done.err
    assert "no column of dates: the rows were taken in their order" in done.err
    assert "a series never changes" in done.err


@pytest.mark.parametrize(
    ("text", "arguments", "message"),
    [
        (csv(), ["--h", "0"], "h: expected at least 1 step, got 0"),
        (csv(), ["--level", "much"], "--level: expected percentages such as 80,95, got 'much'"),
        (csv(), ["--windows", "-1"], "--windows: expected 0 or more, got -1"),
        (csv(), ["--value", "price"], "columns: expected one of month, sold, got 'price'"),
        (csv().replace("\n2017-04", "\n2017-01"), [], "expected each time once, got 2017-01-01 twice"),
        (csv().replace("2017-04-01,", "2017-04-01,x"), [], "expected numbers, got 'x"),
        ("\n".join(csv().splitlines()[:9] + csv().splitlines()[10:]), [], "1 missing; gaps interpolate"),
        (csv(3), [], "expected at least 4 values"),
    ],
)  # fmt: skip
def test_bad_input_is_one_line(
    run: Run, tmp_path: Path, text: str, arguments: list[str], message: str
) -> None:
    (tmp_path / "t.csv").write_text(text)
    assert message in one_line(run("forecast", "t.csv", *arguments))
    assert [path.name for path in tmp_path.iterdir()] == ["t.csv"]


def test_a_name_that_is_nothing(run: Run) -> None:
    assert "rain: expected a CSV file or one of airline, co2" in one_line(run("forecast", "rain"))


def test_a_series_that_ships_elsewhere(run: Run) -> None:
    pytest.importorskip("statsmodels", reason="the extra `series` is not installed")
    done = run("forecast", "sunspots", "--h", "3", "--windows", "0")
    assert done.code == 0, done.err
    assert "309 values, numbered, seasons of 11; sunspots, as it ships" in done.out
