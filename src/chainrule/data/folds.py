"""Which examples are held out: stratified splits and folds, the classes in each as they are in the whole.

Shape letters: N examples, K classes, F folds.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from jaxtyping import Int64, Integer

from chainrule.core import InputError

Array = np.ndarray


class Split(NamedTuple):
    """Which examples are trained on and which are held out, both rising."""

    train: Int64[Array, " N_train"]
    test: Int64[Array, " N_test"]


def stratified_folds(labels: Integer[Array, " N"], folds: int, rng: np.random.Generator) -> list[Split]:
    """Every example is held out once; folds differ by one example of a class at most.

    Raises InputError for fewer than two folds, and for a class with fewer examples than folds.
    """
    if folds < 2:
        raise InputError(f"folds: expected at least 2, got {folds}")
    counts = np.bincount(labels)
    few = np.flatnonzero((counts > 0) & (counts < folds))
    if len(few):
        raise InputError(
            f"folds: expected at least {folds} examples of each class, got {counts[few[0]]} of class {few[0]}"
        )
    fold = np.empty(len(labels), np.int64)
    dealt = 0  # the next class begins where the last one ended, so that folds are of one size
    for members in _of_each_class(labels, rng):
        fold[members] = (dealt + np.arange(len(members))) % folds
        dealt += len(members)
    return [Split(np.flatnonzero(fold != k), np.flatnonzero(fold == k)) for k in range(folds)]


def stratified_split(labels: Integer[Array, " N"], held_out: float, rng: np.random.Generator) -> Split:
    """A share of each class is held out, at least one example of it and never all.

    Raises InputError for a share outside 0..1, and for a class with one example.
    """
    if not 0 < held_out < 1:
        raise InputError(f"held out: expected a share between 0 and 1, got {held_out:g}")
    test = np.zeros(len(labels), bool)
    for members in _of_each_class(labels, rng):
        if len(members) < 2:
            raise InputError(
                f"split: expected at least 2 examples of each class, got 1 of class {labels[members[0]]}"
            )
        count = min(max(round(held_out * len(members)), 1), len(members) - 1)
        test[members[:count]] = True
    return Split(np.flatnonzero(~test), np.flatnonzero(test))


def _of_each_class(labels: Integer[Array, " N"], rng: np.random.Generator) -> Iterator[Int64[Array, " _"]]:
    """The examples of each class, shuffled."""
    for label in np.unique(labels):
        yield rng.permutation(np.flatnonzero(labels == label))
