"""How fast a recurrent network trains, beside torch: tokens per second of the whole step.

    python benchmarks/train_speed.py [--torch PYTHON] [--rows PATTERN] [--rounds N] [--threads N]
                                     [--quick] [--json]

The step is forward, loss, backward, clip by norm 1, Adam, with the state carried over. Both sides read the
same batches, each in a process of its own; they take turns of half a second, and medians count. torch gets
what its users write, the faster way where there are two: `F.one_hot` into the layer for characters (an
embedding as wide as the layer, the other usual way, costs it a third of its speed), an embedding for words,
and the fused Adam. PYTHON is an interpreter with torch, if this one has none.

A row `train/gru/2x256/b32/t35/chars` is 2 layers of 256 units, a batch of 32 rows, 35 steps. Below it stand
`.../of-matrix-rate`: the fraction of this machine's single-precision matrix rate (NumPy, all threads, in the
same turns) that the step's products reach; `.../memory`: the process's peak; and `.../busy`: the fraction of
its own quiet speed that is left while another process keeps one core busy. `.../engine-torch` is chainrule's
own training with `--engine torch`, beside the bare torch loop; `.../processes-2` the same in two processes
with half of the threads each, beside one (512 units only).
"""

import argparse
import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from fnmatch import fnmatch
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from turns import Worker, busy_neighbour, row, serve, show, take_turns, with_torch

GATES = {"rnn": 1, "gru": 3, "lstm": 4}
WORDS, EMBEDDING = 10_000, 256
RATE, CLIP = 1e-3, 1.0
BATCHES = 50  # different ones, over and over
MATRIX = 2048
WIDE = 512  # units of the cases that are tried in two processes too
SECOND = "CHAINRULE_SECOND_PROCESS"  # in the environment of the one that the first starts
TURN, QUICK_TURN = 0.5, 0.3  # seconds


class Case(NamedTuple):
    """One row's network and batch. embedding 0: one-hot."""

    cell: str
    layers: int
    hidden: int
    batch: int
    steps: int
    vocab_size: int
    embedding: int

    @property
    def name(self) -> str:
        items = "words" if self.embedding else "chars"
        return f"train/{self.cell}/{self.layers}x{self.hidden}/b{self.batch}/t{self.steps}/{items}"

    @property
    def tokens(self) -> int:
        """Of one step: so many predictions."""
        return self.batch * self.steps


def operations(case: Case) -> int:
    """Floating-point operations in the matrix products of one training step, 2 for a multiply and an add.

    A layer's product by its own past is one forwards, one for the error and one for the weight's gradient;
    so is that by the layer below or the embedding, and that with the output's weight. A one-hot vector's
    product is a look-up and costs none; what is done entry by entry (gates, softmax, Adam) is not counted.
    """
    wide = GATES[case.cell] * case.hidden
    inputs = (case.embedding + (case.layers - 1) * case.hidden) * wide
    recurrent = case.layers * case.hidden * wide
    return 3 * 2 * case.tokens * (inputs + recurrent + case.hidden * case.vocab_size)


def cases(vocab_size: int) -> list[Case]:
    """Every row of the table, by shape."""
    shapes = [
        *((1, hidden, 32, 35) for hidden in (128, 256, 512)),
        (2, 256, 32, 35),
        *((1, hidden, 64, 35) for hidden in (256, 512)),
        *((1, hidden, 32, 128) for hidden in (256, 512)),
    ]
    made = [Case(cell, *shape, vocab_size, 0) for shape in shapes for cell in GATES]
    return made + [Case(cell, 1, 256, 32, 35, WORDS, EMBEDDING) for cell in GATES]


# Workers


