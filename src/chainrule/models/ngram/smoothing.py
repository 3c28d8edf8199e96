"""From counts to probabilities: what to do about n-grams that were never seen.

Each smoothing is a value; `probabilities` sees, for every query and for every context length k = 0..n-1,
how often the token followed that context (`hits`), how many tokens did (`totals`) and how many different
ones (`types`). Where a context was never seen, all three are 0.

Shape letters: n order, Q queries (any shape; totals and types may be broadcast against hits).
"""

from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float64, Integer

from chainrule.core import InputError

Array = np.ndarray
COUNTED = ("maximum-likelihood", "add-k", "witten-bell", "stupid-backoff")


@runtime_checkable
class Smoothing(Protocol):
    """How counts become probabilities. depth: the longest context that the start of the text allows."""

    @property
    def name(self) -> str: ...
    def probabilities(
        self,
        hits: Integer[Array, " n *Q"],
        totals: Integer[Array, " n *Q2"],
        types: Integer[Array, " n *Q2"],
        depth: Integer[Array, "*Q2"],
        vocab_size: int,
    ) -> Float64[Array, "*Q"]:
        """Of a token after its contexts of 0 .. n-1 tokens. hits: how often it followed each; totals: how
        often anything did; types: how many different tokens did."""
        ...

    def settings(self) -> dict[str, Any]:
        """What a file keeps of it."""
        ...


@dataclass(frozen=True)
class MaximumLikelihood:
    """p(w | h) = c(h w) / c(h .): zero for what was never seen, and nothing to say after an unseen h.

    There, at 0/0, it is uniform; the report counts such tokens.
    """

    name = "maximum likelihood"

    def probabilities(
        self,
        hits: Integer[Array, " n *Q"],
        totals: Integer[Array, " n *Q2"],
        types: Integer[Array, " n *Q2"],
        depth: Integer[Array, "*Q2"],
        vocab_size: int,
    ) -> Float64[Array, "*Q"]:
        del types
        hit, total = _at_depth(hits, depth), _at_depth(totals, depth)
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.where(total > 0, hit / total, 1 / vocab_size)

    def settings(self) -> dict[str, Any]:
        return {"smoothing": "maximum-likelihood"}


@dataclass(frozen=True)
class AddK:
    """p(w | h) = (c(h w) + k) / (c(h .) + k V), Laplace's rule for k = 1 (Lidstone 1920)."""

    k: float = 1.0

    def __post_init__(self) -> None:
        if not (self.k > 0 and np.isfinite(self.k)):
            raise InputError(f"add-k: expected k above 0, got {self.k}")

    @property
    def name(self) -> str:
        return f"add-{self.k:g}"

    def probabilities(
        self,
        hits: Integer[Array, " n *Q"],
        totals: Integer[Array, " n *Q2"],
        types: Integer[Array, " n *Q2"],
        depth: Integer[Array, "*Q2"],
        vocab_size: int,
    ) -> Float64[Array, "*Q"]:
        del types
        return (_at_depth(hits, depth) + self.k) / (_at_depth(totals, depth) + self.k * vocab_size)

    def settings(self) -> dict[str, Any]:
        return {"smoothing": "add-k", "k": self.k}


@dataclass(frozen=True)
class WittenBell:
    """p_k(w | h) = (c(h w) + t(h) p_{k-1}(w | h')) / (c(h .) + t(h)), p_{-1} = 1/V, h' = h without its
    first token, t(h) the different tokens seen after h (Witten & Bell 1991; Chen & Goodman 1998, eq. 16)."""

    name = "Witten-Bell"

    def probabilities(
        self,
        hits: Integer[Array, " n *Q"],
        totals: Integer[Array, " n *Q2"],
        types: Integer[Array, " n *Q2"],
        depth: Integer[Array, "*Q2"],
        vocab_size: int,
    ) -> Float64[Array, "*Q"]:
        del depth  # a context that the start of the text cuts off counts nothing, and so passes through
        p = np.full(hits.shape[1:], 1 / vocab_size)
        for hit, total, kinds in zip(hits, totals, types, strict=True):
            seen = total > 0
            p = np.where(seen, (hit + kinds * p) / np.where(seen, total + kinds, 1), p)
        return p

    def settings(self) -> dict[str, Any]:
        return {"smoothing": "witten-bell"}


@dataclass(frozen=True)
class StupidBackoff:
    """S(w | h) = c(h w) / c(h .) where h w was seen, else 0.4 S(w | h') (Brants et al. 2007, eq. 5).

    Scores for ranking: they do not sum to 1, and a token that was never seen scores 0.
    """

    factor: float = 0.4

    name = "stupid backoff"

    def probabilities(
        self,
        hits: Integer[Array, " n *Q"],
        totals: Integer[Array, " n *Q2"],
        types: Integer[Array, " n *Q2"],
        depth: Integer[Array, "*Q2"],
        vocab_size: int,
    ) -> Float64[Array, "*Q"]:
        del types, vocab_size
        scores = np.zeros(hits.shape[1:])
        for k, (hit, total) in enumerate(zip(hits, totals, strict=True)):
            lower = np.where(depth >= k, self.factor, 1.0) * scores if k else scores
            scores = np.where(hit > 0, hit / np.maximum(total, 1), lower)
        return scores

    def settings(self) -> dict[str, Any]:
        return {"smoothing": "stupid-backoff"}


def _at_depth(values: Integer[Array, " n *Q"], depth: Integer[Array, "*Q2"]) -> Integer[Array, "*Q"]:
    return np.take_along_axis(values, depth[None], axis=0)[0]


def make_smoothing(name: str, k: float = 1.0) -> Smoothing:
    """The smoothing that the command calls `name`."""
    match name:
        case "maximum-likelihood":
            return MaximumLikelihood()
        case "add-k":
            return AddK(k)
        case "witten-bell":
            return WittenBell()
        case "stupid-backoff":
            return StupidBackoff()
        case _:
            raise InputError(f"smoothing: expected one of {', '.join(COUNTED)}, got {name!r}")
