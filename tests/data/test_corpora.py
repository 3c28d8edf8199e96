"""Texts by name or by path: what comes is checked, what cannot come is said, and nothing half is left.

Downloads run the real code against a server on this machine.
"""

import gc
import gzip
import hashlib
import io
import lzma
import os
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chainrule.core import InputError, RunError
from chainrule.data import corpora
from chainrule.data.corpora import DOWNLOADS, Known, cache_folder, fetch, load_corpus, read_text

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


# downloads


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
    assert str(caught.value) == f"corpus book: {url} cannot be reached; or {hint}"
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


# CHAINRULE_DATA


@pytest.fixture
def data_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder in which names are looked up, a known corpus that no network has, and no other way to it."""
    folder = tmp_path / "data"
    folder.mkdir()
    monkeypatch.setenv("CHAINRULE_DATA", str(folder))
    known = Known("book", "A book", "http://127.0.0.1:9/", hashlib.sha256(DATA).hexdigest())
    monkeypatch.setattr(corpora, "KNOWN", (corpora.PYDOCS, known))
    monkeypatch.setattr(corpora, "fetch", unwanted)
    return folder


def unwanted(*args: object, **options: object) -> Path:
    raise AssertionError("nothing was to be downloaded")


def test_a_name_resolves_in_the_folder_first(data_folder: Path) -> None:
    (data_folder / "book.txt").write_bytes(DATA)
    corpus = load_corpus("book")
    assert (corpus.name, corpus.text, corpus.source) == ("book", TEXT, "book in CHAINRULE_DATA")


def test_a_known_name_is_held_to_its_hash_there(data_folder: Path) -> None:
    (data_folder / "book.txt").write_bytes(DATA + b" ")
    with pytest.raises(InputError) as caught:
        load_corpus("book")
    expected, found = (hashlib.sha256(data).hexdigest() for data in (DATA, DATA + b" "))
    path = data_folder / "book.txt"
    assert str(caught.value) == f"{path}: expected SHA-256 {expected} for book, got {found}"


@pytest.mark.parametrize(("ending", "pack"), [(".gz", gzip.compress), (".xz", lzma.compress)])
def test_a_known_text_may_be_packed_there(
    data_folder: Path, ending: str, pack: Callable[[bytes], bytes]
) -> None:
    (data_folder / f"book.txt{ending}").write_bytes(pack(DATA))
    assert load_corpus("book").text == TEXT


def test_another_name_resolves_there_too(data_folder: Path) -> None:
    (data_folder / "mine.txt").write_bytes(DATA)
    assert load_corpus("mine").text == load_corpus("mine.txt").text == TEXT
    (data_folder / "packed.txt.gz").write_bytes(gzip.compress(DATA))
    assert load_corpus("packed").text == TEXT
    (data_folder / "pydocs.txt").write_text("not the reference")
    assert load_corpus("pydocs").text == "not the reference"


def test_a_path_does_not_resolve_there(
    data_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (data_folder / "sub").mkdir()
    (data_folder / "sub" / "mine.txt").write_bytes(DATA)
    (tmp_path / "outside.txt").write_bytes(DATA)
    monkeypatch.chdir(data_folder / "sub")
    for name in ("sub/mine.txt", "../outside.txt"):
        with pytest.raises(InputError, match="found none"):
            load_corpus(name)


def test_what_the_folder_lacks_is_looked_for_elsewhere(data_folder: Path, tmp_path: Path) -> None:
    assert load_corpus("pydocs").text.startswith(load_corpus("pydocs").text[:100])
    with pytest.raises(AssertionError, match="nothing was to be downloaded"):
        load_corpus("book")
    (tmp_path / "here.txt").write_bytes(DATA)
    assert load_corpus(str(tmp_path / "here.txt")).text == TEXT


def test_the_shared_copies_are_those_that_are_downloaded(
    shared_data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CHAINRULE_DATA", str(shared_data))
    monkeypatch.setattr(corpora, "fetch", unwanted)
    assert [known.name for known in DOWNLOADS] == ["timemachine", "tinyshakespeare"]
    assert load_corpus("timemachine").text.startswith("The Time Machine, by H. G. Wells")
    assert len(load_corpus("tinyshakespeare").text) == 1_115_394


# files, folders, standard input


def test_a_file_is_its_text_with_every_line_end_as_it_stands(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_bytes(DATA)
    corpus = load_corpus(str(tmp_path / "mine.txt"))
    assert (corpus.name, corpus.text, corpus.source) == ("mine.txt", TEXT, str(tmp_path / "mine.txt"))
    assert "\r\n" in corpus.text


def test_a_byte_order_mark_is_no_text(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_bytes(b"\xef\xbb\xbf" + DATA + b"\xef\xbb\xbf")
    assert read_text(tmp_path / "mine.txt") == TEXT + "\ufeff"


@pytest.mark.parametrize(("ending", "pack"), [(".gz", gzip.compress), (".xz", lzma.compress)])
def test_packed_files_are_unpacked_by_their_ending(
    tmp_path: Path, ending: str, pack: Callable[[bytes], bytes]
) -> None:
    (tmp_path / f"mine.txt{ending}").write_bytes(pack(DATA))
    assert load_corpus(str(tmp_path / f"mine.txt{ending}")).text == TEXT


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("cut.gz", gzip.compress(DATA)[:-9]),
        ("cut.xz", lzma.compress(DATA)[:-9]),
        ("head.gz", gzip.compress(DATA)[:5]),
        ("head.xz", lzma.compress(DATA)[:5]),
        ("plain.gz", DATA),
        ("plain.xz", DATA),
        ("more.gz", gzip.compress(DATA) + b"more"),
    ],
)
def test_a_broken_archive_is_said(tmp_path: Path, name: str, data: bytes) -> None:
    (tmp_path / name).write_bytes(data)
    with pytest.raises(InputError) as caught:
        load_corpus(str(tmp_path / name))
    assert f"{name}: expected a whole {name[-3:]} file: " in str(caught.value)


@pytest.mark.parametrize(("ending", "pack"), [(".gz", gzip.compress), (".xz", lzma.compress)])
def test_a_flipped_bit_in_an_archive_is_found(
    tmp_path: Path, ending: str, pack: Callable[[bytes], bytes]
) -> None:
    data, path = pack(DATA), tmp_path / f"mine{ending}"
    refused = 0
    for at in range(len(data)):
        path.write_bytes(data[:at] + bytes([data[at] ^ 1 << at % 8]) + data[at + 1 :])
        try:
            assert read_text(path) == TEXT, f"byte {at}"
        except InputError:
            refused += 1
    assert refused >= len(data) - 8  # the date in a gzip file and the like say nothing about the text


@pytest.mark.parametrize(
    ("data", "byte", "offset"),
    [
        (b"caf\xe9 noir", "e9", 3),
        (b"\xff\xfea\0", "ff", 0),
        ("红楼".encode()[:-1], "e6", 3),
        (b"a\xed\xa0\x80", "ed", 1),
    ],
)
def test_what_is_not_utf8_is_said_with_its_place(tmp_path: Path, data: bytes, byte: str, offset: int) -> None:
    path = tmp_path / "mine.txt"
    path.write_bytes(data)
    with pytest.raises(InputError) as caught:
        load_corpus(str(path))
    assert str(caught.value).startswith(f"{path}: expected UTF-8, got byte 0x{byte} at offset {offset}; ")
    assert "--errors replace" in str(caught.value)
    assert load_corpus(str(path), errors="replace").text == data.decode("utf-8", "replace")
    assert "\ufffd" in load_corpus(str(path), errors="replace").text


@given(st.binary(max_size=20))
def test_any_bytes_are_a_text_or_a_sentence(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "any.txt"
    path.write_bytes(data)
    try:
        text = read_text(path)
    except InputError as error:
        offset = int(str(error).split("at offset ")[1].split(";")[0])
        data[:offset].decode()  # all before it is good
        with pytest.raises(UnicodeDecodeError):
            data.decode()
    else:
        assert text == data.decode().removeprefix("\ufeff")


def test_another_way_with_errors_is_refused(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_bytes(DATA)
    with pytest.raises(InputError, match="errors: expected strict or replace, got 'ignore'"):
        read_text(tmp_path / "mine.txt", "ignore")


@pytest.mark.parametrize(
    ("data", "found"),
    [(b"", "an empty one"), (b" \r\n\t\n", "only white space"), (b"\xef\xbb\xbf", "an empty")],
)
def test_a_file_of_nothing_is_refused(tmp_path: Path, data: bytes, found: str) -> None:
    (tmp_path / "mine.txt").write_bytes(data)
    with pytest.raises(InputError, match=f"mine.txt: expected a text, got {found}"):
        load_corpus(str(tmp_path / "mine.txt"))


def test_a_path_that_is_not_there_lists_the_names() -> None:
    with pytest.raises(InputError) as caught:
        load_corpus("nowhere.txt")
    names = "pydocs, timemachine, tinyshakespeare"
    assert str(caught.value) == (
        f"corpus 'nowhere.txt': expected a file, a folder, - or one of {names}; found none"
    )


def test_a_text_in_place_of_a_path_is_refused_like_a_path() -> None:
    with pytest.raises(InputError, match="expected a file, a folder"):
        load_corpus("It was the best of times, it was the worst of times. " * 10)


def test_no_name_is_not_the_folder_where_one_stands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "private.txt").write_bytes(DATA)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError):
        load_corpus("")
    assert load_corpus(".").text == TEXT


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Texts and what is none."""
    folder = tmp_path / "texts"
    (folder / "b" / ".git").mkdir(parents=True)
    (folder / "c.txt").write_text("third")
    (folder / "a.md").write_bytes(b"\xef\xbb\xbffirst")
    (folder / "b" / "two.txt.gz").write_bytes(gzip.compress(b"second"))
    (folder / ".hidden.txt").write_text("hidden")
    (folder / "b" / ".git" / "config.txt").write_text("hidden too")
    (folder / "picture.png").write_bytes(b"\x89PNG\r\n\x1a\n\0\0")
    (folder / "model.tar.gz").write_bytes(gzip.compress(b"\0"))
    return folder


