"""What a user holds for series: fit a table, predict with intervals, cross-validate over rolling origins.

    Forecaster(season_length=12).fit(frame).predict(12, level=(80, 95))

Tables have the columns unique_id, ds, y; polars or pandas come in, the same kind goes out, or a mapping of
columns.

Shape letters: T time, H horizon.
"""

import importlib
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float64

from chainrule.core import InputError
from chainrule.data.series import (
    GAPS,
    ID,
    TIME,
    VALUE,
    Columns,
    Series,
    guess_columns,
    make_series,
    said_of,
)
from chainrule.recipes.backtesting import DEFAULT, INTERVALS, bands_of, fit_all, model_names
from chainrule.recipes.forecasting import FEWEST, Fitted
from chainrule.recipes.series_models import SEASONAL_NAIVE
from chainrule.tasks.forecasting import Window, check_horizon, check_level, covered, rolling_windows, smape

Array = np.ndarray
Table = dict[str, list[Any]]


class SeriesWarning(UserWarning):
    """Something about the table was put right, and how."""


@dataclass(frozen=True, eq=False)
class OneFitted:
    """A series and, by name, what forecasts it."""

    series: Series
    models: Mapping[str, Fitted]


class Forecaster:
    """models: names of columns: chainrule (the default, chosen inside each training part), seasonal-naive,
    naive, mean, theta, smoothing, ar; networks: mlp, rnn, gru, lstm; one model for all series of a table:
    shared-ar, shared-mlp, shared-rnn, shared-gru, shared-lstm. gaps: refuse, or interpolate. intervals:
    conformal (from held-out errors), or simulation (drawn from the models). seed: of the simulation."""

    def __init__(
        self,
        models: Sequence[str] = (DEFAULT,),
        *,
        season_length: int,
        gaps: str = "refuse",
        intervals: str = "conformal",
        seed: int = 0,
    ) -> None:
        if season_length < 1:
            raise InputError(f"season_length: expected at least 1, got {season_length}")
        if intervals not in INTERVALS:
            raise InputError(f"intervals: expected {' or '.join(INTERVALS)}, got {intervals!r}")
        if gaps not in GAPS:
            raise InputError(f"gaps: expected {' or '.join(GAPS)}, got {gaps!r}")
        known = model_names(season_length)
        for name in models:
            if name not in known:
                raise InputError(f"models: expected some of {', '.join(known)}, got {name!r}")
        if not models or len(set(models)) < len(models):
            raise InputError(f"models: expected different names, got {list(models)}")
        self.models, self.season_length, self.gaps = tuple(models), season_length, gaps
        self.intervals, self.seed = intervals, seed

    def fit(self, frame: Any, *, h: int | None = None) -> "FittedForecaster":
        """One average of models for each series. h: the horizon that it is chosen for; else one season."""
        series, columns, kind = self._series(frame)
        fitted = self.fit_values({one.name: one.values for one in series}, self._horizon(h))
        made = [OneFitted(one, each) for one, each in zip(series, fitted, strict=True)]
        return FittedForecaster(self, made, columns, kind)

    def fit_values(self, series: Mapping[str, Float64[Array, " _"]], horizon: int) -> list[dict[str, Fitted]]:
        """The same of bare values, by the names of their series, in their order; "" is one without."""
        found = {model: fit_all(series, model, self.season_length, horizon) for model in self.models}
        return [{model: found[model][name] for model in self.models} for name in series]

    def cross_validation(
        self,
        frame: Any,
        *,
        h: int,
        n_windows: int = 1,
        step_size: int | None = None,
        level: Sequence[float] = (),
        refit: bool = True,
    ) -> Any:
        """Forecasts of the last `n_windows` windows of `h` steps from what came before each, beside what
        came.

        step_size: between the windows, `h` unless said. refit: learn anew at each; else once, before the
        first, and only the states read on."""
        series, columns, kind = self._series(frame)
        levels = [check_level(each) for each in level]
        rows = empty_rows(columns, ("cutoff", VALUE))
        windows: list[list[Window]] = []
        for one in series:
            with said_of(one.name):
                windows.append(rolling_windows(len(one.values), h, n_windows, step_size or h, least=FEWEST))
        fitted: list[list[dict[str, Fitted]]] = []
        for k in range(n_windows):
            known = {one.name: one.values[: w[k].cutoff] for one, w in zip(series, windows, strict=True)}
            if refit or not fitted:
                fitted.append(self.fit_values(known, self._horizon(h)))
            else:
                pairs = zip(fitted[0], known.values(), strict=True)
                fitted.append([{name: f.reading(x) for name, f in each.items()} for each, x in pairs])
        for at, one in enumerate(series):
            for k, window in enumerate(windows[at]):
                span = slice(window.cutoff, window.cutoff + h)
                found = {"cutoff": [one.times[window.cutoff - 1]] * h, VALUE: one.values[span].tolist()}
                self.add_rows(rows, one.name, one.times[span], found, fitted[k][at], levels)
        return to_frame(rows, kind)

    def evaluate(self, validated: Any) -> Any:
        """What `cross_validation` returned, as a table with a row a model: mean absolute error, sMAPE (0 to
        200), and of every level how many percent of the values lay inside the interval."""
        table, kind = from_frame(validated)
        later = np.array(table[VALUE], np.float64)
        rows: Table = {"model": [], "mae": [], "smape": []}
        for model in self.models:
            mean = np.array(table[model], np.float64)
            rows["model"].append(model)
            rows["mae"].append(float(np.abs(later - mean).mean()))
            rows["smape"].append(smape(later, mean))
            for name in table:
                if name.startswith(f"{model}-lo-"):
                    level = name.removeprefix(f"{model}-lo-")
                    low, high = (np.array(table[f"{model}-{e}-{level}"], np.float64) for e in ("lo", "hi"))
                    rows.setdefault(f"coverage-{level}", []).append(
                        100 * float(covered(later, low, high).mean())
                    )
        return to_frame(rows, kind)

    def _horizon(self, h: int | None) -> int:
        return check_horizon(h) if h is not None else max(self.season_length, 4)

    def _series(self, frame: Any) -> tuple[list[Series], Columns, str]:
        table, kind = from_frame(frame)
        columns = guess_columns(table)
        series, notes = make_series(table, columns, gaps=self.gaps)
        for each in notes:
            warnings.warn(each, SeriesWarning, stacklevel=3)
        return series, columns, kind

    def add_rows(
        self,
        rows: Table,
        name: str,
        times: Any,
        found: Mapping[str, list[Any]],
        fitted: Mapping[str, Fitted],
        levels: Sequence[float],
    ) -> None:
        """The rows of one series, its forecasts and their intervals, at the ends of the columns."""
        h = len(times)
        if ID in rows:
            rows[ID] += [name] * h
        rows[TIME] += list(times)
        for column, cells in found.items():
            rows[column] += cells
        for model, each in fitted.items():
            mean = each.mean(h)
            made = {model: mean}
            bounds = self.interval(each, h, levels) if levels else {}
            for level, (low, high) in bounds.items():
                made |= {f"{model}-lo-{level:g}": low, f"{model}-hi-{level:g}": high}
            for column, numbers in made.items():
                rows.setdefault(column, []).extend(numbers.tolist())

    def interval(
        self, fitted: Fitted, h: int, levels: Sequence[float]
    ) -> dict[float, tuple[Float64[Array, " H"], Float64[Array, " H"]]]:
        """By level, the lower and the upper end; unknown (NaN) where nothing could be held out."""
        nothing = np.full(h, np.nan)
        found = bands_of(fitted, h, levels, self.intervals, self.seed)
        return found or dict.fromkeys(levels, (nothing, nothing))


