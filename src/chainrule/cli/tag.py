"""`chainrule tag`: a label for every token: train a tagger, use it, score it beside its baselines."""

import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from chainrule.cli.console import bar, fraction_or_text, note, out, output, print_json, read_corpus, seconds
from chainrule.core import InputError
from chainrule.data.partition import split_bounds
from chainrule.data.tagged import Sentence, read_bare, read_tagged, write_tagged
from chainrule.files import write_text
from chainrule.report import number
from chainrule.tagger import NETWORK, Tagger, beside_baselines, load_tagger
from chainrule.tasks.tagging import TagScores
from chainrule.training import Progress

app = typer.Typer(help="Label every token: parts of speech, names, words, marks.", no_args_is_help=True)
EXCERPT = 2  # pieces of the held-out text that are shown
COLUMNS = "columns"
File = Annotated[str, typer.Argument(help="A file, a corpus by name, or - for standard input.")]
ModelFile = Annotated[Path, typer.Argument(help="A tagger, as `tag train` writes it.")]
Form = Annotated[
    str,
    typer.Option(
        "--as",
        help="How texts are read: columns (token and tag a line, blank line between sentences), segmented "
        "(words set apart by spaces, a sentence a line), punctuated (an ordinary text).",
    ),
]
OutFile = Annotated[
    Path | None, typer.Option("--output", "-o", help="The file to write.", show_default="none")
]
Test = Annotated[str, typer.Option("--test", help="A share of the sentences, the last ones, or a file.")]
Epochs = Annotated[
    int | None,
    typer.Option("--epochs", help="Passes over the sentences.", show_default="by their number, at least 8"),
]
Limit = Annotated[str | None, typer.Option("--time-limit", help="Such as 60s or 5m.", show_default="none")]
Cell = Annotated[str, typer.Option("--cell", help="rnn, gru, lstm, mingru or minlstm.")]
Hidden = Annotated[int, typer.Option("--hidden", help="Units of each direction.")]
OneWay = Annotated[bool, typer.Option("--one-way", help="Read forwards only.")]
MinFreq = Annotated[int, typer.Option("--min-freq", help="Rarer tokens are unknown.")]
Seed = Annotated[int, typer.Option("--seed", help="Of weights, order and dropout.")]
Errors = Annotated[str, typer.Option("--errors", help="Bytes that are not UTF-8: strict or replace.")]
Force = Annotated[bool, typer.Option("--force", help="Overwrite a file that exists.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON in place of text.")]


@app.command()
def train(
    file: File,
    form: Form = COLUMNS,
    out_file: OutFile = None,
    test: Test = "0.1",
    epochs: Epochs = None,
    time_limit: Limit = None,
    cell: Cell = "gru",
    hidden: Hidden = 128,
    one_way: OneWay = False,
    min_freq: MinFreq = 2,
    seed: Seed = 0,
    errors: Errors = "strict",
    force: Force = False,
    json: Json = False,
) -> None:
    """Train a recurrent tagger that reads both ways, and score it on sentences that were held out.

    Example: `chainrule tag train names.conll -o names.chainrule`
    """
    output(out_file, force=force)
    whole, notes = _sentences(read_corpus(file, errors).text, form, file)
    held_out = fraction_or_text(test, "--test", errors)
    if isinstance(held_out, str):
        training, (tested, more) = whole, _sentences(held_out, form, test)
        notes += more
    else:
        cut = split_bounds(len(whole), 0.0, held_out).valid
        training, tested = whole[:cut], whole[cut:]
    if not training:
        raise InputError(
            f"{file}: expected sentences to train on, got {len(whole)}, of which --test takes all"
        )
    settings: dict[str, Any] = {"cell": cell, "hidden": hidden, "seed": seed}
    settings |= {} if epochs is None else {"epochs": epochs}
    settings |= {"bidirectional": not one_way, "seconds": None if time_limit is None else seconds(time_limit)}
    tagger = _fit(training, form, min_freq, settings)
    if out_file is not None:
        tagger.save(out_file)
    began = time.perf_counter()
    tagger.predict([sentence.tokens for sentence in tested])
    taken = time.perf_counter() - began
    scores = beside_baselines(tagger, training, tested) if tested else {}
    figures = {name: each.as_dict() for name, each in scores.items()}
    if out_file is not None:
        replace(tagger, card={**tagger.card, "held_out": figures}).save(out_file)
    if json:
        made: dict[str, Any] = {"source": file, "form": form, "card": dict(tagger.card), "notes": notes}
        tagged = sum(len(sentence.tokens) for sentence in tested)
        made |= {"tags": len(tagger.codec.tags), "vocabulary": len(tagger.codec.vocabulary)}
        print_json(made | {"held_out": figures, "tokens_per_second": tagged / taken if tested else None})
        return
    for each in notes:
        note(each)
    _show(tagger, scores)
    if form != COLUMNS and tested:
        _show_excerpt(tagger, tested)
    if out_file is not None:
        out().print(f"wrote {out_file}", markup=False)


