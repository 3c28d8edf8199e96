"""`compress` and `decompress` as commands: what they print, where the bytes go, and what they refuse."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import chainrule
from chainrule.recipes import compressing
from tests.cli.conftest import ONE_THREAD, Run
from tests.cli.test_bad_input import one_line

pytestmark = pytest.mark.slow


@pytest.fixture
def book(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "book.txt"
    path.write_text(text[-1500:] + "樓", encoding="utf-8")
    return path


def test_there_and_back(run: Run, book: Path, tmp_path: Path) -> None:
    data = book.read_bytes()
    done = run("compress", "book.txt")
    assert done.code == 0, done.err
    shown = {line.rsplit(maxsplit=1)[0].strip(): line.split()[-1] for line in done.out.splitlines()}
    small = tmp_path / "book.txt.cr"
    assert set(shown) == {"bytes", "compressed", "bits per byte", "bits per character", "kB/s"}
    assert int(shown["compressed"].replace(",", "")) == small.stat().st_size < len(data)
    assert float(shown["bits per byte"]) == pytest.approx(8 * small.stat().st_size / len(data), abs=1e-4)

    assert "book.txt: exists already; --force overwrites it" in one_line(run("decompress", "book.txt.cr"))
    book.write_bytes(b"spoiled")
    found = json.loads(run("decompress", "book.txt.cr", "--force", "--json").out)
    assert (found["original"], found["compressed"]) == (len(data), small.stat().st_size)
    assert book.read_bytes() == data


def test_by_a_model(run: Run, book: Path, tmp_path: Path, counted_file: Path) -> None:
    done = run("compress", "book.txt", "-m", counted_file, "-o", "a.cr", "--json")
    assert done.code == 0, done.err
    found = json.loads(done.out)
    said, size = found["by_model"], (tmp_path / "a.cr").stat().st_size
    assert found["compressed"] == size
    assert (said["bytes"], said["tokens"], said["unknown"]) == (book.stat().st_size, 1501, 2)
    assert said["bits"] <= said["bits_promised"] * 1.001 + 0.1 + 64
    assert found["bits_per_character"] == pytest.approx(8 * size / 1501)
    report = chainrule.load(counted_file).evaluate(book.read_text(encoding="utf-8"))
    assert said["bits_promised"] == pytest.approx(report.bits_per_token * 1501)

    assert run("decompress", "a.cr", "-m", counted_file, "-o", "b").code == 0
    assert (tmp_path / "b").read_bytes() == book.read_bytes()


def test_a_file_that_carries_its_model(run: Run, book: Path, tmp_path: Path, counted_file: Path) -> None:
    done = run("compress", "book.txt", "-m", counted_file, "--with-model")
    assert done.code == 0, done.err
    assert "of it the model" in done.out
    assert "1,501 tokens by the model" in done.out
    assert run("decompress", "book.txt.cr", "-o", "b").code == 0
    assert (tmp_path / "b").read_bytes() == book.read_bytes()


def test_info_of_a_compressed_file(run: Run, book: Path, tmp_path: Path, counted_file: Path) -> None:
    """Its sizes and what coded it, without the model; damage is found, as far as it goes without one."""
    original = book.stat().st_size
    for options in ((), ("-m", counted_file), ("-m", counted_file, "--with-model", "--online")):
        done = json.loads(run("compress", "book.txt", *options, "--force", "--json").out)
        found = json.loads(run("info", "book.txt.cr", "--json").out)
        assert found["original"] == original
        assert (found["compressed"], found["model_bytes"]) == (done["compressed"], done["model_bytes"])
        assert (found["coded_by"] is None) == (not options)
    assert found["coded_by"]["model"] == compressing.fingerprint(chainrule.load(counted_file))
    assert found["coded_by"]["online"]
    assert found["coded_by"]["carried"]
    shown = run("info", "book.txt.cr").out
    assert f"{original:,} bytes" in shown
    assert "which learned as it read, in the file:" in shown

    file = tmp_path / "book.txt.cr"
    data = file.read_bytes()
    spoiled = {"cut short": data[:-1], "damaged": data[:-3] + b"abc", "more bytes": data + b"x"}
    for what, damaged in spoiled.items():
        file.write_bytes(damaged)
        assert what in one_line(run("info", "book.txt.cr"))


def test_pipes(book: Path, tmp_path: Path) -> None:
    """Bytes on standard output and nothing else; figures on standard error."""
    command = [sys.executable, "-m", "chainrule"]
    environment = {**os.environ, **ONE_THREAD}

    def go(*arguments: str, data: bytes) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(
            [*command, *arguments],
            input=data,
            capture_output=True,
            cwd=tmp_path,
            env=environment,
            check=False,
        )

    data = book.read_bytes()
    there = go("compress", "-", data=data)
    assert there.returncode == 0, there.stderr
    assert b"bits per byte" in there.stderr
    back = go("decompress", "-", data=there.stdout)
    assert (back.returncode, back.stdout) == (0, data)
    assert go("compress", "-", "-o", "a.cr", data=data).returncode == 0
    assert (tmp_path / "a.cr").read_bytes() == there.stdout

    damaged = there.stdout[:-1] + bytes([there.stdout[-1] ^ 1])
    failed = go("decompress", "-", data=damaged)
    assert failed.returncode == 2
    assert b"error: standard input: the file is damaged" in failed.stderr
    with open("/dev/full", "wb") as full:
        done = subprocess.run(
            [*command, "compress", "book.txt", "-o", "-"],
            stdout=full, stderr=subprocess.PIPE, cwd=tmp_path, env=environment, check=False,
        )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr == b"error: output: No space left on device\n"


def test_what_is_refused(run: Run, book: Path, tmp_path: Path) -> None:
    (tmp_path / "junk.cr").write_bytes(b"\x1f\x8b\x08 a gzip file")
    (tmp_path / "m").write_bytes(b"a model")
    for arguments, message in (
        (("compress", "."), ".: expected a file, got a folder"),
        (("compress", "book.txt", "-o", "book.txt", "--force"), "expected another file to write"),
        (
            ("compress", "book.txt", "-m", "m", "-o", "m", "--force"),
            "expected another file to write than one",
        ),
        (("compress", "book.txt", "--with-model"), "--with-model: expected a model"),
        (("compress", "book.txt", "--online"), "--online: expected a model"),
        (("compress", "book.txt", "-o", "-", "--json"), "--json: expected a file to write"),
        (("decompress", "book.txt"), "expected a name that ends in .cr, or --output"),
        (
            ("decompress", "junk.cr"),
            "junk.cr: expected a file that chainrule compress wrote, got a gzip",
        ),
    ):
        assert message in one_line(run(*arguments))
    assert sorted(os.listdir(tmp_path)) == ["book.txt", "junk.cr", "m"]


def test_ctrl_c_leaves_nothing(tmp_path: Path) -> None:
    """The first block is coded, the next is waited for."""
    (tmp_path / "out").write_bytes(b"an earlier result")
    running = subprocess.Popen(
        [sys.executable, "-m", "chainrule", "compress", "-", "-o", "out", "--force"],
        stdin=subprocess.PIPE, stderr=subprocess.PIPE, cwd=tmp_path, env={**os.environ, **ONE_THREAD},
    )  # fmt: skip
    assert running.stdin is not None
    running.stdin.write(bytes(70_000))
    running.stdin.flush()
    while len(os.listdir(tmp_path)) == 1 and running.poll() is None:
        time.sleep(0.05)
    running.send_signal(signal.SIGINT)
    _, said = running.communicate(timeout=60)
    assert running.returncode != 0
    assert b"Traceback" not in said
    assert os.listdir(tmp_path) == ["out"]
    assert (tmp_path / "out").read_bytes() == b"an earlier result"
