"""Series from tables: columns guessed and said, times sorted and checked, gaps refused or filled, never
silently.

Shape letters: T time.
"""

import csv
import io
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date, datetime
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float64

from chainrule.core import InputError
from chainrule.data.calendar import Steps, Times, find_steps, shown

Array = np.ndarray
GAPS = ("refuse", "interpolate")
ID, TIME, VALUE = "unique_id", "ds", "y"
ID_NAMES = (ID, "id", "series", "name", "item", "key")
TIME_NAMES = (TIME, "date", "time", "datetime", "timestamp", "month", "day", "year", "quarter", "period")
VALUE_NAMES = (VALUE, "value", "values", "target")
FORMATS = ("%Y/%m/%d", "%d.%m.%Y", "%m/%d/%Y", "%Y-%m", "%Y/%m", "%b %Y", "%B %Y", "%Y%m%d")
MISSING = ("", "na", "nan", "null", "none", "n/a", ".", "-")


class Series(NamedTuple):
    """One series without gaps. times: rising, steps apart."""

    name: str
    times: Times
    values: Float64[Array, " T"]
    steps: Steps


class Columns(NamedTuple):
    """Which column is what. id: None where there is one series only."""

    id: str | None
    time: str | None
    value: str

    def __str__(self) -> str:
        parts = {"series": self.id, "time": self.time or "none (rows in order)", "value": self.value}
        return ", ".join(f"{what} = {name}" for what, name in parts.items() if name)


Table = Mapping[str, Sequence[Any]]


def read_csv(path: Path) -> dict[str, list[str]]:
    """The columns of a file with a header; raises InputError for what is no such file."""
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: expected UTF-8, got another byte at offset {error.start}") from error
    if not text.strip():
        raise InputError(f"{path}: expected a table with a header, got an empty file")
    try:
        first = text.split("\n", 1)[0]
        mark = max(",;\t", key=first.count)
        rows = [row for row in csv.reader(io.StringIO(text), delimiter=mark) if row]
    except csv.Error as error:
        raise InputError(f"{path}: expected a CSV file, got one that is none ({error})") from error
    header, body = [name.strip() for name in rows[0]], rows[1:]
    if len(set(header)) < len(header):
        raise InputError(f"{path}: expected columns with different names, got {', '.join(header)}")
    for at, row in enumerate(body):
        if len(row) != len(header):
            raise InputError(f"{path}: expected {len(header)} cells, got {len(row)} at line {at + 2}")
    if not body:
        raise InputError(f"{path}: expected rows below the header, got none")
    return {name: [row[k].strip() for row in body] for k, name in enumerate(header)}


def guess_columns(
    table: Table, *, id: str | None = None, time: str | None = None, value: str | None = None
) -> Columns:
    """By their names, then by what is in them; what is named is taken. Raises InputError where it is
    unclear."""
    for asked in (id, time, value):
        if asked is not None and asked not in table:
            raise InputError(f"columns: expected one of {', '.join(table)}, got {asked!r}")
    left = [name for name in table if name not in (id, time, value)]
    by_name = {name.lower(): name for name in left}
    time = time or next((by_name[known] for known in TIME_NAMES if known in by_name), None)
    if time is None:
        time = next((name for name in left if _are_times(table[name])), None)
    left = [name for name in left if name != time]
    id = id or next((by_name[known] for known in ID_NAMES if by_name.get(known) in left), None)
    left = [name for name in left if name != id]
    value = value or next((by_name[known] for known in VALUE_NAMES if by_name.get(known) in left), None)
    if value is None:
        numbers = [name for name in left if _are_numbers(table[name])]
        if len(numbers) != 1 and len(left) != 1:
            found = ", ".join(numbers) or "none"
            raise InputError(f"columns: expected one column of numbers, got {found}; name it with --value")
        value = numbers[0] if numbers else left[0]
    return Columns(id, time, value)


def make_series(table: Table, columns: Columns, *, gaps: str = "refuse") -> tuple[list[Series], list[str]]:
    """The series in the order of their first rows, and a sentence for everything that was put right.

    Raises InputError for text among the numbers, infinities, duplicate times, and for gaps unless they are
    to be filled by straight lines."""
    if gaps not in GAPS:
        raise InputError(f"gaps: expected {' or '.join(GAPS)}, got {gaps!r}")
    values = numbers(table[columns.value], columns.value)
    times = np.arange(len(values)) if columns.time is None else parse_times(table[columns.time], columns.time)
    names = [""] * len(values) if columns.id is None else [str(name) for name in table[columns.id]]
    order: dict[str, list[int]] = {}
    for at, name in enumerate(names):
        order.setdefault(name, []).append(at)
    made: list[Series] = []
    notes: list[str] = []
    unsorted = filled = 0
    for name, rows in order.items():
        with said_of(name):
            one, was_unsorted, was_filled = regular(name, times[rows], values[rows], gaps)
        made.append(one)
        unsorted, filled = unsorted + was_unsorted, filled + was_filled
    if unsorted:
        notes.append(f"times were not in order and have been sorted ({unsorted} of {len(made)} series)")
    if filled:
        notes.append(f"{filled:,} missing values were filled by straight lines between their neighbours")
    return made, notes


