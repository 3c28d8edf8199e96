"""`chainrule classify`: train, evaluate and use what tells texts apart, and follow its opinion over time."""

import csv
import io
import sys
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from rich.table import Table
from rich.text import Text

from chainrule.classifier import TextClassifier, class_ids
from chainrule.cli.classified import explained, folds_table, said, scores_table
from chainrule.cli.console import bar, note, out, output, print_json
from chainrule.core import InputError
from chainrule.data.folds import Split, stratified_folds, stratified_split
from chainrule.data.labelled import Labelled, Wanted, read_classes, read_labelled
from chainrule.data.series import parse_times
from chainrule.files import write_text, written_aside
from chainrule.recipes.classifying import CELLS, KINDS, POOLS
from chainrule.recipes.film_reviews import film_reviews
from chainrule.report import classes_figure, png
from chainrule.tasks.classification import ClassScores
from chainrule.tasks.classification.over_time import monthly_means

EXAMPLE = "film-reviews"
app = typer.Typer(help="Tell texts apart by class: train, evaluate, predict.", no_args_is_help=True)

Data = Annotated[
    str | None,
    typer.Argument(help=f"A CSV, TSV or JSON lines file, a folder of a folder a class, or {EXAMPLE}."),
]
ClassFiles = Annotated[
    list[str] | None,
    typer.Option("--class", help="LABEL=FILE, one text a line; once for each class, in place of DATA."),
]
TextColumn = Annotated[str | None, typer.Option("--text", help="Column of texts.", show_default="guessed")]
LabelColumn = Annotated[str | None, typer.Option("--label", help="Column of labels.", show_default="guessed")]
Encoding = Annotated[
    str | None, typer.Option(help="Of the files, such as gb18030 or cp1252.", show_default="detected")
]
Seed = Annotated[int, typer.Option(help="Of splits and folds.")]
Force = Annotated[bool, typer.Option("--force", help="Overwrite files that exist.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON in place of text.")]
Plot = Annotated[
    Path | None, typer.Option("--plot", help="Write reliability and confusion as a PNG.", show_default="none")
]
ModelFile = Annotated[Path, typer.Argument(help="A classifier, as `classify train` writes it.")]


@app.command()
def train(
    data: Data = None,
    classes: ClassFiles = None,
    to: Annotated[Path | None, typer.Option("--output", "-o", help="The file.", show_default="none")] = None,
    model: Annotated[str, typer.Option(help=f"One of {', '.join(KINDS)}.")] = "default",
    test: Annotated[float, typer.Option(help="Share held out, of each class, and never trained on.")] = 0.2,
    folds: Annotated[
        int, typer.Option(help="Hold out each of so many folds in turn instead; 0: --test.")
    ] = 0,
    text_column: TextColumn = None,
    label_column: LabelColumn = None,
    encoding: Encoding = None,
    keep_case: Annotated[bool, typer.Option("--keep-case", help="Tell capitals from small letters.")] = False,
    cell: Annotated[
        str | None, typer.Option(help=f"Of a network: {', '.join(CELLS)}.", show_default="gru")
    ] = None,
    pooling: Annotated[
        str | None,
        typer.Option(help=f"Of a network's hidden vectors: {', '.join(POOLS)}.", show_default="max"),
    ] = None,
    bidirectional: Annotated[
        bool, typer.Option("--bidirectional", help="A network reads from the end as well.")
    ] = False,
    seed: Seed = 0,
    plot: Plot = None,
    force: Force = False,
    json: Json = False,
) -> None:
    """Train a classifier and say how good it is on texts that it was not trained on.

    With --folds the figures are those of the folds, and the file is of a classifier of all texts; without,
    the share that was held out stays out. Columns are guessed and said.

    Example: `chainrule classify train reviews.csv -o reviews.chainrule`
    """
    for path in (to, plot):
        output(path, force=force)
    labelled = _read(data, classes, Wanted(text_column, label_column), encoding)
    names, ids = class_ids(labelled.labels)
    rng = np.random.default_rng(seed)
    splits = stratified_folds(ids, folds, rng) if folds else [stratified_split(ids, test, rng)]
    network = {"cell": cell, "pooling": pooling, "bidirectional": bidirectional}
    how: dict[str, Any] = {"model": model, "fold_case": not keep_case, "seed": seed, "name": labelled.source}
    how |= {name: value for name, value in network.items() if value}
    classifier, made = _fit(labelled, splits, how, whole=bool(folds) and to is not None)
    figures = [each.as_dict() for each in made]
    if to is not None:
        replace(classifier, card={**classifier.card, "held_out": figures}).save(to)
    if plot is not None:
        _draw(plot, made[-1])
    if json:
        head = {"data": labelled.source, "notes": labelled.notes, "classes": names, "seed": seed}
        print_json(head | {"card": dict(classifier.card), "held_out": figures})
        return
    said(labelled, names, ids, seed)
    out().print(folds_table(made) if folds else scores_table(made[0], "held out"))
    for path in (to, plot):
        if path is not None:
            out().print(f"wrote {path}", markup=False)


