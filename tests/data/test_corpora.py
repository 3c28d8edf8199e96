"""Texts by name or by path: what comes is checked, and what cannot be read is said."""

import gzip
import hashlib
import io
import lzma
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chainrule.core import InputError
from chainrule.data import corpora
from chainrule.data.corpora import DOWNLOADS, Known, load_corpus, read_text

TEXT = "It was a fine morning.\r\nThe 红楼梦 é\n"
DATA = TEXT.encode()


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
        ("cut.gz", gzip.compress(DATA, mtime=0)[:-9]),
        ("cut.xz", lzma.compress(DATA)[:-9]),
        ("head.gz", gzip.compress(DATA, mtime=0)[:5]),
        ("head.xz", lzma.compress(DATA)[:5]),
        ("plain.gz", DATA),
        ("plain.xz", DATA),
        ("more.gz", gzip.compress(DATA, mtime=0) + b"more"),
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


@pytest.mark.parametrize("looked_up", [False, True])
def test_a_text_in_place_of_a_path_is_refused_like_a_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, looked_up: bool
) -> None:
    if looked_up:
        monkeypatch.setenv("CHAINRULE_DATA", str(tmp_path))
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
