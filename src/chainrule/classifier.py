"""What a user holds to tell texts apart: fit, predict, evaluate, explain, generate, save, load.

classifier = TextClassifier.fit(texts, labels);  classifier.predict(["what a film"])
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float64, Int64

from chainrule.core import FileFormatError, InputError
from chainrule.data.tokenizers import Words
from chainrule.files import read_arrays, write_arrays
from chainrule.recipes.class_files import pack_classifier, unpack_classifier
from chainrule.recipes.class_parts import Conditional
from chainrule.recipes.classifying import Fitted, fit_classifier, specs_of
from chainrule.tasks.classification import ClassScores, scores
from chainrule.tasks.generation import Sampler, Sampling, generate

Array = np.ndarray
AT_ONCE = 5000  # texts that are read together: memory stays flat however many there are


class WordEvidence(NamedTuple):
    """A word as it stands in the text, and by how much it moves the log-odds (nats) of the predicted class
    against the next likeliest; below 0 it speaks against it."""

    word: str
    begin: int
    nats: float


class Explanation(NamedTuple):
    """Which words decided. log_odds = the words + rest: rest is what no word says, the frequencies of
    the classes and the text's end."""

    predicted: str
    against: str
    log_odds: float
    words: tuple[WordEvidence, ...]
    rest: float


@dataclass(frozen=True, eq=False)
class TextClassifier:
    """A fitted classifier. classes: the labels, in the order of `predict_proba`'s columns. card: what it was
    fitted to, as JSON has it."""

    classes: tuple[str, ...]
    fitted: Fitted
    card: Mapping[str, Any]

    @classmethod
    def fit(
        cls,
        texts: Sequence[str],
        labels: Sequence[str],
        *,
        model: str = "default",
        fold_case: bool = True,
        seed: int = 0,
        name: str = "texts",
        tell: Callable[[float, str], None] | None = None,
        **network: Any,
    ) -> "TextClassifier":
        """Fit to texts with a label each. model: a kind of `chainrule.recipes.classifying.KINDS`. fold_case:
        read capitals as small letters. seed: of the folds inside the texts that the parts are weighed on.
        network: where the model has one, what `chainrule.recipes.class_parts.Network` should have otherwise,
        such as cell="lstm", pooling="mean", bidirectional=True.

        Raises InputError for no texts, empty ones, one class, and a class with one text.
        """
        checked_texts(texts)
        if len(texts) != len(labels):
            raise InputError(f"labels: expected one a text, {len(texts):,}, got {len(labels):,}")
        classes, ids = class_ids(labels)
        fitted = fit_classifier(
            texts, ids, len(classes), specs=specs_of(model, **network), fold=fold_case, seed=seed, tell=tell
        )
        counts = dict(zip(classes, np.bincount(ids).tolist(), strict=True))
        parts = [
            {"name": part.spec.name, "weight": float(weight)}
            for part, weight in zip(fitted.parts, fitted.pool.weights, strict=True)
        ]
        card = {"source": name, "model": model, "seed": seed, "texts": counts, "parts": parts, **network}
        return cls(classes, fitted, {**card, "seconds": fitted.seconds})

    @property
    def classes_(self) -> Array:
        """`classes` under the name, and as the array, that scikit-learn has."""
        return np.array(self.classes)

    def log_probs(self, texts: Sequence[str]) -> Float64[Array, "N K"]:
        """log p(class | text), nats."""
        checked_texts(texts, empty=True)
        made = [self.fitted.log_probs(texts[low : low + AT_ONCE]) for low in range(0, len(texts), AT_ONCE)]
        return np.concatenate(made) if made else np.empty((0, len(self.classes)))

    def predict_proba(self, texts: Sequence[str]) -> Float64[Array, "N K"]:
        """The probability of every class, in the order of `classes`."""
        return np.exp(self.log_probs(texts))

    def predict(self, texts: Sequence[str]) -> Array:
        """The likeliest class of every text, as an array of labels; of an empty text too."""
        return self.classes_[self.log_probs(texts).argmax(axis=1)]

    def evaluate(self, texts: Sequence[str], labels: Sequence[str]) -> tuple[ClassScores, dict[str, int]]:
        """How good it is on texts that it was not fitted to; and how many texts were left out, by the labels
        that it does not know. Raises InputError where none is left."""
        if len(texts) != len(labels):
            raise InputError(f"labels: expected one a text, {len(texts):,}, got {len(labels):,}")
        place = {label: k for k, label in enumerate(self.classes)}
        kept = [at for at, label in enumerate(labels) if label in place]
        unseen = Counter(label for label in labels if label not in place)
        if not kept:
            named = ", ".join(map(repr, self.classes[:5]))
            raise InputError(
                f"labels: expected some of {named}, got {', '.join(map(repr, list(unseen)[:5]))}"
            )
        ids = np.array([place[labels[at]] for at in kept])
        made = scores(self.log_probs([texts[at] for at in kept]), ids, self.classes)
        return made, dict(unseen)

    def score(self, texts: Sequence[str], labels: Sequence[str]) -> float:
        """Accuracy."""
        return self.evaluate(texts, labels)[0].accuracy

    def explain(self, text: str) -> Explanation:
        """What each word of a text says for the predicted class, against the next likeliest one.

        The parts are sums over n-grams or tokens, so the log-odds is a sum over characters; no approximation.
        """
        checked_texts([text])
        evidence = sum(
            weight * part.evidence(text)
            for part, weight in zip(self.fitted.parts, self.fitted.pool.weights, strict=True)
        )
        assert isinstance(evidence, np.ndarray)
        log_probs = self.log_probs([text])[0]
        best, second = np.argsort(-log_probs, kind="stable")[:2]
        says = evidence[:, best] - evidence[:, second]
        begins, at = [0], 0
        split = list(Words().split(text))
        for word in split:
            at = text.index(word, at)
            begins.append(at)
            at += len(word)
        cuts = [0, *begins[2:], len(text)]  # white space is the word's before it
        sums = [float(says[low:high].sum()) for low, high in pairwise(cuts)]
        words = [WordEvidence(*row) for row in zip(split, begins[1:], sums, strict=True)]
        odds = float(log_probs[best] - log_probs[second])
        rest = odds - sum(word.nats for word in words)
        return Explanation(self.classes[best], self.classes[second], odds, tuple(words), rest)

    def generate(
        self, label: str, prompt: str = "", *, length: int = 60, temperature: float = 1.0, seed: int = 0
    ) -> str:
        """A text of a class, by its model of words (of characters where there is none): one to many.

        It ends where the model ends it, or after `length` tokens. Raises InputError for a label that is no
        class, and where no part is a model of sequences.
        """
        if label not in self.classes:
            raise InputError(f"label: expected one of {', '.join(self.classes)}, got {label!r}")
        part = next((part for part in self.fitted.parts if isinstance(part, Conditional)), None)
        if part is None:
            raise InputError("generate: expected a classifier with a model a class, got one without")
        reader, model = part.source.reader, part.models[self.classes.index(label)]
        unknown = reader.codec.vocabulary.unknown_id
        choose = Sampler(
            Sampling(temperature, banned=() if unknown is None else (unknown,)), np.random.default_rng(seed)
        )
        start = reader.encode([prompt])[:-1]
        ids: list[int] = start.tolist()
        for tokens in generate(model, start[None], length, choose):
            if int(tokens[0]) == reader.end:
                break
            ids.append(int(tokens[0]))
        return reader.codec.tokenizer.join(reader.codec.vocabulary.decode(np.array(ids, np.int64)))

    def save(self, path: str | Path) -> None:
        """One file of arrays and a header, whole or not at all; what stood there before is replaced."""
        header, arrays = pack_classifier(self.fitted)
        whole = {"kind": "classifier", "classes": list(self.classes), "card": dict(self.card), **header}
        write_arrays(Path(path), arrays, whole)

    @classmethod
    def load(cls, path: str | Path) -> "TextClassifier":
        """What `save` wrote. Raises FileFormatError for a foreign or damaged file, InputError for none."""
        path = Path(path)
        arrays, header = read_arrays(path)
        if header.get("kind") != "classifier":
            raise FileFormatError(f"{path}: expected a classifier, got another model of chainrule")
        try:
            classes = tuple(map(str, header["classes"]))
            return cls(classes, unpack_classifier(header, arrays, len(classes)), dict(header["card"]))
        except FileFormatError as error:
            raise FileFormatError(f"{path}: {error}") from error
        except (KeyError, TypeError, ValueError, ArithmeticError, AttributeError, IndexError) as error:
            raise FileFormatError(f"{path}: the classifier's description is damaged ({error!r})") from error


