"""Tokens to ids and back: the most frequent first, ties by the token itself, so that no run differs.

Reserved symbols come first, the unknown symbol at the head of them; a token seen less than `min_freq`
times is unknown. A closed vocabulary (bytes, BPE) has no unknown symbol.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from jaxtyping import Int32, Integer

from chainrule.core import InputError, check_tokens

UNKNOWN = "<unk>"


@dataclass(frozen=True)
class Vocabulary:
    """tokens: the token of each id. unknown: the symbol that stands for all others, or None.

    counts: how often each was seen in the training text (0 for one that never was).
    """

    tokens: tuple[str, ...]
    unknown: str | None = None
    counts: tuple[int, ...] = field(default=(), compare=False)

    @classmethod
    def count(
        cls,
        tokens: Iterable[str],
        *,
        min_freq: int = 1,
        limit: int | None = None,
        reserved: Sequence[str] = (),
        unknown: str | None = UNKNOWN,
    ) -> "Vocabulary":
        """The vocabulary of a training text. limit: keep so many, the most frequent, reserved ones not
        counted."""
        return cls.of(Counter(tokens), min_freq=min_freq, limit=limit, reserved=reserved, unknown=unknown)

    @classmethod
    def of(
        cls,
        frequency: Mapping[str, int],
        *,
        min_freq: int = 1,
        limit: int | None = None,
        reserved: Sequence[str] = (),
        unknown: str | None = UNKNOWN,
    ) -> "Vocabulary":
        """The same from how often each token was seen."""
        if min_freq < 1:
            raise InputError(f"min_freq: expected at least 1, got {min_freq}")
        if limit is not None and limit < 1:
            raise InputError(f"vocabulary limit: expected at least 1, got {limit}")
        symbols = [*([] if unknown is None else [unknown]), *reserved]
        head: dict[str, None] = dict.fromkeys(symbols)
        kept = sorted((-n, token) for token, n in frequency.items() if n >= min_freq and token not in head)
        order = (*head, *(token for _, token in kept[:limit]))
        return cls(order, unknown, tuple(frequency.get(token, 0) for token in order))

    def __len__(self) -> int:
        return len(self.tokens)

    @cached_property
    def ids(self) -> dict[str, int]:
        """The id of each token."""
        return {token: i for i, token in enumerate(self.tokens)}

    @property
    def unknown_id(self) -> int | None:
        return None if self.unknown is None else self.ids[self.unknown]

    def encode(self, tokens: Sequence[str]) -> Int32[np.ndarray, " T"]:
        """The ids of `tokens`; one that is not in the vocabulary becomes the unknown symbol.

        Raises InputError for such a token where there is no unknown symbol.
        """
        missing = -1 if self.unknown_id is None else self.unknown_id
        get = self.ids.get
        ids = np.fromiter((get(token, missing) for token in tokens), dtype=np.int32, count=len(tokens))
        if missing < 0 and len(ids) and ids.min() < 0:
            where = int(np.argmin(ids))
            raise InputError(f"token {tokens[where]!r} at {where}: not in the vocabulary, which is closed")
        return ids

    def decode(self, ids: Integer[np.ndarray, " T"]) -> list[str]:
        """The tokens of `ids`; raises InputError for an id that there is not."""
        tokens = self.tokens
        return [tokens[i] for i in check_tokens(ids, len(tokens)).tolist()]
