"""What a text costs: known models with known bills, and the same bill however the text is read."""

import json
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chainrule.core import InputError, TokenModel
from chainrule.models.ngram import MaximumLikelihood, NgramModel, WittenBell, count_ngrams
from chainrule.models.recurrent import RecurrentLearner
from chainrule.models.uniform import Uniform
from chainrule.models.window import WindowLearner
from chainrule.tasks.evaluation import (
    Evaluation,
    TextCounts,
    bits_per_byte_difference,
    document_surprisal,
    evaluate,
    finite_or_name,
    mean_nats_in_rows,
    perplexity_ratio,
    surprisal,
)


class Positions(TokenModel[np.ndarray]):
    """Gives token v at place t a probability that tells both v and t; the state is the place."""

    vocab_size = 3

    def start(self, batch: int) -> np.ndarray:
        return np.zeros(batch, dtype=np.int64)

    def predict(self, state: np.ndarray) -> np.ndarray:
        weights = 1 + np.arange(3) + 7 * np.arange(3) * (state[:, None] + 1) ** 0.5
        return np.log(weights / weights.sum(axis=1, keepdims=True))

    def advance(self, state: np.ndarray, items: np.ndarray) -> np.ndarray:
        return state + 1

    def nats(self, tokens: np.ndarray) -> np.ndarray:
        """What it says of a whole text."""
        return -self.predict(np.arange(len(tokens)))[np.arange(len(tokens)), tokens]


class Clockwork(TokenModel[np.ndarray]):
    """Knows what comes next: 0 1 2 0 1 2 ..; the state is that token."""

    vocab_size = 3

    def start(self, batch: int) -> np.ndarray:
        return np.zeros(batch, dtype=np.int64)

    def predict(self, state: np.ndarray) -> np.ndarray:
        with np.errstate(divide="ignore"):
            return np.log(np.eye(3)[state])

    def advance(self, state: np.ndarray, items: np.ndarray) -> np.ndarray:
        return (items + 1) % 3


def bill(model: TokenModel[Any], tokens: np.ndarray, text: str | None = None) -> Evaluation:
    counts = TextCounts.of("".join(map(str, tokens)) if text is None else text)
    return evaluate(surprisal(model, tokens), tokens, counts, model=model, tokenizer="characters")


# --- known bills -------------------------------------------------------------------------------------------


def test_a_perfect_predictor_has_perplexity_one() -> None:
    report = bill(Clockwork(), np.tile([0, 1, 2], 30))
    assert report.perplexity == 1
    assert report.bits_per_character == report.nats == 0


@given(st.integers(1, 10**6), st.integers(1, 300))
def test_guessing_has_perplexity_v(size: int, length: int) -> None:
    tokens = np.arange(length) % size
    assert bill(Uniform(size), tokens).perplexity == pytest.approx(size, rel=1e-12)


def test_a_single_zero_makes_it_infinite() -> None:
    tokens = np.tile([0, 1, 2], 30)
    tokens[50] = 0
    report = bill(Clockwork(), tokens)
    assert report.perplexity == report.bits_per_byte == math.inf


def test_a_bill_too_large_for_a_float_is_infinite() -> None:
    report = Evaluation(1e6, 1, TextCounts(1, 1, 1), "words")
    assert report.perplexity == report.perplexity_per_word == math.inf
    assert report.bits_per_token == 1e6 / math.log(2)


def test_every_figure_follows_from_the_nats() -> None:
    # 6 ln 2 nats = 6 bits for 3 tokens, 2 words, 5 characters, 6 bytes: ä is two
    report = Evaluation(6 * math.log(2), 3, TextCounts.of("ab cä"), "bpe")
    assert report.counts == TextCounts(2, 5, 6)
    assert report.perplexity == pytest.approx(4)
    assert report.perplexity_per_word == pytest.approx(8)
    assert report.bits_per_token == pytest.approx(2)
    assert report.bits_per_character == pytest.approx(6 / 5)
    assert report.bits_per_byte == pytest.approx(1)


def test_of_nothing_there_is_no_figure() -> None:
    report = bill(Uniform(3), np.empty(0, np.int64), "")
    assert report.nats == report.tokens == 0
    for figure in (
        "perplexity",
        "perplexity_per_word",
        "bits_per_token",
        "bits_per_character",
        "bits_per_byte",
    ):
        assert math.isnan(getattr(report, figure)), figure


