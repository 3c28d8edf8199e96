"""A stretch drawn at once is the one that is drawn step by step."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chainrule.kernels.native import instructions
from chainrule.models.recurrent import RecurrentLearner
from chainrule.tasks.generation import Sampler, Sampling, generate

pytestmark = pytest.mark.skipif(not instructions(), reason="the loops are not compiled here")


@pytest.mark.parametrize("cell", ["rnn", "gru", "lstm"])
@settings(max_examples=25)
@given(
    layers=st.integers(1, 3),
    hidden=st.integers(1, 40),
    vocab=st.integers(1, 20),
    embedding=st.sampled_from([0, 5]),
    length=st.integers(0, 150),
    temperature=st.sampled_from([0.0, 0.5, 1.0]),
    prompt=st.integers(0, 3),
    seed=st.integers(0, 99),
)
def test_it_says_the_same_as_a_roll_out(
    cell: str,
    layers: int,
    hidden: int,
    vocab: int,
    embedding: int,
    length: int,
    temperature: float,
    prompt: int,
    seed: int,
) -> None:
    rng = np.random.default_rng(seed)
    sizes = {"cell": cell, "layers": layers, "hidden": hidden, "embedding": embedding}
    model = RecurrentLearner(vocab, **sizes, rng=rng).model()
    given = rng.integers(vocab, size=(1, prompt))
    banned = (0,) if vocab > 1 else ()
    how = Sampling(temperature, banned=banned)
    assert model.can_draw(1)
    assert not model.can_draw(2)
    stretched = list(generate(model, given, length, Sampler(how, np.random.default_rng(1))))
    choose = Sampler(how, np.random.default_rng(1))
    stepped = list(generate(model, given, length, lambda log_probs: choose(log_probs)))
    np.testing.assert_array_equal(stretched, stepped)


def test_what_the_loop_does_not_know_goes_step_by_step() -> None:
    rng = np.random.default_rng(0)
    for options in (
        {"layer_norm": True},
        {"embedding": 8, "tied": True},
        {"cutoffs": (3,)},
        {"cell": "mingru"},
    ):
        model = RecurrentLearner(9, hidden=8, **options, rng=rng).model()
        assert not model.can_draw(1)
        assert len(list(generate(model, np.zeros((1, 1), int), 5, Sampler(Sampling(), rng)))) == 5


def test_double_precision_goes_step_by_step() -> None:
    model = RecurrentLearner(9, hidden=8, rng=np.random.default_rng(0), dtype=np.float64).model()
    assert not model.can_draw(1)


def test_the_state_after_a_stretch_goes_on_as_if_it_had_been_read() -> None:
    model = RecurrentLearner(9, cell="lstm", layers=2, hidden=8, rng=np.random.default_rng(0)).model()
    for length in (3, 4):
        ids, after = model.draw(model.start(1), np.full((1, length), 0.4), 1.0, ())
        _, read = model.score(model.start(1), ids)
        np.testing.assert_allclose(model.predict(after), model.predict(read), atol=1e-6)
