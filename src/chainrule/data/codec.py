"""A tokeniser and the vocabulary that belongs to it: strings on one side, ids on the other.

Read as sentences, a text has the token END after the words of every line, a blank one too.
"""

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Int32, Integer

from chainrule.core import InputError
from chainrule.data.tokenizers import Space, Tokenizer, make_tokenizer
from chainrule.data.vocabulary import UNKNOWN, Vocabulary

BEGIN, END = "<s>", "</s>"
Ids = Int32[np.ndarray, " T"]


def letters_only(text: str) -> str:
    """The book's cleaning: every run of what is no letter a-z becomes one space, the rest lower case.

    One rule over the whole text, so that the last word of a line and the first of the next stay apart.
    """
    return re.sub("[^A-Za-z]+", " ", text).lower()


@dataclass(frozen=True)
class Codec:
    """Text to ids and back. letters_only: whether the book's cleaning comes first. sentences: whether every
    line is one, and its end a token."""

    tokenizer: Tokenizer
    vocabulary: Vocabulary
    letters_only: bool = False
    sentences: bool = False

    @classmethod
    def fit(cls, text: str, tokenizer: str = "characters", **options: Any) -> "Codec":
        """The tokeniser of that name and its vocabulary, with the options of `fit_encode`."""
        return cls.fit_encode(text, tokenizer, **options)[0]

    @classmethod
    def fit_encode(
        cls,
        text: str,
        tokenizer: str = "characters",
        *,
        min_freq: int = 1,
        vocab_limit: int | None = None,
        bpe_size: int = 2000,
        clean: bool = False,
        sentences: bool = False,
        unk: str = "ordinary",
    ) -> tuple["Codec", Ids]:
        """The tokeniser of that name and its vocabulary, both from the training text alone; and its ids.

        min_freq, vocab_limit: rarer tokens, and those beyond so many of the most frequent, are unknown. unk:
        what a token `<unk>` of the text is: `ordinary`, a word like others (the unknown symbol then has
        another name), or `skip`, the unknown symbol, left out of the training text.
        """
        text = letters_only(text) if clean else text
        if unk not in ("ordinary", "skip"):
            raise InputError(f"unk: expected ordinary or skip, got {unk!r}")
        if clean and sentences:
            raise InputError("sentences: expected a text that keeps its lines; cleaning joins them")
        splitter = make_tokenizer(tokenizer, text, bpe_size=bpe_size)
        if splitter.alphabet is not None:
            symbols = (*splitter.alphabet, *([END] if sentences else []))
            codec = cls(splitter, Vocabulary(symbols), clean, sentences)
            return codec, codec.encode(text)
        ids, tokens = _index(splitter, text, sentences)
        if unk == "skip" and UNKNOWN in tokens:
            ids = ids[ids != tokens.index(UNKNOWN)]
        frequency = dict(zip(tokens, np.bincount(ids, minlength=len(tokens)).tolist(), strict=True))
        vocabulary = Vocabulary.of(
            frequency,
            min_freq=min_freq,
            limit=vocab_limit,
            reserved=[END] if sentences else [],
            unknown=UNKNOWN if unk == "skip" else _free(UNKNOWN, frequency),
        )
        if min_freq > 1 and len(vocabulary) < 2 + sentences:
            raise InputError(f"min_freq: expected one that leaves a token of the text, got {min_freq}")
        return cls(splitter, vocabulary, clean, sentences), vocabulary.encode(tokens)[ids]

    @property
    def vocab_size(self) -> int:
        return len(self.vocabulary)

    @property
    def end_id(self) -> int | None:
        """The id of the token that ends a sentence; None where the text is one running text."""
        return self.vocabulary.ids[END] if self.sentences else None

    @property
    def loses(self) -> str | None:
        """What of a text its ids do not hold, apart from unknown symbols; None if nothing is lost."""
        losses = [
            *(["all but letters"] if self.letters_only else []),
            *([self.tokenizer.loses] if self.tokenizer.loses else []),
        ]
        return ", ".join(losses) or None

    def prepare(self, text: str) -> str:
        """The text as it is modelled: cleaned, where this codec cleans."""
        return letters_only(text) if self.letters_only else text

    def split(self, text: str) -> Sequence[str]:
        """The tokens of a text, known or not."""
        ids, tokens = self._index(text)
        return [tokens[i] for i in ids.tolist()]

    def encode(self, text: str) -> Ids:
        """The ids of a text, unknown tokens as the unknown symbol."""
        ids, tokens = self._index(text)
        return self.vocabulary.encode(tokens)[ids]

    def encode_prompt(self, text: str) -> Ids:
        """The ids of a text that goes on: its last line has no end yet, unless a line end stands there."""
        ids = self.encode(text)
        return ids[:-1] if self.sentences and text and not text.endswith("\n") else ids

    def decode(self, ids: Integer[np.ndarray, " T"]) -> str:
        """The text of some ids, unknown ones as their symbol; sentences as lines."""
        tokens = self.vocabulary.decode(ids)
        if not self.sentences:
            return self.tokenizer.join(tokens)
        lines: list[list[str]] = [[]]
        for token in tokens:
            if token == END:
                lines.append([])
            else:
                lines[-1].append(token)
        return "\n".join(map(self.tokenizer.join, lines))

    def unknown(self, text: str) -> list[str]:
        """The tokens of a text that the vocabulary lacks, each once, in order of appearance."""
        known = self.vocabulary.ids
        return [token for token in self._index(text)[1] if token not in known]

    def _index(self, text: str) -> tuple[Ids, list[str]]:
        return _index(self.tokenizer, self.prepare(text), self.sentences)


def _index(tokenizer: Tokenizer, text: str, sentences: bool) -> tuple[Ids, list[str]]:
    """The tokens as numbers in order of first appearance, and their spellings."""
    if isinstance(tokenizer, Space):
        ids, tokens = tokenizer.index(text, line_ends=sentences)
    else:
        number: defaultdict[str, int] = defaultdict()
        number.default_factory = number.__len__  # a token that is new has the next one
        found: list[int] = []
        for line in _lines(text) if sentences else [text]:
            found += map(number.__getitem__, tokenizer.split(line))
            found += [-1] * sentences
        ids, tokens = np.array(found, np.int32), list(number)
    if sentences:
        reserved = next((token for token in (BEGIN, END) if token in tokens), None)
        if reserved:
            raise InputError(
                f"sentences: expected a text without {BEGIN} and {END}, which are their ends, got {reserved}"
            )
        ids[ids < 0] = len(tokens)
        tokens.append(END)
    return ids, tokens


def _lines(text: str) -> list[str]:
    lines = text.split("\n")
    return lines if lines[-1] else lines[:-1]


def _free(name: str, taken: dict[str, int]) -> str:
    """The name, in as many more angle brackets as it takes to be nobody else's."""
    while name in taken:
        name = f"<{name}>"
    return name
