"""Downloads: what comes is checked, what cannot come is said, and nothing half is left.

The real code runs against a server on this machine.
"""

import gc
import hashlib
import os
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from chainrule.core import RunError
from chainrule.data import corpora
from chainrule.data.corpora import Known, cache_folder, fetch, load_corpus

# pooch leaves the socket of a download that failed to the garbage collector
pytestmark = pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")

TEXT = "It was a fine morning.\r\nThe 红楼梦 é\n"
DATA = TEXT.encode()


class Page(NamedTuple):
    """An answer. length: what is promised, where that is more than what comes."""

    body: bytes
    status: int = 200
    length: int | None = None


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        server: Any = self.server
        server.asked.append(self.path)
        page = server.pages.get(self.path, Page(b"no such page", 404))
        self.send_response(page.status)
        self.send_header("Content-Length", str(page.length or len(page.body)))
        self.end_headers()
        self.wfile.write(page.body)

    def log_message(self, format: str, *args: object) -> None:
        pass


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked: list[str] = []
        self.pages = {
            "/good": Page(DATA),
            "/large": Page(DATA * 1000),
            "/cut": Page(DATA[:10], length=len(DATA)),
            "/error": Page(b"", status=503),
            "/empty": Page(b""),
        }

    def known(self, page: str, data: bytes = DATA) -> Known:
        """A corpus that this server has, or says that it has."""
        url = f"http://127.0.0.1:{self.server_port}{page}"
        return Known("book", "A book", url, hashlib.sha256(data).hexdigest())


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)
    with Server() as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield running
        running.shutdown()
        thread.join()
    gc.collect()  # here, where its warnings are expected, not in some later test


class Progress:
    """What pooch asks of a progress bar, written down."""

    def __init__(self) -> None:
        self.total = -1
        self.calls: list[str] = []
        self.seen = 0

    def update(self, amount: int) -> None:
        self.calls.append("update")
        self.seen += amount

    def reset(self) -> None:
        self.calls.append("reset")
        self.seen = 0

    def close(self) -> None:
        self.calls.append("close")


def files_in(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def test_a_good_file_is_kept_and_not_asked_for_again(server: Server, tmp_path: Path) -> None:
    path = fetch(server.known("/good"), tmp_path / "new" / "cache")
    assert path == tmp_path / "new" / "cache" / "book.txt"
    assert path.read_bytes() == DATA
    assert files_in(tmp_path) == [path]
    assert fetch(server.known("/good"), path.parent) == path
    assert server.asked == ["/good"]


def test_a_download_shows_its_progress(server: Server, tmp_path: Path) -> None:
    progress = Progress()
    fetch(server.known("/large", DATA * 1000), tmp_path, progress=progress)
    assert progress.total == progress.seen == len(DATA) * 1000
    assert progress.calls.count("update") > 10
    assert progress.calls[-3:] == ["reset", "update", "close"]
    again = Progress()
    fetch(server.known("/large", DATA * 1000), tmp_path, progress=again)
    assert again.calls == []


def test_a_damaged_file_in_the_cache_is_fetched_again(server: Server, tmp_path: Path) -> None:
    (tmp_path / "book.txt").write_bytes(DATA[:-1])
    assert fetch(server.known("/good"), tmp_path).read_bytes() == DATA
    assert len(files_in(tmp_path)) == 1


@pytest.mark.parametrize(
    ("page", "message"),
    [
        ("/large", "expected SHA-256 {sha256} from {url}, got another file"),
        ("/empty", "expected SHA-256 {sha256} from {url}, got another file"),
        ("/cut", "the download from {url} broke off: "),
        ("/nowhere", "{url} answered 404"),
        ("/error", "{url} answered 503"),
    ],
)
def test_a_failed_download_says_why_and_leaves_no_file(
    server: Server, tmp_path: Path, page: str, message: str
) -> None:
    known = server.known(page)
    with pytest.raises(RunError) as caught:
        fetch(known, tmp_path)
    expected = "corpus book: " + message.format(url=known.url, sha256=known.sha256)
    assert str(caught.value).startswith(expected)
    assert known.url in str(caught.value)
    assert "\n" not in str(caught.value)
    assert files_in(tmp_path) == []
    assert server.asked == [page]


def test_without_a_network_the_other_way_is_said(tmp_path: Path) -> None:
    with socket.socket() as taken:  # bound and not listening: nothing answers there
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}/book"
        with pytest.raises(RunError) as caught:
            fetch(Known("book", "A book", url, "0" * 64), tmp_path)
    hint = "put book.txt into a folder and set CHAINRULE_DATA to it"
    assert str(caught.value) == f"corpus book: {url} cannot be reached; without a network, {hint}"
    assert files_in(tmp_path) == []


def test_a_failed_download_keeps_what_was_there(server: Server, tmp_path: Path) -> None:
    (tmp_path / "other.txt").write_bytes(DATA)
    with pytest.raises(RunError):
        fetch(server.known("/cut"), tmp_path)
    assert files_in(tmp_path) == [tmp_path / "other.txt"]


def test_a_cache_that_cannot_be_made_is_said(server: Server, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(RunError, match=r"corpus book: .*cache cannot be written: Not a directory"):
        fetch(server.known("/good"), tmp_path / "file" / "cache")


def test_a_name_is_downloaded_once_into_the_cache(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(corpora, "KNOWN", (server.known("/good"),))
    corpus = load_corpus("book", progress=Progress())
    assert (corpus.name, corpus.text, corpus.source) == ("book", TEXT, "A book")
    assert load_corpus("book") == corpus
    assert server.asked == ["/good"]
    assert files_in(cache_folder()) == [cache_folder() / "book.txt"]


def test_a_name_whose_download_fails_leaves_the_cache_empty(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(corpora, "KNOWN", (server.known("/cut"),))
    with pytest.raises(RunError, match="broke off"):
        load_corpus("book")
    assert files_in(cache_folder()) == []
