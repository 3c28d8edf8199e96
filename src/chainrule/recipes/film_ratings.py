"""Ratings of a film over time, made up: what drives them is known, so what a model recovers can be checked.

    x_t = quality + prize exp(-(t - t_p) / 60) [t >= t_p] + season sin(2 pi t / 52) - scandal [t >= t_s]
          + drift_t + N(0, noise^2),     drift_t = 0.98 drift_{t-1} + N(0, 0.02^2)

After a prize ratings are anchored high and decay (anchoring); raters adapt to a level (hedonic adaptation);
summer films are rated higher in summer (season); after a scandal they drop and stay there.

Shape letters: T time (weeks).
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float64

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
