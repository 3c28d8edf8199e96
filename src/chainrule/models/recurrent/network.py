"""A recurrent network: one-hot input, layers of cells, and what they hand to a softmax over the ids.

    u^0_t = onehot(x_t) or its embedding,   h^l_t = cell_l(u^{l-1}_t, state_l)
    p(x_{t+1}) = softmax(u^L_t W_q + b_q),   u^l_t = h^l_t, or what between.py makes of it

A one-hot vector times W_x is a row of W_x, so the first layer's input product is a gather. The state holds
the vector that predicts the next token: zeros before the first, so that p(x_1) = softmax(b_q) in a network
without normalisation. Tied, W_q is the transposed embedding; with cutoffs the softmax is adaptive.

Shape letters: B batch, T time, V vocabulary, D input width, H hidden, G = gates times H, L layers.
"""

from collections.abc import Mapping
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Integer

from chainrule.core import InputError
from chainrule.kernels.gemm import matmul
from chainrule.models.recurrent.adaptive_softmax import output_shapes
from chainrule.models.recurrent.between import BIAS, GAIN, Upward, hand_up
from chainrule.models.recurrent.cell import Cell, Gathered, Inputs, flat
from chainrule.models.recurrent.dropout import NO_MASKS, Masks
from chainrule.models.recurrent.gru import Gru
from chainrule.models.recurrent.lstm import Lstm
from chainrule.models.recurrent.mingru import MinGru
from chainrule.models.recurrent.minlstm import MinLstm
from chainrule.models.recurrent.rnn import Rnn

Array = np.ndarray
Parameters = Mapping[str, Float[Array, "..."]]
LayerStates = tuple[Any, ...]


class Architecture(NamedTuple):
    """What the parameters belong to. embedding: width D, or 0 for one-hot input.

    tied: the embedding is the output weight too. layer_norm: what a layer hands upward is normalised.
    cutoffs: where the clusters of an adaptive softmax begin.
    """

    cell: Cell
    layers: int
    hidden: int
    embedding: int = 0
    tied: bool = False
    layer_norm: bool = False
    cutoffs: tuple[int, ...] = ()


class Pass(NamedTuple):
    """One layer over all steps: what its cell gave, after what it read, ids [T, B] or vectors [T, B, D].

    weights: the layer's own, less what is dropped. handed: how `below` came of the hidden vectors of the
    layer beneath; None for the first layer.
    """

    hidden: Float[Array, "T B H"]
    state: Any
    tape: Any
    weights: dict[str, Float[Array, "..."]]
    below: Array
    handed: Upward | None


def make_cell(name: str) -> Cell:
    """The cell of that name."""
    match name:
        case "rnn":
            return Rnn()
        case "gru":
            return Gru()
        case "lstm":
            return Lstm()
        case "mingru":
            return MinGru()
        case "minlstm":
            return MinLstm()
        case _:
            raise InputError(f"cell: expected rnn, gru, lstm, mingru or minlstm, got {name!r}")


def check_architecture(arch: Architecture, vocab_size: int) -> Architecture:
    """`arch`, or an InputError that names the setting that has no meaning."""
    for name, least in (("layers", 1), ("hidden", 1), ("embedding", 0)):
        if getattr(arch, name) < least:
            raise InputError(f"{name}: expected at least {least}, got {getattr(arch, name)}")
    if arch.tied and arch.embedding != arch.hidden:
        raise InputError(
            f"tied: expected an embedding as wide as the hidden vectors, {arch.hidden}, got {arch.embedding}"
        )
    if arch.tied and arch.cutoffs:
        raise InputError(f"cutoffs: expected none where the output is tied, got {arch.cutoffs}")
    bounds = (0, *arch.cutoffs, vocab_size)
    if arch.cutoffs and any(low >= high for low, high in pairwise(bounds)):
        raise InputError(f"cutoffs: expected rising ids in 1..{vocab_size - 1}, got {arch.cutoffs}")
    return arch


