"""A recurrent network in training: parameters as they start out, and one batch's gradients.

    L = mean over predictions of -log p(x_t | x_<t)

Shape letters: B batch, T time, V vocabulary, D input width, H hidden, G = gates times H.
"""

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
from jaxtyping import Float, Integer

from chainrule.core import Batch, InputError, Step, check_tokens, reset_rows, take_rows
from chainrule.models.recurrent.adaptive_softmax import biases_by_frequency, output_shapes
from chainrule.models.recurrent.backpropagation import backpropagate
from chainrule.models.recurrent.between import BIAS, GAIN
from chainrule.models.recurrent.cell import uniform
from chainrule.models.recurrent.dropout import Masks, Rates, check_rate, draw_mask
from chainrule.models.recurrent.model import RecurrentModel
from chainrule.models.recurrent.network import (
    Architecture,
    LayerStates,
    check_architecture,
    make_cell,
    start_states,
)
from chainrule.models.rows import RowThreads, workers_for

Array = np.ndarray
ONE_HOT_SCALE = 0.7
TIED_SCALE = 1.0


class RecurrentLearner:
    """Parameters that a loop may step, and their gradients.

    embedding: width of the input vectors, 0 for one-hot input. tied: the embedding is the output weight too.
    layer_norm: what a layer hands upward is normalised. dropout, embedding_dropout, weight_dropout: the
    rates at which units, words and recurrent weights are dropped, by masks drawn from `rng`, which goes on
    being used: its state belongs to a checkpoint. cutoffs: the softmax is adaptive, see `adaptive_softmax`.
    workers (an attribute): how many blocks a batch's rows are cut into, a thread each; sums depend on it in
    their last digits.
    """

    def __init__(
        self,
        vocab_size: int,
        *,
        cell: str = "lstm",
        layers: int = 1,
        hidden: int = 256,
        embedding: int = 0,
        tied: bool = False,
        layer_norm: bool = False,
        dropout: float = 0.0,
        embedding_dropout: float = 0.0,
        weight_dropout: float = 0.0,
        cutoffs: Sequence[int] = (),
        rng: np.random.Generator,
        dtype: Any = np.float32,
    ) -> None:
        arch = Architecture(make_cell(cell), layers, hidden, embedding, tied, layer_norm, tuple(cutoffs))
        self.arch = check_architecture(arch, vocab_size)
        self.rates = Rates(
            check_rate("dropout", dropout),
            check_rate("embedding_dropout", embedding_dropout),
            check_rate("weight_dropout", weight_dropout),
        )
        if weight_dropout and "recurrent" not in arch.cell.shapes(hidden):
            raise InputError(f"weight_dropout: expected a cell with recurrent weights, got {cell}")
        self.vocab_size, self.rng, self.dtype = vocab_size, rng, dtype
        self.workers, self._threads = workers_for(dtype), RowThreads()
        self.parameters = first_parameters(arch, vocab_size, rng, dtype)

    def expect(self, counts: Integer[Array, " V"]) -> None:
        """Begin at the frequencies: with a silent network each id has its share of `counts`, all above 0."""
        for name, bias in biases_by_frequency(self.parameters, counts).items():
            self.parameters[name][...] = bias

    def start(self, batch: int) -> LayerStates:
        return start_states(self.arch, batch, self.dtype)

    def gradients(self, batch: Batch, state: LayerStates) -> Step[LayerStates]:
        """Draw the masks, then go forwards and back."""
        items = check_tokens(batch.items, self.vocab_size)
        state = reset_rows(state, batch.fresh, self.start(len(items)))
        masks = self.draw_masks(len(items))

        def work(rows: slice) -> Step[LayerStates]:
            part = Batch(batch.items[rows], batch.fresh[rows], batch.given)
            own = take_rows(state, np.arange(rows.start, rows.stop))
            return backpropagate(
                self.arch, self.parameters, part, own, masks.rows(rows), predictions=batch.labels.size
            )

        return self._threads.run(work, len(items), self.workers)

    def draw_masks(self, batch: int) -> Masks:
        """What is dropped of one batch. Every random number of a run comes from here."""
        return draw_masks(self.arch, self.rates, self.vocab_size, batch, self.rng, self.dtype)

    def model(self) -> RecurrentModel:
        copies = {name: array.copy() for name, array in self.parameters.items()}
        return RecurrentModel(self.arch, copies)


def draw_masks(
    arch: Architecture, rates: Rates, vocab_size: int, batch: int, rng: np.random.Generator, dtype: Any
) -> Masks:
    """What is dropped of a batch of so many rows, drawn in this order."""
    drawn = partial(draw_mask, rng, dtype=dtype)
    return Masks(
        words=drawn(rates.words, (vocab_size,)),
        embedded=drawn(rates.units, (batch, arch.embedding)) if arch.embedding else None,
        upward=drawn(rates.units, (arch.layers, batch, arch.hidden)),
        recurrent=drawn(rates.weights, (arch.layers, arch.hidden, arch.cell.gates * arch.hidden)),
    )


def first_parameters(
    arch: Architecture, vocab_size: int, rng: np.random.Generator, dtype: Any
) -> dict[str, Float[Array, "..."]]:
    """Every parameter as it starts out."""
    parameters: dict[str, Float[Array, "..."]] = {}
    if arch.embedding:
        parameters["embedding"] = first_embedding(arch, vocab_size, rng, dtype)
    width, gates = arch.embedding or vocab_size, arch.cell.gates * arch.hidden
    for l in range(arch.layers):
        # a one-hot vector picks a single row, and the vectors of a tied embedding are as short as output
        # weights: scaled for H inputs of variance 1 they would start out unheard
        unheard = l == 0 and (arch.tied or not arch.embedding)
        parameters[f"layer{l}.input"] = (
            rng.normal(0, TIED_SCALE if arch.tied else ONE_HOT_SCALE, (width, gates)).astype(dtype)
            if unheard
            else uniform(rng, (width, gates), arch.hidden, dtype)
        )
        parameters[f"layer{l}.bias"] = arch.cell.bias(arch.hidden, dtype)
        own = arch.cell.weights(arch.hidden, rng, dtype)
        if arch.layer_norm:
            own |= {GAIN: np.ones(arch.hidden, dtype), BIAS: np.zeros(arch.hidden, dtype)}
        parameters |= {f"layer{l}.{name}": array for name, array in own.items()}
        width = arch.hidden
    for name, shape in output_shapes(arch.hidden, vocab_size, tied=arch.tied, cutoffs=arch.cutoffs).items():
        bias = len(shape) == 1
        parameters[name] = np.zeros(shape, dtype) if bias else uniform(rng, shape, shape[0], dtype)
    return parameters


def first_embedding(
    arch: Architecture, vocab_size: int, rng: np.random.Generator, dtype: Any
) -> Float[Array, "V D"]:
    """N(0, 1); tied, of the size of an output weight, or the first predictions would be far too sure."""
    if arch.tied:
        return uniform(rng, (vocab_size, arch.embedding), arch.hidden, dtype)
    return rng.normal(0, 1, (vocab_size, arch.embedding)).astype(dtype)
