"""Text in, tokens out: bytes, characters, words of several kinds, or sub-words learned from the text.

A tokeniser is a value: `split` cuts a text into token strings, `join` puts them together again. Where
`lossless` holds, join(split(text)) is the text; where not, `loses` says what is gone. `alphabet` lists
the only tokens that can occur, where there is such a list.
"""

import json
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol, cast, runtime_checkable

import numpy as np
import regex
from jaxtyping import Int32
from tokenizers import Tokenizer as BpeModel
from tokenizers import decoders, models, pre_tokenizers, trainers

from chainrule.core import FileFormatError, InputError
from chainrule.kernels.words import split_words

NAMES = ("bytes", "characters", "words", "space", "chinese-words", "bpe")
# \b under the WORD flag is the default word boundary of Unicode Standard Annex 29
_SEGMENTS = regex.compile(r"(?w)\b")
_NO_SPACES = regex.compile(r"[\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}]")  # scripts
_CLINGS_BEFORE = regex.compile(r"[\p{Pe}\p{Pf}.,;:!?%\u2026]")  # marks that close
_CLINGS_AFTER = regex.compile(r"[\p{Ps}\p{Pi}]")  # marks that open


@runtime_checkable
class Tokenizer(Protocol):
    """What every tokeniser of this file is; a user's own needs no more."""

    @property
    def name(self) -> str: ...
    @property
    def loses(self) -> str | None: ...
    @property
    def alphabet(self) -> Sequence[str] | None: ...
    def split(self, text: str) -> Sequence[str]: ...
    def join(self, tokens: Sequence[str]) -> str: ...
    def settings(self) -> dict[str, Any]: ...


@dataclass(frozen=True)
class Bytes:
    """UTF-8 bytes, each written as the character of its value: a vocabulary of 256, nothing unknown.

    Lone surrogates, which UTF-8 has no bytes for, pass through as three bytes.
    """

    name = "bytes"
    loses = None

    @property
    def alphabet(self) -> Sequence[str]:
        return [chr(value) for value in range(256)]

    def split(self, text: str) -> Sequence[str]:
        return list(text.encode("utf-8", "surrogatepass").decode("latin-1"))

    def join(self, tokens: Sequence[str]) -> str:
        data = "".join(tokens).encode("latin-1")
        try:
            return data.decode("utf-8", "surrogatepass")
        except UnicodeDecodeError:  # a model may speak bytes that are no text
            return data.decode("utf-8", "replace")

    def settings(self) -> dict[str, Any]:
        return {}


@dataclass(frozen=True)
class Characters:
    """Unicode code points."""

    name = "characters"
    loses = None
    alphabet = None

    def split(self, text: str) -> Sequence[str]:
        return list(text)

    def join(self, tokens: Sequence[str]) -> str:
        return "".join(tokens)

    def settings(self) -> dict[str, Any]:
        return {}


@dataclass(frozen=True)
class Words:
    """Words and punctuation by Unicode's word boundaries (UAX 29); white space only separates.

    Chinese and Japanese ideographs come out one by one, as the annex has it.
    """

    name = "words"
    loses = "white space"
    alphabet = None

    def split(self, text: str) -> Sequence[str]:
        return [part for part in _SEGMENTS.split(text) if part and not part.isspace()]

    def join(self, tokens: Sequence[str]) -> str:
        """Readable text: spaces between words, none between ideographs or on the inside of marks."""
        out: list[str] = []
        for token in tokens:
            if out and _spaced(out[-1][-1], token[0]):
                out.append(" ")
            out.append(token)
        return "".join(out)

    def settings(self) -> dict[str, Any]:
        return {}


@dataclass(frozen=True)
class Space:
    """What ASCII white space separates, as texts that are tokenised already have it (WikiText, KenLM)."""

    name = "space"
    loses = "white space"
    alphabet = None

    def split(self, text: str) -> Sequence[str]:
        ids, words = self.index(text)
        return [words[i] for i in ids.tolist()]

    def index(self, text: str, *, line_ends: bool = False) -> tuple[Int32[np.ndarray, " N"], list[str]]:
        """The words as numbers in order of first appearance, -1 at the end of each line if asked for, and
        their spellings."""
        ids, words = split_words(text.encode("utf-8", "surrogatepass"), line_ends=line_ends)
        return ids, [word.decode("utf-8", "surrogatepass") for word in words]

    def join(self, tokens: Sequence[str]) -> str:
        return " ".join(tokens)

    def settings(self) -> dict[str, Any]:
        return {}


