"""`chainrule evaluate`, `generate`, `score`: what a trained model says of a text, and what it would say."""

import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from chainrule.cli.console import LEARNED, bar, note, out, print_json, read_corpus
from chainrule.core import InputError
from chainrule.data.overlap import TRAINED_ON
from chainrule.language_model import LanguageModel, TokenSurprisal, load
from chainrule.recipes import ENGINES
from chainrule.report import number, visible
from chainrule.tasks.evaluation import Evaluation, finite_or_name

ModelFile = Annotated[Path, typer.Argument(help="A model file, as `train` writes it.")]
TextName = Annotated[str, typer.Argument(help="A corpus by name, a file, a folder, or -.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON in place of text.")]
SHADES = ((2, "none"), (5, "yellow"), (8, "dark_orange"), (float("inf"), "bold red"))  # up to so many bits
LISTED = 400  # tokens that are listed one by one
Engine = Annotated[str, typer.Option(help=f"What computes a recurrent network: {', '.join(ENGINES)}.")]
Device = Annotated[
    str | None, typer.Option(help="Of the engine torch: cpu, cuda, cuda:1 or auto.", show_default="auto")
]
Online = Annotated[
    bool, typer.Option("--online", help="Learn while reading: each token is scored, then learned.")
]
Errors = Annotated[str, typer.Option(help="Bytes that are not UTF-8: strict or replace.")]


def evaluate(
    model: ModelFile,
    text: TextName,
    online: Online = False,
    json: Json = False,
    errors: Errors = "strict",
    engine: Engine = "scratch",
    device: Device = None,
) -> None:
    """Print how well a model predicts a text: perplexity, bits per character and byte.

    Says so when the text, or a part of it, was trained on. With --online the model learns as it reads; its
    file stays as it is.

    Example: `chainrule evaluate lstm.chainrule other.txt`
    """
    lm = _load(model, engine, device, online)
    loaded = read_corpus(text, errors)
    with bar("scoring") as tell:
        report = lm.evaluate(loaded.text, online=online, progress=lambda done: tell(done, ""))
    share = lm.overlap(loaded.text)
    if json:
        print_json({"model": str(model), "text": loaded.name, **report.as_dict(), "overlap": share})
    else:
        _print_report(report, lm.model.vocab_size)
    if share is not None and share > TRAINED_ON:
        note(f"{share:.0%} of this text was trained on: these are no held-out figures")
    if report.nats == float("inf"):
        note("the model gives probability zero to something in this text: its perplexity is infinite")
    if report.silent:
        note(f"before {report.silent:,} tokens the model had nothing to say and was taken as uniform")
    if report.lacks:
        note(f"{report.lacks}: figures per character and byte do not compare with those of a whole text")


def _load(model: Path, engine: str, device: str | None, online: bool) -> LanguageModel:
    """Says so where what was asked for is not what computes."""
    if online and engine == "torch":
        note(
            "--online: a network that learns as it reads is computed by the engine scratch, on the processor"
        )
    return load(model, engine=engine, device=device)


def _print_report(report: Evaluation, vocab_size: int) -> None:
    if report.online:
        out().print(LEARNED, style="bold")  # a title would wrap at the width of its table
    made = Table(show_header=False, box=None)
    made.add_column(style="bold")
    made.add_column(justify="right")
    for name, value in (
        ("perplexity per token", number(report.perplexity, 4)),
        *([("perplexity without unknown", number(report.perplexity_known, 4))] if report.unknown else []),
        ("perplexity per word", number(report.perplexity_per_word, 2)),
        ("bits per character", number(report.bits_per_character, 4)),
        ("bits per byte", number(report.bits_per_byte, 4)),
        ("tokens", f"{report.tokens:,}"),
        ("unknown", f"{report.unknown:,}"),
        ("uniform guessing, perplexity", f"{vocab_size:,}"),
    ):
        made.add_row(name, value)
    out().print(made)


