"""Bad input gets one line that says what was expected, an exit code, and costs nothing that was there."""

import io
import json
import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.cli.conftest import Done, Run


def one_line(done: Done, code: int = 2) -> str:
    """The one line of an error, which is all there is."""
    assert done.code == code, done
    assert "Traceback" not in done.err
    lines = done.err.strip().splitlines()
    assert len(lines) == 1, done.err
    assert lines[0].startswith("error: ")
    assert done.out == ""
    return lines[0]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "expected a text, got an empty one"),
        (b" \n\n ", "expected a text, got only white space"),
        (b"short", "tokens (one window of"),
        (b"good until \xff here", "expected UTF-8, got byte 0xff at offset 11; --errors replace"),
    ],
    ids=["empty", "blank", "short", "not UTF-8"],
)
@pytest.mark.parametrize("command", ["compare", "train"])
def test_a_file_that_is_no_text(run: Run, tmp_path: Path, command: str, data: bytes, message: str) -> None:
    (tmp_path / "bad.txt").write_bytes(data)
    extra = ("-o", "m") if command == "train" else ("--budget", "2s")
    assert message in one_line(run(command, "bad.txt", *extra))
    assert os.listdir(tmp_path) == ["bad.txt"]


def test_not_utf_8_can_be_replaced(run: Run, tmp_path: Path, text: str) -> None:
    (tmp_path / "bad.txt").write_bytes(text.encode() + b"\xff\xfe")
    done = run("train", "bad.txt", "--model", "ngram", "--errors", "replace", "-o", "m")
    assert done.code == 0, done.err


def test_a_folder_without_text(run: Run, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "picture").write_bytes(b"\x89PNG\0\0")
    assert "expected a folder with text files in it, found none" in one_line(run("compare", "folder"))


def test_a_name_that_is_nothing(run: Run) -> None:
    assert "expected a file, a folder, - or one of pydocs" in one_line(run("compare", "shakespear"))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--model", "ngram", "--order", 0), "order: expected 1..255, got 0"),
        (("--model", "ngram", "--order", 99999), "order: expected 1..255, got 99999"),
        (("--model", "transformer"), "model: expected one of"),
        (("--lr", "nan"), "learning rate: expected a positive number, got nan"),
        (("--lr", "-1"), "learning rate: expected a positive number"),
        (("--clip", "0"), "clip: expected a positive norm"),
        (("--epochs", "0"), "epochs: expected at least 1"),
        (("--batch", "0"), "batch: expected at least 1"),
        (("--partition", "zigzag"), "partition: expected sequential or random"),
        (("--tokenizer", "letters"), "tokeniser: expected one of"),
        (("--valid", "1.5"), "valid: expected a fraction"),
        (("--valid", "nofile"), "--valid: expected a fraction such as 0.1 or a file"),
        (("--time-limit", "soon"), "time: expected seconds"),
        (("--model", "ngram", "--smoothing", "add-k", "--k", "0"), "add-k: expected k above 0"),
        (("--errors", "ignore"), "errors: expected strict or replace"),
        (("--tokenizer", "bpe", "--bpe-size", "10"), "BPE vocabulary: expected at least 256"),
    ],
)
def test_settings_without_a_meaning(
    run: Run, text_file: Path, options: tuple[object, ...], message: str
) -> None:
    assert message in one_line(run("train", text_file, *options, "-o", "m"))
    assert not (text_file.parent / "m").exists()


def test_an_unknown_option_exits_with_2(run: Run, text_file: Path) -> None:
    done = run("train", text_file, "--fast", "-o", "m")
    assert done.code == 2
    assert "Traceback" not in done.err


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"PK\x03\x04 and so on", "expected a chainrule model file, got a zip archive"),
        (b"Once upon a time", "expected a chainrule model file, got"),
        (b"", "expected a chainrule model file, got 0 bytes"),
    ],
    ids=["zip", "text", "empty"],
)
@pytest.mark.parametrize("command", ["info", "evaluate", "generate", "score"])
def test_a_file_that_is_no_model(run: Run, tmp_path: Path, command: str, data: bytes, message: str) -> None:
    (tmp_path / "m").write_bytes(data)
    extra = ("pydocs",) if command in ("evaluate", "score") else ()
    assert message in one_line(run(command, "m", *extra))


