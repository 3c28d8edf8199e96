"""The hidden Markov tagger: tags follow one another, and each gives a token (Rabiner 1989).

    p(y, x) = prod_t p(y_t | y_{t-1}) p(x_t | y_t),      y* = argmax_y p(y, x)   (Viterbi 1967)

Shape letters: T time, V vocabulary, C tags, N sentences.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, Integer

Array = np.ndarray
Ids = Integer[Array, " _"]
SEEN_MORE = 0.1  # added to each count of a tag's tokens
FOLLOWED_MORE = 0.1  # and of the tags that follow it


@dataclass(frozen=True, eq=False)
class HiddenMarkov:
    """Log-probabilities of the first tag [C], of the next one [C, C], and of a tag's token [C, V]."""

    first: Float64[Array, " C"]
    follows: Float64[Array, "C C"]
    gives: Float64[Array, "C V"]

    def tags(self, ids: Ids) -> Ids:
        """The likeliest tags of a sentence."""
        return viterbi(self.first, self.follows, self.gives[:, ids].T)


def fit_hidden_markov(
    sentences: Sequence[Ids], tags: Sequence[Ids], vocab_size: int, classes: int
) -> HiddenMarkov:
    """Counted, with a little added to each count."""
    gives = np.full((classes, vocab_size), SEEN_MORE)
    follows, first = np.full((classes, classes), FOLLOWED_MORE), np.full(classes, FOLLOWED_MORE)
    for ids, own in zip(sentences, tags, strict=True):
        np.add.at(gives, (own, ids), 1)
        np.add.at(follows, (own[:-1], own[1:]), 1)
        np.add.at(first, own[:1], 1)
    return HiddenMarkov(
        *(np.log(counts / counts.sum(axis=-1, keepdims=True)) for counts in (first, follows, gives))
    )


def viterbi(
    first: Float64[Array, " C"], follows: Float64[Array, "C C"], scores: Float64[Array, "T C"]
) -> Integer[Array, " T"]:
    """The path of the largest sum of its scores and of what its steps are worth; -inf forbids a step."""
    steps, classes = scores.shape
    if not steps:
        return np.empty(0, np.int64)
    back = np.zeros((steps, classes), np.int64)
    best = first + scores[0]
    for t in range(1, steps):
        reached = best[:, None] + follows
        back[t] = reached.argmax(axis=0)
        best = reached[back[t], np.arange(classes)] + scores[t]
    path = np.empty(steps, np.int64)
    path[-1] = best.argmax()
    for t in range(steps - 1, 0, -1):
        path[t - 1] = back[t, path[t]]
    return path
