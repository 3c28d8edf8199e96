"""Pictures of a comparison: learning curves, perplexities, Zipf's law, text coloured by surprisal, one page.

    y = exp(nats per token),     bits = -log2 p(x_t | x_<t),     log f_r = log f_1 - alpha log r

The page asks the network for nothing and needs no script; whatever comes from a text is escaped.

Shape letters: T tokens.
"""

import math
import re
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from io import BytesIO, StringIO
from itertools import cycle
from typing import TYPE_CHECKING, Any, NamedTuple

import jinja2
import numpy as np
from jaxtyping import Float64, Integer
from markupsafe import Markup

from chainrule.core import InputError
from chainrule.tasks.comparison import Interval, Row, block_bootstrap
from chainrule.tasks.evaluation import LN2
from chainrule.tasks.zipf import ZipfFit

if TYPE_CHECKING:  # the names below stand in quotes: who wants only numbers does not load matplotlib
    import matplotlib.axes
    import matplotlib.figure

Array = np.ndarray
Frequencies = Mapping[int, Integer[Array, " _"]]

SHOWN = 600  # held-out tokens that are coloured
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
TICKS = (1.0, 1.5, 2.0, 3.0, 5.0, 7.0)  # within a decade: a perplexity axis often has only one

LEVELS = (0.5, 1.0, 2.0, 3.0, 4.0, 6.0, 8.0, 12.0)  # bits at which the colour gets stronger
_ODD = [*range(32), *range(0x7F, 0xA0), *range(0xD800, 0xE000)]  # control characters, lone surrogates
_SAFE = {
    **dict.fromkeys(_ODD, "\ufffd"),
    **{code: chr(0x2400 + code) for code in range(32) if chr(code) not in "\t\n"},  # their pictures: ␀ ␍
    **{ord(kept): kept for kept in "\t\n"},
}


# Numbers and words


def number(x: float, digits: int = 2) -> str:
    """A number to be read: `3.42`, `12,345`, `∞`, and `–` for none; floats from a billion on as `1.2e+09`."""
    if math.isnan(x):
        return "–"
    if math.isinf(x):
        return "∞" if x > 0 else "−∞"
    huge = isinstance(x, float) and abs(x) >= 1e9
    text = f"{x:.1e}" if huge else f"{x:,.{digits}f}"
    if text.startswith("-"):  # what rounds to zero is written without a sign
        return "−" + text[1:] if text.strip("-0.,") else text[1:]
    return text


def interval(difference: Interval | None, digits: int = 2) -> str:
    """`−0.19 [−0.21, −0.17]`; `–` where there is none."""
    if difference is None:
        return "–"
    mean, low, high = (number(x, digits) for x in difference)
    return f"{mean} [{low}, {high}]"


def is_trained(row: Row) -> bool:
    """Whether the row's model is a network, trained by gradients, and not counted."""
    return row.fitted.unit == "parameters" and row.fitted.size > 0


def best(rows: Sequence[Row], trained: bool) -> Row | None:
    """The network (trained) or counted model that predicts the held-out text best; None without any."""
    those = [row for row in rows if is_trained(row) == trained]
    return min(those, key=lambda row: row.held_out.nats, default=None)


def saving(better: Row, worse: Row) -> Interval | None:
    """Bits per character that the first saves over the second, with the 95 % interval of the bootstrap.

    None where one of them is infinite.
    """
    scale = 1 / LN2 / max(better.held_out.counts.characters, 1)
    with np.errstate(invalid="ignore"):
        bits = (worse.surprisal - better.surprisal) * scale * len(better.surprisal)
    return block_bootstrap(bits, np.random.default_rng(0))  # its own seed: the page is the same every time


