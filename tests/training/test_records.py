"""The log of a run in files."""

import json
import math
from pathlib import Path
from typing import Any

import pytest

from chainrule.core import InputError, RunError
from chainrule.training import Point
from chainrule.training.records import JsonLines, TensorBoard, row
from chainrule.training.run import Density

LN2 = math.log(2)


def point(step: int, valid: float = 2 * LN2) -> Point:
    return Point(step / 10, step, 0.5 * step, 20 * step, LN2, valid, 0.25, 1e-3)


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_a_row_has_bits_per_character() -> None:
    found = row(point(3), Density(0.5, 0.25))
    assert found["train_bits_per_character"] == pytest.approx(0.5)
    assert found["valid_bits_per_character"] == pytest.approx(0.5)
    assert (found["step"], found["tokens"], found["norm"]) == (3, 60, 0.25)


def test_a_log_is_a_head_and_a_row_a_point(tmp_path: Path) -> None:
    path = tmp_path / "log"
    log = JsonLines(path, {"recipe": {"kind": "lstm"}}, (), Density())
    assert lines(path) == [{"recipe": {"kind": "lstm"}}]
    log(point(1))
    log(point(2, math.nan))
    head, *rows = lines(path)
    assert head == {"recipe": {"kind": "lstm"}}
    assert [r["step"] for r in rows] == [1, 2]
    assert rows[1]["valid"] == "nan"  # JSON has no nan


def test_a_log_that_goes_on_has_no_row_twice(tmp_path: Path) -> None:
    path = tmp_path / "log"
    log = JsonLines(path, {}, (), Density())
    for step in (1, 2, 3):
        log(point(step))
    with path.open("ab") as file:
        file.write(b'{"epo')  # killed in the middle of a row
    log = JsonLines(path, {}, (point(1), point(2)), Density())  # the checkpoint knew of two
    log(point(3))
    log(point(4))
    assert [r["step"] for r in lines(path)[1:]] == [1, 2, 3, 4]


def test_a_log_that_cannot_be_written_says_so(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    log = JsonLines(folder / "log", {}, (), Density())
    (folder / "log").unlink()
    folder.rmdir()
    with pytest.raises(RunError, match="cannot be written: No such file"):
        log(point(1))


def test_tensorboard_gets_the_same_rows(tmp_path: Path) -> None:
    pytest.importorskip("tensorboardX", reason="tensorboardX is not installed")
    log = TensorBoard(tmp_path / "runs", Density())
    for step in (1, 2):
        log(point(step))
    log.writer.close()
    (file,) = (tmp_path / "runs").iterdir()
    stored = file.read_bytes()
    assert stored.count(b"train/valid_bits_per_character") == 2
    assert b"train/step" not in stored
    TensorBoard(tmp_path / "runs", Density(), resumed_at=1).writer.close()


def test_tensorboard_that_is_not_there_says_how_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "tensorboardX", None)
    with pytest.raises(InputError, match=r"pip install 'chainrule\[tensorboard\]'"):
        TensorBoard(tmp_path, Density())
