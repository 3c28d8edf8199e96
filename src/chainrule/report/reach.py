"""Pictures of how far back a model can look, and what it costs it.

    |V|^n n-grams there could be,     bits = -log2 p(x_t | the last c tokens)

Shape letters: C contexts, n order.
"""

import math
from collections.abc import Mapping, Sequence
from itertools import cycle
from typing import TYPE_CHECKING

from chainrule.core import InputError
from chainrule.report.drawing import GREY, PALETTE, drawing, one_axes, plain_ticks, side_by_side
from chainrule.report.lecture import DASHES
from chainrule.report.series import MARKERS

if TYPE_CHECKING:
    import matplotlib.axes
    import matplotlib.figure

Lines = Mapping[str, Sequence[float]]


def coverage_figure(
    orders: Sequence[int], possible: Sequence[float], seen: Sequence[int], held_out: Sequence[float]
) -> "matplotlib.figure.Figure":
    """Left, the n-grams that there could be and those that were seen; right, the share of held-out n-grams
    that were among them."""
    _some(orders)
    with drawing():
        figure, (left, right) = side_by_side(2, 3.4)
        _lines(left, orders, {"possible": possible, "seen in training": seen})
        left.set_yscale("log")
        plain_ticks(left, "y", (1.0,))
        left.set_ylabel("different n-grams")
        left.legend()
        right.plot(orders, held_out, "-o", color=PALETTE[2], markersize=4)
        right.set_ylim(0, 1.02)
        right.set_ylabel("held-out n-grams that were seen (share)")
        for axes in (left, right):
            axes.set_xlabel("n")
            axes.set_xticks(list(orders))
        return figure


def agreement_figure(distances: Sequence[int], right: Lines) -> "matplotlib.figure.Figure":
    """How often each model finds the right verb, over the words between it and its subject."""
    _some(right)
    with drawing():
        figure, axes = one_axes(3.2)
        _lines(axes, distances, right)
        axes.axhline(0.5, color=GREY, linestyle=":", label="guessing")
        axes.set_ylim(0.3, 1.03)
        axes.set_xticks(list(distances))
        axes.set_xlabel("words between subject and verb")
        axes.set_ylabel("right verb (share)")
        axes.legend(loc="upper left", bbox_to_anchor=(1.01, 1.02))
        return figure


def context_figure(contexts: Sequence[int], bits: Lines) -> "matplotlib.figure.Figure":
    """Held-out bits per token over the tokens that a model may look back."""
    _some(bits)
    with drawing():
        figure, axes = one_axes(3.4)
        places = list(range(len(contexts)))  # 0 has no place on a logarithmic axis
        _lines(axes, places, bits)
        axes.set_xticks(places, list(map(str, contexts)))
        axes.set_xlabel("tokens of context that may be used")
        axes.set_ylabel("held out (bits per token)")
        axes.legend(loc="upper left", bbox_to_anchor=(1.01, 1.02))
        return figure


def parameters_figure(
    contexts: Sequence[int], counts: Lines, least: float = 1e2
) -> "matplotlib.figure.Figure":
    """How many numbers each model holds to look back so far; a table that outgrows everything leaves the
    picture."""
    _some(counts)
    with drawing():
        figure, axes = one_axes(3.2)
        _lines(axes, contexts, counts)
        axes.set_xscale("log", base=2)
        axes.set_yscale("log")
        axes.set_ylim(least, 1e9)
        plain_ticks(axes, "y", (1.0,))
        axes.set_xticks(list(contexts), list(map(str, contexts)))
        axes.set_xlabel("tokens of context that may be used")
        axes.set_ylabel("numbers in the model")
        axes.legend(loc="upper left", bbox_to_anchor=(1.01, 1.02))
        return figure


def trap_figure(
    epochs: Sequence[int], perplexities: Lines, levels: Mapping[str, float]
) -> "matplotlib.figure.Figure":
    """Perplexity over epochs on the text that is learned and on the text after it; levels: dotted lines."""
    _some(perplexities)
    with drawing():
        figure, axes = one_axes(3.6)
        _lines(axes, epochs, perplexities)
        for (name, value), dashes in zip(levels.items(), cycle((":", "-."))):
            axes.axhline(value, color=GREY, linestyle=dashes, label=name)
        axes.set_yscale("log")
        axes.set_ylim(bottom=1)
        plain_ticks(axes, "y", (1.0, 2.0, 5.0))
        axes.set_xlabel("epochs")
        axes.set_ylabel("perplexity per token")
        axes.legend(loc="upper left", bbox_to_anchor=(1.01, 1.02))
        return figure


def step_figure(
    lengths: Sequence[float], bound: float, changes: Sequence[float], allowed: Sequence[float]
) -> "matplotlib.figure.Figure":
    """Left, the length of each step and the bound eta theta; right, by how much the loss changed, and at most
    L times the step."""
    steps = range(1, _some(lengths) + 1)
    with drawing():
        figure, (left, right) = side_by_side(2, 3.2)
        left.plot(steps, lengths, "-", color=PALETTE[0], label="length of the step")
        left.axhline(bound, color=GREY, linestyle=":", label="eta theta")
        left.set_ylim(bottom=0)
        right.plot(steps, changes, "-", color=PALETTE[1], label="change of the loss (nats)")
        right.plot(steps, allowed, "--", color=PALETTE[2], label="L eta theta")
        right.set_yscale("log")
        plain_ticks(right, "y", (1.0,))
        for axes in (left, right):
            axes.set_xlabel("step")
            axes.legend(loc="lower right")
        return figure


def branching_figure(
    favourite: Sequence[float], curves: Lines, point: tuple[float, float], uniform: float
) -> "matplotlib.figure.Figure":
    """Perplexity over the probability of what came true; the point is where the sliders stand."""
    _some(curves)
    with drawing():
        figure, axes = one_axes(3.2)
        _lines(axes, favourite, curves, markers=False)
        axes.axhline(uniform, color=GREY, linestyle=":", label="|V|")
        if math.isfinite(point[1]):
            axes.plot(*point, "o", color=PALETTE[4], markersize=9, markeredgecolor="#303030", label="here")
        axes.set_yscale("log")
        plain_ticks(axes, "y", (1.0,))
        axes.set_xlim(0, 1)
        axes.set_xlabel("probability")
        axes.set_ylabel("perplexity")
        axes.legend(loc="upper left", bbox_to_anchor=(1.01, 1.02))
        return figure


def _lines(axes: "matplotlib.axes.Axes", xs: Sequence[float], lines: Lines, *, markers: bool = True) -> None:
    for (name, ys), colour, dashes, marker in zip(
        lines.items(), cycle(PALETTE), cycle(DASHES), cycle(MARKERS), strict=False
    ):
        axes.plot(xs, ys, dashes, color=colour, marker=marker if markers else None, markersize=4, label=name)


def _some(shown: Sequence[float] | Lines) -> int:
    if not len(shown):
        raise InputError("figure: expected something to show, got nothing")
    return len(shown)
