"""`--engine torch` from the command: training, other processes, resuming, exporting, and what is refused."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from chainrule.files import read_arrays
from tests.cli.conftest import ONE_THREAD, Done, Run

pytest.importorskip("torch", reason="PyTorch is not installed")
SMALL = (
    "--hidden",
    "8",
    "--batch",
    "4",
    "--steps",
    "16",
    "--epochs",
    "2",
    "--dropout",
    "0.2",
    "--model",
    "gru",
)
DIVERGES = ("--lr", "1e38", "--clip", "1e30")


def torchrun(folder: Path, *arguments: object, ranks: int = 2) -> "subprocess.Popen[str]":
    meet = ["--nproc-per-node", str(ranks), "--rdzv-endpoint=localhost:0", "--rdzv-backend=c10d"]
    command = ["-m", "torch.distributed.run", *meet, "-m", "chainrule", "train", *map(str, arguments)]
    return subprocess.Popen(
        [sys.executable, *command],
        cwd=folder,
        env={**os.environ, **ONE_THREAD, "CHAINRULE_DATA": ""},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def cut_off(command: tuple[object, ...], checkpoint: Path) -> None:
    """Start the command and kill it once its checkpoint is there."""
    process = subprocess.Popen(
        [sys.executable, "-m", "chainrule", *map(str, command)],
        cwd=checkpoint.parent,
        env={**os.environ, **ONE_THREAD},
        stderr=subprocess.PIPE,
    )
    while not checkpoint.exists() and process.poll() is None:
        time.sleep(0.005)
    process.kill()
    process.communicate()


def parameters(path: Path) -> dict[str, np.ndarray]:
    return {n: a for n, a in read_arrays(path)[0].items() if n.startswith("model.")}


def assert_same(a: Path, b: Path, atol: float) -> None:
    ours, theirs = parameters(a), parameters(b)
    assert ours.keys() == theirs.keys()
    for name, array in ours.items():
        np.testing.assert_allclose(theirs[name], array, rtol=0, atol=atol, err_msg=name)


@pytest.mark.slow
def test_train_in_torch_and_use_with_either_engine(run: Run, text_file: Path, tmp_path: Path) -> None:
    done = run("train", text_file, *SMALL, "--engine", "torch", "--device", "cpu", "-o", "m", "--json")
    assert done.code == 0, done.err
    card = json.loads(done.out)
    assert (card["recipe"]["engine"], card["recipe"]["device"]) == ("torch", "cpu")
    assert (tmp_path / "m.log.jsonl").exists()
    bits = [
        json.loads(run("evaluate", "m", text_file, "--json", *engine).out)["bits_per_character"]
        for engine in ([], ["--engine", "torch", "--device", "cpu"])
    ]
    assert bits == pytest.approx([bits[0]] * 2, abs=1e-5)
    told = [
        run("generate", "m", "-n", 30, "--seed", 2, *engine).out for engine in ([], ["--engine", "torch"])
    ]
    assert told[0] == told[1]
    scored = run("score", "m", "--text", "the value", "--engine", "torch", "--json")
    assert len(json.loads(scored.out)["tokens"]) == 9
    assert run("train", text_file, *SMALL, "--engine", "scratch", "-o", "s").code == 0
    assert_same(tmp_path / "m", tmp_path / "s", 1e-4)  # the same masks, batches, steps
    assert "engine torch" in run("info", "m").out
    assert "engine" not in run("info", "s").out


@pytest.mark.slow
def test_a_trial_decides_whether_to_compile(run: Run, text_file: Path) -> None:
    done = run("train", text_file, *SMALL, "--engine", "torch", "--compile", "-o", "m")
    assert done.code == 0, done.err
    assert re.search(r"note: torch.compile: [\d.]+ ms a step, [\d.]+ without: (not )?used", done.err)


@pytest.mark.slow
@pytest.mark.parametrize("again", [1])
def test_a_killed_rank_stops_the_run_and_another_number_of_ranks_takes_it_up(
    run: Run, text_file: Path, tmp_path: Path, again: int
) -> None:
    long = (*SMALL, "--epochs", "12", "--patience", "99", "--engine", "torch")
    assert run("train", text_file, *long, "-o", "one").code == 0
    often = ("--checkpoint-every", "0.05s", "-o", "cut")
    made = torchrun(tmp_path, text_file, *long, *often)
    checkpoint, deadline = tmp_path / "cut.checkpoint", time.monotonic() + 60
    while not checkpoint.exists() and time.monotonic() < deadline and made.poll() is None:
        time.sleep(0.01)
    ranks = subprocess.run(
        ["pgrep", "-P", str(made.pid)], capture_output=True, text=True, check=False
    ).stdout.split()
    assert len(ranks) == 2, made.communicate()[1]
    os.kill(int(ranks[1]), signal.SIGKILL)
    began = time.monotonic()
    _, err = made.communicate(timeout=60)
    assert time.monotonic() - began < 30
    assert made.returncode != 0
    assert "SIGKILL" in err
    assert not (tmp_path / "cut").exists()
    assert checkpoint.exists()
    if again == 1:
        done = run("train", text_file, *long, *often, "--resume")
    else:
        resumed = torchrun(tmp_path, text_file, *long, *often, "--resume", ranks=again)
        _, err = resumed.communicate(timeout=120)
        done = Done(resumed.returncode, "", err)
    assert done.code == 0, done.err
    assert "begins anew" not in done.err
    assert not checkpoint.exists()
    assert_same(tmp_path / "one", tmp_path / "cut", 1e-3)


@pytest.mark.slow
def test_an_interrupt_ends_all_processes_and_keeps_what_was_learned(text_file: Path, tmp_path: Path) -> None:
    endless = ("--epochs", "100000", "--checkpoint-every", "0.05s", "--engine", "torch", "-o", "m")
    made = torchrun(tmp_path, text_file, *SMALL, *endless)
    while not (tmp_path / "m.checkpoint").exists() and made.poll() is None:
        time.sleep(0.01)
    made.send_signal(signal.SIGINT)
    _, err = made.communicate(timeout=60)
    assert "interrupted: what was learned so far is kept" in err
    assert "held_out" in read_arrays(tmp_path / "m")[1]["card"]


@pytest.mark.slow
@pytest.mark.parametrize("options", [("--time-limit", "2s", "--valid", "0"), DIVERGES])
def test_however_it_ends_all_processes_end_together(
    text_file: Path, tmp_path: Path, options: tuple[str, ...]
) -> None:
    made = torchrun(tmp_path, text_file, *SMALL, "--engine", "torch", "-o", "m", *options)
    _, err = made.communicate(timeout=120)
    assert made.returncode == 0, err
    assert ("training diverged" in err) == (options == DIVERGES)
    assert (tmp_path / "m").exists()


@pytest.mark.slow
def test_a_run_in_torch_goes_on_bit_for_bit(run: Run, text_file: Path, tmp_path: Path) -> None:
    long = ("train", text_file, *SMALL, "--epochs", "12", "--engine", "torch")
    assert run(*long, "-o", "whole").code == 0
    cut_off((*long, "--checkpoint-every", "0.02s", "-o", "cut"), tmp_path / "cut.checkpoint")
    assert not (tmp_path / "cut").exists()
    assert run(*long, "-o", "cut", "--resume", "--device", "cpu").code == 0  # it may go on elsewhere
    assert_same(tmp_path / "whole", tmp_path / "cut", 0)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("--engine", "jax"), "engine: expected one of scratch, torch, got 'jax'"),
        (("--engine", "torch", "--device", "cuda:7"), "device: expected one that torch"),
        (("--device", "cpu"), "device cpu: expected the engine torch, got scratch"),
        (
            ("--engine", "torch", "--model", "mingru"),
            "expected one of rnn, gru, lstm, got mingru",
        ),
        (
            ("--engine", "torch", "--model", "ngram"),
            "expected one of rnn, gru, lstm, got ngram",
        ),
    ],
)
def test_what_is_refused(
    run: Run, text_file: Path, tmp_path: Path, options: tuple[str, ...], told: str
) -> None:
    done = run("train", text_file, "--model", "gru", "--hidden", "8", *options, "-o", "m")
    assert done.code == 2
    assert told in done.err
    assert done.err.count("\n") == 1, done.err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["text.txt"]


def test_a_checkpoint_of_the_other_engine(run: Run, text_file: Path, tmp_path: Path) -> None:
    command = ("train", text_file, *SMALL, "--epochs", "500", "--checkpoint-every", "0.01s", "-o", "k")
    cut_off(command, tmp_path / "k.checkpoint")
    done = run(*command, "--resume", "--engine", "torch")
    assert done.code == 2
    assert "engine scratch, not torch" in done.err


def test_engines_of_the_other_commands(run: Run, text_file: Path, counted_file: Path) -> None:
    done = run("evaluate", counted_file, text_file, "--engine", "torch")
    assert done.code == 2
    assert "engine torch: expected a recurrent network" in done.err
    done = run("evaluate", counted_file, text_file, "--device", "cpu")
    assert done.code == 2
    assert "expected the engine torch, got scratch" in done.err


@pytest.mark.slow
def test_export(run: Run, text_file: Path, counted_file: Path, tmp_path: Path) -> None:
    pytest.importorskip("onnx", reason="onnx is not installed")
    assert run("train", text_file, *SMALL, "-o", "m").code == 0
    for form in ("step", "chunk"):
        done = run("export", "m", "-o", f"{form}.onnx", "--form", form)
        assert (done.code, done.err) == (0, f"graph: {form}.onnx\n")
        assert (tmp_path / f"{form}.onnx").stat().st_size > 1000
    for arguments, told in (
        (("m", "-o", "step.onnx"), "exists"),
        (("m", "-o", "x.onnx", "--form", "all"), "form: expected one of step, chunk, got 'all'"),
        ((counted_file, "-o", "x.onnx"), "export: expected a recurrent network, got"),
    ):
        done = run("export", *arguments)
        assert done.code == 2
        assert told in done.err
        assert "Traceback" not in done.err
    assert not (tmp_path / "x.onnx").exists()


@pytest.mark.parametrize(
    ("found", "told"),
    [
        (None, "needs PyTorch 2.6 or newer; pip install 'chainrule[torch]'"),
        ("1.13.1", "expected PyTorch 2.6 or newer, got 1.13.1; pip install 'chainrule[torch]'"),
    ],
)
def test_no_torch_or_one_too_old(
    run: Run, text_file: Path, tmp_path: Path, found: str | None, told: str
) -> None:
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(
        "import importlib.metadata as m\n"
        "real = m.version\n"
        "def version(name):\n"
        "    if name != 'torch': return real(name)\n"
        f"    if {found!r} is None: raise m.PackageNotFoundError(name)\n"
        f"    return {found!r}\n"
        "m.version = version\n"
    )
    done = run("train", text_file, *SMALL, "--engine", "torch", "-o", "m", PYTHONPATH=str(folder))
    assert done.code == 2
    assert told in done.err
    assert "Traceback" not in done.err


def test_several_processes_want_torch(run: Run, text_file: Path) -> None:
    several = {"WORLD_SIZE": "2", "RANK": "0", "MASTER_ADDR": "127.0.0.1"}
    for options, told in (((), "--engine scratch"), (("--engine", "torch", "--find-lr"), "--find-lr")):
        done = run("train", text_file, *SMALL, "-o", "m", *options, **several)
        assert done.code == 2
        assert f"WORLD_SIZE=2: expected one process for {told}" in done.err
    assert run("train", text_file, *SMALL, "-o", "m", WORLD_SIZE="2").code == 0  # of somebody else's
