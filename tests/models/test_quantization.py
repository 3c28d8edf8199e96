"""Models in 8 bits: each probability one of 256, and every row still whole."""

from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chainrule.kernels.backoff import ABSENT, LevelArrays
from chainrule.models.archive import pack, unpack
from chainrule.models.ngram import ESTIMATED, BackoffModel, count_ngrams, estimate
from chainrule.models.ngram.backoff import spell
from chainrule.models.ngram.pruning import prune_entropy, renormalised
from chainrule.models.ngram.quantization import VALUES, below, book_of, nearest, quantize
from chainrule.testing import check_token_model


class Case(NamedTuple):
    """A random text, in which some tokens are frequent, and how it is estimated."""

    seed: int
    vocab_size: int
    order: int
    sentences: bool
    smoothing: str
    length: int = 3000

    def text(self, length: int) -> np.ndarray:
        rng = np.random.default_rng(self.seed)
        text = rng.choice(self.vocab_size, length, p=rng.dirichlet(np.full(self.vocab_size, 0.7)))
        if self.end is not None:
            text[4::5] = self.end
            text[:8] = (self.end + 1) % self.vocab_size  # a sentence that is long enough for any order here
        return text

    @property
    def end(self) -> int | None:
        return self.seed % self.vocab_size if self.sentences else None

    @property
    def model(self) -> BackoffModel:
        counts = count_ngrams([self.text(self.length)], self.vocab_size, self.order, end=self.end)
        return estimate(counts, self.smoothing).model


CASES = st.builds(
    Case, st.integers(0, 2**32 - 1), st.integers(2, 40), st.integers(1, 4), st.booleans(),
    st.sampled_from(ESTIMATED), st.sampled_from([30, 300, 3000]),
)  # fmt: skip


def row_sums(model: BackoffModel) -> np.ndarray:
    """The sums of the rows after every context that is listed, and after none."""
    histories = [np.full((1, model.order - 1), ABSENT, np.int32)]
    for k in range(1, model.order):
        some = spell(model.levels, k)
        history = np.full((len(some), model.order - 1), ABSENT, np.int32)
        history[:, model.order - 1 - k :] = some
        histories.append(history)
    return np.exp(model.predict(np.concatenate(histories))).sum(axis=1)


def listed(level: LevelArrays) -> np.ndarray:
    return level.log_prob(np.arange(len(level.tokens))).astype(np.float64)


@settings(deadline=None, max_examples=60)
@given(CASES, st.sampled_from([0.0, 1e-4]))
def test_rows_are_whole_and_probabilities_few(case: Case, threshold: float) -> None:
    model = prune_entropy(case.model, threshold)
    made = quantize(model)
    assert made.ngrams == model.ngrams
    np.testing.assert_allclose(row_sums(made), 1, atol=1e-5)
    assert np.array_equal(listed(made.levels[0]), listed(model.levels[0]))
    for k, (level, exact) in enumerate(zip(made.levels, model.levels, strict=True), 1):
        full = (np.diff(exact.first.astype(int)) >= model.size).any()
        if len(np.unique(exact.log_probs)) <= VALUES:
            assert np.array_equal(listed(level), listed(exact))
        elif full:
            assert level.prob_codes is None
            assert np.array_equal(level.log_probs, exact.log_probs)
        if k > 1 and not full:
            assert level.prob_codes is not None
            assert len(level.log_probs) == VALUES


def test_what_it_costs() -> None:
    case = Case(0, 60, 3, True, "modified-kneser-ney", 40_000)
    model = case.model
    made = quantize(model)
    assert [level.prob_codes is not None for level in made.levels] == [False, True, True]
    some = case.text(60_000)[None, 40_000:]  # the rest of the text
    before, after = (-m.score(m.start(1), some)[0].mean() for m in (model, made))
    assert abs(after - before) < 0.01
    sizes = [sum(array.nbytes for array in m.to_arrays()[1].values()) for m in (model, made)]
    assert sizes[1] < 0.75 * sizes[0]  # three of eight bytes go, where an n-gram has no context of its own


