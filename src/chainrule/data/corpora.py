"""Texts by name or by path: embedded, downloaded once and checked, or whatever the user has.

A name is looked up in the folder CHAINRULE_DATA first, if that is set, then among the known corpora; the
rest are files, folders and `-` for standard input. A name with a known SHA-256 is held to it wherever it
comes from.
"""

import gzip
import hashlib
import lzma
import os
import sys
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import platformdirs

from chainrule.core import InputError, RunError


@dataclass(frozen=True)
class Known:
    """A corpus that the package knows by name. url: where from, empty when it is embedded."""

    name: str
    title: str
    url: str = ""
    sha256: str = ""
    terms: str = "public domain"


@dataclass(frozen=True)
class Corpus:
    """A text, what to call it, and where it came from in words for a report."""

    name: str
    text: str
    source: str


PYDOCS = Known("pydocs", "The Python language reference, as it ships inside Python", terms="PSF license")
DOWNLOADS = (
    Known(
        "timemachine",
        "H. G. Wells, The Time Machine (the copy of the book d2l.ai)",
        "https://d2l-data.s3-accelerate.amazonaws.com/timemachine.txt",
        "8424dbd9532ac81f7e5f0b6add90e6952baea29158309d7d1bf3884f4e12c516",
    ),
    Known(
        "tinyshakespeare",
        "Tiny Shakespeare (char-rnn)",
        "https://raw.githubusercontent.com/karpathy/char-rnn/master/data/tinyshakespeare/input.txt",
        "86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed",
    ),
)
KNOWN = (PYDOCS, *DOWNLOADS)


def load_corpus(name: str, *, errors: str = "strict", progress: Any = False) -> Corpus:
    """The corpus of that name, file, folder, or standard input for `-`.

    errors: `strict` or `replace`, what to do with bytes that are not UTF-8. progress: what pooch takes as
    a progress bar for a download (an object with `total`, `update`, `reset`, `close`).
    Raises InputError for what is no text, RunError when a download fails.
    """
    if name == "-":
        return _checked(Corpus("standard input", _decoded(sys.stdin.buffer.read(), "-", errors), "-"))
    known = next((corpus for corpus in KNOWN if corpus.name == name), None)
    folder = os.environ.get("CHAINRULE_DATA")
    own_file = bool(Path(name).suffix) and os.path.exists(name)  # text.txt means the one that is here
    if folder and not own_file and (found := _in_folder(Path(folder), name)):
        if known and known.sha256:
            _check_hash(found, known)
        return _checked(Corpus(name, read_text(found, errors), f"{name} in CHAINRULE_DATA"))
    if known is PYDOCS:
        return _pydocs()
    if known is not None:
        path = fetch(known, cache_folder(), progress=progress)
        return _checked(Corpus(name, read_text(path, errors), known.title))
    path = Path(name)
    if name and os.path.isdir(name):  # which, unlike Path.is_dir, answers for a name that is too long
        return _checked(_folder(path, errors))
    if not (name and os.path.exists(name)):
        names = ", ".join(corpus.name for corpus in KNOWN)
        raise InputError(f"corpus {name[:80]!r}: expected a file, a folder, - or one of {names}; found none")
    return _checked(Corpus(path.name, read_text(path, errors), str(path)))


def cache_folder() -> Path:
    """Where downloads are kept."""
    return Path(platformdirs.user_cache_dir("chainrule"))


def is_here(known: Known) -> bool:
    """Whether the corpus can be read without a download."""
    folder = os.environ.get("CHAINRULE_DATA")
    found = folder and _in_folder(Path(folder), known.name)
    return not known.url or bool(found) or (cache_folder() / f"{known.name}.txt").exists()


def read_text(path: Path, errors: str = "strict") -> str:
    """A UTF-8 file as text, every line end as it stands; `.gz` and `.xz` are unpacked.

    Raises InputError when it cannot be read or unpacked, or names the first byte that is not UTF-8.
    """
    return _decoded(_unpacked(path), str(path), errors)


def _unpacked(path: Path) -> bytes:
    try:
        data = path.read_bytes()
        match path.suffix:
            case ".gz":
                return gzip.decompress(data)
            case ".xz":
                return lzma.decompress(data)
            case _:
                return data
    except (EOFError, zlib.error, lzma.LZMAError, gzip.BadGzipFile) as error:
        raise InputError(f"{path}: expected a whole {path.suffix} file: {error}") from error
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror or error}") from error


