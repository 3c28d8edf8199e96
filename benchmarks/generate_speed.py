"""How fast a recurrent network speaks, beside torch: characters per second of one stream.

    python benchmarks/generate_speed.py [--torch PYTHON] [--rounds N] [--threads N] [--quick] [--json]

Ours is `chainrule.tasks.generation.generate`, the very loop behind `lm.generate`. torch's is the loop that
its users write: a step of the layer under `no_grad`, a softmax, `torch.multinomial`, the drawn character as
the next input, its state carried. Both at temperature 1 from fresh weights: speed does not depend on what is
said. Ours reads the weights with a thread on every core; torch has one, its faster way for LSTM and RNN where
it was tried (--threads gives it more). Each side has a process of its own, they take turns, medians count. A
row `generate/lstm/512` is one layer of 512 units over the characters of the book's alphabet.
"""

import argparse
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from turns import Worker, row, serve, show, take_turns, with_torch

CELLS, HIDDEN = ("rnn", "gru", "lstm"), 512
VOCAB_SIZE = 28  # a to z, the space, the unknown symbol
CHUNK = 200  # characters a call
TURN, QUICK_TURN = 0.5, 0.3  # seconds


def serve_ours(cell: str) -> None:
    """Units: characters."""
    from chainrule.models.recurrent import RecurrentLearner
    from chainrule.tasks.generation import Sampler, Sampling, generate

    rng = np.random.default_rng(0)
    model = RecurrentLearner(VOCAB_SIZE, cell=cell, hidden=HIDDEN, rng=rng).model()
    choose, prompt = Sampler(Sampling(), rng), np.zeros((1, 1), dtype=np.int32)

    def work() -> float:
        return len([int(tokens[0]) for tokens in generate(model, prompt, CHUNK, choose)])

    serve(work)


def serve_torch(cell: str, threads: int) -> None:
    """Units: characters."""
    import torch
    from torch import nn

    torch.set_num_threads(threads)
    torch.manual_seed(0)
    network = {"rnn": nn.RNN, "gru": nn.GRU, "lstm": nn.LSTM}[cell](VOCAB_SIZE, HIDDEN)
    output = nn.Linear(HIDDEN, VOCAB_SIZE)
    one_hot = torch.eye(VOCAB_SIZE)

    @torch.no_grad()
    def work() -> float:
        token, state, said = torch.zeros(1, dtype=torch.int64), None, []
        for _ in range(CHUNK):
            hidden, state = network(one_hot[token][None], state)
            token = torch.multinomial(torch.softmax(output(hidden[0]), dim=1), 1)[0]
            said.append(token.item())
        return len(said)

    serve(work)


def measured(
    cell: str, torch: str | None, threads: int, rounds: int, seconds: float
) -> Iterator[dict[str, Any]]:
    """The rows of one cell."""
    pythons = {"ours": sys.executable, **({"torch": torch} if torch else {})}
    me = str(Path(__file__).resolve())
    workers = {
        side: Worker([python, me, "--worker", side, cell], threads) for side, python in pythons.items()
    }
    try:
        for worker in workers.values():
            worker.wait()
        found = take_turns(workers, rounds, seconds)
    finally:
        for worker in workers.values():
            worker.close()
    ours, other = found["ours"], found.get("torch")
    yield row(f"generate/{cell}/{HIDDEN}", "characters/s", ours.rate, "torch", other and other.rate)


def main() -> None:
    if sys.argv[1:2] == ["--worker"]:
        side, cell = sys.argv[2:]
        if side == "ours":
            serve_ours(cell)
        else:
            serve_torch(cell, int(os.environ["OMP_NUM_THREADS"]))
        return
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--torch", default=sys.executable, metavar="PYTHON", help="an interpreter with torch")
    parser.add_argument("--rounds", type=int, default=7, help="turns of each side")
    parser.add_argument("--threads", type=int, default=1, help="of torch")
    parser.add_argument("--quick", action="store_true", help="short turns: under 50 s")
    parser.add_argument("--json", action="store_true", help="rows of name, value, unit, peer")
    given = parser.parse_args()
    torch = with_torch(given.torch)
    rounds, seconds = (3, QUICK_TURN) if given.quick else (given.rounds, TURN)
    show(
        (each for cell in CELLS for each in measured(cell, torch, given.threads, rounds, seconds)), given.json
    )


if __name__ == "__main__":
    main()
