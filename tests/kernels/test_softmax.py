"""Softmax against its definition, its gradient against central differences."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from chainrule.kernels import softmax
from chainrule.kernels.softmax import cross_entropy, label_log_probs, log_softmax

matrices = arrays(np.float64, array_shapes(min_dims=2, max_dims=2, max_side=6), elements=st.floats(-30, 30))


@settings(max_examples=60)
@given(matrices)
def test_log_softmax_is_the_logarithm_of_the_softmax(logits: np.ndarray) -> None:
    before = logits.copy()
    twin = [[np.exp(o) / sum(np.exp(row)) for o in row] for row in logits]
    np.testing.assert_allclose(np.exp(log_softmax(logits)), twin, rtol=1e-12)
    np.testing.assert_array_equal(logits, before)


@settings(max_examples=60)
@given(matrices, st.sampled_from([-1e4, -1.0, 1.0, 1e4]))
def test_a_constant_added_to_a_row_changes_nothing(logits: np.ndarray, constant: float) -> None:
    np.testing.assert_allclose(log_softmax(logits + constant), log_softmax(logits), atol=1e-10)


@pytest.mark.parametrize(("dtype", "size"), [(np.float32, 3e38), (np.float64, 1e300)])
def test_large_logits_neither_overflow_nor_lose_the_mass(dtype: type, size: float) -> None:
    log_probs = log_softmax(np.array([[size, size, -size], [0, 0, 0], [-size, -size, -size]], dtype))
    assert log_probs.dtype == np.float64
    np.testing.assert_allclose(np.exp(log_probs), [[1 / 2, 1 / 2, 0], [1 / 3] * 3, [1 / 3] * 3])


def test_log_softmax_takes_any_number_of_axes() -> None:
    logits = np.random.default_rng(0).normal(size=(2, 3, 4))
    np.testing.assert_array_equal(log_softmax(logits)[1, 2], log_softmax(logits[1, 2]))


@pytest.mark.parametrize("rows", [0, 1, 7])
@pytest.mark.parametrize("block", [1, 10, 15, 1 << 20])  # 5 logits a row: blocks of 1, 2, 3 and all rows
def test_label_log_probs_is_the_softmax_at_the_labels(
    rows: int, block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(softmax, "BLOCK", block)
    rng = np.random.default_rng(rows)
    hidden, weight, bias = rng.normal(size=(rows, 3)), rng.normal(size=(3, 5)), rng.normal(size=5)
    labels = rng.integers(5, size=rows)
    expected = log_softmax(hidden @ weight + bias)[np.arange(rows), labels]
    np.testing.assert_allclose(label_log_probs(hidden, weight, bias, labels), expected, rtol=1e-13)


@settings(max_examples=40)
@given(matrices, st.data())
def test_cross_entropy_and_its_gradient(logits: np.ndarray, data: st.DataObject) -> None:
    rows, vocab_size = logits.shape
    labels = data.draw(arrays(np.int64, rows, elements=st.integers(0, vocab_size - 1)))

    def nats(o: np.ndarray) -> float:
        return -sum(log_softmax(row)[label] for row, label in zip(o, labels, strict=True))

    central = np.empty_like(logits)
    for place in np.ndindex(*logits.shape):
        step = np.zeros_like(logits)
        step[place] = 1e-5
        central[place] = (nats(logits + step) - nats(logits - step)) / 2e-5 / rows
    summed, gradient = cross_entropy(logits.copy(), labels)
    np.testing.assert_allclose(summed, nats(logits), rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(gradient, central, atol=1e-8)


def test_cross_entropy_works_in_place_and_in_the_precision_of_the_logits() -> None:
    rng = np.random.default_rng(0)
    logits, labels = rng.normal(size=(50, 7)).astype(np.float32), rng.integers(7, size=50)
    nats, expected = cross_entropy(logits.astype(np.float64), labels)
    same_nats, gradient = cross_entropy(logits, labels)
    assert gradient is logits
    assert gradient.dtype == np.float32
    np.testing.assert_allclose(same_nats, nats, rtol=1e-6)
    np.testing.assert_allclose(gradient, expected, atol=1e-8)


def test_cross_entropy_of_large_logits_is_exact() -> None:
    nats, gradient = cross_entropy(np.array([[1e4, 0.0], [1e4, 0.0]], np.float32), np.array([0, 1]))
    assert nats == 1e4
    np.testing.assert_array_equal(gradient, [[0, 0], [0.5, -0.5]])
