"""How often the default classifier is right on film and on Chinese hotel reviews, beside its baselines.

    python benchmarks/classification.py [--data NAME ...] [--seed N] [--networks] [--quick] [--json]

accuracy/   percent, mean over 5 stratified folds; folds: of each; half: of the 95 % interval by Student's t.
            Rows end with default, each of its parts alone (scale and offset from the same inner folds),
            majority, and scikit-learn's multinomial naive Bayes and NB-SVM (Wang & Manning 2012) on 1- and
            2-grams, of words parted by white space or of Chinese characters
macro-f1/, calibration-error/   percent; log-loss/ nats a text
confusion/  over all folds: rows are the true classes in the order of their names
seconds/    of a processor, for one fold's fit;  texts-per-second/ prediction of a fold, on one processor
--networks  the recurrent classifiers as well, from nothing and from a language model of the training folds:
            each alone, and in one pool with the parts of the default (of all parts two inner folds, not four)

Everything is fitted to the training folds alone. The data are read from CHAINRULE_DATA/sentiment.
--quick: a fifth of the texts, two folds.
"""

import argparse
import importlib
import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from chainrule.classifier import class_ids
from chainrule.data.folds import Split, stratified_folds
from chainrule.data.labelled import Labelled, read_classes, read_labelled
from chainrule.recipes.classifying import KINDS, PARTS, Fitted, alone, fit_classifier
from chainrule.tasks.classification import interval, scores

NAMES = ("rt-polarity", "chnsenticorp")
FOLDS, QUICK_FOLDS, QUICK_SHARE = 5, 2, 5
Row = dict[str, Any]
Predict = Callable[[list[str]], np.ndarray]


def read(name: str) -> Labelled:
    """The texts of a data set, from the shared folder."""
    folder = Path(os.environ.get("CHAINRULE_DATA", "../shared/data"), "sentiment")
    if not folder.is_dir():
        sys.exit(f"{folder}: expected the labelled texts, found no folder; set CHAINRULE_DATA")
    if name == "rt-polarity":
        return read_classes({label: folder / f"rt-polarity.{label}" for label in ("neg", "pos")})
    return read_labelled(folder / "ChnSentiCorp_htl_all.csv")


def peers(name: str, texts: list[str], labels: np.ndarray) -> dict[str, Predict]:
    """The baselines of scikit-learn, fitted."""
    counting = importlib.import_module("sklearn.feature_extraction.text")
    analysis: dict[str, Any] = {"analyzer": "char"} if name == "chnsenticorp" else {"token_pattern": r"\S+"}
    vectorizer = counting.CountVectorizer(ngram_range=(1, 2), **analysis)
    x = vectorizer.fit_transform(texts)
    bayes = importlib.import_module("sklearn.naive_bayes").MultinomialNB().fit(x, labels)
    binary = x.astype(bool).astype(float)
    counts = [np.asarray(binary[labels == c].sum(axis=0)).ravel() + 1.0 for c in (1, 0)]
    ratio = np.log(counts[0] / counts[0].sum()) - np.log(counts[1] / counts[1].sum())
    machine = importlib.import_module("sklearn.svm").LinearSVC(C=1.0, random_state=0)
    machine.fit(binary.multiply(ratio).tocsr(), labels)
    mean = float(np.abs(machine.coef_).mean())
    machine.coef_ = 0.75 * mean + 0.25 * machine.coef_  # Wang & Manning 2012, eq. 6, beta 0.25

    def nb_svm(some: list[str]) -> np.ndarray:
        return machine.predict(vectorizer.transform(some).astype(bool).multiply(ratio).tocsr())

    return {
        "naive-bayes": lambda some: bayes.predict(vectorizer.transform(some)),
        "nb-svm": nb_svm,
    }


class Tally:
    """What the folds gave."""

    def __init__(self) -> None:
        self.accuracy: dict[str, list[float]] = {}
        self.other: dict[str, list[float]] = {}
        self.confusion: Any = 0

    def right(self, model: str, predicted: np.ndarray, labels: np.ndarray) -> None:
        self.accuracy.setdefault(model, []).append(100 * float((predicted == labels).mean()))

    def put(self, what: str, value: float) -> None:
        self.other.setdefault(what, []).append(value)


def each_alone(
    tally: Tally, fitted: Fitted, learned: np.ndarray, opinions: np.ndarray, truth: np.ndarray, first: int = 0
) -> None:
    """The parts from the first one on, each in a pool by itself."""
    for part, pool, said in list(zip(fitted.parts, alone(fitted, learned), opinions, strict=True))[first:]:
        predicted = pool.log_probs(said[None]).argmax(axis=1)
        tally.right(part.spec.name.replace(", ", "-").replace(" ", "-"), predicted, truth)


