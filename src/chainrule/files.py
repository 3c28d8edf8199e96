"""One file holds arrays and a header: safetensors, checked by digests, written aside and then renamed.

    length of the layout | layout: JSON {name: type, shape, place} and our metadata | the arrays, one by one

The metadata is JSON under one key: format, header and digests. A flipped bit is found on reading, or, in a
table that is mapped into memory so that a file of any size opens at once, by `verify`. Nothing is executed.
"""

import contextlib
import hashlib
import json
import math
import mmap
import os
import struct
import tempfile
from collections.abc import Generator, Mapping
from collections.abc import Set as AbstractSet
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import MappingProxyType
from typing import IO, Any, cast

import numpy as np

from chainrule.core import FileFormatError, InputError, RunError

FORMAT = 2
KEY = "chainrule"
ALIGNED = 64  # bytes: where arrays begin, counted from the first of them
DTYPES = {
    "|b1": "BOOL", "|u1": "U8", "|i1": "I8", "<u2": "U16", "<i2": "I16", "<f2": "F16", "<u4": "U32",
    "<i4": "I32", "<f4": "F32", "<u8": "U64", "<i8": "I64", "<f8": "F64",
}  # fmt: skip
TYPES = {name: code for code, name in DTYPES.items()}
Arrays = Mapping[str, np.ndarray]
KNOWN_FOREIGN = {
    b"PK\x03\x04": "a zip archive",
    b"\x1f\x8b": "a gzip file",
    b"\xfd7zXZ": "an xz file",
    b"\x89PNG": "a picture",
    b"%PDF": "a PDF",
}


def check_output(path: Path, *, force: bool) -> Path:
    """`path`, if a file can be written there: said before the work is done, not after.

    Raises InputError when it exists (and not `force`), is a folder, or its folder does not exist.
    """
    try:
        exists = path.exists()
    except OSError as error:
        raise InputError(f"{path}: cannot be written: {error.strerror}") from error
    if exists and not path.is_file():  # to rename over a device would be the end of it
        raise InputError(
            f"{path}: expected a file to write, got {'a folder' if path.is_dir() else 'a device'}"
        )
    if exists and not force:
        raise InputError(f"{path}: exists already; --force overwrites it")
    if not path.parent.is_dir():
        raise InputError(f"{path}: the folder {path.parent} does not exist")
    if not os.access(path.parent, os.W_OK):
        raise InputError(f"{path}: the folder {path.parent} cannot be written to")
    return path


@contextlib.contextmanager
def written_aside(path: Path) -> Generator[IO[bytes]]:
    """A file under a temporary name in the same folder that takes its name once it is whole and on disk.

    Raises RunError when the disk refuses; what stood at `path` before then still stands.
    """
    temporary: str | None = None
    try:
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name[:40]}.", suffix=".part")
        with os.fdopen(handle, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        umask = os.umask(0)
        os.umask(umask)
        os.chmod(temporary, 0o666 & ~umask)
        os.replace(temporary, path)
        temporary = None
    except OSError as error:
        raise RunError(f"{path}: cannot be written: {error.strerror or error}") from error
    finally:
        if temporary is not None:
            with contextlib.suppress(OSError):
                os.unlink(temporary)


def write_text(path: Path, text: str) -> None:
    """`text` as UTF-8, whole or not at all."""
    with written_aside(path) as file:
        file.write(text.encode("utf-8", "replace"))


def write_arrays(
    path: Path, arrays: Arrays, header: Mapping[str, Any], tables: Arrays = MappingProxyType({})
) -> None:
    """One safetensors file of `arrays` and `tables` with `header` (anything that JSON can hold).

    tables: large arrays that are mapped into memory on reading, and not read before they are looked at; their
    contents have digests of their own, which only `verify` checks.
    """
    solid = {name: _plain(array) for name, array in (*arrays.items(), *tables.items())}
    text = json.dumps(header, sort_keys=True)
    with ThreadPoolExecutor(2) as pool:  # hashing lets go of the interpreter
        digests = pool.map(_content_digest, (solid[name] for name in tables))
        wrapped = {
            "format": FORMAT,
            "header": text,
            "sha256": _digest(text, solid, set(tables)),
            "tables": dict(zip(tables, digests, strict=True)),
        }
    # the widest types first, so that every array stands at a multiple of its width
    names = sorted(solid, key=lambda name: (-solid[name].dtype.itemsize, name))
    layout: dict[str, Any] = {"__metadata__": {KEY: json.dumps(wrapped)}}
    end = 0
    for name in names:
        array = solid[name]
        begin, end = end, end + array.nbytes
        layout[name] = {"dtype": DTYPES[array.dtype.str], "shape": array.shape, "data_offsets": [begin, end]}
    head = json.dumps(layout).encode()
    head += b" " * (-(8 + len(head)) % ALIGNED)
    with written_aside(path) as file:
        file.write(struct.pack("<Q", len(head)))
        file.write(head)
        for name in names:
            file.write(solid[name].data if solid[name].size else b"")


def read_arrays(path: Path) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """The arrays and the header of a file that `write_arrays` wrote; tables are mapped, not read.

    Raises FileFormatError when it is foreign, damaged, or of another format; InputError when not there.
    """
    arrays, wrapped = _mapped(path)
    try:
        text, tables = cast(str, wrapped["header"]), cast(dict[str, str], wrapped["tables"])
        intact = _digest(text, arrays, set(tables)) == wrapped["sha256"] and tables.keys() <= arrays.keys()
        header: Any = json.loads(text) if intact else None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise FileFormatError(f"{path}: the file is damaged or cut short ({error})") from error
    if not isinstance(header, dict):
        raise FileFormatError(f"{path}: the file is damaged: its contents do not match their checksum")
    return arrays, cast(dict[str, Any], header)


def verify(path: Path) -> None:
    """Read all of a file; raises FileFormatError that names the table whose contents were changed."""
    arrays, _ = read_arrays(path)
    for name, digest in cast(dict[str, str], _mapped(path)[1]["tables"]).items():
        if _content_digest(arrays[name]) != digest:
            raise FileFormatError(f"{path}: the file is damaged: {name} does not match its checksum")


def _mapped(path: Path) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """All arrays as views of the file, and what its metadata say."""
    try:
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            data: Any = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) if size else b""
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: cannot be read: {getattr(error, 'strerror', None) or error}") from error
    layout, wrapped, start = _head(path, data)
    try:
        return {
            name: _view(data, start, *place) for name, place in _places(layout, len(data) - start)
        }, wrapped
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError) as error:
        raise FileFormatError(f"{path}: the file is damaged or cut short ({error})") from error


