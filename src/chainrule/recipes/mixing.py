"""Fitted models as one mixture, weighed on a text that none of them was trained on."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from chainrule.core import InputError, TokenModel
from chainrule.data.dataset import Part
from chainrule.models.mixture import LinearMixture, best_weights, check_members
from chainrule.tasks.evaluation import LN2, surprisal

Tell = Callable[[float], None]


class Weighed(NamedTuple):
    """The mixture, and what the text that weighed it costs: bits per character of each member, and of it."""

    model: LinearMixture
    members: list[float]
    together: float


def weigh(models: Sequence[TokenModel[Any]], text: Part, tell: Tell | None = None) -> Weighed:
    """The linear mixture under which the text is likeliest. tell: told the share that is done.

    Raises InputError for fewer than two models, for models of two vocabularies, for one whose scores are no
    probabilities, and for a text without a token.
    """
    if len(models) < 2:
        raise InputError(f"mixture: expected at least two models, got {len(models)}")
    check_members(models)
    nats = np.empty((len(models), len(text.ids)))
    for at, model in enumerate(models):

        def told(done: float, at: int = at) -> None:
            if tell:
                tell((at + done) / len(models))

        nats[at] = surprisal(model, text.ids, progress=told)
    weights = best_weights(-nats)
    with np.errstate(divide="ignore"):
        together = -np.logaddexp.reduce(np.log(weights)[:, None] - nats, axis=0)
    scale = 1 / LN2 / max(len(text.text), 1)
    bits = [float(row.sum()) * scale for row in nats]
    return Weighed(LinearMixture(tuple(models), weights[None]), bits, float(together.sum()) * scale)
