"""Models as settings and arrays and back; what does not make a model is refused with a sentence."""

import json
import math
from typing import Any

import numpy as np
import pytest

from chainrule.core import FileFormatError, InputError, TokenModel, leaves
from chainrule.models.archive import describe_state, pack, size, unpack
from chainrule.models.contexts import ContextMixing
from chainrule.models.mixture import LinearMixture
from chainrule.models.ngram import AddK, NgramModel, WittenBell, count_ngrams
from chainrule.models.recurrent import RecurrentLearner
from chainrule.models.uniform import Uniform
from chainrule.models.window import WindowLearner

V = 5
TEXT = np.random.default_rng(0).integers(V, size=60)


def ngram(order: int) -> NgramModel:
    return NgramModel(count_ngrams([TEXT], V, order), WittenBell())


def window(tau: int = 3) -> TokenModel[Any]:
    return WindowLearner(V, window=tau, embedding=2, hidden=4, rng=np.random.default_rng(0)).model()


def recurrent(cell: str, layers: int = 1, embedding: int = 0) -> TokenModel[Any]:
    rng = np.random.default_rng(0)
    return RecurrentLearner(V, cell=cell, layers=layers, hidden=4, embedding=embedding, rng=rng).model()


MODELS = {
    "uniform": Uniform(V),
    "unigram": ngram(1),
    "trigram": ngram(3),
    "add-k": NgramModel(count_ngrams([TEXT], V, 2), AddK(0.25)),
    "window": window(),
    "rnn": recurrent("rnn"),
    "gru": recurrent("gru", layers=2),
    "lstm": recurrent("lstm", layers=2, embedding=3),
}


MODELS["mixture"] = LinearMixture((MODELS["trigram"], MODELS["lstm"]), np.array([[0.25, 0.75]]))
MODELS["of mixtures"] = LinearMixture((MODELS["mixture"], MODELS["uniform"]), np.array([[0.5, 0.5]]))


@pytest.mark.parametrize("model", MODELS.values(), ids=MODELS.keys())
def test_a_packed_model_comes_back_the_same(model: TokenModel[Any]) -> None:
    family, settings, arrays = pack(model)
    back = unpack(family, json.loads(json.dumps(settings)), {k: a.copy() for k, a in arrays.items()})
    assert type(back) is type(model)
    first, after = model.score(model.start(2), TEXT.reshape(2, 30))
    second, also = back.score(back.start(2), TEXT.reshape(2, 30))
    np.testing.assert_array_equal(first, second)
    for one, other in zip(leaves(after), leaves(also), strict=True):
        np.testing.assert_array_equal(one, other)


def test_what_was_read_comes_back() -> None:
    model = ContextMixing(V, np.arange(V, dtype=np.uint32) << 2 & 4, TEXT[:40], table_bits=10)
    family, settings, arrays = pack(model)
    back = unpack(family, json.loads(json.dumps(settings)), arrays)
    np.testing.assert_array_equal(
        back.score(back.start(1), TEXT[None])[0], model.score(model.start(1), TEXT[None])[0]
    )


def test_a_mixture_that_looks_into_its_members_cannot_be_packed() -> None:
    def second(states: tuple[Any, ...]) -> np.ndarray:
        return np.zeros(len(states[0]), np.int64)

    model = LinearMixture((ngram(2), window()), np.array([[0.5, 0.5]]), bucket=second)
    with pytest.raises(InputError, match="expected a mixture of one set of weights"):
        pack(model)


@pytest.mark.parametrize(
    "weights", [np.array([0.5, 0.5]), np.array([[0.5, 0.4]]), np.array([[1.0]]), np.array([[np.nan, 1.0]])]
)
def test_weights_that_are_none_are_refused(weights: np.ndarray) -> None:
    family, settings, arrays = pack(MODELS["mixture"])
    with pytest.raises(InputError, match="weights"):
        unpack(family, settings, {**arrays, "weights": weights})


@pytest.mark.parametrize(
    "members", [None, [], [{}], [1], [{"family": "uniform", "settings": {"size": V}}] * 2]
)
def test_members_that_are_none_are_refused(members: Any) -> None:
    family, _, arrays = pack(MODELS["mixture"])
    if members and len(members) == 2:
        members[1] = {"family": "mixture", "settings": {"members": members[:1]}}
    with pytest.raises(FileFormatError):
        unpack(family, {"members": members}, arrays)


