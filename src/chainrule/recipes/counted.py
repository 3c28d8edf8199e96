"""Counted models: the order that was asked for, or the one that predicts the validation part best."""

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
from jaxtyping import Integer

from chainrule.core import InputError
from chainrule.data.codec import Codec
from chainrule.data.dataset import Dataset
from chainrule.models.ngram import ESTIMATED, AddK, NgramCounts, NgramModel, count_ngrams, estimate
from chainrule.models.ngram.counts import longest_row
from chainrule.models.ngram.memory import check_memory
from chainrule.models.ngram.smoothing import make_smoothing
from chainrule.recipes.recipe import HIGHEST_ORDER, SMOOTHINGS, FitResult, Recipe
from chainrule.tasks.evaluation import surprisal
from chainrule.training import Progress

Tokens = Integer[np.ndarray, " _"]
ADD_K = (1.0, 0.1, 0.01, 0.001)
UNCHOSEN_ORDER = 5  # where there is no validation part to choose on
CHOOSING = 50_000  # validation tokens that the choice of an order looks at


def count(recipe: Recipe, data: Dataset, report: Callable[[Progress], None] | None) -> FitResult:
    """Counts to the order asked for; with it open, to the order that predicts the validation part best."""
    tokens, valid, vocab_size = data.train.ids, data.valid.ids, data.codec.vocab_size
    if recipe.smoothing not in SMOOTHINGS:
        raise InputError(f"smoothing: expected one of {', '.join(SMOOTHINGS)}, got {recipe.smoothing!r}")
    if not len(tokens):
        raise InputError("training text: expected at least one token, got none")
    open_order = min(HIGHEST_ORDER, longest_row(tokens, data.codec.end_id))
    highest = open_order if recipe.order is None else recipe.order
    if recipe.minimum and recipe.smoothing not in ESTIMATED:
        raise InputError(
            f"minimum counts: expected a smoothing among {', '.join(ESTIMATED)}, got {recipe.smoothing}"
        )
    check_memory(len(tokens), vocab_size, min(highest, len(tokens)))
    counts = count_ngrams([tokens], vocab_size, highest, end=data.codec.end_id)

    def made(order: int, k: float | None) -> FitResult:
        chosen = replace(recipe, order=order, k=k)
        if recipe.smoothing in ESTIMATED:
            found = estimate(counts.up_to(order), recipe.smoothing, minimum=recipe.minimum)
            return FitResult(found.model, chosen, discounts=found.discounts)
        smoothing = AddK(k) if k is not None else make_smoothing(recipe.smoothing)
        return FitResult(NgramModel(counts.up_to(order), smoothing), chosen)

    orders = range(1, highest + 1) if recipe.order is None else (recipe.order,)
    amounts = (ADD_K if recipe.k is None else (recipe.k,)) if recipe.smoothing == "add-k" else (None,)
    ranks_only = recipe.smoothing == "stupid-backoff"  # its scores cannot be held against one another
    if len(valid) and len(orders) * len(amounts) > 1 and not ranks_only:
        return made(*_best(made, orders, amounts, valid[:CHOOSING], report))
    return made(min(UNCHOSEN_ORDER, highest) if recipe.order is None else recipe.order, amounts[0])


def _best(
    made: Callable[[int, float | None], FitResult],
    orders: Sequence[int],
    amounts: Sequence[float | None],
    valid: Tokens,
    report: Callable[[Progress], None] | None,
) -> tuple[int, float | None]:
    """The order and the k of add-k with the fewest nats; higher orders are left once two got worse."""
    best: tuple[float, int, float | None] = (math.inf, orders[0], amounts[0])
    for order in orders:
        for amount in amounts:
            nats = float(surprisal(made(order, amount).model, valid).sum())
            best = min(best, (nats, order, amount), key=lambda found: found[0])
        if report:
            report(Progress(order / len(orders), order, math.nan, best[0] / len(valid)))
        if order >= best[1] + 2:
            break
    return best[1:]


def top_ngrams(counts: NgramCounts, codec: Codec, n: int, top: int) -> list[tuple[str, int]]:
    """The most frequent n-grams as they read, and how often they were seen."""
    rows, frequency = counts.ngrams(n)
    order = np.argsort(-frequency, kind="stable")[: max(top, 0)]
    separator = " " if codec.tokenizer.loses else ""
    join = codec.tokenizer.join
    return [
        (separator.join(join([t]) for t in codec.vocabulary.decode(rows[i])), int(frequency[i]))
        for i in order
    ]
