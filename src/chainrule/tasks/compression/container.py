"""A compressed file: a header, blocks that can be decoded one after the other, and an end that counts them.

    file    magic [4], format [1], coder [1], length of the details, details (JSON or nothing), check;
            then a stream, or two: the model's file and what it codes
    stream  blocks, each: kind [1], bytes it stands for, bytes it takes, payload, check
            and the end: 0 [1], bytes in all, their CRC-32 [4], check

Lengths are written in base 128, low digits first, the high bit on all but the last. A check is the CRC-32 of
all of the file before it but other checks: one that went over another would no longer depend on what was
before, as a message followed by its CRC always has the same one.
"""

import json
import struct
import zlib
from dataclasses import asdict, dataclass, fields
from typing import Any, NamedTuple, Protocol, cast, runtime_checkable

from chainrule.core import FileFormatError, RunError
from chainrule.files import KNOWN_FOREIGN

MAGIC = b"\x89CR\n"  # no text begins so, and a copy that changes line ends is found out
FORMAT = 1  # to be raised with every change of what a decoder computes
BYTES, MODEL = 1, 2  # coders
END, STORED, MIXED, TOKENS = 0, 1, 2, 3  # kinds of blocks
BLOCK = 1 << 16  # bytes that a block stands for, at most
LONGEST = 1 << 16  # bytes of details
LONGEST_WORD = 300  # of what is said in the details
EXPECTED = "expected a file that chainrule compress wrote"


@runtime_checkable
class Source(Protocol):
    """Anything that bytes come from: up to so many at once, none at its end."""

    def read(self, size: int, /) -> bytes: ...


@runtime_checkable
class Target(Protocol):
    """Anything that bytes can be written to."""

    def write(self, data: bytes, /) -> int: ...


@dataclass(frozen=True)
class Details:
    """Of a file that was coded by a model. model: its fingerprint. carried: whether its file comes first.
    online: whether it learned as it read. path and made_on: how, and on what, its numbers were computed."""

    chainrule: str
    model: str
    carried: bool
    online: bool
    tokenizer: str
    path: str
    made_on: str


@dataclass(frozen=True)
class Block:
    """kind, how many bytes it stands for, and what it takes to make them."""

    kind: int
    count: int
    payload: bytes


class End(NamedTuple):
    """How many bytes all blocks stand for, and their CRC-32."""

    total: int
    crc: int


class Writer:
    """Puts a compressed file together; `size`: bytes written."""

    def __init__(self, target: Target) -> None:
        self._target, self._crc, self.size = target, 0, 0

    def header(self, details: Details | None) -> None:
        """The beginning of a file that a model coded, or nobody did."""
        text = b"" if details is None else json.dumps(asdict(details)).encode()
        coder = BYTES if details is None else MODEL
        self._put(MAGIC + bytes([FORMAT, coder]) + varint(len(text)) + text)

    def block(self, block: Block) -> None:
        self._put(bytes([block.kind]) + varint(block.count) + varint(len(block.payload)) + block.payload)

    def end(self, end: End) -> None:
        self._put(bytes([END]) + varint(end.total) + struct.pack("<I", end.crc))

    def _put(self, data: bytes) -> None:
        """The bytes and a check."""
        self._crc = zlib.crc32(data, self._crc)
        self._target.write(data + struct.pack("<I", self._crc))
        self.size += len(data) + 4


