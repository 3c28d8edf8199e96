"""How many bits a character costs the adaptive mix, beside the compressors that people use.

    python benchmarks/compression.py [--rounds N] [--models FOLDER] [--quick] [--json]

bits/     of the last 10 % of a text, given the first 90 %; for compressors size(all) - size(first 90 %)
whole/    of whole files, from nothing
speed/    whole processes, both ways, and their peak memory, in turns; medians
mix/      --models: the folder that `quality.py --save` filled. Static figures of its networks, of an n-gram,
          and of the two mixed by weights from the validation text; then of what learns while it reads, in
          rows of their own: the network dynamically evaluated (of words: with a cache), context mixing that
          has read the training text, and every mixture of these and the n-gram

Peers are gzip, bzip2, xz, zstd and brotli at their strongest, pyppmd (order 6) and zpaq -m5, where they are
installed. zpaq doubles its tables where a file is larger than some 1,044,000 bytes, and a difference of
sizes across that step is wrong by it: there the increments on both sides are added, and the 4,480 bytes
between them counted at the same rate.
"""

import argparse
import bz2
import gzip
import importlib
import itertools
import json
import lzma
import math
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

import chainrule
from chainrule.core import ChainruleError, TokenModel
from chainrule.data.codec import letters_only
from chainrule.data.reading import read_text
from chainrule.models.contexts import ByteMixing
from chainrule.models.mixture import LinearMixture, OnlineMixture, best_weights
from chainrule.recipes import Recipe, fit
from chainrule.recipes.online import online
from chainrule.tasks.evaluation import surprisal

Size = Callable[[bytes], int]
ZPAQ_STEP = 1_040_000, 1_044_480  # bytes between which it lies: its own tables of fragments count too
QUICK = 30_000
WEIGHING = 50_000  # validation tokens that mixtures are weighed on


class Text(NamedTuple):
    """name: as the rows have it. data: what is compressed. cut: where its last tenth of characters begins."""

    name: str
    data: bytes
    cut: int

    @property
    def characters(self) -> int:
        return len(self.data.decode())

    @property
    def last(self) -> int:
        """Characters after the cut."""
        return len(self.data[self.cut :].decode())


