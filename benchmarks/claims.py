"""Three things that the lecture says of recurrent networks, measured, as pictures.

    python benchmarks/claims.py [CORPUS] -o FOLDER [--seeds N] [--quick] [--json]

vanishing   how the loss of the last of 50 steps depends on the state k steps before, for RNN, GRU and LSTM,
            with the weights they start from and with those they have learned
exploding   loss and gradient norm of an RNN at a high rate, with clipping and without
partition   the same LSTM trained on random and on sequential batches: bits per character on held-out text,
            and how varied what it writes is (different bigrams of words, repetition within 50 words)

The text is cleaned as the book does it: letters and spaces. Every number is printed for each seed; lines and
bars in the pictures are medians and means over the seeds. Pictures are written as SVG and as PNG.
"""

import argparse
import json
import math
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from rich.console import Console

import chainrule
from chainrule.core import Batch
from chainrule.models.recurrent.flow import gradient_norms
from chainrule.recipes.lecture_networks import endless
from chainrule.report import clipping_figure, flow_figure, number, partition_figure, png, svg
from chainrule.tasks.diversity import distinct_ngrams, repetition
from chainrule.tasks.evaluation import LN2
from chainrule.training import SGD, Adam, clip
from chainrule.training.run import Limits

CELLS = ("rnn", "gru", "lstm")
BATCH, STEPS = 32, 35
PAST = 50  # steps back that the gradient is followed
RATE = 4e-3
HIGH_RATE, CLIPPED = 4.0, 0.25  # of SGD, where an RNN learns clipped and not otherwise
WORDS = 1000  # so many are generated
GRAM, WINDOW = 2, 50
PARTITIONS = ("random", "sequential")


class Extent(NamedTuple):
    """How much is run. characters: of the text. epochs: of the networks whose flow is looked at.

    steps: of the runs that may explode. fit_epochs: of the two partitions. hidden: units of all of them.
    """

    characters: int
    epochs: int
    steps: int
    fit_epochs: int
    hidden: int
    seeds: int


Rows = list[dict[str, Any]]


def row(name: str, values: list[float], unit: str) -> dict[str, Any]:
    """The mean of the seeds, and each of them."""
    return {"name": name, "value": float(np.mean(values)), "unit": unit, "seeds": values}


def vanishing(ids: np.ndarray, vocab_size: int, extent: Extent) -> tuple[Any, Rows]:
    """Gradient norms by steps back, of each cell and seed, before training and after."""
    before, after = "with fresh weights", f"after {extent.epochs} epochs"
    norms: dict[str, dict[str, list[np.ndarray]]] = {before: {}, after: {}}
    rows: Rows = []
    for cell in CELLS:
        for seed in range(extent.seeds):
            rng = np.random.default_rng(seed)
            learner = chainrule.RecurrentLearner(vocab_size, cell=cell, hidden=extent.hidden, rng=rng)
            starts = rng.integers(len(ids) - PAST - 1, size=BATCH)
            batch = Batch(ids[starts[:, None] + np.arange(PAST + 1)], np.ones(BATCH, dtype=bool), 1)

            def look(moment: str, cell: str = cell, learner: Any = learner, batch: Batch = batch) -> None:
                found = gradient_norms(learner, batch, learner.start(BATCH)).state[-1]
                norms[moment].setdefault(cell, []).append(found)

            look(before)
            epoch = partial(chainrule.sequential_batches, ids, BATCH, STEPS, rng)
            chainrule.train(learner, epoch, Adam(RATE), limits=Limits(extent.epochs))
            look(after)
        for moment, of in norms.items():
            for k in (1, 10, 30, PAST - 1):
                name = f"flow/{cell}/{moment.replace(' ', '-')}/k{k}"
                rows.append(row(name, [float(each[k] / each[0]) for each in of[cell]], "of that at k = 0"))
    stacked = {moment: {cell: np.array(of[cell]) for cell in CELLS} for moment, of in norms.items()}
    return flow_figure(stacked), rows


def exploding(ids: np.ndarray, vocab_size: int, extent: Extent) -> tuple[Any, Rows]:
    """Loss and gradient norm of each step, at a rate that is too high without clipping."""
    losses: dict[str, np.ndarray] = {}
    norms: dict[str, np.ndarray] = {}
    rows: Rows = []
    for name, theta in ((f"clipped at {CLIPPED}", CLIPPED), ("not clipped", math.inf)):
        runs = np.array([high_rate(ids, vocab_size, theta, extent, s) for s in range(extent.seeds)])
        losses[name], norms[name] = runs[..., 0] / LN2, runs[..., 1]
        end, key = losses[name][:, -20:].mean(axis=1).tolist(), name.replace(" ", "-")
        rows.append(row(f"explode/rnn/{key}/last-loss", end, "bits/character"))
        largest = np.nanmax(norms[name], axis=1).tolist()
        rows.append(row(f"explode/rnn/{key}/largest-norm", largest, "gradient norm"))
    return clipping_figure(losses, norms, math.log2(vocab_size)), rows


