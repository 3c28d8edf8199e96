"""A recurrent classifier or tagger from labelled sequences, from nothing or from a language model of them.

    weights of a language model of the training texts -> the encoder's layers -> labels     (Dai & Le 2015)

The language model of the backward direction reads every text from its end and keeps the embedding of the
forward one, which both directions of the encoder share. Nothing but the training part is seen: part of it is
held back to say when to stop.

Shape letters: N sequences, T time, V vocabulary, C labels.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from jaxtyping import Float, Integer
from threadpoolctl import threadpool_limits

from chainrule.core import Batch, InputError, Step
from chainrule.data.bucketing import bucketed_batches, pad
from chainrule.data.partition import sequential_batches
from chainrule.models.encoder import Encoder, EncoderLearner
from chainrule.models.recurrent import RecurrentLearner, RecurrentModel
from chainrule.training import Adam, AdamW, Limits, Progress, Training, cosine, train

Array = np.ndarray
Ids = Integer[Array, " _"]
Labels = Integer[Array, " _"] | Sequence[Ids]
Report = Callable[[str, Progress], None]
STEPS = 35  # of a batch of the language model
ROWS = 32
LM_RATES = {"gru": 4e-3, "lstm": 8e-3, "rnn": 2e-3}
LM_DROPOUT = 0.3
LARGE_VOCABULARY = 2000  # tokens from which the language model's softmax is adaptive
SMALL = 20  # sequences: with fewer none is held back


@dataclass(frozen=True)
class EncoderRecipe:
    """What to train and how. head: mean, last, max, or each (one label a token).

    cell, layers, hidden, embedding, bidirectional, dropout, embedding_dropout: see `EncoderLearner`. scale:
    the standard deviation of a fresh embedding. pretraining: epochs of the language model, 0 for none. batch:
    sequences. rate, weight_decay: of AdamW, along a half cosine. average: decay of the moving average of the
    weights, 0 for none. valid: the share of the training part that is held back to say when to stop, after
    `patience` epochs that were no better. seconds: a limit of time for the labels' part, None for none.
    """

    head: str = "max"
    cell: str = "gru"
    layers: int = 1
    hidden: int = 128
    embedding: int = 128
    bidirectional: bool = True
    dropout: float = 0.5
    embedding_dropout: float = 0.1
    scale: float = 0.1
    pretraining: int = 0
    epochs: int = 8
    batch: int = 32
    rate: float = 2e-3
    weight_decay: float = 0.01
    average: float = 0.998
    clip: float = 1.0
    patience: int = 2
    valid: float = 0.1
    seconds: float | None = None
    seed: int = 0


@dataclass(frozen=True, eq=False)
class FittedEncoder:
    """The model that was best on what was held back, and how training went. held_back: sequences."""

    model: Encoder
    recipe: EncoderRecipe
    training: Training[Encoder]
    held_back: int


def fit_encoder(
    sequences: Sequence[Ids],
    labels: Labels,
    *,
    vocab_size: int,
    classes: int,
    recipe: EncoderRecipe = EncoderRecipe(),
    begin_with: Mapping[str, RecurrentModel] | None = None,
    report: Report | None = None,
) -> FittedEncoder:
    """Train on ids and their labels: one for each sequence, or, of the head `each`, one for each token.

    begin_with: language models of the same ids by direction, in place of pretraining. report: told what goes
    on (language model, backward language model, labels) and how far it is.
    Raises InputError for what has no meaning.
    """
    check_labels(sequences, labels, classes, recipe)
    rngs = np.random.default_rng(recipe.seed).spawn(5)
    weights, dropout, order, split, language = rngs
    train_rows, valid_rows = held_back(labels, recipe.valid, split)
    own, own_labels = _rows(sequences, labels, train_rows)
    learner = _learner(recipe, vocab_size, classes, weights)
    learner.rng = dropout
    if recipe.pretraining and begin_with is None:
        begin_with = language_models(own, vocab_size, recipe, language, report)
    for direction in learner.design.directions:
        if begin_with and direction in begin_with:
            learner.begin_with(begin_with[direction], direction)
    validate = None
    if len(valid_rows):
        kept, kept_labels = _rows(sequences, labels, valid_rows)
        validate = partial(mean_nats, sequences=kept, labels=kept_labels)
    with threadpool_limits(1):
        training = train(
            learner,
            partial(bucketed_batches, own, own_labels, recipe.batch, order),
            AdamW(recipe.rate, decay=recipe.weight_decay),
            limits=Limits(recipe.epochs, recipe.patience, recipe.seconds),
            theta=recipe.clip,
            schedule=cosine,
            average=recipe.average,
            validate=validate,
            report=report and partial(report, "labels"),
            rng=order,
        )
    return FittedEncoder(training.model, recipe, training, len(valid_rows))


def language_models(
    sequences: Sequence[Ids],
    vocab_size: int,
    recipe: EncoderRecipe,
    rng: np.random.Generator,
    report: Report | None = None,
) -> dict[str, RecurrentModel]:
    """One for each direction of the recipe, of the training texts alone, to begin with.

    Both read the texts one after another with an end symbol between, id 0; theirs is not what the encoder
    reads, so that its row of the embedding is left out of what they give.
    """
    made: dict[str, RecurrentModel] = {}
    texts = [sequence for sequence in sequences if len(sequence)]
    for direction in ("forward", "backward")[: 1 + recipe.bidirectional]:
        turned = texts if direction == "forward" else [sequence[::-1] for sequence in texts]
        order = rng.permutation(len(texts))
        stream = np.concatenate([part for i in order for part in (turned[i] + 1, [0])])
        learner = _language_learner(recipe, vocab_size, rng)
        told = "language model" if direction == "forward" else "backward language model"
        embedding = made["forward"].parameters["embedding"] if made and recipe.embedding else None
        if embedding is not None:
            learner.parameters["embedding"][1:] = embedding
        learner.expect(np.bincount(stream, minlength=vocab_size + 1) + 1)
        steps = min(STEPS, len(stream) - 1)
        with threadpool_limits(1):
            training = train(
                learner if embedding is None else _FixedEmbedding(learner),
                partial(sequential_batches, stream, ROWS, steps, rng),
                Adam(LM_RATES.get(recipe.cell, LM_RATES["gru"])),
                limits=Limits(recipe.pretraining),
                schedule=cosine,
                report=report and partial(report, told),
            )
        made[direction] = _without_end(training.model)
    return made


def mean_nats(model: Encoder, sequences: Sequence[Ids], labels: Labels) -> float:
    """The mean of -log p of the labels: over sequences, or over all their tokens."""
    ids, lengths = pad(sequences)
    log_probs = model.predict(ids, lengths)
    if isinstance(labels, np.ndarray):
        return -float(log_probs[np.arange(len(labels)), labels].mean())
    targets, _ = pad(labels)
    chosen = np.take_along_axis(log_probs, targets[..., None], axis=-1)[..., 0]
    return -float(chosen[np.arange(ids.shape[1]) < lengths[:, None]].mean())


def check_labels(sequences: Sequence[Ids], labels: Labels, classes: int, recipe: EncoderRecipe) -> None:
    """Raises InputError for labels that do not fit the sequences, the head, or the number of classes."""
    if len(sequences) != len(labels):
        raise InputError(f"labels: expected one for each of {len(sequences)} sequences, got {len(labels)}")
    if not any(map(len, sequences)):
        raise InputError("sequences: expected some with a token, got none")
    if not 0 <= recipe.valid < 1:
        raise InputError(f"valid: expected a share from 0 to below 1, got {recipe.valid}")
    if recipe.pretraining < 0:
        raise InputError(f"pretraining: expected 0 epochs or more, got {recipe.pretraining}")
    each = recipe.head == "each"
    if isinstance(labels, np.ndarray) == each:
        raise InputError(
            f"labels: expected one for each {'token' if each else 'sequence'} of the head {recipe.head}"
        )
    if not isinstance(labels, np.ndarray):
        for at, (sequence, own) in enumerate(zip(sequences, labels, strict=True)):
            if len(sequence) != len(own):
                raise InputError(f"labels: expected {len(sequence)} for sequence {at}, got {len(own)}")
    if classes < 2:
        raise InputError(f"classes: expected at least 2, got {classes}")


def held_back(
    labels: Labels, share: float, rng: np.random.Generator
) -> tuple[Integer[Array, " _"], Integer[Array, " _"]]:
    """Rows to train on and rows to validate on: of every label its share, where labels are of sequences."""
    count = len(labels)
    order = rng.permutation(count)
    if not share or count < SMALL:
        return order, order[:0]
    if not isinstance(labels, np.ndarray):
        cut = max(1, round(count * share))
        return order[cut:], order[:cut]
    valid = np.zeros(count, bool)
    for label in np.unique(labels):
        rows = order[labels[order] == label]
        valid[rows[: round(len(rows) * share)]] = True
    return order[~valid[order]], order[valid[order]]


def _rows(sequences: Sequence[Ids], labels: Labels, rows: Integer[Array, " _"]) -> tuple[list[Ids], Labels]:
    own = [sequences[i] for i in rows.tolist()]
    return own, labels[rows] if isinstance(labels, np.ndarray) else [labels[i] for i in rows.tolist()]


def _learner(
    recipe: EncoderRecipe, vocab_size: int, classes: int, rng: np.random.Generator
) -> EncoderLearner:
    learner = EncoderLearner(
        vocab_size,
        classes,
        head=recipe.head,
        cell=recipe.cell,
        layers=recipe.layers,
        hidden=recipe.hidden,
        embedding=recipe.embedding,
        bidirectional=recipe.bidirectional,
        dropout=recipe.dropout,
        embedding_dropout=recipe.embedding_dropout,
        rng=rng,
    )
    if recipe.embedding:
        learner.parameters["embedding"] *= np.float32(recipe.scale)
    return learner


def _language_learner(recipe: EncoderRecipe, vocab_size: int, rng: np.random.Generator) -> RecurrentLearner:
    """Over the ids and one before them, the end of a text. The vocabulary stands by frequency, so that an
    adaptive softmax finds the frequent ones first."""
    cutoffs = (LARGE_VOCABULARY // 2,) if vocab_size >= LARGE_VOCABULARY else ()
    if vocab_size >= 4 * LARGE_VOCABULARY:
        cutoffs = (*cutoffs, 2 * LARGE_VOCABULARY)
    learner = RecurrentLearner(
        vocab_size + 1,
        cell=recipe.cell,
        layers=recipe.layers,
        hidden=recipe.hidden,
        embedding=recipe.embedding,
        dropout=LM_DROPOUT,
        cutoffs=cutoffs,
        rng=rng,
    )
    if recipe.embedding:
        learner.parameters["embedding"] *= np.float32(recipe.scale)
    return learner


def _without_end(model: RecurrentModel) -> RecurrentModel:
    """The layers over the encoder's own ids. The output stays as it was: it is not taken over."""
    parameters = dict(model.parameters)
    first = "embedding" if "embedding" in parameters else "layer0.input"
    parameters[first] = parameters[first][1:]
    return RecurrentModel(model.arch, parameters)


class _FixedEmbedding:
    """A learner whose embedding is left as it is."""

    def __init__(self, learner: RecurrentLearner) -> None:
        self.learner, self.rng = learner, learner.rng

    @property
    def parameters(self) -> dict[str, Float[Array, "..."]]:
        return self.learner.parameters

    def start(self, batch: int) -> Any:
        return self.learner.start(batch)

    def gradients(self, batch: Batch, state: Any) -> Step[Any]:
        step = self.learner.gradients(batch, state)
        others = {name: gradient for name, gradient in step.gradients.items() if name != "embedding"}
        return Step(step.nats, step.count, others, step.state)

    def model(self) -> RecurrentModel:
        return self.learner.model()
