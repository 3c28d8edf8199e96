"""One long sequence into parts, and a part into batches whose labels are its items shifted by one.

random      X | the time | machine  |      every row anywhere, the state starts anew
sequential  X | the time |, ->  | machine b|   row r of a batch continues row r of the batch before

Shape letters: N tokens in all, B batch, T time.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple, TypeVar

import numpy as np
from jaxtyping import Integer

from chainrule.core import Batch, InputError

Part = TypeVar("Part", bound="Sequence[object] | np.ndarray")
Tokens = Integer[np.ndarray, " N"]


class Bounds(NamedTuple):
    """Where the training part, the validation part and the test part of a text end."""

    train: int
    valid: int
    test: int


def split_bounds(length: int, valid: float, test: float) -> Bounds:
    """Contiguous parts: the last `test` of all to test, the last `valid` of what remains to validate.

    Raises InputError for fractions outside 0 <= f < 1.
    """
    for name, fraction in (("valid", valid), ("test", test)):
        if not 0 <= fraction < 1:
            raise InputError(f"{name}: expected a fraction from 0 to below 1, got {fraction}")
    rest = int(length * (1 - test) + 1e-9)  # 1 - 0.9 must not cost a token
    return Bounds(int(rest * (1 - valid) + 1e-9), rest, length)


def _check(tokens: Tokens, batch: int, steps: int) -> None:
    for name, value in (("batch", batch), ("steps", steps)):
        if value < 1:
            raise InputError(f"{name}: expected at least 1, got {value}")
    check_length(tokens, steps)


def check_length(tokens: Tokens, steps: int) -> None:
    """Raises InputError for a text that does not fill one window of `steps` labels."""
    if len(tokens) < steps + 1:
        raise InputError(
            f"training text: expected at least {steps + 1} tokens (one window of {steps} and its label), "
            f"got {len(tokens)}"
        )


def random_batches(tokens: Tokens, batch: int, steps: int, rng: np.random.Generator) -> Iterator[Batch]:
    """One epoch of windows of `steps` labels each, in random order, from a random offset.

    Each token is a label at most once; over the offsets every token but the first is one. The last batch
    may have fewer rows.
    """
    _check(tokens, batch, steps)
    offset = int(rng.integers(min(steps, len(tokens) - steps)))
    windows = (len(tokens) - 1 - offset) // steps
    starts = offset + steps * rng.permutation(windows)
    for at in range(0, windows, batch):
        rows = starts[at : at + batch]
        items = tokens[rows[:, None] + np.arange(steps + 1)]
        yield Batch(items, np.ones(len(rows), dtype=bool), given=1)


def sequential_batches(tokens: Tokens, batch: int, steps: int, rng: np.random.Generator) -> Iterator[Batch]:
    """One epoch of `batch` long rows, read side by side `steps` labels at a time, from a random offset.

    Each row continues the same row of the batch before, so the state may be carried; only the first batch
    is fresh. Each token is a label at most once; over the offsets every token but the first is one. The
    last batch may be shorter. Fewer rows are cut where the text is too short for so many.
    """
    _check(tokens, batch, steps)
    batch = min(batch, (len(tokens) - 1) // steps)
    # the offset also decides which tokens the cut into equal rows leaves over at the end
    offset = int(rng.integers(min(max(steps, batch), len(tokens) - batch * steps)))
    length = (len(tokens) - 1 - offset) // batch
    starts = offset + length * np.arange(batch)
    for at in range(0, length, steps):
        span = np.arange(at, min(at + steps, length) + 1)
        yield Batch(tokens[starts[:, None] + span], np.full(batch, at == 0), given=1)
