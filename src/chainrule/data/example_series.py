"""Series that ship in statsmodels and statsforecast (extra `series`), by name.

Monthly CO2 of Mauna Loa from weekly readings (gaps filled by straight lines), yearly sunspots, the monthly
sea surface of El Nino, airline passengers, turnover of electrical equipment, quarterly real GDP of the
United States."""

import importlib
import warnings
from typing import Any

import numpy as np

from chainrule.core import InputError, RunError
from chainrule.data.calendar import find_steps
from chainrule.data.series import Series

SEASONS = {"airline": 12, "co2": 12, "elec_equip": 12, "sunspots": 11, "elnino": 12, "gdp": 4}
EXTRA = "pip install 'chainrule[series]'"


def load_series(name: str) -> Series:
    """Raises InputError for another name, RunError where the package with it is not installed."""
    if name not in SEASONS:
        raise InputError(f"series: expected one of {', '.join(SEASONS)}, got {name!r}")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of their imports, which are not ours
            times, values = _loaded(name)
    except ImportError as error:
        raise RunError(f"series {name}: expected its package, found none ({error.name}): {EXTRA}") from error
    return Series(name, times, values, find_steps(times))


def _loaded(name: str) -> tuple[Any, Any]:
    if name == "airline":
        values = np.asarray(importlib.import_module("statsforecast.utils").AirPassengers, np.float64)
        return _months("1949-01", len(values)), values
    data: Any = importlib.import_module(f"statsmodels.datasets.{_module(name)}").load().data
    match name:
        case "co2":
            monthly = data["co2"].interpolate().resample("MS").mean()
            return monthly.index.to_numpy().astype("M8[us]"), monthly.to_numpy(np.float64)
        case "elec_equip":
            return data.index.to_numpy().astype("M8[us]"), data.iloc[:, 0].to_numpy(np.float64)
        case "sunspots":
            return data["YEAR"].to_numpy().astype(np.int64), data["SUNACTIVITY"].to_numpy(np.float64)
        case "elnino":
            values = data.iloc[:, 1:].to_numpy(np.float64).ravel()
            values = values[~np.isnan(values)]
            return _months(f"{int(data['YEAR'].iloc[0])}-01", len(values)), values
        case _:
            quarters = _months(f"{int(data['year'].iloc[0])}-01", len(data), 3)
            return quarters, data["realgdp"].to_numpy(np.float64)


def _module(name: str) -> str:
    return {"gdp": "macrodata"}.get(name, name)


def _months(first: str, count: int, size: int = 1) -> Any:
    return (np.datetime64(first, "M") + size * np.arange(count)).astype("M8[us]")
