"""How fast n-gram models are made, opened and asked, beside KenLM where it is installed.

    python benchmarks/ngram.py TRAIN TEST [--kenlm BIN] [--kenlm-python PYTHON] [--quick] [--json]

TRAIN and TEST are texts of one sentence a line, words between spaces; without them WikiText-2 is looked for
in CHAINRULE_DATA. BIN is a folder with lmplz and build_binary, PYTHON an interpreter that has KenLM's module.
Whole processes, interleaved, medians: text in, model file out. As KenLM takes no `<unk>` in a text, it is
spelled otherwise for both.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from chainrule import load

ORDER = 5
SCORE = """
import sys, time, kenlm
begin = time.perf_counter()
model = kenlm.Model(sys.argv[1])
opened = time.perf_counter() - begin
lines = open(sys.argv[2], encoding="utf-8").read().split("\\n")[:-1]
begin = time.perf_counter()
total = sum(model.score(line) for line in lines)
seconds = time.perf_counter() - begin
tokens = sum(len(line.split()) + 1 for line in lines)
words = sorted(set(open(sys.argv[3], encoding="utf-8").read().split()))
state, after = kenlm.State(), kenlm.State()
model.BeginSentenceWrite(state)
begin = time.perf_counter()
for word in words:
    model.BaseScore(state, word, after)
