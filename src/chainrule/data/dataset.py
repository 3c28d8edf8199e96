"""A text in three parts as ids, everything that is fitted fitted on the first part alone."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Int32

from chainrule.core import InputError
from chainrule.data.codec import Codec, letters_only
from chainrule.data.overlap import Fingerprint
from chainrule.data.partition import Bounds, split_bounds


@dataclass(frozen=True, eq=False)
class Part:
    """A stretch of text as it is modelled (cleaned, where cleaning was asked for), and its ids."""

    text: str
    ids: Int32[np.ndarray, " T"]

    def head(self, tokens: int) -> "Part":
        """Its first tokens only; the text is cut in proportion, where tokens are not characters."""
        if tokens >= len(self.ids):
            return self
        return Part(self.text[: round(len(self.text) * tokens / len(self.ids))], self.ids[:tokens])


@dataclass(frozen=True, eq=False)
class Dataset:
    """Training, validation and test part; the last two may be empty."""

    codec: Codec
    train: Part
    valid: Part
    test: Part

    def overlap(self) -> float | None:
        """The share of the test part's 50-character windows that stand in the training part too."""
        return Fingerprint.of(self.train.text).share(self.test.text)


def split_text(
    text: str,
    *,
    valid: float | str = 0.1,
    test: float | str = 0.1,
    clean: bool = False,
    sentences: bool = False,
) -> tuple[str, str, str]:
    """Three contiguous texts: the last `test` of the characters to test, the last `valid` of the rest to
    validate. The book's cleaning, where asked for, comes before the cut; sentences: the cut is at the end of
    a line. In place of a fraction stands a text of its own."""
    if clean and text.strip():
        text = letters_only(text)
        if not text.strip():
            raise InputError("text: expected letters a-z, which cleaning keeps, got none")
    fractions = [0.0 if isinstance(part, str) else part for part in (valid, test)]
    ends = split_bounds(len(text), *fractions)
    if sentences:
        ends = Bounds(
            *(text.find("\n", end - 1) + 1 or len(text) if 0 < end < len(text) else end for end in ends)
        )
    return (
        text[: ends.train],
        valid if isinstance(valid, str) else text[ends.train : ends.valid],
        test if isinstance(test, str) else text[ends.valid :],
    )


def encoded(codec: Codec, train: str, valid: str = "", test: str = "") -> Dataset:
    """Three texts as the ids of a codec that is there already; what it lacks is unknown.

    Raises InputError when there is nothing to train on.
    """
    parts = [Part(codec.prepare(text), codec.encode(text)) for text in (train, valid, test)]
    if not len(parts[0].ids):
        raise InputError("training text: expected some text, got nothing")
    return Dataset(codec, *parts)


def make_dataset(
    train: str,
    valid: str = "",
    test: str = "",
    *,
    tokenizer: str = "characters",
    min_freq: int = 1,
    vocab_limit: int | None = None,
    bpe_size: int = 2000,
    clean: bool = False,
    sentences: bool = False,
    unk: str = "ordinary",
) -> Dataset:
    """Three texts as ids; tokeniser and vocabulary come from the training text (see `Codec.fit_encode`).

    Raises InputError when the training text is empty, or cleaning leaves nothing of it.
    """
    parts = [letters_only(text) if clean else text for text in (train, valid, test)]
    if not parts[0] or parts[0].isspace():
        left = "no letters a-z" if train.strip() else "nothing"
        raise InputError(f"training text: expected some text, got {left}")
    codec, ids = Codec.fit_encode(
        parts[0],
        tokenizer,
        min_freq=min_freq,
        vocab_limit=vocab_limit,
        bpe_size=bpe_size,
        clean=clean,
        sentences=sentences,
        unk=unk,
    )
    return Dataset(codec, Part(parts[0], ids), *(Part(text, codec.encode(text)) for text in parts[1:]))
