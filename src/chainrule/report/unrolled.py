"""A recurrent network over time as a picture: what it reads, what its state is, what it expects.

Shape letters: T time, H hidden.
"""

from collections.abc import Mapping, Sequence
from itertools import cycle
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float64

from chainrule.core import InputError
from chainrule.report.drawing import GREY, INK, PALETTE, drawing, one_axes, plain_ticks, side_by_side

if TYPE_CHECKING:
    import matplotlib.figure

Array = np.ndarray
DIVERGING = "PuOr"  # ColorBrewer's, told apart by colour-blind readers; middle is zero


def unrolled_figure(
    read: Sequence[str], hidden: Float64[Array, "T H"], expected: Sequence[str]
) -> "matplotlib.figure.Figure":
    """A column for each step: below, the token that is read; in the middle, the hidden vector, a cell for
    each unit; above, what is expected next."""
    steps, units = hidden.shape
    if not steps or not len(read) == len(expected) == steps:
        raise InputError(f"figure: expected as many tokens as states, got {len(read)} and {steps}")
    with drawing():
        figure, axes = one_axes(4.2)
        from matplotlib import colormaps
        from matplotlib.patches import Rectangle

        colours = colormaps[DIVERGING]
        for t in range(steps):
            left = 1.6 * t
            for unit, value in enumerate(hidden[t]):
                face = colours((float(value) + 1) / 2)
                axes.add_patch(Rectangle((left, unit / units), 0.8, 1 / units, facecolor=face, linewidth=0))
            axes.add_patch(Rectangle((left, 0), 0.8, 1, fill=False, edgecolor=INK, linewidth=0.8))
            arrow = {"arrowstyle": "->", "color": INK, "shrinkA": 0, "shrinkB": 0}
            axes.annotate("", (left + 0.4, 0), (left + 0.4, -0.16), arrowprops=arrow)
            axes.annotate("", (left + 0.4, 1.16), (left + 0.4, 1), arrowprops=arrow)
            axes.text(left + 0.4, -0.2, read[t], ha="center", va="top", fontsize=11)
            axes.text(left + 0.4, 1.2, expected[t], ha="center", va="bottom", fontsize=9)
            if t + 1 < steps:
                axes.annotate("", (left + 1.6, 0.5), (left + 0.8, 0.5), arrowprops=arrow)
        axes.set_xlim(-0.2, 1.6 * steps - 0.6)
        axes.set_ylim(-0.34, 1.42)
        axes.set_axis_off()
        return figure


def engines_figure(
    tokens: Sequence[str], probabilities: Mapping[str, Sequence[float]], differences: Sequence[float]
) -> "matplotlib.figure.Figure":
    """Left, the probability of the likeliest next tokens by each engine; right, how far apart the engines
    are, step by step."""
    if not tokens:
        raise InputError("figure: expected something to show, got nothing")
    with drawing():
        figure, (left, right) = side_by_side(2, 3.2)
        width = 0.8 / len(probabilities)
        for place, ((name, values), colour, hatch) in enumerate(
            zip(probabilities.items(), cycle(PALETTE), cycle(("", "///")), strict=False)
        ):
            at = np.arange(len(tokens)) + width * (place - (len(probabilities) - 1) / 2)
            left.bar(at, values, width, color=colour, hatch=hatch, edgecolor="white", lw=0, label=name)
        left.set_xticks(range(len(tokens)), list(tokens))
        left.set_ylabel("probability")
        left.grid(axis="x", visible=False)
        left.legend()
        floor = [max(x, 1e-9) for x in differences]
        right.plot(range(1, len(floor) + 1), floor, "-o", color=PALETTE[2], markersize=3)
        right.axhline(1e-5, color=GREY, linestyle=":")
        right.set_yscale("log")
        right.set_ylim(1e-9, 1e-3)
        plain_ticks(right, "y", (1.0,))
        right.set_xlabel("step")
        right.set_ylabel("largest difference (nats)")
        return figure


def bits_figure(tokens: Sequence[str], bits: Float64[Array, " T"]) -> "matplotlib.figure.Figure":
    """A bar for each token: the bits that it costs; the dotted line is their mean."""
    if not tokens:
        raise InputError("figure: expected something to show, got nothing")
    with drawing():
        figure, axes = one_axes(2.8)
        axes.bar(range(len(tokens)), bits, 0.8, color=PALETTE[0])
        axes.axhline(float(np.mean(bits)), color=GREY, linestyle=":", label="mean")
        axes.set_xticks(range(len(tokens)), list(tokens))
        axes.set_ylabel("bits")
        axes.grid(axis="x", visible=False)
        axes.legend()
        return figure
