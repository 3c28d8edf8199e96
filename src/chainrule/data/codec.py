"""A tokeniser and the vocabulary that belongs to it: strings on one side, ids on the other."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Int32, Integer

from chainrule.core import InputError
from chainrule.data.tokenizers import Tokenizer, make_tokenizer
from chainrule.data.vocabulary import Vocabulary


def letters_only(text: str) -> str:
    """The book's cleaning: every run of what is no letter a-z becomes one space, the rest lower case.

    One rule over the whole text, so that the last word of a line and the first of the next stay apart.
    """
    return re.sub("[^A-Za-z]+", " ", text).lower()


@dataclass(frozen=True)
class Codec:
    """Text to ids and back. letters_only: whether the book's cleaning comes first."""

    tokenizer: Tokenizer
    vocabulary: Vocabulary
    letters_only: bool = False

    @classmethod
    def fit(
        cls,
        text: str,
        tokenizer: str = "characters",
        *,
        min_freq: int = 1,
        bpe_size: int = 2000,
        clean: bool = False,
    ) -> "Codec":
        """The tokeniser of that name and its vocabulary, both from the training text alone."""
        text = letters_only(text) if clean else text
        splitter = make_tokenizer(tokenizer, text, bpe_size=bpe_size)
        if splitter.alphabet is not None:
            return cls(splitter, Vocabulary(tuple(splitter.alphabet)), clean)
        vocabulary = Vocabulary.count(splitter.split(text), min_freq=min_freq)
        if min_freq > 1 and len(vocabulary) < 2:
            raise InputError(f"min_freq: expected one that leaves a token of the text, got {min_freq}")
        return cls(splitter, vocabulary, clean)

    @property
    def vocab_size(self) -> int:
        return len(self.vocabulary)

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
        return self.tokenizer.split(self.prepare(text))

    def encode(self, text: str) -> Int32[np.ndarray, " T"]:
        """The ids of a text, unknown tokens as the unknown symbol."""
        return self.vocabulary.encode(self.split(text))

    def decode(self, ids: Integer[np.ndarray, " T"]) -> str:
        return self.tokenizer.join(self.vocabulary.decode(ids))

    def unknown(self, text: str) -> list[str]:
        """The tokens of a text that the vocabulary lacks, each once, in order of appearance."""
        known = self.vocabulary.ids
        return list(dict.fromkeys(token for token in self.split(text) if token not in known))
