"""Adaptive n-grams of many orders as one token model: it knows nothing but what it has read.

A token is the path of its id's bits in a tree; `kernels/mixing.py` says what each bit's probability is. The
state is what was read, as a length into a history that only grows: a step costs what it adds. Going on from a
state that others have gone past reads its history again.

    p(x_t | x_<t) = prod_d p(bit_d | bits before it, x_<t)

Shape letters: B batch, T time, V vocabulary, D bits of a token.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float64, Int16, Integer, UInt32

from chainrule.core import InputError, TokenModel, check_tokens
from chainrule.kernels import mixing

Array = np.ndarray
STRETCHED = 256  # of a nat, in what another model says
SUREST = 2047


class _Log:
    """A history that only grows, and the mix that has learned all of it, made when first asked for."""

    def __init__(self, mix: mixing.Mix | None, ids: list[int]) -> None:
        self.mix, self.ids = mix, ids


@dataclass(eq=False)
class Past:
    """What a row has read: the first so many ids of a log. An immutable value; where others have gone on, it
    moves to a log of its own."""

    log: _Log
    length: int

    def __deepcopy__(self, memo: Any) -> "Past":
        return self


class Read(NamedTuple):
    """past: of each row, an array of `Past`. told: the other model's state, an empty tuple without one."""

    past: Array
    told: Any


@dataclass(frozen=True, eq=False)
class ContextMixing(TokenModel[Read]):
    """kinds: what each id is, see `kernels/mixing.py`; without them there are no words and no lines.

    other: a model of the same vocabulary whose opinion of every bit is one more input of the mix. table_bits:
    log2 of how many buckets of 64 bytes each row may fill.
    """

    vocab: int
    kinds: UInt32[Array, " V"] | None = None
    other: TokenModel[Any] | None = None
    table_bits: int = 20

    def __post_init__(self) -> None:
        if not 1 <= self.vocab <= mixing.LARGEST:
            raise InputError(f"context mixing: expected 1..{mixing.LARGEST} ids, got {self.vocab}")
        if self.other is not None and self.other.vocab_size != self.vocab:
            sizes = f"{self.vocab}, {self.other.vocab_size}"
            raise InputError(f"context mixing: expected models of one vocabulary, got sizes {sizes}")

    @property
    def vocab_size(self) -> int:
        return self.vocab

    @cached_property
    def _kinds(self) -> UInt32[Array, " V"]:
        return np.zeros(self.vocab, np.uint32) if self.kinds is None else self.kinds

    def start(self, batch: int) -> Read:
        return Read(self._pasts([Past(_Log(None, []), 0) for _ in range(batch)]), self._told(batch))

    def predict(self, state: Read) -> Float64[Array, "B V"]:
        log_probs, outside = (
            np.empty((len(state.past), self.vocab)),
            self._outside(state.told, len(state.past)),
        )
        for row, past in enumerate(state.past):
            ones = mixing.predict(self._mix(past), outside[row]) / mixing.ONE
            log_probs[row] = self._leaves(ones)
        return log_probs

    def advance(self, state: Read, items: Integer[Array, " B"]) -> Read:
        return self.score(state, items[:, None])[1]

    def score(self, state: Read, tokens: Integer[Array, "B T"]) -> tuple[Float64[Array, "B T"], Read]:
        """Row by row: every token is predicted, then learned."""
        check_tokens(tokens, self.vocab)
        out = np.empty(tokens.shape)
        if self.other is None:
            pasts = [self._read(past, tokens[row], out[row]) for row, past in enumerate(state.past)]
            return out, Read(self._pasts(pasts), state.told)
        for t in range(tokens.shape[1]):
            outside = self._outside(state.told, len(state.past))
            told = self.other.advance(state.told, tokens[:, t])
            pasts = list[Past]()
            for row, past in enumerate(state.past):
                step = tokens[row, t : t + 1]
                pasts.append(self._read(past, step, out[row, t : t + 1], outside[row]))
            state = Read(self._pasts(pasts), told)
        return out, state

    def _told(self, batch: int) -> Any:
        return () if self.other is None else self.other.start(batch)

    def _pasts(self, pasts: Sequence[Past]) -> Array:
        made = np.empty(len(pasts), object)
        made[:] = pasts
        return made

    def _read(
        self,
        past: Past,
        ids: Integer[Array, " T"],
        out: Float64[Array, " T"],
        outside: Int16[Array, " nodes"] | None = None,
    ) -> Past:
        """The past after these ids; their log-probabilities are written to `out`."""
        if not len(ids):
            return past
        probs = mixing.learn(self._mix(past), ids, outside)
        out[:] = np.log(np.where(probs, probs, mixing.ONE) / mixing.ONE).sum(axis=1)
        past.log.ids.extend(ids.tolist())
        return Past(past.log, len(past.log.ids))

    def _mix(self, past: Past) -> mixing.Mix:
        """The mix that has read just this past."""
        if past.length < len(past.log.ids):
            past.log = self._reread(past.log.ids[: past.length])
        if past.log.mix is None:
            past.log.mix = mixing.new_mix(self._kinds, self.table_bits)
        return past.log.mix

    def _reread(self, ids: list[int]) -> _Log:
        """A log of its own for a past that others have gone on from."""
        mix, read = mixing.new_mix(self._kinds, self.table_bits), np.array(ids, np.int64)
        if self.other is None:
            mixing.learn(mix, read)
        else:
            told = self.other.start(1)
            for t in range(len(read)):
                mixing.learn(mix, read[t : t + 1], self._outside(told, 1)[0])
                told = self.other.advance(told, read[t : t + 1])
        return _Log(mix, ids)

    def _outside(self, told: Any, batch: int) -> Sequence[Int16[Array, " nodes"] | None]:
        """What the other model says of the bits, at every node of the tree, for each row."""
        if self.other is None:
            return [None] * batch
        depth = (self.vocab - 1).bit_length() or 1
        nodes = np.zeros((batch, 2 << depth))  # the leaves stand after the nodes
        nodes[:, 1 << depth : (1 << depth) + self.vocab] = np.exp(self.other.predict(told))
        for at in range(depth - 1, -1, -1):
            below = nodes[:, 2 << at : 4 << at]
            nodes[:, 1 << at : 2 << at] = below[:, ::2] + below[:, 1::2]
        with np.errstate(divide="ignore", invalid="ignore"):
            odds = np.log(nodes[:, 3::2]) - np.log(nodes[:, 2::2])  # of each node's children
        stretched = np.clip(np.nan_to_num(STRETCHED * odds, nan=0.0), -SUREST, SUREST)
        return list(np.concatenate([np.zeros((batch, 1)), np.rint(stretched)], axis=1).astype(np.int16))

    def _leaves(self, ones: Float64[Array, " nodes"]) -> Float64[Array, " V"]:
        """The log-probability of every id from those of the bits at the nodes above it."""
        log_probs = np.zeros(1)
        with np.errstate(divide="ignore"):
            for level in np.split(ones, 2 ** np.arange(len(ones).bit_length() - 1))[1:]:
                below = np.stack([np.log1p(-level), np.log(level)], axis=1)
                log_probs = (log_probs[:, None] + below).ravel()
        return log_probs[: self.vocab]
