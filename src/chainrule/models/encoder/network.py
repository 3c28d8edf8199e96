"""The encoder: a recurrent network read forwards, one read backwards, and a softmax over what they found.

    f_t = network(x_1..x_t),   b_t = network'(x_n..x_t),   h_t = [f_t; b_t]
    p(y | x_1..x_n) = softmax(c W + b),   c = mean, last or max of h_1..h_n         (classification)
    p(y_t | x_1..x_n) = softmax(h_t W + b)                                          (one label a token)

(Schuster & Paliwal 1997.) Each direction is a stack of layers as a language model has it, so that it may
start from one (Dai & Le 2015); both share the embedding. The backward one reads every row from its last token
on: padding stands at the end for both, where it is read last and changes nothing.

Shape letters: B batch, T time, V vocabulary, D embedding, H hidden, W = directions times H, C labels.
"""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Integer

from chainrule.core import InputError
from chainrule.models.encoder.heads import EACH, Head, Taken, present
from chainrule.models.recurrent.backpropagation import through_layers
from chainrule.models.recurrent.between import Upward, hand_down, hand_up
from chainrule.models.recurrent.dropout import NO_MASKS, Masks
from chainrule.models.recurrent.network import (
    Architecture,
    Pass,
    check_architecture,
    parameter_shapes,
    run,
    start_states,
)

Array = np.ndarray
Parameters = Mapping[str, Float[Array, "..."]]
Ids = Integer[Array, "B T"]
Lengths = Integer[Array, " B"]
DIRECTIONS = ("forward", "backward")
OUTPUT = ("output.weight", "output.bias")


class Design(NamedTuple):
    """What the parameters belong to. stack: the network of each direction. head: what is labelled."""

    stack: Architecture
    directions: tuple[str, ...]
    head: Head

    @property
    def width(self) -> int:
        return len(self.directions) * self.stack.hidden


class Reading(NamedTuple):
    """One direction over a batch: the ids in the order of reading, its layers, what the top hands on."""

    ids: Ids
    passes: list[Pass]
    handed: Upward


class Encoded(NamedTuple):
    """rows: what the softmax labels. readings, taken: by direction."""

    rows: Float[Array, "N W"]
    readings: list[Reading]
    taken: list[Taken]


def check_design(design: Design, vocab_size: int, classes: int) -> Design:
    """`design`, or an InputError that names the setting that has no meaning."""
    for name, value in (("vocabulary", vocab_size), ("classes", classes)):
        if value < 1:
            raise InputError(f"{name}: expected at least 1, got {value}")
    if design.directions not in (DIRECTIONS[:1], DIRECTIONS):
        raise InputError(f"directions: expected forward, or forward and backward, got {design.directions}")
    if design.stack.tied or design.stack.cutoffs:
        raise InputError("encoder: expected a network without an output of its own, got tied or cutoffs")
    check_architecture(design.stack, vocab_size)
    return design


def shapes(design: Design, vocab_size: int, classes: int) -> dict[str, tuple[int, ...]]:
    """The name and shape of every parameter: embedding, forward.layer0.input, .., output.bias."""
    stack = parameter_shapes(design.stack, vocab_size)
    shared = {"embedding": stack["embedding"]} if design.stack.embedding else {}
    own = {name: shape for name, shape in stack.items() if name.startswith("layer")}
    layers = {f"{direction}.{name}": shape for direction in design.directions for name, shape in own.items()}
    return shared | layers | {OUTPUT[0]: (design.width, classes), OUTPUT[1]: (classes,)}


def stack_of(parameters: Parameters, direction: str) -> dict[str, Float[Array, "..."]]:
    """The parameters of one direction, named as those of a recurrent network are."""
    prefix = f"{direction}."
    own = {name.removeprefix(prefix): a for name, a in parameters.items() if name.startswith(prefix)}
    return own | ({"embedding": parameters["embedding"]} if "embedding" in parameters else {})


def turned(rows: Array, lengths: Lengths) -> Array:
    """Each row [B, T, ..] from its last token to its first, padding where it was; its own inverse."""
    steps = np.arange(rows.shape[1])
    order = np.where(present(lengths, rows.shape[1]), lengths[:, None] - 1 - steps, steps)
    return np.take_along_axis(rows, order.reshape(*order.shape, *[1] * (rows.ndim - 2)), axis=1)


def encode(
    design: Design,
    parameters: Parameters,
    ids: Ids,
    lengths: Lengths,
    masks: Mapping[str, Masks] | None = None,
) -> Encoded:
    """Read the batch in every direction. masks: what is dropped, by direction."""
    readings: list[Reading] = []
    taken: list[Taken] = []
    states = start_states(design.stack, len(ids), parameters[OUTPUT[1]].dtype)
    for direction in design.directions:
        dropped = NO_MASKS if masks is None else masks[direction]
        own, read = stack_of(parameters, direction), ids if direction == "forward" else turned(ids, lengths)
        passes = run(design.stack, own, read, states, dropped)
        handed = hand_up(passes[-1].weights, passes[-1].hidden, dropped.above(design.stack.layers - 1))
        readings.append(Reading(read, passes, handed))
        taken.append(design.head.forward(_in_time(design, direction, handed.vectors, lengths), lengths))
    return Encoded(np.concatenate([each.rows for each in taken], axis=1), readings, taken)


def back_through(
    design: Design,
    parameters: Parameters,
    encoded: Encoded,
    d_rows: Float[Array, "N W"],
    lengths: Lengths,
    masks: Mapping[str, Masks],
) -> dict[str, Float[Array, "..."]]:
    """From the gradient by what the softmax read to that by every parameter below it. Tapes are used up."""
    gradients: dict[str, Float[Array, "..."]] = {}
    parts = np.split(d_rows, len(design.directions), axis=1)
    for direction, reading, taken, part in zip(
        design.directions, encoded.readings, encoded.taken, parts, strict=True
    ):
        dropped, top = masks[direction], design.stack.layers - 1
        weights, vectors = reading.passes[-1].weights, reading.handed.vectors
        d_vectors = design.head.backward(part, vectors, lengths, taken.tape)
        d_vectors = _in_time(design, direction, d_vectors, lengths)
        d_hidden, norm = hand_down(weights, d_vectors, reading.handed, dropped.above(top))
        own = stack_of(parameters, direction)
        made = through_layers(design.stack, own, d_hidden, reading.passes, reading.ids, dropped).gradients
        made |= {f"layer{top}.{name}": gradient for name, gradient in norm.items()}
        if "embedding" in made:
            shared = made.pop("embedding")
            gradients["embedding"] = gradients["embedding"] + shared if "embedding" in gradients else shared
        gradients |= {f"{direction}.{name}": gradient for name, gradient in made.items()}
    return gradients


def _in_time(
    design: Design, direction: str, vectors: Float[Array, "T B H"], lengths: Lengths
) -> Float[Array, "T B H"]:
    """From the order in which a direction reads to that of time, or back; a summary of all needs neither."""
    if direction == "forward" or design.head is not EACH:
        return vectors
    return turned(vectors.transpose(1, 0, 2), lengths).transpose(1, 0, 2)