def fetch(known: Known, folder: Path, *, progress: Any = False) -> Path:
    """The file of a known corpus in `folder`, downloaded when it is not there yet, checked either way.

    Raises RunError when it cannot be had whole and unchanged; then no file is left behind.
    """
    import pooch
    import requests

    path = folder / f"{known.name}.txt"
    downloader: Any = pooch.HTTPDownloader(progressbar=progress, timeout=30)
    pooch.get_logger().setLevel("ERROR")
    try:
        pooch.retrieve(
            known.url, f"sha256:{known.sha256}", fname=path.name, path=folder, downloader=downloader
        )
    except requests.HTTPError as error:
        answer = error if error.response is None else error.response.status_code
        raise RunError(f"corpus {known.name}: {known.url} answered {answer}") from error
    except requests.exceptions.ConnectionError as error:
        hint = f"; without a network, put {path.name} into a folder and set CHAINRULE_DATA to it"
        raise RunError(f"corpus {known.name}: {known.url} cannot be reached{hint}") from error
    except requests.RequestException as error:
        raise RunError(f"corpus {known.name}: the download from {known.url} broke off: {error}") from error
    except ValueError as error:
        raise RunError(
            f"corpus {known.name}: expected SHA-256 {known.sha256} from {known.url}, got another file"
        ) from error
    except OSError as error:
        raise RunError(
            f"corpus {known.name}: {folder} cannot be written: {error.strerror or error}"
        ) from error
    return path


def _pydocs() -> Corpus:
    """The reference's pages in order of their names, each paragraph once: pages quote one another, and a
    paragraph seen in training would be no held-out text."""
    from pydoc_data.topics import topics

    seen: dict[str, None] = {}
    for name in sorted(topics):
        for paragraph in topics[name].split("\n\n"):
            seen.setdefault(paragraph.strip("\n"), None)
    version = ".".join(map(str, sys.version_info[:3]))
    return Corpus("pydocs", "\n\n".join(seen) + "\n", f"{PYDOCS.title} {version}")


def _in_folder(folder: Path, name: str) -> Path | None:
    if Path(name).name != name:
        return None
    candidates = (folder / name, folder / f"{name}.txt", folder / f"{name}.txt.gz", folder / f"{name}.txt.xz")
    return next((path for path in candidates if os.path.isfile(path)), None)


def _check_hash(path: Path, known: Known) -> None:
    found = hashlib.sha256(_unpacked(path)).hexdigest()
    if found != known.sha256:
        raise InputError(f"{path}: expected SHA-256 {known.sha256} for {known.name}, got {found}")


def _folder(folder: Path, errors: str) -> Corpus:
    """All texts below a folder, in order of their paths; hidden files and files with NUL bytes are none."""
    texts: list[str] = []
    for path in sorted(folder.rglob("*")):
        hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
        if path.is_file() and not hidden and not _is_binary(path):
            texts.append(read_text(path, errors))
    if not texts:
        raise InputError(f"{folder}: expected a folder with text files in it, found none")
    return Corpus(folder.name or str(folder), "\n".join(texts), f"{len(texts)} files below {folder}")


def _is_binary(path: Path) -> bool:
    if path.suffix in (".gz", ".xz"):
        return path.with_suffix("").suffix in (".tar", ".zip")  # what else is packed may well be a text
    try:
        with path.open("rb") as file:
            return b"\0" in file.read(8192)
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror or error}") from error


def _decoded(data: bytes, name: str, errors: str) -> str:
    if errors not in ("strict", "replace"):
        raise InputError(f"errors: expected strict or replace, got {errors!r}")
    try:
        return data.decode("utf-8", errors).removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        raise InputError(
            f"{name}: expected UTF-8, got byte 0x{data[error.start]:02x} at offset {error.start}; "
            f"--errors replace puts U+FFFD in its place"
        ) from error


def _checked(corpus: Corpus) -> Corpus:
    if not corpus.text or corpus.text.isspace():
        found = "only white space" if corpus.text else "an empty one"
        raise InputError(f"{corpus.name}: expected a text, got {found}")
    return corpus
