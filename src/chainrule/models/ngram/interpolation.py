"""Several backoff models as one: the n-grams of all, each with its mixed probability (Stolcke 2002).

    p(w | h) = sum_i weight_i p_i(w | h)        where any of them lists h w; backoffs follow from the sum of 1

What none lists backs off to the mixture of lower order, so the result is a backoff model like any, and close
to the true mixture, which would have to be computed from all models at every step.

Shape letters: M models, T tokens, U n-grams of a level, k their order.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float64, Int32, Integer

from chainrule.core import InputError, check_tokens
from chainrule.kernels.backoff import LevelArrays, slots_native, slots_numpy, table
from chainrule.kernels.native import library
from chainrule.models.mixture import best_weights
from chainrule.models.ngram.backoff import PIECE, BackoffModel, spell
from chainrule.models.ngram.history import ABSENT
from chainrule.models.ngram.pruning import renormalised

Array = np.ndarray


def interpolate(models: Sequence[BackoffModel], weights: Sequence[float]) -> BackoffModel:
    """The mixture as one model, of the highest order among them.

    Raises InputError for weights that are not positive or do not sum to 1, and for models whose tokens or
    sentences are not the same.
    """
    _check(models)
    positive = all(weight > 0 for weight in weights)
    if len(weights) != len(models) or not (positive and abs(sum(weights) - 1) <= 1e-9):  # NaN is neither
        given = ", ".join(f"{weight:g}" for weight in weights)
        raise InputError(f"weights: expected {len(models)} above 0 that sum to 1, got {given}")
    size, end = models[0].size, models[0].end
    alphabet = len(models[0].levels[0].tokens)
    levels: list[LevelArrays] = []
    for k in range(1, max(model.order for model in models) + 1):
        listed = [spell(model.levels, k) for model in models if model.order >= k]
        rows, slots = _union(levels, listed, alphabet)
        mixed = sum(
            weight * np.exp(_log_probs(model, rows)) for model, weight in zip(models, weights, strict=True)
        )
        contexts = 1 if k == 1 else len(levels[-1].tokens)
        first = np.searchsorted(slots, np.arange(contexts + 1)).astype(np.uint32)
        with np.errstate(divide="ignore"):
            log_probs = np.log(mixed).astype(np.float32)
        if k > 1:
            levels[-1] = levels[-1]._replace(backoffs=np.zeros(contexts, np.float32))
        levels.append(LevelArrays(np.ascontiguousarray(rows[:, -1]), first, log_probs))
    return renormalised(BackoffModel(size, tuple(levels), end, "interpolated"))


def mixture_weights(
    models: Sequence[BackoffModel], tokens: Integer[Array, " T"], tolerance: float = 1e-5
) -> Float64[Array, " M"]:
    """The weights under which held-out tokens are likeliest, by expectation and maximisation from even ones.

    See `chainrule.models.mixture.best_weights`. Raises InputError for no tokens, and for tokens that no model
    can give.
    """
    _check(models)
    tokens = check_tokens(tokens, models[0].size)
    if not len(tokens):
        raise InputError("tokens: expected some to weigh the models on, got none")
    log_probs = np.stack([model.score(model.start(1), tokens[None])[0][0] for model in models])
    return best_weights(log_probs, tolerance)


def _check(models: Sequence[BackoffModel]) -> None:
    if not models:
        raise InputError("mixture: expected at least one model, got none")
    for number, model in enumerate(models, 1):
        if (model.size, model.end) != (models[0].size, models[0].end):
            raise InputError(
                f"mixture: expected models of one vocabulary, {models[0].size:,} tokens that end sentences "
                f"with {models[0].end}; got {model.size:,} and {model.end} in model {number}"
            )


def _union(
    levels: Sequence[LevelArrays], listed: Sequence[Int32[Array, "_ k"]], alphabet: int
) -> tuple[Int32[Array, "U k"], Integer[Array, " U"]]:
    """All n-grams of one order that any model lists, as in the trie, and where their contexts are."""
    rows = np.ascontiguousarray(np.concatenate(listed))
    if rows.shape[1] == 1:
        return np.arange(alphabet, dtype=np.int32)[:, None], np.zeros(alphabet, np.int64)
    made = table(levels, alphabet, None)
    slots = (slots_native if library() is not None else slots_numpy)(made, rows)
    _, where = np.unique(slots * alphabet + rows[:, -1], return_index=True)
    return rows[where], slots[where]


def _log_probs(model: BackoffModel, rows: Int32[Array, "U k"]) -> Float64[Array, " U"]:
    """Of the last token of each row after the others; of the token that begins sentences, none."""
    kept = min(rows.shape[1], model.order)
    out = np.empty(len(rows))
    for at in range(0, len(rows), PIECE):
        some = rows[at : at + PIECE]
        history = np.full((len(some), model.order - 1), ABSENT, np.int32)
        history[:, model.order - kept :] = some[:, rows.shape[1] - kept : -1]
        begins = some[:, -1] >= model.size
        log_probs, _ = model.score_matched(history, np.where(begins, 0, some[:, -1])[:, None])
        out[at : at + PIECE] = np.where(begins, -np.inf, log_probs[:, 0])
    return out
