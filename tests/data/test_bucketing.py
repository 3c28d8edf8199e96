"""Sequences of unequal length in batches: nothing is lost, nothing twice, padding is marked."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chainrule.core import InputError
from chainrule.data.bucketing import bucketed_batches, pad


@given(st.lists(st.integers(0, 9), min_size=1, max_size=40), st.integers(1, 7), st.booleans())
def test_an_epoch_has_every_sequence_once(lengths: list[int], batch: int, each: bool) -> None:
    """A sequence's tokens and labels are its number, so that it is known wherever it stands."""
    sequences = [np.full(length, at + 1) for at, length in enumerate(lengths)]
    targets = sequences if each else np.arange(1, len(lengths) + 1)
    seen: list[int] = []
    for made in bucketed_batches(sequences, targets, batch, np.random.default_rng(0)):
        assert made.mask is not None
        assert made.targets is not None
        assert made.fresh.all()
        assert 1 <= len(made.items) <= batch
        assert made.mask.shape[1] == made.mask.sum(axis=1).max()  # no wider than need be
        for row, own in zip(made.items, made.mask, strict=True):
            number = int(row[0])
            assert row[own].tolist() == sequences[number - 1].tolist()
            seen.append(number)
        labels = made.targets[:, 0] if each else made.targets
        np.testing.assert_array_equal(labels, made.items[:, 0])
    assert sorted(seen) == [at + 1 for at, length in enumerate(lengths) if length]


def test_a_batch_is_of_like_length() -> None:
    rng = np.random.default_rng(0)
    sequences = [np.zeros(length, int) for length in rng.integers(1, 200, size=1000)]
    batches = list(bucketed_batches(sequences, np.zeros(1000, int), 20, rng))
    padded = sum(made.items.size for made in batches)
    assert padded < 1.1 * sum(map(len, sequences))


def test_padding() -> None:
    rows, lengths = pad([np.array([1, 2]), np.array([], int), np.array([3])], fill=9)
    assert rows.tolist() == [[1, 2], [9, 9], [3, 9]]
    assert lengths.tolist() == [2, 0, 1]
    assert pad([])[0].shape == (0, 0)


def test_what_does_not_fit() -> None:
    rng = np.random.default_rng(0)
    with pytest.raises(InputError, match="one for each of 1 sequences, got 2"):
        next(bucketed_batches([np.array([1])], np.array([0, 1]), 1, rng))
    with pytest.raises(InputError, match="batch: expected at least 1"):
        next(bucketed_batches([np.array([1])], np.array([0]), 0, rng))
