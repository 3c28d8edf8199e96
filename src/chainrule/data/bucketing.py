"""Sequences of unequal length into batches of nearly equal ones, padded and masked.

Shape letters: B batch, T time, N sequences.
"""

from collections.abc import Iterator, Sequence

import numpy as np
from jaxtyping import Int64, Integer

from chainrule.core import Batch, InputError

Array = np.ndarray
Ids = Integer[Array, " _"]
NEAR = 50  # batches whose sequences are sorted among each other: near enough in length, and still by chance


def pad(sequences: Sequence[Ids], fill: int = 0) -> tuple[Int64[Array, "B T"], Int64[Array, " B"]]:
    """The sequences as rows, filled up at their ends, and how long each of them is."""
    lengths = np.array([len(sequence) for sequence in sequences], np.int64)
    rows = np.full((len(sequences), int(lengths.max(initial=0))), fill, np.int64)
    for row, sequence in zip(rows, sequences, strict=True):
        row[: len(sequence)] = sequence
    return rows, lengths


def bucketed_batches(
    sequences: Sequence[Ids],
    targets: Integer[Array, " N"] | Sequence[Ids],
    batch: int,
    rng: np.random.Generator,
) -> Iterator[Batch]:
    """One epoch: every sequence once, in batches of like length, in random order.

    targets: a label for each sequence, or, as a sequence of arrays, one for each of its tokens. What has no
    token is left out. Raises InputError where sequences and targets do not match.
    """
    if batch < 1:
        raise InputError(f"batch: expected at least 1, got {batch}")
    if len(sequences) != len(targets):
        raise InputError(f"targets: expected one for each of {len(sequences)} sequences, got {len(targets)}")
    lengths = np.array([len(sequence) for sequence in sequences], np.int64)
    order = rng.permutation(np.flatnonzero(lengths))
    batches: list[Integer[Array, " R"]] = []
    for at in range(0, len(order), batch * NEAR):
        near = order[at : at + batch * NEAR]
        near = near[np.argsort(lengths[near], kind="stable")]
        batches += [near[first : first + batch] for first in range(0, len(near), batch)]
    for chosen in rng.permutation(len(batches)):
        rows = batches[chosen]
        items, sizes = pad([sequences[i] for i in rows])
        labels = (
            targets[rows] if isinstance(targets, np.ndarray) else pad([targets[i] for i in rows.tolist()])[0]
        )
        mask = np.arange(items.shape[1]) < sizes[:, None]
        yield Batch(items, np.ones(len(rows), bool), mask=mask, targets=labels)
