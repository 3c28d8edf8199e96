"""The tagger that a user holds: it learns, is kept, and refuses what cannot be used."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from chainrule.core import FileFormatError, InputError
from chainrule.data.tagged import Sentence, read_tagged
from chainrule.files import read_arrays, write_arrays
from chainrule.language_model import load
from chainrule.tagger import NETWORK, Tagger, beside_baselines, load_tagger

QUICK: dict[str, Any] = {"hidden": 16, "embedding": 16, "epochs": 4, "rate": 2e-2, "dropout": 0.0}


def sentences(count: int = 300, seed: int = 0) -> list[list[tuple[str, str]]]:
    """Names of one or two words after a title, which are ordinary words elsewhere."""
    rng = np.random.default_rng(seed)
    made: list[list[tuple[str, str]]] = []
    for _ in range(count):
        one = [(str(rng.choice(list("abcdef"))), "O") for _ in range(rng.integers(1, 5))]
        long = bool(rng.integers(2))
        name = [("Dr", "O"), ("a", "B-PER"), *([("b", "I-PER"), ("said", "O")] if long else [("b", "O")])]
        made.append(one[:2] + name + one[2:])
    return made


@pytest.fixture(scope="module")
def tagger() -> Tagger:
    return Tagger.fit(sentences(), **QUICK)


def test_it_sees_what_comes_after(tagger: Tagger) -> None:
    """`b` after `a` is a name only before `said`: neither the token nor what precedes it tells."""
    scores = beside_baselines(tagger, sentences(), sentences(100, 1))
    assert list(scores)[-1] == NETWORK
    assert scores[NETWORK].f1 > 0.95
    assert scores["hidden Markov model"].f1 < 0.8
    assert scores["most frequent tag"].f1 == 0
    assert tagger.predict([["c", "Dr", "a", "b", "said"], []]) == [["O", "O", "B-PER", "I-PER", "O"], []]


def test_no_step_that_training_never_saw(tagger: Tagger) -> None:
    rng = np.random.default_rng(0)
    for tags in tagger.predict([list(rng.choice(["Dr", "a", "b", "said", "x"], 12)) for _ in range(30)]):
        for before, after in zip(["O", *tags], tags, strict=False):
            assert not (after == "I-PER" and before == "O")


def test_saved_and_loaded(tagger: Tagger, tmp_path: Path) -> None:
    path = tmp_path / "names.chainrule"
    tagger.save(path)
    again = load_tagger(path)
    tokens = [["c", "Dr", "a", "b", "said", "never-seen"]]
    assert again.predict(tokens) == tagger.predict(tokens)
    assert again.card == dict(tagger.card)
    with pytest.raises(FileFormatError, match="expected a language model, got a tagger"):
        load(path)
    assert again.read("Dr\na\n\nc\n") == "Dr\tO\na\tB-PER\n\nc\tO\n"


@pytest.mark.parametrize(
    "change",
    [
        {"kind": "other"},
        {"tags": ["O"]},
        {"tags": ["O", "O", "B-PER"]},
        {"form": "x"},
        {"unknown": "nowhere"},
        {"card": 3},
        {"settings": {}},
        {"tags": None},
    ],
    ids=lambda change: next(iter(change)),
)
def test_files_that_are_no_tagger(tagger: Tagger, tmp_path: Path, change: dict[str, Any]) -> None:
    path = tmp_path / "names.chainrule"
    tagger.save(path)
    arrays, header = read_arrays(path)
    write_arrays(tmp_path / "other", {name: a.copy() for name, a in arrays.items()}, header | change)
    with pytest.raises(FileFormatError, match=r"other: "):
        load_tagger(tmp_path / "other")


def test_words_are_set_apart_again() -> None:
    lines = "ab c ab ab\nc c ab\nab ab c\n" * 40
    made = Tagger.fit(read_tagged(lines, "segmented").sentences, form="segmented", min_freq=1, **QUICK)
    assert made.read("ccab\nabab") == "c c ab\nab ab\n"


def test_what_cannot_be_used(tagger: Tagger) -> None:
    with pytest.raises(InputError, match="at least one with its tags, got none"):
        Tagger.fit([])
    with pytest.raises(InputError, match="tags: expected at least 2 different ones, got X"):
        Tagger.fit([[("a", "X")]])
    with pytest.raises(InputError, match="sentence 0: expected pairs of a token and a tag"):
        Tagger.fit([["abc"]])
    with pytest.raises(InputError, match="sentence 0: expected 2 tags, got 1"):
        Tagger.fit([Sentence(["a", "b"], ["X"])])
    with pytest.raises(InputError, match=r"settings among .*; got units"):
        Tagger.fit(sentences(3), units=3)
    with pytest.raises(InputError, match="expected lists of tokens, got a text"):
        tagger.predict(["Dr a"])
    assert tagger.evaluate([[("a", "NEW"), ("c", "O")]]).unseen == 1
