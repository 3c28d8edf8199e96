"""The mean of a number over months, with its interval: what a forecast of opinion begins with.

    y_m = mean_i v_i,    y_m +- 1.96 s_m / sqrt(n_m)        i: the n_m texts of month m, s_m their spread

Shape letters: N texts, M months.
"""

from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float64, Int64

from chainrule.core import InputError

Array = np.ndarray
NORMAL = 1.96  # 95 %


class Monthly(NamedTuple):
    """months: datetime64[M], rising, none left out between; a month without texts has a NaN mean. half: of
    the 95 % interval; NaN for a month with fewer than two texts."""

    months: Any
    mean: Float64[Array, " M"]
    half: Float64[Array, " M"]
    texts: Int64[Array, " M"]

    def table(self) -> dict[str, list[Any]]:
        """Columns that a forecaster reads: ds and y; beside them the interval and the number of texts."""
        return {
            "ds": [str(month) + "-01" for month in self.months.astype("M8[M]")],
            "y": [None if np.isnan(y) else float(y) for y in self.mean],
            "low": [None if np.isnan(y) else float(y) for y in self.mean - self.half],
            "high": [None if np.isnan(y) else float(y) for y in self.mean + self.half],
            "texts": self.texts.tolist(),
        }


def monthly_means(times: Any, values: Float64[Array, " N"]) -> Monthly:
    """times: datetime64 [N], in any order. Raises InputError for none, and for what are no dates."""
    if not len(values) or times.dtype.kind != "M" or len(times) != len(values):
        raise InputError(f"times: expected a date for each of {len(values)} values, got {len(times)}")
    month = times.astype("M8[M]").astype(np.int64)
    place = month - month.min()
    count = np.bincount(place)
    total, squares = np.bincount(place, values), np.bincount(place, values**2)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = total / count
        spread = np.sqrt(np.maximum(squares - count * mean**2, 0) / (count - 1))
        half = np.where(count > 1, NORMAL * spread / np.sqrt(count), np.nan)
    months = (month.min() + np.arange(len(count))).astype("M8[M]")
    return Monthly(months, np.where(count > 0, mean, np.nan), half, count)
