"""The steps of a series in time: found from its dates, gaps told apart from them, and dates made for what
follows.

    months (the same day, or each the last), weekdays, a fixed span, whole numbers

Shape letters: T time, H horizon.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Integer

from chainrule.core import InputError

Array = np.ndarray
Times = Any  # datetime64 [T], or int64 [T]
DAY, MONTH = np.timedelta64(1, "D"), np.timedelta64(1, "M")


@dataclass(frozen=True)
class Steps:
    """kind: months, month-ends, weekdays, span (microseconds) or numbers. size: how many of them a step
    is."""

    kind: str
    size: int

    def __str__(self) -> str:
        match self.kind:
            case "months" | "month-ends":
                named = {1: "monthly", 3: "quarterly", 12: "yearly"}
                return named.get(self.size, f"every {self.size} months")
            case "weekdays":
                return "weekdays"
            case "span":
                span = np.timedelta64(self.size, "us").item()
                named = {86400.0: "daily", 7 * 86400.0: "weekly", 3600.0: "hourly"}
                return named.get(span.total_seconds(), f"every {span}")
            case _:
                return "numbered" if self.size == 1 else f"numbered by {self.size}"

    def places(self, times: Times) -> Integer[Array, " T"]:
        """Whole steps since the first time; raises InputError where a time lies between two."""
        first = times[0]
        match self.kind:
            case "months" | "month-ends":
                apart = times.astype("M8[M]").astype(np.int64) - first.astype("M8[M]").astype(np.int64)
            case "weekdays":
                apart = np.busday_count(first.astype("M8[D]"), times.astype("M8[D]"))
            case _:
                apart = (times - first).astype(np.int64)
        size = np.int64(self.size)
        if (apart % size).any():
            at = int(np.argmax(apart % size != 0))
            raise InputError(f"expected times {self}, got {shown(times[at])} after {shown(times[at - 1])}")
        return (apart // size).astype(np.int64)

    def at(self, first: Any, places: Integer[Array, " H"]) -> Times:
        """The times so many steps after `first`."""
        match self.kind:
            case "months" | "month-ends":
                month = first.astype("M8[M]") + places * self.size
                if self.kind == "month-ends":
                    rest = first - (first.astype("M8[M]") + 1).astype(first.dtype)
                    return (month + 1).astype(first.dtype) + rest
                return month.astype(first.dtype) + (first - first.astype("M8[M]").astype(first.dtype))
            case "weekdays":
                clock = first - first.astype("M8[D]").astype(first.dtype)
                return np.busday_offset(first.astype("M8[D]"), places).astype(first.dtype) + clock
            case "span":
                return first + (places * self.size).astype("m8[us]")
            case _:
                return first + places * self.size


def find_steps(times: Times) -> Steps:
    """From rising times. Raises InputError for fewer than two."""
    if len(times) < 2:
        raise InputError(f"expected at least 2 times to tell their step, got {len(times)}")
    if times.dtype.kind != "M":
        return Steps("numbers", _common(np.diff(times)))
    months = times.astype("M8[M]")
    into = times - months.astype(times.dtype)
    back = (months + 1).astype(times.dtype) - times
    apart = np.diff(months.astype(np.int64))
    if (apart >= 1).all():
        if (into == into[0]).all() and into[0] < 28 * DAY:
            return Steps("months", _common(apart))
        if (back == back[0]).all():
            return Steps("month-ends", _common(apart))
    spans = np.diff(times).astype("m8[us]").astype(np.int64)
    step, day = _common(spans), DAY.astype("m8[us]").astype(np.int64)
    if step == day and len(times) > 5 and np.is_busday(times.astype("M8[D]")).all():
        return Steps("weekdays", 1)
    return Steps("span", step)


def _common(apart: Integer[Array, " _"]) -> int:
    """The most frequent distance, the least of them where several are."""
    sizes, counts = np.unique(apart, return_counts=True)
    return int(sizes[counts.argmax()])


def shown(time: Any) -> str:
    """As people write it: no clock where it is midnight."""
    if not isinstance(time, np.datetime64):
        return str(time)
    day = time.astype("M8[D]")
    return str(day) if day == time else str(time.astype("M8[s]")).replace("T", " ")


def seasons(steps: Steps) -> int:
    """The usual number of steps in a season: 12 months, 4 quarters, 7 days, 24 hours; else 1."""
    if steps.kind in ("months", "month-ends"):
        return max(12 // steps.size, 1)
    if steps.kind == "weekdays":
        return 5
    named = {86400: 7, 3600: 24, 7 * 86400: 52}
    return named.get(steps.size // 1_000_000, 1) if steps.kind == "span" else 1