def test_a_model_file_that_is_damaged(run: Run, counted_file: Path, tmp_path: Path) -> None:
    data = counted_file.read_bytes()
    for name, damaged in {
        "cut": data[: len(data) // 2],
        "flipped": data[:-100] + bytes([data[-100] ^ 4]) + data[-99:],
        "newer": data.replace(b'\\"format\\": 2', b'\\"format\\": 9'),
    }.items():
        assert damaged != data
        (tmp_path / name).write_bytes(damaged)
        line = one_line(run("evaluate", name, "pydocs"))
        assert name in line
        assert ("damaged" in line or "cut short" in line) == (name != "newer")
        assert ("made by another version" in line) == (name == "newer")


def test_output_that_exists_is_kept(run: Run, text_file: Path, counted_file: Path, tmp_path: Path) -> None:
    before = counted_file.read_bytes()
    line = one_line(run("train", text_file, "--model", "ngram", "-o", counted_file))
    assert "exists already; --force overwrites it" in line
    assert counted_file.read_bytes() == before
    for _ in range(2):
        done = run("train", text_file, "--model", "ngram", "-o", "m", "--force")
        assert done.code == 0
    (tmp_path / "plot.png").write_bytes(b"mine")
    assert "exists already" in one_line(run("zipf", text_file, "--plot", "plot.png"))
    assert (tmp_path / "plot.png").read_bytes() == b"mine"


def test_output_that_cannot_be_written_is_said_before_any_work(run: Run, text_file: Path) -> None:
    started = time.monotonic()
    for target in ("missing/m", "."):
        one_line(run("train", text_file, "--epochs", 1000, "-o", target))
    assert time.monotonic() - started < 60
    assert "missing" in one_line(run("compare", text_file, "--report", "missing/r.html"))


def test_a_full_disk_costs_no_earlier_result(text_file: Path, tmp_path: Path) -> None:
    def little_room() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))

    (tmp_path / "m").write_bytes(b"an earlier result")
    for command in (
        ["train", str(text_file), "--model", "ngram", "--force", "-o", "m"],
        ["compare", str(text_file), "--budget", "2s", "--force", "--report", "m", "--json"],
    ):
        done = subprocess.run(
            [sys.executable, "-m", "chainrule", *command],
            capture_output=True,
            cwd=tmp_path,
            preexec_fn=little_room,
            check=False,
            timeout=120,
        )
        assert done.returncode == 1, done.stderr
        line = done.stderr.decode().strip().splitlines()[-1]
        assert line == "error: m: cannot be written: File too large"
        assert (tmp_path / "m").read_bytes() == b"an earlier result"
        assert sorted(os.listdir(tmp_path)) == ["m", "text.txt"]


def test_numbers_that_run_away_stop_with_advice(run: Run, text_file: Path, tmp_path: Path) -> None:
    options = ("--model", "rnn", "--optimizer", "sgd", "--lr", "3e38", "--clip", "1e38", "--hidden", 8)
    done = run("train", text_file, *options, "-o", "m")
    assert done.code == 0, done.err
    assert "no longer finite" in done.err
    assert "Lower the learning rate" in done.err
    card = json.loads(run("info", "m", "--json").out)  # the weights from before the step that ruined them
    assert card["training"]["stopped"] == "diverged"
    assert card["held_out"]["perplexity"] < card["vocabulary"]


def test_control_c_keeps_what_was_learned(text_file: Path, tmp_path: Path) -> None:
    command = [
        "train",
        str(text_file),
        "--model",
        "rnn",
        "--epochs",
        "100000",
        "--patience",
        "100000",
        "-o",
        "m",
    ]
    process = subprocess.Popen(
        [sys.executable, "-m", "chainrule", *command],
        cwd=tmp_path,
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    time.sleep(6)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    assert b"interrupted: what was learned so far is kept" in err
    assert b"interrupted" in out
    info = subprocess.run(
        [sys.executable, "-m", "chainrule", "info", "m", "--json"],
        cwd=tmp_path,
        capture_output=True,
        check=True,
    )
    assert json.loads(info.stdout)["training"]["stopped"] == "interrupted"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--temperature", "-1"), "temperature: expected 0 or more"),
        (("--top-k", "0"), "top-k: expected at least 1"),
        (("--top-p", "1.5"), "top-p: expected above 0 and at most 1"),
        (("--min-p", "0"), "min-p: expected above 0"),
        (("--length", "-5"), "length: expected 0 or more"),
    ],
)
def test_ways_to_draw_without_a_meaning(
    run: Run, counted_file: Path, options: tuple[str, ...], message: str
) -> None:
    assert message in one_line(run("generate", counted_file, *options))


def test_a_reader_that_has_seen_enough_is_no_error(counted_file: Path) -> None:
    done = subprocess.run(
        f"{sys.executable} -m chainrule generate {counted_file} -n 20000 | head -c 10",
        shell=True,
        executable="/bin/bash",
        capture_output=True,
        check=False,
    )
    assert b"Traceback" not in done.stderr


def test_a_test_part_that_was_trained_on_is_said(
    run: Run, text_file: Path, tmp_path: Path, text: str
) -> None:
    done = run("train", text_file, "--model", "ngram", "--test", text_file, "-o", "m")
    assert done.code == 0
    assert "of the test part stands in the training text: its figures are not held out" in done.err
    (tmp_path / "twice.txt").write_text(text + text, encoding="utf-8")
    done = run("compare", "twice.txt", "--budget", "2s", "--no-report")
    assert "of the test part stands in the training text" in done.err


@pytest.mark.parametrize("command", ["train", "compare"])
def test_a_seed_below_zero(run: Run, text_file: Path, command: str) -> None:
    extra = ("-o", "m") if command == "train" else ("--no-report",)
    assert "seed: expected 0 or more, got -1" in one_line(run(command, text_file, "--seed", "-1", *extra))


def test_a_file_that_is_here_comes_before_one_in_the_data_folder(run: Run, tmp_path: Path, text: str) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "v.txt").write_text("other")
    (tmp_path / "v.txt").write_text(text, encoding="utf-8")
    done = run("corpora", "v.txt", "--json", CHAINRULE_DATA=str(tmp_path / "data"))
    assert json.loads(done.out)["characters"] == len(text)


def test_a_narrow_terminal_keeps_every_figure(run: Run, text_file: Path) -> None:
    from rich.console import Console

    from chainrule.cli.compare import table
    from chainrule.data.dataset import make_dataset, split_text
    from chainrule.recipes import compare_models

    data = make_dataset(*split_text(text_file.read_text(encoding="utf-8")))
    console = Console(width=80, record=True, file=io.StringIO())
    console.print(table(list(compare_models(data, budget=2)), wide=False))
    shown = console.export_text()
    assert "…" not in shown
    assert "Witten-Bell" in shown
