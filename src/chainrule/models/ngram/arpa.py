r"""ARPA files, which SRILM, KenLM and most decoders read and write: a backoff model as text, in log10.

    \data\                  how many n-grams each order has
    ngram 1=3
    \1-grams:
    -1.2041  the  -0.3010   log10 p(the), the word, log10 backoff(the)
    \end\

White space inside a token, which ARPA has no way to write, is spelled <U+0020>, and read back.

Shape letters: U n-grams of a section, k their order.
"""

import gzip
import re
import zlib
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float64, Int32

from chainrule.core import FileFormatError, InputError
from chainrule.kernels import arpa as kernel
from chainrule.kernels.arpa import Words
from chainrule.kernels.backoff import LevelArrays, slots_native, slots_numpy, table
from chainrule.kernels.native import library
from chainrule.models.ngram.backoff import BackoffModel, spell

Array = np.ndarray
BEGIN, END, UNKNOWN = "<s>", "</s>", "<unk>"
LN10 = float(np.log(10))
PIECE = 1 << 18  # n-grams that are written at once
LONGEST_LINE = 1 << 20  # bytes
IMPOSSIBLE = -99.0  # log10 of what has no probability, by convention
_UNWRITABLE = re.compile(r"[\x00\t-\r ]|<(?=U\+[0-9A-F]{4,6}>)")
_ESCAPED = re.compile(r"<U\+([0-9A-F]{4,6})>")


class ArpaModel(NamedTuple):
    """What an ARPA file holds: the spelling of every id, and the model."""

    tokens: tuple[str, ...]
    model: BackoffModel


def arpa_pieces(model: BackoffModel, tokens: Sequence[str]) -> Iterator[bytes]:
    """The file of a model, piece by piece. tokens: the spelling of every id.

    The token that begins a sentence is `<s>`, whatever has no probability stands at -99.
    Raises InputError where two tokens would be spelled alike.
    """
    if len(tokens) != model.vocab_size:
        raise InputError(f"ARPA: expected {model.vocab_size} tokens, got {len(tokens)}")
    spelled = [_escaped(token) for token in tokens] + [BEGIN] * (model.end is not None)
    if len(set(spelled)) < len(spelled):
        alike = next(word for word in spelled if spelled.count(word) > 1)
        raise InputError(f"ARPA: expected tokens that are spelled differently, got {alike!r} twice")
    words = Words.of([word.encode("utf-8", "surrogatepass") for word in spelled])
    write = kernel.write_native if library() is not None else kernel.write_python
    counts = "".join(f"ngram {k}={count}\n" for k, count in enumerate(model.ngrams, 1))
    yield f"\\data\\\n{counts}".encode()
    for k, level in enumerate(model.levels, 1):
        yield f"\n\\{k}-grams:\n".encode()
        rows = spell(model.levels, k)
        for at in range(0, len(rows), PIECE):
            some = np.arange(at, min(at + PIECE, len(rows)))
            probs = level.log_prob(some).astype(np.float64) / LN10
            backoffs = None if level.backoffs is None else level.backoff(some).astype(np.float64) / LN10
            yield write(rows[some], probs, backoffs, words)
    yield b"\n\\end\\\n"


def read_arpa(data: bytes) -> ArpaModel:
    """The model of a file, gzipped or not. Ids are the unigrams in their order, `<s>` left out; with `<s>` and
    `</s>` it is a model of sentences.

    Raises FileFormatError that names the line and what was expected of it.
    """
    if data[:2] == b"\x1f\x8b":
        try:
            data = gzip.decompress(data)
        except (OSError, EOFError, zlib.error) as error:
            raise FileFormatError(f"ARPA: expected a whole .gz file: {error}") from error
    text = data if data.endswith(b"\n") else data + b"\n"
    nul = text.find(b"\0")
    if nul >= 0:
        raise _at(text, nul, "text without NUL bytes", "one")
    counts, at = _header(text)
    unigrams, at = _unigrams(text, at, counts[0])
    tokens = tuple(word for word in unigrams.spelled if word != BEGIN)
    sentences = BEGIN in unigrams.spelled and END in tokens
    if len(tokens) < len(unigrams.spelled) and not sentences:
        raise FileFormatError(f"ARPA: expected {END} among the words where {BEGIN} is one, found none")
    ids = _ids(unigrams.spelled, len(tokens))
    order = np.argsort(ids)
    backoffs = unigrams.backoffs[order] if len(counts) > 1 else None
    first = np.array([0, len(order)], np.uint32)
    levels = [
        LevelArrays(np.arange(len(order), dtype=np.int32), first, _nats(unigrams.probs[order]), _nats(backoffs))
    ]
    words = Words.of([word.encode("utf-8", "surrogatepass") for word in unigrams.raw])
    for k, count in enumerate(counts[1:], 2):
        section, at = _section(text, at, k, count, words)
        levels.append(_level(levels, ids[section.rows], section, k, k < len(counts), words, len(tokens)))
    _marker(text, at, b"\\end\\")
    end = tokens.index(END) if sentences else None
    return ArpaModel(tuple(map(_unescaped, tokens)), BackoffModel(len(tokens), tuple(levels), end, "arpa"))