def summary(rows: Sequence[Row]) -> str:
    """The outcome in one sentence: which model is best on held-out text, and whether that can be chance."""
    winner = min(rows, key=lambda row: row.held_out.nats)
    held_out, vocab_size = winner.held_out, winner.fitted.model.vocab_size
    uniform = math.log2(vocab_size) * held_out.tokens / max(held_out.counts.characters, 1)
    said = (
        f"{winner.name} predicts the held-out text best: {number(held_out.bits_per_character)} bits per "
        f"character and perplexity {number(held_out.perplexity)}, where guessing uniformly over |V| = "
        f"{number(vocab_size, 0)} tokens gives {number(uniform)} bits and {number(vocab_size, 0)}"
    )
    other = best(rows, not is_trained(winner))
    if other is None:
        return said + "."
    saved, bits = saving(winner, other), other.held_out.bits_per_character - held_out.bits_per_character
    kind = "counted model" if is_trained(winner) else "network"
    said += f"; it beats the best {kind}, {other.name}, by {number(bits)} bits per character"
    if saved is None:
        return said + "."
    between = f"the 95 % interval, {number(saved.low)} to {number(saved.high)},"
    if saved.low > 0 or saved.high < 0:
        return f"{said}, and {between} excludes zero."
    return f"{said}, but {between} includes zero: this text cannot tell them apart."


def trap(rows: Sequence[Row]) -> str | None:
    """What judging by training perplexity would have led to; None if it would have picked the same model."""
    winner = min(rows, key=lambda row: row.held_out.nats)
    fooled = min(rows, key=lambda row: row.train.nats / max(row.train.tokens, 1))
    if fooled is winner:
        return None
    return (
        f"Judged on the text that it was trained on, {fooled.name} would have won: perplexity "
        f"{number(fooled.train.perplexity)} there, but {number(fooled.held_out.perplexity)} on held-out text."
    )


# Figures


def curves_figure(rows: Sequence[Row]) -> "matplotlib.figure.Figure":
    """Perplexity over training time of every network: dashed in training, solid on the validation part.

    Where the solid line turns up while the dashed one falls, the network learns its text by heart.
    Diamonds are what the networks get on held-out text in the end, for which the dotted line is the best
    counted model: the validation part is another text, and comparing a curve with that line would mislead.
    """
    with _drawing():
        from matplotlib.lines import Line2D

        figure, axes = _axes(4.0)
        handles: list[Line2D] = []
        trained = [row for row in rows if row.fitted.curve]
        for row, colour in zip(trained, cycle(PALETTE), strict=False):
            seconds = [point.seconds for point in row.fitted.curve]
            marker = "o" if len(seconds) < 20 else None  # one point alone makes no line
            for part, dashes, face in (("train", "--", "none"), ("valid", "-", colour)):
                ys = [_perplexity(getattr(point, part)) for point in row.fitted.curve]
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
        _perplexity_axis(axes, "y")
        axes.legend(handles=handles, loc="upper left", bbox_to_anchor=(1.01, 1.02))
        return figure


def perplexity_figure(rows: Sequence[Row]) -> "matplotlib.figure.Figure":
    """Bars of training beside held-out perplexity; an infinite one reaches the edge, hatched.

    The axis is logarithmic and begins at 1, the perfect predictor, so a bar is as long as its bits.
    """
    with _drawing():
        figure, axes = _axes(0.8 + 0.48 * len(rows))
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
        _perplexity_axis(axes, "x")
        axes.set_xlim(1, edge)
        axes.set_yticks(range(len(rows)), [row.name for row in rows])
        axes.grid(axis="y", visible=False)
        axes.invert_yaxis()
        axes.legend(loc="upper left", bbox_to_anchor=(1.01, 1.02))
        return figure


def zipf_figure(frequencies: Frequencies, fits: Mapping[int, ZipfFit]) -> "matplotlib.figure.Figure":
    """Frequency over rank, both logarithmic, of 1-, 2-, 3-grams (the keys), with the fitted law as a line."""
    with _drawing():
        figure, axes = _axes(4.0)
        for (n, counts), marker, colour in zip(sorted(frequencies.items()), "osD^v<", PALETTE, strict=False):
            ranked = np.sort(counts[counts > 0])[::-1]
            if not len(ranked):
                continue
            ranks = _spread(len(ranked))
            label = f"{n}-grams" + (f", alpha = {number(fits[n].alpha)}" if n in fits else "")
            axes.plot(ranks, ranked[ranks - 1], marker, color=colour, markersize=3.5, label=label)
            if n in fits:
                expected = fits[n].expected(ranks.astype(np.float64))
                axes.plot(ranks, expected, "-", color=colour, linewidth=1)
        for axis, name in ((axes.xaxis, "rank"), (axes.yaxis, "frequency")):
            axis.set_label_text(name)
        axes.set_xscale("log")
        axes.set_yscale("log")
        _plain_ticks(axes, "x", (1.0,))
        _plain_ticks(axes, "y", (1.0,))
        axes.set_ylim(bottom=0.5)  # a count below one is the fit's, not the text's
        if axes.lines:
            axes.legend()
        return figure


