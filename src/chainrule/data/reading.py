"""A text as a data set to fit a model to: the options of reading, in one place."""

import inspect
import os

from chainrule.core import InputError
from chainrule.data.codec import Codec
from chainrule.data.dataset import Dataset, encoded, make_dataset, split_text


def read_text(
    text: str,
    *,
    tokenizer: str = "characters",
    clean: bool = False,
    min_freq: int = 1,
    vocab_limit: int | None = None,
    bpe_size: int = 2000,
    sentences: bool = False,
    unk: str = "ordinary",
    codec: Codec | None = None,
    valid: float | str = 0.1,
    test: float | str = 0.1,
) -> Dataset:
    """A text as a data set to fit a model to.

    valid, test: a fraction of the text, the last of it, or a text of its own; 0 or "" for none. sentences:
    every line is one, its end is predicted, and n-grams carry nothing from one to the next. min_freq,
    vocab_limit, unk: see `Codec.fit_encode`. codec: another model's, to read the text as that one does; then
    these options are not looked at.
    Raises InputError for what cannot be used.
    """
    if not isinstance(text, str):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise InputError(f"fit: expected a text (str), got {type(text).__name__}")
    for option, part in (("valid", valid), ("test", test)):
        if isinstance(part, str) and len(part) < 256 and os.path.isfile(part):
            raise InputError(f"{option}: expected a text, got the name of a file, {part!r}: read it first")
    if codec is not None:
        clean, sentences = codec.letters_only, codec.sentences
    parts = split_text(text, valid=valid, test=test, clean=clean, sentences=sentences)
    if codec is not None:
        return encoded(codec, *parts)
    return make_dataset(
        *parts,
        tokenizer=tokenizer,
        min_freq=min_freq,
        vocab_limit=vocab_limit,
        bpe_size=bpe_size,
        clean=clean,
        sentences=sentences,
        unk=unk,
    )


READING = frozenset(inspect.signature(read_text).parameters) - {"text"}
