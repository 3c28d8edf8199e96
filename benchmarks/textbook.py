"""The trap: what the textbook's network is worth on text it has not seen.

The standard settings (RNN, 512 units, batch 32, 35 steps, SGD at rate 1, clipping at 1, the first 10,000
characters of The Time Machine, 500 epochs) print a training perplexity near 1. Beside it stands, every 20
epochs, the perplexity on the next 20,000 characters, for sequential and random partition, and what counted
models get from the same 10,000 characters in a fraction of a second.

    python benchmarks/textbook.py [--quick] [--json]
"""

import argparse
import json
import math
import time
from functools import partial

import numpy as np
from rich.console import Console
from rich.progress import track
from rich.table import Table

import chainrule
from chainrule.models.ngram.smoothing import AddK, WittenBell
from chainrule.tasks.evaluation import surprisal
from chainrule.training.run import Limits

TRAIN, HELD_OUT = 10_000, 20_000
BATCH, STEPS, UNITS, RATE, CLIP = 32, 35, 512, 1.0, 1.0
EVERY = 20
PARTITIONS = {"sequential": chainrule.sequential_batches, "random": chainrule.random_batches}


def perplexity(model, ids) -> float:
    """Of a stream read as one row from its start."""
    return math.exp(surprisal(model, ids).mean())


def learner(vocab_size: int, rng: np.random.Generator) -> chainrule.RecurrentLearner:
    """The network as the textbook starts it: every weight N(0, 0.01), every bias 0."""
    made = chainrule.RecurrentLearner(vocab_size, cell="rnn", hidden=UNITS, rng=rng)
    for name, array in made.parameters.items():
        array[...] = 0 if name.endswith("bias") else rng.normal(0, 0.01, array.shape)
    return made


def run(partition: str, train, held_out, vocab_size: int, epochs: int, seed: int):
    """Rows (epoch, training perplexity as the loop prints it, of the finished epoch's model, held out)."""
    rng = np.random.default_rng(seed)
    network, optimizer = learner(vocab_size, rng), chainrule.SGD(RATE)
    epoch = partial(PARTITIONS[partition], train, BATCH, STEPS, rng)
    rows = []
    for done in track(
        range(EVERY, epochs + 1, EVERY), f"{partition}, {epochs} epochs", console=Console(stderr=True)
    ):
        limits = Limits(epochs=EVERY)
        training = chainrule.train(network, epoch, optimizer, limits=limits, theta=CLIP)
        printed = math.exp(training.history[-1].nats)
        model = training.model
        rows.append((done, printed, perplexity(model, train), perplexity(model, held_out)))
    return rows


def counted(train, held_out, vocab_size: int):
    """Name and training and held-out perplexity of counted models, and of guessing."""
    models = {"uniform": chainrule.Uniform(vocab_size)}
    for order in (1, 2, 3, 4, 5, 6):
        counts = chainrule.count_ngrams([train], vocab_size, order)
        models[f"Witten-Bell {order}-gram"] = chainrule.NgramModel(counts, WittenBell())
    bigrams = chainrule.count_ngrams([train], vocab_size, 2)
    models["add-1 2-gram"] = chainrule.NgramModel(bigrams, AddK(1.0))
    return {name: (perplexity(model, train), perplexity(model, held_out)) for name, model in models.items()}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="60 epochs, under 50 s")
    parser.add_argument("--json", action="store_true", help="rows of name, value, unit")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    epochs = 60 if options.quick else 500
    text = chainrule.letters_only(chainrule.load_corpus("timemachine").text)
    codec = chainrule.Codec.fit(text)  # the textbook's vocabulary is that of the whole book
    ids = codec.encode(text)
    train, held_out = ids[:TRAIN], ids[TRAIN : TRAIN + HELD_OUT]
    started = time.monotonic()
    curves = {name: run(name, train, held_out, codec.vocab_size, epochs, options.seed) for name in PARTITIONS}
    seconds = time.monotonic() - started
    baselines = counted(train, held_out, codec.vocab_size)
    rows = [{"name": "time/textbook/both-partitions", "value": seconds, "unit": "s"}]
    for name, curve in curves.items():
        best = min(curve, key=lambda row: row[3])
        rows += [
            {
                "name": f"perplexity/textbook/{name}/train-printed",
                "value": curve[-1][1],
                "unit": "perplexity",
            },
            {"name": f"perplexity/textbook/{name}/train", "value": curve[-1][2], "unit": "perplexity"},
            {"name": f"perplexity/textbook/{name}/held-out", "value": curve[-1][3], "unit": "perplexity"},
            {"name": f"perplexity/textbook/{name}/held-out-best", "value": best[3], "unit": "perplexity"},
            {"name": f"perplexity/textbook/{name}/held-out-best-epoch", "value": best[0], "unit": "epochs"},
        ]
    for name, (_, value) in baselines.items():
        rows.append({"name": f"perplexity/textbook/{name}/held-out", "value": value, "unit": "perplexity"})
    if options.json:
        print(json.dumps(rows, indent=2))
        return
    console = Console()
    for name, curve in curves.items():
        table = Table("epoch", "training, as printed", "training", "held out", title=f"{name} partition")
        for row in curve:
            table.add_row(str(row[0]), *(f"{value:.2f}" for value in row[1:]))
        console.print(table)
    table = Table("counted", "training", "held out")
    for name, values in baselines.items():
        table.add_row(name, *(f"{value:.2f}" for value in values))
    console.print(table)
    console.print(f"{2 * epochs} epochs with their evaluations: {seconds:.0f} s")


if __name__ == "__main__":
    main()