def svg(figure: "matplotlib.figure.Figure") -> str:
    """The figure as an <svg> element to stand in a page; made anew from the same numbers it is the same text.

    What is drawn in INK takes the colour and everything written takes the fonts of the page around it.
    """
    with _drawing():
        out = StringIO()
        empty = dict.fromkeys(("Creator", "Date", "Format", "Type"))
        figure.savefig(out, format="svg", transparent=True, metadata=empty)
    text = out.getvalue()
    text = text[text.index("<svg") :].rstrip()
    # its style sheet would hold for the whole page
    text = re.sub(
        r"\s*<style type=\"text/css\">.*?</style>", "", text, flags=re.DOTALL
    )  # would style the page
    text = text.replace("<svg ", '<svg style="stroke-linejoin:round;stroke-linecap:butt" ', 1)
    used = set(re.findall(r"#([\w-]+)", text))
    text = re.sub(r'(<\w+) id="([^"]*)"', lambda tag: tag[0] if tag[2] in used else tag[1], text)
    text = re.sub(r"(font: [^;\"]*?[\d.]+px) [^;\"]+", r"\1 system-ui, sans-serif", text)
    return text.replace(INK, "currentColor")


def png(figure: "matplotlib.figure.Figure") -> bytes:
    """The figure as a PNG file, on white."""
    with _drawing():
        out = BytesIO()
        figure.savefig(out, format="png", dpi=150, facecolor="white", metadata={"Software": None})
    return out.getvalue()


@contextmanager
def _drawing() -> Generator[None]:
    """matplotlib in this file's style, and as it was afterwards."""
    import matplotlib

    with matplotlib.rc_context(STYLE):
        yield


def _axes(height: float) -> "tuple[matplotlib.figure.Figure, matplotlib.axes.Axes]":
    from matplotlib.figure import Figure  # not pyplot, which keeps figures alive and looks for a screen

    figure = Figure(figsize=(8.0, height), layout="constrained")
    return figure, figure.add_subplot()


def _perplexity(nats: float) -> float:
    """exp(nats), nan (not drawn) where that is no number to draw."""
    return math.exp(nats) if nats < 700 else math.nan


def _perplexity_axis(axes: "matplotlib.axes.Axes", which: str) -> None:
    (axes.set_xscale if which == "x" else axes.set_yscale)("log")
    (axes.set_xlabel if which == "x" else axes.set_ylabel)("perplexity per token")
    low, high = axes.get_xlim() if which == "x" else axes.get_ylim()
    _plain_ticks(axes, which, TICKS if high < 100 * low else (1.0, 3.0))