def high_rate(ids: np.ndarray, vocab_size: int, theta: float, extent: Extent, seed: int) -> np.ndarray:
    """Nats per token and gradient norm [step, 2] of an RNN, whatever becomes of it."""
    rng = np.random.default_rng(seed)
    learner = chainrule.RecurrentLearner(vocab_size, cell="rnn", hidden=extent.hidden, rng=rng)
    optimizer, state, run = SGD(HIGH_RATE), learner.start(BATCH), np.full((extent.steps, 2), np.nan)
    with np.errstate(all="ignore"):  # that the numbers are no longer finite is what is shown
        for at, batch in zip(range(extent.steps), endless(ids, rng, BATCH, STEPS), strict=False):
            step = learner.gradients(batch, state)
            run[at] = step.nats / step.count, clip(step.gradients, theta)
            if not np.isfinite(run[at]).all():
                break
            optimizer.step(learner.parameters, step.gradients, HIGH_RATE)
            state = step.state
    return run


def partitions(text: str, extent: Extent) -> tuple[Any, Rows]:
    """What random and sequential batches make of the same network and text."""
    labels = {
        "bits": "held out (bits per character)",
        "distinct": f"different {GRAM}-grams of words (share)",
        "repetition": f"words repeated within {WINDOW} (share)",
    }
    found: dict[str, dict[str, list[float]]] = {name: {} for name in labels}
    for partition in PARTITIONS:
        for seed in range(extent.seeds):
            settings = {"hidden": extent.hidden, "batch": BATCH, "steps": STEPS, "rate": RATE}
            lm = chainrule.LanguageModel.fit(
                text, model="lstm", partition=partition, epochs=extent.fit_epochs, seed=seed, **settings
            )
            written = lm.generate(" ", 8 * WORDS, seed=seed).split()[:WORDS]
            words = np.unique(written, return_inverse=True)[1]
            values = {
                "bits": float(lm.held_out["bits_per_character"]),
                "distinct": distinct_ngrams(words, GRAM),
                "repetition": repetition(words, 1, WINDOW),
            }
            for name, value in values.items():
                found[name].setdefault(partition, []).append(value)
    units = {"bits": "bits/character", "distinct": "share", "repetition": "share"}
    rows = [
        row(f"partition/{partition}/{name}", found[name][partition], units[name])
        for name in labels
        for partition in PARTITIONS
    ]
    panels = {labels[name]: {p: np.array(values) for p, values in of.items()} for name, of in found.items()}
    return partition_figure(panels), rows


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("corpus", nargs="?", default="timemachine", help="a corpus by name, or a file")
    parser.add_argument("-o", "--output", type=Path, required=True, help="the folder for the pictures")
    parser.add_argument("--seeds", type=int, default=3, help="so many runs of everything: 0, 1, ...")
    parser.add_argument("--quick", action="store_true", help="a shorter text, fewer epochs: under 50 s")
    parser.add_argument("--json", action="store_true", help="rows of name, value, unit, seeds")
    given = parser.parse_args()
    if given.seeds < 1:
        parser.error(f"--seeds: expected at least 1, got {given.seeds}")
    extent = Extent(10**9, 10, 600, 10, 256, given.seeds)
    if given.quick:
        extent = Extent(40_000, 2, 100, 2, 128, given.seeds)
    text = chainrule.letters_only(chainrule.load_corpus(given.corpus).text)[: extent.characters]
    codec = chainrule.Codec.fit(text)
    ids, vocab_size = codec.encode(text), codec.vocab_size
    claims: dict[str, Callable[[], tuple[Any, Rows]]] = {
        "vanishing": lambda: vanishing(ids, vocab_size, extent),
        "exploding": lambda: exploding(ids, vocab_size, extent),
        "partition": lambda: partitions(text, extent),
    }
    given.output.mkdir(parents=True, exist_ok=True)
    console, rows = Console(stderr=True), []
    for name, measure in claims.items():
        started = time.monotonic()
        with console.status(name):
            figure, made = measure()
        (given.output / f"{name}.svg").write_text(svg(figure), "utf-8")
        (given.output / f"{name}.png").write_bytes(png(figure))
        rows += [*made, {"name": f"time/claims/{name}", "value": time.monotonic() - started, "unit": "s"}]
    if given.json:
        print(json.dumps(rows, indent=2))
        return
    print(f"{given.corpus}: {number(len(ids), 0)} characters, seeds 0 to {given.seeds - 1}")
    for made in rows:
        spread = ", ".join(f"{value:.3g}" for value in made.get("seeds", ()))
        print(f"{made['name']:44} {made['value']:10.4g} {made['unit']}" + (f"  [{spread}]" if spread else ""))
    print(f"pictures: {given.output}")


if __name__ == "__main__":
    main()
