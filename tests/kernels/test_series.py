"""Recursions over series: the compiled loops are their readable twins."""

import numpy as np
import pytest

from chainrule.kernels import native, series

RNG = np.random.default_rng(0)
needs_library = pytest.mark.skipif(native.library() is None, reason="no compiled loops here")


def block(rows: int, columns: int, first: int) -> np.ndarray:
    made = np.zeros((rows, columns))
    made[range(rows), range(first, first + rows)] = 1
    return made


@needs_library
@pytest.mark.parametrize("period", [0, 4])
def test_smoothing(period: int) -> None:
    z, rates, columns = RNG.normal(size=50), RNG.uniform(0.1, 0.9, (4, 7)), 3 + period
    level, trend = np.eye(columns)[1], np.eye(columns)[2]
    arguments = z, rates, level, trend, block(period, columns, 3)
    np.testing.assert_allclose(
        series.smooth_squares(*arguments), series.smooth_squares_numpy(*arguments), rtol=1e-10, atol=1e-10
    )


@needs_library
@pytest.mark.parametrize("period", [0, 4])
def test_complex_smoothing(period: int) -> None:
    z, rates, columns = RNG.normal(size=50), RNG.uniform(0.9, 1.1, (4, 7)), 3 + 2 * period
    levels = block(2, columns, 1)
    arguments = z, rates, levels, block(period, columns, 3), block(period, columns, 3 + period)
    np.testing.assert_allclose(
        series.complex_squares(*arguments), series.complex_squares_numpy(*arguments), rtol=1e-9, atol=1e-9
    )


@needs_library
@pytest.mark.parametrize("lags", [([], []), ([1, 4], []), ([1], [1, 4, 5]), ([60], [70])], ids=str)
def test_arma(lags: tuple[list[int], list[int]]) -> None:
    ar_lags, ma_lags = (np.array(part, np.int64) for part in lags)
    ar, ma = RNG.uniform(-0.4, 0.4, (3, len(ar_lags))), RNG.uniform(-0.4, 0.4, (3, len(ma_lags)))
    arguments = RNG.normal(size=50), ar_lags, ma_lags, ar, ma
    np.testing.assert_allclose(
        series.arma_errors(*arguments), series.arma_errors_numpy(*arguments), atol=1e-12
    )
