"""How good a model is on a text it has not seen: total nats, and every figure that follows from them.

    perplexity = exp(nats / tokens),   bits per character = nats / (ln 2 * characters)

A held-out stream is read as one row from its start; documents are rows of their own. Every token is scored
exactly once, whatever the batch and the chunk.

Shape letters: B batch, T time.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float64, Integer

from chainrule.core import CanBeSilent, InputError, TokenModel, take_rows

Array = np.ndarray
Tokens = Integer[Array, " T"]
LN2, LN10 = math.log(2), math.log(10)


@dataclass(frozen=True)
class TextCounts:
    """How long a text is, in every unit that a figure can be given in, before it was tokenised."""

    words: int
    characters: int
    bytes: int

    @classmethod
    def of(cls, text: str) -> "TextCounts":
        """Words are what white space separates."""
        return cls(len(text.split()), len(text), len(text.encode("utf-8", "surrogatepass")))


@dataclass(frozen=True)
class Evaluation:
    """What a text costs a model. tokeniser and loses: what its tokens are, and what of the text they lack.

    unknown, unknown_nats: tokens that were scored as the unknown symbol, and what they cost. silent: tokens
    before which the model had nothing to say and was taken as uniform. online: each token was scored, then
    learned; such a figure and that of a model which stays as it was trained are two columns, never one.
    """

    nats: float
    tokens: int
    counts: TextCounts
    tokenizer: str
    loses: str | None = None
    unknown: int = 0
    silent: int = 0
    unknown_nats: float = 0.0
    online: bool = False

    @property
    def perplexity_known(self) -> float:
        """Per token, over the tokens that are not unknown: what others print as without OOVs."""
        known = self.tokens - self.unknown
        return _exp((self.nats - self.unknown_nats) / known) if known else math.nan

    @property
    def perplexity(self) -> float:
        """Per token: infinity where something that happened had probability zero."""
        return _exp(self.nats / self.tokens) if self.tokens else math.nan

    @property
    def perplexity_per_word(self) -> float:
        """Per white-space word, whatever the tokens are."""
        return _exp(self.nats / self.counts.words) if self.counts.words else math.nan

    @property
    def bits_per_token(self) -> float:
        return self.nats / LN2 / self.tokens if self.tokens else math.nan

    @property
    def bits_per_character(self) -> float:
        return self.nats / LN2 / self.counts.characters if self.counts.characters else math.nan

    @property
    def bits_per_byte(self) -> float:
        return self.nats / LN2 / self.counts.bytes if self.counts.bytes else math.nan

    @property
    def lacks(self) -> str | None:
        """What the figures do not pay for, in words; None where they pay for every byte."""
        unknown = f"{self.unknown:,} of {self.tokens:,} tokens unknown, scored as one symbol"
        named = [*([f"without {self.loses}"] if self.loses else []), *([unknown] if self.unknown else [])]
        return "; ".join(named) or None

    @property
    def codes_everything(self) -> bool:
        """Whether the nats pay for every byte of the text: nothing lost, nothing unknown."""
        return self.loses is None and not self.unknown

    def as_dict(self) -> dict[str, Any]:
        """For JSON; infinity and nan as the strings that float() reads."""
        return {
            "online": self.online,
            "tokens": self.tokens,
            "unknown": self.unknown,
            "silent": self.silent,
            "words": self.counts.words,
            "characters": self.counts.characters,
            "bytes": self.counts.bytes,
            "nats": finite_or_name(self.nats),
            "perplexity": finite_or_name(self.perplexity),
            "perplexity_known": finite_or_name(self.perplexity_known),
            "perplexity_per_word": finite_or_name(self.perplexity_per_word),
            "bits_per_token": finite_or_name(self.bits_per_token),
            "bits_per_character": finite_or_name(self.bits_per_character),
            "bits_per_byte": finite_or_name(self.bits_per_byte),
            "tokenizer": self.tokenizer,
            "loses": self.loses,
            "codes_everything": self.codes_everything,
        }


def finite_or_name(x: float) -> float | str:
    """A number that JSON can hold, or `inf` or `nan`."""
    return x if math.isfinite(x) else str(x)


def perplexity_ratio(a: Evaluation, b: Evaluation) -> float:
    """a's perplexity per token over b's; raises InputError where their tokens are not the same."""
    if (a.tokenizer, a.tokens, a.counts, a.unknown) != (b.tokenizer, b.tokens, b.counts, b.unknown):
        raise InputError(
            f"perplexity per token: expected the same tokens, got {a.tokens} by {a.tokenizer} ({a.unknown} "
            f"unknown) and {b.tokens} by {b.tokenizer} ({b.unknown} unknown); "
            f"compare bits per character or perplexity per word"
        )
    return a.perplexity / b.perplexity


def bits_per_byte_difference(a: Evaluation, b: Evaluation) -> float:
    """a's bits per byte less b's; raises InputError where one of them does not code every byte."""
    for report in (a, b):
        if not report.codes_everything:
            lost = report.loses or f"{report.unknown} unknown tokens"
            raise InputError(f"bits per byte: expected figures that code every byte, got one without {lost}")
    if a.counts != b.counts:
        raise InputError("bits per byte: expected figures of one text, got two of different length")
    return a.bits_per_byte - b.bits_per_byte


def surprisal(
    model: TokenModel[Any],
    tokens: Tokens,
    *,
    chunk: int = 4096,
    progress: Callable[[float], None] | None = None,
) -> Float64[Array, " T"]:
    """-log p of each token in nats, the stream read as one row from its start.

    progress: told the share that is done, 0 to 1.
    """
    if chunk < 1:
        raise InputError(f"chunk: expected at least 1, got {chunk}")
    tokens = np.asarray(tokens)
    if tokens.ndim != 1:
        raise InputError(f"tokens: expected one row of ids, got shape {tokens.shape}")
    nats = np.empty(len(tokens), dtype=np.float64)
    state = model.start(1)
    for at in range(0, len(tokens), chunk):
        log_probs, state = model.score(state, tokens[None, at : at + chunk])
        nats[at : at + chunk] = -log_probs[0]
        if progress:
            progress(min(1.0, (at + chunk) / len(tokens)))
    return nats


def stream_perplexity(model: TokenModel[Any], tokens: Tokens) -> float:
    """Per token, of a text read as one row from its start; infinity where something that happened had
    probability zero."""
    return _exp(float(surprisal(model, tokens).mean()))


def document_surprisal(
    model: TokenModel[Any], documents: Sequence[Integer[Array, " _"]], *, batch: int = 16, chunk: int = 1024
) -> list[Float64[Array, " _"]]:
    """-log p of each token in nats, every document a row of its own; rows that have ended drop out."""
    if batch < 1 or chunk < 1:
        raise InputError(f"batch and chunk: expected at least 1, got {batch} and {chunk}")
    nats = [np.empty(len(document), dtype=np.float64) for document in documents]
    longest_first = sorted(range(len(documents)), key=lambda d: -len(documents[d]))
    for first in range(0, len(documents), batch):
        rows = longest_first[first : first + batch]
        state = model.start(len(rows))
        for at in range(0, len(documents[rows[0]]), chunk):
            live = [d for d in rows if len(documents[d]) > at]
            if len(live) < len(rows):
                state, rows = take_rows(state, np.arange(len(live))), live
            width = min(chunk, len(documents[rows[0]]) - at)
            padded = np.zeros((len(rows), width), dtype=np.int64)
            for row, d in enumerate(rows):
                piece = documents[d][at : at + width]
                padded[row, : len(piece)] = piece
            log_probs, state = model.score(state, padded)
            for row, d in enumerate(rows):
                length = min(width, len(documents[d]) - at)
                nats[d][at : at + length] = -log_probs[row, :length]
    return nats


def mean_nats_in_rows(model: TokenModel[Any], tokens: Tokens, *, rows: int = 32) -> float:
    """Nats per token of a stream cut into rows that are read side by side, for speed.

    The rows forget what came before them, so this is not the held-out figure; it is for validation while
    training.
    """
    rows = max(1, min(rows, len(tokens) // 200))
    length = len(tokens) // rows
    block = tokens[: rows * length].reshape(rows, length)
    total, state = 0.0, model.start(rows)
    for at in range(0, length, 256):
        log_probs, state = model.score(state, block[:, at : at + 256])
        total -= float(log_probs.sum())
    return total / block.size


def evaluate(
    nats: Float64[Array, " T"],
    tokens: Tokens,
    counts: TextCounts,
    *,
    model: TokenModel[Any],
    tokenizer: str,
    loses: str | None = None,
    unknown_id: int | None = None,
) -> Evaluation:
    """The evaluation of a text whose tokens cost `nats`, read as one row.

    Raises InputError for a model whose scores are no probabilities.
    """
    if not getattr(model, "normalised", True):
        raise InputError(
            "perplexity: expected probabilities; this model's scores only rank, they do not sum to 1"
        )
    unknown = tokens == unknown_id  # nowhere, where there is no such id
    silent = 0
    if isinstance(model, CanBeSilent):
        silent = int(model.silent(model.start(1), tokens[None]).sum())
    return Evaluation(
        nats=float(nats.sum()),
        tokens=len(tokens),
        counts=counts,
        tokenizer=tokenizer,
        loses=loses,
        unknown=int(np.count_nonzero(unknown)),
        silent=silent,
        unknown_nats=float(nats[unknown].sum()) if unknown_id is not None else 0.0,
    )


def _exp(x: float) -> float:
    try:
        return math.exp(x)
    except OverflowError:
        return math.inf
