"""Which model for this text, how big, and how it is trained; and the ladder of models that `compare` climbs.

A recipe is a value. What it leaves open (None) is chosen from the size of the text, or, for n-grams, on the
validation part; the filled-in recipe comes back with the model.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, cast

import numpy as np
from jaxtyping import Integer
from threadpoolctl import threadpool_limits

from chainrule.core import Batch, InputError, Learner, TokenModel
from chainrule.data.codec import Codec
from chainrule.data.dataset import Dataset, Part
from chainrule.data.partition import check_length, random_batches, sequential_batches
from chainrule.models.archive import describe_state, size
from chainrule.models.ngram import (
    ESTIMATED,
    AddK,
    BackoffModel,
    Discounts,
    NgramModel,
    count_ngrams,
    estimate,
)
from chainrule.models.ngram.counts import longest_row
from chainrule.models.ngram.memory import check_memory
from chainrule.models.ngram.smoothing import COUNTED as BY_COUNTS
from chainrule.models.ngram.smoothing import make_smoothing
from chainrule.models.recurrent import RecurrentLearner
from chainrule.models.uniform import Uniform
from chainrule.models.window import WindowLearner
from chainrule.tasks.comparison import Candidate, CurvePoint, Fitted, Row, Scored, compare
from chainrule.tasks.evaluation import TextCounts, evaluate, mean_nats_in_rows, surprisal
from chainrule.tasks.generation import Sampling, generate, sampler
from chainrule.training import SGD, Adam, Optimizer, Training, constant, cosine, train
from chainrule.training.loop import Limits, Progress

Tokens = Integer[np.ndarray, " _"]
Tell = Callable[[float], None]
KINDS = ("uniform", "unigram", "bigram", "ngram", "window", "rnn", "gru", "lstm")
COUNTED = ("uniform", "unigram", "bigram", "ngram")
SMOOTHINGS = tuple(dict.fromkeys((*BY_COUNTS, *ESTIMATED)))
HIGHEST_ORDER = 10
NAMES = {
    "witten-bell": "Witten-Bell",
    "absolute": "absolute-discounting",
    "kneser-ney": "Kneser-Ney",
    "modified-kneser-ney": "modified Kneser-Ney",
}
SHORT = 60.0  # seconds: a run below it wants many small steps, and a higher rate (docs/LOG.md, 2026-11-24)
RATES_SHORT = {"window": 8e-3, "rnn": 4e-3, "gru": 8e-3, "lstm": 1.5e-2}
RATE = 4e-3
ADD_K = (1.0, 0.1, 0.01, 0.001)
UNCHOSEN_ORDER = 5  # where there is no validation part to choose on
CHOOSING = 50_000  # validation tokens that the choice of an order looks at


@dataclass(frozen=True)
class Recipe:
    """What to train and how. kind: one of KINDS.

    order, smoothing, k: of n-grams (order and k None: the best on the validation part; without one, order 5
    and k 1). minimum: the count from which n-grams of each order are kept, for smoothings of ESTIMATED.
    hidden, layers, embedding, window: of networks (embedding 0: one-hot input).
    batch, steps: rows and time steps of a batch. rate: learning rate. clip: of the gradient's norm.
    seconds: a limit of time, None for none. patience: validations without a better one before it stops.
    partition: sequential or random. optimizer: adam (with a cosine schedule) or sgd (at a constant rate).
    """

    kind: str = "lstm"
    order: int | None = None
    smoothing: str = "witten-bell"
    k: float | None = None
    minimum: Sequence[int] = ()
    hidden: int | None = None
    layers: int = 1
    embedding: int | None = None
    window: int = 8
    epochs: int | None = None
    seconds: float | None = None
    batch: int | None = None
    steps: int | None = None
    partition: str = "sequential"
    optimizer: str = "adam"
    rate: float | None = None
    clip: float = 1.0
    patience: int = 4
    seed: int = 0

    def __post_init__(self) -> None:
        object.__setattr__(self, "minimum", tuple(self.minimum))  # JSON has lists only


@dataclass(frozen=True)
class FitResult:
    """A model, the recipe with every blank filled in, and how training went (None for counted models).

    discounts: of each order, where the smoothing has them.
    """

    model: TokenModel[Any]
    recipe: Recipe
    training: Training[Any] | None = None
    discounts: tuple[Discounts, ...] = ()


def fit(recipe: Recipe, data: Dataset, report: Callable[[Progress], None] | None = None) -> FitResult:
    """Fit the recipe's model on the training part of `data`; raises InputError for what has no meaning."""
    if recipe.seed < 0:
        raise InputError(f"seed: expected 0 or more, got {recipe.seed}")
    match recipe.kind:
        case "uniform":
            return FitResult(Uniform(data.codec.vocab_size), recipe)
        case "unigram" | "bigram":
            recipe = replace(recipe, order=1 if recipe.kind == "unigram" else 2, smoothing="add-k", k=1.0)
            return _count(recipe, data, report)
        case "ngram":
            return _count(recipe, data, report)
        case "window" | "rnn" | "gru" | "lstm":
            return _learn(_filled(recipe, len(data.train.ids), data.codec.vocab_size), data, report)
        case _:
            raise InputError(f"model: expected one of {', '.join(KINDS)}, got {recipe.kind!r}")


