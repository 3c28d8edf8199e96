"""How `chainrule classify` shows what it read, how good it is, and which words decided."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from rich.console import Group
from rich.table import Table
from rich.text import Text

from chainrule.classifier import Explanation
from chainrule.cli.console import out
from chainrule.data.labelled import Labelled
from chainrule.tasks.classification import ClassScores, interval

MOST_SHOWN = 12  # classes of a confusion matrix in the terminal
STRONG, WEAK = 0.5, 0.1  # nats of log-odds from which a word is marked


def said(labelled: Labelled, names: Sequence[str], ids: Any, seed: int) -> None:
    """What was read."""
    counts = np.bincount(ids)
    each = ", ".join(f"{name} {count:,}" for name, count in zip(names, counts, strict=True))
    out().print(f"{labelled.source}: {len(labelled):,} texts, {each}; seed {seed}", markup=False)


def folds_table(made: Sequence[ClassScores]) -> Group:
    """Mean over folds and its 95 % interval; then the confusion over all of them."""
    table = Table(title=f"{len(made)} folds, each held out once: mean and 95 % interval", show_header=False)
    table.add_column("figure")
    table.add_column("value", justify="right")
    for name, values in (
        ("accuracy", [100 * each.accuracy for each in made]),
        ("always the most frequent", [100 * each.majority for each in made]),
        ("macro F1", [100 * each.macro_f1 for each in made]),
        ("expected calibration error", [100 * each.calibration_error for each in made]),
    ):
        mean, half = interval(values)
        table.add_row(name, f"{mean:.1f} ± {half:.1f} %")
    mean, half = interval([each.log_loss for each in made])
    table.add_row("log loss", f"{mean:.3f} ± {half:.3f} nats")
    total = np.sum([each.confusion for each in made], axis=0)
    return Group(table, _confusion(made[0].classes, total))


def scores_table(made: ClassScores, title: str) -> Group:
    """Figures of one held-out part, and its confusion."""
    table = Table(title=f"{title}: {made.count:,} texts", show_header=False)
    table.add_column("figure")
    table.add_column("value", justify="right")
    table.add_row("accuracy", f"{100 * made.accuracy:.1f} %")
    table.add_row("always the most frequent", f"{100 * made.majority:.1f} %")
    table.add_row("macro F1", f"{100 * made.macro_f1:.1f} %")
    table.add_row("expected calibration error", f"{100 * made.calibration_error:.1f} %")
    table.add_row("log loss", f"{made.log_loss:.3f} nats")
    return Group(table, _confusion(made.classes, made.confusion))


def _confusion(classes: Sequence[str], counts: Any) -> Table:
    table = Table(title="true class in rows, predicted class in columns")
    table.add_column("")
    shown = list(range(len(classes)))[:MOST_SHOWN]
    for k in shown:
        table.add_column(Text(classes[k]), justify="right")
    for i in shown:
        table.add_row(Text(classes[i]), *(f"{counts[i, j]:,}" for j in shown))
    if len(classes) > MOST_SHOWN:
        table.caption = f"{len(classes) - MOST_SHOWN} more classes: --json has all"
    return table


def explained(why: Explanation) -> Text:
    """The words in order: green for the predicted class, red against it, the strong ones in bold with their
    nats."""
    shown = Text()
    for word in why.words:
        colour = "green" if word.nats > 0 else "red"
        bold = "bold " if abs(word.nats) >= STRONG else ""
        shown.append(word.word, style=f"{bold}{colour}" if abs(word.nats) >= WEAK else "none")
        if abs(word.nats) >= WEAK:
            shown.append(f"({word.nats:+.1f})", style="dim")
        shown.append(" ")
    shown.append(
        f"[{why.predicted} against {why.against}: {why.log_odds:+.2f} nats, {why.rest:+.2f} of them "
    )
    shown.append("by no word]")
    return shown