def _places(layout: dict[str, Any], size: int) -> list[tuple[str, tuple[np.dtype[Any], list[int], int]]]:
    """Name, type, shape and offset of every array; raises ValueError unless they fill `size` bytes."""
    found: list[tuple[int, int, str, np.dtype[Any], list[int]]] = []
    for name, entry in layout.items():
        if name == "__metadata__":
            continue
        (begin, end), shape, kind = entry["data_offsets"], entry["shape"], np.dtype(TYPES[entry["dtype"]])
        if not all(type(n) is int and n >= 0 for n in (begin, end, *shape)):
            raise ValueError(f"{name}: expected whole numbers for its place")
        if math.prod(shape) * kind.itemsize != end - begin or begin % kind.itemsize:
            raise ValueError(f"{name}: expected {math.prod(shape) * kind.itemsize} bytes, got {end - begin}")
        found.append((begin, end, name, kind, shape))
    at = 0
    for begin, end, name, *_ in sorted(found, key=lambda place: place[:2]):
        if begin != at:
            raise ValueError(f"{name}: expected it at {at}, got {begin}")
        at = end
    if at != size:
        raise ValueError(f"expected {at} bytes of arrays, got {size}")
    return [(name, (kind, shape, begin)) for begin, _, name, kind, shape in found]


def _view(data: Any, start: int, kind: np.dtype[Any], shape: list[int], begin: int) -> np.ndarray:
    if not math.prod(shape):
        return np.zeros(shape, kind)
    return np.frombuffer(data, kind, math.prod(shape), start + begin).reshape(shape)


def _head(path: Path, data: Any) -> tuple[dict[str, Any], dict[str, Any], int]:
    """Where the arrays are, what the metadata say (format, header, checksums), and where the arrays begin.
    Says what the file is where it is not ours."""
    expected = f"{path}: expected a chainrule model file"
    foreign = next((kind for magic, kind in KNOWN_FOREIGN.items() if data[: len(magic)] == magic), None)
    if foreign:
        raise FileFormatError(f"{expected}, got {foreign}")
    if len(data) < 8:
        raise FileFormatError(f"{expected}, got {len(data)} bytes")
    (length,) = struct.unpack("<Q", data[:8])
    if length > len(data) - 8:
        raise FileFormatError(f"{expected}, got something else, or a file that was cut short")
    layout = _json_object(data[8 : 8 + length])
    if layout is None:
        raise FileFormatError(f"{expected}, got something else, or a damaged file")
    metadata: Any = layout.get("__metadata__")
    wrapped = _json_object(metadata.get(KEY, "")) if isinstance(metadata, dict) else None
    if wrapped is None:
        raise FileFormatError(f"{expected}, got a safetensors file of another program, or a damaged file")
    if wrapped.get("format") != FORMAT:
        raise FileFormatError(
            f"{path}: expected file format {FORMAT}, got {wrapped.get('format')!r}: "
            f"made by another version of chainrule"
        )
    return layout, wrapped, 8 + length


def _json_object(text: str | bytes) -> dict[str, Any] | None:
    try:
        value: Any = json.loads(text)
    except (ValueError, RecursionError, TypeError):
        return None
    return cast(dict[str, Any], value) if isinstance(value, dict) else None


def _plain(array: np.ndarray) -> np.ndarray:
    """The array in C order and little-endian, as safetensors stores it."""
    return np.asarray(array, dtype=array.dtype.newbyteorder("<"), order="C")


def _digest(header: str, arrays: Arrays, tables: AbstractSet[str]) -> str:
    """Of the header, of what all arrays are, and of what those hold that are no tables."""
    digest = hashlib.sha256(header.encode())
    for name in sorted(arrays):
        array = arrays[name]
        digest.update(f"\0{name}\0{array.dtype.str}\0{array.shape}\0".encode())
        digest.update(b"table" if name in tables else array.tobytes())
    return digest.hexdigest()


def _content_digest(array: np.ndarray) -> str:
    return hashlib.sha256(array.data if array.size else b"").hexdigest()
