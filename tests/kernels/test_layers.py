"""The compiled passes around the recurrence against their readable twins, in single and double precision."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chainrule.kernels.linear import by_ids, by_vectors
from chainrule.kernels.native import instructions
from chainrule.kernels.optimizer import adam, square_sum
from chainrule.kernels.scatter import sum_rows_by_id
from chainrule.kernels.softmax import cross_entropy, label_log_probs, softmax_layer

pytestmark = pytest.mark.skipif(not instructions(), reason="the loops are not compiled here")
sizes = st.integers(1, 50)
seeds = st.integers(0, 99)


def close(found: np.ndarray, exact: np.ndarray) -> None:
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, exact, rtol=1e-4, atol=1e-5 * (1 + np.abs(exact).max(initial=0)))


@given(rows=st.integers(0, 40), width=sizes, vocab=sizes, tied=st.booleans(), seed=seeds)
def test_the_softmax_layer(rows: int, width: int, vocab: int, tied: bool, seed: int) -> None:
    rng = np.random.default_rng(seed)
    vectors, bias = rng.normal(size=(rows, width)), rng.normal(size=vocab)
    weight = rng.normal(size=(vocab, width)).T if tied else rng.normal(size=(width, vocab))
    labels = rng.integers(vocab, size=rows)
    exact = softmax_layer(vectors, weight, bias, labels, rows + 3)
    nats, *found = softmax_layer(*(a.astype(np.float32) for a in (vectors, weight, bias)), labels, rows + 3)
    assert nats == pytest.approx(exact[0], rel=1e-4, abs=1e-4)
    for one, other in zip(found, exact[1:], strict=True):
        close(one, other)


@given(rows=st.integers(0, 200), width=sizes, vocab=sizes | st.just(1700), tied=st.booleans(), seed=seeds)
def test_log_probabilities_of_labels(rows: int, width: int, vocab: int, tied: bool, seed: int) -> None:
    rng = np.random.default_rng(seed)
    vectors, bias = rng.normal(0, 3, size=(rows, width)), rng.normal(size=vocab)
    weight = rng.normal(size=(vocab, width)).T if tied else rng.normal(size=(width, vocab))
    labels = rng.integers(vocab, size=rows)
    exact = label_log_probs(vectors, weight, bias, labels)
    found = label_log_probs(*(a.astype(np.float32) for a in (vectors, weight, bias)), labels)
    np.testing.assert_allclose(found, exact, rtol=1e-5, atol=1e-4)


def test_the_softmax_layer_in_several_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    rows, width, vocab = 300, 8, 30_000  # more logits than are held at once
    arrays = rng.normal(size=(rows, width)), rng.normal(size=(width, vocab)), rng.normal(size=vocab)
    labels = rng.integers(vocab, size=rows)
    exact = softmax_layer(*arrays, labels, rows)
    nats, *found = softmax_layer(*(a.astype(np.float32) for a in arrays), labels, rows)
    assert nats == pytest.approx(exact[0], rel=1e-5)
    for one, other in zip(found, exact[1:], strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)


@given(rows=sizes, vocab=sizes, seed=seeds)
def test_cross_entropy(rows: int, vocab: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    logits, labels = rng.normal(0, 20, size=(rows, vocab)), rng.integers(vocab, size=rows)
    nats, gradient = cross_entropy(logits.astype(np.float32), labels)
    exact, expected = cross_entropy(logits, labels)
    assert nats == pytest.approx(exact, rel=1e-4, abs=1e-4)
    np.testing.assert_allclose(gradient, expected, atol=1e-5)


def test_what_is_not_a_number_stays_visible() -> None:
    logits = np.zeros((2, 5), np.float32)
    logits[1, 3] = np.nan
    assert np.isnan(cross_entropy(logits, np.array([0, 0]))[0])


@given(rows=sizes, vocab=sizes, width=sizes, seed=seeds)
def test_input_products_backwards(rows: int, vocab: int, width: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    ids, d_sums = rng.integers(vocab, size=rows), rng.normal(size=(rows, width))
    single = d_sums.astype(np.float32)
    close(sum_rows_by_id(ids, single, vocab), sum_rows_by_id(ids, d_sums, vocab))
    for found, exact in zip(by_ids(ids, single, vocab), by_ids(ids, d_sums, vocab), strict=True):
        close(found, exact)
    vectors, weight = rng.normal(size=(rows, vocab)), rng.normal(size=(vocab, width))
    given = vectors.astype(np.float32), weight.astype(np.float32), single
    for found, exact in zip(by_vectors(*given), by_vectors(vectors, weight, d_sums), strict=True):
        close(found, exact)


@given(size=st.integers(0, 5000), decay=st.sampled_from([1.0, 0.9]), seed=seeds)
def test_adam_and_the_sum_of_squares(size: int, decay: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    exact = [rng.normal(size=size), rng.normal(size=size), rng.normal(size=size), rng.random(size)]
    found = [array.astype(np.float32) for array in exact]
    how = {"keep": (0.1, 0.001), "rate": 0.01, "correction": 1.5, "eps": 1e-8, "decay": decay}
    adam(*exact, **how)
    adam(*found, **how)
    for one, other in zip(found, exact, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)
    assert square_sum(found[1]) == pytest.approx(square_sum(exact[1]), rel=1e-5)


def test_a_product_is_the_same_however_many_rows_it_has() -> None:
    # rows go to threads in blocks, and a row alone takes another way through the loops
    from chainrule.models.recurrent import Lstm
    from chainrule.models.recurrent.lstm import LstmState

    rng, cell = np.random.default_rng(0), Lstm()
    weights = cell.weights(33, rng, np.float32)
    inputs = rng.normal(size=(9, 5, 132)).astype(np.float32)
    state = cell.start(5, 33, np.float32)
    whole = cell.forward(weights, inputs, state)
    for row in range(5):
        own = LstmState(*(part[row : row + 1] for part in state))
        for t in range(9):
            own = cell.forward(weights, inputs[t : t + 1, row : row + 1], own).state
        np.testing.assert_array_equal(own.hidden[0], whole.state.hidden[row])
