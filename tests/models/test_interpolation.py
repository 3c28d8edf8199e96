"""Mixed models: n-gram by n-gram the weighted sum of what each of them says."""

from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chainrule.core import InputError
from chainrule.kernels.backoff import ABSENT
from chainrule.models.archive import pack, unpack
from chainrule.models.ngram import ESTIMATED, BackoffModel, count_ngrams, estimate
from chainrule.models.ngram.backoff import spell
from chainrule.models.ngram.interpolation import interpolate, mixture_weights
from chainrule.models.ngram.pruning import prune_entropy
from chainrule.models.ngram.quantization import quantize
from chainrule.testing import check_token_model


class Part(NamedTuple):
    """One of the models of a mixture."""

    seed: int
    order: int
    smoothing: str
    threshold: float  # that it is pruned at
    weight: float

    def model(self, vocab_size: int, end: int | None) -> BackoffModel:
        rng = np.random.default_rng(self.seed)
        text = rng.choice(vocab_size, 60, p=rng.dirichlet(np.full(vocab_size, 0.7)))
        if end is not None:
            text[4::5] = end
            text[:8] = (end + 1) % vocab_size  # a sentence that is long enough for any order here
        counts = count_ngrams([text], vocab_size, self.order, end=end)
        return prune_entropy(estimate(counts, self.smoothing).model, self.threshold)


PARTS = st.lists(
    st.builds(
        Part, st.integers(0, 2**32 - 1), st.integers(1, 4), st.sampled_from(ESTIMATED),
        st.sampled_from([0.0, 1e-3, 1e-2]), st.floats(0.05, 1),
    ),
    min_size=1, max_size=3,
)  # fmt: skip
MIXTURES = given(PARTS, st.integers(2, 6), st.booleans())


def prepared(parts: list[Part], vocab_size: int, sentences: bool) -> tuple[list[BackoffModel], list[float]]:
    end = parts[0].seed % vocab_size if sentences else None
    total = sum(part.weight for part in parts)
    return [part.model(vocab_size, end) for part in parts], [part.weight / total for part in parts]


def two(sentences: bool = False) -> list[BackoffModel]:
    parts = [Part(seed, order, "absolute", 0.0, 0.5) for seed, order in ((1, 2), (2, 3))]
    return prepared(parts, 5, sentences)[0]


def listed(model: BackoffModel) -> set[tuple[int, ...]]:
    return {tuple(row) for k in range(1, model.order + 1) for row in spell(model.levels, k).tolist()}


def histories(model: BackoffModel, k: int, order: int) -> np.ndarray:
    """All contexts of k tokens that are listed, as a state of a model of some order; what does not fit is
    left out."""
    contexts = np.zeros((1, 0), np.int32) if k == 0 else spell(model.levels, k)
    out = np.full((len(contexts), max(order - 1, k)), ABSENT, np.int32)
    out[:, out.shape[1] - k :] = contexts
    return out[:, out.shape[1] - (order - 1) :]


@settings(deadline=None)
@MIXTURES
def test_what_is_listed_is_the_mixture(parts: list[Part], vocab_size: int, sentences: bool) -> None:
    models, weights = prepared(parts, vocab_size, sentences)
    made = interpolate(models, weights)
    assert made.order == max(model.order for model in models)
    assert listed(made) == set.union(*map(listed, models))
    for k in range(made.order):
        each = np.exp([model.predict(histories(made, k, model.order)) for model in models])
        mixed = np.tensordot(weights, each, 1)
        found = np.exp(made.predict(histories(made, k, made.order)))
        np.testing.assert_allclose(found.sum(axis=1), 1, atol=1e-5)
        first, tokens = made.levels[k].first, made.levels[k].tokens
        for row in range(len(found)):
            some = tokens[first[row] : first[row + 1]]
            some = some[some < vocab_size]
            np.testing.assert_allclose(found[row, some], mixed[row, some], atol=1e-5)


@settings(deadline=None)
@MIXTURES
def test_one_model_mixed_with_itself_is_itself(parts: list[Part], vocab_size: int, sentences: bool) -> None:
    model = prepared(parts, vocab_size, sentences)[0][0]
    tokens = np.random.default_rng(0).integers(0, vocab_size, (3, 20))
    wanted, _ = model.score(model.start(3), tokens)
    for weights in ([1.0], [0.25, 0.75]):
        made = interpolate([model] * len(weights), weights)
        assert made.ngrams == model.ngrams
        found, _ = made.score(made.start(3), tokens)
        np.testing.assert_allclose(np.exp(found), np.exp(wanted), atol=1e-5)


