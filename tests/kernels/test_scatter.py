"""Rows added up by id: against a loop, and against the gather whose transpose it is."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chainrule.kernels.scatter import ONE_HOT_LIMIT, sum_rows_by_id

SIZES = (1, 5, ONE_HOT_LIMIT, ONE_HOT_LIMIT + 1, 1000)  # both ways of adding up, and the edge between


@settings(max_examples=60)
@given(st.sampled_from(SIZES), st.integers(0, 40), st.integers(0, 2**32 - 1))
def test_each_row_of_the_result_is_the_sum_of_the_rows_of_its_id(size: int, n: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    ids, rows = rng.integers(size, size=n), rng.normal(size=(n, 3))
    ids[: n // 2] %= 3  # ids that come again
    expected = np.zeros((size, 3))
    for v, row in zip(ids, rows, strict=True):
        expected[v] += row
    np.testing.assert_allclose(sum_rows_by_id(ids, rows, size), expected, atol=1e-12)


@pytest.mark.parametrize("size", SIZES)
def test_it_is_the_transpose_of_a_gather(size: int) -> None:
    # <rows, W[ids]> = <onehot(ids)^T rows, W> for every W: this makes it the gradient of the gather
    rng = np.random.default_rng(size)
    ids, rows, weight = rng.integers(size, size=30), rng.normal(size=(30, 4)), rng.normal(size=(size, 4))
    np.testing.assert_allclose(np.vdot(rows, weight[ids]), np.vdot(sum_rows_by_id(ids, rows, size), weight))


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_precision_is_that_of_the_rows(size: int, dtype: type) -> None:
    out = sum_rows_by_id(np.zeros(2, np.int32), np.ones((2, 1), dtype), size)
    assert out.dtype == dtype
    assert out.shape == (size, 1)
    assert out[0, 0] == out.sum() == 2
