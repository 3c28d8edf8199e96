"""Bytes to text where nobody said the encoding: UTF-8 where it can be, else the likeliest of a few, and said.

A byte order mark decides. Text that is not UTF-8 as a whole but in most of its lines is UTF-8 with lines of
another encoding among it.
"""

import codecs

from chainrule.core import InputError

CANDIDATES = ["utf_8", "gb18030", "big5", "cp1252", "cp1251", "shift_jis", "euc_kr"]
MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


def decode(data: bytes, name: str, encoding: str | None = None) -> tuple[str, str]:
    """The text, and the encoding in words where it was anything but UTF-8 (else empty).

    encoding: the one to read it by. Raises InputError for bytes that are not of it, or of none that is known.
    """
    if encoding is not None:
        return _strictly(data, name, encoding), encoding
    marked = next((known for mark, known in MARKS if data.startswith(mark)), None)
    if marked:
        return _strictly(data, name, marked), "" if marked == "utf-8-sig" else marked
    if b"\0" in data:
        raise InputError(f"{name}: expected a text, got a NUL byte at offset {data.index(0)}")
    try:
        return data.decode(), ""
    except UnicodeDecodeError:
        pass
    lines = data.splitlines(keepends=True)
    foreign = [at for at, line in enumerate(lines) if not _is_utf8(line)]
    known = sum(not line.isascii() for line in lines) - len(foreign)
    if known <= len(foreign):
        text, found = _guessed(data, name)
        return text, found
    text, found = _guessed(b"".join(lines[at] for at in foreign), name)
    read = dict(zip(foreign, text.splitlines(keepends=True), strict=False))
    if len(text.splitlines()) != len(foreign):
        raise InputError(f"{name}: expected UTF-8, got other bytes at line {foreign[0] + 1}")
    whole = "".join(read[at] if at in read else line.decode() for at, line in enumerate(lines))
    return whole, f"UTF-8, and {found} at {len(foreign):,} of {len(lines):,} lines"


def _strictly(data: bytes, name: str, encoding: str) -> str:
    try:
        return data.decode(encoding)
    except LookupError:
        raise InputError(f"encoding: expected one that Python knows, got {encoding!r}") from None
    except UnicodeDecodeError as error:
        raise InputError(
            f"{name}: expected {encoding}, got byte 0x{data[error.start]:02x} at offset {error.start}"
        ) from error


def _is_utf8(line: bytes) -> bool:
    try:
        line.decode()
    except UnicodeDecodeError:
        return False
    return True


def _guessed(data: bytes, name: str) -> tuple[str, str]:
    """By what the characters would be; Latin-1 holds every byte, and is the last resort of none."""
    from charset_normalizer import from_bytes

    best = from_bytes(data, cp_isolation=CANDIDATES).best()
    if best is None:
        raise InputError(f"{name}: expected UTF-8, got bytes of no known encoding; name it with --encoding")
    return data.decode(best.encoding), best.encoding
