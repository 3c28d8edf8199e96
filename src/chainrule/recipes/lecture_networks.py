"""What the lecture shows of recurrent networks, on networks that are small enough to train while one watches.

    H_t = tanh([X_t H_{t-1}] [W_x; W_h] + b)
    g <- min(1, theta / |g|) g,     |f(x - eta g) - f(x)| <= L eta |g| <= L eta theta

Shape letters: T time, K steps back, V vocabulary, H hidden, S steps.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Float64, Integer

from chainrule.core import Batch, TokenModel
from chainrule.data.codec import Codec
from chainrule.data.partition import random_batches, sequential_batches
from chainrule.models.ngram import NgramModel, WittenBell, count_ngrams
from chainrule.models.recurrent import RecurrentLearner, RecurrentModel
from chainrule.models.recurrent.flow import gradient_norms
from chainrule.models.recurrent.network import Architecture, make_cell, parameter_shapes
from chainrule.tasks.evaluation import stream_perplexity
from chainrule.tasks.generation import Sampler, Sampling, generate, likeliest
from chainrule.training import SGD, Adam, Limits, clip, train

Array = np.ndarray
Tokens = Integer[Array, " _"]
BATCH, STEPS = 16, 32


def trained(
    ids: Tokens, vocab_size: int, *, cell: str = "rnn", hidden: int = 64, epochs: int = 3, seed: int = 0,
    rate: float = 5e-3,
) -> RecurrentModel:  # fmt: skip
    """A small network that has read the text a few times, batches in order."""
    rng = np.random.default_rng(seed)
    learner = RecurrentLearner(vocab_size, cell=cell, hidden=hidden, rng=rng)
    epoch = partial(sequential_batches, ids, BATCH, STEPS, rng)
    return train(learner, epoch, Adam(rate), limits=Limits(epochs)).model


class Unrolled(NamedTuple):
    """A forward pass, step by step. hidden: H_t after each token; log_probs: what is expected then."""

    hidden: Float64[Array, "T H"]
    log_probs: Float64[Array, "T V"]


def unrolled(model: RecurrentModel, ids: Integer[Array, " T"]) -> Unrolled:
    """What the top layer holds after each token of a text, read from the start."""
    state, hidden, log_probs = model.start(1), [], []
    for token in ids:
        state = model.advance(state, token[None])
        hidden.append(model.arch.cell.output(state[-1])[0].astype(np.float64))
        log_probs.append(model.predict(state)[0])
    return Unrolled(np.array(hidden), np.array(log_probs))


class Products(NamedTuple):
    """The same step by two products, and by one of the matrices put together."""

    apart: Float[Array, "B H"]
    together: Float[Array, "B H"]
    shapes: Mapping[str, tuple[int, ...]]

    @property
    def difference(self) -> float:
        return float(np.abs(self.apart - self.together).max())


def concatenated_step(batch: int, width: int, hidden: int, rng: np.random.Generator) -> Products:
    """X W_x + H W_h, and [X H] [W_x; W_h]."""
    x, h = rng.normal(size=(batch, width)), rng.normal(size=(batch, hidden))
    w_x, w_h = rng.normal(size=(width, hidden)), rng.normal(size=(hidden, hidden))
    side_by_side, stacked = np.concatenate([x, h], axis=1), np.concatenate([w_x, w_h], axis=0)
    shapes = {"X": x.shape, "H": h.shape, "W_x": w_x.shape, "W_h": w_h.shape}
    shapes |= {"[X H]": side_by_side.shape, "[W_x; W_h]": stacked.shape}
    return Products(x @ w_x + h @ w_h, side_by_side @ stacked, shapes)


def recurrent_parameters(vocab_size: int, hidden: int, cell: str = "rnn") -> dict[str, int]:
    """How many numbers each array of a network with one-hot input holds."""
    shapes = parameter_shapes(Architecture(make_cell(cell), 1, hidden), vocab_size)
    return {name: math.prod(shape) for name, shape in shapes.items()}


def parameter_counts(
    vocab_size: int, hidden: int, contexts: Sequence[int], embedding: int = 32
) -> dict[str, list[float]]:
    """Numbers that a full n-gram table, a window MLP and a recurrent network need to look back so far."""
    rnn = float(sum(recurrent_parameters(vocab_size, hidden).values()))
    fixed = (vocab_size + 1) * embedding + hidden + hidden * vocab_size + vocab_size
    return {
        "n-gram table": [float(vocab_size) ** (c + 1) for c in contexts],
        "window MLP": [float(fixed + c * embedding * hidden) for c in contexts],
        "RNN": [rnn for _ in contexts],
    }


def one_hot_difference(
    vocab_size: int, hidden: int, ids: Integer[Array, " T"], rng: np.random.Generator
) -> float:
    """How far the product of one-hot vectors with a matrix is from its rows: not at all."""
    weight = rng.normal(size=(vocab_size, hidden))
    return float(np.abs(np.eye(vocab_size)[ids] @ weight - weight[ids]).max())


class Clipped(NamedTuple):
    """Step by step, as far as its numbers were finite (nan from there): nats per token, the gradient's norm,
    the length of the step that was taken, and by how much it changed the loss of its own batch."""

    nats: Float64[Array, " S"]
    norms: Float64[Array, " S"]
    lengths: Float64[Array, " S"]
    changes: Float64[Array, " S"]


def at_rate(
    ids: Tokens,
    vocab_size: int,
    theta: float,
    steps: int,
    *,
    rate: float = 8.0,
    hidden: int = 64,
    seed: int = 0,
) -> Clipped:
    """An RNN trained by plain gradient descent at a rate that may be too high, whatever becomes of it."""
    rng = np.random.default_rng(seed)
    learner = RecurrentLearner(vocab_size, cell="rnn", hidden=hidden, rng=rng)
    optimizer, state, run = SGD(rate), learner.start(BATCH), np.full((4, steps), np.nan)
    with np.errstate(all="ignore"):  # that the numbers are no longer finite is what is shown
        for at, batch in zip(range(steps), endless(ids, rng), strict=False):
            step = learner.gradients(batch, state)
            norm = clip(step.gradients, theta)
            if not (math.isfinite(step.nats) and math.isfinite(norm)):
                break
            optimizer.step(learner.parameters, step.gradients, rate)
            after = learner.gradients(batch, state)
            change = abs(after.nats / after.count - step.nats / step.count)
            run[:, at] = step.nats / step.count, norm, rate * min(norm, theta), change
            state = step.state
    return Clipped(*run)


def endless(ids: Tokens, rng: np.random.Generator, batch: int = BATCH, steps: int = STEPS) -> Iterator[Batch]:
    """Epoch after epoch, full batches only."""
    while True:
        for made in sequential_batches(ids, batch, steps, rng):
            if made.items.shape == (batch, steps + 1):
                yield made


def flows(
    ids: Tokens, vocab_size: int, cells: Sequence[str], past: int, *, hidden: int = 64, seeds: int = 3
) -> dict[str, Float64[Array, "S K"]]:
    """How the loss of the last token depends on the state k steps before, k = 0 .. past - 1, in networks with
    fresh weights."""
    found: dict[str, list[Float64[Array, " K"]]] = {cell: [] for cell in cells}
    for cell in cells:
        for seed in range(seeds):
            rng = np.random.default_rng(seed)
            learner = RecurrentLearner(vocab_size, cell=cell, hidden=hidden, rng=rng)
            starts = rng.integers(len(ids) - past, size=BATCH)
            rows = ids[starts[:, None] + np.arange(past + 1)]
            batch = Batch(rows, np.ones(BATCH, dtype=bool), 1)
            found[cell].append(gradient_norms(learner, batch, learner.start(BATCH)).state[-1])
    return {cell: np.array(norms) for cell, norms in found.items()}


class Trap(NamedTuple):
    """Perplexity of a network after each of some epochs, on the text that it learns and on the text after
    it; and what a counted model of the same text, and guessing, get on the latter. model: in the end."""

    epochs: list[int]
    train: list[float]
    held_out: list[float]
    counted: float
    uniform: float
    model: TokenModel[Any]


def by_heart(
    ids: Tokens,
    held_out: Tokens,
    vocab_size: int,
    *,
    hidden: int = 128,
    epochs: int = 60,
    every: int = 4,
    seed: int = 0,
    report: Callable[[float], None] | None = None,
) -> Trap:
    """An RNN that reads a short text over and over, random batches as in the book."""
    rng = np.random.default_rng(seed)
    learner, optimizer = RecurrentLearner(vocab_size, cell="rnn", hidden=hidden, rng=rng), Adam(5e-3)
    epoch = partial(random_batches, ids, BATCH, STEPS, rng)
    counts = count_ngrams([ids], vocab_size, 4)
    counted = stream_perplexity(NgramModel(counts, WittenBell()), held_out)
    found = Trap([], [], [], counted, float(vocab_size), learner.model())
    for done in range(every, epochs + 1, every):
        model = train(learner, epoch, optimizer, limits=Limits(epochs=every)).model
        found.epochs.append(done)
        found.train.append(stream_perplexity(model, ids))
        found.held_out.append(stream_perplexity(model, held_out))
        found = found._replace(model=model)
        if report:
            report(done / epochs)
    return found


def expected_after(
    model: TokenModel[Any], codec: Codec, prompt: str, k: int
) -> list[tuple[str, list[tuple[str, float]]]]:
    """The k likeliest next tokens with their probabilities before a prompt is read, and after each of its
    tokens."""
    ids, tokens = codec.encode(prompt), codec.vocabulary.tokens
    return [
        (codec.decode(ids[:read]), [(tokens[i], p) for i, p in likeliest(model, ids[:read], k)])
        for read in range(len(ids) + 1)
    ]


def written(
    model: TokenModel[Any], codec: Codec, prompt: str, length: int, temperature: float, seed: int = 0
) -> str:
    """The prompt, and what the model says when it has read it."""
    unknown = codec.vocabulary.unknown_id
    how = Sampling(temperature, banned=() if unknown is None else (unknown,))
    ids = codec.encode(prompt)
    said = generate(model, ids[None], length, Sampler(how, np.random.default_rng(seed)))
    return codec.decode(np.array([*ids, *(int(token[0]) for token in said)], dtype=np.int64))