def made(name: str, text: str, quick: bool) -> Text:
    text = text[:QUICK] if quick else text
    return Text(name, text.encode(), len(text[: len(text) * 9 // 10].encode()))


def texts(quick: bool) -> Iterator[Text]:
    """The three of the table; the book as the textbook cleans it."""
    read = {
        name: chainrule.load_corpus(name).text for name in ("timemachine", "tinyshakespeare", "hongloumeng")
    }
    yield made("timemachine", letters_only(read["timemachine"]), quick)
    yield made("tinyshakespeare", read["tinyshakespeare"], quick)
    yield made("hongloumeng", read["hongloumeng"], quick)


def files(quick: bool) -> Iterator[Text]:
    """What is compressed from nothing."""
    yield made("timemachine.txt", chainrule.load_corpus("timemachine").text, quick)
    folder = Path(os.environ.get("CHAINRULE_DATA", "."), "wikitext-2")
    if (folder / "test.txt").exists():
        yield made("wikitext-2-test", (folder / "test.txt").read_text("utf-8"), quick)


def zpaq(data: bytes) -> int:
    """Of the archive, by the command."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "x")
        path.write_bytes(data)
        command = ["zpaq", "a", "x.zpaq", "x", "-m5", "-t1"]
        subprocess.run(command, cwd=folder, check=True, capture_output=True)
        return Path(folder, "x.zpaq").stat().st_size


def compressors() -> dict[str, Size]:
    """Those that are installed."""
    found: dict[str, Size] = {
        "gzip": lambda data: len(gzip.compress(data, 9)),
        "bzip2": lambda data: len(bz2.compress(data, 9)),
        "xz": lambda data: len(lzma.compress(data, preset=9 | lzma.PRESET_EXTREME)),
    }

    def optional(module: str) -> Any:
        try:
            return importlib.import_module(module)
        except ImportError:
            return None

    if brotli := optional("brotli"):
        found["brotli"] = lambda data: len(brotli.compress(data, quality=11, lgwin=24))
    if zstd := optional("zstandard"):
        found["zstd"] = lambda data: len(zstd.ZstdCompressor(level=22).compress(data))
    if ppmd := optional("pyppmd"):
        found["ppmd"] = lambda data: len(ppmd.compress(data, max_order=6, mem_size=1 << 28))
    if shutil.which("zpaq"):
        found["zpaq"] = zpaq
    return found


def increment(name: str, size: Size, text: Text) -> float:
    """Bits a character of the last tenth, given the rest."""
    ends = [text.cut, len(text.data)]
    spans = [(ends[0], ends[1])]
    before, after = ZPAQ_STEP
    if name == "zpaq" and ends[0] < before and after < ends[1]:
        spans = [(ends[0], before), (after, ends[1])]
    grown = sum(size(text.data[:high]) - size(text.data[:low]) for low, high in spans)
    counted = sum(high - low for low, high in spans)
    return 8 * grown / counted * (ends[1] - ends[0]) / text.last


def adaptive(text: Text) -> float:
    """The same of the adaptive mix: the coded last tenth, once the rest was read."""
    mix = ByteMixing()
    mix.learn(text.data[: text.cut])
    return 8 * len(mix.encode(text.data[text.cut :])) / text.last


def row(name: str, unit: str, value: float, peer: str = "", other: float | None = None) -> dict[str, Any]:
    """A line of the result; ratio: above 1, we are better."""
    line: dict[str, Any] = {"name": name, "value": value, "unit": unit}
    if other is not None:
        better = value / other if unit.endswith("/s") else other / value
        line |= {"peer": peer, "peer_value": other, "ratio": better}
    return line


def figures(quick: bool) -> Iterator[dict[str, Any]]:
    """Rows of bits/ and whole/; ours stands beside the best of the others."""
    unit, peers = "bits/character", compressors()

    def beside(name: str, ours: float, others: dict[str, float]) -> Iterator[dict[str, Any]]:
        best = min(others, key=others.__getitem__)
        yield row(f"{name}/adaptive", unit, ours, best, others[best])
        for peer, value in others.items():
            yield row(f"{name}/{peer}", unit, value)

    for text in texts(quick):
        others = {name: increment(name, size, text) for name, size in peers.items()}
        yield from beside(f"bits/{text.name}", adaptive(text), others)
    for text in files(quick):
        bits = 8 / text.characters
        with tempfile.TemporaryDirectory() as folder:
            path, out = Path(folder, "x"), Path(folder, "x.cr")
            path.write_bytes(text.data)
            run([*OURS, "compress", str(path), "-o", str(out)])
            ours = bits * out.stat().st_size
        yield from beside(
            f"whole/{text.name}", ours, {name: bits * size(text.data) for name, size in peers.items()}
        )


OURS = (sys.executable, "-m", "chainrule")


class Cost(NamedTuple):
    """Of a whole process."""

    seconds: float
    megabytes: float


def run(command: list[str], folder: str | None = None) -> Cost:
    """Time and peak memory of a process, which must succeed."""
    with tempfile.TemporaryFile() as said:
        begin = time.perf_counter()
        process = subprocess.Popen(
            command, cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=said
        )
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - begin
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            said.seek(0)
            sys.exit(
                f"{' '.join(command)}: exit {process.returncode}: {said.read().decode(errors='replace')}"
            )
    return Cost(seconds, usage.ru_maxrss / 1024)


def speeds(quick: bool, rounds: int) -> Iterator[dict[str, Any]]:
    """Rows of speed/: Tiny Shakespeare, both ways, in turns with zpaq."""
    text = made("tinyshakespeare", chainrule.load_corpus("tinyshakespeare").text, quick)
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "x").write_bytes(text.data)
        commands = {
            "compress": [*OURS, "compress", "x", "-o", "x.cr", "--force"],
            "decompress": [*OURS, "decompress", "x.cr", "-o", "y", "--force"],
        }
        peers = {
            "compress": ["zpaq", "a", "x.zpaq", "x", "-m5", "-t1"],
            "decompress": ["zpaq", "x", "x.zpaq", "x", "-to", "z", "-f", "-t1"],
        }
        costs: dict[str, list[Cost]] = {}
        for _ in range(rounds):
            for way, command in commands.items():
                costs.setdefault(way, []).append(run(command, folder))
                if shutil.which("zpaq"):
                    left = "x.zpaq" if way == "compress" else "z"  # what is there already is not made again
                    Path(folder, left).unlink(missing_ok=True)
                    costs.setdefault(f"zpaq {way}", []).append(run(peers[way], folder))
        for way in commands:
            ours, other = median(costs[way]), costs.get(f"zpaq {way}")
            speed, name = len(text.data) / 1000, f"speed/{text.name}/adaptive/{way}"
            peer = median(other) if other else None
            yield row(name, "kB/s", speed / ours.seconds, "zpaq -m5", peer and speed / peer.seconds)
            yield row(f"{name}/memory", "MB", ours.megabytes, "zpaq -m5", peer and peer.megabytes)


def median(costs: list[Cost]) -> Cost:
    return Cost(*(statistics.median(column) for column in zip(*costs, strict=True)))


class Reading(NamedTuple):
    """A corpus as a saved network reads it, and its unit."""

    name: str
    task: str
    unit: str
    order: int  # of the n-gram that stands beside the network


READINGS = (
    Reading("tinyshakespeare", "long", "nats/character", 7),
    Reading("wikitext-2", "words", "perplexity", 5),
)


class Recorded(TokenModel[int]):
    """What a model said of one text, so that many mixtures can be made of it."""

    def __init__(self, model: TokenModel[Any], ids: Any) -> None:
        self._size, self.nats = model.vocab_size, surprisal(model, ids)

    @property
    def vocab_size(self) -> int:
        return self._size

    def start(self, batch: int) -> Any:
        return np.zeros(batch, np.int64)

    def predict(self, state: Any) -> Any:
        raise NotImplementedError

    def advance(self, state: Any, items: Any) -> Any:
        raise NotImplementedError

    def score(self, state: Any, tokens: Any) -> Any:
        del tokens
        return -self.nats[None], state


def mixes(folder: Path, quick: bool) -> Iterator[dict[str, Any]]:
    """Rows of mix/, for each network that is there. One trained without the validation text weighs, and the
    same trained with it, where there is one, reads the test text, beside others of the same texts."""
    quality = importlib.import_module("quality")
    for reading in READINGS:
        path = folder / f"{reading.name}-{reading.task}-lstm.chainrule"
        if not path.exists():
            continue
        corpus = quality.shakespeare(quick) if reading.task == "long" else quality.wikitext(quick)
        weighing = chainrule.load(path)
        again = path.with_stem(path.stem + "-refit")
        testing = chainrule.load(again) if again.exists() else weighing
        both = corpus.train + corpus.valid if again.exists() else corpus.train
        valid, test = (
            said(lm, text, lm.codec.encode(part)[:most], corpus.options, reading.order)
            for lm, text, part, most in (
                (weighing, corpus.train, corpus.valid, WEIGHING),
                (testing, both, corpus.test, None),
            )
        )
        ngram = f"{reading.order}-gram"
        for names in (("lstm",), (ngram,), ("lstm", ngram)):
            weights = best_weights(-np.stack([valid[name].nats for name in names]))
            yield measured(reading, "static", names, LinearMixture(select(test, names), weights[None]))
        learning = ("dynamic", ngram, "contexts")
        for names in (*(some for k in (1, 2, 3) for some in itertools.combinations(learning, k)),):
            if names == (ngram,):
                continue
            nats = np.zeros((1, len(valid["lstm"].nats)), np.int64)
            before = OnlineMixture(select(valid, names))
            _, after = before.score(before.start(1), nats)
            weighed = OnlineMixture(select(test, names), first=after.weights[0, 0])
            yield measured(reading, "online", names, weighed)


def select(members: dict[str, Recorded], names: tuple[str, ...]) -> tuple[Recorded, ...]:
    return tuple(members[name] for name in names)


def said(lm: chainrule.LanguageModel, text: str, ids: Any, options: Any, order: int) -> dict[str, Recorded]:
    """What is said of some tokens by the network, as it is and learning as it reads, by modified Kneser-Ney
    and by context mixing, both of the text that the network was trained on."""
    data = read_text(text, codec=lm.codec, valid="", test="", **options)
    following = online(lm.model)
    assert isinstance(following, OnlineMixture)
    models = {
        "lstm": lm.model,
        "dynamic": following.models[0],
        f"{order}-gram": fit(Recipe("ngram", order=order, smoothing="modified-kneser-ney"), data).model,
        "contexts": fit(Recipe("contexts"), data).model,
    }
    return {name: Recorded(model, ids) for name, model in models.items()}


def measured(reading: Reading, kind: str, names: tuple[str, ...], model: Any) -> dict[str, Any]:
    """A row of one mixture on the test text."""
    nats = float(-model.score(model.start(1), np.zeros((1, len(model.models[0].nats)), np.int64))[0].mean())
    value = math.exp(nats) if reading.unit == "perplexity" else nats
    return row(f"mix/{reading.name}/{kind}/{'+'.join(names)}", reading.unit, value)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=3, help="of the timed processes")
    parser.add_argument("--models", type=Path, metavar="FOLDER", help="as quality.py --save filled it")
    parser.add_argument("--quick", action="store_true", help="the first 30,000 characters, under 50 s")
    parser.add_argument("--json", action="store_true", help="rows of name, value, unit")
    given = parser.parse_args()
    rows: list[dict[str, Any]] = []
    # a process is said to have had at least what its parent had: speeds come first
    parts = [speeds(given.quick, 1 if given.quick else given.rounds), figures(given.quick)]
    if given.models:
        parts = [mixes(given.models, given.quick)]
    try:
        for line in itertools.chain(*parts):
            rows.append(line)
            if not given.json:
                peer = f"  {line['peer']} {line['peer_value']:.4g}" if "peer" in line else ""
                print(f"{line['name']:44} {line['value']:10.4f} {line['unit']}{peer}", flush=True)
    except ChainruleError as error:
        parser.exit(1, f"error: {error}\n")
    if given.json:
        print(json.dumps(rows, indent=2))


if __name__ == "__main__":
    main()
