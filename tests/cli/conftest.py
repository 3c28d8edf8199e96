"""The command as a process of its own: what it prints, where, and its exit code."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

import chainrule


class Done(NamedTuple):
    """What a run of the command left."""

    code: int
    out: str
    err: str


Run = Callable[..., Done]
ONE_THREAD = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Runs `chainrule ARGUMENTS` in an empty folder."""

    def go(*arguments: object, stdin: str | bytes = b"", **environment: str) -> Done:
        done = subprocess.run(
            [sys.executable, "-m", "chainrule", *map(str, arguments)],
            input=stdin.encode() if isinstance(stdin, str) else stdin,
            capture_output=True,
            cwd=tmp_path,
            env={**os.environ, "CHAINRULE_DATA": "", **ONE_THREAD, **environment},
            timeout=120,
            check=False,
        )
        return Done(done.returncode, done.stdout.decode(), done.stderr.decode())

    return go


@pytest.fixture(scope="session")
def text() -> str:
    """A text that nobody prepared."""
    return chainrule.load_corpus("pydocs").text[:8000]


@pytest.fixture
def text_file(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "text.txt"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.fixture(scope="session")
def counted_file(tmp_path_factory: pytest.TempPathFactory, text: str) -> Path:
    """A saved 4-gram model of the text."""
    path = tmp_path_factory.mktemp("models") / "counted"
    chainrule.LanguageModel.fit(text, model="ngram", order=4).save(path)
    return path
