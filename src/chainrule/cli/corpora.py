"""`chainrule corpora` and `chainrule zipf`: the texts there are, and how their words are spread."""

from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from rich.table import Table
from rich.text import Text

from chainrule.cli.console import note, out, output, print_json, read_corpus
from chainrule.core import InputError
from chainrule.data.codec import Codec
from chainrule.data.corpora import KNOWN, is_here
from chainrule.files import written_aside
from chainrule.models.ngram import count_ngrams
from chainrule.recipes.counted import top_ngrams
from chainrule.report import png, zipf_figure
from chainrule.tasks.evaluation import TextCounts
from chainrule.tasks.zipf import ZipfFit, fit_zipf


def corpora(
    corpus: Annotated[str | None, typer.Argument(help="Fetch and measure this one.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON in place of a table.")] = False,
    errors: Annotated[str, typer.Option(help="Bytes that are not UTF-8: strict or replace.")] = "strict",
) -> None:
    """List the corpora known by name, or fetch one and measure it.

    Example: `chainrule corpora timemachine`
    """
    if corpus is not None:
        loaded = read_corpus(corpus, errors)
        counts = TextCounts.of(loaded.text)
        facts = {
            "corpus": loaded.name,
            "source": loaded.source,
            "characters": counts.characters,
            "bytes": counts.bytes,
            "words": counts.words,
            "distinct_characters": len(set(loaded.text)),
        }
        if json:
            print_json(facts)
        else:
            for name, value in facts.items():
                shown = f"{value:,}" if isinstance(value, int) else value
                out().print(f"{name.replace('_', ' ')}: {shown}", markup=False)
        return
    rows = [
        {
            "name": known.name,
            "title": known.title,
            "where": known.url or "embedded",
            "here": is_here(known),
            "sha256": known.sha256,
            "terms": known.terms,
        }
        for known in KNOWN
    ]
    if json:
        print_json(rows)
        return
    made = Table(header_style="bold")
    for heading in ("name", "title", "here", "terms"):
        made.add_column(heading)
    for row in rows:
        made.add_row(str(row["name"]), str(row["title"]), "yes" if row["here"] else "", str(row["terms"]))
    out().print(made)
    out().print("Any file, folder or - works as well; CHAINRULE_DATA=DIR is looked into first.")


def zipf(
    corpus: Annotated[str, typer.Argument(help="A corpus by name, a file, a folder, or -.")] = "pydocs",
    tokenizer: Annotated[str, typer.Option(help="words, chinese-words, characters, bytes or bpe.")] = "words",
    clean: Annotated[bool, typer.Option("--clean", help="Letters a-z only, lower case.")] = False,
    bpe_size: Annotated[int, typer.Option(help="Vocabulary of the BPE tokeniser.")] = 2000,
    top: Annotated[int, typer.Option(help="How many of the most frequent to list.")] = 10,
    plot: Annotated[Path | None, typer.Option(help="Write the log-log plot to this PNG.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite a picture that exists.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print JSON in place of tables.")] = False,
    errors: Annotated[str, typer.Option(help="Bytes that are not UTF-8: strict or replace.")] = "strict",
) -> None:
    """Show how the frequencies of 1-, 2- and 3-grams fall with their rank, and the exponent of the fall.

    Example: `chainrule zipf timemachine --clean --plot zipf.png`
    """
    path = output(plot, force=force)
    loaded = read_corpus(corpus, errors)
    codec = Codec.fit(loaded.text, tokenizer, bpe_size=bpe_size, clean=clean)
    ids = codec.encode(loaded.text)
    if len(ids) < 4:
        raise InputError(f"{loaded.name}: expected at least 4 tokens, got {len(ids)}")
    counts = count_ngrams([ids], codec.vocab_size, 3)
    frequencies = {n: counts.ngrams(n)[1] for n in (1, 2, 3)}
    fits = {n: fit_zipf(frequency) for n, frequency in frequencies.items()}
    tops = {n: top_ngrams(counts, codec, n, top) for n in fits}
    if path is not None:
        with written_aside(path) as file:
            file.write(png(zipf_figure(frequencies, fits)))
        note(f"plot: {path}")
    if json:
        print_json([_as_dict(n, fits[n], tops[n]) for n in fits])
        return
    _print_fits(fits)
    _print_tops(tops)
    out().print(Text.from_ansi(_terminal_plot(frequencies)))


def _as_dict(n: int, fit: ZipfFit, top: list[tuple[str, int]]) -> dict[str, Any]:
    return {
        "n": n,
        "tokens": fit.tokens,
        "types": fit.types,
        "alpha": fit.alpha,
        "standard_error": fit.standard_error,
        "top": [{"ngram": ngram, "count": count} for ngram, count in top],
    }


def _print_fits(fits: dict[int, ZipfFit]) -> None:
    made = Table(header_style="bold")
    for heading in ("n", "n-grams", "different", "alpha", "standard error"):
        made.add_column(heading, justify="right")
    for n, fit in fits.items():
        made.add_row(
            str(n), f"{fit.tokens:,}", f"{fit.types:,}", f"{fit.alpha:.4f}", f"{fit.standard_error:.4f}"
        )
    out().print(made)


def _print_tops(tops: dict[int, list[tuple[str, int]]]) -> None:
    made = Table(header_style="bold")
    for n in tops:
        made.add_column(f"{n}-grams")
        made.add_column("", justify="right")
    for line in range(max(len(top) for top in tops.values())):
        cells: list[str | Text] = []
        for top in tops.values():
            ngram, count = top[line] if line < len(top) else ("", None)
            # a blank or a line end would not be seen
            cells += [Text(ngram if ngram.strip() == ngram and ngram.isprintable() else repr(ngram))]
            cells += ["" if count is None else f"{count:,}"]
        made.add_row(*cells)
    out().print(made)


def _terminal_plot(frequencies: dict[int, Any]) -> str:
    """Log-log: a straight line is a power law."""
    import plotext

    plotext.clear_figure()
    plotext.theme("clear")
    plotext.plotsize(90, 22)
    plotext.xscale("log")
    plotext.yscale("log")
    plotext.xlabel("rank")
    plotext.ylabel("frequency")
    for n, marker in zip(frequencies, "123", strict=True):
        ranked = np.sort(frequencies[n])[::-1]
        ranks = np.unique(np.geomspace(1, len(ranked), 80).astype(int))
        plotext.scatter(ranks.tolist(), ranked[ranks - 1].tolist(), marker=marker, label=f"{n}-grams")
    return plotext.build()