class NotEvenClose(TokenModel[np.ndarray]):
    """Somebody else's model, of no family at all."""

    @property
    def vocab_size(self) -> int:
        return 1

    def start(self, batch: int) -> np.ndarray:
        return np.zeros((batch, 0))

    def predict(self, state: np.ndarray) -> np.ndarray:
        return np.zeros((len(state), 1))

    def advance(self, state: np.ndarray, items: np.ndarray) -> np.ndarray:
        return state


def test_a_model_of_somebody_else_cannot_be_packed() -> None:
    with pytest.raises(InputError, match=r"expected a model of the families uniform, .*, got NotEvenClose"):
        pack(NotEvenClose())


def test_a_family_of_another_version_is_refused() -> None:
    with pytest.raises(FileFormatError, match="expected one of this version, got 'transformer'"):
        unpack("transformer", {}, {})


@pytest.mark.parametrize("name", [name for name in MODELS if name != "uniform"])
def test_a_missing_array_is_refused(name: str) -> None:
    family, settings, arrays = pack(MODELS[name])
    for lost in arrays:
        with pytest.raises(FileFormatError, match="model"):
            unpack(family, settings, {k: a for k, a in arrays.items() if k != lost})


@pytest.mark.parametrize("name", ["window", "rnn", "gru", "lstm"])
def test_an_array_of_another_shape_is_refused(name: str) -> None:
    family, settings, arrays = pack(MODELS[name])
    for damaged in arrays:
        for wrong in (arrays[damaged][:-1], arrays[damaged][None], arrays[damaged].ravel()[:0]):
            with pytest.raises(FileFormatError, match="model"):
                unpack(family, settings, arrays | {damaged: wrong})


@pytest.mark.parametrize("name", ["window", "rnn"])
def test_an_array_that_holds_no_floating_point_numbers_is_refused(name: str) -> None:
    family, settings, arrays = pack(MODELS[name])
    with pytest.raises(FileFormatError, match="model"):
        unpack(family, settings, {k: a.astype(np.int64) for k, a in arrays.items()})


@pytest.mark.parametrize("name", MODELS)
def test_a_missing_setting_is_refused(name: str) -> None:
    family, settings, arrays = pack(MODELS[name])
    for lost in settings.keys() - {"k"}:  # k has a default
        with pytest.raises(FileFormatError, match=f"{family} model: its settings are damaged"):
            unpack(family, {k: v for k, v in settings.items() if k != lost}, arrays)


DAMAGES = [
    ("uniform", {"size": "many"}),
    ("uniform", {"size": None}),
    ("uniform", {"size": 0}),
    ("uniform", {"size": -3}),
    ("uniform", {"size": math.inf}),
    ("window", {"window": 4}),
    ("window", {"window": 0}),
    ("window", {"window": [3]}),
    ("rnn", {"cell": "lstm"}),
    ("rnn", {"cell": "transformer"}),
    ("rnn", {"layers": 2}),
    ("rnn", {"layers": 0}),
    ("rnn", {"hidden": 5}),
    ("rnn", {"hidden": 0}),
    ("rnn", {"hidden": -4}),
    ("rnn", {"embedding": 2}),
    ("lstm", {"embedding": 0}),
    ("lstm", {"embedding": "none"}),
]


@pytest.mark.parametrize(("name", "damage"), DAMAGES, ids=[f"{name} {d}" for name, d in DAMAGES])
def test_a_damaged_setting_is_refused(name: str, damage: dict[str, Any]) -> None:
    family, settings, arrays = pack(MODELS[name])
    with pytest.raises(FileFormatError):
        unpack(family, settings | damage, arrays)


@pytest.mark.parametrize(
    ("model", "words"),
    [
        (Uniform(V), "nothing"),
        (ngram(1), "nothing"),
        (ngram(2), "the last token"),
        (ngram(3), "the last 2 tokens"),
        (window(3), "the last 3 tokens"),
        (window(1), "the last token"),
        (recurrent("rnn"), "a vector of 4"),
        (recurrent("gru", layers=2), "a vector of 8"),
        (recurrent("lstm", layers=2), "a vector of 16"),
    ],
)
def test_the_state_in_words(model: TokenModel[Any], words: str) -> None:
    assert describe_state(model) == words


def test_sizes() -> None:
    assert size(Uniform(V)) == (0, "parameters")
    stored = sum(len({tuple(TEXT[i : i + n]) for i in range(len(TEXT) - n + 1)}) for n in (1, 2, 3))
    assert size(ngram(3)) == (stored, "n-grams")
    assert size(window(3)) == ((V + 1) * 2 + 3 * 2 * 4 + 4 + 4 * V + V, "parameters")
    assert size(recurrent("rnn")) == (V * 4 + 4 * 4 + 4 + 4 * V + V, "parameters")