@app.command()
def restore(
    text: Annotated[
        str, typer.Argument(help="A file, a corpus by name, or - for standard input.")
    ] = "pydocs",
    out_file: OutFile = None,
    test: Test = "0.1",
    epochs: Epochs = None,
    time_limit: Limit = None,
    seed: Seed = 0,
    errors: Errors = "strict",
    force: Force = False,
    json: Json = False,
) -> None:
    """Learn from a text to put capitals and marks back into its bare words: an example without a download.

    The same as `tag train TEXT --as punctuated`. `tag predict` then does it for other texts.

    Example: `chainrule tag restore pydocs -o restore.chainrule`
    """
    train(
        text,
        "punctuated",
        out_file,
        test,
        epochs,
        time_limit,
        seed=seed,
        errors=errors,
        force=force,
        json=json,
    )


@app.command()
def predict(
    model: ModelFile,
    file: File = "-",
    text: Annotated[str | None, typer.Option("--text", help="A text in place of a file.")] = None,
    out_file: OutFile = None,
    errors: Errors = "strict",
    force: Force = False,
) -> None:
    """Tag a text, and write it as training texts were written: columns, words set apart, capitals and marks.

    Of columns the first is read. Example: `chainrule tag predict restore.chainrule --text "the value of the"`
    """
    output(out_file, force=force)
    tagger = load_tagger(model)
    given = read_corpus(file, errors).text if text is None else text
    bare, notes = read_bare(given, tagger.form, file if text is None else "--text")
    found = tagger.predict([sentence.tokens for sentence in bare])
    made = write_tagged(
        [Sentence(one.tokens, tags) for one, tags in zip(bare, found, strict=True)], tagger.form
    )
    for each in notes:
        note(each)
    if out_file is None:
        sys.stdout.write(made)
    else:
        write_text(out_file, made)
        out().print(f"wrote {out_file}", markup=False)


@app.command()
def evaluate(
    model: ModelFile,
    file: File,
    errors: Errors = "strict",
    json: Json = False,
) -> None:
    """Score a tagger on sentences whose tags are known, read as those that it was trained on.

    Example: `chainrule tag evaluate names.chainrule test.conll`
    """
    tagger = load_tagger(model)
    sentences, notes = _sentences(read_corpus(file, errors).text, tagger.form, file)
    scores = tagger.evaluate(sentences)
    if json:
        print_json({"source": file, "notes": notes} | scores.as_dict())
        return
    for each in [*notes, *_unseen(scores)]:
        note(each)
    out().print(_table({NETWORK: scores}, file))


def _sentences(text: str, form: str, name: str) -> tuple[list[Sentence], list[str]]:
    return tuple(read_tagged(text, form, name))  # pyright: ignore[reportReturnType]


def _fit(training: list[Sentence], form: str, min_freq: int, settings: dict[str, Any]) -> Tagger:
    with bar("tagger") as tell:

        def report(stage: str, progress: Progress) -> None:
            del stage
            tell(progress.done, f"epoch {progress.epoch}, {progress.valid:.3f} nats a tag held back")

        return Tagger.fit(training, form=form, min_freq=min_freq, report=report, **settings)


def _show(tagger: Tagger, scores: dict[str, TagScores]) -> None:
    """What it was trained on, and the table."""
    card, codec = tagger.card, tagger.codec
    sizes = f"{card['sentences']:,} sentences, {card['tokens']:,} tokens, {len(codec.tags)} tags"
    stop = f"seed {card['recipe']['seed']}, {card['seconds']:.0f} s, {card['stopped']}"
    out().print(f"trained on {sizes}; vocabulary {len(codec.vocabulary):,}; {stop}", markup=False)
    if not scores:
        return
    for each in _unseen(next(iter(scores.values()))):
        note(each)
    out().print(_table(scores, "held out"))


def _unseen(scores: TagScores) -> list[str]:
    return [f"tags that training never saw, all wrong: {scores.unseen:,}"] if scores.unseen else []


def _table(scores: dict[str, TagScores], title: str) -> Table:
    """Shares in percent, the best of each column's F1 in bold."""
    first = next(iter(scores.values()))
    spans = first.spans is not None
    size = f"{first.sentences:,} sentences, {first.tokens:,} tokens"
    table = Table(
        title=escape(f"{title}: {size}"),
        caption=None if spans else "F1: of the tokens with another tag than the usual one",
    )
    table.add_column("tagger")
    for heading in ("accuracy", "precision", "recall", "F1"):
        table.add_column(heading, justify="right")
    best = max(each.f1 for each in scores.values())
    for name, each in scores.items():
        match = each.others if each.spans is None else each.spans
        cells = (each.accuracy, match.precision, match.recall, match.f1)
        style = "bold" if each.f1 == best and len(scores) > 1 else None
        table.add_row(name, *(number(100 * cell, 2) for cell in cells), style=style)
    return table


def _show_excerpt(tagger: Tagger, tested: list[Sentence]) -> None:
    """The beginning of the held-out text as the tagger has it, and as it is."""
    some = tested[:EXCERPT]
    found = tagger.predict([sentence.tokens for sentence in some])
    made = [Sentence(one.tokens, tags) for one, tags in zip(some, found, strict=True)]
    for heading, sentences in (("tagged:", made), ("as it is:", some)):
        out().print(heading, style="bold")
        out().print(write_tagged(sentences, tagger.form).strip(), markup=False)
