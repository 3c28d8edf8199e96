"""`chainrule compare`: every kind of model on one text, as a table and a report."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from chainrule.cli.console import bar, err, note, out, output, print_json, read_corpus, seconds
from chainrule.core import InputError
from chainrule.data.dataset import Dataset, Part, make_dataset, split_text
from chainrule.files import write_text
from chainrule.models.ngram import count_ngrams
from chainrule.recipes import compare_models
from chainrule.report import comparison_report, number
from chainrule.tasks.comparison import Row
from chainrule.tasks.zipf import fit_zipf

Corpus = Annotated[str, typer.Argument(help="A corpus by name, a file, a folder, or - for standard input.")]


def compare(
    corpus: Corpus = "pydocs",
    budget: Annotated[str, typer.Option(help="Time for fitting all models: 90s, 5m.")] = "90s",
    tokenizer: Annotated[
        str, typer.Option(help="characters, bytes, words, chinese-words or bpe.")
    ] = "characters",
    clean: Annotated[bool, typer.Option("--clean", help="Letters a-z only, lower case.")] = False,
    min_freq: Annotated[int, typer.Option(help="Rarer tokens are unknown.")] = 1,
    bpe_size: Annotated[int, typer.Option(help="Vocabulary of the BPE tokeniser.")] = 2000,
    valid: Annotated[float, typer.Option(help="Fraction to validate on, before the test part.")] = 0.1,
    test: Annotated[float, typer.Option(help="Fraction to test on, the end of the text.")] = 0.1,
    seed: Annotated[int, typer.Option(help="Seed of everything drawn.")] = 0,
    report: Annotated[Path, typer.Option(help="The HTML report.")] = Path("report.html"),
    no_report: Annotated[bool, typer.Option("--no-report", help="Write no report.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Overwrite a report that exists.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print JSON in place of the table.")] = False,
    errors: Annotated[str, typer.Option(help="Bytes that are not UTF-8: strict or replace.")] = "strict",
) -> None:
    """Train every kind of model on a text and print what each is worth on its held-out end.

    Example: `chainrule compare timemachine --clean --budget 2m`
    """
    path = None if no_report else output(report, force=force)
    limit = seconds(budget)
    loaded = read_corpus(corpus, errors)
    data = make_dataset(
        *split_text(loaded.text, valid=valid, test=test, clean=clean),
        tokenizer=tokenizer,
        min_freq=min_freq,
        bpe_size=bpe_size,
        clean=clean,
    )
    rows: list[Row] = []
    try:
        with bar("uniform") as tell:
            found = compare_models(
                data, budget=limit, seed=seed, report=lambda name, done: tell(done, "", name)
            )
            if not json:
                _describe(loaded.source, data)
            for row in found:
                rows.append(row)  # one by one: what is done stays when Ctrl-C comes
    except KeyboardInterrupt:
        if not rows:
            raise
        note("interrupted: the models that were not done are left out")
    settings = {"budget": budget, "seed": seed, "tokenizer": tokenizer, "min_freq": min_freq}
    if json:
        print_json(
            {"corpus": loaded.name, "split": _split(data), **settings, "rows": [r.as_dict() for r in rows]}
        )
    else:
        out().print(table(rows))
        for line in notes(rows):
            note(line)
        _print_samples(rows)
    if path is not None:
        write_text(path, _html(rows, loaded.name, loaded.source, data, settings))
        err().print(f"report: {path}", soft_wrap=True)


def table(rows: list[Row]) -> Table:
    """The rows as people read them."""
    made = Table(header_style="bold")
    made.add_column("model")
    made.add_column("state")
    for heading in (
        "size",
        "time",
        "tokens/s",
        "perplexity\ntraining",
        "perplexity\nheld out",
        "bits/char\nheld out",
        "bits/char against the row\nabove, 95 % interval",
    ):
        made.add_column(heading, justify="right")
    best = min(row.held_out.nats for row in rows)
    for row in rows:
        gap = row.difference
        difference = "" if gap is None else f"{gap.mean:+.3f}  [{gap.low:+.3f}, {gap.high:+.3f}]"
        made.add_row(
            row.name,
            row.fitted.state,
            f"{row.fitted.size:,} {row.fitted.unit}" if row.fitted.size else "0",
            f"{row.seconds:.1f} s",
            f"{row.tokens_per_second:,.0f}" if row.fitted.size else "",
            number(row.train.perplexity, 2),
            number(row.held_out.perplexity, 2),
            number(row.held_out.bits_per_character, 3),
            difference.replace("[", r"\["),
            style="bold" if row.held_out.nats == best else None,
        )
    return made


def notes(rows: list[Row]) -> list[str]:
    """What a reader should know beside the table."""
    held_out = rows[0].held_out
    said = [f"{row.name}: {row.fitted.note}" for row in rows if row.fitted.note]
    if held_out.loses:
        said.append(
            f"the tokens lack {held_out.loses}: bits per character do not compare with figures that "
            f"code every byte"
        )
    if held_out.unknown:
        said.append(
            f"{held_out.unknown:,} of {held_out.tokens:,} held-out tokens are unknown and were scored as "
            f"one symbol: figures compare only with the same vocabulary"
        )
    said += [
        f"{row.name}: before {row.held_out.silent:,} tokens it had nothing to say and was taken as uniform"
        for row in rows
        if row.held_out.silent
    ]
    said.append(f"training perplexity is of the first {rows[0].train.tokens:,} training tokens")
    return said


def _describe(source: str, data: Dataset) -> None:
    parts = ", ".join(f"{len(part.ids):,} to {to}" for part, to in _parts(data))
    out().print(
        f"{source}: {parts} ({data.codec.tokenizer.name}), vocabulary {data.codec.vocab_size:,}",
        markup=False,
    )


def _parts(data: Dataset) -> list[tuple[Part, str]]:
    return [(data.train, "train"), (data.valid, "validate"), (data.test, "test")]


def _split(data: Dataset) -> dict[str, dict[str, int]]:
    named = {"train": data.train, "valid": data.valid, "test": data.test}
    return {name: {"characters": len(p.text), "tokens": len(p.ids)} for name, p in named.items()}


def _print_samples(rows: list[Row]) -> None:
    for row in rows:
        out().print(f"[bold]{row.name}[/]", end="  ")
        out().print(" ".join(row.sample.split())[:120], markup=False)


def _html(rows: list[Row], name: str, source: str, data: Dataset, settings: Mapping[str, object]) -> str:
    highest = min(3, len(data.train.ids))
    counts = count_ngrams([data.train.ids], data.codec.vocab_size, highest)
    frequencies = {n: counts.levels[n - 1].counts for n in range(1, highest + 1)}
    fits = {}
    for n, frequency in frequencies.items():
        try:
            fits[n] = fit_zipf(frequency)
        except InputError:
            continue
    tokens = [data.codec.tokenizer.join([t]) for t in data.codec.vocabulary.decode(data.test.ids[:600])]
    return comparison_report(
        rows,
        title=f"chainrule compare {name}",
        source=source,
        split=_split(data),
        settings=settings,
        held_out_tokens=tokens,
        frequencies=frequencies,
        fits=fits,
        zipf_items=data.codec.tokenizer.name,
        notes=notes(rows),
    )
