"""`chainrule info`: what is known of a model file, or of a compressed one."""

from collections.abc import Iterable
from dataclasses import asdict, fields
from pathlib import Path
from typing import Annotated, Any, cast

import typer
from rich.markup import escape
from rich.table import Table

from chainrule.classifier import TextClassifier
from chainrule.cli.console import out, print_json
from chainrule.core import ChainruleError, FileFormatError
from chainrule.files import read_arrays
from chainrule.language_model import LanguageModel, load
from chainrule.recipes import COUNTED, NETWORKS, Recipe
from chainrule.recipes.compressing import SHOWN, Contents, look_into
from chainrule.recipes.recipe import OF_NGRAMS
from chainrule.report import number
from chainrule.tagger import Tagger, load_tagger

OFF = frozenset(  # options that go without saying when they are not used
    (
        "tied",
        "layer_norm",
        "dropout",
        "embedding_dropout",
        "weight_dropout",
        "weight_decay",
        "average",
        "compiled",
    )
)
SHARES = {"accuracy": "accuracy", "macro F1": "macro_f1", "always the most frequent": "majority"}
NETWORK_SETTINGS = {field.name for field in fields(Recipe)} - {*OF_NGRAMS}


def info(
    file: Annotated[Path, typer.Argument(help="A model, a classifier, a tagger, or what `compress` wrote.")],
    json: Annotated[bool, typer.Option("--json", help="Print JSON in place of a table.")] = False,
) -> None:
    """Show what a model file holds: recipe, vocabulary, split, training and held-out figures.

    Of a classifier or a tagger: what it was trained on, and how good it was on what was held out. Of a file
    that `compress` wrote: what it stands for and takes, and which model it needs.

    Example: `chainrule info lstm.chainrule`
    """
    compressed = look_into(file) if file.is_file() else None
    try:
        known, shown = _compressed(compressed) if compressed else _model(file)
    except ChainruleError:
        raise
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise FileFormatError(f"{file}: what it says of itself is damaged ({error!r})") from error
    if json:
        print_json({"file": str(file), **known})
    else:
        out().print(shown)


def _model(file: Path) -> tuple[dict[str, Any], Table]:
    """A model's file, of whatever kind, as JSON has it and as a table."""
    match read_arrays(file)[1].get("kind"):
        case "classifier":
            return _classifier(TextClassifier.load(file))
        case "tagger":
            return _tagger(load_tagger(file))
        case _:
            lm = load(file)
            count, unit = lm.size
            known = {"size": count, "size_unit": unit, "state": lm.state, "vocabulary": lm.codec.vocab_size}
            return {**known, **lm.card}, card_table(lm)


def _classifier(classifier: TextClassifier) -> tuple[dict[str, Any], Table]:
    card = cast(dict[str, Any], classifier.card)
    texts = ", ".join(f"{name} {count:,}" for name, count in card["texts"].items())
    rows = [("model", f"classifier, {card['model']}"), ("texts", texts), ("source", card["source"])]
    rows += [("of it", f"{part['weight']:.3f} {part['name']}") for part in card["parts"]]
    rows.append(("training", f"{card['seconds']:.1f} s, seed {card['seed']}"))
    for made in card.get("held_out", []):
        figures = ", ".join(f"{name} {100 * made[key]:.1f} %" for name, key in SHARES.items())
        rows.append(("held out", f"{figures}, over {made['texts']:,} texts"))
    return {"kind": "classifier", "classes": list(classifier.classes), **card}, facts(rows)


def _tagger(tagger: Tagger) -> tuple[dict[str, Any], Table]:
    card, codec = cast(dict[str, Any], tagger.card), tagger.codec
    recipe = {name: value for name, value in card["recipe"].items() if value not in (None, False, [], ())}
    rows: list[tuple[str, object]] = [
        ("model", f"tagger, {tagger.form}"),
        ("trained on", f"{card['sentences']:,} sentences, {card['tokens']:,} tokens"),
        ("tags", f"{len(codec.tags)}, vocabulary {len(codec.vocabulary):,}"),
        ("recipe", ", ".join(f"{name} {value}" for name, value in recipe.items())),
        ("training", f"{card['stopped']}, {card['seconds']:.1f} s"),
    ]
    for name, made in card.get("held_out", {}).items():
        match = made.get("spans") or made["others"]
        rows.append((f"held out, {name}", f"accuracy {made['accuracy']:.2%}, F1 {match['f1']:.2%}"))
    rows.append(("made by", f"chainrule {card['chainrule']}"))
    counts = {"tags": len(codec.tags), "vocabulary": len(codec.vocabulary)}
    return {"kind": "tagger", "form": tagger.form, **counts, **card}, facts(rows)


