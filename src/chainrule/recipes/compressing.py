"""What codes a file, and on what it was made: with a model, or with a mix that learns the file as it goes.

    bits of a file = -log2 p(bytes),     of a two-part code: bits(model) + bits(bytes given the model)

A model has a fingerprint, of all that its numbers depend on: whoever decodes must have the same. Networks are
computed in double precision, step by step; a model that does not learn as it reads takes eight places of a
large block at once.
"""

import codecs
import contextlib
import hashlib
import json
import platform
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import IO, Any, Protocol, cast, runtime_checkable

import numpy as np
from threadpoolctl import threadpool_info, threadpool_limits

from chainrule.core import FileFormatError, InputError, TokenModel
from chainrule.data.codec import Codec
from chainrule.files import written_aside
from chainrule.kernels.native import instructions
from chainrule.models.archive import pack, plain
from chainrule.models.contexts import ByteMixing
from chainrule.models.mixture import LinearMixture, LogisticMixture, OnlineMixture
from chainrule.models.recurrent import RecurrentModel
from chainrule.models.window import WindowModel
from chainrule.recipes.adaptive import kinds_of
from chainrule.recipes.online import learns
from chainrule.recipes.online import online as online_form
from chainrule.tasks.compression import (
    MAGIC,
    Behind,
    ByteBlocks,
    ByteCoder,
    Contents,
    Details,
    Promise,
    Reader,
    Source,
    Target,
    TokenBlocks,
    Writer,
    contents,
    read_stream,
    write_stream,
)

Tell = Callable[[int], None]
Mixing = Callable[[], ByteCoder]
LANES = {"1 lane, float64": 1, "8 lanes, float64": 8}  # by what a file says of how its numbers were computed
SHOWN = 12  # digits of a fingerprint in a message


@runtime_checkable
class Speaker(Protocol):
    """A model and how it reads text: a `LanguageModel`, or whatever holds the two."""

    @property
    def model(self) -> TokenModel[Any]: ...
    @property
    def codec(self) -> Codec: ...


@dataclass(frozen=True)
class Compressed:
    """What became of a file. characters: None where it is not UTF-8. carried: bytes that the model's own file
    takes in the compressed one. promise: of the model that coded it."""

    original: int
    compressed: int
    characters: int | None
    carried: int = 0
    promise: Promise | None = None

    @property
    def bits_per_byte(self) -> float:
        return 8 * self.compressed / self.original if self.original else float("nan")

    @property
    def bits_per_character(self) -> float:
        return 8 * self.compressed / self.characters if self.characters else float("nan")


def compress(
    source: Source,
    target: Target,
    *,
    lm: Speaker | None = None,
    carried: Source | None = None,
    online: bool = False,
    mixing: Mixing = ByteMixing,
    tell: Tell | None = None,
) -> Compressed:
    """All bytes of a source as a compressed file, from which `decompress` makes the same.

    lm: the model to code them by; nothing of it is stored but its fingerprint. carried: the file of that
    model, which then is stored too. online: the model learns as it reads, see `chainrule.recipes.online`.
    mixing: makes what codes bytes. tell: told how many bytes of the source are done.

    Raises InputError where the model's tokeniser loses some of the text, or its family cannot be stored.
    """
    writer, text, within = Writer(target), _Characters(), 0
    with threadpool_limits(1):
        if lm is None:
            writer.header(None)
            end = write_stream(source, writer, ByteBlocks(mixing()), tell=tell, see=text.see)
            return Compressed(end.total, writer.size, text.count)
        model, made_on = _to_code(lm, online=online), machine()
        one_by_one, side_by_side = LANES
        path = one_by_one if learns(model) else side_by_side
        writer.header(
            Details(
                version("chainrule"),
                fingerprint(lm),
                carried is not None,
                online,
                lm.codec.tokenizer.name,
                path,
                made_on,
            )
        )
        if carried is not None:
            before = writer.size
            write_stream(carried, writer, ByteBlocks(mixing()))
            within = writer.size - before
        with Behind() as behind:
            blocks = TokenBlocks(model, lm.codec, mixing(), made_on, lanes=LANES[path], check=behind)
            end = write_stream(source, writer, blocks, whole=True, tell=tell, see=text.see)
        return Compressed(end.total, writer.size, text.count, within, blocks.promise)


