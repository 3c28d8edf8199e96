"""How every picture looks: colours, axes, and what is written to a file.

y = exp(nats per token) on a logarithmic axis
"""

import math
import re
import warnings
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from io import BytesIO, StringIO
from threading import RLock
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Integer

if TYPE_CHECKING:  # the names below stand in quotes: who wants only numbers does not load matplotlib
    import matplotlib.axes
    import matplotlib.figure

Array = np.ndarray

# Okabe & Ito (2008): told apart by colour-blind readers, and visible on white and on black; their yellow
# (not seen on white) is left out
PALETTE = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
INK = "#010203"  # nothing else has this colour: near black in a PNG, in an SVG that of the text around it
GREY = "#808080"
STYLE: Any = {
    **dict.fromkeys(("text.color", "xtick.color", "ytick.color", "grid.color", "axes.edgecolor"), INK),
    **dict.fromkeys(("axes.spines.top", "axes.spines.right", "legend.frameon"), False),
    **dict.fromkeys(("axes.grid", "axes.axisbelow"), True),
    "axes.labelcolor": INK,
    "grid.alpha": 0.15,
    "svg.fonttype": "none",
    "svg.hashsalt": "chainrule",
    "text.parse_math": False,  # a model's name with a dollar sign is a name
}
ONE_AT_A_TIME = RLock()  # matplotlib's settings belong to the process, pages draw in threads of it
TICKS = (1.0, 1.5, 2.0, 3.0, 5.0, 7.0)  # within a decade: a perplexity axis often has only one


def svg(figure: "matplotlib.figure.Figure") -> str:
    """The figure as an <svg> element to stand in a page; made anew from the same numbers it is the same text.

    What is drawn in INK takes the colour and everything written takes the fonts of the page around it.
    """
    with drawing(), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing", UserWarning)  # the page around has it
        out = StringIO()
        empty = dict.fromkeys(("Creator", "Date", "Format", "Type"))
        figure.savefig(out, format="svg", transparent=True, metadata=empty)
    text = out.getvalue()
    text = text[text.index("<svg") :].rstrip()
    # its style sheet would hold for the whole page
    text = re.sub(r"\s*<style type=\"text/css\">.*?</style>", "", text, flags=re.DOTALL)
    text = text.replace("<svg ", '<svg style="stroke-linejoin:round;stroke-linecap:butt" ', 1)
    used = set(re.findall(r"#([\w-]+)", text))
    text = re.sub(r'(<\w+) id="([^"]*)"', lambda tag: tag[0] if tag[2] in used else tag[1], text)
    text = re.sub(r"(font: [^;\"]*?[\d.]+px) [^;\"]+", r"\1 system-ui, sans-serif", text)
    return text.replace(INK, "currentColor")


def png(figure: "matplotlib.figure.Figure") -> bytes:
    """The figure as a PNG file, on white."""
    with drawing():
        out = BytesIO()
        figure.savefig(out, format="png", dpi=150, facecolor="white", metadata={"Software": None})
    return out.getvalue()


@contextmanager
def drawing() -> Generator[None]:
    """matplotlib in this file's style, and as it was afterwards."""
    import matplotlib

    with ONE_AT_A_TIME, matplotlib.rc_context(STYLE):
        yield


def one_axes(height: float) -> "tuple[matplotlib.figure.Figure, matplotlib.axes.Axes]":
    figure, (axes,) = side_by_side(1, height)
    return figure, axes


def side_by_side(
    panels: int, height: float, *, share_y: bool = False
) -> "tuple[matplotlib.figure.Figure, list[matplotlib.axes.Axes]]":
    from matplotlib.figure import Figure  # not pyplot, which keeps figures alive and looks for a screen

    figure = Figure(figsize=(8.0, height), layout="constrained")
    return figure, list(figure.subplots(1, panels, squeeze=False, sharey=share_y)[0])


def perplexity(nats: float) -> float:
    """exp(nats), nan (not drawn) where that is no number to draw."""
    return math.exp(nats) if nats < 700 else math.nan


def perplexity_axis(axes: "matplotlib.axes.Axes", which: str) -> None:
    (axes.set_xscale if which == "x" else axes.set_yscale)("log")
    (axes.set_xlabel if which == "x" else axes.set_ylabel)("perplexity per token")
    low, high = axes.get_xlim() if which == "x" else axes.get_ylim()
    plain_ticks(axes, which, TICKS if high < 100 * low else (1.0, 3.0))


def plain_ticks(axes: "matplotlib.axes.Axes", which: str, within: Sequence[float]) -> None:
    """Ticks of a logarithmic axis at these places in each decade, written as plain numbers."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

    def plain(x: float, _: int | None = None) -> str:
        return f"{x:g}" if x < 1000 else f"{x:,.0f}" if x < 1e6 else f"{x:.0e}"

    axis = axes.xaxis if which == "x" else axes.yaxis
    axis.set_major_locator(LogLocator(subs=within))
    axis.set_major_formatter(FuncFormatter(plain))
    axis.set_minor_locator(NullLocator())


def spread(ranks: int, points: int = 150) -> Integer[Array, " _"]:
    """Ranks 1 to `ranks`, thinned out so that they lie evenly on a logarithmic axis."""
    return np.unique(np.geomspace(1, ranks, points).round().astype(np.int64))
