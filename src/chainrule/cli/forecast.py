"""`chainrule forecast`: what comes next in a series or many, and how good such forecasts were before."""

import csv
import io
import time
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from rich.table import Table

from chainrule.cli.console import bar, note, out, output, print_json
from chainrule.core import InputError
from chainrule.data.calendar import seasons, shown
from chainrule.data.example_series import SEASONS, load_series
from chainrule.data.series import GAPS, Columns, Series, guess_columns, make_series, read_csv
from chainrule.files import write_text, written_aside
from chainrule.forecaster import Forecaster
from chainrule.recipes.backtesting import (
    DEFAULT,
    INTERVALS,
    PEERS,
    Make,
    Scores,
    backtest,
    bands_of,
    fit_all,
    has_peers,
    model_names,
    ours,
    peer,
)
from chainrule.recipes.forecasting import FEWEST, Fitted
from chainrule.recipes.series_models import SEASONAL_NAIVE
from chainrule.recipes.shared_series import SHARED
from chainrule.report import forecast_figure, number, png
from chainrule.tasks.evaluation import finite_or_name
from chainrule.tasks.forecasting import check_horizon, check_level

SHOWN = 24  # rows of the forecast in the table
MANY = 20  # series: with more of them other packages' models are left out, and the windows are fewer
Rows = list[dict[str, Any]]