def _compressed(found: Contents) -> tuple[dict[str, Any], Table]:
    """A compressed file, by its header and the lengths of its blocks: nothing is decoded."""
    details = found.details
    sizes = {"original": found.original, "compressed": found.compressed}
    known = {**sizes, "model_bytes": found.carried, "coded_by": details and asdict(details)}
    rows = [(name, f"{value:,} bytes") for name, value in sizes.items()]
    if found.original:
        rows.append(("bits per byte", number(8 * found.compressed / found.original, 4)))
    if details is None:
        rows.append(("coded by", "a mix that learns the file as it reads: no model is needed"))
    else:
        within = f", in the file: {found.carried:,} bytes" if details.carried else ""
        learns = ", which learned as it read" if details.online else ""
        rows += [
            ("coded by", f"the model {details.model[:SHOWN]} ({details.tokenizer}){learns}{within}"),
            ("numbers", details.path),
            ("made on", details.made_on),
            ("made by", f"chainrule {details.chainrule}"),
        ]
    return known, facts(rows)


def facts(rows: Iterable[tuple[str, object]]) -> Table:
    """A line a fact."""
    made = Table(show_header=False, box=None)
    made.add_column(style="bold")
    made.add_column()
    for name, value in rows:
        made.add_row(name, escape(str(value)))
    return made


def card_table(lm: LanguageModel) -> Table:
    """A model's card, a line a fact."""
    card = cast(dict[str, Any], lm.card)
    kind = card["recipe"]["kind"]
    other = {"layers"} if kind == "window" else {"window"}
    used = {*OF_NGRAMS} if kind in COUNTED else NETWORK_SETTINGS - other if kind in NETWORKS else set()
    recipe = {
        name: value
        for name, value in card["recipe"].items()
        if name in {"kind", *used} and value not in (None, (), [], "scratch") and (value or name not in OFF)
    }
    rows: list[tuple[str, object]] = []

    def line(name: str, value: object) -> None:
        rows.append((name, value))

    count, unit = lm.size
    line("model", recipe["kind"])
    line("state", lm.state)
    line("size", f"{count:,} {unit}")
    line("tokens", f"{lm.codec.tokenizer.name}, vocabulary {lm.codec.vocab_size:,}")
    line("corpus", card["corpus"])
    parts = ((name, card["split"][name]["tokens"]) for name in ("train", "valid", "test"))
    line("split", ", ".join(f"{name} {tokens:,}" for name, tokens in parts))
    for d in card.get("discounts", []):
        line(f"discounts, order {d['order']}", f"{d['one']:.4f}, {d['two']:.4f}, {d['more']:.4f}")
    if len(recipe) > 1:
        line("recipe", ", ".join(f"{name} {value}" for name, value in recipe.items() if name != "kind"))
    for member in card.get("members", []):
        bits = number(float(member["valid_bits_per_character"]), 4)
        line(
            "of it", f"{member['weight']:.4f} {member['recipe']['kind']}, alone {bits} bits/character (valid)"
        )
    if "members" in card:
        line("together", f"{number(float(card['valid_bits_per_character']), 4)} bits/character (valid)")
    if card["training"]:
        log = card["training"]["log"]
        epochs = f", {log[-1]['epoch']:.1f} epochs" if log else ""
        line("training", f"{card['training']['stopped']}{epochs}, {card['training']['seconds']:.1f} s")
    if card["held_out"]:
        line("held out", figures(card["held_out"]))
    line("made by", f"chainrule {card['chainrule']}")
    return facts(rows)


def figures(report: dict[str, Any]) -> str:
    """An evaluation in one line; figures that do not pay for every byte say so."""
    lost = [
        *(["online"] if report.get("online") else []),
        *([f"without {report['loses']}"] if report["loses"] else []),
        *([f"{report['unknown']:,} unknown, scored as one symbol"] if report["unknown"] else []),
    ]
    return (
        f"perplexity {number(float(report['perplexity']), 3)} per token, "
        f"{number(float(report['bits_per_character']), 4)} bits/character, "
        f"{number(float(report['bits_per_byte']), 4)} bits/byte "
        f"over {report['tokens']:,} tokens" + (f" ({'; '.join(lost)})" if lost else "")
    )
