"""A comparison as one page, which asks the network for nothing, needs no script, and escapes what comes from
a text.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import jinja2
import numpy as np
from markupsafe import Markup

from chainrule.core import InputError
from chainrule.report.drawing import perplexity, svg
from chainrule.report.figures import Frequencies, curves_figure, perplexity_figure, zipf_figure
from chainrule.report.surprisal import Span, surprisal_legend, surprisal_spans, visible
from chainrule.report.words import best, interval, number, summary, trap
from chainrule.tasks.comparison import Row
from chainrule.tasks.zipf import ZipfFit

SHOWN = 600  # held-out tokens that are coloured


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
    online: Sequence[Row] = (),
) -> str:
    """A comparison as one HTML page that holds all it shows.

    split: of each part (train, valid, test) its counts by unit, such as characters and tokens.
    held_out_tokens: the first held-out tokens as strings; SHOWN of them are coloured. zipf_items: what the
    n-grams of `frequencies` are made of; without frequencies that section is left out.
    notes: what else a reader of the table should know, such as what the tokens lose and how many are unknown.
    online: rows of models that learned as they read, for a table of their own.
    Raises InputError without rows.
    """
    if not rows:
        raise InputError("report: expected at least one row, got none")
    page = _template().render(
        rows=rows,
        online=online,
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
        perplexity=perplexity,
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
