"""Adaptive n-grams of many orders as one token model: it knows nothing but what it has read.

A token is the path of its id's bits in a tree; `kernels/mixing.py` says what each bit's probability is. The
state is what was read, as a length into a history that only grows: a step costs what it adds. Going on from a
state that others have gone past reads its history again.

    p(x_t | x_<t) = prod_d p(bit_d | bits before it, x_<t)

Shape letters: B batch, T time, V vocabulary, D bits of a token.
"""

from array import array
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from threading import Lock
from typing import Any

import numpy as np
from jaxtyping import Float64, Integer, UInt32

from chainrule.core import FileFormatError, InputError, TokenModel, check_tokens
from chainrule.kernels import mixing

Array = np.ndarray
FEWEST, MOST = 8, 22  # bits of a table
PIECE = 1 << 18  # ids that are learned at once


class _Log:
    """A history that only grows, and the mix that has learned all of it, made when first asked for. lock: of
    whoever makes it grow."""

    def __init__(self, ids: "array[int]") -> None:
        self.ids, self.lock = ids, Lock()
        self.mix: mixing.Mix | None = None


@dataclass(eq=False)
class Past:
    """What a row has read: the first so many ids of a log. It always stands for these; where others have gone
    on from it, it moves to a log of its own."""

    log: _Log
    length: int

    def __deepcopy__(self, memo: Any) -> "Past":
        return self


Pasts = np.ndarray  # [B] of Past


