"""The wheel, in an environment that has nothing else: what somebody gets who installs it."""

import json
import subprocess
import sys
import venv
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow  # an environment is made and filled
ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of an environment with the wheel in it and what the wheel asks for."""
    folder = tmp_path_factory.mktemp("bare")
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]
    built = subprocess.run(
        [*pip, "wheel", "--no-deps", "--wheel-dir", folder, ROOT], capture_output=True, text=True, check=False
    )
    if "Could not find a version" in built.stderr or "No matching distribution" in built.stderr:
        pytest.skip("no package registry can be reached")
    assert built.returncode == 0, built.stderr
    (wheel,) = folder.glob("chainrule-*.whl")
    venv.create(folder / "env", with_pip=True)
    python = folder / "env" / "bin" / "python"
    installed = subprocess.run(
        [python, *pip[1:], "install", "-c", ROOT / "constraints.txt", wheel],
        capture_output=True,
        text=True,
        check=False,
    )
    assert installed.returncode == 0, installed.stderr
    return folder / "env"


def test_the_base_install_is_light(bare: Path) -> None:
    listed = subprocess.run(
        [bare / "bin" / "python", "-m", "pip", "list", "--format", "json"],
        capture_output=True,
        text=True,
        check=True,
    )
    names = {package["name"].lower() for package in json.loads(listed.stdout)}
    assert not names & {"torch", "tensorflow", "jax", "numba", "pytest", "scipy", "jieba"}


def test_the_installed_command_compares(bare: Path, tmp_path: Path) -> None:
    done = subprocess.run(
        [bare / "bin" / "chainrule", "compare", "--budget", "4s", "--json"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={"PATH": str(bare / "bin"), "HOME": str(tmp_path), "OPENBLAS_NUM_THREADS": "1"},
        check=False,
    )
    assert done.returncode == 0, done.stderr
    rows = json.loads(done.stdout)["rows"]
    assert [row["model"] for row in rows][:3] == ["uniform", "unigram", "bigram"]
    assert len(rows) == 12
    assert "<svg" in (tmp_path / "report.html").read_text(encoding="utf-8")