@app.command()
def evaluate(
    model: ModelFile,
    data: Data = None,
    classes: ClassFiles = None,
    text_column: TextColumn = None,
    label_column: LabelColumn = None,
    encoding: Encoding = None,
    plot: Plot = None,
    force: Force = False,
    json: Json = False,
) -> None:
    """Print accuracy, macro F1, confusion and calibration on labelled texts.

    Texts with a label that the classifier does not know are left out, and counted.

    Example: `chainrule classify evaluate reviews.chainrule others.csv`
    """
    output(plot, force=force)
    classifier = TextClassifier.load(model)
    labelled = _read(data, classes, Wanted(text_column, label_column), encoding)
    made, unseen = classifier.evaluate(labelled.texts, labelled.labels)
    if plot is not None:
        _draw(plot, made)
    if json:
        print_json({"model": str(model), "data": labelled.source, "unseen_labels": unseen, **made.as_dict()})
        return
    if unseen:
        named = ", ".join(f"{label!r} ({count:,})" for label, count in list(unseen.items())[:5])
        note(f"{sum(unseen.values()):,} texts left out, their labels are none of the classifier's: {named}")
    out().print(scores_table(made, labelled.source))


@app.command()
def predict(
    model: ModelFile,
    file: Annotated[str, typer.Argument(help="Texts, one a line; a table; or - for standard input.")] = "-",
    string: Annotated[str | None, typer.Option("--string", help="Classify this string, not a file.")] = None,
    text_column: TextColumn = None,
    explain: Annotated[bool, typer.Option("--explain", help="Show the words that decided.")] = False,
    to: Annotated[
        Path | None, typer.Option("--output", "-o", help="A CSV file of all.", show_default="none")
    ] = None,
    encoding: Encoding = None,
    force: Force = False,
    json: Json = False,
) -> None:
    """Print the likeliest class of each text and how likely it is.

    A file that ends in .csv, .tsv or .jsonl is a table; of any other each line is a text.

    Example: `chainrule classify predict reviews.chainrule --string "a film to remember" --explain`
    """
    output(to, force=force)
    classifier = TextClassifier.load(model)
    texts = [string] if string is not None else _unlabelled(file, text_column, encoding)
    probs = classifier.predict_proba(texts)
    best = probs.argmax(axis=1)
    labels, sure = [classifier.classes[k] for k in best], probs.max(axis=1).tolist()
    why = [classifier.explain(text) for text in texts] if explain else []
    if to is not None:
        columns = {"text": texts, "label": labels, "probability": sure}
        write_text(
            to, _csv([dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)])
        )
    if json:
        made: list[dict[str, Any]] = []
        for at, (text, label, row) in enumerate(zip(texts, labels, probs.tolist(), strict=True)):
            words = {"words": [word._asdict() for word in why[at].words]} if why else {}
            each = dict(zip(classifier.classes, row, strict=True))
            made.append({"text": text, "label": label, "probabilities": each, **words})
        print_json(made)
        return
    console = out()
    if to is not None:
        console.print(f"wrote {to}: {len(texts):,} texts", markup=False)
        return
    for at, (text, label, p) in enumerate(zip(texts, labels, sure, strict=True)):
        console.print(f"{p:.3f}  {label}  ", end="", markup=False)
        console.print(explained(why[at]) if why else Text(text), soft_wrap=True)


@app.command()
def generate(
    model: ModelFile,
    label: Annotated[str, typer.Option("--label", "-l", help="The class.")],
    prompt: Annotated[str, typer.Option("--prompt", "-p", help="How the text begins.")] = "",
    count: Annotated[int, typer.Option("--count", "-n", help="How many texts.")] = 5,
    length: Annotated[int, typer.Option(help="Tokens at most.")] = 60,
    temperature: Annotated[float, typer.Option("--temperature", "-t", help="0 takes the likeliest.")] = 1.0,
    seed: Seed = 0,
    json: Json = False,
) -> None:
    """Say something that is of a class, by its own model: one to many.

    Example: `chainrule classify generate reviews.chainrule --label positive`
    """
    classifier = TextClassifier.load(model)
    if count < 1:
        raise InputError(f"--count: expected at least 1, got {count}")
    how: dict[str, Any] = {"length": length, "temperature": temperature}
    told = [classifier.generate(label, prompt, seed=seed + k, **how) for k in range(count)]
    if json:
        print_json({"label": label, "seed": seed, "texts": told})
        return
    sys.stdout.write("".join(text + "\n" for text in told))


