"""Ratings of a film over time, made up: what drives them is known, so what a model recovers can be checked.

    x_t = quality + prize exp(-(t - t_p) / 60) [t >= t_p] + season sin(2 pi t / 52) - scandal [t >= t_s]
          + drift_t + N(0, noise^2),     drift_t = 0.98 drift_{t-1} + N(0, 0.02^2)

After a prize ratings are anchored high and decay (anchoring); raters adapt to a level (hedonic adaptation);
summer films are rated higher in summer (season); after a scandal they drop and stay there.

Shape letters: T time (weeks).
"""

from collections.abc import Mapping
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float64

from chainrule.core import SeriesModel
from chainrule.models.series import deseasoned, scaled
from chainrule.recipes.series_models import NONE, Fit, autoregression, chain, moving_average, smoothing
from chainrule.recipes.series_networks import NETWORKS, network
from chainrule.tasks.forecasting import mean_path

Array = np.ndarray
YEAR = 52


class Truth(NamedTuple):
    """What was put in, and the ratings that come of it. Each part [T] sums to `expected`."""

    ratings: Float64[Array, " T"]
    expected: Float64[Array, " T"]
    prize: Float64[Array, " T"]
    season: Float64[Array, " T"]
    scandal: Float64[Array, " T"]
    level: Float64[Array, " T"]


def film_ratings(
    rng: np.random.Generator,
    *,
    weeks: int = 6 * YEAR,
    quality: float = 3.5,
    prize: float = 0.5,
    prize_week: int = 2 * YEAR,
    season: float = 0.2,
    scandal: float = 0.6,
    scandal_week: int = 4 * YEAR,
    noise: float = 0.08,
) -> Truth:
    """Mean ratings, weekly, on a scale of 1 to 5."""
    t = np.arange(weeks)
    drift = np.zeros(weeks)
    shocks = rng.normal(0, 0.02, weeks)
    for week in range(1, weeks):
        drift[week] = 0.98 * drift[week - 1] + shocks[week]
    level = quality + drift
    since = np.maximum(t - prize_week, 0)
    anchored = np.where(t >= prize_week, prize * np.exp(-since / 60), 0.0)
    wave = season * np.sin(2 * np.pi * t / YEAR)
    drop = np.where(t >= scandal_week, -scandal, 0.0)
    expected = level + anchored + wave + drop
    ratings = np.clip(expected + rng.normal(0, noise, weeks), 1.0, 5.0)
    return Truth(ratings, expected, anchored, wave, drop, level)


PRIZE, SCANDAL, HALF = 2 * YEAR, 4 * YEAR, YEAR // 2


class Recovered(NamedTuple):
    """What one-step predictions, without the true season, say of what was put in, as a share of the truth.

    anchored: the rise from the half year before the prize to that after it. adapted: the fall from there to a
    year later. dropped: the fall from the half year before the scandal to that from half a year after it on.
    weeks: after the scandal, until four fifths of it are taken over. season: of the forecast of the year to
    come, the correlation with the truth.
    """

    anchored: float
    adapted: float
    dropped: float
    weeks: float
    season: float


def film_models() -> Mapping[str, Fit]:
    """A few of each kind of state."""
    means = partial(deseasoned, period=YEAR)
    return {
        "level, season": smoothing("none", YEAR),
        "level, seasonal means": chain(means, fit=smoothing("none")),
        "ar": chain(scaled, fit=autoregression(26)),
        "ar, seasonal means": chain(means, scaled, fit=autoregression(26)),
        "arma, seasonal means": chain(means, fit=moving_average(NONE)),
        **{name: network(name, YEAR) for name in NETWORKS},
    }


def recovered(model: SeriesModel[Any], truth: Truth) -> Recovered:
    """Of a model that was fitted to the ratings."""
    predicted, state = model.follow(model.start(1), truth.ratings[None])
    level, known = predicted.mean[0] - truth.season, truth.expected - truth.season

    def moved(line: Float64[Array, " T"], before: int, after: int) -> float:
        return float(line[after : after + HALF].mean() - line[before : before + HALF].mean())

    spans = {"anchored": (PRIZE - HALF, PRIZE), "adapted": (PRIZE, PRIZE + YEAR),
             "dropped": (SCANDAL - HALF, SCANDAL + HALF)}  # fmt: skip
    shares = {name: moved(level, *span) / moved(known, *span) for name, span in spans.items()}
    before = float(level[SCANDAL - 8 : SCANDAL].mean())
    there = level[SCANDAL:] <= before + 0.8 * float(truth.scandal[SCANDAL])
    path = mean_path(model, state, YEAR)[0]
    wave = path - np.linspace(path[0], path[-1], YEAR)
    season = 0.0 if wave.std() < 1e-9 else float(np.corrcoef(wave, truth.season[:YEAR])[0, 1])
    return Recovered(**shares, weeks=float(np.argmax(there)) if there.any() else float("nan"), season=season)
