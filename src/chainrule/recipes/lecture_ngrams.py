"""What the lecture says of counted models, counted: the chain rule, smoothing, and what they cannot reach.

    p(x_1..x_T) = prod_t p(x_t | x_<t) = prod_t p(x_t | x_>t)

Shape letters: S sentences, L their length, C contexts, n order.
"""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float64, Int64, Integer

from chainrule.core import Batch, InputError, TokenModel
from chainrule.models.ngram import MaximumLikelihood, NgramCounts, NgramModel, WittenBell, count_ngrams
from chainrule.models.ngram.smoothing import Smoothing
from chainrule.models.recurrent import RecurrentLearner
from chainrule.tasks.evaluation import LN2, stream_perplexity
from chainrule.training import Adam, clip

Array = np.ndarray
Tokens = Integer[Array, " _"]
LOOKED_AT = 1000  # contexts whose whole rows are looked at
ROWS = 25  # sentences of a batch


class Factor(NamedTuple):
    """p(token | given) = together / alone, as it was counted; given is what stands before the token or, read
    backwards, after it."""

    token: str
    given: tuple[str, ...]
    together: int
    alone: int

    @property
    def probability(self) -> float:
        return self.together / self.alone


def chain_rule(text: Sequence[str], sentence: Sequence[str], *, backwards: bool = False) -> list[Factor]:
    """The factors of a sentence's probability in a text that is bent to a ring, from its first token on or
    from its last.

    In a ring every n-gram but the empty one has a token before and after it, so both products are exactly
    count(sentence) / N. Raises InputError for a sentence that the text does not hold.
    """
    if not sentence or not count_in_ring(text, sentence):
        raise InputError(f"sentence: expected one that stands in the text, got {''.join(sentence)!r}")
    length = len(sentence)
    parts = [tuple(sentence[length - n :] if backwards else sentence[:n]) for n in range(length + 1)]
    counts = [count_in_ring(text, part) for part in parts]
    return [
        Factor(after[0] if backwards else after[-1], before, together, alone)
        for (before, after), (alone, together) in zip(pairwise(parts), pairwise(counts), strict=True)
    ]


def count_in_ring(text: Sequence[str], part: Sequence[str]) -> int:
    """How often tokens stand in a row in a text whose end is followed by its beginning; N for none."""
    ring, wanted = [*text, *text[: max(len(part) - 1, 0)]], list(part)
    return sum(ring[at : at + len(wanted)] == wanted for at in range(len(text)))


class Smoothed(NamedTuple):
    """Perplexities of an n-gram model; unseen: the probability that it gives, on average over held-out
    contexts, to all tokens that never followed them together; happened: how often it was one of those."""

    name: str
    train: float
    held_out: float
    unseen: float
    happened: float


def smoothed(counts: NgramCounts, train: Tokens, held_out: Tokens, by: Smoothing) -> Smoothed:
    """A smoothing on held-out tokens, at most LOOKED_AT of their contexts spread over them."""
    model, seen_model = NgramModel(counts, by), NgramModel(counts, MaximumLikelihood())
    histories = _windows(held_out, counts.order)
    chosen = histories[np.unique(np.linspace(0, len(histories) - 1, LOOKED_AT).astype(int))]
    states, next_tokens = chosen[:, :-1].astype(np.int64), chosen[:, -1]
    silent = seen_model.silent(states, next_tokens[:, None])[:, 0]
    seen = np.isfinite(seen_model.predict(states)) & ~silent[:, None]
    unseen = np.where(seen, 0.0, np.exp(model.predict(states))).sum(axis=1)
    happened = ~seen[np.arange(len(seen)), next_tokens]
    on_train, on_held_out = stream_perplexity(model, train), stream_perplexity(model, held_out)
    return Smoothed(by.name, on_train, on_held_out, float(unseen.mean()), float(happened.mean()))


class Coverage(NamedTuple):
    """possible: |V|^n n-grams there could be; seen: those of the training text; held_out: the share of
    held-out n-grams that are among them."""

    order: int
    possible: float
    seen: int
    held_out: float


def coverage(train: Tokens, held_out: Tokens, vocab_size: int, orders: Sequence[int]) -> list[Coverage]:
    """Of each order, what could be, what was, and what that tells of other text."""
    counts, found = count_ngrams([train], vocab_size, max(orders)), []
    for n in orders:
        rows = _windows(held_out, n)
        contexts = np.zeros(len(rows), np.int64)
        for level, tokens in zip(counts.levels, rows.T, strict=False):
            contexts = level.find(contexts, tokens)
        known = (contexts >= 0) & (counts.levels[n - 1].counts[contexts] > 0)
        seen = int(np.count_nonzero(counts.levels[n - 1].counts))
        found.append(Coverage(n, float(vocab_size) ** n, seen, float(known.mean())))
    return found