def forecast(
    file: Annotated[
        str, typer.Argument(help=f"A CSV file with a header, or one of {', '.join(SEASONS)}.")
    ] = "airline",
    h: Annotated[int | None, typer.Option("--h", help="Steps ahead.", show_default="a season")] = None,
    season_length: Annotated[
        int | None,
        typer.Option("--season-length", help="Steps in a season, 1 for none.", show_default="by the dates"),
    ] = None,
    level: Annotated[str, typer.Option("--level", help="Intervals, in percent.")] = "80",
    plot: Annotated[bool, typer.Option("--plot", help="Write a picture too, NAME-forecast.png.")] = False,
    windows: Annotated[int, typer.Option("--windows", help="Windows of the backtest; 0 for none.")] = 5,
    peers: Annotated[
        bool, typer.Option("--peers/--no-peers", help="Models of statsforecast beside it, where installed.")
    ] = True,
    model: Annotated[
        str, typer.Option("--model", help=f"What forecasts: {', '.join(model_names(1))}.")
    ] = DEFAULT,
    intervals: Annotated[
        str, typer.Option("--intervals", help=f"Where they come from: {' or '.join(INTERVALS)}.")
    ] = "conformal",
    gaps: Annotated[str, typer.Option("--gaps", help=f"Missing values: {' or '.join(GAPS)}.")] = "refuse",
    id_column: Annotated[str | None, typer.Option("--id", help="Column that names the series.")] = None,
    time_column: Annotated[str | None, typer.Option("--time", help="Column of dates or numbers.")] = None,
    value_column: Annotated[str | None, typer.Option("--value", help="Column of values.")] = None,
    out_file: Annotated[
        Path | None, typer.Option("--output", "-o", help="The forecast as a CSV file.", show_default="none")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite files that exist.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print JSON in place of text.")] = False,
) -> None:
    """Forecast series from a table, and show how good such forecasts were on their last windows.

    Columns are guessed and said. Beside the forecast stands the value of a season ago, and the automatic
    Theta, ETS, CES and ARIMA of statsforecast where that is installed (`pip install 'chainrule[series]'`).

    Example: `chainrule forecast sales.csv --h 12 --season-length 12 --level 80,95 --plot`
    """
    levels = _levels(level)
    if windows < 0:
        raise InputError(f"--windows: expected 0 or more, got {windows}")
    name = Path(file).stem if file not in SEASONS else file
    image = Path(f"{name}-forecast.png") if plot else None
    for path in (out_file, image):
        output(path, force=force)
    series, columns, notes = _read(file, Columns(id_column, time_column, value_column or ""), gaps)
    period = _period(file, series, season_length)
    horizon = check_horizon(h if h is not None else max(period, 4))
    began = time.perf_counter()
    forecaster = Forecaster((model,), season_length=period, intervals=intervals)
    fitted = _fit(series, forecaster, horizon)
    seconds = (time.perf_counter() - began) / len(series)
    scores = _backtest(series, forecaster, horizon, windows, levels, notes, peers=peers)
    rows = [row for one in series for row in _rows(one, fitted[one.name], forecaster, horizon, levels)]
    if out_file is not None:
        write_text(out_file, _csv(rows))
    if image is not None:
        _draw(series[0], fitted[series[0].name], forecaster, horizon, levels, image)
    if json:
        figures = {model: _figures(each) for model, each in scores.items()}
        head = {"source": file, "columns": columns, "season_length": period, "h": horizon, "notes": notes}
        print_json(head | {"seconds_per_series": seconds, "backtest": figures, "forecast": _plain(rows)})
        return
    for each in notes:
        note(each)
    _show(series, columns, period, scores, rows, horizon)
    for path in (out_file, image):
        if path is not None:
            out().print(f"wrote {path}", markup=False)


def _levels(text: str) -> list[float]:
    try:
        levels = [float(part) for part in text.split(",")]
    except ValueError:
        raise InputError(f"--level: expected percentages such as 80,95, got {text!r}") from None
    return sorted({check_level(level) for level in levels})


def _read(file: str, asked: Columns, gaps: str) -> tuple[list[Series], str, list[str]]:
    """The series, which columns they are from, and what was put right."""
    if file in SEASONS and not Path(file).exists():
        return [load_series(file)], f"{file}, as it ships", []
    if not Path(file).is_file():
        raise InputError(f"{file}: expected a CSV file or one of {', '.join(SEASONS)}")
    table = read_csv(Path(file))
    try:
        columns = guess_columns(table, id=asked.id, time=asked.time, value=asked.value or None)
        series, notes = make_series(table, columns, gaps=gaps)
    except InputError as error:
        raise InputError(f"{file}: {error}") from error
    if columns.time is None:
        notes.append("no column of dates: the rows were taken in their order")
    return series, str(columns), notes


def _period(file: str, series: list[Series], asked: int | None) -> int:
    if asked is not None and asked < 1:
        raise InputError(f"--season-length: expected at least 1, got {asked}")
    return asked or SEASONS.get(file) or seasons(series[0].steps)


def _fit(series: list[Series], forecaster: Forecaster, h: int) -> dict[str, Fitted]:
    values, (model,) = {one.name: one.values for one in series}, forecaster.models
    with bar("fitting") as tell:
        return fit_all(values, model, forecaster.season_length, h, tell)


def _backtest(
    series: list[Series],
    forecaster: Forecaster,
    h: int,
    windows: int,
    levels: list[float],
    notes: list[str],
    *,
    peers: bool,
) -> dict[str, Scores]:
    """As many windows as the shortest series has room for, and says so where these are fewer."""
    (model,), period = forecaster.models, forecaster.season_length
    room = (min(len(one.values) for one in series) - max(2 * period, FEWEST)) // h
    used = min(windows, 1 if len(series) > MANY else windows, max(room, 0))
    if used < windows:
        notes.append(f"the backtest has {used} of {windows} windows: the series are short, or many")
    if min(len(one.values) for one in series) < 2 * period:
        notes.append(f"fewer than two seasons of {period} values: nothing seasonal is learned")
    if any(one.values.std() == 0 for one in series):
        notes.append("a series never changes: its forecast is its value, and MASE is not defined")
    if model in SHARED and used and len(series) > 1:
        notes.append(
            f"no backtest of {model}, which learns from all series at once: cross_validation has one"
        )
        used = 0
    if not used:
        notes.append("no backtest, so nobody knows how often these intervals hold")
        return {}
    names = dict.fromkeys((model, SEASONAL_NAIVE))
    makers: dict[str, Make] = {name: ours(name, period, levels, forecaster.intervals) for name in names}
    if peers and has_peers() and len(series) <= MANY:
        makers |= {name: peer(name, period, levels) for name in PEERS}
    with bar("backtest") as tell:
        values = {one.name: one.values for one in series}
        return backtest(values, makers, period=period, h=h, n_windows=used, tell=tell)


def _rows(one: Series, fitted: Fitted, forecaster: Forecaster, h: int, levels: list[float]) -> Rows:
    times, mean = one.steps.at(one.times[-1], np.arange(1, h + 1)), fitted.mean(h)
    bands, (model,) = forecaster.interval(fitted, h, levels), forecaster.models
    rows: Rows = []
    for k in range(h):
        row: dict[str, Any] = {"unique_id": one.name} if one.name else {}
        row |= {"ds": shown(times[k]), model: float(mean[k])}
        for level, ends in bands.items():
            low, high = (None if np.isnan(end[k]) else float(end[k]) for end in ends)
            row |= {f"{model}-lo-{level:g}": low, f"{model}-hi-{level:g}": high}
        rows.append(row)
    return rows


def _csv(rows: Rows) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def _draw(
    one: Series, fitted: Fitted, forecaster: Forecaster, h: int, levels: list[float], path: Path
) -> None:
    """The last seasons of the first series and its forecast."""
    kept = slice(max(0, len(one.values) - 6 * h), None)
    ahead = one.steps.at(one.times[-1], np.arange(1, h + 1))
    bands = bands_of(fitted, h, levels, forecaster.intervals, forecaster.seed)
    figure = forecast_figure(
        one.times[kept], one.values[kept], ahead, fitted.mean(h), bands, name=one.name or path.stem
    )
    with written_aside(path) as file:
        file.write(png(figure))


def _figures(scores: Scores) -> dict[str, Any]:
    coverage = {f"{level:g}": share for level, share in scores.coverage.items()}
    made = {"mase": finite_or_name(scores.mase), "smape_0_to_200": scores.smape, "crps": scores.crps}
    return made | {"coverage": coverage, "windows": scores.windows}


def _plain(rows: Rows) -> Rows:
    return [{k: finite_or_name(v) if isinstance(v, float) else v for k, v in row.items()} for row in rows]


def _show(
    series: list[Series], columns: str, period: int, scores: dict[str, Scores], rows: Rows, h: int
) -> None:
    """What was read, the backtest, the forecast."""
    console, first = out(), series[0]
    model = next(name for name in rows[0] if name not in ("unique_id", "ds"))
    counted = f"{len(series):,} series" if len(series) > 1 else f"{len(first.values):,} values"
    season = f"seasons of {period}" if period > 1 else "no season"
    console.print(f"{counted}, {first.steps}, {season}; {columns}", markup=False)
    if scores:
        console.print(_scores_table(scores, h))
    table = Table(title="forecast" if len(series) == 1 else f"forecast of {first.name}, the first")
    for name in rows[0]:
        table.add_column(name.removeprefix(f"{model}-"), justify="left" if name == "ds" else "right")
    for row in rows[: min(h, SHOWN)]:
        table.add_row(*(_cell(value) for value in row.values()))
    console.print(table)
    if len(rows) > min(h, SHOWN):
        console.print(f"{len(rows) - min(h, SHOWN):,} more rows: --output FILE.csv or --json has them all")


def _cell(value: Any) -> str:
    if value is None:
        return "–"
    return number(value, 2 if abs(value) >= 10 else 4) if isinstance(value, float) else str(value)


def _scores_table(scores: dict[str, Scores], h: int) -> Table:
    """The least error in each column in bold."""
    windows = next(iter(scores.values())).windows
    levels = sorted({level for each in scores.values() for level in each.coverage})
    table = Table(title=f"backtest: {windows} windows of {h} steps, each told from what came before it")
    table.add_column("model")
    for name in ("MASE", "sMAPE (0-200)", "CRPS", *(f"within {level:g} %" for level in levels)):
        table.add_column(name, justify="right")
    best = min(scores, key=lambda name: scores[name].mase)
    for name, each in sorted(scores.items(), key=lambda item: item[1].mase):
        cells = [number(each.mase, 3), number(each.smape), "–" if each.crps is None else number(each.crps, 3)]
        cells += [f"{each.coverage[level]:.0f} %" if level in each.coverage else "–" for level in levels]
        table.add_row(name, *cells, style="bold" if name == best else None)
    return table