@app.command()
def monthly(
    model: ModelFile,
    data: Data = None,
    label: Annotated[
        str | None, typer.Option("--of", help="The class that is followed.", show_default="the last")
    ] = None,
    text_column: TextColumn = None,
    time_column: Annotated[
        str | None, typer.Option("--time", help="Column of dates.", show_default="guessed")
    ] = None,
    to: Annotated[
        Path | None, typer.Option("--output", "-o", help="A CSV file.", show_default="none")
    ] = None,
    encoding: Encoding = None,
    force: Force = False,
    json: Json = False,
) -> None:
    """Print the monthly mean of a class's probability over dated texts, with its 95 % interval.

    What it writes is what `chainrule forecast FILE --time ds --value y` reads.

    Example: `chainrule classify monthly reviews.chainrule dated.csv --of positive -o months.csv`
    """
    output(to, force=force)
    classifier = TextClassifier.load(model)
    followed = label if label is not None else classifier.classes[-1]
    if followed not in classifier.classes:
        raise InputError(f"--of: expected one of {', '.join(classifier.classes)}, got {followed!r}")
    wanted = Wanted(text_column, None, time_column, labelled=False, timed=True)
    dated = _read(data, None, wanted, encoding)
    times = parse_times(dated.times or (), time_column or "time")
    probs = classifier.predict_proba(dated.texts)[:, classifier.classes.index(followed)]
    table = monthly_means(times, probs).table()
    rows = [dict(zip(table, row, strict=True)) for row in zip(*table.values(), strict=True)]
    if to is not None:
        write_text(to, _csv(rows))
    if json:
        print_json({"of": followed, "months": rows})
        return
    shown = Table(title=f"mean probability of {followed}, by month")
    for name in table:
        shown.add_column(name, justify="left" if name == "ds" else "right")
    for row in rows:
        shown.add_row(
            *(f"{v:.3f}" if isinstance(v, float) else "–" if v is None else str(v) for v in row.values())
        )
    out().print(shown)
    if to is not None:
        out().print(f"wrote {to}", markup=False)


def _fit(
    labelled: Labelled, splits: list[Split], how: dict[str, Any], *, whole: bool
) -> tuple[TextClassifier, list[ClassScores]]:
    """A classifier a split and its figures; the last one, or one of all texts."""
    made: list[ClassScores] = []
    everything = Split(np.arange(len(labelled)), np.empty(0, np.int64))
    rounds = [*splits, everything] if whole else splits
    classifier: TextClassifier | None = None
    with bar("training") as tell:
        for k, split in enumerate(rounds):

            def report(done: float, part: str, k: int = k) -> None:
                tell((k + done) / len(rounds), part)

            classifier = TextClassifier.fit(*_some(labelled, split.train), tell=report, **how)
            if len(split.test):
                made.append(classifier.evaluate(*_some(labelled, split.test))[0])
    assert classifier is not None
    return classifier, made


def _read(data: str | None, classes: list[str] | None, wanted: Wanted, encoding: str | None) -> Labelled:
    """What was asked for; says what was skipped and guessed."""
    if (data is None) == (not classes):
        raise InputError("data: expected DATA, or --class LABEL=FILE for each class, and not both")
    if classes:
        pairs = [one.partition("=") for one in classes]
        if any(not (label and mark and path) for label, mark, path in pairs):
            raise InputError(f"--class: expected LABEL=FILE, got {' '.join(classes)!r}")
        if len({label for label, _, _ in pairs}) < len(pairs):
            raise InputError(f"--class: expected different labels, got {' '.join(classes)!r}")
        labelled = read_classes({label: Path(path) for label, _, path in pairs}, encoding=encoding)
    elif data == EXAMPLE and not Path(data).exists():
        made = film_reviews(np.random.default_rng(0))
        days = tuple(str(day) for day in made.days)
        labelled = Labelled(made.texts, made.labels, days, f"{EXAMPLE}, made up")
    else:
        labelled = read_labelled(Path(data or ""), wanted, encoding=encoding)
    for each in labelled.notes:
        note(each)
    return labelled


def _unlabelled(file: str, column: str | None, encoding: str | None) -> list[str]:
    """Texts to classify, in their order; blank lines are none."""
    if file == "-":
        data = sys.stdin.buffer.read().decode(encoding or "utf-8", "replace")
        texts = [line for line in data.split("\n") if line.strip()]
        if not texts:
            raise InputError("standard input: expected texts, one a line, got none")
        return texts
    if Path(file).suffix.lower() in (".csv", ".tsv", ".tab", ".jsonl"):
        read = read_labelled(Path(file), Wanted(column, labelled=False), encoding=encoding)
    else:
        read = read_classes({"text": Path(file)}, encoding=encoding)
    for each in read.notes:
        note(each)
    return list(read.texts)


def _some(labelled: Labelled, rows: Any) -> tuple[list[str], list[str]]:
    return [labelled.texts[i] for i in rows], [labelled.labels[i] for i in rows]


def _csv(rows: list[dict[str, Any]]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def _draw(path: Path, made: ClassScores) -> None:
    with written_aside(path) as file:
        file.write(png(classes_figure(made)))
