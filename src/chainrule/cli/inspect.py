"""`chainrule info`: what is known of a model file."""

from pathlib import Path
from typing import Annotated, Any, cast

import typer
from rich.markup import escape
from rich.table import Table

from chainrule.cli.console import out, print_json
from chainrule.language_model import LanguageModel, load
from chainrule.report import number


def info(
    model: Annotated[Path, typer.Argument(help="A model file.")],
    json: Annotated[bool, typer.Option("--json", help="Print JSON in place of a table.")] = False,
) -> None:
    """Show what a model file holds: recipe, vocabulary, split, training and held-out figures.

    Example: `chainrule info lstm.chainrule`
    """
    lm = load(model)
    if json:
        count, unit = lm.size
        known = {"size": count, "size_unit": unit, "state": lm.state, "vocabulary": lm.codec.vocab_size}
        print_json({"file": str(model), **known, **lm.card})
    else:
        out().print(card_table(lm))


def card_table(lm: LanguageModel) -> Table:
    """A model's card, a line a fact."""
    card = cast(dict[str, Any], lm.card)
    recipe = {name: value for name, value in card["recipe"].items() if value is not None}
    made = Table(show_header=False, box=None)
    made.add_column(style="bold")
    made.add_column()

    def line(name: str, value: object) -> None:
        made.add_row(name, escape(str(value)))

    count, unit = lm.size
    line("model", recipe["kind"])
    line("state", lm.state)
    line("size", f"{count:,} {unit}")
    line("tokens", f"{lm.codec.tokenizer.name}, vocabulary {lm.codec.vocab_size:,}")
    line("corpus", card["corpus"])
    line("split", ", ".join(f"{name} {part['tokens']:,}" for name, part in card["split"].items()))
    line("recipe", ", ".join(f"{name} {value}" for name, value in recipe.items() if name != "kind"))
    if card["training"]:
        log = card["training"]["log"]
        epochs = f", {log[-1]['epoch']:.1f} epochs" if log else ""
        line("training", f"{card['training']['stopped']}{epochs}, {card['training']['seconds']:.1f} s")
    if card["held_out"]:
        line("held out", figures(card["held_out"]))
    line("made by", f"chainrule {card['chainrule']}")
    return made


def figures(report: dict[str, Any]) -> str:
    """An evaluation in one line; figures that do not pay for every byte say so."""
    lost = report["loses"] or (f"{report['unknown']:,} unknown tokens" if report["unknown"] else None)
    return (
        f"perplexity {number(float(report['perplexity']), 3)} per token, "
        f"{number(float(report['bits_per_character']), 4)} bits/character, "
        f"{number(float(report['bits_per_byte']), 4)} bits/byte "
        f"over {report['tokens']:,} tokens" + (f" (without {lost})" if lost else "")
    )
