"""A recurrent language model: one-hot input, layers of cells, softmax over the last hidden vector.

    h^0_t = onehot(x_t) or its embedding,   h^l_t = cell_l(h^{l-1}_t, state_l)
    p(x_{t+1}) = softmax(h^L_t W_q + b_q)

A one-hot vector times W_x is a row of W_x, so the first layer's input product is a gather. The state holds
the vector that predicts the next token: zeros before the first, so that p(x_1) = softmax(b_q).

Shape letters: B batch, T time, V vocabulary, D input width, H hidden, G = gates times H, L layers.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Float64, Integer

from chainrule.core import FileFormatError, InputError, TokenModel, check_tokens, check_weights
from chainrule.kernels.softmax import label_log_probs, log_softmax
from chainrule.models.recurrent.cell import Cell, Forward
from chainrule.models.recurrent.gru import Gru
from chainrule.models.recurrent.lstm import Lstm
from chainrule.models.recurrent.rnn import Rnn

Array = np.ndarray
Parameters = Mapping[str, Float[Array, "..."]]
LayerStates = tuple[Any, ...]


class Architecture(NamedTuple):
    """What the parameters belong to. embedding: width D, or 0 for one-hot input."""

    cell: Cell
    layers: int
    hidden: int
    embedding: int = 0


def make_cell(name: str) -> Cell:
    """The cell of that name."""
    match name:
        case "rnn":
            return Rnn()
        case "gru":
            return Gru()
        case "lstm":
            return Lstm()
        case _:
            raise InputError(f"cell: expected rnn, gru or lstm, got {name!r}")


def layer_weights(parameters: Parameters, layer: int) -> dict[str, Float[Array, "..."]]:
    """The parameters of one layer, without its prefix."""
    prefix = f"layer{layer}."
    return {name[len(prefix) :]: array for name, array in parameters.items() if name.startswith(prefix)}


def start_states(arch: Architecture, batch: int, dtype: Any) -> LayerStates:
    """Zeros for every layer."""
    return tuple(arch.cell.start(batch, arch.hidden, dtype) for _ in range(arch.layers))


def run(
    arch: Architecture, parameters: Parameters, tokens: Integer[Array, "B T"], states: LayerStates
) -> list[Forward]:
    """Every layer over all steps, in order."""
    steps = np.ascontiguousarray(tokens.T)
    below: Array = steps if not arch.embedding else parameters["embedding"][steps]
    passes: list[Forward] = []
    for l in range(arch.layers):
        weights = layer_weights(parameters, l)
        if below.ndim == 2:  # ids: the row of W_x is the product
            few = below.size < len(weights["input"])
            inputs = weights["input"][below] if few else (weights["input"] + weights["bias"])[below]
            if few:
                inputs += weights["bias"]
        else:
            inputs = below @ weights["input"]
            inputs += weights["bias"]
        passes.append(arch.cell.forward(weights, inputs, states[l]))
        below = passes[-1].hidden
    return passes


@dataclass(frozen=True, eq=False)
class RecurrentModel(TokenModel[LayerStates]):
    """The trained network. Its parameters are a few matrices whatever the length of the text."""

    arch: Architecture
    parameters: Parameters

    @property
    def vocab_size(self) -> int:
        return self.parameters["output.bias"].shape[0]

    def start(self, batch: int) -> LayerStates:
        return start_states(self.arch, batch, self.parameters["output.bias"].dtype)

    def advance(self, state: LayerStates, items: Integer[Array, " B"]) -> LayerStates:
        check_tokens(items, self.vocab_size)
        return tuple(p.state for p in run(self.arch, self.parameters, items[:, None], state))

    def predict(self, state: LayerStates) -> Float64[Array, "B V"]:
        top = self.arch.cell.output(state[-1])
        return log_softmax(top @ self.parameters["output.weight"] + self.parameters["output.bias"])

    def score(
        self, state: LayerStates, tokens: Integer[Array, "B T"]
    ) -> tuple[Float64[Array, "B T"], LayerStates]:
        """One pass over all steps; the softmax of all positions in blocks."""
        check_tokens(tokens, self.vocab_size)
        if not tokens.shape[1]:
            return np.empty(tokens.shape), state
        passes = run(self.arch, self.parameters, tokens, state)
        first = self.arch.cell.output(state[-1])
        before = np.concatenate([first[None], passes[-1].hidden[:-1]])
        log_probs = label_log_probs(
            before.reshape(-1, self.arch.hidden),
            self.parameters["output.weight"],
            self.parameters["output.bias"],
            tokens.T.ravel(),
        )
        return log_probs.reshape(tokens.T.shape).T, tuple(p.state for p in passes)

    def to_arrays(self) -> tuple[dict[str, Any], dict[str, Array]]:
        arch = self.arch._asdict() | {"cell": self.arch.cell.name}
        return arch, dict(self.parameters)

    @classmethod
    def from_arrays(cls, settings: dict[str, Any], arrays: dict[str, Array]) -> "RecurrentModel":
        sizes = {name: int(settings[name]) for name in ("layers", "hidden", "embedding")}
        if sizes["layers"] < 1 or sizes["hidden"] < 1 or sizes["embedding"] < 0:
            raise FileFormatError(f"recurrent model: expected sizes above 0, got {sizes}")
        arch = Architecture(make_cell(settings["cell"]), **sizes)
        if "output.bias" not in arrays or arrays["output.bias"].ndim != 1:
            raise FileFormatError("recurrent model: the array 'output.bias' is missing")
        expected = parameter_shapes(arch, arrays["output.bias"].shape[0])
        if {name: array.shape for name, array in arrays.items()} != expected:
            raise FileFormatError("recurrent model: the shapes of its arrays do not fit together")
        check_weights(arrays)
        return cls(arch, arrays)


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
        width = arch.hidden
    return shapes | {"output.weight": (arch.hidden, vocab_size), "output.bias": (vocab_size,)}
