"""A trained recurrent network as a language model, and as arrays for a file.

Shape letters: B batch, T time, V vocabulary, H hidden.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float, Float64, Integer

from chainrule.core import FileFormatError, InputError, TokenModel, check_tokens, check_weights
from chainrule.models.recurrent.adaptive_softmax import at_labels, count_ids, log_probs
from chainrule.models.recurrent.between import hand_up
from chainrule.models.recurrent.cell import flat
from chainrule.models.recurrent.drawing import can_draw, draw_row
from chainrule.models.recurrent.network import (
    Architecture,
    LayerStates,
    Parameters,
    before_labels,
    check_architecture,
    layer_weights,
    make_cell,
    parameter_shapes,
    run,
    start_states,
)

Array = np.ndarray
OPTIONS = ("tied", "layer_norm", "cutoffs")  # settings that older files do not have


@dataclass(frozen=True, eq=False)
class RecurrentModel(TokenModel[LayerStates]):
    """The trained network. Its parameters are a few matrices whatever the length of the text."""

    arch: Architecture
    parameters: Parameters

    @property
    def vocab_size(self) -> int:
        return count_ids(self.parameters)

    def start(self, batch: int) -> LayerStates:
        return start_states(self.arch, batch, self.parameters["output.bias"].dtype)

    def advance(self, state: LayerStates, items: Integer[Array, " B"]) -> LayerStates:
        check_tokens(items, self.vocab_size)
        return tuple(p.state for p in run(self.arch, self.parameters, items[:, None], state))

    def predict(self, state: LayerStates) -> Float64[Array, "B V"]:
        return log_probs(self.parameters, self._vectors(self.arch.cell.output(state[-1])[None]))

    def score(
        self, state: LayerStates, tokens: Integer[Array, "B T"]
    ) -> tuple[Float64[Array, "B T"], LayerStates]:
        """One pass over all steps; the softmax of all positions in blocks."""
        check_tokens(tokens, self.vocab_size)
        if not tokens.shape[1]:
            return np.empty(tokens.shape), state
        passes = run(self.arch, self.parameters, tokens, state)
        before = before_labels(self.arch, state, passes[-1].hidden, 0, tokens.shape[1])
        found = at_labels(self.parameters, self._vectors(before), tokens.T.ravel())
        return found.reshape(tokens.T.shape).T, tuple(p.state for p in passes)

    def _vectors(self, hidden: Float[Array, "T B H"]) -> Float[Array, "TB H"]:
        """What the top layer hands to the output, as rows."""
        return flat(hand_up(layer_weights(self.parameters, self.arch.layers - 1), hidden).vectors)

    def can_draw(self, batch: int) -> bool:
        return can_draw(self.arch, self.parameters, batch)

    def draw(
        self,
        state: LayerStates,
        uniforms: Float64[Array, "B T"],
        temperature: float,
        banned: tuple[int, ...],
    ) -> tuple[Integer[Array, "B T"], LayerStates]:
        ids, after = draw_row(self.arch, self.parameters, state, uniforms[0], temperature, banned)
        return ids[None], after

    def to_arrays(self) -> tuple[dict[str, Any], dict[str, Array]]:
        """Settings at their defaults are left out: a network without options is written as it always was."""
        plain, arch = Architecture._field_defaults, self.arch._asdict()
        options = {k: v for k, v in arch.items() if k in OPTIONS and v != plain[k]}
        needed = {k: v for k, v in arch.items() if k not in OPTIONS}
        return needed | {"cell": self.arch.cell.name} | options, dict(self.parameters)

    @classmethod
    def from_arrays(cls, settings: dict[str, Any], arrays: dict[str, Array]) -> "RecurrentModel":
        sizes = {name: int(settings[name]) for name in ("layers", "hidden", "embedding")}
        if not 1 <= sizes["layers"] <= len(arrays):  # a layer has arrays of its own
            raise FileFormatError(f"recurrent model: expected layers with arrays, got {sizes['layers']}")
        switches = {name: settings.get(name, False) for name in ("tied", "layer_norm")}
        if not all(isinstance(switch, bool) for switch in switches.values()):
            raise FileFormatError(f"recurrent model: expected true or false, got {switches}")
        cutoffs = tuple(int(cutoff) for cutoff in settings.get("cutoffs", ()))
        arch = Architecture(make_cell(settings["cell"]), **sizes, **switches, cutoffs=cutoffs)
        biases = ["output.bias", *(f"tail{k + 1}.bias" for k in range(len(cutoffs)))]
        if any(name not in arrays or arrays[name].ndim != 1 for name in biases):
            raise FileFormatError(f"recurrent model: expected the arrays {', '.join(biases)}")
        vocab_size = len(arrays[biases[-1]]) + (cutoffs[-1] if cutoffs else 0)
        try:
            check_architecture(arch, vocab_size)
        except InputError as error:
            raise FileFormatError(f"recurrent model: {error}") from error
        if {name: array.shape for name, array in arrays.items()} != parameter_shapes(arch, vocab_size):
            raise FileFormatError("recurrent model: the shapes of its arrays do not fit together")
        check_weights(arrays)
        return cls(arch, arrays)
