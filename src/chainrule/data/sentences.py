"""Many short texts as one stream of ids, each ended by a token of its own; and where each token stands.

Shape letters: T tokens, D texts.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Int32, Int64

from chainrule.data.codec import Codec

Ids = Int32[np.ndarray, " T"]


@dataclass(frozen=True)
class TextReader:
    """A codec of sentences, a text each. fold: whether capitals are read as small letters."""

    codec: Codec
    fold: bool = True

    @classmethod
    def fit(cls, texts: Sequence[str], tokenizer: str, fold: bool = True) -> tuple["TextReader", Ids]:
        """Tokeniser and vocabulary of these texts, and their ids as one stream."""
        codec, ids = Codec.fit_encode(_lines(texts, fold), tokenizer, sentences=True)
        return cls(codec, fold), ids

    @property
    def end(self) -> int:
        """The id of the token that ends a text."""
        end = self.codec.end_id
        assert end is not None  # it is a codec of sentences
        return end

    def encode(self, texts: Sequence[str]) -> Ids:
        """The ids of all texts as one stream."""
        return self.codec.encode(_lines(texts, self.fold))

    def prepared(self, text: str) -> str:
        """The text as it is read, character for character: one line, and small letters where these are asked
        for."""
        return _one_line(text, self.fold)

    def places(self, text: str) -> Int64[np.ndarray, " T"]:
        """Where in the text each of its tokens begins; the end is a token too, and stands behind the last
        character."""
        line, at = self.prepared(text), 0
        begins: list[int] = []
        for token in self.codec.tokenizer.split(line):
            at = line.index(token, at)
            begins.append(at)
            at += len(token)
        return np.array([*begins, len(line)], np.int64)


def _lines(texts: Sequence[str], fold: bool) -> str:
    return "".join(_one_line(text, fold) + "\n" for text in texts)


def _one_line(text: str, fold: bool) -> str:
    """Of the same length, so that places in it are places in the text."""
    line = text.replace("\n", " ")
    if not fold:
        return line
    small = line.lower()
    return (
        small if len(small) == len(line) else "".join(c.lower() if len(c.lower()) == 1 else c for c in line)
    )