def decompress(
    source: Source,
    target: Target,
    *,
    lm: Speaker | None = None,
    load: Callable[[Path], Speaker] | None = None,
    mixing: Mixing = ByteMixing,
    tell: Tell | None = None,
) -> Compressed:
    """The bytes that were compressed; blocks are written as they are decoded, the last check comes after.

    lm: the model that they were coded by, where the file does not carry it. load: reads one that it carries.
    tell: told how many bytes of the source are read.

    Raises FileFormatError for a file that is foreign or damaged, InputError for another model than it was
    made with, RunError where the model gives other numbers here than where the file was made.
    """
    reader, text, within = Reader(source), _Characters(), 0
    with threadpool_limits(1), contextlib.ExitStack() as kept:
        details = reader.header()
        if details is None:
            if lm is not None:
                raise InputError("model: expected none, as the file was compressed without one, got one")
            blocks = ByteBlocks(mixing())
        else:
            _check_known(details, lm, load)
            if details.carried:
                before = reader.size
                folder = kept.enter_context(tempfile.TemporaryDirectory(prefix="chainrule-"))
                lm = _carried(reader, Path(folder) / "model", mixing, cast(Any, load))
                within = reader.size - before
            blocks = _token_blocks(details, cast(Speaker, lm), mixing)
        end = read_stream(reader, target, blocks, tell=tell, see=text.see)
        reader.finish()
    return Compressed(end.total, reader.size, text.count, within)


def compress_file(path: Path, out: Path, **how: Any) -> Compressed:
    """`compress` from file to file: `out` is whole or as it was before.

    Raises RunError when it cannot be written.
    """
    with opened(path) as source, written_aside(out) as target:
        done = compress(source, target, **how)
    _no_more_open(path, out)
    return done


def decompress_file(path: Path, out: Path, **how: Any) -> Compressed:
    """`decompress` from file to file, as `compress_file`; errors name the file."""
    with opened(path) as source, written_aside(out) as target:
        try:
            done = decompress(source, target, **how)
        except FileFormatError as error:
            raise FileFormatError(f"{path}: {error}") from error
    _no_more_open(path, out)
    return done


def _no_more_open(path: Path, out: Path) -> None:
    """Whoever may not read the one may not read the other."""
    with contextlib.suppress(OSError):
        shutil.copymode(path, out)


def look_into(path: Path) -> Contents | None:
    """What a compressed file holds, without decoding it; None for a file of another kind.

    Raises FileFormatError where it is damaged, InputError where there is none.
    """
    with opened(path) as source:
        if source.read(len(MAGIC)) != MAGIC:
            return None
        source.seek(0)
        try:
            return contents(source)
        except FileFormatError as error:
            raise FileFormatError(f"{path}: {error}") from error


def opened(path: Path) -> IO[bytes]:
    """A file to read from its beginning; raises InputError where there is none."""
    try:
        return path.open("rb")
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: cannot be read: {getattr(error, 'strerror', None) or error}") from error


def fingerprint(lm: Speaker) -> str:
    """SHA-256 of what a model's numbers and its tokens depend on: family, settings, arrays, tokeniser and
    vocabulary. What is said of it, and how it was trained, is no part of it."""
    family, settings, arrays = pack(lm.model)
    codec, vocabulary = lm.codec, lm.codec.vocabulary
    said = {
        "family": family,
        "settings": settings,
        "tokenizer": {"name": codec.tokenizer.name, **codec.tokenizer.settings()},
        "letters_only": codec.letters_only,
        "sentences": codec.sentences,
        "unknown": vocabulary.unknown,
        "vocabulary": vocabulary.tokens,
    }
    digest = hashlib.sha256(json.dumps(said, sort_keys=True).encode())
    for name in sorted(arrays):
        array = np.asarray(arrays[name], dtype=arrays[name].dtype.newbyteorder("<"), order="C")
        digest.update(f"\0{name}\0{array.dtype.str}\0{array.shape}\0".encode())
        digest.update(array.data if array.size else b"")
    return digest.hexdigest()