def _plain_ticks(axes: "matplotlib.axes.Axes", which: str, within: Sequence[float]) -> None:
    """Ticks of a logarithmic axis at these places in each decade, written as plain numbers."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

    def plain(x: float, _: int | None = None) -> str:
        return f"{x:g}" if x < 1000 else f"{x:,.0f}" if x < 1e6 else f"{x:.0e}"

    axis = axes.xaxis if which == "x" else axes.yaxis
    axis.set_major_locator(LogLocator(subs=within))
    axis.set_major_formatter(FuncFormatter(plain))
    axis.set_minor_locator(NullLocator())


def _spread(ranks: int, points: int = 150) -> Integer[Array, " _"]:
    """Ranks 1 to `ranks`, thinned out so that they lie evenly on a logarithmic axis."""
    return np.unique(np.geomspace(1, ranks, points).round().astype(np.int64))


# Text coloured by surprisal


class Span(NamedTuple):
    """A piece of text to show, the bits that it cost, and the class that colours it: s0 to s8, or inf."""

    text: str
    bits: float
    css: str


def surprisal_spans(tokens: Sequence[str], nats: Float64[Array, " T"]) -> list[Span]:
    """Each token with its surprisal in bits and its colour; a line's end is shown as ↵ before it breaks.

    Control characters are shown by their pictures. The texts are not escaped: the template does that.
    """
    bits = nats / LN2
    levels = np.searchsorted(np.array(LEVELS), bits, side="right")
    return [
        Span(visible(token).replace("\n", "↵\n"), float(b), f"s{level}" if math.isfinite(b) else "inf")
        for token, b, level in zip(tokens, bits, levels, strict=True)
    ]


def surprisal_legend() -> list[Span]:
    """Every colour with the bits from which on it is used, as text."""
    starts = (0.0, *LEVELS)
    spans = [
        Span(f"{start:g}–{end:g}", start, f"s{level}")
        for level, (start, end) in enumerate(zip(starts, LEVELS, strict=False))
    ]
    return [
        *spans,
        Span(f"{LEVELS[-1]:g} or more", LEVELS[-1], f"s{len(LEVELS)}"),
        Span("∞", math.inf, "inf"),
    ]


def visible(text: str) -> str:
    """The text with characters that cannot be shown, or not written to a file, replaced by such as can."""
    return text.translate(_SAFE)


# The page


def comparison_report(
    rows: Sequence[Row],
    *,
    title: str,
    source: str,
    split: Mapping[str, Mapping[str, int]],
    settings: Mapping[str, Any],
    held_out_tokens: Sequence[str],
    frequencies: Frequencies,
    fits: Mapping[int, ZipfFit],
    zipf_items: str = "words",
    notes: Sequence[str] = (),
) -> str:
    """A comparison as one HTML page that holds all it shows.

    split: of each part (train, valid, test) its counts by unit, such as characters and tokens.
    held_out_tokens: the first held-out tokens as strings; SHOWN of them are coloured. zipf_items: what the
    n-grams of `frequencies` are made of; without frequencies that section is left out.
    notes: what else a reader of the table should know, such as what the tokens lose and how many are unknown.
    Raises InputError without rows.
    """
    if not rows:
        raise InputError("report: expected at least one row, got none")
    page = _template().render(
        rows=rows,
        winner=min(rows, key=lambda row: row.held_out.nats),
        title=title,
        source=source,
        split=split,
        units=list(dict.fromkeys(unit for counts in split.values() for unit in counts)),
        settings=settings,
        notes=notes,
        summary=summary(rows),
        trap=trap(rows),
        figures=_figures(rows, frequencies, fits),
        zipf_items=zipf_items,
        zipf=_zipf_table(frequencies, fits),
        fits=fits,
        perplexity=_perplexity,
        legend=surprisal_legend(),
        readings=_readings(rows, held_out_tokens),
    )
    return page.encode("utf-8", "replace").decode("utf-8")


def _template() -> jinja2.Template:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("chainrule", "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(number=number, interval=interval, visible=visible)
    return environment.get_template("report.html")


def _figures(rows: Sequence[Row], frequencies: Frequencies, fits: Mapping[int, ZipfFit]) -> dict[str, Markup]:
    """The figures there is something to show for; svg escapes what it writes."""
    figures = {"perplexity": Markup(svg(perplexity_figure(rows)))}
    if any(row.fitted.curve for row in rows):
        figures["curves"] = Markup(svg(curves_figure(rows)))
    if any(len(counts) for counts in frequencies.values()):
        figures["zipf"] = Markup(svg(zipf_figure(frequencies, fits)))
    return figures


def _readings(rows: Sequence[Row], tokens: Sequence[str]) -> list[tuple[str, list[Span]]]:
    """The beginning of the held-out text as the best counted model and the best network see it."""
    models = [row for row in (best(rows, trained=False), best(rows, trained=True)) if row is not None]
    length = min(SHOWN, len(tokens), *(len(row.surprisal) for row in models))
    return [(row.name, surprisal_spans(tokens[:length], row.surprisal[:length])) for row in models]


def _zipf_table(frequencies: Frequencies, fits: Mapping[int, ZipfFit]) -> list[tuple[int, int, int, float]]:
    """n, rank, frequency and what the fit expects (nan without one), at ranks 1, 2, 5, 10, 20, ..."""
    table: list[tuple[int, int, int, float]] = []
    for n, counts in sorted(frequencies.items()):
        ranked = np.sort(counts)[::-1]
        for rank in (digit * 10**power for power in range(9) for digit in (1, 2, 5)):
            if rank <= len(ranked):
                expected = fits[n].expected(np.array([float(rank)]))[0] if n in fits else math.nan
                table.append((n, rank, int(ranked[rank - 1]), float(expected)))
    return table
