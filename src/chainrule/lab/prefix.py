"""What a model expects after a text that somebody is typing: only what is new is read.

A state is a value, so those of earlier prefixes are kept, and a letter taken back costs nothing.

Shape letters: T tokens, V vocabulary.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float64, Integer

from chainrule.core import TokenModel, check_tokens
from chainrule.language_model import LanguageModel
from chainrule.tasks.generation import Sampler, Sampling, sampling_log_probs

Array = np.ndarray
STRETCH = 64  # tokens read at once, after which a state is kept
KEPT = 512  # states


@dataclass(frozen=True, eq=False)
class Prefix:
    """A model that has read some ids. states: (how many were read, the state then), in rising order."""

    model: TokenModel[Any]
    ids: Integer[Array, " T"]
    states: tuple[tuple[int, Any], ...]

    @property
    def state(self) -> Any:
        return self.states[-1][1]


class Choice(NamedTuple):
    """A token that may come next: its probability by the model, and in what is drawn from."""

    token: str
    model: float
    drawn: float


def begin(model: TokenModel[Any]) -> Prefix:
    return Prefix(model, np.empty(0, np.int64), ((0, model.start(1)),))


def moved(prefix: Prefix | None, model: TokenModel[Any], ids: Integer[Array, " T"]) -> Prefix:
    """The prefix `ids`, from one that was read before: what they share is not read again."""
    check_tokens(ids, model.vocab_size)
    if prefix is None or prefix.model is not model:
        prefix = begin(model)
    shorter = min(len(prefix.ids), len(ids))
    differ = np.flatnonzero(prefix.ids[:shorter] != ids[:shorter])
    shared = int(differ[0]) if len(differ) else shorter
    states = [kept for kept in prefix.states if kept[0] <= shared]
    while states[-1][0] < len(ids):
        done, state = states[-1]
        stretch = ids[None, done : done + STRETCH]
        states.append((done + stretch.shape[1], model.score(state, stretch)[1]))
    return Prefix(model, ids, (*states[:1], *states[1:][-KEPT:]))


def sampling(lm: LanguageModel, temperature: float, top_k: int, top_p: float) -> Sampling:
    """top_k: 0 for all. The unknown symbol is never drawn."""
    unknown = lm.codec.vocabulary.unknown_id
    banned = () if unknown is None or lm.model.vocab_size == 1 else (unknown,)
    return Sampling(temperature, top_k or None, top_p if top_p < 1 else None, banned=banned)


def expected(
    lm: LanguageModel, prefix: Prefix, how: Sampling, most: int = 12
) -> tuple[list[Choice], Float64[Array, " V"]]:
    """The likeliest next tokens by the model, and the distribution that is drawn from, as probabilities."""
    log_probs = lm.model.predict(prefix.state)
    drawn = np.exp(sampling_log_probs(log_probs, how)[0])
    first = np.argsort(-log_probs[0], kind="stable")[:most]
    tokens, join = lm.codec.vocabulary.tokens, lm.codec.tokenizer.join
    return [Choice(join([tokens[i]]), float(np.exp(log_probs[0, i])), float(drawn[i])) for i in first], drawn


@dataclass(frozen=True, eq=False)
class Said:
    """What was said so far, token by token. asked: prompt and seed that it began with."""

    lm: LanguageModel
    asked: tuple[str, int]
    prefix: Prefix
    rng_state: dict[str, Any]
    tokens: tuple[tuple[str, float], ...] = ()  # and the nats that each cost the model


def opened(lm: LanguageModel, prompt: str, seed: int) -> Said:
    """Before the first token: the prompt is read. Raises InputError for a prompt that cannot be."""
    prefix = moved(None, lm.model, lm.codec.encode_prompt(prompt))
    return Said(lm, (prompt, seed), prefix, dict(np.random.default_rng(seed).bit_generator.state))


def one_more(said: Said, how: Sampling) -> Said:
    """One token more; the same seed says the same whatever the pauses."""
    rng = np.random.default_rng()
    rng.bit_generator.state = said.rng_state
    lm, prefix = said.lm, said.prefix
    log_probs = lm.model.predict(prefix.state)
    drawn_id = int(Sampler(how, rng)(log_probs)[0])
    nats = -float(log_probs[0, drawn_id])
    state = lm.model.advance(prefix.state, np.array([drawn_id]))
    ids = np.append(prefix.ids, drawn_id)
    token = lm.codec.tokenizer.join([lm.codec.vocabulary.tokens[drawn_id]])
    after = Prefix(lm.model, ids, (prefix.states[0], (len(ids), state)))
    return Said(lm, said.asked, after, dict(rng.bit_generator.state), (*said.tokens, (token, nats)))
