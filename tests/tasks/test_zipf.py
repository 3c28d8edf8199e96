"""Zipf's law: counts drawn from a law with a known exponent, and the exponent back."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chainrule.core import InputError
from chainrule.tasks.zipf import fit_zipf


def drawn(alpha: float, types: int, tokens: int, seed: int) -> np.ndarray:
    """How often each of so many items comes up in so many draws from r^-alpha."""
    weights = np.arange(1, types + 1) ** -alpha
    counts = np.random.default_rng(seed).multinomial(tokens, weights / weights.sum())
    return counts[counts > 0]


@pytest.mark.parametrize("alpha", [0.5, 1.0, 1.5, 2.5])
def test_the_exponent_comes_back(alpha: float) -> None:
    """Within three standard errors each time, and off by one on average: so the error is right too."""
    misses = []
    for seed in range(20):
        fit = fit_zipf(drawn(alpha, 40, 200_000, seed))
        misses.append((fit.alpha - alpha) / fit.standard_error)
    assert max(map(abs, misses)) < 3
    assert 0.6 < np.std(misses) < 1.5


@pytest.mark.parametrize("alpha", [3.0, 4.0])
def test_so_does_that_of_a_law_without_a_last_rank(alpha: float) -> None:
    # steep enough that the ranks that never came up weigh nothing; a flat one is fitted over what was seen
    for seed in range(10):
        counts = np.unique(np.random.default_rng(seed).zipf(alpha, 100_000), return_counts=True)[1]
        fit = fit_zipf(counts)
        assert abs(fit.alpha - alpha) < 3 * fit.standard_error


def test_a_law_without_noise_by_hand() -> None:
    # 12 / r for r = 1, 2, 3, 4
    fit = fit_zipf(np.array([4, 12, 3, 6]))
    assert fit.alpha == pytest.approx(1, abs=1e-9)
    assert (fit.tokens, fit.types) == (25, 4)
    np.testing.assert_allclose(fit.expected(np.array([1.0, 2.0, 3.0, 4.0])), [12, 6, 4, 3], rtol=1e-8)
    # 1 / sqrt(N Var[log r])
    p, log_r = np.array([12, 6, 4, 3]) / 25, np.log([1, 2, 3, 4])
    variance = (p * log_r**2).sum() - (p * log_r).sum() ** 2
    assert fit.standard_error == pytest.approx(1 / math.sqrt(25 * variance), rel=1e-8)


def test_items_that_are_all_alike_have_exponent_zero() -> None:
    assert fit_zipf(np.full(10, 7)).alpha == pytest.approx(0, abs=1e-9)


@given(st.lists(st.integers(1, 10**6), min_size=2, max_size=30))
def test_the_fit_is_the_likeliest_exponent_whatever_the_order(frequencies: list[int]) -> None:
    ranked = np.sort(np.array(frequencies))[::-1]
    log_r = np.log(np.arange(1, len(ranked) + 1))

    def log_likelihood(alpha: float) -> float:
        weights = np.exp(-alpha * log_r)
        return float((ranked * (-alpha * log_r - np.log(weights.sum()))).sum())

    mixed = np.random.default_rng(0).permutation(ranked)
    fit = fit_zipf(mixed)
    assert fit == fit_zipf(ranked)
    best = log_likelihood(fit.alpha)
    tolerance = 1e-9 * abs(best) + 1e-9
    assert best >= log_likelihood(fit.alpha - 1e-3) - tolerance
    assert best >= log_likelihood(fit.alpha + 1e-3) - tolerance
    expected = fit.expected(np.arange(1.0, len(ranked) + 1))
    assert expected.sum() == pytest.approx(ranked.sum())


@pytest.mark.parametrize("frequencies", [[], [5]])
def test_fewer_than_two_items_are_refused(frequencies: list[int]) -> None:
    message = f"Zipf: expected at least 2 distinct items, got {len(frequencies)}"
    with pytest.raises(InputError, match=message):
        fit_zipf(np.array(frequencies, dtype=np.int64))


@pytest.mark.parametrize("frequencies", [[0, 0], [3, 0], [3, -1]])
def test_items_that_never_came_up_are_refused(frequencies: list[int]) -> None:
    with pytest.raises(InputError, match="Zipf: expected"):
        fit_zipf(np.array(frequencies))
