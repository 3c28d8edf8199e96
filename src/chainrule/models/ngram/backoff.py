"""A backoff model: every n-gram it lists has its probability, every other token is shorter contexts' affair.

    log p(w | h) = log_prob(h w) where h w is listed, else backoff(h) + log p(w | h')    h': h less its first

Estimated, pruned, mixed, quantised or read from an ARPA file, it is this one thing (Katz 1987).

Shape letters: B batch, T time, V vocabulary, n order, U n-grams of a level, R rows.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from jaxtyping import Float64, Int32, Integer, UInt8

from chainrule.core import FileFormatError, InputError, TokenModel, check_tokens
from chainrule.kernels import backoff as kernel
from chainrule.kernels.backoff import LevelArrays
from chainrule.kernels.grams import parents_of, spelled
from chainrule.models.ngram.history import ABSENT, History, advanced, after, beginning, checked

Array = np.ndarray
PIECE = 1 << 18  # n-grams that are looked up at once


@dataclass(frozen=True, eq=False)
class BackoffModel(TokenModel[History]):
    """levels: n-grams with log-probabilities and backoffs in nats, level 1 the whole alphabet by ids.

    end: the token that ends a sentence, where the text was sentences; then the alphabet has one token more,
    V, that begins them. made_by: the smoothing, or what else made it.
    """

    size: int
    levels: tuple[LevelArrays, ...]
    end: int | None = None
    made_by: str = "backoff"

    @property
    def vocab_size(self) -> int:
        return self.size

    @property
    def order(self) -> int:
        return len(self.levels)

    @property
    def ngrams(self) -> tuple[int, ...]:
        """How many n-grams of each order are listed."""
        return tuple(len(level.tokens) for level in self.levels)

    @cached_property
    def table(self) -> kernel.Table:
        """The levels as the kernels read them."""
        return kernel.table(self.levels, self.size, self.end)

    def start(self, batch: int) -> History:
        """No token yet, or the beginning of a sentence."""
        return beginning(batch, self.order, self.size, self.end)

    def advance(self, state: History, items: Integer[Array, " B"]) -> History:
        return advanced(state, check_tokens(items, self.size), self.size, self.end)

    def predict(self, state: History) -> Float64[Array, "B V"]:
        return kernel.predict(self.table, checked(state, self.order))

    def score(self, state: History, tokens: Integer[Array, "B T"]) -> tuple[Float64[Array, "B T"], History]:
        log_probs, _ = self.score_matched(state, tokens)
        return log_probs, after(state, tokens, self.size, self.end)

    def score_matched(
        self, state: History, tokens: Integer[Array, "B T"]
    ) -> tuple[Float64[Array, "B T"], UInt8[Array, "B T"]]:
        """Log-probability of every token, and the order of the n-gram that it was found in."""
        tokens = np.ascontiguousarray(check_tokens(tokens, self.size), dtype=np.int32)
        state = checked(state, self.order)
        if tokens.ndim != 2 or len(tokens) != len(state):
            raise InputError(f"tokens: expected [{len(state)}, steps], got {list(tokens.shape)}")
        return kernel.score(self.table, state, tokens)

    def backed_off(self, k: int) -> Float64[Array, " U"]:
        """log p(w | h') of every listed n-gram h w of order k: what it would cost if it were not listed."""
        rows = spell(self.levels, k)
        out = np.empty(len(rows))
        for at in range(0, len(rows), PIECE):
            some = rows[at : at + PIECE]
            history = np.full((len(some), self.order - 1), ABSENT, np.int32)
            history[:, self.order - k + 1 :] = some[:, 1:-1]
            log_probs, _ = self.score_matched(history, some[:, -1:])
            out[at : at + PIECE] = log_probs[:, 0]
        return out

    @cached_property
    def _by_frequency(self) -> Int32[Array, " V"]:
        """All tokens, the likeliest without a context first."""
        return np.argsort(-self.levels[0].log_prob(np.arange(self.size)), kind="stable").astype(np.int32)

    def top(self, state: History, k: int) -> list[tuple[Integer[Array, " K"], Float64[Array, " K"]]]:
        """For each row the k likeliest next tokens and their log-probabilities, the best first.

        Only the listed extensions of the contexts are looked at, and as many of the tokens that are likely
        anywhere as it takes.
        """
        if k < 1:
            raise InputError(f"k: expected at least 1, got {k}")
        return [self._top_of(row, min(k, self.size)) for row in checked(state, self.order)]

    def _top_of(self, history: Int32[Array, " H"], k: int) -> tuple[Array, Array]:
        contexts = kernel.contexts_of(self.table, history)
        weight, tokens, log_probs = 0.0, [np.empty(0, np.int32)], [np.empty(0)]
        for order in range(self.order, 1, -1):  # the longest context that lists a token has the say
            if contexts[order - 1] == ABSENT:
                continue
            level = self.levels[order - 1]
            some = slice(*kernel.children(level, contexts[order - 1]))
            tokens.append(level.tokens[some])
            log_probs.append(level.log_prob(np.arange(some.start, some.stop)).astype(np.float64) + weight)
            weight += float(self.levels[order - 2].backoff(contexts[order - 1]))
        listed, where = np.unique(np.concatenate(tokens), return_index=True)  # the first: the longest context
        values = np.concatenate(log_probs)[where]
        inside = (listed >= 0) & (listed < self.size)  # a damaged file may list anything
        listed, values = listed[inside], values[inside]
        every = self._by_frequency if np.isfinite(weight) else np.arange(self.size)  # all alike: by id
        often = every[: k + len(listed)]
        often = often[~np.isin(often, listed)][:k]
        listed = np.concatenate([listed, often])
        values = np.concatenate([values, self.levels[0].log_prob(often).astype(np.float64) + weight])
        best = np.lexsort((listed, -values))[:k]
        return listed[best], values[best]

    def to_arrays(self) -> tuple[dict[str, Any], dict[str, Array]]:
        """Settings and arrays that `from_arrays` makes the same model of."""
        settings = {"vocab_size": self.size, "order": self.order, "end": self.end, "made_by": self.made_by}
        arrays = {
            f"{name}{k}": array
            for k, level in enumerate(self.levels, 1)
            for name, array in level._asdict().items()
            if array is not None
        }
        return settings, arrays

    @classmethod
    def from_arrays(cls, settings: dict[str, Any], arrays: dict[str, Array]) -> "BackoffModel":
        size, order, end = int(settings["vocab_size"]), int(settings["order"]), settings["end"]
        if not 1 <= order <= 255 or size < 1 or not (end is None or 0 <= end < size):
            raise FileFormatError(f"backoff model: expected an order and a vocabulary, got {order}, {size}")
        levels: list[LevelArrays] = []
        for k in range(1, order + 1):
            columns = {name: arrays.get(f"{name}{k}") for name in LevelArrays._fields}
            levels.append(_checked(columns, k, order, levels[-1] if levels else None))
        if len(levels[0].tokens) != size + (end is not None):
            raise FileFormatError(f"backoff model: expected {size} tokens, got {len(levels[0].tokens)}")
        return cls(size, tuple(levels), end, str(settings["made_by"]))


def _checked(columns: dict[str, Array | None], k: int, order: int, below: LevelArrays | None) -> LevelArrays:
    """A level whose arrays fit one another. What they hold is not read, so that a file opens at once; the
    kernels check every offset that they follow."""
    kinds = dict(
        zip(
            LevelArrays._fields,
            (np.int32, np.uint32, np.float32, np.float32, np.uint8, np.uint8),
            strict=True,
        )
    )
    needed = {"tokens", "first", "log_probs"} | ({"backoffs"} if k < order else set())
    for name, array in columns.items():
        if array is None and name in needed:
            raise FileFormatError(f"backoff model: level {k} lacks {name}")
        if array is not None and (array.dtype != kinds[name] or array.ndim != 1):
            raise FileFormatError(f"backoff model: {name} of level {k} is {array.dtype} {array.shape}")
    level = LevelArrays(**columns)  # pyright: ignore[reportArgumentType]
    size, contexts = len(level.tokens), 1 if below is None else len(below.tokens)
    fits = [
        len(level.first) == contexts + 1,
        _fits(level.log_probs, level.prob_codes, size),
        level.backoffs is None or _fits(level.backoffs, level.backoff_codes, size),
        k < order or level.backoffs is None,
    ]
    if not all(fits):
        raise FileFormatError(f"backoff model: the arrays of level {k} do not fit one another")
    return level


def _fits(values: Array, codes: Array | None, size: int) -> bool:
    return len(values) == size if codes is None else len(codes) == size and len(values) == 256


def contexts_of_level(levels: Sequence[LevelArrays], k: int) -> Integer[Array, " U"]:
    """The context of each n-gram of order k, as a slot of the level below."""
    return parents_of(levels[k - 1].first)


def spell(levels: Sequence[LevelArrays], k: int) -> Int32[Array, "U n"]:
    """The n-grams of order k as rows of ids."""
    below = levels[:k]
    return spelled([level.tokens for level in below], [parents_of(level.first) for level in below])
