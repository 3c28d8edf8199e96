"""Zipf's law: the r-th most frequent item occurs in proportion to r^-alpha.

    p(r) = r^-alpha / sum_{s=1..R} s^-alpha,     d log L / d alpha = 0:  sum_r f_r log r / N = E_alpha[log r]

alpha is the maximum-likelihood estimate over the observed ranks, not the slope of a line through the
log-log points, which the many rare items pull about (Clauset, Shalizi & Newman 2009).

Shape letters: R distinct items.
"""

import math
from typing import NamedTuple

import numpy as np
from jaxtyping import Float64, Integer

from chainrule.core import InputError

Array = np.ndarray


class ZipfFit(NamedTuple):
    """alpha and its standard error, from the Fisher information: 1 / sqrt(N Var_alpha[log r]).

    The error takes the law and the number of different items as given: it says how far alpha would move for
    another sample of this text, not how well a power law describes it, which the plot shows.
    """

    alpha: float
    standard_error: float
    tokens: int
    types: int

    def expected(self, ranks: Float64[Array, " R"]) -> Float64[Array, " R"]:
        """The frequencies that the fit expects at these ranks."""
        weights = np.arange(1, self.types + 1, dtype=np.float64) ** -self.alpha
        return self.tokens * ranks**-self.alpha / weights.sum()


def fit_zipf(frequencies: Integer[Array, " R"]) -> ZipfFit:
    """Fit alpha to frequencies in any order; raises InputError for fewer than two distinct items."""
    if len(frequencies) < 2:
        raise InputError(f"Zipf: expected at least 2 distinct items, got {len(frequencies)}")
    if frequencies.min() < 1:
        raise InputError(f"Zipf: expected items that occur, got a frequency of {frequencies.min()}")
    ranked = np.sort(frequencies)[::-1].astype(np.float64)
    logs = np.log(np.arange(1, len(ranked) + 1))
    tokens = ranked.sum()
    target = float((ranked * logs).sum() / tokens)
    low, high = -10.0, 50.0
    for _ in range(200):  # E[log r] falls as alpha grows: halve until the bracket is a rounding error
        alpha = (low + high) / 2
        low, high = (alpha, high) if _moments(logs, alpha)[0] > target else (low, alpha)
    alpha = (low + high) / 2
    variance = _moments(logs, alpha)[1]
    error = 1 / math.sqrt(tokens * variance) if variance > 0 else math.inf
    return ZipfFit(alpha, error, int(tokens), len(ranked))


def _moments(logs: Float64[Array, " R"], alpha: float) -> tuple[float, float]:
    """Mean and variance of log r under the law."""
    exponent = -alpha * logs
    weights = np.exp(exponent - exponent.max())
    weights /= weights.sum()
    mean = float((weights * logs).sum())
    return mean, float((weights * (logs - mean) ** 2).sum())
