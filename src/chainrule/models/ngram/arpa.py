r"""ARPA files, which SRILM, KenLM and most decoders read and write: a backoff model as text, in log10.

    \data\                  how many n-grams each order has
    ngram 1=3
    \1-grams:
    -1.2041  the  -0.3010   log10 p(the), the word, log10 backoff(the); -99 stands for log10 0
    \end\

What ARPA has no way to write inside a word, white space and control characters, is spelled <U+0020>, an empty
token <U+>, and a token that looks like one of these begins with <U+003C>; reading undoes it.

Shape letters: U n-grams of a section, k their order.
"""

import contextlib
import gzip
import io
import os
import re
import zlib
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float32, Float64, Int32, Int64, Integer

from chainrule.core import FileFormatError, InputError, RunError
from chainrule.kernels import arpa as kernel
from chainrule.kernels.arpa import Words
from chainrule.kernels.backoff import LevelArrays
from chainrule.kernels.native import cores, in_threads, library
from chainrule.models.ngram.backoff import BackoffModel, spell
from chainrule.models.ngram.memory import memory_here

Array = np.ndarray
BEGIN, END, UNKNOWN = "<s>", "</s>", ("<unk>", "<UNK>")
LN10 = kernel.LN10
NOTHING = -100.0  # log10 of a word that a file does not list
ZERO = -99.0  # log10 of what has no probability
PIECE = 1 << 18  # n-grams that are written at once
READ_PIECE = 1 << 22  # bytes that are read at once
LONGEST_LINE = 1 << 20  # bytes
MOST_ORDERS, MOST_NGRAMS = 255, (1 << 32) - 2  # slots are 32 bits
PACKED = 6  # how hard gzip tries
_UNWRITABLE = re.compile(r"[\s\x00-\x1f\x7f-\x9f\ud800-\udfff]|<(?=U\+(?:[0-9A-F]{4,6})?>)")
_ESCAPED = re.compile(r"<U\+([0-9A-F]{4})>")
_COUNT = re.compile(rb"ngram\s+(\d{1,9})\s*=\s*(\d{1,18})")


@runtime_checkable
class Readable(Protocol):
    """A binary file, as far as it is needed."""

    def read(self, size: int = -1, /) -> bytes: ...


@runtime_checkable
class Writable(Protocol):
    """A binary file, as far as it is needed."""

    def write(self, data: bytes, /) -> Any: ...


class ArpaModel(NamedTuple):
    """What an ARPA file holds: the spelling of every id, the model, and the word for all others, if any."""

    tokens: tuple[str, ...]
    model: BackoffModel
    unknown: str | None


def with_unknown(found: ArpaModel) -> ArpaModel:
    """The same with a word for all others at log10 -100, as KenLM has it, where the file lists none."""
    if found.unknown is not None:
        return found
    size, (unigrams, *others) = found.model.size, found.model.levels
    tokens = np.arange(len(unigrams.tokens) + 1, dtype=np.int32)
    log_probs = np.insert(unigrams.log_probs, size, NOTHING * LN10).astype(np.float32)
    backoffs = None if unigrams.backoffs is None else np.insert(unigrams.backoffs, size, 0).astype(np.float32)
    levels = [LevelArrays(tokens, np.array([0, len(tokens)], np.uint32), log_probs, backoffs), *others]
    if others:  # it is a context of nothing
        offsets = others[0].first
        levels[1] = others[0]._replace(first=np.insert(offsets, size, offsets[size]))
    model = BackoffModel(size + 1, tuple(levels), found.model.end, found.model.made_by)
    return ArpaModel((*found.tokens, UNKNOWN[0]), model, UNKNOWN[0])


# --- writing -----------------------------------------------------------------------------------------------


