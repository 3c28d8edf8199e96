"""Which class a sequence is of, by a model a class and Bayes' rule.

    log p(c | x) = log p(c) + sum_t log p(x_t | x_<t, c) - log Z

Naive Bayes is the case of unigrams; any TokenModel may stand in its place (Peng & Schuurmans 2003).

Shape letters: D sequences, K classes, T tokens, B batch.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float64, Int64, Integer

from chainrule.core import InputError, TokenModel

Array = np.ndarray
BATCH = 64  # sequences of about one length that are read at once


def class_log_probs(
    models: Sequence[TokenModel[Any]], sequences: Sequence[Integer[Array, " _"]]
) -> Float64[Array, "D K"]:
    """log p(x | c) in nats of every sequence under the model of every class; of an empty one 0."""
    out = np.zeros((len(sequences), len(models)))
    for rows, lengths, tokens in _batches(models, sequences):
        inside = np.arange(tokens.shape[1]) < lengths[:, None]
        for c, model in enumerate(models):
            log_probs, _ = model.score(model.start(len(rows)), tokens)
            out[rows, c] = np.where(inside, log_probs, 0.0).sum(axis=1)
    return out


def token_evidence(models: Sequence[TokenModel[Any]], tokens: Integer[Array, " T"]) -> Float64[Array, "T K"]:
    """log p(x_t | x_<t, c): what every token says for every class; its sum is `class_log_probs`."""
    _check(models)
    columns = [model.score(model.start(1), tokens[None])[0][0] for model in models]
    return np.stack(columns, axis=1)


def posterior(log_joint: Float64[Array, "*D K"]) -> Float64[Array, "*D K"]:
    """log p(c | x) from log p(c, x): normalised over the last axis; a row that rules out all is uniform."""
    top = log_joint.max(axis=-1, keepdims=True)
    safe = np.where(np.isfinite(top), log_joint, 0.0)
    safe = safe - safe.max(axis=-1, keepdims=True)
    return safe - np.log(np.exp(safe).sum(axis=-1, keepdims=True))


def _batches(
    models: Sequence[TokenModel[Any]], sequences: Sequence[Integer[Array, " _"]]
) -> Iterator[tuple[Int64[Array, " B"], Int64[Array, " B"], Int64[Array, "B T"]]]:
    """Sequences of like lengths together, filled up at their ends, which nothing before them sees."""
    _check(models)
    lengths = np.array([len(one) for one in sequences], np.int64)
    order = np.argsort(lengths, kind="stable")
    order = order[lengths[order] > 0]
    for low in range(0, len(order), BATCH):
        rows = order[low : low + BATCH]
        tokens = np.zeros((len(rows), int(lengths[rows].max())), np.int64)
        for place, row in enumerate(rows):
            tokens[place, : lengths[row]] = sequences[row]
        yield rows, lengths[rows], tokens


def _check(models: Sequence[TokenModel[Any]]) -> None:
    sizes = {model.vocab_size for model in models}
    if len(models) < 2 or len(sizes) > 1:
        raise InputError(
            f"classes: expected at least two models of one vocabulary, got {len(models)} of {len(sizes)}"
        )
