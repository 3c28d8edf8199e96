"""Pictures of a text as data: what a vocabulary leaves out, and which batch reads what.

Shape letters: T time.
"""

from collections.abc import Mapping, Sequence
from itertools import cycle
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float64

from chainrule.core import InputError
from chainrule.report.drawing import GREY, PALETTE, drawing, side_by_side

if TYPE_CHECKING:
    import matplotlib.figure

Array = np.ndarray
Window = tuple[int, int]  # the first token of a row, and how many there are
HATCHES = ("", "///", "...", "xxx", "\\\\\\", "++")


def vocabulary_figure(
    least: Sequence[int], sizes: Sequence[int], unknown: Mapping[str, Sequence[float]]
) -> "matplotlib.figure.Figure":
    """How many tokens a vocabulary has that leaves out what is rarer than `least`, and the share of tokens of
    each part (`unknown`) that it does not know."""
    if not least:
        raise InputError("figure: expected something to show, got nothing")
    with drawing():
        figure, (left, right) = side_by_side(2, 3.2)
        left.plot(least, sizes, "-o", color=PALETTE[0], markersize=4)
        left.set_ylabel("size of the vocabulary")
        left.set_ylim(bottom=0)
        for (name, values), colour, dashes, marker in zip(
            unknown.items(), cycle(PALETTE[1:]), cycle(("-", "--")), cycle("sD"), strict=False
        ):
            right.plot(least, values, dashes, marker=marker, color=colour, markersize=4, label=name)
        right.set_ylabel("unknown (share of tokens)")
        right.set_ylim(bottom=0)
        right.legend()
        for axes in (left, right):
            axes.set_xlabel("least count")
            axes.set_xticks(list(least))
        return figure


def batches_figure(
    panels: Mapping[str, Sequence[Sequence[Window]]], tokens: int
) -> "matplotlib.figure.Figure":
    """Which tokens of a text each batch reads: a line for each batch, in it a bar for each of its rows, told
    apart by colour, hatching and number."""
    if not panels:
        raise InputError("figure: expected something to show, got nothing")
    with drawing():
        figure, all_axes = side_by_side(
            len(panels), 0.9 + 0.42 * max(map(len, panels.values())), share_y=True
        )
        for axes, (name, batches) in zip(all_axes, panels.items(), strict=True):
            for line, rows in enumerate(batches):
                for row, (first, length) in enumerate(rows):
                    colour, hatch = PALETTE[row % len(PALETTE)], HATCHES[row % len(HATCHES)]
                    axes.barh(
                        line, length, 0.7, left=first, color=colour, hatch=hatch, edgecolor="white", lw=0
                    )
                    axes.text(
                        first + length / 2, line, str(row + 1), ha="center", va="center", fontsize=8,
                        color="white", bbox={"boxstyle": "circle,pad=0.15", "facecolor": "#303030", "lw": 0},
                    )  # fmt: skip
            axes.set_title(name)
            axes.set_xlim(0, tokens)
            axes.set_xlabel("place in the text (tokens)")
            axes.grid(axis="y", visible=False)
        first = all_axes[0]
        first.set_ylabel("batch")
        most = max(map(len, panels.values()))
        first.set_yticks(range(most), list(map(str, range(1, most + 1))))
        first.set_ylim(most - 0.5, -0.5)
        return figure


def order_figure(panels: Mapping[str, Float64[Array, " T"]], training: int) -> "matplotlib.figure.Figure":
    """The same values in two orders, side by side; a dotted line where training ends."""
    if not panels:
        raise InputError("figure: expected something to show, got nothing")
    with drawing():
        figure, all_axes = side_by_side(len(panels), 2.8, share_y=True)
        for axes, (name, values), colour in zip(all_axes, panels.items(), cycle(PALETTE), strict=False):
            axes.plot(np.arange(len(values)), values, ".", color=colour, markersize=2)
            axes.axvline(training, color=GREY, linestyle=":")
            axes.set_title(name)
            axes.set_xlabel("t")
        return figure
