"""A backoff model with fewer n-grams, chosen by what their loss costs (Stolcke 1998).

    D(p || p') = -p(h) { p(w|h) [log p(w|h') + log a'(h) - log p(w|h)] + [log a'(h) - log a(h)] left(h) }

is what dropping h w costs: left(h) is 1 less the sum of all listed p(.|h), a(h) the backoff of h, a'(h) what
it becomes. An n-gram goes where exp(D) - 1, the relative rise in perplexity, is below a threshold. Also here:
what makes the backoffs of a changed model anew, so that its rows sum to 1.

Shape letters: U n-grams of a level, C contexts.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float64, Int64

from chainrule.core import InputError
from chainrule.models.ngram.backoff import BackoffModel, contexts_of_level, spell
from chainrule.models.ngram.history import ABSENT

Array = np.ndarray
TINY = 1e-8  # mass for backing off that cannot be told from none: log-probabilities are 32 bits
NOISE = 1e-6  # and mass that subtraction from 1 does not tell well
PRECISE = 0.1  # nor, for a quotient, what is so much less than the dividend
ENTRIES = 1 << 22  # probabilities that are held at once


def without(model: BackoffModel, keep: Sequence[Bool[Array, " _"]]) -> BackoffModel:
    """The model with the n-grams marked True, at every order; a context of a kept n-gram must be kept.

    Backoffs stay as they are, so they must be those of the smaller model.
    """
    levels = [model.levels[0]]
    for k in range(1, model.order):
        level, kept, parents = model.levels[k], keep[k], keep[k - 1]
        ahead = np.concatenate([np.zeros(1, np.int64), np.cumsum(kept)])
        low, high = ahead[level.first[:-1]], ahead[level.first[1:]]
        if not parents[low < high].all():
            raise ValueError(f"pruning: expected the contexts of all kept {k + 1}-grams to be kept")
        where = np.flatnonzero(kept)
        levels.append(
            level._replace(
                tokens=level.tokens[kept],
                first=np.append(low[parents], ahead[-1]).astype(np.uint32),
                log_probs=level.log_prob(where).astype(np.float32),
                backoffs=None if level.backoffs is None else level.backoff(where).astype(np.float32),
                prob_codes=None,
                backoff_codes=None,
            )
        )
    return BackoffModel(model.size, tuple(levels), model.end, model.made_by)


def prune_entropy(model: BackoffModel, threshold: float) -> BackoffModel:
    """Without the n-grams whose loss raises perplexity by less than the threshold, 1e-8 say, each.

    Single tokens stay, and so do the context of every n-gram that does, and whatever would have no
    probability if it were not listed.
    Raises InputError for a threshold below 0.
    """
    if not (threshold >= 0 and np.isfinite(threshold)):
        raise InputError(f"threshold: expected a number of 0 or more, got {threshold}")
    return _with(model, [cost >= threshold for cost in _with_extensions(model, losses(model))])


def prune_to_size(model: BackoffModel, ngrams: int) -> BackoffModel:
    """Pruned by entropy, with the lowest threshold at which it lists so many n-grams at most, single tokens
    included.

    Raises InputError for fewer than the single tokens and what else cannot go.
    """
    costs = _with_extensions(model, losses(model))
    every = np.concatenate(costs) if costs else np.empty(0)
    tokens = len(model.levels[0].tokens)
    least = tokens + int(np.isinf(every).sum())
    if ngrams < least:
        raise InputError(f"size: expected at least the {least:,} n-grams that have to stay, got {ngrams:,}")
    if sum(model.ngrams) <= ngrams:
        return model
    dearest = np.partition(every, len(every) - 1 - (ngrams - tokens))[len(every) - 1 - (ngrams - tokens)]
    return _with(model, [cost > dearest for cost in costs])  # the dearest of those that are too many


def losses(model: BackoffModel) -> list[Float64[Array, " _"]]:
    """exp(D) - 1 of each n-gram of orders 2 to n; infinite where it has no probability but the listed one."""
    out: list[Array] = []
    mass = np.exp(_listed(model, 1))  # p(h) of the contexts
    if model.end is not None:
        mass[model.size] = 1.0  # every sentence begins
    for k in range(2, model.order + 1):
        contexts, log_p, log_q = (
            contexts_of_level(model.levels, k),
            _listed(model, k),
            model.backed_off(k),
        )
        p, q = np.exp(log_p), np.exp(log_q)
        free, free_q = _with_a_free_token(model, k, p, q, *remainders(model, k, log_p, log_q))
        old = np.log(np.maximum(free, TINY)) - np.log(np.maximum(free_q, TINY))
        with np.errstate(invalid="ignore", divide="ignore"):
            new = np.log(free[contexts] + p) - np.log(free_q[contexts] + q)
            moved = np.where(p > 0, p * (log_q + new - log_p), 0.0)
            left = np.where(free[contexts] > 0, (new - old[contexts]) * free[contexts], 0.0)
        change = np.where((p > 0) & (q == 0), -np.inf, moved + left)
        with np.errstate(invalid="ignore", over="ignore"):
            cost = np.where(np.isinf(change), np.inf, np.expm1(-mass[contexts] * change))
        out.append(np.maximum(cost, 0.0))  # it is none, but for rounding
        mass = mass[contexts] * p
    return out


def _with_a_free_token(
    model: BackoffModel,
    k: int,
    p: Float64[Array, " U"],
    q: Float64[Array, " U"],
    free: Float64[Array, " C"],
    free_q: Float64[Array, " C"],
) -> tuple[Float64[Array, " C"], Float64[Array, " C"]]:
    """What rows back off with; those that list all tokens as if they did not list the least likely one.

    It loses nothing, as the others leave it what it had. But so would each of the others alone, and all would
    go, where no more than one can.
    """
    first = model.levels[k - 1].first.astype(np.int64)
    full = np.flatnonzero(np.diff(first) >= model.size)
    listed = first[full][:, None] + np.arange(model.size)
    least = first[full] + p[listed].argmin(axis=1)
    free[full], free_q[full] = p[least], q[least]
    return free, free_q


def _with_extensions(
    model: BackoffModel, costs: Sequence[Float64[Array, " _"]]
) -> list[Float64[Array, " _"]]:
    """Up to which threshold each n-gram of orders 2 to n stays: its own loss, or that of one it begins."""
    out = [cost.copy() for cost in costs]
    for k in range(model.order, 2, -1):
        first = model.levels[k - 1].first.astype(np.int64)
        extended = np.flatnonzero(np.diff(first) > 0)
        if len(extended):
            dearest = np.maximum.reduceat(out[k - 2], first[:-1][extended])
            out[k - 3][extended] = np.maximum(out[k - 3][extended], dearest)
    return out


def _with(model: BackoffModel, keep: Sequence[Bool[Array, " _"]]) -> BackoffModel:
    return renormalised(without(model, [np.ones(len(model.levels[0].tokens), bool), *keep]))


def remainders(
    model: BackoffModel, k: int, log_p: Float64[Array, " U"], log_q: Float64[Array, " U"]
) -> tuple[Float64[Array, " C"], Float64[Array, " C"]]:
    """1 less the sum of exp(log_p), and of exp(log_q), over what each context of k - 1 tokens lists.

    log_q: of the same tokens after the context without its first. A row that lists all tokens leaves 0. Where
    little is left of q, it is the sum over what is not listed: a difference would not hold enough digits.
    """
    contexts, first = contexts_of_level(model.levels, k), model.levels[k - 1].first.astype(np.int64)
    fanout = np.diff(first)
    free, free_q = (
        np.maximum(1 - np.bincount(contexts, np.exp(x), len(fanout)), 0.0) for x in (log_p, log_q)
    )
    free[fanout >= model.size] = free_q[fanout >= model.size] = 0.0
    some_listed = (fanout > 0) & (fanout < model.size)
    small = np.flatnonzero(some_listed & (free_q < np.maximum(PRECISE * free, NOISE)))
    for some in np.array_split(small, max(1, -(-len(small) * model.size // ENTRIES))):
        free_q[some] = _unlisted(model, k, some)
    return free, free_q


def _unlisted(model: BackoffModel, k: int, slots: Int64[Array, " R"]) -> Float64[Array, " R"]:
    """The sum of p(w | h') over all w that each of some contexts h of k - 1 tokens does not list."""
    history = np.full((len(slots), model.order - 1), ABSENT, np.int32)
    history[:, model.order - k + 1 :] = spell(model.levels[: k - 1], k - 1)[slots, 1:]
    probs = np.exp(model.predict(history))
    first, tokens = model.levels[k - 1].first, model.levels[k - 1].tokens
    for row, slot in zip(probs, slots, strict=True):
        row[tokens[first[slot] : first[slot + 1]]] = 0.0
    return probs.sum(axis=1)


def renormalised(model: BackoffModel) -> BackoffModel:
    """The same listed probabilities with the backoffs that make every row sum to 1, lowest order first.

    backoff(h) = (1 - sum over listed w of p(w|h)) / (1 - sum over listed w of p(w|h'))
    """
    for k in range(2, model.order + 1):
        free, free_q = remainders(model, k, _listed(model, k), model.backed_off(k))
        extended = np.diff(model.levels[k - 1].first.astype(np.int64)) > 0
        backoffs = np.log(np.maximum(free, TINY)) - np.log(np.maximum(free_q, np.finfo(float).tiny))
        backoffs = np.where(extended & (free_q > 0), backoffs, 0.0).astype(np.float32)
        levels = list(model.levels)
        levels[k - 2] = levels[k - 2]._replace(backoffs=backoffs, backoff_codes=None)
        model = BackoffModel(model.size, tuple(levels), model.end, model.made_by)
    return model


def _listed(model: BackoffModel, k: int) -> Float64[Array, " U"]:
    level = model.levels[k - 1]
    return level.log_prob(np.arange(len(level.tokens))).astype(np.float64)
