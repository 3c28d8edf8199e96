"""What tells classes apart: counted models a class and Bayes' rule, and n-grams that are weighed to tell.

    conditional   sum_t log p(x_t | x_<t, c), a TokenModel a class
    bayes         sum_j r_j x_j,            r_j the log-count ratio of n-gram j, x_j whether it is there
    weighed       sum_j w_j r_j x_j / |r x|, w by logistic regression (Wang & Manning 2012)
    recurrent     a network that reads all of the text, see `chainrule.recipes.encoding`

Texts are read in each way and counted once; every split of them is a choice of rows, so an inner fold reads
nothing again. An n-gram that a fold's training texts lack has a weight of 0.

Shape letters: N texts, K classes, T tokens, E n-grams found, F n-grams counted.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Bool, Float64, Int64, Integer

from chainrule.core import TokenModel
from chainrule.data.bucketing import pad
from chainrule.data.sentences import TextReader
from chainrule.models.encoder import Encoder, contributions
from chainrule.models.logistic import Sparse, fit_logistic
from chainrule.models.ngram import NgramCounts, count_ngrams, estimate
from chainrule.models.ngram.counts import longest_row
from chainrule.models.ngram.features import NgramFeatures, log_count_ratio
from chainrule.recipes.encoding import EncoderRecipe, fit_encoder
from chainrule.tasks.classification import class_log_probs, token_evidence

Array = np.ndarray
Labels = Integer[Array, " N"]


class Network(NamedTuple):
    """cell: rnn, gru, lstm. pooling: of all hidden vectors, mean, last or max. pretraining: epochs of the
    language model that it begins with, 0 for none. Both directions are no better and twice as slow."""

    cell: str = "gru"
    pooling: str = "max"
    bidirectional: bool = False
    pretraining: int = 0


@dataclass(frozen=True)
class Spec:
    """A part of a classifier before it is fitted. orders: of its n-grams; a conditional one's
    models are of the last. least: in how many texts an n-gram must stand. cost: C of the regression. network:
    how a recurrent one is built and trained."""

    name: str
    kind: str
    tokenizer: str
    orders: tuple[int, ...]
    least: int = 1
    cost: float = 8.0
    smoothing: str = "modified-kneser-ney"
    network: Network | None = None


@dataclass(frozen=True, eq=False)
class Source:
    """A way of reading, and the n-grams of the training texts that features are made of. Parts share it."""

    reader: TextReader
    counts: NgramCounts
    _features: dict[tuple[int, ...], NgramFeatures] = field(default_factory=dict[Any, Any])

    def features(self, orders: tuple[int, ...]) -> NgramFeatures:
        """Of the orders that the training texts are long enough for."""
        if orders not in self._features:
            kept = [k for k in orders if k <= self.counts.order]
            self._features[orders] = NgramFeatures(self.counts, kept)
        return self._features[orders]


class Read:
    """Texts as a source has them: read once, whatever the number of parts."""

    def __init__(self, source: Source, ids: Integer[Array, " T"]) -> None:
        self.source, self.ids = source, ids
        self._presence: dict[tuple[int, ...], tuple[Array, Array]] = {}

    @classmethod
    def of(cls, source: Source, texts: Sequence[str]) -> "Read":
        return cls(source, source.reader.encode(texts))

    @cached_property
    def sentence(self) -> Int64[Array, " T"]:
        """The text that each token is of."""
        ended = np.cumsum(self.ids == self.source.reader.end)
        return np.concatenate([[0], ended[:-1]]).astype(np.int64) if len(ended) else ended

    @cached_property
    def height(self) -> int:
        """N."""
        return int((self.ids == self.source.reader.end).sum())

    def presence(self, orders: tuple[int, ...]) -> tuple[Int64[Array, " E"], Int64[Array, " E"]]:
        """Text and column of every n-gram, found once."""
        if orders not in self._presence:
            self._presence[orders] = self.source.features(orders).presence(self.ids)
        return self._presence[orders]

    def some(self, rows: Bool[Array, " N"]) -> "Read":
        """Some of the texts; what was found in all of them is not looked for again."""
        part = Read(self.source, self.ids[rows[self.sentence]])
        place = np.cumsum(rows) - 1
        for orders, (texts, columns) in self._presence.items():
            inside = rows[texts]
            part._presence[orders] = place[texts[inside]], columns[inside]
        return part


def read_training(texts: Sequence[str], tokenizer: str, order: int, fold: bool) -> Read:
    """The texts, and a source that is made of them."""
    reader, ids = TextReader.fit(texts, tokenizer, fold)
    order = min(order, longest_row(ids, reader.end))
    counts = count_ngrams([ids], reader.codec.vocab_size, order, end=reader.end)
    return Read(Source(reader, counts), ids)


@runtime_checkable
class Part(Protocol):
    """Fitted: what it says for each class, in nats up to what all share; and what every character says."""

    @property
    def spec(self) -> Spec: ...
    @property
    def source(self) -> Source: ...
    def opinions(self, read: Read) -> Float64[Array, "N K"]: ...
    def evidence(self, text: str) -> Float64[Array, "characters_plus_1 K"]: ...


@dataclass(frozen=True, eq=False)
class Conditional:
    """A model a class over one vocabulary."""

    spec: Spec
    source: Source
    models: tuple[TokenModel[Any], ...]

    def opinions(self, read: Read) -> Float64[Array, "N K"]:
        return class_log_probs(self.models, split_texts(read.ids, self.source.reader.end))

    def evidence(self, text: str) -> Float64[Array, "characters_plus_1 K"]:
        said = token_evidence(self.models, self.source.reader.encode([text]))
        out = np.zeros((len(text) + 1, len(self.models)))
        _spread(out, self.source.reader.places(text), said)
        return out


@dataclass(frozen=True, eq=False)
class Weighed:
    """scale: r of every n-gram; weights: w. Of two classes the second has the weights and nothing is said
    for the first (K2 = 1); of more each has its own, against the rest (K2 = K)."""

    spec: Spec
    source: Source
    scale: Float64[Array, "K2 F"]
    weights: Float64[Array, "K2 F"]
    biases: Float64[Array, " K2"]

    def opinions(self, read: Read) -> Float64[Array, "N K"]:
        rows, columns = read.presence(self.spec.orders)
        made = [
            self._rows(rows, columns, read.height, k).dot(self.weights[k]) + self.biases[k]
            for k in range(len(self.biases))
        ]
        return _of_all_classes(np.stack(made, axis=1))

    def _rows(self, rows: Array, columns: Array, height: int, k: int) -> Sparse:
        return scaled(rows, columns, self.scale[k], height, unit=self.spec.kind == "weighed")

    def evidence(self, text: str) -> Float64[Array, "characters_plus_1 K"]:
        """What an n-gram adds, divided evenly among the places where it stands and their tokens."""
        ids = self.source.reader.encode([text])
        found = self.source.features(self.spec.orders).find(ids)
        places = self.source.reader.places(text)
        _, which, times = np.unique(found.column, return_inverse=True, return_counts=True)
        per_token = np.zeros((len(ids), len(self.biases)))
        for k in range(len(self.biases)):
            once = self._rows(np.zeros(len(times), np.int64), np.unique(found.column), 1, k)
            added = once.values * self.weights[k][once.columns]
            by_column = dict(zip(once.columns.tolist(), added.tolist(), strict=True))
            each = np.array([by_column.get(c, 0.0) for c in found.column.tolist()]) / times[which]
            for back in range(int(found.order.max(initial=0))):
                there = found.order > back
                at = np.maximum(found.at[there] - back, 0)  # what begins a text is no token
                np.add.at(per_token[:, k], at, each[there] / found.order[there])
        out = np.zeros((len(text) + 1, max(2, len(self.biases))))
        _spread(out, places, _of_all_classes(per_token))
        return out


@dataclass(frozen=True, eq=False)
class Recurrent:
    """A network that reads the whole text."""

    spec: Spec
    source: Source
    model: Encoder

    def opinions(self, read: Read) -> Float64[Array, "N K"]:
        texts = split_texts(read.ids, self.source.reader.end)
        return self.model.predict(*pad([text[:-1] for text in texts]))

    def evidence(self, text: str) -> Float64[Array, "characters_plus_1 K"]:
        """What is lost where a token alone is left out (Li 2016): no sum, and slow."""
        ids = self.source.reader.encode([text])[:-1]
        columns = [contributions(self.model, ids, label) for label in range(self.model.classes)]
        said = np.concatenate([np.stack(columns, axis=1), np.zeros((1, len(columns)))])
        out = np.zeros((len(text) + 1, len(columns)))
        _spread(out, self.source.reader.places(text), said)
        return out


def fit_part(spec: Spec, read: Read, labels: Labels, classes: int) -> Part:
    """A part on texts, each of a class 0..classes - 1."""
    if spec.kind == "conditional":
        return _fit_conditional(spec, read, labels, classes)
    if spec.kind == "recurrent":
        return _fit_recurrent(spec, read, labels, classes)
    texts, columns = read.presence(spec.orders)
    width = read.source.features(spec.orders).size
    listed = np.bincount(columns, minlength=width) >= spec.least
    fitted: list[tuple[Array, Array, float]] = []
    for c in range(1, classes) if classes == 2 else range(classes):
        positive = labels == c
        scale = np.where(listed, log_count_ratio(columns, positive[texts], width), 0.0)
        share = positive.mean()
        if spec.kind == "bayes":
            fitted.append((scale, np.ones(width), float(np.log(share / (1 - share)))))
            continue
        x = scaled(texts, columns, scale, read.height, unit=True)
        made = fit_logistic(x, positive, spec.cost)
        fitted.append((scale, made.weights, made.bias))
    scales, weights, biases = zip(*fitted, strict=True)
    return Weighed(spec, read.source, np.stack(scales), np.stack(weights), np.array(biases))


def _fit_conditional(spec: Spec, read: Read, labels: Labels, classes: int) -> Conditional:
    reader = read.source.reader
    models: list[TokenModel[Any]] = []
    for c in range(classes):
        ids = read.ids[(labels == c)[read.sentence]]
        order = min(spec.orders[-1], longest_row(ids, reader.end))
        counts = count_ngrams([ids], reader.codec.vocab_size, order, end=reader.end)
        models.append(estimate(counts, spec.smoothing).model)
    return Conditional(spec, read.source, tuple(models))


def _fit_recurrent(spec: Spec, read: Read, labels: Labels, classes: int) -> Recurrent:
    reader = read.source.reader
    sequences = [text[:-1] for text in split_texts(read.ids, reader.end)]
    network = (spec.network or Network())._asdict()
    how = EncoderRecipe(head=network.pop("pooling"), **network)
    size = reader.codec.vocab_size
    made = fit_encoder(sequences, labels, vocab_size=size, classes=classes, recipe=how)
    return Recurrent(spec, read.source, made.model)


def scaled(rows: Array, columns: Array, scale: Float64[Array, " F"], height: int, *, unit: bool) -> Sparse:
    """Rows of r_j where n-gram j is there, of length 1 where asked for; what has no weight is left out."""
    values = scale[columns]
    kept = values != 0
    rows, columns, values = rows[kept], columns[kept], values[kept]
    if unit:
        length = np.sqrt(np.bincount(rows, values**2, minlength=height))
        values = values / length[rows]
    return Sparse(rows, columns, values, height, len(scale))


def split_texts(ids: Integer[Array, " T"], end: int) -> list[Integer[Array, " _"]]:
    """A stream cut behind every end."""
    return np.split(ids, np.flatnonzero(ids == end)[:-1] + 1) if len(ids) else []


def _of_all_classes(log_odds: Float64[Array, "N K2"]) -> Float64[Array, "N K"]:
    """The log-odds of the second of two classes as what is said for both; of one against the rest as they
    are."""
    if log_odds.shape[1] > 1:
        return log_odds
    return np.concatenate([np.zeros_like(log_odds), log_odds], axis=1)


def _spread(out: Float64[Array, "C K"], begins: Int64[Array, " T"], said: Float64[Array, "T K"]) -> None:
    """What each token says, evenly over the characters from its beginning to the next one's."""
    ends = np.append(begins[1:], len(out))
    ends = np.maximum(ends, begins + 1)
    for begin, end, row in zip(begins.tolist(), ends.tolist(), said, strict=True):
        out[begin:end] += row / (end - begin)
