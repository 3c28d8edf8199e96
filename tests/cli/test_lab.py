"""`chainrule lab`: what is wrong is said at once, in one line."""

import socket
from pathlib import Path

import pytest

from tests.cli.conftest import Run


def test_without_the_extra_one_line_names_it(run: Run, tmp_path: Path) -> None:
    (tmp_path / "marimo.py").write_text("raise ImportError")
    done = run("lab", "--port", 0, PYTHONPATH=str(tmp_path))
    assert done.code == 2
    assert done.err.startswith("error: ")
    assert "pip install 'chainrule[lab]'" in done.err
    assert done.err.count("\n") == 1


def test_a_broken_model_is_said_before_a_page_is_served(run: Run, tmp_path: Path) -> None:
    pytest.importorskip("marimo", reason="marimo is not installed", exc_type=ImportError)
    (tmp_path / "bad.chainrule").write_bytes(b"\x08" + bytes(20))
    for name in ("bad.chainrule", "nowhere.chainrule"):
        done = run("lab", name)
        assert done.code == 2
        assert name in done.err
        assert done.err.count("\n") == 1


def test_a_port_in_use(run: Run) -> None:
    pytest.importorskip("marimo", reason="marimo is not installed", exc_type=ImportError)
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        done = run("lab", "--port", port)
    assert done.code == 2
    assert (
        done.err
        == f"error: port {port}: expected a free one, but another program has it; --port takes another\n"
    )