def class_ids(labels: Sequence[str]) -> tuple[tuple[str, ...], Int64[Array, " N"]]:
    """The classes in order of their names, and each text's. Raises InputError for fewer than two classes, and
    for a class with a single text."""
    if any(not isinstance(label, str) for label in labels):  # pyright: ignore[reportUnnecessaryIsInstance]
        odd = next(label for label in labels if not isinstance(label, str))  # pyright: ignore[reportUnnecessaryIsInstance]
        raise InputError(f"labels: expected strings, got {type(odd).__name__}")
    counts = Counter(labels)
    classes = tuple(sorted(counts))
    if len(classes) < 2:
        raise InputError(
            f"labels: expected at least two classes, got {', '.join(map(repr, classes)) or 'none'}"
        )
    single = [label for label in classes if counts[label] < 2]
    if single:
        raise InputError(
            f"labels: expected at least two texts of a class, got one of {', '.join(map(repr, single[:5]))}"
        )
    place = {label: k for k, label in enumerate(classes)}
    return classes, np.array([place[label] for label in labels], np.int64)


def checked_texts(texts: Sequence[str], *, empty: bool = False) -> None:
    """Raises InputError for one string in place of many, for what is no string, and for empty ones."""
    if isinstance(texts, str):
        raise InputError("texts: expected a sequence of strings, got one string")
    for at, text in enumerate(texts):
        if not isinstance(text, str):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise InputError(f"texts: expected strings, got {type(text).__name__} at {at}")
        if not empty and not text.strip():
            raise InputError(f"texts: expected words, got an empty text at {at}")
