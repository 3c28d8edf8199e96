"""The state of a counted model: the last n-1 tokens, in a text of sentences none from before the sentence.

    stream      [ . . . ]  ->  [ . . a ]  ->  [ . a b ]  ->  ...                      . is ABSENT
    sentences   [ . . V ]  ->  [ . V a ]  ->  (end) [ . . V ]  ->  ...          V begins a sentence

Shape letters: B batch, T time, H = n-1 tokens of history.
"""

import numpy as np
from jaxtyping import Integer

from chainrule.core import InputError
from chainrule.kernels.backoff import ABSENT

Array = np.ndarray
History = Integer[Array, "B H"]

__all__ = ["ABSENT", "History", "advanced", "after", "beginning", "checked"]


def beginning(batch: int, order: int, vocab_size: int, end: int | None) -> History:
    """Before the first token."""
    state = np.full((batch, order - 1), ABSENT, dtype=np.int32)
    if end is not None:
        state[:, -1:] = vocab_size
    return state


def checked(state: Integer[Array, "*shape"], order: int) -> History:
    """The state as the kernels read it, or an InputError that says what it should be."""
    if state.ndim != 2 or state.shape[1] != order - 1 or not np.issubdtype(state.dtype, np.integer):
        raise InputError(
            f"state: expected whole numbers [batch, {order - 1}], got {state.dtype} {list(state.shape)}"
        )
    return np.ascontiguousarray(state, dtype=np.int32)


def advanced(state: History, items: Integer[Array, " B"], vocab_size: int, end: int | None) -> History:
    """After one more token a row."""
    line = np.concatenate([state, items[:, None].astype(np.int32)], axis=1)[:, 1:]
    if end is not None and state.shape[1]:
        line[items == end] = beginning(1, state.shape[1] + 1, vocab_size, end)
    return line


def after(state: History, tokens: Integer[Array, "B T"], vocab_size: int, end: int | None) -> History:
    """After a row of tokens each: the last H suffice."""
    steps = min(tokens.shape[1], state.shape[1])
    for column in tokens[:, tokens.shape[1] - steps :].T:
        state = advanced(state, column, vocab_size, end)
    return state
