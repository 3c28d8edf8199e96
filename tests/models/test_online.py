"""A continuous cache beside a recurrent network: the laws, the formula, and what it is good for."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chainrule.core import InputError, TokenModel
from chainrule.models.online import ContinuousCache, DynamicEvaluation, UnigramCache
from chainrule.models.recurrent import RecurrentLearner, RecurrentModel
from chainrule.testing import check_token_model

V, H = 7, 5
TEXT = np.random.default_rng(0).integers(0, V, 700)


def network(**options: Any) -> RecurrentModel:
    rng = np.random.default_rng(1)
    made = RecurrentLearner(V, hidden=H, rng=rng, dtype=np.float64, **options)
    for array in made.parameters.values():
        array += rng.normal(0, 0.3, array.shape)
    return made.model()


@pytest.mark.parametrize("size", [1, 3, 300])
@pytest.mark.parametrize("options", [{}, {"cell": "gru", "layer_norm": True, "cutoffs": (3,)}])
def test_it_keeps_the_laws(options: dict[str, Any], size: int) -> None:
    check_token_model(ContinuousCache(network(**options), size, 0.3, 2.0))


def test_it_keeps_the_laws_beside_a_network_that_learns() -> None:
    check_token_model(ContinuousCache(DynamicEvaluation(network(), rate=0.05, every=4), 5, 0.3, 2.0))


def test_it_is_the_formula_by_hand() -> None:
    model = network(layer_norm=True)
    cached = ContinuousCache(model, 3, 0.25, 1.5)
    tokens = np.array([5, 1, 1, 4, 1])
    _, state = cached.score(cached.start(1), tokens[None])
    gain, bias = (model.parameters[f"layer0.norm_{name}"] for name in ("gain", "bias"))
    own, seen = model.start(1), []
    for token in (*tokens, None):
        hidden = own[0].hidden[0]
        vector = gain * (hidden - hidden.mean()) / np.sqrt(hidden.var() + 1e-5) + bias
        seen.append((vector, token))
        if token is not None:
            own = model.advance(own, np.array([token]))
    now, past = seen[-1][0], seen[2:5]  # what stood before 1 4 1
    shares = np.zeros(V)
    for vector, token in past:
        shares[token] += np.exp(1.5 * (now @ vector))
    expected = 0.75 * np.exp(model.predict(own)[0]) + 0.25 * shares / shares.sum()
    np.testing.assert_allclose(np.exp(cached.predict(state)[0]), expected, rtol=1e-9)


@given(st.integers(1, 40), st.floats(0.01, 0.99), st.integers(0, 60))
@settings(max_examples=25)
def test_without_likeness_it_is_a_unigram_cache(size: int, weight: float, steps: int) -> None:
    model, tokens = network(), TEXT[None, :steps]
    found, state = ContinuousCache(model, size, weight, theta=0).score(
        ContinuousCache(model, size).start(1), tokens
    )
    counted = UnigramCache(model, size, weight)
    expected, after = counted.score(counted.start(1), tokens)
    np.testing.assert_allclose(found, expected, rtol=1e-9)
    np.testing.assert_array_equal(state.followed, after.recent)


def test_blocks_of_steps_look_at_what_one_step_does() -> None:
    cached = ContinuousCache(network(), 90, 0.3, 2.0)
    found, after = cached.score(cached.start(1), TEXT[None])
    looped, slow = TokenModel.score(cached, cached.start(1), TEXT[None])
    np.testing.assert_allclose(found, looped, rtol=1e-9)
    np.testing.assert_allclose(after.keys, slow.keys, rtol=1e-9)


def test_what_comes_again_costs_less() -> None:
    line = np.tile(TEXT[:40], 4)[None]
    model = RecurrentLearner(V, hidden=H, layer_norm=True, rng=np.random.default_rng(1)).model()
    cached = ContinuousCache(model, 200, 0.5, 20.0)  # all vectors as long: none is more alike than itself
    own, _ = model.score(model.start(1), line)
    found, _ = cached.score(cached.start(1), line)
    assert found[0, 80:].mean() > own[0, 80:].mean() + 0.5


@pytest.mark.parametrize(
    ("size", "weight", "theta"),
    [(0, 0.1, 1), (5, 0.0, 1), (5, 1.0, 1), (5, 0.1, -1), (5, float("nan"), 1), (5, 0.1, float("inf"))],
)
def test_a_cache_of_nothing_is_refused(size: int, weight: float, theta: float) -> None:
    with pytest.raises(InputError, match="cache: expected a weight between 0 and 1"):
        ContinuousCache(network(), size, weight, theta)