def write_arpa(to: "str | os.PathLike[str] | Writable", model: BackoffModel, tokens: Sequence[str]) -> None:
    """Write a model as `arpa_pieces` has it; gzipped to a path that ends in .gz.

    The file stands under its name only once it is whole. Raises RunError when the disk refuses.
    """
    pieces = arpa_pieces(model, tokens)
    if not isinstance(to, str | os.PathLike):
        for piece in pieces:
            to.write(piece)
        return
    path = Path(to)
    aside = path.with_name(f".{path.name[:40]}.{os.getpid()}.part")
    try:
        with open(aside, "wb") as file:
            packed = gzip.GzipFile("", "wb", PACKED, file, mtime=0) if path.suffix == ".gz" else None
            with packed or contextlib.nullcontext(file) as out:
                for piece in pieces:
                    out.write(piece)
        aside.replace(path)
    except OSError as error:
        raise RunError(f"{path}: cannot be written: {error.strerror or error}") from error
    finally:
        with contextlib.suppress(OSError):
            aside.unlink()


def arpa_pieces(model: BackoffModel, tokens: Sequence[str]) -> Iterator[bytes]:
    """The file of a model, piece by piece. tokens: the spelling of every id; the end of a sentence is `</s>`,
    what begins it is written as `<s>`. Read back, every log-probability and backoff is the same single.

    Raises InputError for spellings that do not fit the model or that two tokens share, and for a model whose
    log-probabilities are no numbers.
    """
    words = _spellings(model, tokens)
    counts = "".join(f"ngram {k}={count}\n" for k, count in enumerate(model.ngrams, 1))
    return _pieces(model, words, f"\\data\\\n{counts}".encode())


def _pieces(model: BackoffModel, words: Words, header: bytes) -> Iterator[bytes]:
    write = kernel.write_native if library() is not None else kernel.write_python
    yield header
    for k, level in enumerate(model.levels, 1):
        yield f"\n\\{k}-grams:\n".encode()
        rows = spell(model.levels, k)

        def lines(low: int, high: int, k: int = k, level: LevelArrays = level, rows: Array = rows) -> bytes:
            some = np.arange(low, high)
            probs = _numbers(np.minimum(level.log_prob(some), 0), k)  # rounding may have led above 1
            backoffs = None if level.backoffs is None else _numbers(level.backoff(some), k)
            return write(rows[low:high], probs, backoffs, words)

        edges = [*range(0, len(rows), PIECE), len(rows)]
        tasks = list(pairwise(edges))
        for at in range(0, len(tasks), cores()):
            yield from in_threads(lines, tasks[at : at + cores()])
    yield b"\n\\end\\\n"


def _numbers(nats: Float32[Array, " U"], k: int) -> Float32[Array, " U"]:
    wrong = np.flatnonzero(np.isnan(nats) | (nats == np.inf))
    if len(wrong):
        raise InputError(f"ARPA: expected numbers below infinity in level {k}, got {nats[wrong[0]]}")
    return np.ascontiguousarray(nats, np.float32)


def _spellings(model: BackoffModel, tokens: Sequence[str]) -> Words:
    """How each token, and what begins a sentence, stands in the file."""
    if len(tokens) != model.vocab_size:
        raise InputError(f"ARPA: expected {model.vocab_size:,} tokens, got {len(tokens):,}")
    if model.end is not None and tokens[model.end] != END:
        raise InputError(f"ARPA: expected {END} to end sentences, got {tokens[model.end]!r}")
    spelled = [_escaped(token) for token in tokens]
    if END in tokens:  # then <s> would be taken for what begins a sentence
        spelled = ["<U+003C>s>" if word == BEGIN else word for word in spelled]
    spelled += [BEGIN] * (model.end is not None)
    if len(set(spelled)) < len(spelled):
        twice = spelled[_repeated(spelled)]
        raise InputError(f"ARPA: expected tokens that are spelled differently, got {twice!r} twice")
    words = Words.of([word.encode() for word in spelled])
    if int(np.diff(words.starts).max()) * model.order + 99 > LONGEST_LINE:
        raise InputError(f"ARPA: expected tokens whose {model.order}-grams fit {LONGEST_LINE:,} bytes")
    return words


def _repeated(some: Sequence[str]) -> int:
    """The first that stood there before."""
    seen: set[str] = set()
    return next(i for i, one in enumerate(some) if one in seen or seen.add(one))


