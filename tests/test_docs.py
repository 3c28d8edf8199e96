"""Every snippet of the README and the docs is run: Python as it stands, commands with less time to train."""

import inspect
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import chainrule
from chainrule.core import CanDraw, Learner
from chainrule.models.ngram.smoothing import Smoothing
from chainrule.training.optimizers import Optimizer

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted([*ROOT.glob("README*.md"), *(ROOT / "docs").glob("*.md"), ROOT / "CONTRIBUTING.md"])
FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
SOON = re.compile(r"(--budget|--time-limit) \w+")
LONG = {*ROOT.glob("docs/*.md")} - {ROOT / "docs" / "own-model.md"}  # their snippets train, minutes in all


def snippets(language: str) -> list[Any]:
    """The blocks of one language; those of a page in one string, for they build on one another. A Chinese
    page holds those of its twin, as is tested below, and is not run once more."""
    found = {
        page: [body for kind, body in FENCE.findall(page.read_text("utf-8")) if kind == language]
        for page in PAGES
        if ".zh-CN" not in page.name
    }
    return [
        pytest.param(page, "\n".join(bodies), id=page.name, marks=[pytest.mark.slow] * (page in LONG))
        for page, bodies in found.items()
        if bodies
    ]


def _run(arguments: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    shared = {"CHAINRULE_DATA": str(ROOT.parent / "shared" / "data"), "OPENBLAS_NUM_THREADS": "1"}
    return subprocess.run(
        [sys.executable, *arguments],
        capture_output=True,
        text=True,
        cwd=folder,
        env={**os.environ, **shared},
        timeout=180,
        check=False,
    )


@pytest.mark.parametrize(("page", "code"), snippets("python"))
def test_python_runs(page: Path, code: str, tmp_path: Path, shared_data: Path) -> None:
    done = _run(["-c", code], tmp_path)
    assert done.returncode == 0, f"{page.name}: {done.stderr}"


@pytest.mark.parametrize(("page", "code"), snippets("sh"))
def test_commands_run(page: Path, code: str, tmp_path: Path, shared_data: Path) -> None:
    """`make` is what runs this test; every line that begins with chainrule is run in one folder, in order."""
    for line in code.splitlines():
        command = SOON.sub(r"\1 2s", line.split("  #")[0]).strip()
        if not command.startswith("chainrule "):
            assert re.match(r"(make |git |cd |pip install|$)", command), f"{page.name}: {line}"
            continue
        done = _run(["-m", *shlex.split(command)], tmp_path)
        assert done.returncode == 0, f"{page.name}: {line}: {done.stderr}"


def test_both_languages_show_the_same_snippets() -> None:
    """A page and its Chinese twin hold the same code."""
    for page in PAGES:
        twin = page.with_name(page.name.removesuffix(".md") + ".zh-CN.md")
        if twin.exists():
            assert FENCE.findall(page.read_text("utf-8")) == FENCE.findall(twin.read_text("utf-8")), twin.name


def test_every_public_name_has_a_docstring() -> None:
    """Of these `make reference` is made."""
    protocols = (Learner, CanDraw, Optimizer, Smoothing)  # what implements a method of theirs is told there
    told = {name for one in protocols for name, method in vars(one).items() if inspect.getdoc(method)}
    bare: list[str] = []
    for name in chainrule.__all__:
        public = getattr(chainrule, name)
        members = vars(public).items() if inspect.isclass(public) else ()
        own = {key for key, value in members if inspect.isfunction(value) and not key.startswith("_")}
        for member in (public, *(getattr(public, key) for key in sorted(own - told))):
            if (inspect.isclass(member) or inspect.isfunction(member)) and not inspect.getdoc(member):
                bare.append(f"{name}: {member.__qualname__}")
    assert not bare


def test_the_reference_is_made(tmp_path: Path) -> None:
    done = _run(
        ["-m", "pdoc", "-d", "markdown", "-o", str(tmp_path), "chainrule", "chainrule.training"], tmp_path
    )
    assert done.returncode == 0, done.stderr
    page = (tmp_path / "chainrule.html").read_text("utf-8")
    assert all(f'id="{name}"' in page for name in chainrule.__all__)
    assert not re.search(r'<(?:script|link|img)[^>]+(?:src|href)="https?:', page)  # nothing from elsewhere


def test_files_that_are_named_exist() -> None:
    for page in PAGES:
        for name in re.findall(r"`((?:src|tests|benchmarks|docs)/[\w/.-]+)`", page.read_text("utf-8")):
            assert (ROOT / name).exists(), f"{page.name}: {name}"
