"""`chainrule train --find-lr`: a sweep over learning rates, as a number and as a plot."""

from pathlib import Path

import typer

from chainrule.cli.console import bar, err, out, print_json
from chainrule.core import InputError
from chainrule.data.dataset import Dataset
from chainrule.files import written_aside
from chainrule.recipes import NETWORKS, Recipe, find_rate
from chainrule.training import Sweep

PICTURES = ("svg", "png", "pdf")
RULE = "a third of the rate at which the smoothed loss is lowest"


def check_plot(path: Path | None) -> None:
    """Raises InputError for a picture of a kind that cannot be drawn."""
    kind = "" if path is None else path.suffix.removeprefix(".").lower()
    if path is not None and kind not in PICTURES:
        raise InputError(f"--plot: expected a file that ends in {', '.join(PICTURES)}, got {str(path)!r}")


def show(recipe: Recipe, data: Dataset, plot: Path | None, *, json: bool) -> None:
    """Find a rate and print it; draw how it was found."""
    if recipe.kind not in NETWORKS:
        raise InputError(f"--find-lr: expected one of {', '.join(NETWORKS)}, got {recipe.kind}")
    with bar("learning rates") as tell:
        sweep = find_rate(recipe, data, lambda done: tell(done, "a step at each rate"))
    if json:
        print_json(
            {
                "suggested": sweep.suggested,
                "lowest": sweep.lowest,
                "rule": RULE,
                **{name: getattr(sweep, name).tolist() for name in ("rates", "nats", "smoothed")},
            }
        )
    else:
        typer.echo(_terminal_plot(sweep))
        out().print(f"learning rate: {sweep.suggested:.2g} ({RULE}, {sweep.lowest:.2g})", markup=False)
    if plot is not None:
        _write_plot(sweep, plot)
        err().print(f"plot: {plot}", soft_wrap=True, markup=False)


def _terminal_plot(sweep: Sweep) -> str:
    """Loss by rate, the rate on a logarithmic scale."""
    import plotext

    plotext.clear_figure()
    plotext.theme("clear")
    plotext.plotsize(90, 22)
    plotext.xscale("log")
    plotext.xlabel("learning rate")
    plotext.ylabel("nats/token")
    plotext.ylim(*_span(sweep))
    plotext.scatter(sweep.rates.tolist(), sweep.nats.tolist(), marker=".", label="each step")
    plotext.plot(sweep.rates.tolist(), sweep.smoothed.tolist(), marker="*", label="smoothed")
    plotext.vline(sweep.suggested)
    return plotext.build()


def _write_plot(sweep: Sweep, path: Path) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.subplots()
    axes.plot(sweep.rates, sweep.nats, ".", color="0.7", label="each step")
    axes.plot(sweep.rates, sweep.smoothed, label="smoothed")
    axes.axvline(sweep.suggested, color="0.3", linestyle="--", label=f"suggested: {sweep.suggested:.2g}")
    axes.set_xscale("log")
    axes.set_ylim(*_span(sweep))
    axes.set_xlabel("learning rate")
    axes.set_ylabel("nats per token in training")
    axes.legend()
    with written_aside(path) as file:
        figure.savefig(file, format=path.suffix.removeprefix(".").lower())


def _span(sweep: Sweep) -> tuple[float, float]:
    """What there is to see: single steps may run away at the end."""
    low, high = float(sweep.nats.min()), float(sweep.smoothed.max())
    room = 0.05 * (high - low) or 1.0
    return low - room, high + room
