"""Pictures of a comparison: learning curves, perplexities, Zipf's law.

y = exp(nats per token),     log f_r = log f_1 - alpha log r
"""

import math
from collections.abc import Mapping, Sequence
from itertools import cycle
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Integer

from chainrule.report.drawing import (
    GREY,
    PALETTE,
    drawing,
    one_axes,
    perplexity,
    perplexity_axis,
    plain_ticks,
    spread,
)
from chainrule.report.words import best, number
from chainrule.tasks.comparison import Row
from chainrule.tasks.zipf import ZipfFit

if TYPE_CHECKING:
    import matplotlib.figure

Array = np.ndarray
Frequencies = Mapping[int, Integer[Array, " _"]]


def curves_figure(rows: Sequence[Row]) -> "matplotlib.figure.Figure":
    """Perplexity over training time of every network: dashed in training, solid on the validation part.

    Where the solid line turns up while the dashed one falls, the network learns its text by heart.
    Diamonds are what the networks get on held-out text in the end, for which the dotted line is the best
    counted model: the validation part is another text, and comparing a curve with that line would mislead.
    """
    with drawing():
        from matplotlib.lines import Line2D

        figure, axes = one_axes(4.0)
        handles: list[Line2D] = []
        trained = [row for row in rows if row.fitted.curve]
        for row, colour in zip(trained, cycle(PALETTE), strict=False):
            seconds = [point.seconds for point in row.fitted.curve]
            marker = "o" if len(seconds) < 20 else None  # one point alone makes no line
            for part, dashes, face in (("train", "--", "none"), ("valid", "-", colour)):
                ys = [perplexity(getattr(point, part)) for point in row.fitted.curve]
                axes.plot(seconds, ys, dashes, color=colour, marker=marker, markersize=4, mfc=face)
            end = row.held_out.perplexity
            axes.plot(
                seconds[-1:], [end if math.isfinite(end) else math.nan], "D", color=colour, markersize=7
            )
            handles.append(Line2D([], [], color=colour, label=row.name))
        handles.append(Line2D([], [], color=GREY, linestyle="--", label="in training"))
        handles.append(Line2D([], [], color=GREY, label="on validation text"))
        handles.append(Line2D([], [], color=GREY, marker="D", linestyle="", label="held-out, in the end"))
        counted = best(rows, trained=False)
        if counted is not None and math.isfinite(counted.held_out.perplexity):
            axes.axhline(counted.held_out.perplexity, color=GREY, linestyle=":")
            handles.append(Line2D([], [], color=GREY, linestyle=":", label=f"{counted.name},\nheld-out"))
        axes.set_xlabel("training time (seconds)")
        axes.set_xlim(left=0)
        perplexity_axis(axes, "y")
        axes.legend(handles=handles, loc="upper left", bbox_to_anchor=(1.01, 1.02))
        return figure


def perplexity_figure(rows: Sequence[Row]) -> "matplotlib.figure.Figure":
    """Bars of training beside held-out perplexity; an infinite one reaches the edge, hatched.

    The axis is logarithmic and begins at 1, the perfect predictor, so a bar is as long as its bits.
    """
    with drawing():
        figure, axes = one_axes(0.8 + 0.48 * len(rows))
        parts = (("training", PALETTE[5], [row.train.perplexity for row in rows]),
                 ("held-out", PALETTE[1], [row.held_out.perplexity for row in rows]))  # fmt: skip
        edge = 2.2 * max([x for _, _, xs in parts for x in xs if math.isfinite(x)], default=10.0)
        for place, (label, colour, values) in enumerate(parts):
            ends = [x if math.isfinite(x) else edge / 1.5 for x in values]
            at = np.arange(len(rows)) + 0.38 * (place - 0.5)
            bars = axes.barh(at, np.array(ends) - 1, 0.36, left=1, color=colour, label=label)
            for bar, end, x in zip(bars, ends, values, strict=True):
                bar.set_hatch("" if math.isfinite(x) else "///")
                axes.text(end * 1.02, bar.get_y() + 0.18, number(x), va="center", fontsize=8)
        perplexity_axis(axes, "x")
        axes.set_xlim(1, edge)
        axes.set_yticks(range(len(rows)), [row.name for row in rows])
        axes.grid(axis="y", visible=False)
        axes.invert_yaxis()
        axes.legend(loc="upper left", bbox_to_anchor=(1.01, 1.02))
        return figure


def zipf_figure(frequencies: Frequencies, fits: Mapping[int, ZipfFit]) -> "matplotlib.figure.Figure":
    """Frequency over rank, both logarithmic, of 1-, 2-, 3-grams (the keys), with the fitted law as a line."""
    with drawing():
        figure, axes = one_axes(4.0)
        for (n, counts), marker, colour in zip(sorted(frequencies.items()), "osD^v<", PALETTE, strict=False):
            ranked = np.sort(counts[counts > 0])[::-1]
            if not len(ranked):
                continue
            ranks = spread(len(ranked))
            label = f"{n}-grams" + (f", alpha = {number(fits[n].alpha)}" if n in fits else "")
            axes.plot(ranks, ranked[ranks - 1], marker, color=colour, markersize=3.5, label=label)
            if n in fits:
                expected = fits[n].expected(ranks.astype(np.float64))
                axes.plot(ranks, expected, "-", color=colour, linewidth=1)
        for axis, name in ((axes.xaxis, "rank"), (axes.yaxis, "frequency")):
            axis.set_label_text(name)
        axes.set_xscale("log")
        axes.set_yscale("log")
        plain_ticks(axes, "x", (1.0,))
        plain_ticks(axes, "y", (1.0,))
        axes.set_ylim(bottom=0.5)  # a count below one is the fit's, not the text's
        if axes.lines:
            axes.legend()
        return figure
