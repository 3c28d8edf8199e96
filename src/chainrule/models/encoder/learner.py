"""An encoder in training: parameters as they start out or as a language model left them; their gradients.

    L = mean of -log p(y | x_1..x_n) over the sequences of a batch, or over their tokens

Shape letters: B batch, T time, V vocabulary, H hidden, W = directions times H, C labels.
"""

from typing import Any

import numpy as np
from jaxtyping import Float, Integer

from chainrule.core import Batch, InputError, Step
from chainrule.kernels.softmax import softmax_layer
from chainrule.models.encoder.heads import EACH, make_head, present
from chainrule.models.encoder.model import Encoder, check_sequences
from chainrule.models.encoder.network import (
    DIRECTIONS,
    OUTPUT,
    Design,
    Parameters,
    back_through,
    check_design,
    encode,
    shapes,
    stack_of,
)
from chainrule.models.recurrent.cell import uniform
from chainrule.models.recurrent.dropout import Masks, Rates, check_rate
from chainrule.models.recurrent.learner import draw_masks, first_parameters
from chainrule.models.recurrent.model import RecurrentModel
from chainrule.models.recurrent.network import Architecture, make_cell
from chainrule.models.rows import RowThreads, workers_for

Array = np.ndarray
NO_STATE: tuple[()] = ()


class EncoderLearner:
    """Parameters that a loop may step, and their gradients. A batch has `targets`, [B], or [B, T] of the head
    `each`, and a `mask` where its rows are padded.

    head: mean, last, max (a label for each sequence), each (one for each token). embedding: width of the
    input vectors, 0 for one-hot input. dropout, embedding_dropout, weight_dropout: of units (of the embedded
    input and of what is handed upward, to the softmax too), whole words and recurrent weights, drawn from
    `rng`, see `RecurrentLearner`. workers (an attribute): blocks of rows, a thread each.
    """

    def __init__(
        self,
        vocab_size: int,
        classes: int,
        *,
        head: str = "max",
        cell: str = "gru",
        layers: int = 1,
        hidden: int = 128,
        embedding: int = 128,
        bidirectional: bool = True,
        layer_norm: bool = False,
        dropout: float = 0.0,
        embedding_dropout: float = 0.0,
        weight_dropout: float = 0.0,
        rng: np.random.Generator,
        dtype: Any = np.float32,
    ) -> None:
        stack = Architecture(make_cell(cell), layers, hidden, embedding, layer_norm=layer_norm)
        design = Design(stack, DIRECTIONS if bidirectional else DIRECTIONS[:1], make_head(head))
        self.design = check_design(design, vocab_size, classes)
        self.rates = Rates(
            check_rate("dropout", dropout),
            check_rate("embedding_dropout", embedding_dropout),
            check_rate("weight_dropout", weight_dropout),
        )
        if weight_dropout and "recurrent" not in stack.cell.shapes(hidden):
            raise InputError(f"weight_dropout: expected a cell with recurrent weights, got {cell}")
        self.vocab_size, self.classes, self.rng, self.dtype = vocab_size, classes, rng, dtype
        self.workers, self._threads = workers_for(dtype), RowThreads()
        self.parameters = _first(self.design, vocab_size, classes, rng, dtype)

    def begin_with(self, model: RecurrentModel, direction: str = "forward") -> None:
        """Take a language model's layers for a direction, and its embedding (Dai & Le 2015). One that reads
        texts from their ends is for `backward`; the embedding is then that of the model that was taken last.

        Raises InputError unless it reads the same vocabulary and is built as a direction is.
        """
        if direction not in self.design.directions:
            named = " or ".join(self.design.directions)
            raise InputError(f"direction: expected {named}, got {direction!r}")
        own = stack_of(self.parameters, direction)
        given = {name: array for name, array in model.parameters.items() if name in own}
        expected, found = ({n: a.shape for n, a in arrays.items()} for arrays in (own, given))
        if model.arch.cell.name != self.design.stack.cell.name or expected != found:
            raise InputError(
                f"language model: expected a {self.design.stack.cell.name} of arrays {expected}, "
                f"got a {model.arch.cell.name} of {found}"
            )
        for name, array in given.items():
            own[name][...] = array

    def start(self, batch: int) -> tuple[()]:
        """Nothing is carried from one batch to the next."""
        del batch
        return NO_STATE

    def gradients(self, batch: Batch, state: tuple[()]) -> Step[tuple[()]]:
        """Draw the masks, then go forwards and back."""
        lengths, targets = self._read(batch)
        count = int(lengths.sum()) if self.design.head is EACH else len(lengths)
        masks = self.draw_masks(len(lengths))

        def work(rows: slice) -> Step[tuple[()]]:
            steps = max(1, int(lengths[rows].max()))
            own = {direction: mask.rows(rows) for direction, mask in masks.items()}
            ids, labels = batch.items[rows, :steps], targets[rows]
            if self.design.head is EACH:
                labels = labels[:, :steps][present(lengths[rows], steps)]
            made = backpropagate(self.design, self.parameters, ids, lengths[rows], labels, own, count)
            return Step(made[0], len(labels), made[1], state)

        return self._threads.run(work, len(lengths), self.workers)

    def draw_masks(self, batch: int) -> dict[str, Masks]:
        """What is dropped of one batch, by direction: of the input the same for both."""
        rates, dtype = self.rates, self.dtype
        drawn = {
            direction: draw_masks(self.design.stack, rates, self.vocab_size, batch, self.rng, dtype)
            for direction in self.design.directions
        }
        first = drawn["forward"]
        return {d: mask._replace(words=first.words, embedded=first.embedded) for d, mask in drawn.items()}

    def model(self) -> Encoder:
        copies = {name: array.copy() for name, array in self.parameters.items()}
        return Encoder(self.design, copies, self.vocab_size)

    def _read(self, batch: Batch) -> tuple[Integer[Array, " B"], Integer[Array, "B ..."]]:
        """The lengths of the rows and their labels; raises InputError for what makes no sense."""
        ids, targets = batch.items, batch.targets
        if not ids.size:
            raise InputError(f"batch: expected at least a row and a token, got {ids.shape}")
        lengths = np.full(len(ids), ids.shape[1]) if batch.mask is None else batch.mask.sum(axis=1)
        if batch.mask is not None and not np.array_equal(batch.mask, present(lengths, ids.shape[1])):
            raise InputError("mask: expected padding at the ends of rows alone, got some before a token")
        check_sequences(ids, lengths, self.vocab_size)
        shape = ids.shape if self.design.head is EACH else ids.shape[:1]
        if targets is None or targets.shape != shape:
            got = None if targets is None else targets.shape
            raise InputError(f"targets: expected labels {shape}, got {got}")
        counted = targets[present(lengths, ids.shape[1])] if self.design.head is EACH else targets
        if counted.size and (counted.min() < 0 or counted.max() >= self.classes):
            wrong = counted[(counted < 0) | (counted >= self.classes)][0]
            raise InputError(f"targets: expected labels in 0..{self.classes - 1}, got {wrong}")
        return lengths, targets