class Reader:
    """Takes a compressed file apart, which may be anything; `size`: bytes read.

    All raise FileFormatError for what `Writer` does not write.
    """

    def __init__(self, source: Source) -> None:
        self._source, self._crc, self.size = source, 0, 0

    def header(self) -> Details | None:
        """What is said of the model, None where there is none."""
        magic = read_all(self._source, len(MAGIC))
        if magic != MAGIC:
            kinds = (kind for start, kind in KNOWN_FOREIGN.items() if magic.startswith(start[: len(MAGIC)]))
            got = next(kinds, "something else") if magic else "an empty one"
            raise FileFormatError(f"{EXPECTED}, got {got}")
        self._crc, self.size = zlib.crc32(magic), len(magic)
        form, coder = self._take(2)
        if form != FORMAT:
            raise FileFormatError(
                f"expected file format {FORMAT}, got {form}: made by another version of chainrule, or damaged"
            )
        text = self._take(self._length(LONGEST))
        self._check()
        if coder == BYTES and not text:
            return None
        if coder != MODEL:
            raise FileFormatError(f"expected coder {BYTES} or {MODEL}, got {coder} with {len(text)} bytes")
        return _details(text)

    def next(self) -> Block | End:
        """The next part of a stream, whose bytes are those that were written."""
        (kind,) = self._take(1)
        if kind == END:
            total = self._length(1 << 63)
            (crc,) = struct.unpack("<I", self._take(4))
            self._check()
            return End(total, crc)
        if kind not in (STORED, MIXED, TOKENS):
            raise FileFormatError(f"the file is damaged: expected a kind of block at {self.size}, got {kind}")
        count = self._length(BLOCK)
        size = self._length(count)
        if not count or (size == count) != (kind == STORED):  # what would not shrink is stored
            raise FileFormatError(
                f"the file is damaged: expected a block that takes fewer bytes than it stands for, {count}, "
                f"got {size}"
            )
        payload = self._take(size)
        self._check()
        return Block(kind, count, payload)

    def finish(self) -> None:
        """Raises FileFormatError where anything follows."""
        if read_all(self._source, 1):
            raise FileFormatError(f"expected the end of the file at {self.size}, got more bytes")

    def _take(self, size: int) -> bytes:
        data = read_all(self._source, size)
        if len(data) < size:
            raise FileFormatError(f"the file is cut short: it ends at {self.size + len(data)}")
        self._crc, self.size = zlib.crc32(data, self._crc), self.size + size
        return data

    def _length(self, most: int) -> int:
        value = shift = 0
        while True:
            (digit,) = self._take(1)
            value |= (digit & 127) << shift
            shift += 7
            if value > most or shift > 63:
                raise FileFormatError(
                    f"the file is damaged: expected a length up to {most:,} before {self.size}"
                )
            if digit < 128:
                return value

    def _check(self) -> None:
        expected = self._crc
        (found,) = struct.unpack("<I", self._take(4))
        if found != expected:
            raise FileFormatError(f"the file is damaged: the bytes before {self.size} do not match their CRC")
        self._crc = expected


class Contents(NamedTuple):
    """What a compressed file is made of, in bytes. details: None where no model coded it. original: what it
    stands for; compressed: what it takes; carried: what of that its model's own file takes."""

    details: Details | None
    original: int
    compressed: int
    carried: int


def contents(source: Source) -> Contents:
    """Look through a compressed file without decoding it: its checks are looked at, and need no model.

    Raises FileFormatError for a file that is foreign or damaged.
    """
    reader, carried = Reader(source), 0
    details = reader.header()
    if details is not None and details.carried:
        before = reader.size
        _passed(reader)
        carried = reader.size - before
    end = _passed(reader)
    reader.finish()
    return Contents(details, end.total, reader.size, carried)


def _passed(reader: Reader) -> End:
    """The end of a stream, whose blocks are read and not kept."""
    while not isinstance(part := reader.next(), End):
        pass
    return part


def varint(value: int) -> bytes:
    """A number of 0 or more in base 128, low digits first."""
    digits = bytearray()
    while value > 127:
        digits.append(value & 127 | 128)
        value >>= 7
    return bytes([*digits, value])


def read_varint(data: bytes, at: int) -> tuple[int, int]:
    """The number that begins at `at`, and where it ends; raises FileFormatError where none does."""
    value = 0
    for place, digit in enumerate(data[at : at + 9]):
        value |= (digit & 127) << 7 * place
        if digit < 128:
            return value, at + place + 1
    raise FileFormatError("block: expected a length, got the end of it")


def read_all(source: Source, size: int) -> bytes:
    """So many bytes, or as many as there are; a pipe hands them out as they come."""
    parts: list[bytes] = []
    try:
        while size and (part := source.read(size)):
            parts.append(part)
            size -= len(part)
    except OSError as error:
        raise RunError(f"input: cannot be read: {error.strerror or error}") from error
    return b"".join(parts)


def _details(text: bytes) -> Details:
    try:
        value: Any = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise FileFormatError("the file is damaged: expected JSON in its header") from error
    kinds = {field.name: bool if field.type in (bool, "bool") else str for field in fields(Details)}
    found = cast(dict[str, Any], value) if isinstance(value, dict) else {}
    if {name: type(part) for name, part in found.items()} != kinds:
        raise FileFormatError(f"header: expected {', '.join(kinds)}, got {', '.join(found) or 'none'}")
    if not all(
        part.isprintable() and len(part) < LONGEST_WORD for part in found.values() if isinstance(part, str)
    ):
        raise FileFormatError(f"header: expected words of up to {LONGEST_WORD} printable characters")
    return Details(**found)
