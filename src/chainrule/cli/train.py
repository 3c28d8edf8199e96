"""`chainrule train`: one model on one text, into one file."""

import math
import os
from pathlib import Path
from typing import Annotated, Any, cast

import typer

from chainrule.cli.console import (
    bar,
    err,
    fraction_or_text,
    note,
    out,
    output,
    print_json,
    read_corpus,
    seconds,
    whole_numbers,
)
from chainrule.cli.inspect import card_table
from chainrule.core import InputError, RunError
from chainrule.data.overlap import TRAINED_ON
from chainrule.data.tokenizers import NAMES
from chainrule.language_model import LanguageModel, load
from chainrule.recipes import COUNTED, KINDS, SMOOTHINGS
from chainrule.tasks.evaluation import LN2
from chainrule.training.loop import Progress


def train(
    corpus: Annotated[str, typer.Argument(help="A corpus by name, a file, a folder, or -.")],
    out_file: Annotated[Path, typer.Option("--output", "-o", help="The model file to write.")],
    model: Annotated[str, typer.Option(help=f"{', '.join(KINDS)}.")] = "lstm",
    tokenizer: Annotated[str, typer.Option(help=f"{', '.join(NAMES)}.")] = "characters",
    clean: Annotated[bool, typer.Option("--clean", help="Letters a-z only, lower case.")] = False,
    min_freq: Annotated[int, typer.Option(help="Rarer tokens are unknown.")] = 1,
    vocab_limit: Annotated[int | None, typer.Option(help="Keep so many tokens, the most frequent.")] = None,
    bpe_size: Annotated[int, typer.Option(help="Vocabulary of the BPE tokeniser.")] = 2000,
    sentences: Annotated[
        bool, typer.Option("--sentences", help="Every line is a sentence, and its end is predicted.")
    ] = False,
    unk: Annotated[str, typer.Option(help="<unk> in the text: an ordinary word, or skip it.")] = "ordinary",
    vocab: Annotated[
        Path | None, typer.Option(help="A model file: read the text by its tokens, to mix the two.")
    ] = None,
    valid: Annotated[str, typer.Option(help="A fraction or a file to validate on; 0 for none.")] = "0.1",
    test: Annotated[str, typer.Option(help="A fraction or a file to test on; 0 for none.")] = "0.1",
    order: Annotated[int | None, typer.Option(help="Of n-grams; best on validation if left out.")] = None,
    smoothing: Annotated[str, typer.Option(help=f"Of n-grams: {', '.join(SMOOTHINGS)}.")] = "witten-bell",
    minimum: Annotated[
        str | None,
        typer.Option(help="Counts from which n-grams of each order are kept, such as 1,1,2."),
    ] = None,
    k: Annotated[float | None, typer.Option("--k", help="Of add-k smoothing.")] = None,
    hidden: Annotated[int | None, typer.Option(help="Units of a hidden layer.")] = None,
    layers: Annotated[int, typer.Option(help="Recurrent layers.")] = 1,
    embedding: Annotated[int | None, typer.Option(help="Embedding width; 0 for one-hot input.")] = None,
    window: Annotated[int, typer.Option(help="Tokens that the window model sees.")] = 8,
    epochs: Annotated[int | None, typer.Option(help="Passes over the text at most.")] = None,
    time_limit: Annotated[str | None, typer.Option(help="Time to train at most: 90s, 5m.")] = None,
    batch: Annotated[int | None, typer.Option(help="Rows of a batch.")] = None,
    steps: Annotated[int | None, typer.Option(help="Time steps of a batch.")] = None,
    partition: Annotated[str, typer.Option(help="sequential or random.")] = "sequential",
    optimizer: Annotated[str, typer.Option(help="adam or sgd.")] = "adam",
    learning_rate: Annotated[
        float | None, typer.Option("--learning-rate", "--lr", help="Peak learning rate.")
    ] = None,
    clip: Annotated[float, typer.Option(help="Largest norm of the gradient.")] = 1.0,
    patience: Annotated[int, typer.Option(help="Epochs without a better one before it stops.")] = 4,
    seed: Annotated[int, typer.Option(help="Random seed.")] = 0,
    force: Annotated[bool, typer.Option("--force", help="Overwrite a file that exists.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print JSON in place of a table.")] = False,
    errors: Annotated[str, typer.Option(help="Bytes that are not UTF-8: strict or replace.")] = "strict",
) -> None:
    """Train a model on a text and write it to a file, with its held-out figures.

    Ctrl-C ends the training and keeps what was learned.

    Example: `chainrule train tinyshakespeare --model lstm --time-limit 5m -o lstm.chainrule`
    """
    output(out_file, force=force)
    if out_file.exists() and os.path.exists(corpus) and out_file.samefile(corpus):
        raise InputError(f"{out_file}: expected another file to write than the corpus itself")
    limit = None if time_limit is None else seconds(time_limit)
    parts = [fraction_or_text(valid, "--valid", errors), fraction_or_text(test, "--test", errors)]
    loaded = read_corpus(corpus, errors)
    with bar(f"{model}") as tell:

        def show(progress: Progress) -> None:
            named = {"training": progress.nats / LN2, "held out": progress.valid / LN2}
            shown = [f"{name} {bits:.3f}" for name, bits in named.items() if not math.isnan(bits)]
            stage = "order" if model in COUNTED else "epoch"
            tell(progress.done, f"{stage} {progress.epoch}: bits/token {', '.join(shown)}")

        lm = LanguageModel.fit(
            loaded.text,
            model=model,
            tokenizer=tokenizer,
            clean=clean,
            min_freq=min_freq,
            vocab_limit=vocab_limit,
            bpe_size=bpe_size,
            sentences=sentences,
            unk=unk,
            codec=None if vocab is None else load(vocab).codec,
            valid=parts[0],
            test=parts[1],
            name=loaded.name,
            report=show,
            scoring=lambda done: tell(done, "scoring the test part"),
            order=order,
            smoothing=smoothing,
            minimum=() if minimum is None else whole_numbers(minimum, "--minimum"),
            k=k,
            hidden=hidden,
            layers=layers,
            embedding=embedding,
            window=window,
            epochs=epochs,
            seconds=limit,
            batch=batch,
            steps=steps,
            partition=partition,
            optimizer=optimizer,
            rate=learning_rate,
            clip=clip,
            patience=patience,
            seed=seed,
        )
    training = cast(dict[str, Any], lm.card["training"] or {})
    if training.get("stopped") == "diverged" and _worse_than_guessing(lm, training["log"]):
        raise RunError(training["advice"].replace("the last good weights are kept", "nothing was learned"))
    if training.get("stopped") in ("interrupted", "diverged"):
        note(training["advice"] or "interrupted: what was learned so far is kept")
    for line in remarks(lm):
        note(line)
    lm.save(out_file)
    if json:
        print_json({"file": str(out_file), **lm.card})
    else:
        out().print(card_table(lm))
        err().print(f"model: {out_file}", soft_wrap=True, markup=False)