def test_a_row_never_loses_more_than_half_of_its_backoff() -> None:
    """Contexts whose likely token is so likely that the nearest value would leave next to nothing."""
    size, rng = 300, np.random.default_rng(0)
    sure = rng.uniform(0.99, 0.99999, size)
    sure[:5] = rng.uniform(0.01, 0.5, 5)
    flat = np.full(size, -np.log(size), np.float32)
    one = LevelArrays(
        np.arange(size, dtype=np.int32), np.array([0, size], np.uint32), flat, np.zeros(size, np.float32)
    )
    two = LevelArrays(
        np.arange(size, dtype=np.int32),
        np.arange(size + 1).astype(np.uint32),
        np.log(sure).astype(np.float32),
    )
    model = renormalised(BackoffModel(size, (one, two)))
    made = quantize(model)
    assert made.levels[1].prob_codes is not None
    left = 1 - np.exp(listed(made.levels[1]))
    assert (left >= (1 - np.exp(listed(model.levels[1]))) / 2 - 1e-9).all()
    np.testing.assert_allclose(row_sums(made), 1, atol=1e-5)


@pytest.mark.parametrize("impossible", [False, True])
def test_an_order_with_a_row_that_nothing_can_be_taken_from_stays(impossible: bool) -> None:
    """It lists all tokens, or all but one that is impossible."""
    size = 300
    logs = np.log(np.random.default_rng(0).dirichlet(np.ones(size))).astype(np.float32)
    alone = np.full(size + impossible, -np.log(size), np.float32)
    alone[size:] = -np.inf
    tokens = np.arange(size + impossible, dtype=np.int32)
    one = LevelArrays(tokens, np.array([0, len(tokens)], np.uint32), alone, np.zeros(len(tokens), np.float32))
    first = np.append(0, np.full(len(tokens), size)).astype(np.uint32)
    model = BackoffModel(len(tokens), (one, LevelArrays(tokens[:size], first, logs)))
    made = quantize(model)
    assert made.levels[1].prob_codes is None
    np.testing.assert_allclose(row_sums(made), 1, atol=1e-5)


def test_a_model_in_8_bits_is_not_rounded_again() -> None:
    once = quantize(Case(0, 60, 3, False, "absolute").model)
    twice = quantize(once)
    for a, b in zip(once.levels, twice.levels, strict=True):
        assert np.array_equal(listed(a), listed(b))


@pytest.mark.parametrize("sentences", [False, True])
@pytest.mark.parametrize("smoothing", ESTIMATED)
def test_conformance(smoothing: str, sentences: bool) -> None:
    made = quantize(Case(0, 30, 3, sentences, smoothing).model)
    assert made.levels[2].prob_codes is not None
    check_token_model(made, tolerance=1e-5, reload=lambda one: unpack(*pack(one)))


def test_the_model_is_left_alone() -> None:
    model = Case(0, 30, 3, True, "absolute").model
    before = {name: array.copy() for name, array in model.to_arrays()[1].items()}
    quantize(model)
    assert all(np.array_equal(array, before[name]) for name, array in model.to_arrays()[1].items())


# --- books -------------------------------------------------------------------------------------------------


def random_values(seed: int, size: int, impossible: float) -> np.ndarray:
    rng = np.random.default_rng(seed)
    values = -rng.exponential(3, size)
    values[rng.random(size) < impossible] = -np.inf
    return values.astype(np.float32)


VALUES_GIVEN = st.integers(0, 2**31), st.integers(0, 2000), st.sampled_from([0.0, 0.1, 1.0])


@given(*VALUES_GIVEN)
def test_books(seed: int, size: int, impossible: float) -> None:
    values = random_values(seed, size, impossible)
    book = book_of(values)
    assert len(book) <= VALUES
    assert (np.diff(book) > 0).all()
    if len(np.unique(values)) <= VALUES:
        assert set(book.tolist()) == set(values.tolist())
    if len(values):
        close, low = book[nearest(values, book)], book[below(values, book)]
        assert (low <= values).all()
        assert np.array_equal(np.isneginf(values), np.isneginf(close))
        assert np.array_equal(np.isneginf(values), np.isneginf(low))
        real = values[np.isfinite(values)].astype(np.float64)
        finite = book[np.isfinite(book)].astype(np.float64)
        if len(real):
            wanted = np.abs(real[:, None] - finite).min(axis=1)
            np.testing.assert_allclose(np.abs(real - close[np.isfinite(values)]), wanted, atol=1e-12)


def test_bins_are_equally_filled() -> None:
    values = -np.arange(255 * 10, dtype=np.float32)
    wanted = values[::-1].reshape(255, 10).mean(axis=1)
    assert np.array_equal(book_of(values), [values.min(), *wanted])