@dataclass(frozen=True, eq=False)
class ContextMixing(TokenModel[Pasts]):
    """kinds: what each id is, see `kernels/mixing.py`; without them there are no words and no lines.

    read: ids that it has read and learned before every text. table_bits: log2 of how many buckets of 64 bytes
    each row may fill. The state is an array of `Past`, one a row.
    """

    vocab: int
    kinds: UInt32[Array, " V"] | None = None
    read: Integer[Array, " N"] | None = None
    table_bits: int = 20

    def __post_init__(self) -> None:
        if not 1 <= self.vocab <= mixing.LARGEST:
            raise InputError(f"context mixing: expected 1..{mixing.LARGEST} ids, got {self.vocab}")
        if not FEWEST <= self.table_bits <= MOST:
            raise InputError(
                f"context mixing: expected a table of {FEWEST}..{MOST} bits, got {self.table_bits}"
            )
        if self.kinds is not None and (self.kinds.dtype != np.uint32 or self.kinds.shape != (self.vocab,)):
            got = f"{self.kinds.dtype} {self.kinds.shape}"
            raise InputError(f"context mixing: expected kinds of {self.vocab} ids as uint32, got {got}")
        if self.read is not None and check_tokens(self.read, self.vocab).ndim != 1:
            raise InputError(f"context mixing: expected one row of ids, got shape {self.read.shape}")

    @classmethod
    def from_arrays(cls, settings: Mapping[str, Any], arrays: Mapping[str, Array]) -> "ContextMixing":
        """What `to_arrays` gave; raises FileFormatError where it is something else."""
        vocab, bits = int(settings["vocab"]), int(settings["table_bits"])
        kinds, read = arrays["kinds"], arrays["read"]
        fitting = (
            kinds.dtype == np.uint32 and kinds.shape == (vocab,) and (kinds >> mixing.FOLDED < 1 << 21).all()
        )
        whole = read.dtype == np.int32 and read.ndim == 1 and ((read >= 0) & (read < vocab)).all()
        if not (fitting and whole and FEWEST <= bits <= MOST):
            raise FileFormatError(
                "contexts: expected kinds of ids and the ids that were read, got something else"
            )
        return cls(vocab, kinds, read, table_bits=bits)

    def to_arrays(self) -> tuple[dict[str, Any], dict[str, Array]]:
        """Settings and arrays, what was read among them: to be what it is, the model reads it again."""
        read = np.empty(0, np.int32) if self.read is None else self.read.astype(np.int32)
        return {"vocab": self.vocab, "table_bits": self.table_bits}, {
            "kinds": self._known_kinds(),
            "read": read,
        }

    @property
    def vocab_size(self) -> int:
        return self.vocab

    def start(self, batch: int) -> Pasts:
        return _row([Past(_Log(array("i")), 0) for _ in range(batch)])

    def predict(self, state: Pasts) -> Float64[Array, "B V"]:
        log_probs = np.empty((len(state), self.vocab))
        for row, past in enumerate(state):
            with self._held(past) as (mix, _):
                log_probs[row] = self._leaves(mixing.predict(mix) / mixing.ONE)
        return log_probs

    def advance(self, state: Pasts, items: Integer[Array, " B"]) -> Pasts:
        return self.score(state, items[:, None])[1]

    def score(self, state: Pasts, tokens: Integer[Array, "B T"]) -> tuple[Float64[Array, "B T"], Pasts]:
        """Row by row: every token is predicted, then learned."""
        check_tokens(tokens, self.vocab)
        out = np.empty(tokens.shape)
        return out, _row([self._read(past, tokens[row], out[row]) for row, past in enumerate(state)])

    def _read(self, past: Past, ids: Integer[Array, " T"], out: Float64[Array, " T"]) -> Past:
        """The past after these ids; their log-probabilities are written to `out`."""
        for at in range(0, len(ids), PIECE):
            past = self._learned(past, ids[at : at + PIECE], out[at : at + PIECE])
        return past

    def _learned(self, past: Past, ids: Integer[Array, " T"], out: Float64[Array, " T"]) -> Past:
        with self._held(past) as (mix, log):
            log.mix = None  # where Ctrl-C comes now, half of it is learned: it is read again then
            probs = mixing.learn(mix, ids)
            log.ids.frombytes(ids.astype(np.intc).tobytes())
            log.mix = mix
        np.log(np.where(probs, probs, mixing.ONE) / mixing.ONE).sum(axis=1, out=out)
        return Past(log, past.length + len(ids))

    @contextmanager
    def _held(self, past: Past) -> Generator[tuple[mixing.Mix, _Log]]:
        """The mix that has read just this past, and its log, which no other thread touches meanwhile; where
        others have gone on, they are new ones, and the past is read again."""
        while True:
            log = past.log
            with log.lock:
                if past.length == len(log.ids):
                    if log.mix is None:
                        log.mix = self._begun(np.array(log.ids, np.int32))
                    yield log.mix, log
                    return
                past.log = _Log(log.ids[: past.length])

    @cached_property
    def _first(self) -> mixing.Mix:
        """The mix that has learned what it was given to read."""
        mix, read = self._new(), np.empty(0, np.int32) if self.read is None else self.read
        for at in range(0, len(read), PIECE):
            mixing.learn(mix, read[at : at + PIECE])
        return mix

    def _new(self) -> mixing.Mix:
        return mixing.new_mix(self._known_kinds(), self.table_bits)

    def _known_kinds(self) -> UInt32[Array, " V"]:
        return np.zeros(self.vocab, np.uint32) if self.kinds is None else self.kinds

    def _begun(self, ids: Integer[Array, " N"]) -> mixing.Mix:
        """The mix after a text that begins so."""
        mix = self._new() if self.read is None else mixing.copied(self._first)
        for at in range(0, len(ids), PIECE):
            mixing.learn(mix, ids[at : at + PIECE])
        return mix

    def _leaves(self, ones: Float64[Array, " nodes"]) -> Float64[Array, " V"]:
        """The log-probability of every id from those of the bits at the nodes above it."""
        log_probs = np.zeros(1)
        with np.errstate(divide="ignore"):
            for level in np.split(ones, 2 ** np.arange(len(ones).bit_length() - 1))[1:]:
                below = np.stack([np.log1p(-level), np.log(level)], axis=1)
                log_probs = (log_probs[:, None] + below).ravel()
        return log_probs[: self.vocab]


def _row(pasts: Sequence[Past]) -> Pasts:
    made = np.empty(len(pasts), object)
    made[:] = pasts
    return made
