"""Dated reviews of a film, made up: how many praise it when is known, so what is recovered can be checked.

    p(positive in week t) = (x_t - 1) / 4,     x_t the expected rating of `film_ratings`

A review is a few phrases, most of its own side and some of the other, as people write; so no classifier of
them is right always.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64

from chainrule.recipes.film_ratings import Truth, film_ratings

Array = np.ndarray
FIRST_DAY = np.datetime64("2019-01-07")
SIDES = ("negative", "positive")
OWN_SIDE = 0.72  # of the phrases of a review
THINGS = ("the plot", "the acting", "the music", "the ending", "the dialogue", "the camera", "the pace",
          "the cast", "the humour", "the first half", "the lead", "the sound")  # fmt: skip
PRAISE = {
    "positive": ("is wonderful", "moved me", "is a joy", "feels fresh", "is sharp and warm", "never drags",
                 "is worth the ticket", "stays with you", "is better than expected"),
    "negative": ("is dull", "bored me", "is a mess", "feels stale", "is flat and cold", "drags on",
                 "is a waste of time", "is soon forgotten", "is worse than expected"),
}  # fmt: skip
JOINTS = (", ", " and ", ", but ", ". ")


@dataclass(frozen=True, eq=False)
class DatedReviews:
    """texts with labels and days [N], in the order of the days; share: what the chance of a positive one
    was in each week, of which `truth` has the parts."""

    texts: tuple[str, ...]
    labels: tuple[str, ...]
    days: Array
    share: Float64[Array, " weeks"]
    truth: Truth


def film_reviews(rng: np.random.Generator, *, per_week: int = 8, weeks: int = 312) -> DatedReviews:
    """`per_week` reviews a week, the first on FIRST_DAY."""
    truth = film_ratings(rng, weeks=weeks)
    share = np.clip((truth.expected - 1) / 4, 0.02, 0.98)
    texts: list[str] = []
    labels: list[str] = []
    days: list[np.datetime64] = []
    for week in range(weeks):
        for day in np.sort(rng.integers(0, 7, per_week)):
            side = SIDES[int(rng.random() < share[week])]
            texts.append(review(rng, side))
            labels.append(side)
            days.append(FIRST_DAY + np.timedelta64(7 * week + int(day), "D"))
    return DatedReviews(tuple(texts), tuple(labels), np.array(days), share, truth)


def review(rng: np.random.Generator, side: str) -> str:
    """Two to five phrases."""
    other = SIDES[1 - SIDES.index(side)]
    told = ""
    for k in range(int(rng.integers(2, 6))):
        praise = PRAISE[side if rng.random() < OWN_SIDE else other]
        phrase = f"{THINGS[rng.integers(len(THINGS))]} {praise[rng.integers(len(praise))]}"
        told += (JOINTS[rng.integers(len(JOINTS))] if k else "") + phrase
    return told + "."
