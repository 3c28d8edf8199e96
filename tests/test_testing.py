"""The conformance suite runs over every model of the package, and fails on models that break a law."""

from functools import partial
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from chainrule import testing
from chainrule.core import TokenModel, check_tokens
from chainrule.models.archive import pack, unpack
from chainrule.models.ngram import AddK, MaximumLikelihood, NgramModel, WittenBell, count_ngrams
from chainrule.models.recurrent import RecurrentLearner
from chainrule.models.uniform import Uniform
from chainrule.models.window import WindowLearner

V = 6


def _ngram(order: int, smoothing: Any, vocab_size: int = V) -> NgramModel:
    tokens = np.random.default_rng(1).integers(0, vocab_size, 200)
    return NgramModel(count_ngrams([tokens], vocab_size, order), smoothing)


def _recurrent(cell: str, layers: int, embedding: int, dtype: Any, vocab_size: int = V) -> TokenModel[Any]:
    rng = np.random.default_rng(2)
    made = RecurrentLearner(
        vocab_size, cell=cell, layers=layers, hidden=5, embedding=embedding, rng=rng, dtype=dtype
    )
    return made.model()


def _window(window: int, dtype: Any, vocab_size: int = V) -> TokenModel[Any]:
    rng = np.random.default_rng(3)
    return WindowLearner(vocab_size, window=window, embedding=3, hidden=5, rng=rng, dtype=dtype).model()


MODELS = {
    "uniform": (Uniform(V), 1e-9),
    "V=1": (Uniform(1), 1e-9),
    **{
        f"{order}-gram {smoothing.name}": (_ngram(order, smoothing), 1e-9)
        for order in (1, 2, 5, 8)
        for smoothing in (MaximumLikelihood(), AddK(0.5), WittenBell())
    },
    "2-gram V=1": (_ngram(2, WittenBell(), 1), 1e-9),
    **{
        f"{cell} {layers}x embedding {embedding} {dtype.__name__}": (
            _recurrent(cell, layers, embedding, dtype),
            tolerance,
        )
        for cell in ("rnn", "gru", "lstm")
        for layers, embedding in ((1, 0), (2, 3))
        for dtype, tolerance in ((np.float64, 1e-9), (np.float32, 1e-4))
    },
    "lstm V=1": (_recurrent("lstm", 1, 0, np.float64, 1), 1e-9),
    "window 1": (_window(1, np.float64), 1e-9),
    "window 4 float32": (_window(4, np.float32), 1e-4),
    "window V=1": (_window(3, np.float64, 1), 1e-9),
}


def _reload(model: TokenModel[Any]) -> TokenModel[Any]:
    return unpack(*pack(model))


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("check", testing.CHECKS, ids=lambda check: check.__name__)
def test_every_model_keeps_every_law(name: str, check: testing.Check) -> None:
    model, tolerance = MODELS[name]
    check(model, np.random.default_rng(0), tolerance)


@pytest.mark.parametrize("name", MODELS)
def test_every_model_is_the_same_after_packing(name: str) -> None:
    model, tolerance = MODELS[name]
    testing.check_token_model(model, tolerance=tolerance, reload=_reload)


class _Honest(TokenModel[np.ndarray]):
    """Remembers the last token; the classes below it each break one law."""

    vocab_size = V

    def start(self, batch: int) -> np.ndarray:
        return np.full((batch, 1), -1)

    def predict(self, state: np.ndarray) -> np.ndarray:
        scores = np.zeros((len(state), V))
        scores[np.arange(len(state)), (state[:, 0] + 1) % V] = 1
        return scores - np.log(np.exp(scores).sum(axis=1, keepdims=True))

    def advance(self, state: np.ndarray, items: np.ndarray) -> np.ndarray:
        return check_tokens(items, V)[:, None].copy()


class _NotNormalised(_Honest):
    def predict(self, state: np.ndarray) -> np.ndarray:
        return super().predict(state) + 0.1


class _SinglePrecision(_Honest):
    def predict(self, state: np.ndarray) -> np.ndarray:
        return super().predict(state).astype(np.float32)


class _ChangesItsState(_Honest):
    def advance(self, state: np.ndarray, items: np.ndarray) -> np.ndarray:
        state[:, 0] = check_tokens(items, V)
        return state


class _RowsTalk(_Honest):
    def predict(self, state: np.ndarray) -> np.ndarray:
        return super().predict(np.full_like(state, state.sum()))


class _ScoreLies(_Honest):
    def score(self, state: np.ndarray, tokens: np.ndarray) -> Any:
        log_probs, after = super().score(state, tokens)
        return log_probs - 0.01, after


class _Peeks(_Honest):
    def score(self, state: np.ndarray, tokens: np.ndarray) -> Any:
        log_probs, after = super().score(state, tokens)
        return log_probs - 0.01 * tokens.sum(axis=1, keepdims=True), after


class _ForgetsAtChunks(_Honest):
    def score(self, state: np.ndarray, tokens: np.ndarray) -> Any:
        return super().score(self.start(len(tokens)), tokens)


class _WrongAxis(_Honest):
    def start(self, batch: int) -> np.ndarray:
        return np.full((1, batch), -1)

    def predict(self, state: np.ndarray) -> np.ndarray:
        return super().predict(state.T)

    def advance(self, state: np.ndarray, items: np.ndarray) -> np.ndarray:
        return super().advance(state.T, items).T


class _TakesAnyId(_Honest):
    def advance(self, state: np.ndarray, items: np.ndarray) -> np.ndarray:
        return items[:, None].copy()

    def score(self, state: np.ndarray, tokens: np.ndarray) -> Any:
        return super().score(state, tokens % V)


BREAKERS = {
    _NotNormalised: testing.check_normalised,
    _SinglePrecision: testing.check_normalised,
    _ChangesItsState: testing.check_state_is_a_value,
    _RowsTalk: testing.check_rows_are_independent,
    _ScoreLies: testing.check_score_is_the_loop,
    _Peeks: testing.check_future_does_not_leak,
    _ForgetsAtChunks: testing.check_chunks,
    _WrongAxis: testing.check_axis_0_is_the_batch,
    _TakesAnyId: testing.check_bad_ids_are_refused,
}


def test_an_honest_model_of_ones_own_passes() -> None:
    testing.check_token_model(_Honest())


@pytest.mark.parametrize("broken", BREAKERS, ids=lambda kind: kind.__name__)
def test_each_law_catches_the_model_that_breaks_it(broken: type[_Honest]) -> None:
    with pytest.raises(AssertionError, match="expected"):
        BREAKERS[broken](broken(), np.random.default_rng(0), 1e-9)


def test_a_reload_that_changes_numbers_is_caught() -> None:
    with pytest.raises(AssertionError, match="load"):
        testing.check_token_model(_ngram(2, AddK(1.0)), reload=lambda _: _ngram(2, AddK(1.001)))


def test_law_2_the_first_token_has_a_distribution_without_a_start_symbol() -> None:
    for model, _ in MODELS.values():
        assert_array_equal(model.predict(model.start(2)).shape, (2, model.vocab_size))


def test_tokens_that_fit_score_finitely_under_smoothing() -> None:
    tokens = np.random.default_rng(5).integers(0, V, (2, 50))
    for name, (model, _) in MODELS.items():
        if model.vocab_size == V and "maximum" not in name:
            assert np.isfinite(model.score(model.start(2), tokens)[0]).all(), name


def test_reload_is_given_the_model() -> None:
    seen: list[Any] = []
    model = Uniform(3)
    testing.check_token_model(model, reload=partial(lambda kept, m: (kept.append(m), m)[1], seen))
    assert seen == [model]
