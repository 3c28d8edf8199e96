"""What of the vectors of a sequence is labelled: a summary of all of them, or each one.

    mean  c = sum_t h_t / n        last  c = h_n        max  c_i = max_t h_ti        each  c_t = h_t

over the n tokens that are there; a padded step is none of them. A sequence without a token has the summary 0.
The last vector of a direction is the one that has read everything: of the backward one, at the first token.

Shape letters: T time, B batch, H hidden, N rows that are labelled (B, or the tokens of all rows).
"""

from typing import Any, NamedTuple, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float, Integer

from chainrule.core import InputError

Array = np.ndarray
Vectors = Float[Array, "T B H"]
Lengths = Integer[Array, " B"]


class Taken(NamedTuple):
    """rows: what is labelled. tape: what the way back needs."""

    rows: Float[Array, "N H"]
    tape: Any


@runtime_checkable
class Head(Protocol):
    """A value without parameters. Vectors stand in the order of time, padding at the end."""

    @property
    def name(self) -> str: ...
    def forward(self, vectors: Vectors, lengths: Lengths) -> Taken: ...
    def backward(self, d_rows: Float[Array, "N H"], vectors: Vectors, lengths: Lengths, tape: Any) -> Vectors:
        """The gradient by the vectors: 0 where a row was padded."""
        ...


class Mean:
    name = "mean"

    def forward(self, vectors: Vectors, lengths: Lengths) -> Taken:
        return Taken(np.einsum("tbh,tb->bh", vectors, _shares(vectors, lengths)), None)

    def backward(self, d_rows: Float[Array, "N H"], vectors: Vectors, lengths: Lengths, tape: Any) -> Vectors:
        del tape
        return d_rows[None] * _shares(vectors, lengths)[..., None]


class Last:
    name = "last"

    def forward(self, vectors: Vectors, lengths: Lengths) -> Taken:
        rows = vectors[np.maximum(lengths, 1) - 1, np.arange(len(lengths))]
        rows[lengths == 0] = 0
        return Taken(rows, None)

    def backward(self, d_rows: Float[Array, "N H"], vectors: Vectors, lengths: Lengths, tape: Any) -> Vectors:
        del tape
        d_vectors = np.zeros_like(vectors)
        some = np.flatnonzero(lengths)
        d_vectors[lengths[some] - 1, some] = d_rows[some]
        return d_vectors


class Max:
    """Where several steps are the largest, the first of them has the gradient."""

    name = "max"

    def forward(self, vectors: Vectors, lengths: Lengths) -> Taken:
        there = present(lengths, len(vectors)).T[..., None]
        seen = np.where(there, vectors, -np.inf).astype(vectors.dtype, copy=False)
        where = seen.argmax(axis=0)
        rows = np.take_along_axis(vectors, where[None], axis=0)[0]
        rows[lengths == 0] = 0
        return Taken(rows, where)

    def backward(self, d_rows: Float[Array, "N H"], vectors: Vectors, lengths: Lengths, tape: Any) -> Vectors:
        d_vectors = np.zeros_like(vectors)
        np.put_along_axis(d_vectors, tape[None], np.where(lengths[:, None] > 0, d_rows, 0)[None], axis=0)
        return d_vectors


class Each:
    """The rows stand sequence by sequence, each in the order of time."""

    name = "each"

    def forward(self, vectors: Vectors, lengths: Lengths) -> Taken:
        return Taken(vectors.transpose(1, 0, 2)[present(lengths, len(vectors))], None)

    def backward(self, d_rows: Float[Array, "N H"], vectors: Vectors, lengths: Lengths, tape: Any) -> Vectors:
        del tape
        d_vectors = np.zeros_like(vectors)
        d_vectors.transpose(1, 0, 2)[present(lengths, len(vectors))] = d_rows
        return d_vectors


POOLINGS: tuple[Head, ...] = (Mean(), Last(), Max())
EACH = Each()
HEADS = tuple(head.name for head in (*POOLINGS, EACH))


def make_head(name: str) -> Head:
    """The head of that name; raises InputError for another."""
    for head in (*POOLINGS, EACH):
        if head.name == name:
            return head
    raise InputError(f"head: expected one of {', '.join(HEADS)}, got {name!r}")


def present(lengths: Lengths, steps: int) -> Array:
    """Whether there is a token: bool [B, T]."""
    return np.arange(steps) < lengths[:, None]


def _shares(vectors: Vectors, lengths: Lengths) -> Float[Array, "T B"]:
    there = present(lengths, len(vectors)).T
    return (there / np.maximum(lengths, 1)).astype(vectors.dtype)
