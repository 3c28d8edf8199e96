"""The online form of any model: which it is, what it learns, and that the model itself stays."""

from typing import Any

import numpy as np
import pytest

from chainrule.core import InputError, TokenModel, leaves
from chainrule.models.mixture import LinearMixture, LogisticMixture, OnlineMixture
from chainrule.models.ngram import NgramModel, StupidBackoff, WittenBell, count_ngrams, estimate
from chainrule.models.online import ContinuousCache, DynamicEvaluation, UnigramCache
from chainrule.models.recurrent import RecurrentLearner, RecurrentModel
from chainrule.models.uniform import Uniform
from chainrule.models.window import WindowLearner
from chainrule.recipes.online import online, primed
from chainrule.tasks.evaluation import surprisal
from chainrule.tasks.generation import Sampler, Sampling, speak
from chainrule.testing import check_token_model

V = 6
TEXT = np.random.default_rng(0).integers(0, V, 400)
OTHER = np.tile(np.random.default_rng(1).integers(0, 3, 12), 12)
COUNTS = count_ngrams([TEXT], V, 3)


def network() -> RecurrentModel:
    return RecurrentLearner(V, hidden=5, rng=np.random.default_rng(2), dtype=np.float64).model()


def counted() -> TokenModel[Any]:
    return NgramModel(COUNTS, WittenBell())


MODELS = {
    "recurrent": network,
    "n-gram": counted,
    "estimated": lambda: estimate(COUNTS, "kneser-ney").model,
    "window": lambda: WindowLearner(V, window=2, hidden=4, rng=np.random.default_rng(3)).model(),
    "uniform": lambda: Uniform(V),
    "linear": lambda: LinearMixture((network(), counted()), np.array([[0.7, 0.3]])),
    "online": lambda: OnlineMixture((network(), counted()), rate=0.01),
    "logistic": lambda: LogisticMixture((network(), counted())),
    "of mixtures": lambda: OnlineMixture(
        (LinearMixture((network(), Uniform(V)), np.array([[0.5, 0.5]])), counted())
    ),
    "a cache": lambda: ContinuousCache(DynamicEvaluation(network()), size=50),
}


@pytest.mark.parametrize("name", MODELS)
def test_it_keeps_the_laws(name: str) -> None:
    check_token_model(online(MODELS[name]()), tolerance=1e-4)


@pytest.mark.parametrize("name", MODELS)
def test_a_text_that_repeats_itself_costs_less_online(name: str) -> None:
    model = MODELS[name]()
    before = surprisal(model, TEXT[:20])
    learned, static = surprisal(online(model), OTHER), surprisal(model, OTHER)
    assert learned[-50:].mean() < learned[:50].mean()
    if name != "a cache":  # that is its own online form
        assert learned.mean() < static.mean()
    np.testing.assert_array_equal(surprisal(model, TEXT[:20]), before)


@pytest.mark.parametrize("name", MODELS)
def test_primed_it_says_what_it_learned(name: str) -> None:
    learning = online(MODELS[name]())
    _, state = learning.score(learning.start(1), OTHER[None, :45])
    model, after = primed(MODELS[name](), OTHER[None, :45])
    np.testing.assert_allclose(model.predict(after), learning.predict(state), rtol=1e-9)


@pytest.mark.parametrize("name", ["recurrent", "linear", "online", "logistic", "of mixtures"])
def test_primed_its_weights_stay(name: str) -> None:
    """All but the caches: what else is in the state of the model that speaks is what it read, not weights."""
    model, state = primed(MODELS[name](), OTHER[None, :45])
    _, after = model.score(state, TEXT[None, :30])
    if isinstance(model, LogisticMixture):
        np.testing.assert_array_equal(state.weights, after.weights)
    else:
        assert isinstance(model, RecurrentModel | LinearMixture)
    assert not any(leaf.size > 5000 for leaf in leaves(after))


def test_a_mixture_begins_with_the_weights_it_was_given() -> None:
    model = LinearMixture((network(), counted()), np.array([[0.9, 0.1]]))
    learning = online(model)
    assert isinstance(learning, OnlineMixture)
    np.testing.assert_allclose(learning.start(1).weights[0, 0], [0.855, 0.095, 0.05])
    again = online(OnlineMixture((counted(), Uniform(V)), first=np.array([0.8, 0.2])))
    assert len(again.start(1).weights[0, 0]) == 3


def test_a_prompt_of_nothing_teaches_nothing() -> None:
    model, state = primed(network(), OTHER[None, :0])
    np.testing.assert_allclose(model.predict(state), network().predict(network().start(1)))


def test_what_was_primed_can_speak() -> None:
    choose = Sampler(Sampling(), np.random.default_rng(0))
    said = [int(ids[0]) for ids in speak(*primed(network(), OTHER[None]), 20, choose)]
    assert len(said) == 20


def test_what_learns_already_is_itself() -> None:
    for model in (UnigramCache(counted()), DynamicEvaluation(network()), ContinuousCache(network())):
        assert online(model) is model


def test_a_network_in_torch_is_taken_from_scratch() -> None:
    pytest.importorskip("torch", reason="PyTorch is not installed")
    from chainrule.models.concise import TorchRecurrent

    model = RecurrentLearner(V, hidden=5, rng=np.random.default_rng(2)).model()
    twin = online(TorchRecurrent.from_scratch(model))
    np.testing.assert_array_equal(surprisal(twin, OTHER), surprisal(online(model), OTHER))


def test_what_has_no_online_form_is_refused() -> None:
    with pytest.raises(InputError, match="expected a model of probabilities"):
        online(NgramModel(COUNTS, StupidBackoff()))

    other: Any = type("Other", (TokenModel,), dict.fromkeys(TokenModel.__abstractmethods__))()
    with pytest.raises(InputError, match="expected a model of chainrule, got Other"):
        online(other)