@pytest.mark.parametrize("sentences", [False, True])
def test_conformance(sentences: bool) -> None:
    made = interpolate(two(sentences), [0.3, 0.7])
    check_token_model(made, tolerance=1e-5, reload=lambda one: unpack(*pack(one)))


def test_pruned_and_8_bit_models_are_mixed_like_any() -> None:
    first, second = two()
    made = interpolate([quantize(first), prune_entropy(second, 1e-2)], [0.5, 0.5])
    for k in range(made.order):
        sums = np.exp(made.predict(histories(made, k, made.order))).sum(axis=1)
        np.testing.assert_allclose(sums, 1, atol=1e-5)


def test_the_models_are_left_alone() -> None:
    models = two(sentences=True)
    before = [{name: array.copy() for name, array in model.to_arrays()[1].items()} for model in models]
    interpolate(models, [0.5, 0.5])
    for model, arrays in zip(models, before, strict=True):
        assert all(np.array_equal(array, arrays[name]) for name, array in model.to_arrays()[1].items())


# --- weights -----------------------------------------------------------------------------------------------


@settings(deadline=None)
@MIXTURES
def test_no_other_weights_are_better(parts: list[Part], vocab_size: int, sentences: bool) -> None:
    models, _ = prepared(parts, vocab_size, sentences)
    tokens = np.random.default_rng(parts[0].seed).integers(0, vocab_size, 200)
    weights = mixture_weights(models, tokens)
    assert weights.shape == (len(models),)
    assert weights.min() >= 0
    assert abs(weights.sum() - 1) < 1e-9
    probs = np.exp([model.score(model.start(1), tokens[None])[0][0] for model in models])

    def loss(some: np.ndarray) -> float:
        return float(-np.log(some @ probs).mean())

    rng = np.random.default_rng(0)
    for other in [*np.eye(len(models)), *rng.dirichlet(np.ones(len(models)), 50)]:
        with np.errstate(divide="ignore"):
            assert loss(weights) <= loss(other) + np.log(3) / 1000


def test_weights_of_a_text_go_to_the_model_of_it() -> None:
    rng = np.random.default_rng(0)
    texts = [rng.choice(4, 2000, p=p) for p in ([0.7, 0.1, 0.1, 0.1], [0.1, 0.1, 0.1, 0.7])]
    models = [estimate(count_ngrams([text[:1000]], 4, 2), "witten-bell").model for text in texts]
    mixed = np.concatenate([texts[0][1000:1300], texts[1][1000:1900]])
    np.testing.assert_allclose(mixture_weights(models, mixed), [0.25, 0.75], atol=0.05)


# --- bad input ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "weights", [[1.0], [0.5, 0.6], [1.0, 0.0], [1.5, -0.5], [0.5, float("nan")], [float("inf"), 1.0], []]
)
def test_bad_weights(weights: list[float]) -> None:
    with pytest.raises(InputError, match="weights: expected 2 above 0 that sum to 1"):
        interpolate(two(), weights)


def test_models_of_other_tokens() -> None:
    first = two()[0]
    for other in (two(sentences=True)[0], Part(1, 2, "absolute", 0.0, 1.0).model(6, None)):
        with pytest.raises(InputError, match="mixture: expected models of one vocabulary"):
            interpolate([first, other], [0.5, 0.5])
        with pytest.raises(InputError, match="mixture: expected models of one vocabulary"):
            mixture_weights([first, other], np.zeros(2, int))


def test_nothing_to_mix_or_to_weigh_on() -> None:
    with pytest.raises(InputError, match="at least one model"):
        interpolate([], [])
    with pytest.raises(InputError, match="at least one model"):
        mixture_weights([], np.zeros(3, int))
    with pytest.raises(InputError, match="expected some to weigh the models on"):
        mixture_weights(two(), np.zeros(0, int))
    with pytest.raises(InputError, match="tokens: expected ids in"):
        mixture_weights(two(), np.array([5]))


def test_tokens_that_no_model_can_give() -> None:
    models = two()
    level = models[0].levels[0]
    logs = level.log_probs.copy()
    logs[4] = -np.inf
    impossible = BackoffModel(5, (level._replace(log_probs=logs, backoffs=None),))
    with pytest.raises(InputError, match="that a model can give"):
        mixture_weights([impossible], np.array([4, 4]))
    np.testing.assert_allclose(mixture_weights([impossible], np.array([4, 0])), [1.0])