def test_unknown_and_silent_tokens_are_counted() -> None:
    model = NgramModel(count_ngrams([np.array([0, 1, 0, 1])], 3, 2), MaximumLikelihood())
    tokens = np.array([0, 1, 2, 1, 2])  # twice the unknown id 2, and after the first nothing was ever seen
    report = evaluate(
        surprisal(model, tokens), tokens, TextCounts.of("01212"), model=model, tokenizer="words", unknown_id=2
    )
    assert (report.unknown, report.silent) == (2, 1)
    assert not report.codes_everything
    assert bill(model, tokens).unknown == 0


@pytest.mark.parametrize("nats", [0.0, 12.5, math.inf, math.nan])
def test_a_report_goes_through_json(nats: float) -> None:
    report = Evaluation(nats, 4, TextCounts(1, 4, 4), "characters", loses="case", unknown=1, silent=2)
    back = json.loads(json.dumps(report.as_dict(), allow_nan=False))
    for name in ("tokenizer", "loses", "unknown", "silent", "tokens"):
        assert back[name] == getattr(report, name)
    for name in ("words", "characters", "bytes"):
        assert back[name] == getattr(report.counts, name)
    for name in ("nats", "perplexity", "bits_per_character", "bits_per_byte", "bits_per_token"):
        assert float(back[name]) == pytest.approx(getattr(report, name), nan_ok=True)


def test_numbers_that_json_lacks_have_names_that_float_reads() -> None:
    assert finite_or_name(0.5) == 0.5
    for x in (math.inf, -math.inf, math.nan):
        name = finite_or_name(x)
        assert isinstance(name, str)
        assert float(name) == pytest.approx(x, nan_ok=True)


# --- the same bill however it is read ----------------------------------------------------------------------

TRAINING = np.random.default_rng(0).integers(4, size=80)
MODELS: dict[str, TokenModel[Any]] = {
    "ngram": NgramModel(count_ngrams([TRAINING], 4, 3), WittenBell()),
    "window": WindowLearner(
        4, window=3, embedding=2, hidden=5, rng=np.random.default_rng(0), dtype=float
    ).model(),
    "lstm": RecurrentLearner(
        4, cell="lstm", layers=2, hidden=3, rng=np.random.default_rng(0), dtype=float
    ).model(),
}
texts = st.lists(st.integers(0, 3), max_size=25).map(lambda ids: np.array(ids, dtype=np.int64))


@pytest.mark.parametrize("model", MODELS.values(), ids=MODELS.keys())
@settings(max_examples=25)
@given(tokens=texts, chunk=st.integers(1, 30))
def test_a_stream_costs_the_same_in_any_chunks(
    model: TokenModel[Any], tokens: np.ndarray, chunk: int
) -> None:
    whole = -model.score(model.start(1), tokens[None])[0][0]
    np.testing.assert_allclose(surprisal(model, tokens, chunk=chunk), whole, rtol=1e-10)


@pytest.mark.parametrize("model", MODELS.values(), ids=MODELS.keys())
@settings(max_examples=25)
@given(documents=st.lists(texts, max_size=6), batch=st.integers(1, 7), chunk=st.integers(1, 30))
def test_documents_cost_the_same_in_any_batches_and_chunks(
    model: TokenModel[Any], documents: list[np.ndarray], batch: int, chunk: int
) -> None:
    nats = document_surprisal(model, documents, batch=batch, chunk=chunk)
    assert len(nats) == len(documents)
    for got, document in zip(nats, documents, strict=True):
        np.testing.assert_allclose(got, surprisal(model, document), rtol=1e-10)


@given(st.lists(st.lists(st.integers(0, 2), max_size=20), max_size=6), st.integers(1, 7), st.integers(1, 25))
def test_every_token_is_scored_once_at_its_own_place(lists: list[list[int]], batch: int, chunk: int) -> None:
    model, documents = Positions(), [np.array(ids, dtype=np.int64) for ids in lists]
    for got, document in zip(
        document_surprisal(model, documents, batch=batch, chunk=chunk), documents, strict=True
    ):
        np.testing.assert_array_equal(got, model.nats(document))
    if documents:
        np.testing.assert_array_equal(surprisal(model, documents[0], chunk=chunk), model.nats(documents[0]))


