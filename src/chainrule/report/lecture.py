"""Pictures of what the lecture claims of recurrent networks, from runs with several seeds.

    vanishing: | dL_T / dH_{T-k} | over k,     exploding: L and | g | over steps

A line is the median of the seeds, the band around it reaches from the least to the largest.

Shape letters: S seeds, N points along the line.
"""

from collections.abc import Mapping, Sequence
from itertools import cycle
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float, Float64

from chainrule.core import InputError
from chainrule.report.drawing import GREY, PALETTE, TICKS, drawing, plain_ticks, side_by_side
from chainrule.report.words import number

if TYPE_CHECKING:
    import matplotlib.axes
    import matplotlib.figure

Array = np.ndarray
Lines = Mapping[str, Float64[Array, "S N"]]
DASHES = ("-", "--", "-.", ":")  # a line is told apart by more than its colour
LEAST = 1e-12  # below it single precision has nothing to say, and the axis would hold little else
EDGE = 1e6  # a run that has left the picture


def flow_figure(panels: Mapping[str, Lines]) -> "matplotlib.figure.Figure":
    """Gradient norms [S, k] of each cell, a panel for each moment: before training, after it."""
    with drawing():
        figure, all_axes = side_by_side(_some(panels), 3.8, share_y=True)
        for axes, (title, lines) in zip(all_axes, panels.items(), strict=True):
            axes.set_title(title)
            _bands(axes, {name: np.where(norms > 0, norms, np.nan) for name, norms in lines.items()}, start=0)
            axes.set_xlabel("k (steps back from the loss)")
        first = all_axes[0]
        first.set_ylabel("norm of the gradient by the state")
        first.set_ylim(bottom=max(LEAST, first.get_ylim()[0]))
        figure.legend(*first.get_legend_handles_labels(), loc="outside upper center", ncols=len(PALETTE))
        return figure


def clipping_figure(losses: Lines, norms: Lines, uniform: float) -> "matplotlib.figure.Figure":
    """Training loss in bits per token [S, step] and the gradient's norm, with and without clipping.

    uniform: the bits of guessing, drawn as a dotted line.
    """
    with drawing():
        _some(losses)
        figure, (left, right) = side_by_side(2, 3.8)
        for axes, lines, label in (
            (left, losses, "training loss (bits per token)"),
            (right, norms, "norm of the gradient, before clipping"),
        ):
            _bands(axes, {name: np.minimum(each, EDGE) for name, each in lines.items()}, start=1)
            axes.set_xlabel("step")
            axes.set_ylabel(label)
        left.axhline(uniform, color=GREY, linestyle=":", label="guessing")
        figure.legend(*left.get_legend_handles_labels(), loc="outside upper center", ncols=len(PALETTE))
        return figure


def partition_figure(
    measures: Mapping[str, Mapping[str, Float64[Array, " S"]]],
) -> "matplotlib.figure.Figure":
    """A panel for each measure; in it a point for each seed and a bar at the mean, by how it was trained."""
    with drawing():
        figure, all_axes = side_by_side(_some(measures), 3.2)
        for axes, (label, groups) in zip(all_axes, measures.items(), strict=True):
            for at, (values, colour, marker) in enumerate(
                zip(groups.values(), cycle(PALETTE), cycle("osD^"), strict=False)
            ):
                axes.plot(np.full(len(values), float(at)), values, marker, color=colour, mfc="none")
                mean = float(np.mean(values))
                axes.plot([at - 0.25, at + 0.25], [mean, mean], "-", color=colour, linewidth=2)
                axes.text(at + 0.28, mean, number(mean, 3), va="center", fontsize=8)
            axes.set_xticks(range(len(groups)), list(groups))
            axes.set_xlim(-0.5, len(groups) - 0.1)
            axes.set_ylabel(label)
            axes.grid(axis="x", visible=False)
        return figure


def validation_figure(
    curves: Mapping[str, tuple[Sequence[float], Sequence[float]]], unit: str
) -> "matplotlib.figure.Figure":
    """Quality on the validation part over minutes of training, of each model: (minutes, values in `unit`)."""
    with drawing():
        _some(curves)
        figure, (axes,) = side_by_side(1, 4.0)
        for (name, (minutes, values)), colour, dashes in zip(
            curves.items(), cycle(PALETTE), cycle(DASHES), strict=False
        ):
            axes.plot(minutes, values, dashes, color=colour, marker="o", markersize=3, label=name)
        axes.set_xlabel("training time (minutes)")
        axes.set_xlim(left=0)
        axes.set_ylabel(f"on the validation part ({unit})")
        axes.legend()
        return figure


def _bands(axes: "matplotlib.axes.Axes", lines: Lines, start: int) -> None:
    """The median over the seeds, and from the least to the largest, on a logarithmic axis; what is not finite
    is not drawn."""
    axes.set_yscale("log")
    for (name, values), colour, dashes in zip(lines.items(), cycle(PALETTE), cycle(DASHES), strict=False):
        known: Float[Array, "S N"] = np.where(np.isfinite(values), values, np.nan)
        kept = ~np.isnan(known).all(axis=0)
        xs, ys = np.flatnonzero(kept) + start, known[:, kept]
        axes.plot(xs, np.nanmedian(ys, axis=0), dashes, color=colour, label=name)
        if len(ys) > 1:
            low, high = np.nanmin(ys, axis=0), np.nanmax(ys, axis=0)
            axes.fill_between(xs, low, high, color=colour, alpha=0.2, linewidth=0)
    low, high = axes.get_ylim()
    plain_ticks(axes, "y", TICKS if high < 30 * low else (1.0,))


def _some(shown: Mapping[str, object]) -> int:
    """How many there are to show; raises InputError for none."""
    if not shown:
        raise InputError("figure: expected something to show, got nothing")
    return len(shown)