@dataclass(frozen=True, eq=False)
class FittedForecaster:
    """Made fitted; `series` holds what was learned of each."""

    how: Forecaster
    series: Sequence[OneFitted]
    columns: Columns
    kind: str

    def predict(self, h: int, level: Sequence[float] = ()) -> Any:
        """The next `h` values of each series: unique_id, ds, a column a model, and -lo- and -hi- a level."""
        check_horizon(h)
        levels = [check_level(each) for each in level]
        rows = empty_rows(self.columns, ())
        for one in self.series:
            steps = one.series.steps
            times = steps.at(one.series.times[-1], np.arange(1, h + 1))
            self.how.add_rows(rows, one.series.name, times, {}, one.models, levels)
        return to_frame(rows, self.kind)


def empty_rows(columns: Columns, more: Sequence[str]) -> Table:
    first = (ID, TIME) if columns.id is not None else (TIME,)
    return {name: [] for name in (*first, *more)}


def from_frame(frame: Any) -> tuple[dict[str, Sequence[Any]], str]:
    """The columns of a polars or pandas frame, or of a mapping; and which of them it was."""
    kind = type(frame).__module__.split(".")[0]
    match kind:
        case "polars":
            return {name: frame[name].to_list() for name in frame.columns}, kind
        case "pandas":
            return {str(name): list(frame[name]) for name in frame.columns}, kind
        case _ if isinstance(frame, Mapping):
            return {str(name): list(cells) for name, cells in frame.items()}, "mapping"
        case _:
            raise InputError(
                f"series: expected a polars or pandas frame or columns, got {type(frame).__name__}"
            )


def to_frame(rows: Table, kind: str) -> Any:
    """The columns as that kind of frame."""
    if kind == "mapping":
        return rows
    library = importlib.import_module(kind)
    return library.DataFrame({name: _column(cells) for name, cells in rows.items()})


def _column(cells: list[Any]) -> Any:
    """Times as one array, which both libraries know."""
    return np.array(cells) if cells and isinstance(cells[0], np.datetime64 | np.integer) else cells


__all__ = ["DEFAULT", "SEASONAL_NAIVE", "FittedForecaster", "Forecaster", "SeriesWarning"]