def test_a_folder_is_all_its_texts_in_order(folder: Path) -> None:
    corpus = load_corpus(str(folder))
    assert corpus.text == "first\nsecond\nthird"
    assert corpus.name == "texts"
    assert corpus.source == f"3 files below {folder}"


def test_a_folder_in_a_hidden_folder_is_not_hidden(folder: Path) -> None:
    assert load_corpus(str(folder / "b" / ".git")).text == "hidden too"


def test_a_bad_file_in_a_folder_is_named(folder: Path) -> None:
    (folder / "b" / "bad.txt").write_bytes(b"caf\xe9")
    with pytest.raises(InputError, match=r"bad\.txt: expected UTF-8, got byte 0xe9 at offset 3"):
        load_corpus(str(folder))
    assert "caf\ufffd" in load_corpus(str(folder), errors="replace").text


def test_a_file_in_a_folder_that_may_not_be_read_is_named(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(path: Path, *args: Any, **options: Any) -> Any:
        raise PermissionError(13, "Permission denied", str(path))  # root may read anything: said by hand

    monkeypatch.setattr(Path, "open", refused)
    monkeypatch.setattr(Path, "read_bytes", refused)
    with pytest.raises(InputError, match=r"a\.md: cannot be read: Permission denied"):
        load_corpus(str(folder))


def test_a_folder_without_text_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="expected a folder with text files in it, found none"):
        load_corpus(str(tmp_path))
    (tmp_path / "picture.png").write_bytes(b"\x89PNG\0")
    with pytest.raises(InputError, match="expected a folder with text files in it, found none"):
        load_corpus(str(tmp_path))
    (tmp_path / "empty.txt").write_bytes(b"")
    with pytest.raises(InputError, match="expected a text, got an empty one"):
        load_corpus(str(tmp_path))