print(opened, tokens / seconds, time.perf_counter() - begin)
"""


class Cost(NamedTuple):
    """Of a whole process."""

    seconds: float
    megabytes: float


def row(name: str, unit: str, value: float, peer: str = "", other: float | None = None) -> dict[str, Any]:
    """A line of the result; ratio: above 1, we are better."""
    made: dict[str, Any] = {"name": name, "value": value, "unit": unit}
    if other is not None:
        better = value / other if unit.endswith("/s") else other / value
        made |= {"peer": peer, "peer_value": other, "ratio": better}
    return made


def run(command: list[str], stdin: Path | None = None, stdout: Path | None = None) -> Cost:
    """Time and peak memory of a process, which must succeed."""
    source = stdin.open("rb") if stdin else subprocess.DEVNULL
    sink = stdout.open("wb") if stdout else subprocess.DEVNULL
    begin = time.perf_counter()
    process = subprocess.Popen(command, stdin=source, stdout=sink, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - begin
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"{command[0]}: exit {process.returncode}")
    return Cost(seconds, usage.ru_maxrss / 1024)


def median(of: list[Cost]) -> Cost:
    return Cost(*(statistics.median(column) for column in zip(*of, strict=True)))


def training(train: Path, folder: Path, kenlm: Path | None, rounds: int, label: str) -> list[dict[str, Any]]:
    """Estimation end to end, a round of each in turn."""
    model, arpa, scratch = folder / "model.chainrule", folder / "model.arpa", folder / "intermediate"
    ours = [
        *(sys.executable, "-m", "chainrule", "train", str(train), "--model", "ngram", "--order", str(ORDER)),
        *("--smoothing", "modified-kneser-ney", "--tokenizer", "space", "--sentences"),
        *("--valid", "0", "--test", "0", "--force", "-o", str(model)),
    ]
    costs: dict[str, list[Cost]] = {"ours": [], "arpa": [], "intermediate": []}
    for _ in range(rounds):
        costs["ours"].append(run(ours))
        if kenlm:
            lmplz = [str(kenlm / "lmplz"), "-o", str(ORDER), "-S", "4G", "-T", str(folder) + "/"]
            costs["arpa"].append(run(lmplz, train, arpa))
            costs["intermediate"].append(run([*lmplz, "--intermediate", str(scratch)], train))
    mine, name = median(costs["ours"]), f"train/ngram/{label}/o{ORDER}/modified-kneser-ney"
    if not kenlm:
        return [row(name, "s", mine.seconds), row(f"{name}/memory", "MB", mine.megabytes)]
    made: list[dict[str, Any]] = []
    for kind in ("intermediate", "arpa"):
        peer = median(costs[kind])
        made.append(row(name, "s", mine.seconds, f"lmplz {kind}", peer.seconds))
        made.append(row(f"{name}/memory", "MB", mine.megabytes, f"lmplz {kind}", peer.megabytes))
    return made


def repeated(work: Callable[[], object], rounds: int) -> float:
    """Median seconds."""
    seconds: list[float] = []
    for _ in range(rounds):
        begin = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - begin)
    return statistics.median(seconds)


def asking(
    train: Path, test: Path, folder: Path, kenlm: Path | None, python: str | None, rounds: int
) -> list[dict[str, Any]]:
    """Opening a model file, scoring a text from ids, and the whole next-token distribution."""
    path = folder / "model.chainrule"
    peers: list[float | None] = [None, None, None]
    if kenlm and python:
        binary = folder / "model.binary"
        subprocess.run(
            [str(kenlm / "build_binary"), str(folder / "model.arpa"), str(binary)],
            check=True,
            capture_output=True,
        )
        lines: list[list[float]] = []
        for _ in range(rounds):
            found = subprocess.run(
                [python, "-c", SCORE, str(binary), str(test), str(train)],
                check=True,
                capture_output=True,
                text=True,
            )
            lines.append([float(number) for number in found.stdout.split()])
        peers = [statistics.median(column) for column in zip(*lines, strict=True)]
    opened = repeated(lambda: load(path), 5 * rounds)
    lm = load(path)
    ids = lm.codec.encode(test.read_text("utf-8"))[None]
    start = lm.model.start(1)
    scored = repeated(lambda: lm.model.score(start, ids), 5 * rounds)
    states = [lm.model.advance(start, np.array([token])) for token in ids[0, : 20 * rounds].tolist()]
    whole = repeated(lambda: [lm.model.predict(state) for state in states], rounds) / len(states)
    name = f"o{ORDER}/modified-kneser-ney"
    return [
        row(f"open/ngram/{name}", "ms", 1e3 * opened, "kenlm binary", peers[0] and 1e3 * peers[0]),
        row(f"score/ngram/{name}", "tokens/s", ids.size / scored, "kenlm module", peers[1]),
        row(f"distribution/ngram/{name}", "ms", 1e3 * whole, "kenlm module", peers[2] and 1e3 * peers[2]),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    data = Path(os.environ.get("CHAINRULE_DATA", "."), "wikitext-2")
    parser.add_argument("train", nargs="?", type=Path, default=data / "train.txt")
    parser.add_argument("test", nargs="?", type=Path, default=data / "test.txt")
    parser.add_argument("--label", default="wikitext-2", help="what to call the text in the rows")
    parser.add_argument("--kenlm", type=Path, help="folder with lmplz and build_binary")
    parser.add_argument("--kenlm-python", help="interpreter with KenLM's module")
    parser.add_argument("--quick", action="store_true", help="one round")
    parser.add_argument("--json", action="store_true", help="print JSON")
    given = parser.parse_args()
    for path in (given.train, given.test):
        if not path.is_file():
            parser.error(f"{path}: expected a text, found none; set CHAINRULE_DATA or name one")
    rounds = 1 if given.quick else 5
    with tempfile.TemporaryDirectory() as name:
        folder, texts = Path(name), []
        for number, path in enumerate((given.train, given.test)):
            texts.append(folder / f"text{number}")
            texts[-1].write_text(path.read_text("utf-8").replace("<unk>", "UNKNOWN"), "utf-8")
        rows = training(texts[0], folder, given.kenlm, rounds, given.label)
        rows += asking(texts[0], texts[1], folder, given.kenlm, given.kenlm_python, rounds)
    if given.json:
        print(json.dumps(rows, indent=2))
        return
    for made in rows:
        peer = (
            f"  {made['peer']} {made['peer_value']:,.3f}, ratio {made['ratio']:.2f}" if "peer" in made else ""
        )
        print(f"{made['name']:50} {made['value']:14,.3f} {made['unit']}{peer}")


if __name__ == "__main__":
    main()