def _count(recipe: Recipe, data: Dataset, report: Callable[[Progress], None] | None) -> FitResult:
    """Counts to the order asked for; with it open, to the order that predicts the validation part best."""
    tokens, valid, vocab_size = data.train.ids, data.valid.ids, data.codec.vocab_size
    if recipe.smoothing not in SMOOTHINGS:
        raise InputError(f"smoothing: expected one of {', '.join(SMOOTHINGS)}, got {recipe.smoothing!r}")
    if not len(tokens):
        raise InputError("training text: expected at least one token, got none")
    open_order = min(HIGHEST_ORDER, longest_row(tokens, data.codec.end_id))
    highest = open_order if recipe.order is None else recipe.order
    if recipe.minimum and recipe.smoothing not in ESTIMATED:
        raise InputError(
            f"minimum counts: expected a smoothing among {', '.join(ESTIMATED)}, got {recipe.smoothing}"
        )
    check_memory(len(tokens), vocab_size, min(highest, len(tokens)))
    counts = count_ngrams([tokens], vocab_size, highest, end=data.codec.end_id)

    def made(order: int, k: float | None) -> FitResult:
        chosen = replace(recipe, order=order, k=k)
        if recipe.smoothing in ESTIMATED:
            found = estimate(counts.up_to(order), recipe.smoothing, minimum=recipe.minimum)
            return FitResult(found.model, chosen, discounts=found.discounts)
        smoothing = AddK(k) if k is not None else make_smoothing(recipe.smoothing)
        return FitResult(NgramModel(counts.up_to(order), smoothing), chosen)

    orders = range(1, highest + 1) if recipe.order is None else (recipe.order,)
    amounts = (ADD_K if recipe.k is None else (recipe.k,)) if recipe.smoothing == "add-k" else (None,)
    ranks_only = recipe.smoothing == "stupid-backoff"  # its scores cannot be held against one another
    if len(valid) and len(orders) * len(amounts) > 1 and not ranks_only:
        return made(*_best(made, orders, amounts, valid[:CHOOSING], report))
    return made(min(UNCHOSEN_ORDER, highest) if recipe.order is None else recipe.order, amounts[0])


def _best(
    made: Callable[[int, float | None], FitResult],
    orders: Sequence[int],
    amounts: Sequence[float | None],
    valid: Tokens,
    report: Callable[[Progress], None] | None,
) -> tuple[int, float | None]:
    """The order and the k of add-k with the fewest nats; higher orders are left once two got worse."""
    best: tuple[float, int, float | None] = (math.inf, orders[0], amounts[0])
    for order in orders:
        for amount in amounts:
            nats = float(surprisal(made(order, amount).model, valid).sum())
            best = min(best, (nats, order, amount), key=lambda found: found[0])
        if report:
            report(Progress(order / len(orders), order, math.nan, best[0] / len(valid)))
        if order >= best[1] + 2:
            break
    return best[1:]