def machine() -> str:
    """What the last digits of a network's numbers depend on."""
    blas = next((info for info in threadpool_info() if info["user_api"] == "blas"), {})
    parts = (blas.get("internal_api"), blas.get("version"), blas.get("architecture"))
    named = " ".join(str(part) for part in parts if part) or "no BLAS"
    python = f"Python {platform.python_version()}"
    loops = f"loops compiled ({instructions()})" if instructions() else "loops in NumPy"
    return f"{platform.system()} {platform.machine()}, {python}, numpy {np.__version__}, {named}, {loops}"


def in_float64(model: TokenModel[Any]) -> TokenModel[Any]:
    """Networks in double precision, which differ less from one processor to the next; others as they are.

    For compiled loops the recurrent weights stay as they were trained, where that is single precision: they
    are widened as they are read, to the same numbers, and to read them is most of a step.
    """
    model, kept = plain(model), ".recurrent" if instructions() else ()
    match model:
        case RecurrentModel() | WindowModel():
            wide = {
                name: array if name.endswith(kept) else array.astype(np.float64)
                for name, array in model.parameters.items()
            }
            return replace(model, parameters=wide)
        case LinearMixture() | OnlineMixture() | LogisticMixture():
            return replace(model, models=tuple(map(in_float64, model.models)))
        case _:
            return model


def _to_code(lm: Speaker, *, online: bool) -> TokenModel[Any]:
    model = in_float64(lm.model)
    return online_form(model, kinds_of(lm.codec)) if online else model


def _check_known(details: Details, lm: Speaker | None, load: Callable[[Path], Speaker] | None) -> None:
    """Raises InputError for what the file needs and was not given, FileFormatError for what is not known."""
    if details.path not in LANES:
        raise FileFormatError(
            f"expected numbers of {' or '.join(LANES)}, got {details.path!r:.40}: made by another version"
        )
    if details.carried and load is None:
        raise InputError("model: expected a way to load the one that the file carries, got none")
    if details.carried and lm is not None:
        raise InputError("model: expected none, as the file carries its own, got one")
    if not details.carried and lm is None:
        raise InputError(
            f"model: expected the one that the file was compressed with, {details.model[:SHOWN]} "
            f"({details.tokenizer}, chainrule {details.chainrule}), got none"
        )


def _token_blocks(details: Details, lm: Speaker, mixing: Mixing) -> TokenBlocks:
    """What decodes a file by its model; raises InputError for another one."""
    found = fingerprint(lm)
    if found != details.model:
        raise InputError(
            f"model: expected the one that the file was compressed with, {details.model[:SHOWN]} "
            f"({details.tokenizer}, chainrule {details.chainrule}), got {found[:SHOWN]} "
            f"({lm.codec.tokenizer.name})"
        )
    model = _to_code(lm, online=details.online)
    made_on = f"{details.made_on}, chainrule {details.chainrule}; here it is {machine()}"
    return TokenBlocks(model, lm.codec, mixing(), made_on, lanes=LANES[details.path])


def _carried(reader: Reader, path: Path, mixing: Mixing, load: Callable[[Path], Speaker]) -> Speaker:
    """The model whose file comes first."""
    with written_aside(path) as file:
        read_stream(reader, file, ByteBlocks(mixing()))
    try:
        return load(path)
    except InputError as error:
        raise FileFormatError(f"the model in the file: {str(error).removeprefix(f'{path}: ')}") from error


class _Characters:
    """Counts the characters of bytes that come in pieces; `count` is None where they are not UTF-8."""

    def __init__(self) -> None:
        self._decoder, self._count, self._text = codecs.getincrementaldecoder("utf-8")(), 0, True

    def see(self, data: bytes) -> None:
        try:
            self._count += len(self._decoder.decode(data)) if self._text else 0
        except UnicodeDecodeError:
            self._text = False

    @property
    def count(self) -> int | None:
        """None too where the last character is cut off."""
        return self._count if self._text and not self._decoder.getstate()[0] else None