def with_networks(
    tally: Tally, texts: list[str], labels: np.ndarray, split: Split, classes: int, seed: int
) -> None:
    """The same of the recurrent classifiers, and of a pool that has them."""
    shown, held = [texts[i] for i in split.train], [texts[i] for i in split.test]
    learned, truth = labels[split.train], labels[split.test]
    networks = (*KINDS["recurrent"], *KINDS["pretrained"])
    began = time.process_time()
    fitted = fit_classifier(shown, learned, classes, specs=(*PARTS, *networks), seed=seed)
    tally.put("networks-seconds", time.process_time() - began)
    opinions = fitted.opinions(held)
    tally.right("default-and-networks", fitted.pool.log_probs(opinions).argmax(axis=1), truth)
    each_alone(tally, fitted, learned, opinions, truth, first=len(PARTS))


def one_fold(tally: Tally, name: str, texts: list[str], labels: np.ndarray, split: Split, seed: int) -> None:
    """Fits everything to one training part and scores it on the other."""
    shown, held = [texts[i] for i in split.train], [texts[i] for i in split.test]
    learned, truth = labels[split.train], labels[split.test]
    began = time.process_time()
    fitted: Fitted = fit_classifier(shown, learned, 2, seed=seed)
    tally.put("seconds", time.process_time() - began)
    began = time.process_time()
    log_probs = fitted.log_probs(held)
    tally.put("texts-per-second", len(held) / (time.process_time() - began))
    made = scores(log_probs, truth, ("0", "1"))
    tally.right("default", log_probs.argmax(axis=1), truth)
    tally.put("macro-f1", 100 * made.macro_f1)
    tally.put("calibration-error", 100 * made.calibration_error)
    tally.put("log-loss", made.log_loss)
    tally.confusion = tally.confusion + made.confusion
    each_alone(tally, fitted, learned, fitted.opinions(held), truth)
    tally.right("majority", np.full(len(truth), np.bincount(learned).argmax()), truth)
    for peer, predict in peers(name, shown, learned).items():
        tally.right(f"sklearn-{peer}", predict(held), truth)


def figures(name: str, seed: int, networks: bool, quick: bool) -> Iterator[Row]:
    data = read(name)
    classes, labels = class_ids(data.labels)
    texts = list(data.texts)
    if quick:
        kept = np.random.default_rng(seed).permutation(len(texts))[::QUICK_SHARE]
        texts, labels = [texts[i] for i in kept], labels[kept]
    tally = Tally()
    folds = stratified_folds(labels, QUICK_FOLDS if quick else FOLDS, np.random.default_rng(seed))
    for split in folds:
        one_fold(tally, name, texts, labels, split, seed)
        if networks:
            with_networks(tally, texts, labels, split, len(classes), seed)
    best = max(
        (m for m in tally.accuracy if m.startswith("sklearn")), key=lambda m: np.mean(tally.accuracy[m])
    )
    for model, each in tally.accuracy.items():
        mean, half = interval(each)
        row: Row = {
            "name": f"accuracy/{name}/{model}",
            "value": mean,
            "unit": "%",
            "half": half,
            "folds": each,
        }
        if model == "default":
            other = float(np.mean(tally.accuracy[best]))
            row |= {"peer": best, "peer_value": other, "ratio": mean / other, "seed": seed}
        yield row
    units = {"seconds": "s", "networks-seconds": "s", "texts-per-second": "texts/s", "log-loss": "nats"}
    for what, each in tally.other.items():
        mean, half = interval(each)
        unit = units.get(what, "%")
        yield {"name": f"{what}/{name}/default", "value": mean, "unit": unit, "half": half, "folds": each}
    total = tally.confusion
    yield {
        "name": f"confusion/{name}/default", "value": int(total.sum()), "unit": "texts",
        "classes": list(classes), "confusion": total.tolist(),
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--data", nargs="*", choices=NAMES, default=list(NAMES), help="only these")
    parser.add_argument("--seed", type=int, default=0, help="of the folds, and of the folds inside them")
    parser.add_argument("--networks", action="store_true", help="recurrent ones too: minutes for each fold")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    made: list[Row] = []
    for name in options.data:
        for row in figures(name, options.seed, options.networks, options.quick):
            made.append(row)
            if not options.json:
                more = f" +- {row['half']:.2f}" if "half" in row else f" {row['confusion']}"
                peer = f"  {row['peer']} {row['peer_value']:.2f}" if "peer" in row else ""
                print(f"{row['name']:48} {row['value']:10.4g} {row['unit']}{more}{peer}", flush=True)
    if options.json:
        print(json.dumps(made, indent=2))


if __name__ == "__main__":
    main()
