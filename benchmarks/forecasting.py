"""How far off the default forecast is on six series, beside the best automatic model of statsforecast.

    python benchmarks/forecasting.py [--series NAME ...] [--models NAME ...] [--quick] [--json]

mase/       mean over 5 windows, a season apart and expanding; best-automatic is the least of AutoARIMA,
            AutoETS, AutoCES and AutoTheta, picked after the fact on these very windows: a bound, and
            no method
mase/{series}/{model}       of others by name (--models; networks take minutes): theta, ar, mlp, lstm, ..
smape/      the same windows, 0 to 200;  crps/  in the series' unit
coverage/   of the 80 % intervals (split conformal), for each series and pooled over all their steps
seconds/    of a processor, for one fit on the longest training part
fit-per-second/short   of a panel of short series

--quick: the airline series and real GDP, without AutoARIMA.
"""

import argparse
import importlib
import json
import statistics
import time
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np

from chainrule.data.example_series import SEASONS, load_series
from chainrule.forecaster import DEFAULT, Forecaster
from chainrule.tasks.forecasting import covered, crps, mase, rolling_windows, smape

WINDOWS, DRAWS, LEVEL = 5, 200, 80.0
HORIZON = {"gdp": 8}  # two years; elsewhere one season
AUTOMATIC = ("AutoARIMA", "AutoETS", "AutoCES", "AutoTheta")
QUICK = ("airline", "gdp")
Row = dict[str, Any]


def peers(values: np.ndarray, period: int, h: int, names: tuple[str, ...]) -> dict[str, float]:
    """MASE of each automatic model over the windows."""
    models = importlib.import_module("statsforecast.models")
    found: dict[str, list[float]] = {name: [] for name in names}
    for window in rolling_windows(len(values), h, WINDOWS, h):
        training, later = values[: window.cutoff], values[window.cutoff : window.cutoff + h]
        for name in names:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                path = getattr(models, name)(season_length=period).forecast(y=training, h=h)["mean"]
            found[name].append(mase(later, np.asarray(path, np.float64), training, period))
    return {name: statistics.fmean(each) for name, each in found.items()}


def one(name: str, automatic: tuple[str, ...], more: list[str]) -> tuple[list[Row], list[bool]]:
    """The rows of one series, and which steps its intervals covered."""
    values, period = load_series(name).values, SEASONS[name]
    h = HORIZON.get(name, period)
    names = (DEFAULT, "seasonal-naive", *more)
    forecaster = Forecaster(names, season_length=period)
    mases: dict[str, list[float]] = {each: [] for each in names}
    others: dict[str, list[float]] = {"smape": [], "crps": []}
    inside: list[bool] = []
    seconds = 0.0
    for window in rolling_windows(len(values), h, WINDOWS, h):
        training, later = values[: window.cutoff], values[window.cutoff : window.cutoff + h]
        begin = time.process_time()
        Forecaster(season_length=period).fit_values({"": training}, h)
        seconds = time.process_time() - begin
        (fitted,) = forecaster.fit_values({"": training}, h)
        for model, each in fitted.items():
            mases[model].append(mase(later, each.mean(h), training, period))
        ours = fitted[DEFAULT]
        others["smape"].append(smape(later, ours.mean(h)))
        others["crps"].append(crps(later, ours.draws(h, DRAWS)))
        low, high = forecaster.interval(ours, h, [LEVEL])[LEVEL]
        inside += covered(later, low, high).tolist()
    best = peers(values, period, h, automatic)
    least = min(best, key=lambda model: best[model])
    value = statistics.fmean(mases[DEFAULT])
    rows: list[Row] = [
        {"name": f"mase/{name}/default", "value": value, "unit": "MASE", "peer": least,
         "peer_value": best[least], "ratio": best[least] / value},
        {"name": f"mase/{name}/best-automatic", "value": best[least], "unit": "MASE", "all": best},
        {"name": f"mase/{name}/seasonal-naive", "value": statistics.fmean(mases["seasonal-naive"]),
         "unit": "MASE"},
        {"name": f"smape/{name}/default", "value": statistics.fmean(others["smape"]), "unit": "% of 200"},
        {"name": f"crps/{name}/default", "value": statistics.fmean(others["crps"]), "unit": "own unit"},
        {"name": f"coverage/{name}/default/{LEVEL:g}", "value": 100 * float(np.mean(inside)), "unit": "%"},
        {"name": f"seconds/{name}/fit", "value": seconds, "unit": "s"},
    ]  # fmt: skip
    for model in more:
        rows.append({"name": f"mase/{name}/{model}", "value": statistics.fmean(mases[model]), "unit": "MASE"})
    return rows, inside


def panel(count: int, rng: np.random.Generator) -> Row:
    """Short series of ours: two to three years of months with a season and a drifting level."""
    begin = time.perf_counter()
    for _ in range(count):
        t = np.arange(int(rng.integers(24, 37)))
        values = 50 + np.cumsum(rng.normal(0, 1, len(t))) + 8 * np.sin(2 * np.pi * t / 12)
        Forecaster(season_length=12).fit_values({"": values}, 6)
    seconds = time.perf_counter() - begin
    return {"name": "fit-per-second/short", "value": count / seconds, "unit": "series/s"}


def figures(names: list[str], more: list[str], quick: bool) -> Iterator[Row]:
    pooled: list[bool] = []
    for name in names:
        rows, inside = one(name, AUTOMATIC[1:] if quick else AUTOMATIC, more)
        pooled += inside
        yield from rows
    yield {"name": f"coverage/pooled/default/{LEVEL:g}", "value": 100 * float(np.mean(pooled)), "unit": "%"}
    yield panel(10 if quick else 100, np.random.default_rng(0))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--series", nargs="*", choices=list(SEASONS), help="only these")
    parser.add_argument("--models", nargs="*", default=[], help="others of ours beside the default")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    names = options.series or list(QUICK if options.quick else SEASONS)
    made: list[Row] = []
    for row in figures(names, options.models, options.quick):
        made.append(row)
        if not options.json:
            ratio = (
                f"  {row['peer']} {row['peer_value']:.3f}, ratio {row['ratio']:.2f}" if "ratio" in row else ""
            )
            print(f"{row['name']:36} {row['value']:10.4g} {row['unit']}{ratio}", flush=True)
    if options.json:
        print(json.dumps(made, indent=2))


if __name__ == "__main__":
    main()
