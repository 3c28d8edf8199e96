"""Bayes' rule over any model, the pool, figures of a classifier by hand, and means over months."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chainrule import NgramModel, Uniform, WittenBell, count_ngrams
from chainrule.core import InputError
from chainrule.tasks.classification import (
    Pool,
    class_log_probs,
    fit_pool,
    interval,
    posterior,
    reliability,
    scores,
    token_evidence,
)
from chainrule.tasks.classification.over_time import monthly_means

RNG = np.random.default_rng(0)


def model(seed):
    ids = np.random.default_rng(seed).integers(0, 5, 200)
    return NgramModel(count_ngrams([ids], 5, 3), WittenBell())


def test_a_sequence_has_the_sum_of_its_tokens_whatever_stands_beside_it():
    models = [model(0), model(1)]
    sequences = [RNG.integers(0, 5, n) for n in (3, 0, 7, 1, *[4] * 70)]
    together = class_log_probs(models, sequences)
    for row, one in zip(together, sequences, strict=True):
        np.testing.assert_allclose(row, class_log_probs(models, [one])[0])
        np.testing.assert_allclose(row, token_evidence(models, one).sum(axis=0))
    assert together[1].tolist() == [0, 0]


def test_models_of_two_vocabularies_are_refused():
    for models in ([Uniform(2), Uniform(3)], [Uniform(2)]):
        with pytest.raises(InputError, match="models of one vocabulary"):
            class_log_probs(models, [np.array([0])])


@given(st.lists(st.lists(st.floats(-800, 800), min_size=3, max_size=3), min_size=1, max_size=5))
def test_a_posterior_is_normalised_and_knows_no_common_offset(rows):
    joint = np.array(rows)
    made = posterior(joint)
    np.testing.assert_allclose(np.exp(made).sum(axis=1), 1)
    np.testing.assert_allclose(posterior(joint + 5), made, atol=1e-9)


def test_what_every_class_rules_out_is_uniform():
    made = posterior(np.array([[-np.inf, -np.inf], [0, -np.inf]]))
    np.testing.assert_allclose(np.exp(made), [[0.5, 0.5], [1, 0]])


# The pool


def opinions(n=4000, seed=3):
    """Two members, the first twice as loud as it should be, the second deaf; labels by the first."""
    rng = np.random.default_rng(seed)
    means = rng.normal(size=(n, 3))
    probs = np.exp(posterior(means + np.array([0, 0.5, -0.5])))
    labels = (probs.cumsum(axis=1) < rng.random((n, 1))).sum(axis=1)
    return np.stack([2 * means, rng.normal(size=(n, 3))]), labels


def test_the_pool_finds_the_scale_the_offsets_and_who_is_deaf():
    said, labels = opinions()
    pool = fit_pool(said, labels)
    assert pool.weights == pytest.approx([0.5, 0.0], abs=0.06)
    assert pool.offsets - pool.offsets.mean() == pytest.approx([0, 0.5, -0.5], abs=0.12)


def test_no_other_weights_make_the_labels_likelier():
    said, labels = opinions(300)
    pool = fit_pool(said, labels, ridge=1e-9)

    def nats(weights, offsets):
        return -Pool(weights, offsets).log_probs(said)[np.arange(300), labels].sum()

    least = nats(pool.weights, pool.offsets)
    for m in range(2):
        for step in (-0.01, 0.01):
            assert nats(pool.weights + step * np.eye(2)[m], pool.offsets) > least
            assert nats(pool.weights, pool.offsets + step * np.eye(3)[m]) > least


def test_a_pool_of_what_separates_all_stays_finite():
    labels = np.arange(20) % 2
    said = np.zeros((1, 20, 2))
    said[0, :, 1] = np.where(labels == 1, 50.0, -50.0)
    pool = fit_pool(said, labels)
    assert np.isfinite(pool.weights).all()
    assert (pool.log_probs(said).argmax(axis=1) == labels).all()
    with pytest.raises(InputError, match="finite opinions"):
        fit_pool(np.full((1, 2, 2), np.inf), np.array([0, 1]))


# Figures

PROBS = np.array([[0.9, 0.1], [0.6, 0.4], [0.2, 0.8], [0.3, 0.7], [0.95, 0.05]])
TRUE = np.array([0, 1, 1, 0, 0])


def test_figures_by_hand():
    made = scores(np.log(PROBS), TRUE, ("a", "b"), bins=2)
    assert made.confusion.tolist() == [[2, 1], [1, 1]]
    assert made.accuracy == 0.6
    assert made.majority == 0.6
    assert made.f1 == pytest.approx([2 * 2 / (2 * 2 + 2), 2 / (2 + 2)])
    assert made.macro_f1 == pytest.approx((2 / 3 + 1 / 2) / 2)
    assert made.log_loss == pytest.approx(-np.log([0.9, 0.4, 0.8, 0.3, 0.95]).mean())
    sure = np.mean([0.9, 0.6, 0.8, 0.7, 0.95])  # all in the upper half
    assert made.calibration_error == pytest.approx(abs(0.6 - sure))
    assert made.as_dict()["confusion"] == [[2, 1], [1, 1]]


def test_bins_hold_every_text_once_and_certainty_has_a_bin():
    made = reliability(np.log([[1.0, 1e-300], [0.5, 0.5], [0.51, 0.49]]), np.array([0, 1, 0]), bins=4)
    assert [b.texts for b in made] == [2, 1]
    assert made[1] == (1, 1.0, 1.0)


def test_figures_are_scikit_learn_s():
    metrics = pytest.importorskip("sklearn.metrics", reason="the extra `classify` is not installed")
    rng = np.random.default_rng(5)
    log_probs, labels = posterior(rng.normal(size=(200, 4))), rng.integers(0, 4, 200)
    made = scores(log_probs, labels, tuple("abcd"))
    named = log_probs.argmax(axis=1)
    assert made.macro_f1 == pytest.approx(metrics.f1_score(labels, named, average="macro"))
    assert made.log_loss == pytest.approx(metrics.log_loss(labels, np.exp(log_probs)))
    assert made.confusion.tolist() == metrics.confusion_matrix(labels, named).tolist()


def test_no_texts_have_no_figures():
    with pytest.raises(InputError, match="at least one text"):
        scores(np.empty((0, 2)), np.empty(0, np.int64), ("a", "b"))


def test_the_interval_is_student_s():
    mean, half = interval([78.0, 79.0, 80.0, 81.0, 82.0])
    assert mean == 80
    assert half == pytest.approx(2.776 * math.sqrt(2.5) / math.sqrt(5))
    assert math.isnan(interval([3.0])[1])


# Months


def test_means_of_months_leave_no_month_out():
    times = np.array(["2020-03-05", "2020-01-31", "2020-01-01", "2020-03-09"], "M8[us]")
    made = monthly_means(times, np.array([1.0, 0.0, 0.5, 0.5]))
    assert made.months.astype(str).tolist() == ["2020-01", "2020-02", "2020-03"]
    assert made.texts.tolist() == [2, 0, 2]
    np.testing.assert_allclose(made.mean, [0.25, np.nan, 0.75])
    np.testing.assert_allclose(made.half, [1.96 * 0.25, np.nan, 1.96 * 0.25])
    assert made.table()["ds"] == ["2020-01-01", "2020-02-01", "2020-03-01"]
    assert made.table()["y"] == [0.25, None, 0.75]


def test_months_are_of_dates():
    with pytest.raises(InputError, match="a date for each"):
        monthly_means(np.array([1, 2]), np.array([0.0, 1.0]))
