"""From counts to a backoff model: interpolated Kneser-Ney, modified, absolute discounting, Witten-Bell.

    p(w | h) = (c(h w) - D(c(h w))) / c(h .) + backoff(h) p(w | h'),    backoff(h) = sum_w D(c(h w)) / c(h .)

Kneser & Ney (1995) count below the highest order not how often an n-gram was seen, but after how many
different tokens; Chen & Goodman (1998, eq. 26) give counts of one, two, and three or more a discount each:

    D_i = i - (i + 1) Y n_{i+1} / n_i,    Y = n_1 / (n_1 + 2 n_2),    n_i n-grams with a count of i

Shape letters: V vocabulary, U n-grams of a level.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from jaxtyping import Bool, Float64, UInt32

from chainrule.core import InputError
from chainrule.kernels import backoff as kernel
from chainrule.kernels import grams
from chainrule.kernels.backoff import LevelArrays
from chainrule.kernels.native import library
from chainrule.models.ngram.backoff import BackoffModel
from chainrule.models.ngram.counts import NgramCounts
from chainrule.models.ngram.pruning import without

Array = np.ndarray
ESTIMATED = ("witten-bell", "absolute", "kneser-ney", "modified-kneser-ney")
NO_DISCOUNTS = np.zeros(4)
FALLBACK = (0.5, 1.0, 1.5)  # where the data supports no estimate; one discount: FALLBACK_ONE
FALLBACK_ONE = 0.75


@dataclass(frozen=True)
class Discounts:
    """What is taken off a count of one, two, and three or more, at one order. why: what the
    data lacked for an estimate, where FALLBACK stands in for it; else None."""

    order: int
    one: float
    two: float
    more: float
    why: str | None = None

    @property
    def array(self) -> Float64[Array, " 4"]:
        return np.array([0.0, self.one, self.two, self.more])


@dataclass(frozen=True, eq=False)
class Estimate:
    """A model, and the discounts it was made with, lowest order first (none for Witten-Bell)."""

    model: BackoffModel
    discounts: tuple[Discounts, ...]


def estimate(
    counts: NgramCounts, smoothing: str = "modified-kneser-ney", *, minimum: Sequence[int] = ()
) -> Estimate:
    """The model of a smoothing among ESTIMATED.

    minimum: of each order, lowest first, the count from which an n-gram is listed (orders left out: the last
    one given; 1 where none is). The discounts are of all n-grams; what is not listed backs off.
    Raises InputError for another smoothing, and for a minimum that falls or leaves out single tokens.
    """
    if smoothing not in ESTIMATED:
        raise InputError(f"smoothing: expected one of {', '.join(ESTIMATED)}, got {smoothing!r}")
    native = library() is not None
    interpolate = kernel.interpolate_native if native else kernel.interpolate_numpy
    keep = _listed(counts, minimum)
    used = adjusted_counts(counts) if "kneser-ney" in smoothing else [level.counts for level in counts.levels]
    found: list[Discounts] = []
    made: list[kernel.Interpolated] = []
    lower = np.full(1, 1 / counts.vocab_size)
    for k, (level, some) in enumerate(zip(counts.levels, used, strict=True), 1):
        discounts = NO_DISCOUNTS
        if smoothing != "witten-bell":
            found.append(_discounts(k, some, modified=smoothing.startswith("modified")))
            discounts = found[-1].array
        kept = None if keep is None else keep[k - 1].view(np.uint8)
        made.append(
            interpolate(level.first, some, kept, discounts, smoothing == "witten-bell", lower, level.links)
        )
        lower = made[-1].probs
        if k > 1:
            made[-2] = made[-2]._replace(probs=lower[:0])  # read for the last time: the memory is wanted
    if counts.end is not None:
        made[0].log_probs[counts.vocab_size] = -np.inf  # it begins a sentence, and is never predicted
    backoffs = [*(level.backoffs for level in made[1:]), None]
    levels = tuple(
        LevelArrays(level.tokens, level.first, one.log_probs, below)
        for level, one, below in zip(counts.levels, made, backoffs, strict=True)
    )
    model = BackoffModel(counts.vocab_size, levels, counts.end, smoothing)
    return Estimate(model if keep is None else without(model, keep), tuple(found))


def adjusted_counts(counts: NgramCounts) -> list[UInt32[Array, " _"]]:
    """Below the highest order: how many different tokens stood before each n-gram; where none can, at the
    beginning of a sentence, how often it was seen."""
    tally = grams.tally_native if library() is not None else grams.tally_numpy
    out: list[Array] = []
    begins = counts.vocab_size  # the n-grams of a beginning are the last of every level
    for level, above in zip(counts.levels[:-1], counts.levels[1:], strict=True):
        seen = tally(above.links, len(level))
        if counts.end is not None:
            begins = begins if not out else int(level.first[begins])
            seen[begins:] = level.counts[begins:]
        out.append(seen)
    return [*out, counts.levels[-1].counts]


def _discounts(order: int, counts: UInt32[Array, " U"], *, modified: bool) -> Discounts:
    """The discounts of one order; `FALLBACK` where counts of counts are missing or give no sensible ones."""
    n = [int(np.count_nonzero(counts == i)) for i in range(1, 5)]
    needed = 3 if modified else 2  # of counts of four there may be none: then D_3 is 3
    missing = next((i for i in range(1, needed + 1) if not n[i - 1]), None)
    if missing:
        return _fallback(order, modified, f"no n-gram has a count of {missing}")
    y = n[0] / (n[0] + 2 * n[1])
    if not modified:
        return Discounts(order, y, y, y)
    amounts = [i - (i + 1) * y * n[i] / n[i - 1] for i in (1, 2, 3)]
    wrong = next((i for i, amount in enumerate(amounts, 1) if not 0 < amount <= i), None)
    if wrong:
        return _fallback(order, modified, f"the estimate for a count of {wrong} is {amounts[wrong - 1]:.2f}")
    return Discounts(order, amounts[0], amounts[1], amounts[2])


def _fallback(order: int, modified: bool, why: str) -> Discounts:
    return Discounts(order, *(FALLBACK if modified else (FALLBACK_ONE,) * 3), why=why)


def _listed(counts: NgramCounts, minimum: Sequence[int]) -> list[Bool[Array, " _"]] | None:
    """Which n-grams reach the minimum of their order; None for all."""
    if not minimum:
        return None
    least = [*minimum, *[minimum[-1]] * counts.order][: counts.order]
    if least[0] > 1 or any(a > b for a, b in pairwise(least)) or least[0] < 0:
        raise InputError(
            f"minimum counts: expected 1 and then none that falls, got {', '.join(map(str, least))}"
        )
    return [
        level.counts >= count if k else np.ones(len(level), bool)
        for k, (level, count) in enumerate(zip(counts.levels, least, strict=True))
    ]
