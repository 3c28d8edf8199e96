"""Pictures of series: what came, what was forecast of it, and how sure that was; errors by steps ahead.

Shape letters: T time, H horizon, S seeds.
"""

from collections.abc import Mapping, Sequence
from itertools import cycle
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float64

from chainrule.core import InputError
from chainrule.report.drawing import GREY, PALETTE, TICKS, drawing, one_axes, plain_ticks, side_by_side

if TYPE_CHECKING:
    import matplotlib.figure

Array = np.ndarray
Bands = Mapping[float, tuple[Float64[Array, " H"], Float64[Array, " H"]]]
MARKERS = "osD^vP<>"


def forecast_figure(
    times: Any,
    values: Float64[Array, " T"],
    ahead: Any,
    mean: Float64[Array, " H"],
    bands: Bands,
    *,
    name: str = "",
) -> "matplotlib.figure.Figure":
    """The series, its forecast, and a band for each level, the widest the palest."""
    with drawing():
        figure, axes = one_axes(3.6)
        axes.plot(times, values, color=GREY, label=name or "series")
        for level, (low, high) in sorted(bands.items(), reverse=True):
            alpha = 0.15 + 0.2 * (1 - level / 100)
            axes.fill_between(ahead, low, high, color=PALETTE[0], alpha=alpha, lw=0, label=f"{level:g} %")
        axes.plot(ahead, mean, color=PALETTE[0], label="forecast")
        axes.legend(loc="upper left")
        return figure


def k_step_figure(
    values: Float64[Array, " T"],
    training: int,
    paths: Mapping[str, Float64[Array, " H"]],
    errors: Mapping[str, Mapping[int, Sequence[float]]],
    noise: float,
) -> "matplotlib.figure.Figure":
    """Left, one series and the roll-outs from the end of its training part; right, the squared error over the
    steps ahead of each model, its median over the seeds and a band from the least to the largest.

    noise: the variance that nobody can tell, a dotted line.
    """
    if not errors:
        raise InputError("figure: expected something to show, got nothing")
    with drawing():
        figure, (left, right) = side_by_side(2, 3.8)
        times = np.arange(len(values))
        left.plot(times, values, ".", color=GREY, markersize=2)
        left.axvline(training, color=GREY, linestyle=":")
        for (name, by_step), colour, marker in zip(
            errors.items(), cycle(PALETTE), cycle(MARKERS), strict=False
        ):
            if name in paths:
                path = np.clip(paths[name], values.min() - 1, values.max() + 1)
                left.plot(np.arange(training, training + len(path)), path, color=colour)
            steps = sorted(by_step)
            middle = [float(np.median(by_step[k])) for k in steps]
            right.plot(steps, middle, marker=marker, color=colour, label=name, markersize=4)
            low, high = ([float(edge(by_step[k])) for k in steps] for edge in (np.min, np.max))
            right.fill_between(steps, low, high, color=colour, alpha=0.15, lw=0)
        right.axhline(noise, color=GREY, linestyle=":", label="noise")
        right.set_xscale("log", base=2)
        right.set_yscale("log")
        plain_ticks(right, "y", TICKS)
        ticks = sorted({k for by_step in errors.values() for k in by_step})
        right.set_xticks(ticks, list(map(str, ticks)))
        left.set_xlabel("t (roll-outs from the dotted line)")
        right.set_xlabel("steps ahead")
        right.set_ylabel("squared error")
        figure.legend(*right.get_legend_handles_labels(), loc="outside upper center", ncols=4)
        return figure
