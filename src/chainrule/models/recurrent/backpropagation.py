"""One pass over a batch, forwards and back through time, as a function of everything that it depends on.

    L = mean over predictions of -log p(x_t | x_<t)

The state that a batch starts from is a constant to it: there the graph is cut (truncated backpropagation
through time, Werbos 1990). Rows do not know each other, so a batch may be cut into blocks of rows: the nats
and counts of the blocks add up, and so do the gradients, each taken of its part of the whole batch's mean.

Shape letters: B batch, T time, V vocabulary, D input width, H hidden, G = gates times H.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Integer

from chainrule.core import Batch, Step
from chainrule.kernels.linear import by_ids, by_vectors
from chainrule.kernels.scatter import sum_rows_by_id
from chainrule.models.recurrent.adaptive_softmax import loss
from chainrule.models.recurrent.between import hand_down, hand_up
from chainrule.models.recurrent.cell import flat
from chainrule.models.recurrent.dropout import NO_MASKS, Masks
from chainrule.models.recurrent.network import (
    Architecture,
    LayerStates,
    Parameters,
    Pass,
    before_labels,
    run,
)

Array = np.ndarray
Gradients = dict[str, Float[Array, "..."]]


class Back(NamedTuple):
    """By name the gradients of all layers' parameters, and for each layer that by the state handed in."""

    gradients: Gradients
    d_states: list[Any]


def backpropagate(
    arch: Architecture,
    parameters: Parameters,
    batch: Batch,
    state: LayerStates,
    masks: Masks = NO_MASKS,
    predictions: int | None = None,
) -> Step[LayerStates]:
    """Read X, predict Y, go back. The state is taken as it is: rows that begin anew were reset before.

    predictions: what the gradients are a mean over, where the batch is a block of rows of a larger one.
    """
    passes = run(arch, parameters, batch.read, state, masks)
    hidden, steps = passes[-1].hidden, batch.items.shape[1]
    weights, mask = passes[-1].weights, masks.above(arch.layers - 1)
    handed = hand_up(weights, before_labels(arch, state, hidden, batch.given, steps), mask)
    nats, d_vectors, gradients = loss(parameters, flat(handed.vectors), batch.labels.T.ravel(), predictions)
    d_before, norm = hand_down(weights, d_vectors.reshape(handed.vectors.shape), handed, mask)
    gradients |= _named(arch.layers - 1, norm)
    if batch.given == 1:  # every vector predicts
        d_hidden = d_before
    else:
        d_hidden = np.zeros_like(hidden)
        if batch.given:
            d_hidden[batch.given - 1 : max(steps - 1, 0)] = d_before
        else:  # the vector handed in is a constant: here the graph is cut
            d_hidden[:-1] = d_before[1:]
    through = through_layers(arch, parameters, d_hidden, passes, batch.read, masks).gradients
    if "embedding" in gradients:  # tied: used twice
        through["embedding"] += gradients["embedding"]
    return Step(nats, batch.labels.size, gradients | through, tuple(p.state for p in passes))


def through_layers(
    arch: Architecture,
    parameters: Parameters,
    d_hidden: Float[Array, "T B H"],
    passes: list[Pass],
    read: Integer[Array, "B T"],
    masks: Masks = NO_MASKS,
) -> Back:
    """From the hidden vectors of the top layer down to the input."""
    gradients: Gradients = {}
    d_states: list[Any] = []
    for l in reversed(range(arch.layers)):
        made = passes[l]
        back = arch.cell.backward(made.weights, d_hidden, made.tape)
        d_states.insert(0, back.d_state)
        own, rows = dict(back.weights), flat(back.d_input)
        if masks.recurrent is not None:
            own["recurrent"] = own["recurrent"] * masks.recurrent[l]
        if made.below.ndim == 2:  # ids
            own["input"], own["bias"] = by_ids(made.below.ravel(), rows, len(made.weights["input"]))
            _less_dropped(own["input"], masks)
        else:
            own["input"], own["bias"], d_rows = by_vectors(flat(made.below), made.weights["input"], rows)
            d_below = d_rows.reshape(made.below.shape)
            if made.handed is not None:
                beneath = passes[l - 1].weights
                d_hidden, norm = hand_down(beneath, d_below, made.handed, masks.above(l - 1))
                gradients |= _named(l - 1, norm)
            else:
                if masks.embedded is not None:
                    d_below *= masks.embedded
                gradients["embedding"] = sum_rows_by_id(
                    read.T.ravel(), flat(d_below), len(parameters["embedding"])
                )
                _less_dropped(gradients["embedding"], masks)
        gradients |= _named(l, own)
    return Back(gradients, d_states)


def _less_dropped(gradient: Float[Array, "V K"], masks: Masks) -> None:
    """No gradient, in place, by the row of a word that was dropped."""
    if masks.words is not None:
        gradient *= masks.words[:, None]


def _named(layer: int, own: Mapping[str, Float[Array, "..."]]) -> Gradients:
    return {f"layer{layer}.{name}": gradient for name, gradient in own.items()}
