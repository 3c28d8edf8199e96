"""`chainrule train`: one model on one text, into one file."""

import math
import os
from functools import partial
from pathlib import Path
from typing import Annotated, Any, cast

import typer

from chainrule.cli import rates
from chainrule.cli.console import (
    bar,
    duration,
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
from chainrule.language_model import LanguageModel, load, read_text
from chainrule.recipes import (
    COUNTED,
    ENGINES,
    KINDS,
    NETWORKS,
    OPTIMIZERS,
    SCHEDULES,
    SMOOTHINGS,
    Recipe,
    check,
    fit,
    follows,
    world_size,
)
from chainrule.tasks.evaluation import LN2
from chainrule.training import Progress, discard
from chainrule.training.records import RunFiles

# an option of each group of --help
Text = partial(typer.Option, rich_help_panel="The text")
Counted = partial(typer.Option, rich_help_panel="Counted models")
Network = partial(typer.Option, rich_help_panel="Networks")
Learning = partial(typer.Option, rich_help_panel="Training of networks")
Run = partial(typer.Option, rich_help_panel="The run")


def train(
    corpus: Annotated[str, typer.Argument(help="A corpus by name, a file, a folder, or -.")],
    out_file: Annotated[
        Path | None, typer.Option("--output", "-o", help="The model file to write.", show_default=False)
    ] = None,
    model: Annotated[str, typer.Option(help=f"{', '.join(KINDS)}.")] = "lstm",
    force: Annotated[bool, typer.Option("--force", help="Overwrite a file that exists.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print JSON in place of a table.")] = False,
    tokenizer: Annotated[str, Text(help=f"{', '.join(NAMES)}.")] = "characters",
    clean: Annotated[bool, Text("--clean", help="Letters a-z only, lower case.")] = False,
    min_freq: Annotated[int, Text(help="Rarer tokens are unknown.")] = 1,
    vocab_limit: Annotated[int | None, Text(help="Keep so many tokens, the most frequent.")] = None,
    bpe_size: Annotated[int, Text(help="Vocabulary of the BPE tokeniser.")] = 2000,
    sentences: Annotated[
        bool, Text("--sentences", help="Every line is a sentence, and its end is predicted.")
    ] = False,
    unk: Annotated[str, Text(help="`<unk>` in the text: an ordinary word, or skip it.")] = "ordinary",
    vocab: Annotated[
        Path | None, Text(help="A model file: read the text by its tokens, to mix the two.")
    ] = None,
    valid: Annotated[str, Text(help="A fraction or a file to validate on; 0 for none.")] = "0.1",
    test: Annotated[str, Text(help="A fraction or a file to test on; 0 for none.")] = "0.1",
    errors: Annotated[str, Text(help="Bytes that are not UTF-8: strict or replace.")] = "strict",
    order: Annotated[int | None, Counted(help="Of n-grams; best on validation if left out.")] = None,
    smoothing: Annotated[str, Counted(help=f"Of n-grams: {', '.join(SMOOTHINGS)}.")] = "witten-bell",
    minimum: Annotated[
        str | None, Counted(help="Counts from which n-grams of each order are kept, such as 1,1,2.")
    ] = None,
    k: Annotated[float | None, Counted("--k", help="Of add-k smoothing.")] = None,
    hidden: Annotated[int | None, Network(help="Units of a hidden layer.")] = None,
    layers: Annotated[int, Network(help="Recurrent layers.")] = 1,
    embedding: Annotated[int | None, Network(help="Embedding width; 0 for one-hot input.")] = None,
    tied: Annotated[bool, Network("--tied", help="The embedding is the output weight too.")] = False,
    layer_norm: Annotated[bool, Network("--layer-norm", help="Normalise each layer's output.")] = False,
    dropout: Annotated[float | None, Network(help="Share of units dropped, the same over time.")] = None,
    embedding_dropout: Annotated[float, Network(help="Share of the vocabulary dropped.")] = 0.0,
    weight_dropout: Annotated[float, Network(help="Share of recurrent weights dropped.")] = 0.0,
    cutoffs: Annotated[
        str | None,
        Network(help="Adaptive softmax: where rarer tokens begin, such as 2000,10000; 0 for a plain one."),
    ] = None,
    window: Annotated[int, Network(help="Tokens that the window model sees.")] = 8,
    epochs: Annotated[int | None, Learning(help="Passes over the text at most.")] = None,
    time_limit: Annotated[str | None, Learning(help="Time to train at most: 90s, 5m.")] = None,
    batch: Annotated[int | None, Learning(help="Rows of a batch.")] = None,
    steps: Annotated[int | None, Learning(help="Time steps of a batch.")] = None,
    partition: Annotated[str, Learning(help="sequential or random.")] = "sequential",
    optimizer: Annotated[str, Learning(help=f"{', '.join(OPTIMIZERS)}.")] = "adam",
    learning_rate: Annotated[
        float | None, Learning("--learning-rate", "--lr", help="Peak learning rate.")
    ] = None,
    weight_decay: Annotated[float | None, Learning(help="Of adamw; 0.01 if left out.")] = None,
    schedule: Annotated[
        str | None,
        Learning(help=f"Of the rate: {', '.join(SCHEDULES)} (halves it); constant for sgd, else cosine."),
    ] = None,
    warmup: Annotated[
        float | None, Learning(help="Share of the run in which the cosine schedule rises; 0.05.")
    ] = None,
    average: Annotated[
        float | None,
        Learning(help="Decay of the moving average of the weights that is kept; 0.998, 0 for none or sgd."),
    ] = None,
    clip: Annotated[float, Learning(help="Largest norm of the gradient.")] = 1.0,
    patience: Annotated[int, Learning(help="Epochs without a better one before it stops.")] = 4,
    seed: Annotated[int, Learning(help="Random seed.")] = 0,
    engine: Annotated[
        str, Learning(help=f"What computes a recurrent network: {', '.join(ENGINES)}.")
    ] = ENGINES[0],
    device: Annotated[
        str | None, Learning(help="Of the engine torch: cpu, cuda, cuda:1 or auto.", show_default="auto")
    ] = None,
    compiled: Annotated[
        bool, Learning("--compile", help="torch.compile, where a trial shows that it is faster.")
    ] = False,
    find_lr: Annotated[bool, Run("--find-lr", help="Only look for a learning rate, and plot it.")] = False,
    plot: Annotated[Path | None, Run(help="Of --find-lr: its plot as svg, png or pdf.")] = None,
    checkpoint_every: Annotated[
        str, Run(help="How often to write FILE.checkpoint, from which a run that was killed goes on.")
    ] = "5m",
    resume: Annotated[bool, Run("--resume", help="Go on from FILE.checkpoint.")] = False,
    log: Annotated[Path | None, Run(help="The log, as JSON lines.", show_default="FILE.log.jsonl")] = None,
    tensorboard: Annotated[Path | None, Run(help="A folder for TensorBoard's logs.")] = None,
) -> None:
    """Train a model on a text and write it to a file, with its held-out figures.

    What is left out of a network's sizes and rates is chosen for the text, and said. Ctrl-C ends the
    training and keeps what was learned. A run that was killed goes on with the same command and --resume.

    Example: `chainrule train tinyshakespeare --model lstm --time-limit 5m -o lstm.chainrule`
    """
    files = RunFiles()
    if world_size() > 1 and (find_lr or engine != "torch"):
        wrong = "--find-lr" if find_lr else f"--engine {engine}"
        raise InputError(f"WORLD_SIZE={world_size()}: expected one process for {wrong}")
    if not find_lr:
        files = _files(
            out_file, model, corpus, log, tensorboard, checkpoint_every, resume=resume, force=force
        )
    rates.check_plot(output(plot, force=force))
    settings = Recipe(
        kind=model,
        order=order,
        smoothing=smoothing,
        minimum=() if minimum is None else whole_numbers(minimum, "--minimum"),
        k=k,
        hidden=hidden,
        layers=layers,
        embedding=embedding,
        tied=tied,
        layer_norm=layer_norm,
        dropout=dropout,
        embedding_dropout=embedding_dropout,
        weight_dropout=weight_dropout,
        cutoffs=None if cutoffs is None else [c for c in whole_numbers(cutoffs, "--cutoffs") if c],
        window=window,
        epochs=epochs,
        seconds=None if time_limit is None else seconds(time_limit),
        batch=batch,
        steps=steps,
        partition=partition,
        optimizer=optimizer,
        weight_decay=weight_decay,
        rate=learning_rate,
        schedule=schedule,
        warmup=warmup,
        average=average,
        clip=clip,
        patience=patience,
        seed=seed,
        engine=engine,
        device=device,
        compiled=compiled,
    )
    check(settings)
    parts = [fraction_or_text(valid, "--valid", errors), fraction_or_text(test, "--test", errors)]
    loaded = read_corpus(corpus, errors)
    data = read_text(
        loaded.text,
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
    )
    if find_lr:
        rates.show(settings, data, plot, json=json)
        return
    if follows():
        fit(settings, data, files=files)
        return
    with bar(model) as tell:
        lm = LanguageModel.fitted(
            settings,
            data,
            name=loaded.name,
            report=lambda progress: tell(progress.done, figures(progress, model)),
            scoring=lambda done: tell(done, "scoring the test part"),
            note=note,
            files=files,
        )
    _finish(lm, cast(Path, out_file), files, json=json)


def _files(
    out_file: Path | None,
    model: str,
    corpus: str,
    log: Path | None,
    tensorboard: Path | None,
    every: str,
    *,
    resume: bool,
    force: bool,
) -> RunFiles:
    """What the run writes beside its model; all names are checked before any work is done."""
    if out_file is None:
        raise InputError("--output: expected a file to write the model to, got none")
    interval = seconds(every)
    if follows():  # rank 0 has looked, and may be writing by now
        return RunFiles(_checkpoint(out_file), interval, resume)
    output(out_file, force=force)
    if out_file.exists() and os.path.exists(corpus) and out_file.samefile(corpus):
        raise InputError(f"{out_file}: expected another file to write than the corpus itself")
    if model not in NETWORKS:
        if resume:
            raise InputError(f"--resume: expected a network, got {model}, which is made at once")
        return RunFiles()
    checkpoint = _checkpoint(out_file)
    if checkpoint.exists() and not (resume or force):
        raise InputError(
            f"{checkpoint}: a run that was cut off can go on from it: --resume; --force begins anew"
        )
    if resume and not checkpoint.exists():
        note(f"there is no checkpoint {checkpoint} yet: the run begins anew")
    log = log or out_file.with_name(f"{out_file.name}.log.jsonl")
    output(log, force=force or resume)
    return RunFiles(checkpoint, interval, resume, log, tensorboard)


def _checkpoint(out_file: Path) -> Path:
    return out_file.with_name(f"{out_file.name}.checkpoint")


def _finish(lm: LanguageModel, out_file: Path, files: RunFiles, *, json: bool) -> None:
    """Write the model, say what there is to say, and let the checkpoint go."""
    training = cast(dict[str, Any], lm.card["training"] or {})
    stopped = training.get("stopped")
    if stopped == "diverged" and _worse_than_guessing(lm, training["log"]):
        if files.checkpoint:
            discard(files.checkpoint)
        raise RunError(training["advice"].replace("the last good weights are kept", "nothing was learned"))
    if stopped == "diverged":
        note(training["advice"])
    if stopped == "interrupted":
        there = files.checkpoint is not None and files.checkpoint.exists()
        more = f"; --resume --force goes on from {files.checkpoint}" if there else ""
        note(f"interrupted: what was learned so far is kept{more}")
    for line in remarks(lm):
        note(line)
    lm.save(out_file)
    if files.checkpoint and stopped != "interrupted":
        discard(files.checkpoint)
    if json:
        print_json({"file": str(out_file), **lm.card})
    else:
        out().print(card_table(lm))
        err().print(f"model: {out_file}", soft_wrap=True, markup=False)


def figures(progress: Progress, model: str) -> str:
    """What stands behind the bar: for counted models the order that is tried, for networks how they learn."""
    if model in COUNTED:
        return f"order {progress.epoch}: bits/token held out {progress.valid / LN2:.3f}"
    bits = (progress.train_bits, progress.valid_bits)
    shown = [
        f"epoch {progress.epoch}",
        f"{progress.tokens_per_second:,.0f} tok/s",
        "bits/char " + ", held out ".join(f"{value:.3f}" for value in bits if not math.isnan(value)),
        f"|g| {progress.norm:.2f}",
        *([] if math.isnan(progress.left) else [f"{duration(progress.left)} left"]),
    ]
    return ", ".join(shown)


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
    training = cast(dict[str, Any], lm.card["training"] or {})
    if training.get("stopped") == "time" and training["log"][-1]["epoch"] < 1:
        last = training["log"][-1]
        said.append(
            f"the time was enough for {last['step']} steps, {last['epoch']:.1%} of the training text: "
            f"give it more time"
        )
    if not getattr(lm.model, "normalised", True):
        said.append("its scores only rank and are no probabilities: there is no perplexity")
    elif tested and lm.held_out is None:
        said.append("interrupted while the test part was scored: there are no held-out figures")
    return said


def _worse_than_guessing(lm: LanguageModel, log: list[dict[str, Any]]) -> bool:
    """Whether no row of the log beats the uniform distribution."""
    nats = (float(row["nats"] if math.isnan(float(row["valid"])) else row["valid"]) for row in log)
    return not any(value < math.log(lm.model.vocab_size) for value in nats)
