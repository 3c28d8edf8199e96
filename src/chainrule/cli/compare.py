"""`chainrule compare`: every kind of model on one text, as a table and a report."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer
from rich import box
from rich.table import Table
from rich.text import Text

from chainrule.cli.console import (
    LEARNED,
    Tell,
    bar,
    err,
    fraction_or_text,
    note,
    out,
    output,
    print_json,
    read_corpus,
    seconds,
)
from chainrule.core import InputError
from chainrule.data.corpora import Corpus as Loaded
from chainrule.data.dataset import Dataset, Part, make_dataset, split_text
from chainrule.data.overlap import TRAINED_ON
from chainrule.files import write_text
from chainrule.models.ngram import count_ngrams
from chainrule.recipes import compare_models
from chainrule.report import comparison_report, number, visible
from chainrule.tasks.comparison import Row
from chainrule.tasks.zipf import fit_zipf

FULL_WIDTH = 130  # columns that the whole table takes
Corpus = Annotated[str, typer.Argument(help="A corpus by name, a file, a folder, or - for standard input.")]


def compare(
    corpus: Corpus = "pydocs",
    budget: Annotated[
        str, typer.Option(help="Time for training all models, without scoring: 90s, 5m.")
    ] = "90s",
    tokenizer: Annotated[
        str, typer.Option(help="characters, bytes, words, chinese-words or bpe.")
    ] = "characters",
    clean: Annotated[bool, typer.Option("--clean", help="Letters a-z only, lower case.")] = False,
    min_freq: Annotated[int, typer.Option(help="Rarer tokens are unknown.")] = 1,
    bpe_size: Annotated[int, typer.Option(help="Vocabulary of the BPE tokeniser.")] = 2000,
    valid: Annotated[str, typer.Option(help="A fraction or a file to validate on.")] = "0.1",
    test: Annotated[str, typer.Option(help="A fraction or a file to test on.")] = "0.1",
    seed: Annotated[int, typer.Option(help="Random seed.")] = 0,
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
    parts = [fraction_or_text(valid, "--valid", errors), fraction_or_text(test, "--test", errors)]
    loaded = read_corpus(corpus, errors)
    data = make_dataset(
        *split_text(loaded.text, valid=parts[0], test=parts[1], clean=clean),
        tokenizer=tokenizer,
        min_freq=min_freq,
        bpe_size=bpe_size,
        clean=clean,
    )
    rows: list[Row] = []
    try:
        bars: list[Tell] = []
        found = compare_models(
            data, budget=limit, seed=seed, report=lambda name, done: bars[0](done, "", name)
        )
        if not json:
            _describe(loaded.source, data, seed)
        with bar("counting") as tell:
            bars.append(tell)
            for row in found:
                rows.append(row)  # one by one: what is done stays when Ctrl-C comes
    except KeyboardInterrupt:
        if not rows:
            raise
        note("interrupted: the models that were not done are left out")
    overlap = data.overlap()
    settings = {"budget": budget, "seed": seed, "tokenizer": tokenizer, "min_freq": min_freq}
    if json:
        print_json(
            {
                "corpus": loaded.name,
                "split": _split(data),
                "overlap": overlap,
                **settings,
                "rows": [r.as_dict() for r in rows],
            }
        )
    else:
        static, online = apart(rows)
        out().print(table(static, wide=out().width >= FULL_WIDTH))
        if online:
            out().print(LEARNED, style="bold")
            out().print(table(online, wide=out().width >= FULL_WIDTH))
        for line in notes(rows, overlap):
            note(line)
        _print_samples(rows)
    if path is not None:
        write_text(path, _html(rows, loaded, data, settings, overlap))
        err().print(f"report: {path}", soft_wrap=True, markup=False)


def apart(rows: list[Row]) -> tuple[list[Row], list[Row]]:
    """Those of models that stay as they were trained, and those of models that learn as they read."""
    return [row for row in rows if not row.held_out.online], [row for row in rows if row.held_out.online]


def table(rows: list[Row], *, wide: bool = True) -> Table:
    """The rows as people read them; in a narrow terminal without size, time and speed."""
    made = Table(header_style="bold")
    if not wide:
        made = Table(header_style="bold", box=box.SIMPLE_HEAD, padding=0, pad_edge=False)
    made.add_column("model", no_wrap=wide)  # a mixture has the names of its members
    made.add_column("state", no_wrap=True)
    whole = ("perplexity\ntraining", "perplexity\nheld out", "bits/char\nheld out")
    for heading in (
        ("size", "time", "tokens/s", *whole, "bits/char against the row\nabove, 95 % interval")
        if wide
        else ("PPL\ntraining", "PPL\nheld out", "bits/\nchar", "against row\nabove")
    ):
        made.add_column(heading, justify="right", no_wrap=True)
    best = min(row.held_out.nats for row in rows)
    for row in rows:
        gap, size = row.difference, row.fitted.size
        costs = [
            f"{size:,} {row.fitted.unit}" if size else "0",
            f"{row.seconds:.1f} s",
            f"{row.tokens_per_second:,.0f}" if size and row.fitted.tokens else "",
        ]
        interval = "" if gap is None else f"{gap.mean:+.3f}  [{gap.low:+.3f}, {gap.high:+.3f}]"
        short = "" if gap is None else f"{gap.mean:+.3f}\N{PLUS-MINUS SIGN}{(gap.high - gap.low) / 2:.3f}"
        cells = [
            row.name,
            row.fitted.state if wide else row.fitted.state.removeprefix("the ").removeprefix("a "),
            *(costs if wide else []),
            number(row.train.perplexity, 2),
            number(row.held_out.perplexity, 2),
            number(row.held_out.bits_per_character, 3),
            interval if wide else short,
        ]
        made.add_row(*map(Text, cells), style="bold" if row.held_out.nats == best else None)
    return made


def notes(rows: list[Row], overlap: float | None) -> list[str]:
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
    if overlap is not None and overlap > TRAINED_ON:
        said.append(
            f"{overlap:.0%} of the test part stands in the training text: its figures are not held out"
        )
    said.append(f"training perplexity is of the first {rows[0].train.tokens:,} training tokens")
    return said


def _describe(source: str, data: Dataset, seed: int) -> None:
    parts = ", ".join(f"{len(part.ids):,} to {to}" for part, to in _parts(data))
    out().print(
        f"{source}: {parts} ({data.codec.tokenizer.name}), vocabulary {data.codec.vocab_size:,}, seed {seed}",
        markup=False,
    )


def _parts(data: Dataset) -> list[tuple[Part, str]]:
    return [(data.train, "train"), (data.valid, "validate"), (data.test, "test")]


def _split(data: Dataset) -> dict[str, dict[str, int]]:
    named = {"train": data.train, "valid": data.valid, "test": data.test}
    return {name: {"characters": len(p.text), "tokens": len(p.ids)} for name, p in named.items()}


def _print_samples(rows: list[Row]) -> None:
    for row in rows:
        out().print(
            Text(row.name, "bold"),
            Text(visible(" ".join(row.sample.split()))),
            no_wrap=True,
            overflow="ellipsis",
        )


def _html(
    rows: list[Row], loaded: Loaded, data: Dataset, settings: Mapping[str, object], overlap: float | None
) -> str:
    highest = min(3, len(data.train.ids))
    counts = count_ngrams([data.train.ids], data.codec.vocab_size, highest)
    frequencies = {n: counts.ngrams(n)[1] for n in range(1, highest + 1)}
    fits = {}
    for n, frequency in frequencies.items():
        try:
            fits[n] = fit_zipf(frequency)
        except InputError:
            continue
    static, online = apart(rows)
    codec, space = data.codec, " " if data.codec.tokenizer.loses else ""
    shown = codec.tokenizer.split(data.test.text)[:600]  # as they stand in the text, also where unknown
    tokens = [codec.tokenizer.join([token]) + space for token in shown]
    return comparison_report(
        static,
        online=online,
        title=f"chainrule compare {loaded.name}",
        source=loaded.source,
        split=_split(data),
        settings=settings,
        held_out_tokens=tokens,
        frequencies=frequencies,
        fits=fits,
        zipf_items=data.codec.tokenizer.name,
        notes=notes(rows, overlap),
    )
