"""A recurrent network that speaks without a step in Python for every token.

Shape letters: T steps, V vocabulary, H hidden, G = gates times H.
"""

from typing import Any

import numpy as np
from jaxtyping import Float64, Int64

from chainrule.kernels.drawing import Layer, draw
from chainrule.kernels.gemm import matmul
from chainrule.kernels.native import fast
from chainrule.models.recurrent.lstm import LstmState
from chainrule.models.recurrent.network import Architecture, LayerStates, Parameters, layer_weights

Array = np.ndarray
LARGEST_TABLE = 1 << 21  # numbers: every stretch takes the input products of all ids once


def can_draw(arch: Architecture, parameters: Parameters, rows: int) -> bool:
    """Whether the compiled loop has all that this network needs; it knows no normalisation, no clusters."""
    table = len(parameters["output.bias"]) * arch.cell.gates * arch.hidden
    plain = not (arch.layer_norm or arch.cutoffs or arch.tied) and "recurrent" in arch.cell.shapes(
        arch.hidden
    )
    return rows == 1 and plain and table <= LARGEST_TABLE and fast(parameters["output.weight"])


def draw_row(
    arch: Architecture,
    parameters: Parameters,
    state: LayerStates,
    uniforms: Float64[Array, " T"],
    temperature: float,
    banned: tuple[int, ...],
) -> tuple[Int64[Array, " T"], LayerStates]:
    """Ids after a state of one row, and the state after them."""
    first = layer_weights(parameters, 0)
    rows = matmul(parameters["embedding"], first["input"]) if arch.embedding else first["input"]
    layers: list[Layer] = []
    for l, own in enumerate(state):
        weights = layer_weights(parameters, l)
        above = {"input": weights["input"], "bias": weights["bias"]} if l else {}
        hidden, cell = (own.hidden[0], own.cell[0]) if isinstance(own, LstmState) else (own[0], None)
        candidate = weights.get("candidate_bias")
        layers.append(Layer(weights["recurrent"], hidden, candidate_bias=candidate, cell=cell, **above))
    output = parameters["output.weight"], parameters["output.bias"]
    ids, after = draw(layers, rows + first["bias"], output, uniforms, temperature, banned)
    return ids, tuple(_state(layer) for layer in after)


def _state(layer: Layer) -> Any:
    hidden = layer.hidden[None]
    return hidden if layer.cell is None else LstmState(hidden, layer.cell[None])
