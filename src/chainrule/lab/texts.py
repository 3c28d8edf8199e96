"""Which text: one of those that are on this machine, a pasted one, or a file that the browser sends."""

import os
from pathlib import Path

from chainrule.core import ChainruleError, InputError
from chainrule.data.corpora import KNOWN, Corpus, is_here, load_corpus

LIMIT = 5_000_000  # bytes of a file that a browser sends
PASTE_LIMIT = 1_000_000  # bytes of a pasted text: browsers take minutes to lay out a longer one
PASTED, SENT = "pasted", "file"
ENDINGS = (".txt", ".txt.gz", ".txt.xz")


def offered() -> list[str]:
    """Names of texts that can be read without a network: those known by name, those in CHAINRULE_DATA."""
    names = [known.name for known in KNOWN if is_here(known)]
    folder = os.environ.get("CHAINRULE_DATA")
    if folder and os.path.isdir(folder):
        for path in sorted(Path(folder).iterdir()):
            ending = next((end for end in ENDINGS if path.name.endswith(end)), None)
            if ending and path.is_file():
                names.append(path.name.removesuffix(ending))
    return list(dict.fromkeys(names))


def checked(name: str, text: str, limit: int = LIMIT) -> Corpus:
    """A text from a browser; raises InputError for one without a character, or of more bytes than `limit`."""
    size = len(text) if len(text) > limit else len(text.encode("utf-8", "replace"))
    if size > limit:
        raise InputError(
            f"{name}: expected at most {limit:,} bytes, got {size:,} or more; "
            "chainrule train FILE reads longer ones"
        )
    if not text.strip():
        raise InputError(f"{name}: expected a text, got {'only white space' if text else 'an empty one'}")
    return Corpus(name, text, name)


def decoded(name: str, data: bytes) -> str:
    """A file's bytes as text; raises InputError for what is too long or not UTF-8."""
    if len(data) > LIMIT:
        raise InputError(f"{name}: expected at most {LIMIT:,} bytes, got {len(data):,}")
    try:
        return data.decode().removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        raise InputError(
            f"{name}: expected UTF-8, got byte 0x{data[error.start]:02x} at {error.start}"
        ) from error


def chosen(source: str, pasted: str = "", sent: tuple[str, bytes] | None = None) -> tuple[Corpus | None, str]:
    """The text that was asked for and no complaint, or none and why."""
    try:
        if source == PASTED:
            return checked(PASTED, pasted, PASTE_LIMIT), ""
        if source == SENT:
            if sent is None:
                raise InputError(f"{SENT}: expected a file, none was sent yet")
            return checked(sent[0], decoded(*sent)), ""
        if source not in offered():  # a name only, never a path of this machine
            raise InputError(f"text: expected one of {', '.join(offered())}, got {source!r}")
        return load_corpus(source), ""
    except ChainruleError as error:
        return None, str(error)