def piped(monkeypatch: pytest.MonkeyPatch, data: bytes) -> None:
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(data)))


def test_a_dash_is_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    piped(monkeypatch, b"\xef\xbb\xbf" + DATA)
    corpus = load_corpus("-")
    assert (corpus.name, corpus.text) == ("standard input", TEXT)


def test_standard_input_is_checked_like_a_file(monkeypatch: pytest.MonkeyPatch) -> None:
    piped(monkeypatch, b"caf\xe9")
    with pytest.raises(InputError, match="expected UTF-8, got byte 0xe9 at offset 3"):
        load_corpus("-")
    piped(monkeypatch, b"caf\xe9")
    assert load_corpus("-", errors="replace").text == "caf\ufffd"
    piped(monkeypatch, b"\n")
    with pytest.raises(InputError, match="standard input: expected a text, got only white space"):
        load_corpus("-")


# the embedded reference


def test_pydocs_needs_no_network_and_is_the_same_every_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(corpora, "fetch", unwanted)
    monkeypatch.setattr(socket, "socket", unwanted)
    corpus = load_corpus("pydocs")
    assert corpus == load_corpus("pydocs")
    assert len(corpus.text) > 200_000
    assert "comprehension" in corpus.text
    assert corpus.source.endswith("Python " + ".".join(map(str, sys.version_info[:3])))


def test_pydocs_does_not_depend_on_the_order_of_its_source(monkeypatch: pytest.MonkeyPatch) -> None:
    import pydoc_data.topics

    text = load_corpus("pydocs").text
    turned = dict(reversed(pydoc_data.topics.topics.items()))
    monkeypatch.setattr(pydoc_data.topics, "topics", turned)
    assert load_corpus("pydocs").text == text


def test_no_paragraph_of_pydocs_stands_twice() -> None:
    paragraphs = load_corpus("pydocs").text.removesuffix("\n").split("\n\n")
    assert len(paragraphs) > 2000
    assert len(set(paragraphs)) == len(paragraphs)