class _Unigrams(NamedTuple):
    spelled: list[str]
    raw: list[str]
    probs: Float64[Array, " U"]
    backoffs: Float64[Array, " U"]


def _header(text: bytes) -> tuple[list[int], int]:
    """How many n-grams of each order there are said to be, and where the sections begin."""
    at = text.find(b"\\data\\") if text.startswith(b"\\data\\") else text.find(b"\n\\data\\") + 1
    if not text.startswith(b"\\data\\", at):
        raise FileFormatError("ARPA: expected a line \\data\\, found none")
    at = text.index(b"\n", at) + 1
    counts: list[int] = []
    while not text.startswith(b"\\", at) and at < len(text):
        end = text.index(b"\n", at)
        line = text[at:end].strip()
        found = re.fullmatch(rb"ngram\s+(\d{1,3})\s*=\s*(\d{1,12})", line)
        if line and (not found or int(found[1]) != len(counts) + 1):
            raise _at(text, at, f"ngram {len(counts) + 1}=, and how many", _shown(line))
        if found:
            counts.append(int(found[2]))
            if counts[-1] * 8 > len(text):  # a line takes more, so there cannot be as many
                raise _at(text, at, "as many n-grams as the file can hold", f"{counts[-1]:,}")
        at = end + 1
    if not counts or len(counts) > 255 or not counts[0]:
        raise FileFormatError(f"ARPA: expected 1 to 255 orders, the first not empty, got {len(counts)}")
    return counts, at


def _unigrams(text: bytes, at: int, count: int) -> tuple[_Unigrams, int]:
    at = _marker(text, at, b"\\1-grams:")
    raw: list[bytes] = []
    numbers: list[tuple[float, float]] = []
    while at < len(text) and not text.startswith(b"\\", at):
        end = text.index(b"\n", at)
        fields = text[at : min(end, at + LONGEST_LINE)].split()
        good = 2 <= len(fields) <= 3 and all(kernel.NUMBER.fullmatch(field) for field in (fields[0], *fields[2:]))
        if fields and not (good and end - at < LONGEST_LINE):
            raise _at(text, at, "a number, a word, and a backoff or none", _shown(text[at:end]))
        if fields:
            raw.append(fields[1])
            numbers.append((float(fields[0]), float(fields[2]) if len(fields) > 2 else 0.0))
        at = end + 1
    if len(raw) != count:
        raise _at(text, at, f"{count:,} 1-grams before it, as the header says", f"{len(raw):,}")
    if len(set(raw)) < len(raw):
        seen: set[bytes] = set()
        twice = next(word for word in raw if word in seen or seen.add(word))
        raise FileFormatError(f"ARPA: expected every word once, got {_shown(twice)} twice")
    probs, backoffs = np.array(numbers).T
    try:
        spelled = [word.decode("utf-8", "surrogatepass") for word in raw]
    except UnicodeDecodeError as error:
        raise FileFormatError(f"ARPA: expected UTF-8, got the word {error.object!r}") from error
    _check_probs(probs, [word for word in spelled], 1)
    # SRILM lists <unk> and others in capitals where it is told to; what is no <s> is a word like any
    return _Unigrams(spelled, spelled, probs, backoffs), at


def _ids(words: Sequence[str], vocab_size: int) -> Int32[Array, " W"]:
    """The id of each word in the order of the file; that of <s> is V, behind all others."""
    begins = np.array([word == BEGIN for word in words])
    ids = np.cumsum(~begins) - 1
    ids[begins] = vocab_size
    return ids.astype(np.int32)


