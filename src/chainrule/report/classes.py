"""Pictures of a classifier: how sure it is and how often it is right then; which classes it takes for which.

x = mean probability of the predicted class in a bin,     y = share of the bin's texts that are right
"""

from typing import TYPE_CHECKING

import numpy as np

from chainrule.report.drawing import GREY, PALETTE, drawing, side_by_side
from chainrule.tasks.classification import ClassScores

if TYPE_CHECKING:
    import matplotlib.figure

MOST_NAMED = 12  # classes whose counts are written into the picture


def classes_figure(made: ClassScores) -> "matplotlib.figure.Figure":
    """Left the reliability of the probabilities, points as large as their bins; on the diagonal they are what
    they say. Right the confusion matrix, shares of each true class."""
    with drawing():
        figure, (left, right) = side_by_side(2, 3.8)
        least = 1 / len(made.classes)
        left.plot([least, 1], [least, 1], ":", color=GREY)
        sizes = [20 + 300 * b.texts / made.count for b in made.bins]
        points = [b.confidence for b in made.bins], [b.accuracy for b in made.bins]
        left.plot(*points, "-", color=PALETTE[0], linewidth=1)
        left.scatter(*points, s=sizes, color=PALETTE[0])
        left.set_xlabel("probability of the predicted class")
        left.set_ylabel("share that is right")
        left.set_title(f"calibration error {100 * made.calibration_error:.1f} %", fontsize=9)
        counts = made.confusion
        shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
        right.imshow(shares, cmap="Blues", vmin=0, vmax=1, aspect="auto")
        right.grid(visible=False)
        named = range(len(made.classes))
        right.set_xticks(named, made.classes, rotation=45 if len(made.classes) > 3 else 0)
        right.set_yticks(named, made.classes)
        right.set_xlabel("predicted")
        right.set_ylabel("true")
        if len(made.classes) <= MOST_NAMED:
            for i in named:
                for j in named:
                    shade = "white" if shares[i, j] > 0.6 else "black"
                    right.text(j, i, f"{counts[i, j]:,}", ha="center", va="center", color=shade, fontsize=8)
        return figure