def _escaped(token: str) -> str:
    return _UNWRITABLE.sub(lambda found: f"<U+{ord(found[0]):04X}>", token) if token else "<U+>"


def _unescaped(word: str) -> str:
    """Undoes `_escaped`; what it would not have written stays as it is."""

    def character(found: re.Match[str]) -> str:
        one = chr(int(found[1], 16))
        return one if one == "<" or _UNWRITABLE.fullmatch(one) else found[0]

    return "" if word == "<U+>" else _ESCAPED.sub(character, word)


# --- reading -----------------------------------------------------------------------------------------------


def read_arpa(data: "bytes | Readable") -> ArpaModel:
    """The model of a file, gzipped or not; it is read piece by piece.

    Ids are the 1-grams in their order. With `<s>` and `</s>` among them it is a model of sentences, and
    `<s>` has no id. Where a line has no backoff it is 0; n-grams may stand in any order.
    Raises FileFormatError that names the line, and what was expected of it.
    """
    lines = _Lines(io.BytesIO(data) if isinstance(data, bytes) else data)
    try:
        return _read(lines)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise _at(lines.number, "the rest of a whole .gz file", f"a damaged one ({error})") from error


class _Lines:
    """The lines of a file, of which no more than a piece and a line are held at once.

    text[at:]: whole lines that were not yet taken. number: that of the line at `at`, from 1.
    """

    def __init__(self, file: Readable) -> None:
        head = file.read(2)
        rejoined = _Rejoined(head, file)
        packed = gzip.GzipFile(fileobj=rejoined) if head == b"\x1f\x8b" else None  # type: ignore[arg-type]
        self._read = rejoined.read if packed is None else packed.read
        self._rest = b""  # of a line whose end was not read yet
        self.text, self.at, self.number = b"", 0, 1

    def whole(self) -> bytes:
        """At least one whole line that was not taken yet; nothing at the end of the file."""
        while self.at == len(self.text):
            if len(self._rest) > LONGEST_LINE:
                raise _at(self.number, f"a line of at most {LONGEST_LINE:,} bytes", "a longer one")
            piece = self._read(READ_PIECE)
            nul = piece.find(b"\0")
            if nul >= 0:
                raise _at(self.number + piece.count(b"\n", 0, nul), "text without NUL bytes", "one")
            cut = piece.rfind(b"\n") + 1
            if not piece and not self._rest:
                return b""
            if cut or not piece:
                self.text, self._rest, self.at = self._rest + piece[:cut], piece[cut:], 0
                self.text += b"" if piece else b"\n"
            else:
                self._rest += piece
        return self.text[self.at :] if self.at else self.text

    def take(self, size: int, lines: int) -> None:
        """Pass over so many bytes, and the lines that they are."""
        self.at, self.number = self.at + size, self.number + lines

    def line(self, *, take: bool = False) -> bytes | None:
        """The next line with anything in it; None at the end of the file. Blank ones before it are taken."""
        while self.at < len(self.text) or self.whole():
            end = self.text.index(b"\n", self.at) + 1
            if end - self.at > LONGEST_LINE:
                raise _at(self.number, f"a line of at most {LONGEST_LINE:,} bytes", "a longer one")
            found = self.text[self.at : end].strip()
            if take or not found:
                self.take(end - self.at, 1)
            if found:
                return found
        return None


class _Rejoined(Readable):
    """A file of which the beginning has been read."""

    def __init__(self, head: bytes, file: Readable) -> None:
        self._head, self._file = head, file

    def read(self, size: int = -1, /) -> bytes:
        head, self._head = self._head, b""
        return head or self._file.read(size)


class _Section(NamedTuple):
    """The n-grams of one order. numbers: their lines."""

    rows: Int32[Array, "U k"]
    log_probs: Float32[Array, " U"]
    backoffs: Float32[Array, " U"]
    numbers: Int64[Array, " U"]


