"""`chainrule lectures`: what it lists, refuses and serves."""

import builtins
import http.client
import re
import subprocess
import sys
import threading
from contextlib import closing

import pytest

pytest.importorskip("marimo", reason="marimo is not installed")

from chainrule.cli import app
from chainrule.core import InputError
from chainrule.lectures import PAGES


def call(*arguments: str) -> None:
    app(["lectures", *arguments], standalone_mode=False)


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_pages_are_listed_in_order(lang, capsys):
    call("--list", "--lang", lang)
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[1] for line in lines] == [page.name for page in PAGES]
    assert all(page.title[lang] in line for page, line in zip(PAGES, lines, strict=True))


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["nothing"], "page: expected 1..9 or one of sequence_models"),
        (["--lang", "fr"], "lang: expected one of en, zh, got 'fr'"),
        (["--port", "70000"], "port: expected 0 to 65535"),
        (["--host", "192.0.2.1"], "expected an address of this machine"),
    ],
)
def test_what_cannot_be_used_is_refused(arguments, says):
    with pytest.raises(InputError, match=re.escape(says)):
        call(*arguments)


def test_without_marimo_one_line_names_the_extra(monkeypatch):
    real = builtins.__import__

    def missing(name, *rest, **named):
        if name == "marimo":
            raise ImportError(name)
        return real(name, *rest, **named)

    monkeypatch.setattr(builtins, "__import__", missing)
    with pytest.raises(InputError, match=r"marimo, which is not installed: pip install 'chainrule\[lab\]'"):
        call("--port", "0", "--no-browser")


@pytest.mark.slow
def test_every_page_is_served_on_this_machine():
    command = [sys.executable, "-m", "chainrule", "lectures", "perplexity", "--port", "0", "--no-browser"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        watchdog = threading.Timer(120, process.kill)
        watchdog.start()
        try:
            found = re.search(r"http://127\.0\.0\.1:(\d+)/", process.stdout.readline())
            assert found
            for path in ("/", *(f"/{page.name}/" for page in PAGES), "/contents/"):
                with closing(
                    http.client.HTTPConnection("127.0.0.1", int(found[1]), timeout=60)
                ) as connection:
                    connection.request("GET", path)
                    answer = connection.getresponse()
                    assert (answer.status, b"marimo" in answer.read()) == (200, True), path
        finally:
            watchdog.cancel()
            process.terminate()