def test_whoever_waits_is_told_how_far_it_is() -> None:
    told: list[float] = []
    surprisal(Uniform(3), np.zeros(10, np.int64), chunk=4, progress=told.append)
    assert told == [0.4, 0.8, 1.0]


@pytest.mark.parametrize("chunk", [0, -1])
def test_chunks_and_batches_without_a_meaning_are_refused(chunk: int) -> None:
    tokens = np.zeros(3, np.int64)
    with pytest.raises(InputError, match=f"chunk: expected at least 1, got {chunk}"):
        surprisal(Uniform(3), tokens, chunk=chunk)
    with pytest.raises(InputError, match=f"expected at least 1, got 4 and {chunk}"):
        document_surprisal(Uniform(3), [tokens], batch=4, chunk=chunk)
    with pytest.raises(InputError, match=f"expected at least 1, got {chunk} and 4"):
        document_surprisal(Uniform(3), [tokens], batch=chunk, chunk=4)


# --- in rows, for validation -------------------------------------------------------------------------------


def test_a_text_too_short_for_rows_is_validated_as_it_is_evaluated() -> None:
    tokens = np.random.default_rng(1).integers(4, size=399)
    model = MODELS["lstm"]
    assert mean_nats_in_rows(model, tokens) == pytest.approx(surprisal(model, tokens).mean(), rel=1e-12)


def test_rows_forget_what_came_before_them() -> None:
    # two rows of 300 (and chunks of 256 in them): each costs what it costs from its own start
    tokens = np.random.default_rng(1).integers(3, size=601)
    model = Positions()
    in_rows = (model.nats(tokens[:300]).sum() + model.nats(tokens[300:600]).sum()) / 600
    assert mean_nats_in_rows(model, tokens, rows=2) == pytest.approx(in_rows, rel=1e-12)
    assert mean_nats_in_rows(model, tokens, rows=2) != pytest.approx(model.nats(tokens).mean(), rel=1e-3)


# --- what is not compared ----------------------------------------------------------------------------------


def report(**changes: Any) -> Evaluation:
    settings_: dict[str, Any] = {
        "nats": 10.0,
        "tokens": 5,
        "counts": TextCounts(2, 5, 6),
        "tokenizer": "characters",
    }
    return Evaluation(**(settings_ | changes))


def test_the_same_tokens_are_compared_by_perplexity() -> None:
    assert perplexity_ratio(report(nats=10.0), report(nats=5.0)) == pytest.approx(math.e)


@pytest.mark.parametrize(
    "other",
    [
        {"tokenizer": "words"},
        {"tokens": 4},
        {"counts": TextCounts(2, 9, 9)},  # as many tokens, of another text
        {"unknown": 3},  # as many tokens, but three of them the easy symbol for all that is rare
    ],
)
def test_perplexities_of_other_tokens_are_not_compared(other: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="perplexity per token: expected the same tokens"):
        perplexity_ratio(report(), report(**other))
    with pytest.raises(InputError, match="perplexity per token: expected the same tokens"):
        perplexity_ratio(report(**other), report())


def test_texts_are_compared_per_byte_whatever_their_tokens() -> None:
    words = report(nats=6 * math.log(2), tokens=2, tokenizer="words")
    difference = bits_per_byte_difference(report(nats=12 * math.log(2)), words)
    assert difference == pytest.approx(1)


@pytest.mark.parametrize(
    ("other", "words"),
    [
        ({"loses": "all but letters"}, "got one without all but letters"),
        ({"unknown": 3}, "got one without 3 unknown tokens"),
        ({"counts": TextCounts(2, 5, 7)}, "two of different length"),
    ],
)
def test_bills_that_do_not_pay_for_every_byte_of_one_text_are_not_compared(
    other: dict[str, Any], words: str
) -> None:
    with pytest.raises(InputError, match=f"bits per byte: expected .*{words}"):
        bits_per_byte_difference(report(), report(**other))
    with pytest.raises(InputError, match=f"bits per byte: expected .*{words}"):
        bits_per_byte_difference(report(**other), report())
