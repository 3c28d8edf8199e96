"""Pages served by a process of their own: answers, refusals, the end."""

import http.client
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("marimo", reason="marimo is not installed", exc_type=ImportError)

PAGE = """import marimo

app = marimo.App()


@app.cell
def _():
    import marimo as mo

    mo.md("a page")


if __name__ == "__main__":
    app.run()
"""
SERVER = """import sys
from pathlib import Path
from chainrule.pages import listen, serve
token = sys.argv[2] if len(sys.argv) > 2 else None
say = lambda url: print(url, flush=True)
serve({"/": Path(sys.argv[1]), "/two": Path(sys.argv[1])}, listen(port=0, token=token), ready=say)
print("ended")
"""


@pytest.fixture
def server(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[tuple[subprocess.Popen[str], int]]:
    page = tmp_path / "page.py"
    page.write_text(PAGE)
    arguments = [sys.executable, "-c", SERVER, str(page), *getattr(request, "param", [])]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield process, int(process.stdout.readline().split(":")[2].split("/")[0])
        finally:
            process.kill()


def status(port: int, path: str, **headers: str) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.request("GET", path, headers=headers)
        return connection.getresponse().status
    finally:
        connection.close()


@pytest.mark.slow
def test_pages_answer_until_ctrl_c(server: tuple[subprocess.Popen[str], int]) -> None:
    process, port = server
    assert [status(port, path) for path in ("/", "/two/", "/three/")] == [200, 200, 404]
    assert status(port, "/", Host="evil.example") == 403
    assert status(port, "/", Origin="http://evil.example") == 403
    process.send_signal(signal.SIGINT)
    assert process.wait(60) == 0
    assert process.stdout is not None
    assert process.stdout.read() == "ended\n"


@pytest.mark.slow
@pytest.mark.parametrize("server", [["0123456789ab"]], indirect=True, ids=["token"])
def test_a_token_is_asked_for(server: tuple[subprocess.Popen[str], int]) -> None:
    _, port = server
    assert status(port, "/") in (302, 303, 307)  # to the page that asks for it
    assert status(port, "/api/status") == 401
    assert status(port, "/?access_token=0123456789ab") in (200, 303)
    assert status(port, "/", Authorization="Bearer 0123456789ab") == 200
    assert status(port, "/", Authorization="Bearer 0123456789ac") in (302, 303, 307)