def _section(text: bytes, at: int, k: int, count: int, words: Words) -> tuple[kernel.Section, int]:
    """The n-grams of one order, and where the next section begins."""
    at = _marker(text, at, f"\\{k}-grams:".encode())
    end = text.find(b"\n\\", at - 1) + 1 or len(text)
    longest = _longest_line(text, at, end)
    if longest is not None:
        raise _at(text, longest, f"a line of at most {LONGEST_LINE:,} bytes", "a longer one")
    read = kernel.read_native if library() is not None else kernel.read_python
    found = read(text[at:end], k, count, words)
    if found.wrong:
        line = text[at + found.line : text.index(b"\n", at + found.line)]
        raise _at(text, at + found.line, found.wrong, _shown(line))
    if len(found.rows) != count:
        raise _at(text, end, f"{count:,} {k}-grams before it, as the header says", f"{len(found.rows):,}")
    return found, end


def _longest_line(text: bytes, at: int, end: int) -> int | None:
    """Where a line begins that is longer than any should be."""
    while end - at > LONGEST_LINE:
        stop = text.rfind(b"\n", at, at + LONGEST_LINE)
        if stop < 0:
            return at
        at = stop + 1
    return None


def _level(
    below: Sequence[LevelArrays],
    rows: Int32[Array, "U k"],
    section: kernel.Section,
    k: int,
    has_backoffs: bool,
    words: Words,
    vocab_size: int,
) -> LevelArrays:
    """The n-grams of one order sorted into the trie."""
    rows = np.ascontiguousarray(rows)

    def named(i: int) -> str:
        return " ".join(words[w].decode("utf-8", "replace") for w in section.rows[i].tolist())

    _check_probs(section.probs, named, k)
    made = table(below, vocab_size, None)
    slots = (slots_native if library() is not None else slots_numpy)(made, rows)
    if len(slots) and slots.min() < 0:
        name = named(int(np.argmin(slots)))
        raise FileFormatError(f"ARPA: expected the context of {name!r} among the {k - 1}-grams, found none")
    late = np.flatnonzero((rows[:, 1:] == vocab_size).any(axis=1))
    if len(late) and (rows[late[0], 1:] >= vocab_size).any() and len(below[0].tokens) > vocab_size:
        raise FileFormatError(f"ARPA: expected {BEGIN} only at the front, got {named(int(late[0]))!r}")
    keys = slots * (vocab_size + 1) + rows[:, -1]
    order = np.argsort(keys, kind="stable")
    twice = np.flatnonzero(keys[order][1:] == keys[order][:-1])
    if len(twice):
        name = named(int(order[twice[0]]))
        raise FileFormatError(f"ARPA: expected every n-gram once, got {name!r} twice")
    first = np.searchsorted(slots[order], np.arange(len(below[-1].tokens) + 1)).astype(np.uint32)
    return LevelArrays(
        rows[order, -1].astype(np.int32),
        first,
        _nats(section.probs[order]),
        _nats(section.backoffs[order]) if has_backoffs else None,
    )


def _check_probs(probs: Float64[Array, " U"], named: "Sequence[str] | object", k: int) -> None:
    wrong = np.flatnonzero(probs > 0)
    if len(wrong):
        i = int(wrong[0])
        name = named[i] if isinstance(named, list) else named(i)  # type: ignore[operator]
        raise FileFormatError(f"ARPA: expected log10 probabilities of 0 or less, got {probs[i]:g} for {name!r}")


def _nats(log10s: Array | None) -> Array:
    """Natural logarithms; what stands at -99 or below has no probability."""
    return np.where(log10s <= IMPOSSIBLE, -np.inf, log10s * LN10).astype(np.float32)


def _marker(text: bytes, at: int, marker: bytes) -> int:
    """Behind the line that must stand here."""
    if not text.startswith(marker, at):
        end = text.find(b"\n", at)
        raise _at(text, at, f"the line {marker.decode()}", _shown(text[at:end]) if at < len(text) else "the end")
    return text.index(b"\n", at) + 1


def _at(text: bytes, at: int, expected: str, got: str) -> FileFormatError:
    line = text.count(b"\n", 0, at) + 1
    return FileFormatError(f"ARPA, line {line:,}: expected {expected}, got {got}")


def _shown(line: bytes) -> str:
    return repr(line[:60].decode("utf-8", "replace")) + ("..." if len(line) > 60 else "")


def _escaped(token: str) -> str:
    if token == BEGIN:
        return "<U+003C>s>"
    return _UNWRITABLE.sub(lambda found: f"<U+{ord(found[0]):04X}>", token) if token else "<U+>"


def _unescaped(word: str) -> str:
    return "" if word == "<U+>" else _ESCAPED.sub(lambda found: chr(min(int(found[1], 16), 0x10FFFF)), word)