def _filled(recipe: Recipe, tokens: int, vocab_size: int) -> Recipe:
    """The blanks of a network's recipe, from the size of the text and the time there is."""

    def either(given: int | None, otherwise: int) -> int:
        return otherwise if given is None else given

    short = recipe.seconds is not None and recipe.seconds < SHORT
    small = (short and recipe.kind in ("gru", "lstm")) or tokens < 50_000
    one_hot = vocab_size <= 256 and recipe.kind != "window"
    rate = 1.0 if recipe.optimizer == "sgd" else (RATES_SHORT[recipe.kind] if short else RATE)
    return replace(
        recipe,
        hidden=either(recipe.hidden, 128 if small else 256),
        embedding=either(recipe.embedding, 0 if one_hot else 64),
        epochs=either(recipe.epochs, 10_000 if recipe.seconds else 20),
        batch=either(recipe.batch, 16 if short else 32),
        steps=either(recipe.steps, 32 if short else 64),
        rate=rate if recipe.rate is None else recipe.rate,
    )


def _learn(recipe: Recipe, data: Dataset, report: Callable[[Progress], None] | None) -> FitResult:
    """Train a network whose recipe has no blanks."""
    rng, vocab_size = np.random.default_rng(recipe.seed), data.codec.vocab_size
    epochs, batch, steps = cast(int, recipe.epochs), cast(int, recipe.batch), cast(int, recipe.steps)
    with threadpool_limits(_blas_threads(recipe)):
        training = train(
            _learner(recipe, data, rng),
            partial(_partition(recipe.partition), data.train.ids, batch, steps, rng),
            _optimizer(recipe),
            limits=Limits(epochs, recipe.patience, recipe.seconds),
            theta=recipe.clip,
            schedule=cosine if recipe.optimizer == "adam" else constant,
            validate=partial(mean_nats_in_rows, tokens=data.valid.ids[: affordable(vocab_size)])
            if len(data.valid.ids)
            else None,
            report=report,
        )
    return FitResult(training.model, recipe, training)


def _blas_threads(recipe: Recipe) -> int | None:
    """One for products so small that a second thread gives a tenth, and costs two thirds of the speed as
    soon as another process wants its core; None, as many as there are, for larger ones."""
    gates = {"window": 1, "rnn": 1, "gru": 3, "lstm": 4}[recipe.kind]
    rows, hidden = cast(int, recipe.batch), cast(int, recipe.hidden)
    return 1 if recipe.kind != "window" and rows * hidden * hidden * gates <= 1 << 20 else None


def _learner(recipe: Recipe, data: Dataset, rng: np.random.Generator) -> Learner[Any, TokenModel[Any]]:
    """The network as it starts out: what it does not know yet, it expects by frequency."""
    hidden, embedding = cast(int, recipe.hidden), cast(int, recipe.embedding)
    vocab_size = data.codec.vocab_size
    learner: WindowLearner | RecurrentLearner
    if recipe.kind == "window":
        learner = WindowLearner(vocab_size, window=recipe.window, embedding=embedding, hidden=hidden, rng=rng)
    else:
        learner = RecurrentLearner(
            vocab_size, cell=recipe.kind, layers=recipe.layers, hidden=hidden, embedding=embedding, rng=rng
        )
    counts = np.bincount(data.train.ids, minlength=vocab_size) + 1
    learner.parameters["output.bias"][...] = np.log(counts / counts.sum())
    return learner


def _partition(name: str) -> Callable[[Tokens, int, int, np.random.Generator], Iterator[Batch]]:
    match name:
        case "sequential":
            return sequential_batches
        case "random":
            return random_batches
        case _:
            raise InputError(f"partition: expected sequential or random, got {name!r}")


def _optimizer(recipe: Recipe) -> Optimizer:
    rate = cast(float, recipe.rate)
    match recipe.optimizer:
        case "adam":
            return Adam(rate)
        case "sgd":
            return SGD(rate)
        case _:
            raise InputError(f"optimizer: expected adam or sgd, got {recipe.optimizer!r}")


def ladder(data: Dataset, seed: int) -> list[Candidate]:
    """From guessing to long short-term memory, in the order of the lecture."""
    counted = [
        ("uniform", Recipe("uniform")),
        ("unigram", Recipe("unigram")),
        ("bigram", Recipe("bigram")),
        ("add-k", Recipe("ngram", smoothing="add-k")),
        ("Witten-Bell", Recipe("ngram", smoothing="witten-bell")),
    ]
    networks = [
        ("window MLP", Recipe("window", seed=seed)),
        ("RNN", Recipe("rnn", seed=seed)),
        ("GRU", Recipe("gru", seed=seed)),
        ("LSTM", Recipe("lstm", seed=seed)),
    ]
    return [
        *(Candidate(name, partial(_fit_candidate, recipe, data)) for name, recipe in counted),
        *(Candidate(name, partial(_fit_candidate, recipe, data), timed=True) for name, recipe in networks),
    ]


