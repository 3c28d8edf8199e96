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
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import MappingProxyType
from typing import IO, Any, cast

import numpy as np

from chainrule.core import FileFormatError, InputError, RunError

FORMAT = 2
KEY = "chainrule"
ALIGNED = 64  # bytes: arrays begin at a multiple of it, counted from the start of the file
WIDEST = 8  # bytes: of a number
LONGEST = 100_000_000  # bytes of a layout: the safetensors library reads no more
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
    contents have digests of their own, which only `verify` checks. A name is of one of the two.
    """
    if arrays.keys() & tables.keys() or "__metadata__" in {*arrays, *tables}:
        raise ValueError("expected every array under a name of its own, and none as __metadata__")
    solid = {name: _plain(array) for name, array in (*arrays.items(), *tables.items())}
    text = json.dumps(header, sort_keys=True)
    with ThreadPoolExecutor(2) as pool:  # hashing lets go of the interpreter
        order = sorted(tables)
        digests = dict(zip(order, pool.map(_content_digest, (solid[name] for name in order)), strict=True))
    sha256 = _digest(text, solid, digests)
    wrapped = {"format": FORMAT, "header": text, "sha256": sha256, "tables": digests}
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
    if len(head) > LONGEST:
        raise RunError(f"{path}: expected at most {LONGEST} bytes of header, got {len(head)}")
    with written_aside(path) as file:
        file.write(struct.pack("<Q", len(head)))
        file.write(head)
        for name in names:
            file.write(_bytes(solid[name]))


def read_arrays(path: Path) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """The arrays and the header of a file that `write_arrays` wrote; arrays are read-only views of the file.

    All but the contents of tables is checked. The views outlive a file that another is renamed over, not one
    that is written to in place. Raises FileFormatError when it is foreign, damaged, or of another format;
    InputError when not there.
    """
    return _opened(path)[:2]


def verify(path: Path) -> None:
    """Read all of a file; raises FileFormatError that names the table whose contents were changed."""
    arrays, _, tables = _opened(path)
    for name, digest in tables.items():
        if _content_digest(arrays[name]) != digest:
            raise FileFormatError(f"{path}: the file is damaged: {name} does not match its checksum")


def _opened(path: Path) -> tuple[dict[str, np.ndarray], dict[str, Any], dict[str, str]]:
    """The arrays, the header, and the digests of the tables, which are still to be checked."""
    data = _mapped(path)
    layout, wrapped, start = _head(path, data)
    try:
        arrays = {
            name: np.ndarray(shape, kind, data, start + begin)
            for name, kind, shape, begin in _places(layout, start, len(data))
        }
        text, tables = cast(str, wrapped["header"]), cast(dict[str, str], wrapped["tables"])
        intact = _digest(text, arrays, tables) == wrapped["sha256"] and tables.keys() <= arrays.keys()
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError) as error:
        raise FileFormatError(f"{path}: the file is damaged or cut short ({error})") from error
    header = _json_object(text) if intact else None
    if header is None:
        raise FileFormatError(f"{path}: the file is damaged: its contents do not match their checksum")
    return arrays, header, tables


def _mapped(path: Path) -> Any:
    """The bytes of a file, which are read when they are looked at; of a pipe, which has no size, at once."""
    try:
        with path.open("rb") as file:
            sized = os.fstat(file.fileno()).st_size
            return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) if sized else file.read()
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: cannot be read: {getattr(error, 'strerror', None) or error}") from error


def _places(
    layout: dict[str, Any], start: int, end: int
) -> list[tuple[str, np.dtype[Any], tuple[int, ...], int]]:
    """Name, type, shape and offset of every array; raises ValueError unless they fill the bytes from start to
    end without a gap. The numbers may be any that JSON can spell."""
    if start % WIDEST:
        raise ValueError(f"expected the arrays at a multiple of {WIDEST} bytes, got {start}")
    found: list[tuple[int, int, str, np.dtype[Any], tuple[int, ...]]] = []
    for name, entry in layout.items():
        if name == "__metadata__":
            continue
        (begin, stop), shape, kind = (
            entry["data_offsets"],
            tuple(entry["shape"]),
            np.dtype(TYPES[entry["dtype"]]),
        )
        # few and small enough that their product is soon known
        if len(shape) > 64 or not all(type(n) is int and 0 <= n < 1 << 63 for n in (begin, stop, *shape)):
            raise ValueError(f"{name!r}: expected whole numbers for its place")
        size = math.prod(shape) * kind.itemsize
        if size != stop - begin:
            raise ValueError(f"{name!r}: expected {size} bytes, got {stop - begin}")
        if begin % kind.itemsize:
            raise ValueError(f"{name!r}: expected it at a multiple of {kind.itemsize} bytes, got {begin}")
        found.append((begin, stop, name, kind, shape))
    at = 0
    for begin, stop, name, *_ in sorted(found, key=lambda place: place[:2]):
        if begin != at:
            raise ValueError(f"{name!r}: expected it at {at}, got {begin}")
        at = stop
    if at != end - start:
        raise ValueError(f"expected {at} bytes of arrays, got {end - start}")
    return [(name, kind, shape, begin) for begin, _, name, kind, shape in found]


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
    readable = length <= LONGEST and data[8:9] == b"{"  # else it may be gigabytes of another kind of file
    layout = _json_object(data[8 : 8 + length]) if readable else None
    if layout is None:
        raise FileFormatError(f"{expected}, got something else, or a damaged file")
    metadata: Any = layout.get("__metadata__")
    wrapped = _json_object(metadata.get(KEY, "")) if isinstance(metadata, dict) else None
    if wrapped is None:
        raise FileFormatError(f"{expected}, got a safetensors file of another program, or a damaged file")
    if wrapped.get("format") != FORMAT:
        raise FileFormatError(
            f"{path}: expected file format {FORMAT}, got {wrapped.get('format')!r:.40}: "
            f"made by another version of chainrule"
        )
    return layout, wrapped, 8 + length


def _json_object(text: str | bytes) -> dict[str, Any] | None:
    try:
        value: Any = json.loads(
            str(text, "utf-8") if isinstance(text, bytes) else text, object_pairs_hook=_once
        )
    except (ValueError, RecursionError, TypeError):
        return None
    return cast(dict[str, Any], value) if isinstance(value, dict) else None


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """The dictionary of a JSON object; raises ValueError for a name that stands twice."""
    named = dict(pairs)
    if len(named) != len(pairs):
        raise ValueError("expected every name once")
    return named


def _plain(array: np.ndarray) -> np.ndarray:
    """The array in C order and little-endian, as safetensors stores it."""
    return np.asarray(array, dtype=array.dtype.newbyteorder("<"), order="C")


def _bytes(array: np.ndarray) -> memoryview | bytes:
    """What an array in C order holds, where it stands."""
    return array.data if array.size else b""


def _digest(header: str, arrays: Arrays, tables: Mapping[str, str]) -> str:
    """Of the header, of what all arrays are, and of what they hold: of tables, by the digests given."""
    digest = hashlib.sha256(header.encode())
    for name in sorted(arrays):
        array = arrays[name]
        digest.update(f"\0{name}\0{array.dtype.str}\0{array.shape}\0".encode())
        digest.update(f"table {tables[name]}".encode() if name in tables else _bytes(array))
    return digest.hexdigest()


def _content_digest(array: np.ndarray) -> str:
    return hashlib.sha256(_bytes(array)).hexdigest()
