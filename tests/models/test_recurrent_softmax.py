"""The adaptive softmax against its definition: normalised, the same in blocks, its gradients exact."""

from typing import NamedTuple

import hypothesis
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chainrule.kernels import softmax
from chainrule.models.recurrent import RecurrentLearner
from chainrule.models.recurrent.adaptive_softmax import (
    at_labels,
    biases_by_frequency,
    count_ids,
    log_probs,
    loss,
    output_shapes,
    tails,
)

H = 5


class Case(NamedTuple):
    """Parameters, vectors and labels to fit them."""

    parameters: dict[str, np.ndarray]
    vectors: np.ndarray
    labels: np.ndarray


def a_case(vocab_size: int, cutoffs: tuple[int, ...], rows: int, seed: int = 0) -> Case:
    rng = np.random.default_rng(seed)
    shapes = output_shapes(H, vocab_size, cutoffs=cutoffs)
    parameters = {name: rng.normal(size=shape) for name, shape in shapes.items()}
    return Case(parameters, rng.normal(size=(rows, H)), rng.integers(vocab_size, size=rows))


@st.composite
def settings(draw: st.DrawFn) -> tuple[int, tuple[int, ...], int, int]:
    """What makes a case: V, cutoffs, rows, seed."""
    vocab_size = draw(st.integers(1, 12))
    cutoffs = tuple(sorted(draw(st.sets(st.integers(1, vocab_size - 1))))) if vocab_size > 1 else ()
    return vocab_size, cutoffs, draw(st.integers(0, 9)), draw(st.integers(0, 1000))


@given(settings())
def test_all_ids_together_have_probability_1(setting: tuple) -> None:
    parameters, vectors, labels = a_case(*setting)
    whole = log_probs(parameters, vectors)
    assert whole.shape == (len(labels), count_ids(parameters))
    assert whole.dtype == np.float64
    np.testing.assert_allclose(np.exp(whole).sum(axis=1), 1, rtol=1e-12)


@given(settings())
def test_labels_alone_are_the_entries_of_the_whole_row(setting: tuple) -> None:
    parameters, vectors, labels = a_case(*setting)
    expected = log_probs(parameters, vectors)[np.arange(len(labels)), labels]
    np.testing.assert_allclose(at_labels(parameters, vectors, labels), expected, rtol=1e-11, atol=1e-13)
    np.testing.assert_allclose(loss(parameters, vectors, labels).nats, -expected.sum(), rtol=1e-11)


def test_a_row_is_the_head_times_what_its_clusters_say() -> None:
    parameters, h, _ = a_case(6, (2, 3), 1)

    def shares(logits: np.ndarray) -> np.ndarray:
        return np.exp(logits) / np.exp(logits).sum()

    head = shares(h[0] @ parameters["output.weight"] + parameters["output.bias"])
    expected = list(head[:2])
    for k in (1, 2):
        narrow = h[0] @ parameters[f"tail{k}.project"]
        inside = shares(narrow @ parameters[f"tail{k}.weight"] + parameters[f"tail{k}.bias"])
        expected.extend(head[1 + k] * inside)
    np.testing.assert_allclose(np.exp(log_probs(parameters, h))[0], expected, rtol=1e-12)


@hypothesis.settings(max_examples=8)
@given(settings())
def test_every_gradient(setting: tuple) -> None:
    parameters, vectors, labels = a_case(*setting)
    found = loss(parameters, vectors, labels)
    assert found.gradients.keys() == parameters.keys()
    for name, array in (*parameters.items(), ("vectors", vectors)):
        gradient = found.d_vectors if name == "vectors" else found.gradients[name]
        assert gradient.shape == array.shape
        expected = np.zeros_like(array)
        for place in np.ndindex(*array.shape):
            kept, sides = array[place], []
            for e in (1e-5, -1e-5):
                array[place] = kept + e
                sides.append(-at_labels(parameters, vectors, labels).sum() / max(len(labels), 1))
            array[place] = kept
            expected[place] = (sides[0] - sides[1]) / 2e-5
        np.testing.assert_allclose(gradient, expected, atol=1e-7, err_msg=name)


@pytest.mark.parametrize("cutoffs", [(), (3, 6)])
@pytest.mark.parametrize("block", [1, 20, 33])  # rows by 1, by 2 or 4, by 3 or 6
def test_blocks_of_rows_change_nothing(
    cutoffs: tuple[int, ...], block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    parameters, vectors, labels = a_case(10, cutoffs, 13)
    whole = loss(parameters, vectors, labels)
    monkeypatch.setattr(softmax, "WIDE_BLOCK", block)
    cut = loss(parameters, vectors, labels)
    assert cut.nats == pytest.approx(whole.nats, rel=1e-13)
    np.testing.assert_allclose(cut.d_vectors, whole.d_vectors, atol=1e-14)
    for name, gradient in whole.gradients.items():
        np.testing.assert_allclose(cut.gradients[name], gradient, atol=1e-14)


def test_each_cluster_is_four_times_narrower_than_the_one_before() -> None:
    shapes = output_shapes(256, 33_000, cutoffs=(2_000, 10_000))
    assert shapes == {
        "output.weight": (256, 2_002),
        "output.bias": (2_002,),
        "tail1.project": (256, 64),
        "tail1.weight": (64, 8_000),
        "tail1.bias": (8_000,),
        "tail2.project": (256, 16),
        "tail2.weight": (16, 23_000),
        "tail2.bias": (23_000,),
    }
    assert output_shapes(3, 4, cutoffs=(1, 2, 3))["tail3.project"] == (3, 1)


@given(settings())
def test_a_silent_network_predicts_the_frequencies(setting: tuple) -> None:
    parameters, vectors, _ = a_case(*setting)
    counts = np.random.default_rng(0).integers(1, 100, count_ids(parameters))
    biases = biases_by_frequency(parameters, counts)
    assert len(biases) == 1 + len(setting[1]) == 1 + len(tails(parameters))
    rows = np.exp(log_probs(parameters | biases, np.zeros_like(vectors)))
    np.testing.assert_allclose(rows, np.broadcast_to(counts / counts.sum(), rows.shape), rtol=1e-10)


@pytest.mark.parametrize("cutoffs", [(), (2, 4)])
def test_a_learner_expects_the_frequencies_to_begin_with(cutoffs: tuple[int, ...]) -> None:
    rng = np.random.default_rng(0)
    made = RecurrentLearner(6, hidden=H, cutoffs=cutoffs, rng=rng, dtype=np.float64)
    counts = np.array([40, 30, 15, 9, 5, 1])
    made.expect(counts)
    first = made.model().predict(made.start(1))[0]  # before anything was read the vector is zero
    np.testing.assert_allclose(np.exp(first), counts / 100, rtol=1e-12)
