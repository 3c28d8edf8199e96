"""How good a classifier is: accuracy, macro F1, confusion, log loss and calibration.

    F1_c = 2 TP_c / (2 TP_c + FP_c + FN_c),    ECE = sum_b n_b / N |accuracy_b - confidence_b|

Bins are of equal width over the probability of the predicted class (Guo et al. 2017, eq. 3).

Shape letters: N texts, K classes, F folds.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, stdev
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float64, Int64, Integer

from chainrule.core import InputError

Array = np.ndarray
BINS = 15


class Bin(NamedTuple):
    """Texts whose predicted class was given a probability of one bin: how many, how sure it was of them on
    average, and how many of them were right."""

    texts: int
    confidence: float
    accuracy: float


@dataclass(frozen=True, eq=False)
class ClassScores:
    """confusion: texts of class i (rows) that were taken for class j. log_loss: nats a text."""

    classes: tuple[str, ...]
    confusion: Int64[Array, "K K"]
    log_loss: float
    bins: tuple[Bin, ...]

    @property
    def count(self) -> int:
        return int(self.confusion.sum())

    @property
    def accuracy(self) -> float:
        return float(np.trace(self.confusion) / self.count)

    @property
    def majority(self) -> float:
        """The accuracy of always naming the class that is most frequent here."""
        return float(self.confusion.sum(axis=1).max() / self.count)

    @property
    def f1(self) -> Float64[Array, " K"]:
        """Of each class; 0 where it was neither there nor named."""
        right = np.diag(self.confusion).astype(np.float64)
        both = self.confusion.sum(axis=0) + self.confusion.sum(axis=1)
        return np.divide(2 * right, both, out=np.zeros(len(right)), where=both > 0)

    @property
    def macro_f1(self) -> float:
        """The mean over the classes that are there."""
        return float(self.f1[self.confusion.sum(axis=1) > 0].mean())

    @property
    def calibration_error(self) -> float:
        """Expected calibration error, 0..1."""
        return sum(b.texts * abs(b.accuracy - b.confidence) for b in self.bins) / self.count

    def as_dict(self) -> dict[str, Any]:
        """As JSON has it."""
        return {
            "texts": self.count,
            "accuracy": self.accuracy,
            "majority": self.majority,
            "macro_f1": self.macro_f1,
            "f1": dict(zip(self.classes, self.f1.tolist(), strict=True)),
            "log_loss_nats": self.log_loss if math.isfinite(self.log_loss) else "inf",
            "expected_calibration_error": self.calibration_error,
            "classes": list(self.classes),
            "confusion": self.confusion.tolist(),
            "reliability": [b._asdict() for b in self.bins],
        }


def scores(
    log_probs: Float64[Array, "N K"], labels: Integer[Array, " N"], classes: Sequence[str], bins: int = BINS
) -> ClassScores:
    """Of the class that is likeliest for each text. Raises InputError for no texts."""
    if not len(labels):
        raise InputError("evaluate: expected at least one text with a known label, got none")
    predicted = log_probs.argmax(axis=1)
    confusion = np.zeros((len(classes), len(classes)), np.int64)
    np.add.at(confusion, (labels, predicted), 1)
    nats = -float(log_probs[np.arange(len(labels)), labels].mean())
    return ClassScores(tuple(classes), confusion, nats, reliability(log_probs, labels, bins))


def reliability(
    log_probs: Float64[Array, "N K"], labels: Integer[Array, " N"], bins: int = BINS
) -> tuple[Bin, ...]:
    """Bins that hold a text, the least sure first."""
    confidence = np.exp(log_probs.max(axis=1))
    right = log_probs.argmax(axis=1) == labels
    places = np.minimum((confidence * bins).astype(np.int64), bins - 1)
    return tuple(
        Bin(int((places == b).sum()), float(confidence[places == b].mean()), float(right[places == b].mean()))
        for b in np.unique(places)
    )


STUDENT = (12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262)  # 97.5 %, 1 to 9 degrees


def interval(folds: Sequence[float]) -> tuple[float, float]:
    """Mean over folds and half the width of its 95 % interval by Student's t.

    Folds share training texts, so the true interval is somewhat wider (Bengio & Grandvalet 2004)."""
    if len(folds) < 2:
        return folds[0], math.nan
    quantile = STUDENT[min(len(folds) - 2, len(STUDENT) - 1)]
    return fmean(folds), quantile * stdev(folds) / math.sqrt(len(folds))