NOUNS, VERBS, FILLERS = ("key", "keys"), ("opens", "open"), ("old", "small", "red", "rusty", "heavy", "long")


def agreeing(sentences: int, between: int, rng: np.random.Generator) -> Int64[Array, "S L"]:
    """Sentences as ids: a noun, `between` words that say nothing of its number, and the verb that agrees.

    0, 1: key, keys; 2, 3: opens, open; from 4 on what stands between.
    """
    number = rng.integers(2, size=sentences)
    fillers = 4 + rng.integers(len(FILLERS), size=(sentences, between))
    return np.concatenate([number[:, None], fillers, 2 + number[:, None]], axis=1)


def spelled(sentence: Int64[Array, " L"]) -> str:
    """A sentence of `agreeing` in words."""
    words = (*NOUNS, *VERBS, *FILLERS)
    return " ".join(["the", *(words[i] for i in sentence.tolist())])


def right_verbs(model: TokenModel[Any], asked: Int64[Array, "S L"]) -> float:
    """How often a model thinks the right verb likelier than the wrong one; an even chance counts as half."""
    _, state = model.score(model.start(len(asked)), asked[:, :-1])
    verbs = model.predict(state)[:, 2:4]
    right = np.take_along_axis(verbs, asked[:, -1:] - 2, axis=1)
    wrong = np.take_along_axis(verbs, 3 - asked[:, -1:], axis=1)
    return float(((right > wrong) + 0.5 * np.isclose(right, wrong)).mean())


def agreement(
    orders: Sequence[int],
    distances: Sequence[int],
    rng: np.random.Generator,
    *,
    read: int = 1500,
    asked: int = 300,
) -> dict[str, list[float]]:
    """`right_verbs` of n-gram models that have read so many sentences, on others, at each number of words
    between; and of a GRU that has read the same sentences once."""
    parts = [np.split(agreeing(read + asked, between, rng), [read]) for between in distances]
    vocab_size = 4 + len(FILLERS)
    found: dict[str, list[float]] = {f"{n}-gram": [] for n in orders}
    for seen, tested in parts:
        for n in orders:
            counts = count_ngrams(list(seen), vocab_size, min(n, seen.shape[1]))
            found[f"{n}-gram"].append(right_verbs(NgramModel(counts, WittenBell()), tested))
    learner, optimizer = RecurrentLearner(vocab_size, cell="gru", hidden=24, rng=rng), Adam(1e-2)
    for first in range(0, read, ROWS):
        for seen, _ in parts:
            batch = Batch(seen[first : first + ROWS], np.ones(len(seen[first : first + ROWS]), bool))
            step = learner.gradients(batch, learner.start(len(batch.items)))
            clip(step.gradients, 1.0)
            optimizer.step(learner.parameters, step.gradients, optimizer.rate)
    return found | {"GRU": [right_verbs(learner.model(), tested) for _, tested in parts]}


def bits_by_context(
    model: TokenModel[Any], ids: Tokens, contexts: Sequence[int], most: int = 1500
) -> Float64[Array, " C"]:
    """Bits per token on held-out ids where the model may look no further back than so many tokens.

    At most `most` tokens are scored, the same ones for every context, each from a state that has read its
    context alone.
    """
    windows = _windows(ids, max(contexts) + 1)
    windows = windows[np.unique(np.linspace(0, len(windows) - 1, most).astype(int))]
    bits = np.empty(len(contexts))
    for at, context in enumerate(contexts):
        read = windows[:, windows.shape[1] - 1 - context :]
        log_probs, _ = model.score(model.start(len(read)), read)
        bits[at] = -log_probs[:, -1].mean() / LN2
    return bits


def _windows(ids: Tokens, length: int) -> Integer[Array, "M n"]:
    """Every stretch of so many tokens; raises InputError where there is none."""
    if len(ids) < length:
        raise InputError(f"held-out text: expected at least {length} tokens, got {len(ids)}")
    return np.lib.stride_tricks.sliding_window_view(ids, length)


def shares(frequencies: Mapping[str, int], top: int) -> float:
    """The share of a text that its most frequent tokens make up."""
    ranked = sorted(frequencies.values(), reverse=True)
    return sum(ranked[:top]) / max(sum(ranked), 1)
