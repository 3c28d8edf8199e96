"""A recurrent network in training: parameters as they start out, and one batch's gradients.

    L = mean over predictions of -log p(x_t | x_<t)

Shape letters: B batch, T time, V vocabulary, D input width, H hidden, G = gates times H.
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import Any

import numpy as np
from jaxtyping import Float, Integer

from chainrule.core import Batch, InputError, Step, check_tokens, join_rows, reset_rows, take_rows
from chainrule.kernels.native import cores, instructions
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

Array = np.ndarray
ONE_HOT_SCALE = 0.7


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
        self.workers = cores() if np.dtype(dtype) == np.float32 and instructions() else 1
        self._pool: ThreadPoolExecutor | None = None
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
        if min(self.workers, len(items)) < 2:
            return backpropagate(self.arch, self.parameters, batch, state, masks)
        return self._in_blocks(batch, state, masks)

    def _in_blocks(self, batch: Batch, state: LayerStates, masks: Masks) -> Step[LayerStates]:
        """Rows apart, a thread a block, which meets the others at the end and nowhere before: beside a busy
        process a step waits for its slowest thread once, not once a product."""
        bounds = np.linspace(0, len(batch.items), min(self.workers, len(batch.items)) + 1).astype(int)

        def work(rows: slice) -> Step[LayerStates]:
            part = Batch(batch.items[rows], batch.fresh[rows], batch.given)
            own = take_rows(state, np.arange(rows.start, rows.stop))
            return backpropagate(
                self.arch, self.parameters, part, own, masks.rows(rows), predictions=batch.labels.size
            )

        first, *others = (slice(int(low), int(high)) for low, high in pairwise(bounds))
        running = [self._threads().submit(work, rows) for rows in others]
        done = [work(first), *(future.result() for future in running)]
        return joined(done)

    def _threads(self) -> ThreadPoolExecutor:
        """Kept from step to step: to start one takes as long as a small product."""
        if self._pool is None:
            self._pool = ThreadPoolExecutor(self.workers - 1)
        return self._pool

    def draw_masks(self, batch: int) -> Masks:
        """What is dropped of one batch. Every random number of a run comes from here, in this order."""
        arch, rates = self.arch, self.rates

        def drawn(rate: float, *shape: int) -> Float[Array, "..."] | None:
            return draw_mask(self.rng, rate, shape, self.dtype)

        return Masks(
            words=drawn(rates.words, self.vocab_size),
            embedded=drawn(rates.units, batch, arch.embedding) if arch.embedding else None,
            upward=drawn(rates.units, arch.layers, batch, arch.hidden),
            recurrent=drawn(rates.weights, arch.layers, arch.hidden, arch.cell.gates * arch.hidden),
        )

    def model(self) -> RecurrentModel:
        copies = {name: array.copy() for name, array in self.parameters.items()}
        return RecurrentModel(self.arch, copies)


def joined(blocks: list[Step[LayerStates]]) -> Step[LayerStates]:
    """The step of a batch from those of its blocks of rows, in their order; the first one's gradients are
    added to in place."""
    gradients = blocks[0].gradients
    for block in blocks[1:]:
        for name, gradient in block.gradients.items():
            gradients[name] += gradient
    states = join_rows([block.state for block in blocks])
    return Step(sum(b.nats for b in blocks), sum(b.count for b in blocks), gradients, states)


def first_parameters(
    arch: Architecture, vocab_size: int, rng: np.random.Generator, dtype: Any
) -> dict[str, Float[Array, "..."]]:
    """Every parameter as it starts out."""
    parameters: dict[str, Float[Array, "..."]] = {}
    if arch.embedding:
        parameters["embedding"] = first_embedding(arch, vocab_size, rng, dtype)
    width, gates = arch.embedding or vocab_size, arch.cell.gates * arch.hidden
    for l in range(arch.layers):
        parameters[f"layer{l}.input"] = (
            uniform(rng, (width, gates), arch.hidden, dtype)
            if l or arch.embedding
            # a one-hot vector picks a single row: scaled for H inputs it would start out unheard
            else rng.normal(0, ONE_HOT_SCALE, (width, gates)).astype(dtype)
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
