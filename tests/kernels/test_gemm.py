"""Products against NumPy's, whatever the shapes and strides."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chainrule.kernels.gemm import matmul
from chainrule.kernels.native import instructions

sizes = st.integers(0, 70) | st.sampled_from([96, 97, 145])


@pytest.mark.skipif(not instructions(), reason="the loops are not compiled here")
@given(
    m=sizes,
    k=sizes | st.just(1600),
    n=sizes,
    turned=st.tuples(st.booleans(), st.booleans()),
    seed=st.integers(0, 9),
)
def test_products_are_those_of_numpy(m: int, k: int, n: int, turned: tuple[bool, bool], seed: int) -> None:
    rng = np.random.default_rng(seed)
    a, b = rng.normal(size=(m, k)).astype(np.float32), rng.normal(size=(k, n)).astype(np.float32)
    expected = a.astype(np.float64) @ b.astype(np.float64)
    left, right = np.asfortranarray(a) if turned[0] else a, np.asfortranarray(b) if turned[1] else b
    terms = np.abs(a).astype(np.float64) @ np.abs(b)  # what rounding errors are a share of
    assert np.all(np.abs(matmul(left, right) - expected) <= 1e-6 * terms)


def test_a_slice_is_read_where_it_lies() -> None:
    whole = np.arange(60, dtype=np.float32).reshape(6, 10)
    part = whole[1:5, 2:9:3]
    np.testing.assert_array_equal(matmul(part.T, part), part.T @ part)


def test_double_precision_stays_double() -> None:
    a = np.full((2, 3), 1e-30)
    assert matmul(a, a.T).dtype == np.float64