def _read(lines: _Lines) -> ArpaModel:
    counts = _header(lines)
    raw: list[bytes] = []
    first = _section(lines, 1, counts[0], raw)
    spelled = _words(raw, first)
    begin = spelled.index(BEGIN) if BEGIN in spelled and END in spelled else None
    order = np.arange(len(spelled))
    if begin is not None:  # behind all others, as the alphabet has it
        order = np.append(np.delete(order, begin), begin)
        first.log_probs[begin] = -np.inf  # nothing predicts it, whatever the file says (KenLM: 0)
    tokens = tuple(_unescaped(spelled[i]) for i in order[: len(order) - (begin is not None)])
    if len(set(tokens)) < len(tokens):
        again = _repeated(tokens)
        raise _at(
            int(first.numbers[order[again]]), "every token once", f"{tokens[again]!r} in a second spelling"
        )
    words = Words.of([raw[i] for i in order.tolist()])
    ids, zero = np.arange(len(order), dtype=np.int32), np.array([0, len(order)], np.uint32)
    backoffs = first.backoffs[order] if len(counts) > 1 else None
    below = _Sorted(ids[:, None], LevelArrays(ids, zero, first.log_probs[order], backoffs))
    levels = [below.level]
    for k, count in enumerate(counts[1:], 2):
        section = _section(lines, k, count, words)
        below = _sorted(below, section, words, last=k == len(counts), begin=begin is not None)
        levels.append(below.level)
        del section
    _marker(lines, b"\\end\\")
    end = tokens.index(END) if begin is not None else None
    unknown = next((word for word in UNKNOWN if word in tokens), None)
    return ArpaModel(tokens, BackoffModel(len(tokens), tuple(levels), end, "arpa"), unknown)


def _header(lines: _Lines) -> list[int]:
    """How many n-grams of each order there are said to be."""
    line = lines.line(take=True)
    while line != b"\\data\\":
        if line is None:
            raise _at(lines.number, "a line \\data\\", "the end of the file")
        line = lines.line(take=True)
    counts: list[int] = []
    while (line := lines.line()) is not None and not line.startswith(b"\\"):
        found = _COUNT.fullmatch(line)
        if not found or int(found[1]) != len(counts) + 1:
            raise _at(lines.number, f"ngram {len(counts) + 1}=, and how many", _shown(line))
        counts.append(int(found[2]))
        if len(counts) > MOST_ORDERS:
            raise _at(lines.number, f"at most {MOST_ORDERS} orders", "more")
        if counts[-1] > MOST_NGRAMS or not counts[0]:
            raise _at(lines.number, f"1 to {MOST_NGRAMS:,} n-grams", f"{counts[-1]:,}")
        needed = 16 * sum(counts) + max((4 * k + 48) * count for k, count in enumerate(counts, 1))
        if needed > (memory_here() or needed):
            raise _at(lines.number, "n-grams that fit into memory", f"{counts[-1]:,}")
        lines.line(take=True)
    if not counts:
        raise _at(
            lines.number, "ngram 1=, and how many", "the end of the file" if line is None else _shown(line)
        )
    return counts


def _section(lines: _Lines, k: int, count: int, words: Words | list[bytes]) -> _Section:
    """The n-grams of one order; where `words` is a list, those of order 1, which fill it."""
    _marker(lines, f"\\{k}-grams:".encode())
    read = kernel.read_native if library() is not None else kernel.read_python
    known = words if isinstance(words, Words) else None
    parts: list[_Section] = []
    left = count
    while (text := lines.whole()) and not text.startswith(b"\\"):
        found = read(text, k, left, LONGEST_LINE, known)
        left -= len(found.rows)
        parts.append(
            _Section(found.rows, _nats(found.probs), _nats(found.backoffs), found.lines + lines.number)
        )
        if not isinstance(words, Words):
            words += [text[low:high] for low, high in found.rows.tolist()]
        lines.take(found.bytes, found.passed)
        if found.wrong:
            raise _at(lines.number, _expected(found.wrong, k, count), _shown(text[found.bytes :]))
    if left:
        said = f"{count:,} {k}-grams before it, as the header says"
        raise _at(lines.number, said, f"{count - left:,}")
    if len(parts) == 1:
        return parts[0]
    none = np.empty(0, np.float32)
    parts = parts or [_Section(np.empty((0, k), np.int32), none, none, np.empty(0, np.int64))]
    columns = zip(*parts, strict=True)
    return _Section(*[np.concatenate(column) for column in columns])


