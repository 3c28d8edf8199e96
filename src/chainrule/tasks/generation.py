"""Speaking: read the prompt, then draw, read, draw: a roll-out whose choice is a sample.

    p_v' ~ p_v^(1/temperature), cut to the top k, to the nucleus of mass p (Holtzman 2020), or to the
    tokens of at least min_p times the likeliest (Nguyen 2024)

Shape letters: B batch, T time, V vocabulary.
"""

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float64, Integer

from chainrule.core import CanDraw, CanRank, InputError, TokenModel, check_tokens, leaves, rollout

Array = np.ndarray
Choose = Callable[[Float64[Array, "B V"]], Integer[Array, " B"]]
FIRST_STRETCH, LONGEST_STRETCH = 256, 1024


@dataclass(frozen=True)
class Sampling:
    """How to choose. temperature 0 takes the likeliest; the cuts act in the order they stand here.

    banned: ids never to be drawn. Raises InputError for values without a meaning.
    """

    temperature: float = 1.0
    top_k: int | None = None
    top_p: float | None = None
    min_p: float | None = None
    banned: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if not (self.temperature >= 0 and np.isfinite(self.temperature)):
            raise InputError(f"temperature: expected 0 or more, got {self.temperature}")
        if self.top_k is not None and self.top_k < 1:
            raise InputError(f"top-k: expected at least 1, got {self.top_k}")
        for name, value in (("top-p", self.top_p), ("min-p", self.min_p)):
            if value is not None and not 0 < value <= 1:
                raise InputError(f"{name}: expected above 0 and at most 1, got {value}")


def sampling_log_probs(log_probs: Float64[Array, "B V"], how: Sampling) -> Float64[Array, "B V"]:
    """What is drawn from: the model's distribution, reshaped, -inf where it is cut, normalised."""
    shaped, vocab_size = log_probs.copy(), log_probs.shape[1]
    if any(not 0 <= i < vocab_size for i in how.banned):
        raise InputError(f"banned: expected ids in 0..{vocab_size - 1}, got {how.banned}")
    if how.banned:
        shaped[:, list(how.banned)] = -np.inf
    if not np.isfinite(shaped).any(axis=1).all():
        raise InputError("sampling: every token that the model thinks possible is banned")
    if how.temperature == 0:
        best = shaped.argmax(axis=1)
        shaped[...] = -np.inf
        shaped[np.arange(len(shaped)), best] = 0
        return shaped
    with np.errstate(over="ignore"):  # near 0 all but the likeliest go to -inf, as they should
        shaped = _normalised((shaped - shaped.max(axis=1, keepdims=True)) / how.temperature)
    if how.top_k is not None and how.top_k < shaped.shape[1]:
        # by rank, not by value: counted models give many tokens the same probability, and k means k
        cut = np.argsort(-shaped, axis=1, kind="stable")[:, how.top_k :]
        np.put_along_axis(shaped, cut, -np.inf, axis=1)
        shaped = _normalised(shaped)
    if how.top_p is not None and how.top_p < 1:
        order = np.argsort(-shaped, axis=1, kind="stable")
        ranked = np.exp(np.take_along_axis(shaped, order, axis=1))
        before = np.cumsum(ranked, axis=1) - ranked  # the first is always kept
        cut = np.empty_like(shaped, dtype=bool)
        np.put_along_axis(cut, order, before >= how.top_p, axis=1)
        shaped = _normalised(np.where(cut, -np.inf, shaped))
    if how.min_p is not None:
        least = shaped.max(axis=1, keepdims=True) + np.log(how.min_p)
        shaped = _normalised(np.where(shaped >= least, shaped, -np.inf))
    return shaped


@dataclass(frozen=True, eq=False)
class Sampler:
    """A choice for roll-outs: one draw a row (one uniform number, looked up in the summed masses)."""

    how: Sampling
    rng: np.random.Generator

    def __call__(self, log_probs: Float64[Array, "B V"]) -> Integer[Array, " B"]:
        sums = np.cumsum(np.exp(sampling_log_probs(log_probs, self.how)), axis=1)
        draws = self.rng.random(len(sums)) * sums[:, -1]
        return (sums <= draws[:, None]).sum(axis=1)


def generate(
    model: TokenModel[Any], prompt: Integer[Array, "B T"], steps: int, choose: Choose
) -> Iterator[Integer[Array, " B"]]:
    """One token a row and step, after the prompt has been read (priming)."""
    if steps < 0:
        raise InputError(f"length: expected 0 or more, got {steps}")
    state = model.start(len(prompt))
    if prompt.shape[1]:
        _, state = model.score(state, check_tokens(prompt, model.vocab_size))
    yield from speak(model, state, steps, choose)


def speak(model: TokenModel[Any], state: Any, steps: int, choose: Choose) -> Iterator[Integer[Array, " B"]]:
    """One token a row and step, from a state that has read what it has read.

    A model that draws stretches at once is let, where nothing is cut; the random numbers of a stretch are
    taken before its first token is handed out.
    """
    if (
        isinstance(model, CanDraw)
        and isinstance(choose, Sampler)
        and can_stretch(model, choose.how, len(next(leaves(state))))
    ):
        yield from _stretches(model, state, steps, choose)
        return
    for tokens, _ in rollout(model, state, steps, choose):
        yield tokens


def can_stretch(model: Any, how: Sampling, rows: int) -> bool:
    """Whether the model's own draw is what `how` asks for."""
    cut = how.top_k is not None or how.top_p is not None or how.min_p is not None
    known = all(0 <= i < model.vocab_size for i in how.banned) and len(set(how.banned)) < model.vocab_size
    return not cut and known and model.can_draw(rows)


def _stretches(model: CanDraw, state: Any, steps: int, choose: Sampler) -> Iterator[Integer[Array, " B"]]:
    """Short ones first, for whoever watches."""
    rows, length = len(next(leaves(state))), FIRST_STRETCH
    while steps:
        length = min(steps, length)
        uniforms = np.ascontiguousarray(choose.rng.random((length, rows)).T)
        tokens, state = model.draw(state, uniforms, choose.how.temperature, choose.how.banned)
        yield from tokens.T
        steps, length = steps - length, min(2 * length, LONGEST_STRETCH)


def likeliest(
    model: TokenModel[Any], prompt: Integer[Array, " T"], k: int, banned: Collection[int] = ()
) -> list[tuple[int, float]]:
    """The k likeliest next ids after a prompt, with their probabilities."""
    if k < 1:
        raise InputError(f"k: expected at least 1, got {k}")
    _, state = model.score(model.start(1), check_tokens(prompt[None], model.vocab_size))
    if isinstance(model, CanRank) and not banned:
        ids, found = model.top(state, k)[0]
        return list(zip(ids.tolist(), np.exp(found).tolist(), strict=True))
    log_probs = model.predict(state)[0]
    order = np.argsort(-log_probs, kind="stable")
    chosen = [int(i) for i in order if int(i) not in banned][:k]
    return [(i, float(np.exp(log_probs[i]))) for i in chosen]


def _normalised(log_probs: Float64[Array, "B V"]) -> Float64[Array, "B V"]:
    top = log_probs.max(axis=1, keepdims=True)
    return log_probs - top - np.log(np.exp(log_probs - top).sum(axis=1, keepdims=True))
