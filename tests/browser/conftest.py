"""Pages as people use them: served by a process of their own, opened in Debian's Chromium, watched.

A page that writes an error to its console, shows an error in a cell, or asks anything but its own server for
anything, fails its test. Pictures of the pages go to the folder `screenshots`, which git ignores.
"""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
CHROMIUM = "/usr/bin/chromium"
SCREENSHOTS = ROOT / "screenshots"
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-sync",
    "--no-first-run",
]
PATIENCE = 240  # seconds: the machine may be busy; nothing here is timed
STOPPED = {"ancestor-stopped", "ancestor-prevented"}  # cells that have nothing to show, on purpose


@pytest.fixture(scope="session")
def chromium() -> Iterator[Any]:
    """The browser, started once."""
    pytest.importorskip("marimo", reason="marimo is not installed", exc_type=ImportError)
    api = pytest.importorskip(
        "playwright.sync_api", reason="playwright is not installed", exc_type=ImportError
    )
    if not os.path.exists(CHROMIUM):
        pytest.skip(f"{CHROMIUM} is not there")
    with api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        browser.close()


@contextmanager
def serving(*arguments: str) -> Iterator[str]:
    """The address that a python process serves pages at; ended by Ctrl-C, which must succeed."""
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "CHAINRULE_DATA": ""}
    with subprocess.Popen(
        [sys.executable, *arguments], stderr=subprocess.PIPE, text=True, env=environment
    ) as process:
        try:
            assert process.stderr is not None
            said = ""
            while not (found := re.search(r"http://127\.0\.0\.1:\d+/", said)):
                line = process.stderr.readline()
                assert line, said
                said += line
            yield found[0]
            process.send_signal(signal.SIGINT)
            assert process.wait(60) == 0
        finally:
            process.kill()


class Watched:
    """A page, and what it did that it should not."""

    def __init__(self, page: Any, address: str) -> None:
        self.page, self.address = page, address
        self.wrong: list[str] = []
        self.runs = 0  # of cells that the server has finished
        page.set_default_timeout(PATIENCE * 1000)
        page.on("console", self._said)
        page.on("pageerror", lambda error: self.wrong.append(f"page error: {error}"))
        page.on("request", self._asked)
        page.on("websocket", self._connected)

    def _said(self, message: Any) -> None:
        if message.type == "error":
            self.wrong.append(f"console: {message.text}")

    def _asked(self, request: Any) -> None:
        if not request.url.startswith((self.address, "data:", "blob:")):
            self.wrong.append(f"request to {request.url}")

    def _connected(self, socket: Any) -> None:
        if not socket.url.startswith(self.address.replace("http", "ws", 1)):
            self.wrong.append(f"socket to {socket.url}")
        socket.on("framereceived", self._heard)

    def _heard(self, frame: str | bytes) -> None:
        text = frame if isinstance(frame, str) else frame.decode("utf-8", "replace")
        self.runs += '"completed-run"' in text[:200]
        if "application/vnd.marimo+error" in text:
            output = json.loads(text)["data"].get("output") or {}
            shown = output.get("data", []) if output.get("mimetype", "").endswith("marimo+error") else []
            self.wrong += [f"cell: {error}" for error in shown if error.get("type") not in STOPPED]

    def open(self, path: str = "") -> None:
        """Open it, and wait until its cells have run."""
        self.after(lambda: self.page.goto(self.address + path, wait_until="commit"))

    def after(self, act: Callable[[], Any]) -> None:
        """Do something, and wait until the server has run what it set off."""
        before, end = self.runs, time.monotonic() + PATIENCE
        act()
        while self.runs == before:
            assert time.monotonic() < end, "the server ran nothing"
            self.page.wait_for_timeout(50)

    def picture(self, name: str) -> None:
        SCREENSHOTS.mkdir(exist_ok=True)
        self.page.wait_for_timeout(500)
        self.page.screenshot(path=SCREENSHOTS / f"{name}.png", full_page=True)


Visit = Callable[..., Watched]


@pytest.fixture
def visit(chromium: Any) -> Iterator[Visit]:
    """Opens a page in a browser of its own; in the end nothing may have gone wrong in any."""
    contexts: list[Any] = []
    pages: list[Watched] = []

    def go(address: str, path: str = "", scheme: str = "light") -> Watched:
        contexts.append(chromium.new_context(color_scheme=scheme, viewport={"width": 1200, "height": 900}))
        pages.append(Watched(contexts[-1].new_page(), address))
        pages[-1].open(path)
        return pages[-1]

    yield go
    for context in contexts:
        context.close()
    assert [wrong for page in pages for wrong in page.wrong] == []
