"""How good a network gets on held-out text in so many minutes, by what `chainrule train` does.

    python benchmarks/quality.py [--curve] [--long] [--words] [--minutes N] [--save FOLDER] [--quick] [--json]

--curve   Tiny Shakespeare by characters, each cell for 5 minutes: nats per character on the validation part
          against minutes; then the cell that is best there on the test part
--long    the cell that was best on the curve (or --cell) for 30 minutes, with the settings for that long
--words   WikiText-2 by words, 60 minutes: perplexity on its own test text
--refit   with --cell: only the last step of --curve or --long, without the validation runs before it

Without one of them, all three. The first 90 % of Tiny Shakespeare are for training, the last tenth of that
to validate, the last 10 % to test. What was chosen on the validation part is then trained once more, for the
same time on the whole first 90 %, as the figures of others are, and that model reads the test part: the
validation part holds the beginning of a play whose end is in the test part, and without it every model is
0.2 to 0.3 nats worse there (a 6-gram 2.01 in place of 1.70). WikiText-2 has its own three files, in
CHAINRULE_DATA. Each end of a line is a token there, as in the figures of others, and the vocabulary is that
of the training file. Training time counts with the validations in it. The test text is read once, at the
end, as one row from its start.

The settings below are all there is: `chainrule train tinyshakespeare --model lstm --time-limit 5m` with them
as options does the same.
"""

import argparse
import json
import math
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

import chainrule
from chainrule.core import ChainruleError
from chainrule.data.corpora import read_text
from chainrule.data.dataset import split_text
from chainrule.report import svg, validation_figure

CELLS = ("rnn", "gru", "lstm", "mingru", "minlstm")
# settings of chainrule.recipes.Recipe, found on the validation part (docs/LOG.md)
SHARED: Mapping[str, Any] = {"optimizer": "adamw", "batch": 32, "steps": 128, "average": 0.998, "hidden": 512}
MINIMAL: Mapping[str, Any] = {"layers": 3, "layer_norm": True}  # one layer's gates see the input alone
CURVE: Mapping[str, Mapping[str, Any]] = {
    "rnn": {**SHARED, "rate": 2e-3, "dropout": 0.2},
    "gru": {**SHARED, "rate": 4e-3, "dropout": 0.35},
    "lstm": {**SHARED, "rate": 1e-2, "dropout": 0.5},
    "mingru": {**SHARED, **MINIMAL, "rate": 4e-3, "dropout": 0.2},
    "minlstm": {**SHARED, **MINIMAL, "rate": 4e-3, "dropout": 0.2},
}
LONGER: Mapping[str, Any] = {"hidden": 768, "dropout": 0.5, "weight_dropout": 0.3, "average": 0.999}
LONG = {
    "rnn": {**CURVE["rnn"], **LONGER},
    "gru": {**CURVE["gru"], **LONGER},
    "lstm": {**CURVE["lstm"], **LONGER, "rate": 7e-3},
    "mingru": {**CURVE["mingru"], "hidden": 768, "dropout": 0.4},
    "minlstm": {**CURVE["minlstm"], "hidden": 768, "dropout": 0.4},
}
WORDS: Mapping[str, Any] = {**SHARED, "embedding": 256, "rate": 4e-3, "dropout": 0.4, "steps": 35}
WORDS_CELL = "lstm"
PATIENCE = 1000  # only the time ends a run
MINUTES = {"curve": 5.0, "long": 30.0, "words": 60.0}
QUICK = {"hidden": 64, "batch": 16, "steps": 32}
QUICK_SECONDS = {"curve": 2.0, "long": 3.0, "words": 3.0}


class Texts(NamedTuple):
    """A corpus in three parts and how it is read."""

    name: str
    train: str
    valid: str
    test: str
    options: Mapping[str, Any]


class Fitted(NamedTuple):
    """A model, and its validation log: minutes and nats per token."""

    lm: chainrule.LanguageModel
    minutes: list[float]
    nats: list[float]

    @property
    def best(self) -> float:
        """The model that `fit` hands back is the one that had this."""
        return min(self.nats, default=math.inf)


class Run(NamedTuple):
    """How the tasks are run. seconds: of training, by task."""

    seconds: Mapping[str, float]
    seed: int
    quick: bool
    save: Path | None
    console: Console

    def settings(self, own: Mapping[str, Any]) -> dict[str, Any]:
        return {**own, **(QUICK if self.quick else {}), "patience": PATIENCE, "seed": self.seed}


def shakespeare(quick: bool) -> Texts:
    """By characters; the test part stays out of what models are handed to fit."""
    text = chainrule.load_corpus("tinyshakespeare").text
    return Texts("tinyshakespeare", *split_text(text[:200_000] if quick else text), {})


def wikitext(quick: bool) -> Texts:
    """By words, from the files of those who made it."""
    folder = Path(os.environ.get("CHAINRULE_DATA", "."), "wikitext-2")
    parts = [read_text(folder / f"{part}.txt") for part in ("train", "valid", "test")]
    if quick:
        parts = ["".join(part.splitlines(keepends=True)[:300]) for part in parts]
    return Texts("wikitext-2", *parts, {"tokenizer": "space", "sentences": True})


def whole(texts: Texts) -> Texts:
    """All that is for training, nothing to validate on."""
    return texts._replace(train=texts.train + texts.valid, valid="")