def layer_weights(
    parameters: Parameters, layer: int, masks: Masks = NO_MASKS
) -> dict[str, Float[Array, "..."]]:
    """The parameters of one layer, without its prefix; recurrent weights less what is dropped."""
    prefix = f"layer{layer}."
    own = {name[len(prefix) :]: array for name, array in parameters.items() if name.startswith(prefix)}
    if masks.recurrent is not None:
        own["recurrent"] = own["recurrent"] * masks.recurrent[layer]
    return own


def start_states(arch: Architecture, batch: int, dtype: Any) -> LayerStates:
    """Zeros for every layer."""
    return tuple(arch.cell.start(batch, arch.hidden, dtype) for _ in range(arch.layers))


def embed(parameters: Parameters, ids: Integer[Array, "T B"], masks: Masks) -> Float[Array, "T B D"]:
    """The vector of each id, less what is dropped."""
    vectors = parameters["embedding"][ids]
    if masks.words is not None:
        vectors *= masks.words[ids][..., None]
    if masks.embedded is not None:
        vectors *= masks.embedded
    return vectors


def pick_rows(
    weights: Mapping[str, Float[Array, "..."]], ids: Integer[Array, "T B"], words: Float[Array, " V"] | None
) -> Inputs:
    """onehot(ids) W_x + b without the product: a row of W_x each; a dropped word gives the bias alone."""
    weight, bias = weights["input"], weights["bias"]
    if ids.size >= len(weight):
        return Gathered((weight if words is None else weight * words[:, None]) + bias, ids)
    rows = weight[ids]
    if words is not None:
        rows *= words[ids][..., None]
    rows += bias
    return rows


def run(
    arch: Architecture,
    parameters: Parameters,
    tokens: Integer[Array, "B T"],
    states: LayerStates,
    masks: Masks = NO_MASKS,
) -> list[Pass]:
    """Every layer over all steps, in order."""
    below: Array = np.ascontiguousarray(tokens.T, np.int64)
    if arch.embedding:
        below = embed(parameters, below, masks)
    passes: list[Pass] = []
    handed: Upward | None = None
    for l in range(arch.layers):
        weights = layer_weights(parameters, l, masks)
        if below.ndim == 2:
            inputs = pick_rows(weights, below, masks.words)
        else:
            products = matmul(flat(below), weights["input"])
            products += weights["bias"]
            inputs = products.reshape(*below.shape[:2], products.shape[1])
        passes.append(Pass(*arch.cell.forward(weights, inputs, states[l]), weights, below, handed))
        if l + 1 < arch.layers:
            handed = hand_up(weights, passes[-1].hidden, masks.above(l))
            below = handed.vectors
    return passes


def before_labels(
    arch: Architecture,
    state: LayerStates,
    hidden: Float[Array, "T_read B H"],
    given: int,
    steps: int,
) -> Float[Array, "T_labels B H"]:
    """The top layer's vectors that predict: label j comes from the one after items 0..j-1, and for j = 0 from
    the one in the state that was handed in."""
    if given:
        return hidden[given - 1 : max(steps - 1, 0)]
    return np.concatenate([arch.cell.output(state[-1])[None], hidden])[:steps]


def parameter_shapes(arch: Architecture, vocab_size: int) -> dict[str, tuple[int, ...]]:
    """The name and shape of every parameter; the length of a text is nowhere in them."""
    shapes: dict[str, tuple[int, ...]] = {}
    if arch.embedding:
        shapes["embedding"] = (vocab_size, arch.embedding)
    width = arch.embedding or vocab_size
    for l in range(arch.layers):
        shapes[f"layer{l}.input"] = (width, arch.cell.gates * arch.hidden)
        shapes[f"layer{l}.bias"] = (arch.cell.gates * arch.hidden,)
        shapes |= {f"layer{l}.{name}": shape for name, shape in arch.cell.shapes(arch.hidden).items()}
        if arch.layer_norm:
            shapes |= {f"layer{l}.{name}": (arch.hidden,) for name in (GAIN, BIAS)}
        width = arch.hidden
    return shapes | output_shapes(arch.hidden, vocab_size, tied=arch.tied, cutoffs=arch.cutoffs)
