"""The hidden Markov tagger: its counts by hand, its path against all paths."""

from itertools import pairwise, product

import numpy as np
import pytest

from chainrule.models.hmm import FOLLOWED_MORE, SEEN_MORE, fit_hidden_markov, viterbi


@pytest.mark.parametrize("seed", range(8))
def test_the_path_is_the_best_of_all(seed: int) -> None:
    rng = np.random.default_rng(seed)
    first, follows, scores = rng.normal(size=3), rng.normal(size=(3, 3)), rng.normal(size=(5, 3))
    follows[rng.integers(3), rng.integers(3)] = -np.inf

    def worth(path: tuple[int, ...]) -> float:
        steps = sum(follows[a, b] for a, b in pairwise(path))
        return float(first[path[0]] + steps + sum(scores[t, c] for t, c in enumerate(path)))

    best = max(product(range(3), repeat=5), key=worth)
    assert tuple(viterbi(first, follows, scores).tolist()) == best


def test_a_sentence_of_none_or_one() -> None:
    assert viterbi(np.zeros(2), np.zeros((2, 2)), np.zeros((0, 2))).tolist() == []
    assert viterbi(np.array([0.0, 1.0]), np.zeros((2, 2)), np.array([[0.5, 0.0]])).tolist() == [1]


def test_counts_by_hand() -> None:
    model = fit_hidden_markov(
        [np.array([0, 1, 1]), np.array([2])], [np.array([0, 1, 1]), np.array([0])], 3, 2
    )
    k = FOLLOWED_MORE
    np.testing.assert_allclose(np.exp(model.first), np.array([2 + k, k]) / (2 + 2 * k))
    np.testing.assert_allclose(np.exp(model.follows[0]), np.array([k, 1 + k]) / (1 + 2 * k))
    k = SEEN_MORE
    np.testing.assert_allclose(np.exp(model.gives[0]), np.array([1 + k, k, 1 + k]) / (2 + 3 * k))
    assert model.tags(np.array([2, 1])).tolist() == [0, 1]