def fitted(run: Run, texts: Texts, task: str, cell: str, settings: Mapping[str, Any]) -> Fitted:
    """A model trained for the task's time and never shown the test part."""
    seconds = run.seconds[task]
    columns = TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn()
    hidden = not run.console.is_terminal
    with Progress(*columns, console=run.console, transient=True, disable=hidden) as bar:
        shown = bar.add_task(f"{texts.name}: {cell}", total=1.0)
        lm = chainrule.LanguageModel.fit(
            texts.train,
            model=cell,
            valid=texts.valid,
            test="",
            name=texts.name,
            seconds=seconds,
            report=lambda progress: bar.update(shown, completed=progress.done),
            **texts.options,
            **run.settings(settings),
        )
    if run.save:
        run.save.mkdir(parents=True, exist_ok=True)
        again = "" if texts.valid else "-refit"
        lm.save(run.save / f"{texts.name}-{task}-{cell}{again}.chainrule")
    log = lm.card["training"]["log"]
    return Fitted(lm, [point["seconds"] / 60 for point in log], [float(point["valid"]) for point in log])


def lasted(seconds: float) -> str:
    """`5m`, `90s`."""
    return f"{seconds / 60:g}m" if seconds % 60 == 0 else f"{seconds:.3g}s"


def tested(texts: Texts, task: str, seconds: float, cell: str, made: Fitted) -> dict[str, Any]:
    """The figure on the test part, read here and nowhere else."""
    found, name = made.lm.evaluate(texts.test), f"test/{texts.name}/{cell}/{lasted(seconds)}"
    if task == "words":
        return {"name": name, "value": found.perplexity, "unit": "perplexity"}
    return {"name": name, "value": found.nats / found.counts.characters, "unit": "nats/character"}


def refitted(run: Run, texts: Texts, task: str, cell: str, settings: Mapping[str, Any]) -> dict[str, Any]:
    """The figure on the test part after training on all that is for training."""
    return tested(texts, task, run.seconds[task], cell, fitted(run, whole(texts), task, cell, settings))


def curve(run: Run, texts: Texts, cells: Iterable[str]) -> dict[str, Fitted]:
    """Each cell for the same time."""
    made: dict[str, Fitted] = {}
    for cell in cells:
        made[cell] = fitted(run, texts, "curve", cell, CURVE[cell])
    return made


def points(texts: Texts, cell: str, unit: str, made: Fitted) -> Iterator[dict[str, Any]]:
    """A row for each validation."""
    for minutes, nats in zip(made.minutes, made.nats, strict=True):
        yield {"name": f"valid/{texts.name}/{cell}/at-{60 * minutes:.1f}s", "value": nats, "unit": unit}


def measured(run: Run, tasks: list[str], cell: str | None, *, refit: bool) -> Iterator[dict[str, Any]]:
    """The rows of the tasks."""
    if refit:
        for task, settings in (("curve", CURVE), ("long", LONG)):
            if task in tasks and cell:
                yield refitted(run, shakespeare(run.quick), task, cell, settings[cell])
        return
    if {"curve", "long"} & set(tasks):
        texts = shakespeare(run.quick)
        if "curve" in tasks:
            made = curve(run, texts, [cell] if cell else CELLS)
            for name, each in made.items():
                yield from points(texts, name, "nats/character", each)
            best = min(made, key=lambda name: made[name].best)
            yield refitted(run, texts, "curve", best, CURVE[best])
            if run.save:
                curves = {name: (each.minutes, each.nats) for name, each in made.items()}
                (run.save / "curve.svg").write_text(
                    svg(validation_figure(curves, "nats per character")), "utf-8"
                )
            cell = cell or best
        if "long" in tasks:
            cell = cell or "lstm"
            each = fitted(run, texts, "long", cell, LONG[cell])
            yield from points(texts, cell, "nats/character", each)
            yield refitted(run, texts, "long", cell, LONG[cell])
    if "words" in tasks:
        texts = wikitext(run.quick)
        each = fitted(run, texts, "words", WORDS_CELL, WORDS)
        yield from points(texts, WORDS_CELL, "nats/word", each)
        yield tested(texts, "words", run.seconds["words"], WORDS_CELL, each)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--curve", action="store_true", help="each cell for 5 minutes")
    parser.add_argument("--long", action="store_true", help="one cell for 30 minutes")
    parser.add_argument("--words", action="store_true", help="WikiText-2 for 60 minutes")
    parser.add_argument("--cell", choices=CELLS, help="this one alone, in place of all or of the best")
    parser.add_argument("--minutes", type=float, help="in place of 5, 30 and 60")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--save", type=Path, metavar="FOLDER", help="keep the models and the curve's picture")
    parser.add_argument("--quick", action="store_true", help="tiny networks, seconds each: under 50 s")
    parser.add_argument("--json", action="store_true", help="rows of name, value, unit")
    parser.add_argument("--refit", action="store_true", help="only the model that reads the test part")
    given = parser.parse_args()
    if given.refit and (not given.cell or given.words):
        parser.error("--refit: expected --cell and --curve or --long")
    if given.minutes is not None and not given.minutes > 0:
        parser.error(f"--minutes: expected more than 0, got {given.minutes}")
    tasks = [task for task in MINUTES if getattr(given, task)] or list(MINUTES)
    seconds = {task: 60 * (given.minutes or minutes) for task, minutes in MINUTES.items()}
    run = Run(
        QUICK_SECONDS if given.quick else seconds, given.seed, given.quick, given.save, Console(stderr=True)
    )
    rows: list[dict[str, Any]] = []
    try:
        for made in measured(run, tasks, given.cell, refit=given.refit):
            rows.append({**made, "seed": given.seed})
            if not given.json:
                name, value, unit = made["name"], made["value"], made["unit"]
                print(f"{name:44} {value:10.4f} {unit}  (seed {given.seed})", flush=True)
    except ChainruleError as error:
        parser.exit(1, f"error: {error}\n")
    if given.json:
        print(json.dumps(rows, indent=2))


if __name__ == "__main__":
    main()
