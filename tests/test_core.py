"""The interface: states are values, the shift of labels exists once, errors say expected, got, where."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jaxtyping
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chainrule.core import (
    Batch,
    ChainruleError,
    FileFormatError,
    InputError,
    RunError,
    TokenModel,
    check_tokens,
    leaves,
    reset_rows,
    rollout,
    take_rows,
)


class Pair(NamedTuple):
    hidden: Any
    cell: Any


def filled(rows: int, width: tuple[int, ...], dtype: type, first: int) -> np.ndarray:
    """An array whose every element is known by its place."""
    size = rows * int(np.prod(width, dtype=int))
    return (np.arange(first, first + size) % 251).reshape(rows, *width).astype(dtype)


def leaf(rows: int, first: int) -> st.SearchStrategy[np.ndarray]:
    return st.builds(
        filled,
        st.just(rows),
        st.sampled_from([(), (1,), (3,), (2, 2), (0,)]),
        st.sampled_from([np.float32, np.float64, np.int64, np.bool_]),
        st.just(first),
    )


def states(rows: int, first: int = 0) -> st.SearchStrategy[Any]:
    """An array, or a tuple or named tuple of states, as deep as a stack of LSTM layers."""
    return st.recursive(
        leaf(rows, first),
        lambda inner: st.one_of(st.lists(inner, max_size=3).map(tuple), st.builds(Pair, inner, inner)),
        max_leaves=5,
    )


def shape_of(state: Any) -> Any:
    """The structure of a state without its numbers."""
    if isinstance(state, np.ndarray):
        return state.shape[1:], state.dtype
    return type(state), [shape_of(part) for part in state]


def copy_of(state: Any) -> list[np.ndarray]:
    return [array.copy() for array in leaves(state)]


def same(state: Any, arrays: list[np.ndarray]) -> bool:
    return all(np.array_equal(a, b) for a, b in zip(leaves(state), arrays, strict=True))


@st.composite
def states_and_rows(draw: st.DrawFn) -> tuple[Any, np.ndarray]:
    rows = draw(st.integers(1, 4))
    chosen = draw(st.lists(st.integers(0, rows - 1), max_size=6))
    return draw(states(rows)), np.array(chosen, dtype=np.int64)


def test_shapes_are_checked_in_tests() -> None:
    with pytest.raises(jaxtyping.TypeCheckError):
        check_tokens(np.zeros(3), 4)  # floats are no ids


@given(states_and_rows())
def test_take_rows_takes_them_from_every_leaf(case: tuple[Any, np.ndarray]) -> None:
    state, rows = case
    taken = take_rows(state, rows)
    assert shape_of(taken) == shape_of(state)
    assert same(taken, [array[rows] for array in leaves(state)])


@given(states_and_rows(), st.data())
def test_taking_rows_twice_is_taking_them_once(case: tuple[Any, np.ndarray], data: st.DataObject) -> None:
    state, rows = case
    again = data.draw(st.lists(st.integers(0, len(rows) - 1), max_size=4)) if len(rows) else []
    again = np.array(again, dtype=np.int64)
    once = take_rows(state, rows[again])
    assert same(take_rows(take_rows(state, rows), again), list(leaves(once)))


@given(states_and_rows())
def test_take_rows_leaves_the_state_as_it_was(case: tuple[Any, np.ndarray]) -> None:
    state, rows = case
    before = copy_of(state)
    for array in leaves(take_rows(state, rows)):
        array[...] = 1
    assert same(state, before)


def test_take_rows_by_mask_drops_finished_rows() -> None:
    state = (np.array([1, 2, 3]), Pair(np.eye(3), np.array([[4.0], [5.0], [6.0]])))
    kept = take_rows(state, np.array([True, False, True]))
    assert kept[0].tolist() == [1, 3]
    assert type(kept[1]) is Pair
    assert kept[1].cell.tolist() == [[4.0], [6.0]]


def test_the_state_of_a_unigram_is_nothing() -> None:
    assert take_rows((), np.array([0, 0])) == ()
    assert reset_rows((), np.array([True]), ()) == ()
    assert list(leaves(())) == []


def test_leaves_come_in_order() -> None:
    arrays = [np.full(2, i) for i in range(5)]
    state = (arrays[0], Pair(arrays[1], (arrays[2], arrays[3])), arrays[4])
    assert [array[0] for array in leaves(state)] == [0, 1, 2, 3, 4]
    assert [array is expected for array, expected in zip(leaves(state), arrays, strict=True)] == [True] * 5


@given(st.data())
def test_reset_rows_takes_fresh_rows_from_the_start(data: st.DataObject) -> None:
    rows = data.draw(st.integers(1, 4))
    state = data.draw(states(rows))
    start = take_rows(state, np.arange(rows))
    for array in leaves(start):
        array[...] = 0
    fresh = np.array(data.draw(st.lists(st.booleans(), min_size=rows, max_size=rows)))
    before = copy_of(state), copy_of(start)
    result = reset_rows(state, fresh, start)
    assert shape_of(result) == shape_of(state)
    for got, old, new in zip(leaves(result), *before, strict=True):
        assert np.array_equal(got[fresh], new[fresh])
        assert np.array_equal(got[~fresh], old[~fresh])
        got[...] = 1
    assert same(state, before[0])
    assert same(start, before[1])


@pytest.mark.parametrize(
    ("tokens", "message"),
    [
        (np.array([[0, 1, 2], [3, 27, 28]]), "tokens: expected ids in 0..27, got 28 at row 1, step 2"),
        (np.array([[5], [-1]]), "tokens: expected ids in 0..27, got -1 at row 1, step 0"),
        (np.array([[99, -4]]), "tokens: expected ids in 0..27, got 99 at row 0, step 0"),
        (np.array([0, 31], dtype=np.int32), "tokens: expected ids in 0..27, got 31 at row 1"),
        (np.array([[200]], dtype=np.uint8), "tokens: expected ids in 0..27, got 200 at row 0, step 0"),
    ],
)
def test_check_tokens_names_the_first_bad_id(tokens: np.ndarray, message: str) -> None:
    with pytest.raises(InputError) as caught:
        check_tokens(tokens, 28)
    assert str(caught.value) == message


@pytest.mark.parametrize("shape", [(0,), (3, 0), (0, 4)])
def test_no_tokens_are_no_bad_tokens(shape: tuple[int, ...]) -> None:
    assert check_tokens(np.zeros(shape, dtype=np.int64), 1).shape == shape


def test_check_tokens_hands_good_ids_on() -> None:
    tokens = np.array([[0, 27], [3, 4]])
    assert check_tokens(tokens, 28) is tokens


def test_a_given_item_is_read_and_not_predicted() -> None:
    items = np.array([[3, 1, 4, 1], [2, 7, 1, 8]])
    pair = Batch(items, np.array([True, True]), given=1)
    assert pair.read.tolist() == [[3, 1, 4], [2, 7, 1]]
    assert pair.labels.tolist() == [[1, 4, 1], [7, 1, 8]]


def test_with_nothing_given_every_item_is_predicted() -> None:
    batch = Batch(np.array([[3, 1, 4]]), np.array([True]))
    assert batch.read.tolist() == batch.labels.tolist() == [[3, 1, 4]]


class Rising(TokenModel[np.ndarray]):
    """Expects one token, the state, with probability 1/2: 0 first, then the one after the last seen."""

    vocab_size = 4

    def start(self, batch: int) -> np.ndarray:
        return np.zeros(batch, dtype=np.int64)

    def predict(self, state: np.ndarray) -> np.ndarray:
        probs = np.full((len(state), 4), 1 / 6)
        probs[np.arange(len(state)), state] = 1 / 2
        return np.log(probs)

    def advance(self, state: np.ndarray, items: np.ndarray) -> np.ndarray:
        return (items + 1) % 4


def test_score_is_the_loop_over_predict_and_advance() -> None:
    model = Rising()
    log_probs, state = model.score(model.start(2), np.array([[0, 1, 2], [0, 2, 3]]))
    assert np.exp(log_probs) == pytest.approx(np.array([[1 / 2, 1 / 2, 1 / 2], [1 / 2, 1 / 6, 1 / 2]]))
    assert state.tolist() == [3, 0]


def test_score_of_nothing_is_nothing() -> None:
    model = Rising()
    log_probs, state = model.score(model.start(2), np.empty((2, 0), dtype=np.int64))
    assert log_probs.shape == (2, 0)
    assert state.tolist() == [0, 0]


def test_score_refuses_ids_that_there_are_not() -> None:
    model = Rising()
    with pytest.raises(InputError, match=r"expected ids in 0\.\.3, got 4 at row 0, step 1"):
        model.score(model.start(1), np.array([[0, 4]]))


def test_rollout_predicts_chooses_and_advances() -> None:
    model = Rising()
    choose: Callable[[np.ndarray], np.ndarray] = lambda log_probs: log_probs.argmax(axis=1)  # noqa: E731
    pairs = list(rollout(model, np.array([2, 0]), 5, choose))
    assert np.stack([items for items, _ in pairs], axis=1).tolist() == [[2, 3, 0, 1, 2], [0, 1, 2, 3, 0]]
    assert np.stack([state for _, state in pairs], axis=1).tolist() == [[3, 0, 1, 2, 3], [1, 2, 3, 0, 1]]
    assert list(rollout(model, model.start(1), 0, choose)) == []


def test_errors_by_what_the_caller_can_do() -> None:
    assert issubclass(InputError, ChainruleError)
    assert issubclass(InputError, ValueError)
    assert issubclass(FileFormatError, InputError)
    assert issubclass(RunError, ChainruleError)
    assert not issubclass(RunError, InputError)