def _spaced(left: str, right: str) -> bool:
    """Whether a space stands between two tokens, the last character of one and the first of the next."""
    wide_mark = any(
        unicodedata.category(c)[0] == "P" and unicodedata.east_asian_width(c) in "WF" for c in left + right
    )
    clings = _CLINGS_BEFORE.match(right) or _CLINGS_AFTER.match(left)
    return not (wide_mark or clings or (_NO_SPACES.match(left) and _NO_SPACES.match(right)))


@dataclass(frozen=True)
class ChineseWords:
    """Chinese words by jieba's dictionary and hidden Markov model; every character is kept.

    Needs the extra `chinese`; raises InputError without it.
    """

    name = "chinese-words"
    loses = None
    alphabet = None

    def split(self, text: str) -> Sequence[str]:
        try:
            import jieba  # pyright: ignore[reportMissingImports]
        except ImportError as error:
            raise InputError(
                "tokeniser chinese-words: needs jieba; pip install 'chainrule[chinese]'"
            ) from error
        jieba.setLogLevel("ERROR")
        return cast(list[str], jieba.lcut(text))

    def join(self, tokens: Sequence[str]) -> str:
        return "".join(tokens)

    def settings(self) -> dict[str, Any]:
        return {}


@dataclass(frozen=True)
class Bpe:
    """Byte-level byte-pair encoding (Sennrich 2016), trained by `tokenizers`: any text, nothing unknown.

    definition: the trained tokeniser as the JSON text that the library writes.
    """

    definition: str

    name = "bpe"
    loses = None

    @classmethod
    def train(cls, text: str, vocab_size: int) -> "Bpe":
        """Merge until there are `vocab_size` tokens (at least the 256 bytes)."""
        if vocab_size < 256:
            raise InputError(f"BPE vocabulary: expected at least 256 (the bytes), got {vocab_size}")
        _check_whole(text)
        model = BpeModel(models.BPE())
        model.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        model.decoder = decoders.ByteLevel()
        trainer = trainers.BpeTrainer(
            vocab_size=vocab_size,
            min_frequency=2,
            show_progress=False,
            initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        )
        model.train_from_iterator(text.splitlines(keepends=True), trainer)
        return cls(json.dumps(json.loads(model.to_str()), ensure_ascii=False))

    @cached_property
    def _model(self) -> BpeModel:
        try:
            return BpeModel.from_str(self.definition)
        except Exception as error:  # the library raises bare Exception on a bad definition
            raise FileFormatError(f"BPE tokeniser: the definition is damaged ({error})") from error

    @property
    def alphabet(self) -> Sequence[str]:
        vocabulary = self._model.get_vocab()
        return sorted(vocabulary, key=vocabulary.__getitem__)

    def split(self, text: str) -> Sequence[str]:
        return self._model.encode(_check_whole(text)).tokens

    def join(self, tokens: Sequence[str]) -> str:
        ids = [self._model.token_to_id(token) for token in tokens]
        return self._model.decode([i for i in ids if i is not None])

    def settings(self) -> dict[str, Any]:
        return {"definition": json.loads(self.definition)}


def _check_whole(text: str) -> str:
    """`text`, unless it holds half of a surrogate pair, which has no UTF-8 bytes to merge."""
    half = regex.search(r"\p{Cs}", text)
    if half:
        raise InputError(f"text: expected whole characters, got half a surrogate pair at {half.start()}")
    return text


def make_tokenizer(name: str, text: str, *, bpe_size: int = 2000) -> Tokenizer:
    """The tokeniser of that name, trained on `text` where it needs training."""
    match name:
        case "bytes":
            return Bytes()
        case "characters":
            return Characters()
        case "words":
            return Words()
        case "space":
            return Space()
        case "chinese-words":
            return ChineseWords()
        case "bpe":
            return Bpe.train(text, bpe_size)
        case _:
            raise InputError(f"tokeniser: expected one of {', '.join(NAMES)}, got {name!r}")


def restore_tokenizer(name: str, settings: dict[str, Any]) -> Tokenizer:
    """The tokeniser that wrote these settings."""
    if name == "bpe":
        return Bpe(json.dumps(settings["definition"], ensure_ascii=False))
    return make_tokenizer(name, "")