def _fit_candidate(recipe: Recipe, data: Dataset, seconds: float, tell: Tell) -> Fitted:
    timed = recipe.kind not in COUNTED
    fitted = fit(
        replace(recipe, seconds=seconds) if timed else recipe, data, lambda progress: tell(progress.done)
    )
    count, unit = size(fitted.model)
    name, curve, tokens, note = None, (), len(data.train.ids), None
    if recipe.kind == "ngram" and isinstance(fitted.model, NgramModel):
        name = f"{fitted.model.smoothing.name} {fitted.model.order}-gram"
    elif isinstance(fitted.model, BackoffModel):
        name = f"{NAMES[fitted.model.made_by]} {fitted.model.order}-gram"
    if fitted.training:
        if fitted.training.stopped == "interrupted":
            raise KeyboardInterrupt  # whoever presses Ctrl-C in a comparison wants it to end
        curve = tuple(CurvePoint(p.seconds, p.epoch, p.nats, p.valid) for p in fitted.training.history)
        tokens, note = fitted.training.tokens, fitted.training.advice
        if curve and curve[-1].epoch < 1:
            note = f"read {tokens:,} tokens, {curve[-1].epoch:.0%} of the training text: give it more time"
    return Fitted(fitted.model, describe_state(fitted.model), count, unit, tokens, curve, name, note)


def affordable(vocab_size: int) -> int:
    """How many tokens to score for figures beside the held-out one: fewer, the larger the vocabulary."""
    return min(100_000, max(5_000, (1 << 29) // vocab_size))


def evaluate_part(model: TokenModel[Any], part: Part, codec: Codec, progress: Tell | None = None) -> Scored:
    """The evaluation of a stretch of text that `codec` encoded, read as one row."""
    nats = surprisal(model, part.ids, progress=progress)
    report = evaluate(
        nats,
        part.ids,
        TextCounts.of(part.text),
        model=model,
        tokenizer=codec.tokenizer.name,
        loses=codec.loses,
        unknown_id=codec.vocabulary.unknown_id,
    )
    return Scored(report, nats)


def compare_models(
    data: Dataset,
    *,
    budget: float = 90.0,
    seed: int = 0,
    sample_length: int = 200,
    report: Callable[[str, float], None] | None = None,
) -> Iterator[Row]:
    """The ladder on a data set with a test part: a row as soon as its model is done.

    Raises InputError when there is nothing to test or to validate on.
    """
    for name, part in (("validation", data.valid), ("test", data.test)):
        if not len(part.ids):
            raise InputError(f"{name} part: expected at least one token, got none; the text is too short")
    networks = Recipe(seconds=budget / 4)
    check_length(
        data.train.ids, cast(int, _filled(networks, len(data.train.ids), data.codec.vocab_size).steps)
    )
    banned = () if data.codec.vocabulary.unknown_id is None else (data.codec.vocabulary.unknown_id,)
    prompt = data.test.ids[None, :20]
    if seed < 0:
        raise InputError(f"seed: expected 0 or more, got {seed}")
    draws = np.random.default_rng(seed)  # one stream for all, or unsure models would say the same

    trained_on = data.train.head(min(len(data.test.ids), affordable(data.codec.vocab_size)))
    scoring = None if report is None else partial(report, "scoring the held-out text")

    def draw_sample(model: TokenModel[Any]) -> str:
        choose = sampler(Sampling(banned=banned), draws)
        ids = [int(tokens[0]) for tokens in generate(model, prompt, sample_length, choose)]
        return data.codec.decode(np.array(ids, dtype=np.int64))

    return compare(
        ladder(data, seed),
        budget=budget,
        evaluate_train=lambda model: evaluate_part(model, trained_on, data.codec),
        evaluate_held_out=lambda model: evaluate_part(model, data.test, data.codec, scoring),
        draw_sample=draw_sample,
        rng=np.random.default_rng(seed),
        report=report,
    )