def _expected(wrong: int, k: int, count: int) -> str:
    return {
        kernel.NO_NUMBER: "a number below 1e37 of at most 64 characters",
        kernel.POSITIVE: "a log10 probability of 0 or less",
        kernel.NO_WORD: "words that are 1-grams",
        kernel.FIELDS: f"a log10 probability, {k} word{'s' * (k > 1)}, and a backoff or none",
        kernel.TOO_MANY: f"no more than {count:,} {k}-grams, as the header says",
        kernel.TOO_LONG: f"a line of at most {LONGEST_LINE:,} bytes",
    }[wrong]


def _words(raw: Sequence[bytes], section: _Section) -> list[str]:
    """The 1-grams as text."""
    spelled: dict[str, int] = {}
    for word, number in zip(raw, section.numbers.tolist(), strict=True):
        try:
            text = word.decode()
        except UnicodeDecodeError as error:
            raise _at(number, "UTF-8", f"the word {word[:60]!r}") from error
        if text in spelled:
            raise _at(number, "every 1-gram once", f"{_shown(word)} as in line {spelled[text]:,}")
        spelled[text] = number
    return list(spelled)


class _Sorted(NamedTuple):
    """The n-grams of one order as they stand in the trie."""

    rows: Int32[Array, "U k"]
    level: LevelArrays


def _sorted(below: _Sorted, section: _Section, words: Words, *, last: bool, begin: bool) -> _Sorted:
    """The n-grams of one order, behind their contexts."""
    native, alphabet, k = library() is not None, len(words.starts) - 1, section.rows.shape[1]

    def wrong(some: Integer[Array, " _"], expected: str, got: str = "") -> FileFormatError:
        i = min(some, key=lambda i: section.numbers[i])
        return _at(int(section.numbers[i]), expected, _shown(words.spell(section.rows[i])) + got)

    if begin and (late := np.flatnonzero((section.rows[:, 1:] == alphabet - 1).any(axis=1))).size:
        raise wrong(late, f"{BEGIN} only at the front")
    order = (kernel.sort_native if native else kernel.sort_numpy)(section.rows, alphabet)
    rows = section.rows[order]
    contexts = (kernel.contexts_native if native else kernel.contexts_numpy)(rows, below.rows)
    if (lost := np.flatnonzero(contexts < 0)).size:
        raise wrong(order[lost], f"an n-gram whose first {k - 1} words are listed")
    twice = np.flatnonzero((contexts[1:] == contexts[:-1]) & (rows[1:, -1] == rows[:-1, -1]))
    if twice.size:
        raise wrong(order[twice + 1], "every n-gram once", " again")
    first = np.zeros(len(below.rows) + 1, np.uint32)
    np.cumsum(np.bincount(contexts, minlength=len(below.rows)), out=first[1:])
    tokens = np.ascontiguousarray(rows[:, -1])
    backoffs = None if last else section.backoffs[order]
    return _Sorted(rows, LevelArrays(tokens, first, section.log_probs[order], backoffs))


def _nats(log10s: Float64[Array, " U"]) -> Float32[Array, " U"]:
    return np.where(log10s == ZERO, -np.inf, log10s * LN10).astype(np.float32)


def _marker(lines: _Lines, marker: bytes) -> None:
    """Take the line that must stand here."""
    line = lines.line()
    if line != marker:
        got = "the end of the file" if line is None else _shown(line)
        raise _at(lines.number, f"a line {marker.decode()}", got)
    lines.line(take=True)


def _at(number: int, expected: str, got: str) -> FileFormatError:
    return FileFormatError(f"ARPA, line {number:,}: expected {expected}, got {got}")


def _shown(text: bytes) -> str:
    """The beginning of a line."""
    line = text.partition(b"\n")[0] if len(text) < 200 else text[:200].partition(b"\n")[0]
    return repr(line[:60].decode("utf-8", "replace")) + ("..." if len(line) > 60 else "")
