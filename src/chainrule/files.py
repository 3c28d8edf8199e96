"""One file holds arrays and a header: safetensors, checked by a digest, written aside and then renamed.

The header is JSON under one metadata key; the digest covers it and every array's name, type, shape and
bytes, so that a flipped bit anywhere is found. Nothing is executed on reading.
"""

import contextlib
import hashlib
import json
import os
import struct
import tempfile
from collections.abc import Generator, Mapping
from pathlib import Path
from typing import IO, Any, cast

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load as parse_tensors
from safetensors.numpy import save as pack_tensors

from chainrule.core import FileFormatError, InputError, RunError

FORMAT = 1
KEY = "chainrule"
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


def write_arrays(path: Path, arrays: Arrays, header: Mapping[str, Any]) -> None:
    """One safetensors file of `arrays` with `header` (anything that JSON can hold)."""
    solid = {name: _plain(array) for name, array in arrays.items()}
    text = json.dumps(header, sort_keys=True)
    wrapped = {"format": FORMAT, "header": text, "sha256": _digest(text, solid)}
    metadata = {KEY: json.dumps(wrapped)}  # one key: safetensors writes several in no fixed order
    with written_aside(path) as file:
        file.write(pack_tensors(solid, metadata=metadata))


def read_arrays(path: Path) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """The arrays and the header of a file that `write_arrays` wrote.

    Raises FileFormatError when it is foreign, damaged, or of a newer format; InputError when not there.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror or error}") from error
    wrapped = _wrapped(path, data)
    try:
        arrays = parse_tensors(data)
        text = cast(str, wrapped["header"])
        intact = _digest(text, arrays) == wrapped["sha256"]
        header: Any = json.loads(text) if intact else None
    except (SafetensorError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise FileFormatError(f"{path}: the file is damaged or cut short ({error})") from error
    if not isinstance(header, dict):
        raise FileFormatError(f"{path}: the file is damaged: its contents do not match their checksum")
    return arrays, cast(dict[str, Any], header)


def _wrapped(path: Path, data: bytes) -> dict[str, Any]:
    """What stands in the metadata: format, header, checksum. Says what the file is where it is not ours."""
    expected = f"{path}: expected a chainrule model file"
    foreign = next((kind for magic, kind in KNOWN_FOREIGN.items() if data.startswith(magic)), None)
    if foreign:
        raise FileFormatError(f"{expected}, got {foreign}")
    if len(data) < 8:
        raise FileFormatError(f"{expected}, got {len(data)} bytes")
    (length,) = struct.unpack("<Q", data[:8])
    if length > len(data) - 8:
        raise FileFormatError(f"{expected}, got something else, or a file that was cut short")
    tensors = _json_object(data[8 : 8 + length])
    if tensors is None:
        raise FileFormatError(f"{expected}, got something else, or a damaged file")
    metadata: Any = tensors.get("__metadata__")
    wrapped = _json_object(metadata.get(KEY, "")) if isinstance(metadata, dict) else None
    if wrapped is None:
        raise FileFormatError(f"{expected}, got a safetensors file of another program, or a damaged file")
    if wrapped.get("format") != FORMAT:
        raise FileFormatError(
            f"{path}: expected file format {FORMAT}, got {wrapped.get('format')!r}: "
            f"made by another version of chainrule"
        )
    return wrapped


def _json_object(text: str | bytes) -> dict[str, Any] | None:
    try:
        value: Any = json.loads(text)
    except (ValueError, RecursionError, TypeError):
        return None
    return cast(dict[str, Any], value) if isinstance(value, dict) else None


def _plain(array: np.ndarray) -> np.ndarray:
    """The array in C order and little-endian, as safetensors stores it."""
    return np.asarray(array, dtype=array.dtype.newbyteorder("<"), order="C")


def _digest(header: str, arrays: Arrays) -> str:
    digest = hashlib.sha256(header.encode())
    for name in sorted(arrays):
        array = arrays[name]
        digest.update(f"\0{name}\0{array.dtype.str}\0{array.shape}\0".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()
