"""One sequence into parts and batches: no label twice, none out of reach, none across a split.

The tokens are their own places, so that every law can be read off a batch.
"""

import itertools
from collections.abc import Callable, Iterator

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chainrule.core import Batch, InputError
from chainrule.data.partition import random_batches, sequential_batches, split_bounds

Batches = Callable[[np.ndarray, int, int, np.random.Generator], Iterator[Batch]]
both = pytest.mark.parametrize("batches", [random_batches, sequential_batches])


@st.composite
def cases(draw: st.DrawFn, most: int = 90) -> tuple[np.ndarray, int, int]:
    """Tokens, batch and steps; short texts are likely, down to a single window."""
    steps = draw(st.integers(1, 7))
    length = draw(st.integers(steps + 1, 3 * steps + 3) | st.integers(steps + 1, most))
    return np.arange(length, dtype=np.int32), draw(st.integers(1, 7)), steps


def rng(seed: int) -> np.random.Generator:
    return np.random.default_rng(seed)


SEEDS = st.integers(0, 2**32)


@both
@given(case=cases(), seed=SEEDS)
def test_a_token_is_a_label_at_most_once_an_epoch(
    batches: Batches, case: tuple[np.ndarray, int, int], seed: int
) -> None:
    tokens, batch, steps = case
    labels = np.concatenate([b.labels.ravel() for b in batches(tokens, batch, steps, rng(seed))])
    assert len(labels) > 0
    assert len(np.unique(labels)) == len(labels)
    assert labels.min() > 0  # the first token has nothing before it


@both
@given(case=cases(), seed=SEEDS)
def test_labels_are_the_items_shifted_by_one(
    batches: Batches, case: tuple[np.ndarray, int, int], seed: int
) -> None:
    tokens, batch, steps = case
    for b in batches(tokens, batch, steps, rng(seed)):
        assert b.given == 1
        assert 1 <= b.items.shape[0] <= batch
        assert 2 <= b.items.shape[1] <= steps + 1
        assert b.fresh.shape == b.items.shape[:1]
        assert b.items.dtype == tokens.dtype
        assert np.array_equal(b.labels, b.read + 1)


@both
@given(case=cases(most=40))
def test_over_the_offsets_every_token_is_reached(batches: Batches, case: tuple[np.ndarray, int, int]) -> None:
    tokens, batch, steps = case
    reached = {
        int(label)
        for seed in range(150)  # at most 7 offsets: to miss one is less likely than 1e-9
        for b in batches(tokens, batch, steps, rng(seed))
        for label in b.labels.ravel()
    }
    assert reached == set(range(1, len(tokens)))


@both
@given(case=cases(), seed=SEEDS)
def test_an_epoch_leaves_out_less_than_its_offset_and_a_tail(
    batches: Batches, case: tuple[np.ndarray, int, int], seed: int
) -> None:
    tokens, batch, steps = case
    labels = sum(b.labels.size for b in batches(tokens, batch, steps, rng(seed)))
    assert len(tokens) - 1 - labels <= 2 * (max(batch, steps) - 1)


@both
@given(case=cases(), seed=SEEDS)
def test_an_epoch_repeats_by_its_seed(batches: Batches, case: tuple[np.ndarray, int, int], seed: int) -> None:
    tokens, batch, steps = case
    one, other = ([b.items.tolist() for b in batches(tokens, batch, steps, rng(seed))] for _ in range(2))
    assert one == other


@both
@given(
    length=st.integers(30, 200), valid=st.floats(0.1, 0.3), test=st.floats(0.1, 0.3), seed=SEEDS,
    batch=st.integers(1, 4),
)  # fmt: skip
def test_nothing_crosses_a_split(
    batches: Batches, length: int, valid: float, test: float, seed: int, batch: int
) -> None:
    tokens = np.arange(length)
    ends = split_bounds(length, valid, test)
    starts = (0, ends.train, ends.valid)
    for start, end in zip(starts, ends, strict=True):
        part = tokens[start:end]
        for b in batches(part, batch, min(3, len(part) - 1), rng(seed)):
            assert b.items.min() >= start
            assert b.items.max() < end
            assert b.labels.min() > start


@given(case=cases(), seed=SEEDS)
def test_sequential_rows_continue_those_of_the_batch_before(
    case: tuple[np.ndarray, int, int], seed: int
) -> None:
    tokens, batch, steps = case
    epoch = list(sequential_batches(tokens, batch, steps, rng(seed)))
    assert epoch[0].fresh.all()
    for before, after in itertools.pairwise(epoch):
        assert not after.fresh.any()
        assert before.items.shape[1] == steps + 1  # only the last may be shorter
        assert np.array_equal(before.items[:, -1], after.items[:, 0])


