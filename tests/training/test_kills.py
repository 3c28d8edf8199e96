"""Processes that are killed for real, at random moments, and what is made of what they left."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from chainrule.files import read_arrays
from chainrule.training import discard, read_checkpoint

KILLS = 20
COMMAND = (
    "--model", "lstm", "--hidden", "16", "--batch", "8", "--steps", "16", "--epochs", "6", "--dropout", "0.2",
    "--average", "0.99", "--patience", "99", "--checkpoint-every", "0.02s", "-o",
)  # fmt: skip


def start(corpus: Path, out: Path, *more: str) -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-m", "chainrule", "train", str(corpus), *COMMAND, str(out), *more]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def model_arrays(path: Path) -> dict[str, bytes]:
    return {name: array.tobytes() for name, array in read_arrays(path)[0].items()}


def kill(process: "subprocess.Popen[bytes]", log: Path, before: int, seconds: float) -> int:
    """Kill it so many seconds after it began to train (its log is then written anew), if it is not done by
    then; its exit code."""
    while process.poll() is None and (not log.exists() or log.stat().st_mtime_ns == before):
        time.sleep(0.001)
    try:
        process.wait(timeout=seconds)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGKILL)
    process.communicate()
    return process.returncode


@pytest.mark.slow
def test_a_run_killed_twenty_times_gives_the_weights_of_the_run_that_was_not(tmp_path: Path) -> None:
    rng = np.random.default_rng()  # other moments every time
    corpus, whole, cut = (tmp_path / name for name in ("text.txt", "whole", "cut"))
    words = ["the", "time", "machine", "was", "a", "glittering", "framework"]
    corpus.write_text(" ".join(np.random.default_rng(0).choice(words, 4000)))
    _, err = start(corpus, whole).communicate(timeout=120)
    assert whole.exists(), err
    took = json.loads((tmp_path / "whole.log.jsonl").read_text().splitlines()[-1])["seconds"]
    log, killed, resumed = tmp_path / "cut.log.jsonl", 0, 0
    while killed < KILLS or not cut.exists():
        before = log.stat().st_mtime_ns if log.exists() else 0
        resumed += (tmp_path / "cut.checkpoint").exists()
        process = start(corpus, cut, "--resume")
        # at a moment of its own each time; the last one is left alone
        code = kill(process, log, before, float(rng.uniform(0, 0.4 * took)) if killed < KILLS else 60)
        assert code in (0, -signal.SIGKILL)
        killed += code != 0
        if cut.exists():  # it had the time to end, or was killed after that
            assert model_arrays(cut) == model_arrays(whole)
            if killed < KILLS:  # once more from the beginning
                for left in tmp_path.glob("cut*"):
                    left.unlink()
    assert resumed > KILLS / 4  # it is no test where there was never anything to go on from
    logs = [(tmp_path / f"{name}.log.jsonl").read_text().splitlines() for name in ("whole", "cut")]
    steps = [[json.loads(line)["step"] for line in lines[1:]] for lines in logs]
    assert steps[0] == steps[1]
    assert len(steps[0]) == 6
    discard(tmp_path / "cut.checkpoint")
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "cut", "cut.log.jsonl", "text.txt", "whole", "whole.log.jsonl"
    ]  # fmt: skip


WRITER = """
import sys
import numpy as np
from pathlib import Path
from chainrule.training.checkpoints import write_checkpoint
from chainrule.training.run import Snapshot

for i in range(10**9):
    write_checkpoint(Path(sys.argv[1]), Snapshot({"a": np.full(200_000, i)}, {"i": i}), {})
    print(i, flush=True)
"""


@pytest.mark.slow
def test_a_checkpoint_is_whole_whenever_its_writer_is_killed(tmp_path: Path) -> None:
    path, rng = tmp_path / "c", np.random.default_rng()
    for _ in range(5):
        with subprocess.Popen(
            [sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        ) as process:
            assert process.stdout
            assert process.stdout.readline() == b"0\n"
            time.sleep(float(rng.uniform(0, 0.1)))
            process.send_signal(signal.SIGKILL)
            last = _last(process.stdout.read())
        snapshot = read_checkpoint(path, {})
        assert snapshot.facts["i"] >= last
        assert (snapshot.arrays["a"] == snapshot.facts["i"]).all()
        discard(path)
        assert not list(tmp_path.iterdir())


def _last(printed: bytes) -> int:
    lines = printed.split()
    return int(lines[-1]) if lines else 0
