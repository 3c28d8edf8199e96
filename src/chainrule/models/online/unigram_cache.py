"""A unigram cache beside a model: what was said a moment ago is likely again (Kuhn & De Mori 1990).

    p(w | h) = (1 - weight) p_model(w | h) + weight c(w) / n      c, n: of the last n tokens, n at most `size`

Before the first token there is nothing in the cache, and the model speaks alone.

Shape letters: B batch, T time, V vocabulary, S size of the cache.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float64, Int64, Integer

from chainrule.core import InputError, TokenModel, check_tokens

Array = np.ndarray
EMPTY = -1


class Cached(NamedTuple):
    """The model's own state, and the last tokens, EMPTY where there was none yet."""

    own: Any
    recent: Int64[Array, "B S"]


@dataclass(frozen=True, eq=False)
class UnigramCache(TokenModel[Cached]):
    """model: any token model. size: how many tokens are remembered. weight: of the cache, between 0 and 1."""

    model: TokenModel[Any]
    size: int = 500
    weight: float = 0.1

    def __post_init__(self) -> None:
        if not (0 < self.weight < 1 and self.size >= 1):
            raise InputError(
                f"cache: expected a weight between 0 and 1 and a size, got {self.weight}, {self.size}"
            )

    @property
    def vocab_size(self) -> int:
        return self.model.vocab_size

    def start(self, batch: int) -> Cached:
        return Cached(self.model.start(batch), np.full((batch, self.size), EMPTY, dtype=np.int64))

    def predict(self, state: Cached) -> Float64[Array, "B V"]:
        log_probs = np.array(self.model.predict(state.own))
        for row, recent in zip(log_probs, state.recent, strict=True):
            seen = recent[recent != EMPTY]
            if len(seen):
                row += np.log1p(-self.weight)
                tokens, counts = np.unique(seen, return_counts=True)
                row[tokens] = np.logaddexp(row[tokens], np.log(self.weight * counts / len(seen)))
        return log_probs

    def advance(self, state: Cached, items: Integer[Array, " B"]) -> Cached:
        items = check_tokens(items, self.vocab_size)
        recent = np.concatenate([state.recent[:, 1:], items[:, None].astype(np.int64)], axis=1)
        return Cached(self.model.advance(state.own, items), recent)

    def score(self, state: Cached, tokens: Integer[Array, "B T"]) -> tuple[Float64[Array, "B T"], Cached]:
        """The model's own scores, mixed token by token with counts that are kept up to date."""
        log_probs, own = self.model.score(state.own, tokens)
        line = np.concatenate([state.recent, tokens.astype(np.int64)], axis=1)
        out = np.array(log_probs)
        for row, full in enumerate(line.tolist()):
            counts = np.bincount(state.recent[row] + 1, minlength=self.vocab_size + 1)
            for t, token in enumerate(full[self.size :]):
                total = self.size - counts[0]
                if total:
                    own_part = np.exp(log_probs[row, t]) * (1 - self.weight)
                    with np.errstate(divide="ignore"):
                        out[row, t] = np.log(own_part + self.weight * counts[token + 1] / total)
                counts[full[t] + 1] -= 1
                counts[token + 1] += 1
        return out, Cached(own, line[:, line.shape[1] - self.size :])