def backpropagate(
    design: Design,
    parameters: Parameters,
    ids: Integer[Array, "B T"],
    lengths: Integer[Array, " B"],
    labels: Integer[Array, " N"],
    masks: dict[str, Masks],
    predictions: int,
) -> tuple[float, dict[str, Float[Array, "..."]]]:
    """Summed nats of the labels, and by name the gradients of nats / predictions."""
    encoded = encode(design, parameters, ids, lengths, masks)
    weight, bias = (parameters[name] for name in OUTPUT)
    nats, d_rows, d_weight, d_bias = softmax_layer(encoded.rows, weight, bias, labels, predictions)
    gradients = back_through(design, parameters, encoded, d_rows, lengths, masks)
    return nats, gradients | {OUTPUT[0]: d_weight, OUTPUT[1]: d_bias}


def _first(
    design: Design, vocab_size: int, classes: int, rng: np.random.Generator, dtype: Any
) -> dict[str, Float[Array, "..."]]:
    """Each direction as a fresh recurrent network; the output as its is."""
    made: dict[str, Float[Array, "..."]] = {}
    for direction in design.directions:
        own = first_parameters(design.stack, vocab_size, rng, dtype)
        if "embedding" in own:
            made.setdefault("embedding", own["embedding"])
        made |= {f"{direction}.{name}": a for name, a in own.items() if name.startswith("layer")}
    made[OUTPUT[0]] = uniform(rng, (design.width, classes), design.width, dtype)
    made[OUTPUT[1]] = np.zeros(classes, dtype)
    return {name: made[name] for name in shapes(design, vocab_size, classes)}
