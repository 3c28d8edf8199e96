"""One stream drawn from a recurrent network in a compiled loop; its readable twin is a roll-out.

A step multiplies one vector by every weight, which takes as long as reading them: threads read a part each.

Shape letters: L layers, T steps, V vocabulary, H hidden, G = gates times H.
"""

from ctypes import Structure, c_int, c_void_p
from typing import NamedTuple

import numpy as np
from jaxtyping import Float32, Float64, Int64

from chainrule.kernels.native import call_simd, check_memory, cores

Array = np.ndarray


class Layer(NamedTuple):
    """Weights and state of one layer. input, bias: None for the first, whose table has both.
    candidate_bias: of the GRU. cell: of the LSTM."""

    recurrent: Float32[Array, "H G"]
    hidden: Float32[Array, " H"]
    input: Float32[Array, "H G"] | None = None
    bias: Float32[Array, " G"] | None = None
    candidate_bias: Float32[Array, " H"] | None = None
    cell: Float32[Array, " H"] | None = None


class _Layer(Structure):
    _fields_ = [
        (name, c_void_p) for name in ("input", "bias", "recurrent", "candidate_bias", "hidden", "cell")
    ]


def draw(
    layers: list[Layer],
    table: Float32[Array, "V G"],
    output: tuple[Float32[Array, "H V"], Float32[Array, " V"]],
    uniforms: Float64[Array, " T"],
    temperature: float,
    banned: tuple[int, ...],
) -> tuple[Int64[Array, " T"], list[Layer]]:
    """The ids on which the uniform numbers fall among the probabilities, summed in the order of the ids, and
    the layers with their states after the last of them. Raises MemoryError where memory or threads are short.

    table: of each id, the first layer's input product with its bias.
    """
    hidden, gates = layers[0].recurrent.shape
    states = [np.stack([layer.hidden, layer.hidden]) for layer in layers]
    cells = [None if layer.cell is None else layer.cell.copy() for layer in layers]
    stack = (_Layer * len(layers))()
    for place, layer, state, cell in zip(stack, layers, states, cells, strict=True):
        own = layer._replace(hidden=state, cell=cell)
        for name in own._fields:
            array = getattr(own, name)
            setattr(place, name, None if array is None else array.ctypes.data)
    forbidden = np.zeros(len(table), np.uint8)
    forbidden[list(banned)] = 1
    ids = np.zeros(len(uniforms), np.int64)
    sizes = gates // hidden, len(layers), hidden, len(table), len(ids), cores()
    given = table, *output, np.array([temperature]), uniforms, forbidden, ids
    check_memory(call_simd("draw", *sizes, stack, *given, returns=c_int))
    row = len(ids) & 1
    return ids, [
        layer._replace(hidden=state[row].copy(), cell=cell)
        for layer, state, cell in zip(layers, states, cells, strict=True)
    ]