@contextmanager
def said_of(name: str) -> Generator[None]:
    """An InputError from inside says which series it is about."""
    try:
        yield
    except InputError as error:
        raise InputError(f"series {name}: {error}" if name else str(error)) from error


def regular(name: str, times: Times, values: Float64[Array, " T"], gaps: str) -> tuple[Series, bool, int]:
    """Sorted, one value for every step; whether it was sorted, and how many values were filled in."""
    if np.isinf(values).any():
        at = int(np.argmax(np.isinf(values)))
        raise InputError(f"expected finite numbers, got {values[at]} at {shown(times[at])}")
    rank = np.argsort(times, kind="stable")
    was_unsorted = bool((np.diff(rank) != 1).any())
    times, values = times[rank], values[rank]
    same = np.diff(times).astype(np.int64) == 0
    if same.any():
        raise InputError(f"expected each time once, got {shown(times[int(np.argmax(same))])} twice")
    steps = find_steps(times)
    places = steps.places(times)
    known = ~np.isnan(values)
    missing = int(places[-1]) + 1 - int(known.sum())
    if not missing:
        return Series(name, times, values, steps), was_unsorted, 0
    if gaps == "refuse":
        if len(places) <= places[-1]:
            at = int(np.argmax(np.diff(places) > 1))
            raise InputError(
                f"expected times {steps}, got {shown(times[at + 1])} after {shown(times[at])}: "
                f"{missing} missing; gaps interpolate fills them"
            )
        at = int(np.argmin(known))
        raise InputError(f"expected a number, got none at {shown(times[at])}; gaps interpolate fills it")
    if not (known[0] and known[-1]) or 2 * missing > places[-1] + 1:
        raise InputError(
            f"expected numbers at both ends and at half of the times to fill gaps, got {known.sum()} of "
            f"{places[-1] + 1}"
        )
    everywhere = np.arange(places[-1] + 1)
    filled = np.interp(everywhere, places[known], values[known])
    return Series(name, steps.at(times[0], everywhere), filled, steps), was_unsorted, missing


def numbers(cells: Sequence[Any], column: str) -> Float64[Array, " T"]:
    """As float64, NaN where a cell is empty; raises InputError that names the first cell that is text."""
    made = np.empty(len(cells))
    for at, cell in enumerate(cells):
        if cell is None or (isinstance(cell, str) and cell.strip().lower() in MISSING):
            made[at] = np.nan
            continue
        try:
            made[at] = float(cell)
        except (TypeError, ValueError):
            raise InputError(f"column {column}: expected numbers, got {cell!r} at row {at + 1}") from None
    return made


def parse_times(cells: Sequence[Any], column: str) -> Times:
    """As datetime64[us], or int64 where all are whole numbers; years are numbers too."""
    made = [_time(cell) for cell in cells]
    for at, time in enumerate(made):
        if time is None:
            raise InputError(f"column {column}: expected dates or numbers, got {cells[at]!r} at row {at + 1}")
    if all(isinstance(time, int) for time in made):
        return np.array(made, np.int64)
    if any(isinstance(time, int) for time in made):
        raise InputError(f"column {column}: expected dates or whole numbers, got both")
    return np.array(made, "M8[us]")


def _time(cell: Any) -> int | np.datetime64 | None:
    match cell:
        case bool() | None:
            return None
        case int() | np.integer():
            return int(cell)
        case float() | np.floating():
            return int(cell) if float(cell).is_integer() else None
        case np.datetime64():
            return None if np.isnat(cell) else cell.astype("M8[us]")
        case datetime() | date():
            return np.datetime64(cell.replace(tzinfo=None) if isinstance(cell, datetime) else cell, "us")
        case str():
            return _written_time(cell.strip())
        case _:
            return None


def _written_time(text: str) -> int | np.datetime64 | None:
    if text.lstrip("-").isdigit() and len(text) < 8:
        return int(text)
    quarter = text.upper().replace("-", "").replace(" ", "")
    if len(quarter) == 6 and quarter[4] == "Q" and quarter[:4].isdigit() and quarter[5] in "1234":
        return np.datetime64(f"{quarter[:4]}-{3 * int(quarter[5]) - 2:02}", "us")
    try:
        return np.datetime64(datetime.fromisoformat(text).replace(tzinfo=None), "us")
    except ValueError:
        pass
    for form in FORMATS:
        try:
            return np.datetime64(datetime.strptime(text, form), "us")
        except ValueError:
            continue
    return int(text) if text.lstrip("-").isdigit() else None


def _are_times(cells: Sequence[Any]) -> bool:
    """Dates, by a few of them; numbers alone are none."""
    some = [_time(cell) for cell in [*cells[:5], *cells[-1:]]]
    return bool(some) and all(isinstance(time, np.datetime64) for time in some)


def _are_numbers(cells: Sequence[Any]) -> bool:
    try:
        numbers(cells[:50], "")
    except InputError:
        return False
    return True
