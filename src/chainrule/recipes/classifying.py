"""The default classifier: five parts, and weights for what they say from folds inside the training texts.

Two of the parts are models of sequences, a class each (Bayes' rule); three are counted linear models, so that
the whole is an ensemble. Every part gives its opinion on texts that it was not trained on, INNER folds of the
training texts; the pool is fitted to these, and then the parts are fitted once more, to all.

Shape letters: N texts, K classes, M parts.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from jaxtyping import Bool, Float64, Integer

from chainrule.core import InputError
from chainrule.data.folds import stratified_folds
from chainrule.recipes.class_parts import Network, Part, Read, Source, Spec, fit_part, read_training
from chainrule.tasks.classification import Pool, fit_pool

Array = np.ndarray
Tell = Callable[[float, str], None]
INNER = 4  # folds inside the training texts
INNER_SLOW = 2  # where a part is a network
CELLS, POOLS = ("rnn", "gru", "lstm"), ("mean", "last", "max")
PARTS = (
    Spec("word 2-gram models", "conditional", "words", (2,)),
    Spec("character 5-gram models", "conditional", "characters", (5,)),
    Spec("naive Bayes, words 1-3", "bayes", "words", (1, 2, 3), least=2),
    Spec("weighed words 1-3", "weighed", "words", (1, 2, 3), least=2),
    Spec("weighed characters 1-6", "weighed", "characters", (1, 2, 3, 4, 5, 6), least=2),
)
KINDS = {
    "default": PARTS,
    "bayes": (Spec("naive Bayes, words 1-2", "bayes", "words", (1, 2)),),
    "words": PARTS[:1],
    "characters": PARTS[1:2],
    "weighed": PARTS[4:5],
    "recurrent": (Spec("recurrent network", "recurrent", "words", (1,), network=Network()),),
    "pretrained": (
        Spec(
            *("recurrent network from a language model", "recurrent", "words", (1,)),
            network=Network(pretraining=4),
        ),
    ),
}


@dataclass(frozen=True, eq=False)
class Fitted:
    """parts, and the pool of what they say. inner: their opinions on the training texts, each by a part
    that was fitted without that text. seconds: of the fit."""

    parts: tuple[Part, ...]
    pool: Pool
    inner: Float64[Array, "M N K"]
    seconds: float

    def opinions(self, texts: Sequence[str]) -> Float64[Array, "M N K"]:
        """Of every part; parts that share a source read the texts once."""
        reads: dict[Source, Read] = {}
        for part in self.parts:
            if part.source not in reads:
                reads[part.source] = Read.of(part.source, texts)
        return np.stack([part.opinions(reads[part.source]) for part in self.parts])

    def log_probs(self, texts: Sequence[str]) -> Float64[Array, "N K"]:
        """log p(c | text) in nats."""
        return self.pool.log_probs(self.opinions(texts))


def specs_of(kind: str, **network: Any) -> tuple[Spec, ...]:
    """The parts of a kind; raises InputError for one that there is not. network: fields of `Network` that a
    kind with one should have otherwise; of any other kind, an InputError."""
    if kind not in KINDS:
        raise InputError(f"model: expected one of {', '.join(KINDS)}, got {kind!r}")
    specs = KINDS[kind]
    strange = [name for name in network if name not in Network._fields]
    if strange:
        raise InputError(f"network: expected some of {', '.join(Network._fields)}, got {strange[0]!r}")
    if network and not any(spec.network for spec in specs):
        raise InputError(f"{next(iter(network))}: expected a network, recurrent or pretrained, got {kind}")
    for name, known in (("cell", CELLS), ("pooling", POOLS)):
        if network.get(name, known[0]) not in known:
            raise InputError(f"{name}: expected one of {', '.join(known)}, got {network[name]!r}")
    return tuple(
        replace(spec, network=spec.network._replace(**network)) if spec.network else spec for spec in specs
    )


def fit_classifier(
    texts: Sequence[str],
    labels: Integer[Array, " N"],
    classes: int,
    *,
    specs: Sequence[Spec] = PARTS,
    fold: bool = True,
    seed: int = 0,
    tell: Tell | None = None,
) -> Fitted:
    """The parts and their pool from the training texts alone. seed: of the inner folds.

    Raises InputError unless there are two classes, and two texts of each.
    """
    began = time.perf_counter()
    counts = np.bincount(labels, minlength=classes)
    if classes < 2:
        raise InputError(f"classes: expected at least 2, got {classes}")
    if counts.min() < 2:
        raise InputError(
            f"classes: expected at least 2 texts of each, got {counts.min()} of class {int(counts.argmin())}"
        )
    reads = _readings(texts, specs, fold)
    most = INNER_SLOW if any(spec.kind == "recurrent" for spec in specs) else INNER
    inner = stratified_folds(labels, min(most, int(counts.min())), np.random.default_rng(seed))
    opinions = np.empty((len(specs), len(texts), classes))
    parts: list[Part] = []
    for m, spec in enumerate(specs):
        read = reads[spec.tokenizer]
        parts.append(fit_part(spec, read, labels, classes))
        for f, split in enumerate(inner, 1):
            if tell:
                tell((m + f / (len(inner) + 1)) / len(specs), spec.name)
            shown = _mask(split.train, len(texts))
            part = fit_part(spec, read.some(shown), labels[split.train], classes)
            opinions[m, split.test] = part.opinions(read.some(~shown))
    pool = fit_pool(opinions, labels)
    return Fitted(tuple(parts), pool, opinions, time.perf_counter() - began)


def alone(fitted: Fitted, labels: Integer[Array, " N"]) -> list[Pool]:
    """For each part the pool that it would be in by itself: its scale and offsets, for the table."""
    return [fit_pool(fitted.inner[m : m + 1], labels) for m in range(len(fitted.parts))]


def _readings(texts: Sequence[str], specs: Sequence[Spec], fold: bool) -> dict[str, Read]:
    """The texts in each way of reading, counted as far as its parts need."""
    highest: dict[str, int] = {}
    for spec in specs:
        order = 1 if spec.kind in ("conditional", "recurrent") else max(spec.orders)
        highest[spec.tokenizer] = max(highest.get(spec.tokenizer, 1), order)
    return {name: read_training(texts, name, order, fold) for name, order in highest.items()}


def _mask(rows: Integer[Array, " R"], length: int) -> Bool[Array, " N"]:
    mask = np.zeros(length, bool)
    mask[rows] = True
    return mask


__all__: list[Any] = ["KINDS", "PARTS", "Fitted", "alone", "fit_classifier", "specs_of"]