def remarks(lm: LanguageModel) -> list[str]:
    """What a reader of the held-out figures should know."""
    share, tested = lm.card["overlap"], lm.card["split"]["test"]["tokens"]
    said = [
        f"order {d['order']}: {d['why']}; discounts {d['one']:g}, {d['two']:g}, {d['more']:g} stand in"
        for d in lm.card["discounts"]
        if d["why"]
    ]
    if share is not None and share > TRAINED_ON:
        said.append(f"{share:.0%} of the test part stands in the training text: its figures are not held out")
    if lm.held_out and float(lm.held_out["perplexity"]) >= lm.model.vocab_size > 1 and lm.card["training"]:
        said.append("held out it is no better than guessing: a lower learning rate or more time may help")
    if not getattr(lm.model, "normalised", True):
        said.append("its scores only rank and are no probabilities: there is no perplexity")
    elif tested and lm.held_out is None:
        said.append("interrupted while the test part was scored: there are no held-out figures")
    return said


def _worse_than_guessing(lm: LanguageModel, log: list[dict[str, Any]]) -> bool:
    """Whether no row of the log beats the uniform distribution."""
    nats = (float(row["nats"] if math.isnan(float(row["valid"])) else row["valid"]) for row in log)
    return not any(value < math.log(lm.model.vocab_size) for value in nats)
