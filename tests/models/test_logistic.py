"""Logistic regression by Newton steps, and the n-grams that are its columns."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chainrule import count_ngrams
from chainrule.core import InputError
from chainrule.kernels.native import library
from chainrule.models.logistic import Sparse, fit_logistic
from chainrule.models.ngram.features import NgramFeatures, log_count_ratio


def problem(rng, height=60, width=12):
    dense = rng.normal(size=(height, width)) * (rng.random((height, width)) < 0.3)
    rows, columns = np.nonzero(dense)
    positive = dense @ rng.normal(size=width) + rng.normal(size=height) > 0.2
    return dense, Sparse(rows, columns, dense[rows, columns], height, width), positive


def objective(dense, positive, cost, weights, bias):
    sign = np.where(positive, 1.0, -1.0)
    return 0.5 * weights @ weights + cost * np.logaddexp(0, -sign * (dense @ weights + bias)).sum()


def test_products_are_those_of_the_dense_matrix():
    rng = np.random.default_rng(0)
    dense, x, _ = problem(rng)
    weights, numbers = rng.normal(size=12), rng.normal(size=60)
    np.testing.assert_allclose(x.dot(weights), dense @ weights)
    np.testing.assert_allclose(x.back(numbers), dense.T @ numbers)


@pytest.mark.parametrize("cost", [0.1, 1.0, 30.0])
def test_at_the_minimum_no_direction_leads_down(cost):
    """Central differences of the objective are 0 there."""
    rng = np.random.default_rng(1)
    dense, x, positive = problem(rng)
    made = fit_logistic(x, positive, cost, enough=1e-8)
    for _ in range(20):
        way, of_bias, h = rng.normal(size=12), rng.normal(), 1e-4
        up, down = (
            objective(dense, positive, cost, made.weights + s * h * way, made.bias + s * h * of_bias)
            for s in (1, -1)
        )
        assert abs(up - down) / (2 * h) < 1e-4 * cost


def test_it_is_the_minimum_that_scikit_learn_finds():
    linear_model = pytest.importorskip("sklearn.linear_model", reason="the extra `classify` is not installed")
    dense, x, positive = problem(np.random.default_rng(2))
    made = fit_logistic(x, positive, 2.0, enough=1e-8)
    peer = linear_model.LogisticRegression(C=2.0, tol=1e-10, max_iter=10_000).fit(dense, positive)
    np.testing.assert_allclose(made.weights, peer.coef_[0], atol=1e-5)
    assert made.bias == pytest.approx(float(peer.intercept_[0]), abs=1e-5)


def test_one_class_and_a_cost_of_nothing_are_refused():
    _, x, positive = problem(np.random.default_rng(0))
    with pytest.raises(InputError, match="two classes, got one"):
        fit_logistic(x, np.ones_like(positive), 1.0)
    with pytest.raises(InputError, match="cost: expected above 0"):
        fit_logistic(x, positive, 0.0)


# Columns

END = 3


@given(st.lists(st.integers(0, END), min_size=1, max_size=40), st.lists(st.integers(0, END), max_size=30))
def test_what_a_sentence_has_is_what_stands_in_it(training, text):
    training, text = np.array([*training, END], np.int32), np.array([*text, END], np.int32)
    counts = count_ngrams([training], END + 1, 2, end=END)
    features = NgramFeatures(counts, (1, 2))
    sentence, column = features.presence(text)
    got = {(int(d), int(c)) for d, c in zip(sentence, column, strict=True)}
    assert len(got) == len(sentence)
    expected = set()
    for d, part in enumerate(np.split(text, np.flatnonzero(text == END)[:-1] + 1)):
        begun = [END + 1, *part.tolist()]
        for k in (1, 2):
            listed = {tuple(g) for g in counts.ngrams(k)[0].tolist()}
            listed |= {(v,) for v in range(END + 1)} if k == 1 else set()  # the alphabet, seen or not
            for at in range(1, len(begun)):
                gram = tuple(begun[at - k + 1 : at + 1])
                if gram in listed:
                    expected.add((d, gram))
    assert len(got) == len(expected)
    assert sorted(d for d, _ in got) == sorted(d for d, _ in expected)


@pytest.mark.skipif(library() is None, reason="nothing was compiled")
@given(st.lists(st.integers(0, END), min_size=2, max_size=60), st.lists(st.integers(0, END), max_size=40))
def test_the_compiled_walk_is_the_readable_one(training, text):
    counts = count_ngrams([np.array([*training, END], np.int32)], END + 1, 2, end=END)
    features = NgramFeatures(counts, (1, 2))
    text = np.array(text, np.int32)
    start = np.array([[END + 1]], np.int32)
    np.testing.assert_array_equal(features.ends(text), counts.walk(start, text[None])[1][:, 0])


def test_the_ratio_is_that_of_smoothed_shares():
    column = np.array([0, 0, 1, 2, 2, 2])
    positive = np.array([True, True, False, True, False, False])
    ratio = log_count_ratio(column, positive, 4)
    # positive counts 2 0 1 0 + 1 of 7; negative 0 1 2 0 + 1 of 7
    np.testing.assert_allclose(ratio, np.log([3 / 1, 1 / 2, 2 / 3, 1 / 1]))


def test_columns_are_of_counted_sentences():
    with pytest.raises(InputError, match="counts of sentences"):
        NgramFeatures(count_ngrams([np.array([0, 1])], 2, 1), (1,))
    with pytest.raises(InputError, match=r"orders: expected some of 1\.\.1, got \[2\]"):
        NgramFeatures(count_ngrams([np.array([0, 1])], 2, 1, end=1), (2,))