def windows(case: Case, tokens: np.ndarray) -> list[np.ndarray]:
    """Items [B, T + 1] of consecutive batches: rows read side by side, each with the label after its end."""
    length = (len(tokens) - 1) // case.batch
    starts = length * np.arange(case.batch)
    count = min(BATCHES, (length - 1) // case.steps)
    return [tokens[starts[:, None] + at * case.steps + np.arange(case.steps + 1)] for at in range(count)]


def serve_matrix() -> None:
    """Units: operations of a single-precision product."""
    rng = np.random.default_rng(0)
    a, b = rng.random((2, MATRIX, MATRIX), dtype=np.float32)
    out = np.empty_like(a)

    def work() -> float:
        np.matmul(a, b, out=out)
        return 2.0 * MATRIX**3

    serve(work)


def begun(case: Case) -> Any:
    """The learner from scratch as it starts out."""
    from chainrule.models.recurrent import RecurrentLearner

    return RecurrentLearner(
        case.vocab_size,
        cell=case.cell,
        layers=case.layers,
        hidden=case.hidden,
        embedding=case.embedding,
        rng=np.random.default_rng(0),
    )


def training(case: Case, tokens: np.ndarray, learner: Any) -> Callable[[], float]:
    """One step of a learner, whatever computes it; units: tokens."""
    from chainrule.core import Batch
    from chainrule.training import Adam, clip

    optimizer, stale = Adam(RATE), np.zeros(case.batch, dtype=bool)
    batches = [Batch(items, stale, 1) for items in windows(case, tokens)]
    state, at = learner.start(case.batch), 0

    def work() -> float:
        nonlocal state, at
        step = learner.gradients(batches[at], state)
        clip(step.gradients, CLIP)
        optimizer.step(learner.parameters, step.gradients, RATE)
        state, at = step.state, (at + 1) % len(batches)
        return step.count

    return work


def serve_ours(case: Case, tokens: np.ndarray, threads: int) -> None:
    learner = begun(case)
    learner.workers = min(learner.workers, threads)
    serve(training(case, tokens, learner))


def serve_engine(case: Case, tokens: np.ndarray, threads: int) -> None:
    """Our own training in torch: behind the interface, stepped by our optimiser."""
    import torch

    from chainrule.models.concise import TorchLearner

    torch.set_num_threads(threads)
    serve(training(case, tokens, TorchLearner(begun(case), device="cpu")))


def serve_processes(case: Case, tokens: np.ndarray, threads: int) -> None:
    """The same in two processes that share the threads; the second is started here, and waits when we do."""
    import torch

    from chainrule.core import RunError
    from chainrule.models.concise import TorchLearner
    from chainrule.models.concise.processes import sharing

    first = SECOND not in os.environ
    if first:
        with socket.socket() as one:
            one.bind(("127.0.0.1", 0))
            port = str(one.getsockname()[1])
        os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "WORLD_SIZE": "2", "RANK": "1"}
        os.environ[SECOND] = "1"
        subprocess.Popen([sys.executable, *sys.argv], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        os.environ["RANK"] = "0"
    torch.set_num_threads(max(1, threads // 2))
    with suppress(RunError), sharing(TorchLearner(begun(case), device="cpu")) as shared:
        work = training(case, tokens, shared)
        if first:
            serve(work)
            return
        while True:  # until the first one is gone
            work()


def serve_torch(case: Case, tokens: np.ndarray, threads: int) -> None:
    """Units: tokens."""
    import torch
    from torch import nn
    from torch.nn import functional

    torch.set_num_threads(threads)
    torch.manual_seed(0)
    layer = {"rnn": nn.RNN, "gru": nn.GRU, "lstm": nn.LSTM}[case.cell]
    embed = nn.Embedding(case.vocab_size, case.embedding) if case.embedding else None
    network = layer(case.embedding or case.vocab_size, case.hidden, case.layers)
    output = nn.Linear(case.hidden, case.vocab_size)
    parameters = [p for module in (embed, network, output) if module for p in module.parameters()]
    optimizer = torch.optim.Adam(parameters, lr=RATE, fused=True)
    pairs = [torch.from_numpy(items.astype(np.int64).T.copy()) for items in windows(case, tokens)]
    state, at = None, 0

    def work() -> float:
        nonlocal state, at
        read, labels = pairs[at][:-1], pairs[at][1:]
        optimizer.zero_grad()
        if state is not None:
            state = tuple(s.detach() for s in state) if isinstance(state, tuple) else state.detach()
        inputs = embed(read) if embed else functional.one_hot(read, case.vocab_size).float()
        hidden, state = network(inputs, state)
        loss = functional.cross_entropy(output(hidden).flatten(0, 1), labels.flatten())
        loss.backward()
        nn.utils.clip_grad_norm_(parameters, CLIP)
        optimizer.step()
        loss.item()
        at = (at + 1) % len(pairs)
        return labels.numel()

    serve(work)


# The measurement


def measured(
    case: Case, folder: Path, torch: str | None, threads: int, rounds: int, seconds: float
) -> Iterator[dict[str, Any]]:
    """The rows of one case: on a quiet machine, then beside a busy process."""
    me, tokens = str(Path(__file__).resolve()), str(folder / ("words.npy" if case.embedding else "chars.npy"))
    told = [tokens, *map(str, case)]
    with ExitStack() as stack:
        start = partial(Worker, threads=threads)
        workers = {
            "matrix": stack.enter_context(start([sys.executable, me, "--worker", "matrix"])),
            "ours": stack.enter_context(start([sys.executable, me, "--worker", "ours", *told])),
        }
        if torch:
            for kind in ("torch", "engine", *(["processes"] if case.hidden == WIDE else [])):
                workers[kind] = stack.enter_context(start([torch, me, "--worker", kind, *told]))
        for worker in workers.values():
            worker.wait()
        quiet = take_turns(workers, rounds, seconds)
        for kind in {"matrix", "engine", "processes"} & workers.keys():
            workers.pop(kind).close()
        neighbour = busy_neighbour()
        try:
            busy = take_turns(workers, rounds, seconds)
        finally:
            neighbour.kill()
            neighbour.wait()
    ours, other = quiet["ours"], quiet.get("torch")
    share = {
        name: quiet[name].rate * operations(case) / case.tokens / quiet["matrix"].rate for name in workers
    }
    left = {name: busy[name].rate / quiet[name].rate for name in workers}
    yield row(case.name, "tokens/s", ours.rate, "torch", other and other.rate)
    yield row(f"{case.name}/of-matrix-rate", "of matrix rate", share["ours"], "torch", share.get("torch"))
    yield row(f"{case.name}/memory", "MB", ours.megabytes, "torch", other and other.megabytes, less=True)
    yield row(f"{case.name}/busy", "of its speed", left["ours"], "torch", left.get("torch"))
    yield row(f"{case.name}/matrix-rate", "GFLOP/s", quiet["matrix"].rate / 1e9)
    if "engine" in quiet and other:
        engine = quiet["engine"].rate
        yield row(f"{case.name}/engine-torch", "tokens/s", engine, "torch alone", other.rate)
        if "processes" in quiet:
            both = quiet["processes"].rate
            yield row(f"{case.name}/engine-torch/processes-2", "tokens/s", both, "one process", engine)


def texts(folder: Path) -> int:
    """Write the tokens that both sides read into `folder`; the size of the character vocabulary."""
    import chainrule

    text = chainrule.letters_only(chainrule.load_corpus("pydocs").text)
    codec = chainrule.Codec.fit(text)
    np.save(folder / "chars.npy", codec.encode(text))
    weights = 1 / np.arange(1, WORDS + 1)
    words = np.random.default_rng(0).choice(WORDS, 100_000, p=weights / weights.sum())
    np.save(folder / "words.npy", words.astype(np.int32))
    return codec.vocab_size


def serving(argv: list[str]) -> None:
    """One worker's process: what it is, its tokens and its case."""
    kind, *told = argv
    if kind == "matrix":
        serve_matrix()
        return
    case = Case(told[1], *map(int, told[2:]))
    serving_as = {
        "ours": serve_ours,
        "engine": serve_engine,
        "processes": serve_processes,
        "torch": serve_torch,
    }
    serving_as[kind](case, np.load(told[0]), int(os.environ["OMP_NUM_THREADS"]))


def main() -> None:
    if sys.argv[1:2] == ["--worker"]:
        serving(sys.argv[2:])
        return
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--torch", default=sys.executable, metavar="PYTHON", help="an interpreter with torch")
    parser.add_argument("--rows", default="*", metavar="PATTERN", help="only cases whose name matches")
    parser.add_argument("--rounds", type=int, default=7, help="turns of each side")
    parser.add_argument("--threads", type=int, default=os.cpu_count(), help="of each side")
    parser.add_argument("--quick", action="store_true", help="1x256 of each cell, short turns: under 50 s")
    parser.add_argument("--json", action="store_true", help="rows of name, value, unit, peer")
    given = parser.parse_args()
    torch = with_torch(given.torch)
    with tempfile.TemporaryDirectory() as name:
        chosen = [case for case in cases(texts(Path(name))) if fnmatch(case.name, given.rows)]
        rounds, seconds = given.rounds, TURN
        if given.quick:
            chosen = [case for case in chosen if case[1:5] == (1, 256, 32, 35) and not case.embedding]
            rounds, seconds = 3, QUICK_TURN
        if not chosen:
            parser.error(f"--rows: expected a pattern that matches a case, got {given.rows!r}")
        made = (measured(case, Path(name), torch, given.threads, rounds, seconds) for case in chosen)
        show((each for rows in made for each in rows), given.json)


if __name__ == "__main__":
    main()
