"""How good forecasts would have been: the last windows of each series, told from what came before them.

Models of statsforecast (extra `series`) are held against the same windows where they are installed.

Shape letters: T time, H horizon, N draws.
"""

import importlib
import importlib.util
import statistics
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float64

from chainrule.core import InputError
from chainrule.data.series import said_of
from chainrule.recipes.forecasting import Fitted, check_length, fit_average, fit_default
from chainrule.recipes.series_models import Fit, named
from chainrule.recipes.series_networks import NETWORKS, network
from chainrule.recipes.shared_series import SHARED, fit_shared
from chainrule.tasks.forecasting import covered, crps, mase, rolling_windows, simulated_interval, smape

Array = np.ndarray
Bands = dict[float, tuple[Float64[Array, " H"], Float64[Array, " H"]]]
DEFAULT = "chainrule"
DRAWS = 200
SIMULATED = 1000
MOST = 1000  # series that the default is fitted to: some forty models each
INTERVALS = ("conformal", "simulation")
PEERS = {"Theta": "AutoTheta", "ETS": "AutoETS", "CES": "AutoCES", "ARIMA": "AutoARIMA"}


class Forecast(NamedTuple):
    """draws: empty where the model gives none."""

    mean: Float64[Array, " H"]
    bands: Bands
    draws: Float64[Array, "N H"]


class Scores(NamedTuple):
    """Means over windows and series. coverage: by level, in percent, of all steps. None: not given."""

    mase: float
    smape: float
    crps: float | None
    coverage: dict[float, float]
    windows: int


Make = Callable[[Float64[Array, " T"], int], Forecast]
Tell = Callable[[float, str], None]


def model_names(period: int) -> tuple[str, ...]:
    """The default first."""
    return (DEFAULT, *named(period), *NETWORKS, *SHARED)


def fit_named(values: Float64[Array, " T"], name: str, period: int, horizon: int) -> Fitted:
    """The default, or one of the models that can be asked for by name."""
    if name == DEFAULT:
        return fit_default(values, period, horizon)
    if name in SHARED:
        return fit_shared([values], name, period, horizon)[0]
    check_length(values)
    fit: Fit = network(name, period) if name in NETWORKS else named(period)[name]
    return fit_average(values, {name: fit}, period, horizon)


def fit_all(
    series: Mapping[str, Float64[Array, " _"]], name: str, period: int, horizon: int, tell: Tell | None = None
) -> dict[str, Fitted]:
    """Each series by itself, or all with one model; an error says which series it is about.

    Raises InputError for more series than the default is worth waiting for."""
    if name in SHARED:
        for key, values in series.items():
            with said_of(key):
                check_length(values)
        return dict(zip(series, fit_shared(list(series.values()), name, period, horizon), strict=True))
    if name in (DEFAULT, *NETWORKS) and len(series) > MOST:
        raise InputError(
            f"series: expected at most {MOST:,} for the model {name}, which fits a few a second, got "
            f"{len(series):,}; quick ones are seasonal-naive, theta, smoothing, ar, shared-ar"
        )
    made: dict[str, Fitted] = {}
    for at, (key, values) in enumerate(series.items()):
        if tell is not None:
            tell(at / len(series), key)
        with said_of(key):
            made[key] = fit_named(values, name, period, horizon)
    return made


def ours(name: str, period: int, levels: Sequence[float], intervals: str = "conformal") -> Make:
    """A model of this package as what is tested; bands only where something could be held out."""

    def make(values: Float64[Array, " T"], h: int) -> Forecast:
        fitted = fit_named(values, name, period, h)
        mean, bands = fitted.mean(h), bands_of(fitted, h, levels, intervals)
        draws = fitted.draws(h, DRAWS) if fitted.errors.size else np.empty((0, h))
        return Forecast(mean, bands, draws)

    return make


def bands_of(
    fitted: Fitted, h: int, levels: Sequence[float], intervals: str = "conformal", seed: int = 0
) -> Bands:
    """By level, the ends of the intervals: split conformal (none where nothing could be held out), or the
    middle of futures drawn from the models."""
    if intervals not in INTERVALS:
        raise InputError(f"intervals: expected {' or '.join(INTERVALS)}, got {intervals!r}")
    if intervals == "simulation":
        draws = fitted.simulated(h, SIMULATED, np.random.default_rng(seed)) if levels else np.empty((0, h))
        return {level: simulated_interval(draws, level) for level in levels}
    if not fitted.errors.size:
        return {}
    mean = fitted.mean(h)
    return {level: (mean - (r := fitted.radii(h, level)), mean + r) for level in levels}


def has_peers() -> bool:
    return importlib.util.find_spec("statsforecast") is not None


def peer(name: str, period: int, levels: Sequence[float]) -> Make:
    """An automatic model of statsforecast."""
    kind = getattr(importlib.import_module("statsforecast.models"), PEERS[name])

    def make(values: Float64[Array, " T"], h: int) -> Forecast:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            whole = [int(level) if level == int(level) else level for level in levels]
            asked: dict[str, Any] = {"level": whole} if levels else {}
            found = kind(season_length=period).forecast(y=values, h=h, **asked)
        bands = {
            level: (_floats(found[f"lo-{level:g}"]), _floats(found[f"hi-{level:g}"]))
            for level in levels
            if f"lo-{level:g}" in found
        }
        return Forecast(_floats(found["mean"]), bands, np.empty((0, h)))

    return make


def _floats(values: Any) -> Float64[Array, " H"]:
    return np.asarray(values, np.float64)


def backtest(
    series: Mapping[str, Float64[Array, " _"]],
    makers: Mapping[str, Make],
    *,
    period: int,
    h: int,
    n_windows: int,
    tell: Tell | None = None,
) -> dict[str, Scores]:
    """Every maker on the last windows, a horizon apart and expanding."""
    found: dict[str, list[tuple[float, float, float | None]]] = {name: [] for name in makers}
    inside: dict[str, dict[float, list[bool]]] = {name: {} for name in makers}
    done, total = 0, len(series) * n_windows * len(makers)
    for key, values in series.items():
        with said_of(key):
            windows = rolling_windows(len(values), h, n_windows, h, least=4)
        for window in windows:
            training, later = values[: window.cutoff], values[window.cutoff : window.cutoff + h]
            for name, make in makers.items():
                if tell is not None:
                    tell(done / total, name)
                forecast, done = make(training, h), done + 1
                sharp = crps(later, forecast.draws) if len(forecast.draws) else None
                scaled = mase(later, forecast.mean, training, period)
                found[name].append((scaled, smape(later, forecast.mean), sharp))
                for level, (low, high) in forecast.bands.items():
                    inside[name].setdefault(level, []).extend(covered(later, low, high).tolist())
    return {name: _scores(found[name], inside[name]) for name in makers}


def _scores(rows: list[tuple[float, float, float | None]], inside: dict[float, list[bool]]) -> Scores:
    """A window whose training part never changes has no MASE and is left out of its mean."""
    scaled = [row[0] for row in rows if not np.isnan(row[0])]
    sharp = [row[2] for row in rows if row[2] is not None]
    return Scores(
        statistics.fmean(scaled) if scaled else float("nan"),
        statistics.fmean(row[1] for row in rows),
        statistics.fmean(sharp) if len(sharp) == len(rows) else None,
        {level: 100 * statistics.fmean(hits) for level, hits in sorted(inside.items())},
        len(rows),
    )
