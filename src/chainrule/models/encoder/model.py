"""A trained encoder: log-probabilities of labels for whole sequences, and what decided.

Shape letters: B batch, T time, V vocabulary, C labels.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from jaxtyping import Float, Float64, Integer

from chainrule.core import FileFormatError, InputError, check_tokens, check_weights
from chainrule.kernels.gemm import matmul
from chainrule.kernels.native import in_threads
from chainrule.kernels.softmax import log_softmax
from chainrule.models.encoder.heads import EACH, make_head, present
from chainrule.models.encoder.network import DIRECTIONS, OUTPUT, Design, check_design, encode, shapes
from chainrule.models.recurrent.network import Architecture, make_cell

Array = np.ndarray
BLOCK = 1 << 13  # tokens that are read at once
TABLE = 1 << 24  # numbers of the largest table of input products
SETTINGS = ("layers", "hidden", "embedding", "layer_norm")


@dataclass(frozen=True, eq=False)
class Encoder:
    """The trained network; it keeps no state, for it speaks when all was read."""

    design: Design
    parameters: dict[str, Float[Array, "..."]]
    vocab_size: int

    @property
    def classes(self) -> int:
        """C, the number of labels."""
        return len(self.parameters[OUTPUT[1]])

    def predict(self, ids: Integer[Array, "B T"], lengths: Integer[Array, " B"]) -> Float64[Array, "B ... C"]:
        """Log-probabilities in nats: a row for each sequence, or, of the head `each`, for each of its tokens.

        lengths: how many ids of each row count; the others may be anything in 0..V-1. Of a token that does
        not count every label is as likely. Rows are read in blocks of like length, so their order is free.
        Raises InputError for ids or lengths out of range.
        """
        check_sequences(ids, lengths, self.vocab_size)
        each = self.design.head is EACH
        shape = (*ids.shape, self.classes) if each else (len(ids), self.classes)
        out = np.full(shape, -np.log(self.classes))
        order = np.argsort(lengths, kind="stable")

        def one(rows: Integer[Array, " R"]) -> None:
            steps = max(1, int(lengths[rows].max()))
            block = ids[rows, :steps] if ids.shape[1] else np.zeros((len(rows), 1), ids.dtype)
            read = encode(*self._reader, block, lengths[rows]).rows
            logits = matmul(read, self.parameters[OUTPUT[0]])
            logits += self.parameters[OUTPUT[1]]
            if each:
                there = present(lengths[rows], ids.shape[1])
                row, step = np.nonzero(there)
                out[rows[row], step] = log_softmax(logits)
            else:
                out[rows] = log_softmax(logits)

        in_threads(one, [(rows,) for rows in blocks_of(order, lengths)])
        return out

    @cached_property
    def _reader(self) -> tuple[Design, dict[str, Float[Array, "..."]]]:
        """The same network with embedding and input weight multiplied beforehand, unless the table would be
        large: to read an id is then to look up a row, which is half of the work of one layer."""
        stack = self.design.stack
        numbers = self.vocab_size * stack.cell.gates * stack.hidden * len(self.design.directions)
        if not stack.embedding or numbers > TABLE:
            return self.design, self.parameters
        embedding = self.parameters["embedding"]
        inputs = [f"{direction}.layer0.input" for direction in self.design.directions]
        tables = {name: matmul(embedding, self.parameters[name]) for name in inputs}
        kept = {name: array for name, array in self.parameters.items() if name != "embedding"}
        return self.design._replace(stack=stack._replace(embedding=0)), kept | tables

    def to_arrays(self) -> tuple[dict[str, Any], dict[str, Array]]:
        """What a file keeps: settings and parameters."""
        stack = self.design.stack
        settings = {name: getattr(stack, name) for name in SETTINGS}
        own = {"cell": stack.cell.name, "head": self.design.head.name}
        return (
            settings | own | {"directions": len(self.design.directions), "vocab_size": self.vocab_size},
            dict(self.parameters),
        )

    @classmethod
    def from_arrays(cls, settings: dict[str, Any], arrays: dict[str, Array]) -> "Encoder":
        """What `to_arrays` gave; raises FileFormatError for what makes no encoder."""
        numbers = {name: settings[name] for name in (*SETTINGS[:3], "directions", "vocab_size")}
        if not all(type(number) is int and number >= 0 for number in numbers.values()):
            raise FileFormatError(f"encoder: expected whole numbers, got {numbers}")
        if not isinstance(settings["layer_norm"], bool):
            raise FileFormatError(f"encoder: expected true or false, got {settings['layer_norm']!r}")
        if not 1 <= numbers["layers"] <= len(arrays):  # a layer has arrays of its own
            raise FileFormatError(f"encoder: expected layers with arrays, got {numbers['layers']}")
        if OUTPUT[1] not in arrays or arrays[OUTPUT[1]].ndim != 1:
            raise FileFormatError(f"encoder: expected the array {OUTPUT[1]}")
        directions, vocab_size = numbers.pop("directions"), numbers.pop("vocab_size")
        classes = len(arrays[OUTPUT[1]])
        try:
            cell = make_cell(settings["cell"])
            stack = Architecture(cell, **numbers, layer_norm=settings["layer_norm"])
            design = Design(stack, DIRECTIONS[:directions], make_head(settings["head"]))
            check_design(design, vocab_size, classes)
        except InputError as error:
            raise FileFormatError(f"encoder: {error}") from error
        if {name: array.shape for name, array in arrays.items()} != shapes(design, vocab_size, classes):
            raise FileFormatError("encoder: the shapes of its arrays do not fit together")
        check_weights(arrays)
        return cls(design, arrays, vocab_size)


def check_sequences(ids: Integer[Array, "B T"], lengths: Integer[Array, " B"], vocab_size: int) -> None:
    """Raises InputError for ids outside 0..V-1 and lengths outside 0..T."""
    check_tokens(ids, vocab_size)
    if len(lengths) and (lengths.min() < 0 or lengths.max() > ids.shape[1]):
        row = int(np.flatnonzero((lengths < 0) | (lengths > ids.shape[1]))[0])
        raise InputError(f"lengths: expected 0..{ids.shape[1]}, got {lengths[row]} at row {row}")


def blocks_of(order: Integer[Array, " B"], lengths: Integer[Array, " B"]) -> list[Integer[Array, " R"]]:
    """Rows, sorted by length, in blocks of at most BLOCK padded tokens, or of one row."""
    blocks: list[Integer[Array, " R"]] = []
    at = 0
    while at < len(order):
        end = at + 1
        while end < len(order) and (end + 1 - at) * max(1, int(lengths[order[end]])) <= BLOCK:
            end += 1
        blocks.append(order[at:end])
        at = end
    return blocks


def contributions(encoder: Encoder, ids: Integer[Array, " T"], label: int) -> Float64[Array, " T"]:
    """What each token adds to log p(label) of a sequence, in nats: how much is lost where it alone is left
    out (Li 2016). Negative: it speaks for another label.

    T + 1 sequences are read, so this is for a few texts, not for all of them. Raises InputError for a label
    that there is not, and for an encoder that labels each token.
    """
    if encoder.design.head is EACH:
        raise InputError("contributions: expected an encoder that labels whole sequences, got one of tokens")
    if not 0 <= label < encoder.classes:
        raise InputError(f"label: expected 0..{encoder.classes - 1}, got {label}")
    count = len(ids)
    if not count:
        return np.empty(0)
    whole = encoder.predict(ids[None], np.array([count]))[0, label]
    kept = np.arange(count - 1)
    less = np.stack([ids[kept + (kept >= t)] for t in range(count)])
    return whole - encoder.predict(less, np.full(count, count - 1))[:, label]
