"""Recurrent classifiers and taggers from labelled sequences: what is learned, held back, begun with."""

from typing import Any

import numpy as np
import pytest

from chainrule.core import InputError
from chainrule.data.bucketing import pad
from chainrule.recipes.encoding import EncoderRecipe, fit_encoder, held_back, language_models

V = 12
QUICK = EncoderRecipe(hidden=16, embedding=16, dropout=0.1, embedding_dropout=0.0, epochs=6, rate=1e-2)


def texts(count: int, seed: int) -> tuple[list[np.ndarray], np.ndarray]:
    """Of any ids; the label is whether 3 stands before 4."""
    rng = np.random.default_rng(seed)
    made: list[np.ndarray] = []
    labels = rng.integers(2, size=count)
    for label in labels:
        text = rng.integers(5, V, size=rng.integers(4, 10))
        first, second = np.sort(rng.choice(len(text), 2, replace=False))
        text[first], text[second] = (3, 4) if label else (4, 3)
        made.append(text)
    return made, labels


@pytest.mark.slow
@pytest.mark.parametrize("head", ["mean", "last", "max"])
def test_what_the_order_says_is_learned(head: str) -> None:
    """No bag of words can tell these apart."""
    sequences, labels = texts(600, 0)
    recipe = EncoderRecipe(**{**QUICK.__dict__, "head": head, "epochs": 12})
    fitted = fit_encoder(sequences, labels, vocab_size=V, classes=2, recipe=recipe)
    other, truth = texts(200, 1)
    assert (fitted.model.predict(*pad(other)).argmax(axis=1) == truth).mean() > 0.9
    assert fitted.held_back == 60


def test_a_label_a_token_is_learned_from_what_follows() -> None:
    rng = np.random.default_rng(0)
    sequences = [rng.integers(V, size=rng.integers(2, 9)) for _ in range(400)]
    labels = [np.append(own[1:] % 2, 0) for own in sequences]
    recipe = EncoderRecipe(**{**QUICK.__dict__, "head": "each"})
    fitted = fit_encoder(sequences, labels, vocab_size=V, classes=2, recipe=recipe)
    found = fitted.model.predict(*pad(sequences[:50])).argmax(axis=-1)
    assert np.mean([(found[i, : len(own)] == own).mean() for i, own in enumerate(labels[:50])]) > 0.95


def test_a_seed_repeats_a_run_and_pretraining_changes_it() -> None:
    sequences, labels = texts(60, 0)
    quick: dict[str, Any] = {**QUICK.__dict__, "epochs": 1}
    runs = [
        fit_encoder(
            sequences, labels, vocab_size=V, classes=2, recipe=EncoderRecipe(**{**quick, **more})
        ).model
        for more in ({}, {}, {"seed": 1}, {"pretraining": 1})
    ]
    first, again, other, pretrained = (model.parameters["embedding"] for model in runs)
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)
    assert not np.array_equal(first, pretrained)


@pytest.mark.parametrize("embedding", [0, 16])
def test_language_models_for_both_directions(embedding: int) -> None:
    """They know what comes next, from the left and from the right, and share the embedding."""
    cycle = [np.arange(i % 3, i % 3 + 9) % V for i in range(60)]  # each id is followed by the next
    recipe = EncoderRecipe(**{**QUICK.__dict__, "embedding": embedding, "pretraining": 8})
    made = language_models(cycle, V, recipe, np.random.default_rng(0))
    assert list(made) == ["forward", "backward"]
    first = "embedding" if embedding else "layer0.input"
    assert all(len(model.parameters[first]) == V for model in made.values())
    if embedding:
        np.testing.assert_array_equal(made["forward"].parameters[first], made["backward"].parameters[first])
    one_way = EncoderRecipe(**{**recipe.__dict__, "bidirectional": False})
    assert list(language_models(cycle, V, one_way, np.random.default_rng(0))) == ["forward"]


def test_what_is_held_back_has_the_labels_of_the_whole() -> None:
    labels = np.array([0] * 80 + [1] * 20)
    train, valid = held_back(labels, 0.1, np.random.default_rng(0))
    assert sorted([*train, *valid]) == list(range(100))
    assert np.bincount(labels[valid]).tolist() == [8, 2]
    assert len(held_back(labels[:10], 0.1, np.random.default_rng(0))[1]) == 0


@pytest.mark.parametrize(
    ("labels", "recipe", "said"),
    [
        (np.array([0, 1, 0]), {}, "labels: expected one for each of 2 sequences, got 3"),
        ([np.array([0, 1]), np.array([0])], {}, "one for each sequence of the head max"),
        (np.array([0, 1]), {"head": "each"}, "one for each token of the head each"),
        ([np.array([0, 1]), np.array([0, 0])], {"head": "each"}, "expected 1 for sequence 1, got 2"),
        (np.array([0, 2]), {}, "labels in 0..1, got 2"),
        (np.array([0, 1]), {"valid": 1.0}, "valid: expected"),
        (np.array([0, 1]), {"pretraining": -1}, "pretraining: expected"),
    ],
    ids=lambda value: str(value) if isinstance(value, dict) else "",
)
def test_what_makes_no_sense(labels: Any, recipe: dict[str, Any], said: str) -> None:
    sequences = [np.array([1, 2]), np.array([3])]
    with pytest.raises(InputError, match=said):
        fit_encoder(sequences, labels, vocab_size=V, classes=2, recipe=EncoderRecipe(**recipe))