@given(case=cases(), seed=SEEDS)
def test_sequential_rows_are_equal_stretches_one_after_the_other(
    case: tuple[np.ndarray, int, int], seed: int
) -> None:
    tokens, batch, steps = case
    epoch = list(sequential_batches(tokens, batch, steps, rng(seed)))
    labels = np.concatenate([b.labels for b in epoch], axis=1)
    assert len(labels) == min(batch, (len(tokens) - 1) // steps)
    first = labels[0, 0]
    assert np.array_equal(labels.ravel(), np.arange(first, first + labels.size))


@given(case=cases(), seed=SEEDS)
def test_random_windows_all_start_anew(case: tuple[np.ndarray, int, int], seed: int) -> None:
    tokens, batch, steps = case
    epoch = list(random_batches(tokens, batch, steps, rng(seed)))
    assert all(b.fresh.all() and b.items.shape[1] == steps + 1 for b in epoch)
    assert all(len(b.items) == batch for b in epoch[:-1])
    starts = np.concatenate([b.items[:, 0] for b in epoch])
    assert len(np.unique(starts % steps)) == 1  # windows side by side from one offset


def test_random_windows_come_in_random_order() -> None:
    orders = set()
    for seed in range(20):
        starts = [int(s) for b in random_batches(np.arange(41), 2, 4, rng(seed)) for s in b.items[:, 0]]
        orders.add(tuple(s // 4 for s in starts))
        assert starts != sorted(starts)
    assert len(orders) > 15


@both
def test_the_offset_is_random(batches: Batches) -> None:
    firsts = set()
    for seed in range(100):
        epoch = batches(np.arange(101), 2, 5, rng(seed))
        firsts.add(min(int(b.items.min()) for b in epoch))
    assert firsts == {0, 1, 2, 3, 4}


@both
def test_a_text_of_one_window_is_one_batch(batches: Batches) -> None:
    (only,) = batches(np.arange(6), 1, 5, rng(0))
    assert only.items.tolist() == [[0, 1, 2, 3, 4, 5]]
    assert only.fresh.tolist() == [True]


@given(case=cases(), seed=SEEDS)
def test_no_offset_eats_the_only_window_of_a_row(case: tuple[np.ndarray, int, int], seed: int) -> None:
    tokens, batch, steps = case
    epoch = list(sequential_batches(tokens, batch, steps, rng(seed)))
    assert epoch[0].labels.shape[1] == steps


@both
@pytest.mark.parametrize("length", [0, 1, 5])
def test_a_text_shorter_than_a_window_is_refused(batches: Batches, length: int) -> None:
    expected = rf"expected at least 6 tokens \(one window of 5 and its label\), got {length}"
    with pytest.raises(InputError, match=expected):
        list(batches(np.arange(length), 2, 5, rng(0)))


@both
@pytest.mark.parametrize(("batch", "steps", "name"), [(0, 5, "batch"), (2, 0, "steps"), (2, -1, "steps")])
def test_sizes_below_one_are_refused(batches: Batches, batch: int, steps: int, name: str) -> None:
    with pytest.raises(InputError, match=f"{name}: expected at least 1, got {min(batch, steps)}"):
        list(batches(np.arange(20), batch, steps, rng(0)))


FRACTIONS = st.floats(0, 1, exclude_max=True)


@given(st.integers(0, 2000), FRACTIONS, FRACTIONS)
def test_parts_are_contiguous_and_of_the_size_asked_for(length: int, valid: float, test: float) -> None:
    ends = split_bounds(length, valid, test)
    assert 0 <= ends.train <= ends.valid <= ends.test == length
    assert abs((ends.test - ends.valid) - length * test) < 1 + 1e-6
    assert abs((ends.valid - ends.train) - ends.valid * valid) < 1 + 1e-6


@given(st.integers(0, 10_000))
def test_no_part_asked_for_is_no_part(length: int) -> None:
    assert split_bounds(length, 0, 0) == (length, length, length)


def test_the_split_of_every_figure() -> None:
    assert split_bounds(1_115_394, 0.1, 0.1) == (903_468, 1_003_854, 1_115_394)
    assert split_bounds(1_115_394, 0, 0.1) == (1_003_854, 1_003_854, 1_115_394)
    assert split_bounds(173_428, 0.1, 0.1).valid == 156_085


def test_rounding_costs_no_token() -> None:
    for percent in range(1, 100):
        assert split_bounds(100, 0, percent / 100).valid == 100 - percent
        assert split_bounds(100, percent / 100, 0).train == 100 - percent


@pytest.mark.parametrize("bad", [-0.1, 1, 1.5, float("nan"), float("inf")])
def test_fractions_that_are_none_are_refused(bad: float) -> None:
    with pytest.raises(InputError, match="valid: expected a fraction from 0 to below 1, got"):
        split_bounds(100, bad, 0.1)
    with pytest.raises(InputError, match="test: expected a fraction from 0 to below 1, got"):
        split_bounds(100, 0.1, bad)
