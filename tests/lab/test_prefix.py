"""What a model expects after a text that is typed: the same as if it had been read at once."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import chainrule
from chainrule import LanguageModel
from chainrule.core import InputError
from chainrule.lab.prefix import KEPT, STRETCH, begin, expected, moved, one_more, opened, sampling
from chainrule.models.recurrent import RecurrentLearner
from chainrule.tasks.generation import Sampling, sampling_log_probs

MODEL = RecurrentLearner(5, cell="lstm", hidden=6, rng=np.random.default_rng(0)).model()


@pytest.fixture(scope="module")
def lm() -> LanguageModel:
    text = chainrule.load_corpus("pydocs").text[:6000]
    return LanguageModel.fit(text, model="ngram", order=3)


@given(st.lists(st.lists(st.integers(0, 4), max_size=3 * STRETCH), max_size=5))
def test_any_editing_comes_to_the_same_as_reading_at_once(texts: list[list[int]]) -> None:
    prefix = None
    for ids in texts:
        read = np.array(ids, np.int64)
        prefix = moved(prefix, MODEL, read)
        _, state = MODEL.score(MODEL.start(1), read[None])
        np.testing.assert_allclose(MODEL.predict(prefix.state), MODEL.predict(state), atol=1e-5)
        assert prefix.states[-1][0] == len(ids)


def test_only_what_is_new_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[int] = []
    score = type(MODEL).score

    def counting(model: object, state: object, tokens: np.ndarray) -> object:
        read.append(tokens.shape[1])
        return score(model, state, tokens)  # type: ignore[arg-type]

    monkeypatch.setattr(type(MODEL), "score", counting)
    ids = np.zeros(2 * STRETCH, np.int64)
    prefix = moved(None, MODEL, ids)
    prefix = moved(prefix, MODEL, np.append(ids, 3))
    moved(prefix, MODEL, ids)  # the letter is taken back
    assert read == [STRETCH, STRETCH, 1]


def test_kept_states_are_bounded_and_the_first_stays() -> None:
    prefix = begin(MODEL)
    for n in range(1, KEPT + 20):
        prefix = moved(prefix, MODEL, np.zeros(n, np.int64))
    assert len(prefix.states) == KEPT + 1
    assert prefix.states[0][0] == 0
    assert moved(prefix, MODEL, np.array([1])).states[-1][0] == 1


def test_another_model_begins_anew(lm: LanguageModel) -> None:
    prefix = moved(moved(None, MODEL, np.array([1, 2])), lm.model, np.array([3]))
    assert prefix.model is lm.model
    with pytest.raises(InputError, match=r"expected ids in 0..4"):
        moved(None, MODEL, np.array([5]))


def test_what_is_drawn_from_follows_the_sliders(lm: LanguageModel) -> None:
    prefix = moved(None, lm.model, lm.codec.encode_prompt("The val"))
    plain, drawn = expected(lm, prefix, sampling(lm, 1.0, 0, 1.0), most=5)
    assert [choice.model for choice in plain] == sorted((c.model for c in plain), reverse=True)
    assert drawn.sum() == pytest.approx(1)
    cut, drawn = expected(lm, prefix, sampling(lm, 0.5, 2, 1.0), most=5)
    assert [choice.model for choice in cut] == [choice.model for choice in plain]
    assert np.count_nonzero(drawn) == 2
    assert cut[0].drawn > plain[0].drawn
    shaped = sampling_log_probs(lm.model.predict(prefix.state), sampling(lm, 0.5, 2, 0.9))
    np.testing.assert_allclose(expected(lm, prefix, sampling(lm, 0.5, 2, 0.9))[1], np.exp(shaped[0]))


def test_the_unknown_symbol_is_never_drawn(lm: LanguageModel) -> None:
    unknown = lm.codec.vocabulary.unknown_id
    assert unknown is not None
    assert sampling(lm, 1, 0, 1).banned == (unknown,)
    assert expected(lm, begin(lm.model), sampling(lm, 1, 0, 1))[1][unknown] == 0


def test_speaking_token_by_token_is_generating(lm: LanguageModel) -> None:
    said = opened(lm, "The ", 7)
    how = Sampling(0.8, banned=sampling(lm, 1, 0, 1).banned)
    for _ in range(40):
        said = one_more(said, how)
    assert "The " + "".join(t for t, _ in said.tokens) == lm.generate("The ", 40, temperature=0.8, seed=7)
    spoken = "".join(t for t, _ in said.tokens)
    costs = [token.bits for token in lm.surprisal("The " + spoken)][4:]
    np.testing.assert_allclose([n / np.log(2) for _, n in said.tokens], costs, rtol=1e-6)
