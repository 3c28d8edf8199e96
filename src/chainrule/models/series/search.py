"""Fitting a smoothing: first states by least squares, rates by points that close in on the best. No chance
in it.

Errors of a linear model are linear in its first state: e = e_0 + E theta, so theta = -(E'E)^-1 E'e_0.

Shape letters: T time, P settings tried at once, K columns: the data, then each part of the first state.
"""

from collections.abc import Callable

import numpy as np
from jaxtyping import Float64

from chainrule.core import InputError

Array = np.ndarray
TRIED, ROUNDS, SHRINK = 32, 5, 0.4  # settings at once, how often, how much closer each time
RECENT = 1000  # values that a fit reads at most: older ones say little about a level
RIDGE = 1e-8
LARGEST = 1e10  # sum of squares of a first state of size 1: a setting that grows so does not forget
Solved = Callable[[Float64[Array, "P 4"]], tuple[Float64[Array, " P"], Float64[Array, "P parts"]]]


def recent(values: Float64[Array, " T"], period: int) -> Float64[Array, " _"]:
    """The last ones, from the first place of a season on."""
    skipped = max(len(values) - max(RECENT, 4 * period), 0)
    return values[skipped - skipped % max(period, 1) :]


def solve_first(squares: Float64[Array, "P K K"]) -> tuple[Float64[Array, " P"], Float64[Array, "P parts"]]:
    """For each setting the least sum of squares, and the first state that has it, from E'E of the columns."""
    usable = np.isfinite(squares).all(axis=(1, 2)) & (np.abs(squares).max(axis=(1, 2)) < LARGEST)
    squares = np.where(usable[:, None, None], squares, 0.0)
    gram, right = squares[:, 1:, 1:], -squares[:, 1:, 0]
    count = gram.shape[1]
    ridge = RIDGE * np.trace(gram, axis1=1, axis2=2) / count
    gram = gram + np.where(ridge > 0, ridge, 1.0)[:, None, None] * np.eye(count)
    first = np.linalg.solve(gram, right[..., None])[..., 0]
    sums = squares[:, 0, 0] - 2 * (first * right).sum(axis=1)
    sums += ((squares[:, 1:, 1:] @ first[..., None])[..., 0] * first).sum(axis=1)
    return np.where(usable, np.maximum(sums, 0.0), np.inf), first


def closing_in(solved: Solved) -> tuple[float, Float64[Array, " 4"], Float64[Array, " parts"]]:
    """The least sum of squares, the point of the unit cube that has it, and its first state."""
    points = spread(TRIED)
    best, width, least = np.full(4, 0.5), 1.0, np.inf
    first: Array | None = None
    for _ in range(ROUNDS):
        tried = np.clip(best + width * (points - 0.5), 0, 1)
        squares, firsts = solved(tried)
        lowest = int(squares.argmin())
        if squares[lowest] < least:
            least, best, first = float(squares[lowest]), tried[lowest], firsts[lowest]
        width *= SHRINK
    if first is None:
        raise InputError("smoothing: expected numbers that can be squared, got larger ones")
    return least, best, first


def spread(count: int) -> Float64[Array, "P 4"]:
    """Points that fill the unit cube evenly: multiples of powers of 1/g, g^5 = g + 1 (Roberts 2018)."""
    g = 1.1673039782614187
    return (0.5 + np.arange(1, count + 1)[:, None] * g ** -np.arange(1.0, 5.0)) % 1