def generate(
    model: ModelFile,
    prompt: Annotated[str, typer.Option("--prompt", "-p", help="The text to continue.")] = "",
    length: Annotated[int, typer.Option("--length", "-n", help="Tokens to add.")] = 300,
    temperature: Annotated[float, typer.Option("--temperature", "-t", help="0 takes the likeliest.")] = 1.0,
    top_k: Annotated[int | None, typer.Option(help="Draw from the k likeliest.")] = None,
    top_p: Annotated[float | None, typer.Option(help="Draw from the likeliest of mass p.")] = None,
    min_p: Annotated[float | None, typer.Option(help="Draw from those of p times the likeliest.")] = None,
    seed: Annotated[int, typer.Option(help="Seed of the draws.")] = 0,
    online: Annotated[bool, typer.Option("--online", help="Learn from the prompt before speaking.")] = False,
    json: Json = False,
    engine: Engine = "scratch",
    device: Device = None,
) -> None:
    """Continue a text with a model.

    With --online it learns from the prompt before it speaks, and not from what it says; its file stays as it
    is.

    Example: `chainrule generate lstm.chainrule --prompt "the time" --temperature 0.8`
    """
    lm = _load(model, engine, device, online)
    with bar("generating") as tell:
        told = lm.generate(
            prompt,
            length,
            temperature=temperature,
            top_k=top_k,
            top_p=top_p,
            min_p=min_p,
            seed=seed,
            online=online,
            report=lambda done: tell(done, ""),
        )
    if json:
        unknown = lm.codec.unknown(prompt)
        asked = {"prompt": prompt, "unknown": unknown, "length": length, "seed": seed, "online": online}
        print_json({**asked, "text": told})
    else:
        sys.stdout.write(told + "\n")  # as it is: a console would take :key: for a picture


def score(
    model: ModelFile,
    text: Annotated[str, typer.Argument(help="A corpus by name, a file, a folder, or -.")] = "-",
    string: Annotated[str | None, typer.Option("--text", help="Score this string, not a file.")] = None,
    top: Annotated[int, typer.Option(help="How many of the most surprising tokens to list.")] = 10,
    online: Online = False,
    json: Json = False,
    errors: Errors = "strict",
    engine: Engine = "scratch",
    device: Device = None,
) -> None:
    """Print what every token of a text cost in bits, and mark the most surprising.

    Example: `chainrule score lstm.chainrule --text "the time machine"`
    """
    lm = _load(model, engine, device, online)
    loaded = string if string is not None else read_corpus(text, errors).text
    with bar("scoring") as tell:
        tokens = lm.surprisal(loaded, online=online, progress=lambda done: tell(done, ""))
    if not tokens:
        raise InputError("score: expected at least one token, got none")
    if json:
        bits = [{"token": t.token, "bits": finite_or_name(t.bits)} for t in tokens]
        print_json({"online": online, "tokens": bits})
        return
    _print_scored(lm, tokens, top, online)
    missing = lm.codec.unknown(loaded)
    if missing:
        shown = ", ".join(map(repr, missing[:5])) + (", ..." if len(missing) > 5 else "")
        note(
            f"{len(missing)} symbols are not in the vocabulary, their bits are the unknown symbol's: {shown}"
        )


def _print_scored(lm: LanguageModel, tokens: list[TokenSurprisal], top: int, online: bool) -> None:
    """The text shaded by its bits, the bits of every token, the most surprising marked, and the sum."""
    console = out()
    spaced = lm.codec.tokenizer.loses is not None
    shown = Text()
    for token in tokens:
        shown.append(visible(token.token), style=next(style for bits, style in SHADES if token.bits <= bits))
        if spaced:
            shown.append(" ")
    console.print(shown, soft_wrap=True)
    worst = sorted(range(len(tokens)), key=lambda i: -tokens[i].bits)[: max(top, 0)]
    ranks = {i: rank for rank, i in enumerate(worst, 1)}
    listed = range(len(tokens)) if len(tokens) <= LISTED else sorted(worst)
    if online:
        console.print(LEARNED, style="bold")
    made = Table(header_style="bold")
    for heading in ("at", "after"):
        made.add_column(heading, justify="right")
    made.add_column("token")
    made.add_column("bits", justify="right")
    made.add_column("most surprising")
    for i in listed:
        before = (" " if spaced else "").join(t.token for t in tokens[max(0, i - 20) : i])[-20:]
        mark = str(ranks[i]) if i in ranks else ""
        made.add_row(str(i), Text(repr(before)), Text(repr(tokens[i].token)), number(tokens[i].bits, 2), mark)
    console.print(made)
    if len(tokens) > LISTED:
        note(f"{len(tokens):,} tokens: only the most surprising are listed; --json gives the bits of all")
    total = sum(t.bits for t in tokens)
    mean = total / len(tokens)
    console.print(f"{number(total, 1)} bits in all, {number(mean, 3)} a token over {len(tokens):,} tokens")
