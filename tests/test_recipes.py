"""Recipes: every kind fitted on a small text, blanks filled sensibly, and the ladder of `compare`."""

import json
import math
from dataclasses import asdict, fields, replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from chainrule.core import InputError
from chainrule.data.dataset import Dataset, make_dataset, split_text
from chainrule.models.ngram import (
    ESTIMATED,
    AddK,
    BackoffModel,
    MaximumLikelihood,
    NgramModel,
    StupidBackoff,
    WittenBell,
    count_ngrams,
    estimate,
)
from chainrule.models.recurrent import RecurrentModel
from chainrule.models.uniform import Uniform
from chainrule.models.window import WindowModel
from chainrule.recipes import (
    KINDS,
    NETWORKS,
    RECURRENT,
    FitResult,
    Recipe,
    compare_models,
    comparing,
    evaluate_part,
    fit,
    ladder,
)
from chainrule.recipes.recipe import USES
from chainrule.tasks.comparison import Row
from chainrule.tasks.evaluation import surprisal
from chainrule.training.run import Progress

WORDS = ["the", "time", "machine", "was", "a", "glittering", "metallic", "framework", "scarcely", "larger"]


def small_text(words: int = 700) -> str:
    return " ".join(np.random.default_rng(0).choice(WORDS, words))


DATA = make_dataset(*split_text(small_text()))
SMALL: dict[str, Any] = {"hidden": 12, "epochs": 2, "batch": 8, "steps": 16}


def recipe(kind: str, **changes: Any) -> Recipe:
    return Recipe(kind, **(SMALL | changes if kind in NETWORKS else changes))


def held_out(fitted: FitResult, data: Dataset = DATA) -> float:
    """Nats per token."""
    return float(surprisal(fitted.model, data.test.ids).mean())


# --- one model ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_can_be_cooked(kind: str) -> None:
    fitted = fit(recipe(kind), DATA)
    assert fitted.model.vocab_size == DATA.codec.vocab_size
    assert (fitted.training is None) == (kind not in NETWORKS)
    uniform = math.log(DATA.codec.vocab_size)
    assert held_out(fitted) == pytest.approx(uniform) if kind == "uniform" else held_out(fitted) < uniform
    if fitted.training:
        assert fitted.training.stopped == "finished"
        assert [p.epoch for p in fitted.training.history] == [1, 2]
        assert all(math.isfinite(p.valid) and p.norm > 0 for p in fitted.training.history)


def test_kinds_are_what_they_are_called() -> None:
    models = {kind: fit(recipe(kind), DATA).model for kind in KINDS}
    assert isinstance(models["uniform"], Uniform)
    for kind, order in (("unigram", 1), ("bigram", 2)):
        model = models[kind]
        assert isinstance(model, NgramModel)
        assert (model.order, model.smoothing) == (order, AddK(1.0))
    assert isinstance(models["window"], WindowModel)
    for kind in RECURRENT:
        model = models[kind]
        assert isinstance(model, RecurrentModel)
        assert model.arch.cell.name == kind


def test_a_recipe_that_leaves_nothing_open_is_followed() -> None:
    fitted = fit(recipe("gru", layers=2, hidden=7, embedding=3), DATA)
    assert isinstance(fitted.model, RecurrentModel)
    arch = fitted.model.arch
    assert (arch.layers, arch.hidden, arch.embedding) == (2, 7, 3)
    window = fit(recipe("window", window=3, embedding=5), DATA).model
    assert isinstance(window, WindowModel)
    assert window.window == 3
    assert window.parameters["embedding"].shape == (DATA.codec.vocab_size + 1, 5)
    ngram = fit(recipe("ngram", order=3, smoothing="add-k", k=0.5), DATA).model
    assert isinstance(ngram, NgramModel)
    assert (ngram.order, ngram.smoothing) == (3, AddK(0.5))


@pytest.mark.parametrize("kind", NETWORKS)
def test_the_blanks_of_a_network_come_back_filled_in(kind: str) -> None:
    fitted = fit(Recipe(kind, epochs=1, hidden=4), DATA)
    chosen = ("rate", "embedding", "dropout", "cutoffs", "batch", "steps")
    blanks = (*chosen, "schedule", "warmup", "weight_decay", "average")
    for name in (*blanks, "hidden", "epochs"):
        assert getattr(fitted.recipe, name) is not None, name
    assert replace(fitted.recipe, **dict.fromkeys(blanks)) == Recipe(kind, epochs=1, hidden=4)
    again = fit(fitted.recipe, DATA)
    assert again.recipe == fitted.recipe
    assert held_out(again) == held_out(fitted)


def test_a_cooked_recipe_goes_through_json() -> None:
    fitted = fit(recipe("ngram", smoothing="add-k"), DATA)
    assert Recipe(**json.loads(json.dumps(asdict(fitted.recipe)))) == fitted.recipe


def test_the_smoothing_is_the_one_that_was_asked_for() -> None:
    counts = count_ngrams([DATA.train.ids], DATA.codec.vocab_size, 2)
    for name, smoothing in (
        ("maximum-likelihood", MaximumLikelihood()),
        ("add-k", AddK(1.0)),
        ("stupid-backoff", StupidBackoff()),
    ):
        k = 1.0 if name == "add-k" else None
        fitted = fit(recipe("ngram", order=2, k=k, smoothing=name), DATA)
        assert isinstance(fitted.model, NgramModel)
        assert fitted.model.smoothing == smoothing
    for name in ESTIMATED:
        fitted = fit(recipe("ngram", order=2, smoothing=name), DATA)
        assert isinstance(fitted.model, BackoffModel)
        expected = surprisal(estimate(counts, name).model, DATA.test.ids)
        np.testing.assert_array_equal(surprisal(fitted.model, DATA.test.ids), expected)
        assert (fitted.discounts == ()) == (name == "witten-bell")


def test_scores_that_are_no_probabilities_have_no_perplexity() -> None:
    fitted = fit(recipe("ngram", order=2, smoothing="stupid-backoff"), DATA)
    with pytest.raises(InputError, match="perplexity: expected probabilities"):
        evaluate_part(fitted.model, DATA.test, DATA.codec)


def test_minimum_counts_leave_out_what_is_rarer() -> None:
    sizes = []
    for minimum in ((), (1, 2), [1, 3]):
        fitted = fit(recipe("ngram", order=3, smoothing="kneser-ney", minimum=minimum), DATA)
        assert isinstance(fitted.model, BackoffModel)
        sizes.append(sum(fitted.model.ngrams))
    assert sizes[0] > sizes[1] > sizes[2]
    with pytest.raises(InputError, match="minimum counts: expected a smoothing among"):
        fit(recipe("ngram", smoothing="add-k", minimum=(1, 2)), DATA)


def test_sentences_are_counted_one_by_one() -> None:
    data = make_dataset("the cat\nthe dog\n\nthe cat\n" * 40, tokenizer="space", sentences=True)
    fitted = fit(recipe("ngram", order=3, smoothing="modified-kneser-ney"), data)
    assert isinstance(fitted.model, BackoffModel)
    assert fitted.model.end == data.codec.end_id
    assert fitted.model.ngrams[0] == data.codec.vocab_size + 1


@pytest.mark.parametrize("smoothing", ["add-k", "witten-bell"])
def test_an_open_order_is_the_best_on_the_validation_part(smoothing: str) -> None:
    fitted = fit(recipe("ngram", smoothing=smoothing), DATA)
    counts = count_ngrams([DATA.train.ids], DATA.codec.vocab_size, 10)
    candidates = [AddK(k) for k in (1.0, 0.1, 0.01, 0.001)] if smoothing == "add-k" else [WittenBell()]
    nats = {
        (order, one): surprisal(NgramModel(counts.up_to(order), one), DATA.valid.ids).sum()
        for order in range(1, 11)
        for one in candidates
    }
    best = min(nats, key=lambda found: nats[found])
    assert isinstance(fitted.model, NgramModel | BackoffModel)
    assert fitted.model.order == best[0]
    assert isinstance(fitted.model, BackoffModel) or fitted.model.smoothing == best[1]
    assert 1 < fitted.model.order < 10
    assert (fitted.recipe.order, fitted.recipe.k) == (best[0], getattr(best[1], "k", None))


def test_a_k_that_was_asked_for_is_kept_where_the_order_is_chosen() -> None:
    fitted = fit(recipe("ngram", smoothing="add-k", k=0.3), DATA)
    assert isinstance(fitted.model, NgramModel)
    assert fitted.model.smoothing == AddK(0.3)


def test_without_a_validation_part_an_order_is_still_found() -> None:
    data = make_dataset(small_text())
    for kind in ("ngram", "rnn"):
        assert fit(recipe(kind), data).model.vocab_size == data.codec.vocab_size
    short = fit(recipe("ngram"), make_dataset("abc")).model
    assert isinstance(short, BackoffModel)
    assert short.order == 3


def test_whoever_waits_is_told_how_far_it_is() -> None:
    for kind in ("ngram", "lstm"):
        told: list[Progress] = []
        fit(recipe(kind), DATA, told.append)
        shares = [progress.done for progress in told]
        assert shares == sorted(shares)
        assert 0 < shares[-1] <= 1


# --- the same again ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["rnn", "lstm", "window"])
@pytest.mark.parametrize("partition", ["sequential", "random"])
def test_one_seed_cooks_the_same_bit_for_bit(kind: str, partition: str) -> None:
    def fitted(seed: int) -> dict[str, np.ndarray]:
        model = fit(recipe(kind, seed=seed, partition=partition), DATA).model
        assert isinstance(model, RecurrentModel | WindowModel)
        return dict(model.parameters)

    one, other, different = fitted(3), fitted(3), fitted(4)
    assert one.keys() == other.keys()
    for name, array in one.items():
        assert array.tobytes() == other[name].tobytes(), name
    assert any(array.tobytes() != different[name].tobytes() for name, array in one.items())


@pytest.mark.parametrize("changes", [{"optimizer": "sgd"}, {"partition": "random"}, {"clip": 1e-3}])
def test_what_a_recipe_says_of_the_training_makes_a_difference(changes: dict[str, Any]) -> None:
    assert held_out(fit(recipe("rnn", **changes), DATA)) != held_out(fit(recipe("rnn"), DATA))


# --- refusals ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "changes", "words"),
    [
        ("transformer", {}, r"model: expected one of uniform, .*, lstm, .*, got 'transformer'"),
        ("ngram", {"smoothing": "guess"}, r"smoothing: expected .*, got 'guess'"),
        ("ngram", {"smoothing": "guess", "order": 2}, r"smoothing: expected .*, got 'guess'"),
        ("ngram", {"order": 0}, r"order: expected 1\.\..*, got 0"),
        ("ngram", {"order": 10**6}, r"order: expected 1\.\..*, got 1000000"),
        ("ngram", {"smoothing": "add-k", "k": 0.0}, r"add-k: expected k above 0, got 0\.0"),
        ("ngram", {"smoothing": "add-k", "k": -1.0, "order": 2}, r"add-k: expected k above 0, got -1\.0"),
        ("rnn", {"partition": "shuffled"}, r"partition: expected sequential or random, got 'shuffled'"),
        ("rnn", {"optimizer": "momentum"}, r"optimizer: expected one of adam, adamw, sgd, got 'momentum'"),
        ("rnn", {"rate": math.nan}, r"learning rate: expected a positive number, got nan"),
        (
            "rnn",
            {"rate": math.nan, "optimizer": "sgd"},
            r"learning rate: expected a positive number, got nan",
        ),
        ("rnn", {"schedule": "linear"}, r"schedule: expected one of cosine, constant, plateau, got 'linear'"),
        ("rnn", {"warmup": 1.0}, r"warmup: expected a share from 0 to below 1, got 1\.0"),
        ("rnn", {"average": 1.0}, r"average: expected a decay from 0 to below 1, got 1\.0"),
        ("rnn", {"weight_decay": 0.1}, r"weight decay: expected the optimizer adamw, got adam"),
        ("rnn", {"weight_decay": -0.1, "optimizer": "adamw"}, r"weight decay: expected 0 or more, got -0\.1"),
        ("rnn", {"dropout": 1.5}, r"dropout: expected .*, got 1\.5"),
        ("window", {"dropout": 0.5}, r"dropout: expected a recurrent network, got window"),
        ("window", {"tied": True}, r"tied: expected a recurrent network, got window"),
        ("window", {"layers": 2}, r"layers: expected a recurrent network, got window"),
        ("lstm", {"window": 4}, r"window: expected the window model, got lstm"),
        ("lstm", {"order": 3}, r"order: expected an n-gram model, got lstm"),
        ("bigram", {"order": 3}, r"order: expected an n-gram model, got bigram"),
        ("ngram", {"hidden": 64}, r"hidden: expected a network, got ngram"),
        ("ngram", {"weight_dropout": 0.2}, r"weight dropout: expected a recurrent network, got ngram"),
        ("contexts", {"rate": 0.1}, r"rate: expected a network, got contexts"),
        ("ngram", {"k": 0.5}, r"k: expected the smoothing add-k, got witten-bell"),
        ("lstm", {"cutoffs": (5, 2)}, r"cutoffs: expected rising ids .*, got \(5, 2\)"),
        ("rnn", {"rate": 0.0}, r"learning rate: expected a positive number, got 0\.0"),
        ("rnn", {"epochs": 0}, r"epochs: expected at least 1, got 0"),
        ("rnn", {"hidden": 0}, r"hidden: expected at least 1, got 0"),
        ("lstm", {"layers": 0}, r"layers: expected at least 1, got 0"),
        ("gru", {"embedding": -1}, r"embedding: expected at least 0, got -1"),
        ("window", {"embedding": 0}, r"embedding: expected at least 1, got 0"),
        ("window", {"window": 0}, r"window: expected at least 1, got 0"),
        ("rnn", {"batch": 0}, r"batch: expected at least 1, got 0"),
        ("rnn", {"steps": 0}, r"steps: expected at least 1, got 0"),
        ("rnn", {"steps": 10**6}, r"training text: expected at least 1000001 tokens"),
        ("rnn", {"clip": math.nan}, r"clip: expected a positive norm, got nan"),
        ("rnn", {"seconds": math.nan}, r"seconds: expected .*, got nan"),
        ("rnn", {"seconds": -1.0}, r"seconds: expected .*, got -1\.0"),
        ("rnn", {"patience": 0}, r"patience: expected at least 1, got 0"),
    ],
)
def test_recipes_without_a_meaning_are_refused(kind: str, changes: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words):
        fit(recipe(kind, **changes), DATA)


@pytest.mark.parametrize("kind", ["uniform", "bigram", "ngram", "contexts"])
def test_what_is_counted_keeps_to_any_seed_and_time(kind: str) -> None:
    fit(recipe(kind, seed=7, seconds=30.0), DATA)


def test_every_setting_has_models_that_use_it() -> None:
    told = [name for _, _, names in USES for name in names]
    rest = {"kind", "seed", "seconds", "engine", "device", "compiled"}  # of all, or the engine's
    assert sorted([*told, *rest]) == sorted(field.name for field in fields(Recipe))


# --- the ladder --------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def table() -> list[Row]:
    return list(compare_models(DATA, budget=3.0, sample_length=30))


def test_the_ladder_is_climbed_in_the_order_of_the_lecture(table: list[Row]) -> None:
    names = [row.name for row in table]
    assert names[:3] == ["uniform", "unigram", "bigram"]
    assert names[3].startswith("add-")
    assert names[4].startswith("Witten-Bell")
    assert names[3].endswith("-gram")
    assert names[5:9] == ["window MLP", "RNN", "GRU", "LSTM"]
    assert names[9].startswith(names[4]) or names[9].startswith(names[3])
    assert names[9].split(" + ")[1] in names[6:9]
    assert names[10:] == ["context mixing", "all three"]
    states = [row.fitted.state for row in table]
    assert states[:3] == ["nothing", "nothing", "the last token"]
    assert states[5] == "the last 8 tokens"
    assert all(state.startswith("a vector of ") for state in states[6:9])
    assert states[9:] == ["those of 2 models", "all that was read", "those of 3 models"]
    units = ["parameters"] + ["n-grams"] * 4 + ["parameters"] * 4 + ["numbers", "tokens", "numbers"]
    assert [row.fitted.unit for row in table] == units


def test_guessing_has_perplexity_v(table: list[Row]) -> None:
    for report in (table[0].held_out, table[0].train):
        assert report.perplexity == pytest.approx(DATA.codec.vocab_size, rel=1e-12)


def test_every_row_is_billed_for_the_same_text(table: list[Row]) -> None:
    for row in table:
        assert row.held_out.tokens == len(DATA.test.ids) == len(row.surprisal)
        assert row.held_out.counts.characters == len(DATA.test.text)
        assert row.train.tokens == len(DATA.test.ids)  # a stretch of the training text as long
        assert row.held_out.nats == pytest.approx(row.surprisal.sum())
        assert len(row.sample) == 30


def test_differences_are_those_to_the_row_before(table: list[Row]) -> None:
    assert table[0].difference is None
    for before, row in pairwise(table):
        if row.held_out.online and not before.held_out.online:  # the two kinds of figures do not compare
            assert row.difference is None
            continue
        assert row.difference
        less = row.held_out.bits_per_character - before.held_out.bits_per_character
        assert row.difference.mean == pytest.approx(less)
        assert row.difference.low < less < row.difference.high


def test_counting_more_predicts_better(table: list[Row]) -> None:
    uniform, unigram, bigram, _, witten_bell = (row.held_out.perplexity for row in table[:5])
    assert uniform > unigram > bigram > witten_bell > 1


def test_what_learns_as_it_reads_says_so(table: list[Row]) -> None:
    assert [row.held_out.online for row in table] == [False] * 10 + [True] * 2


def test_a_mixture_is_as_good_as_its_best_member_or_better(table: list[Row]) -> None:
    nats = {row.name: row.held_out.nats for row in table}
    assert table[9].held_out.nats < 1.01 * min(nats[name] for name in table[9].name.split(" + "))


def test_networks_have_curves_and_counts_have_none(table: list[Row]) -> None:
    for row in table[:5]:
        assert row.fitted.curve == ()
    for row in table[5:9]:
        assert row.fitted.curve
        assert all(math.isfinite(point.valid) for point in row.fitted.curve)


def test_the_table_goes_through_json(table: list[Row]) -> None:
    for row in table:
        assert json.loads(json.dumps(row.as_dict(), allow_nan=False))["model"] == row.name


def test_the_unknown_symbol_is_billed_but_never_spoken(monkeypatch: pytest.MonkeyPatch) -> None:
    text = small_text(900) + " marmalade"
    data = make_dataset(*split_text(text), tokenizer="words", min_freq=2)
    monkeypatch.setattr(comparing, "ladder", lambda data, seed: ladder(data, seed)[:1])
    monkeypatch.setattr(comparing, "together", lambda data, made: [])
    (row,) = compare_models(data, budget=1.0)
    assert row.held_out.unknown == 1  # marmalade stands at the end, in the test part alone
    assert not row.held_out.codes_everything
    assert "<unk>" not in row.sample
    assert row.held_out == evaluate_part(Uniform(data.codec.vocab_size), data.test, data.codec).report


@pytest.mark.parametrize("lost", ["validation", "test"])
def test_there_must_be_something_to_choose_and_to_test_on(lost: str) -> None:
    data = make_dataset(
        small_text(), "" if lost == "validation" else "the time", "" if lost == "test" else "a"
    )
    with pytest.raises(InputError, match=f"{lost} part: expected at least one token, got none"):
        compare_models(data)


def test_a_text_shorter_than_one_window_is_refused_before_anything_is_fitted() -> None:
    with pytest.raises(InputError, match=r"training text: expected at least 33 tokens .*, got 5"):
        compare_models(make_dataset("abcde", "ab", "ab"))


def test_a_budget_without_a_meaning_is_refused() -> None:
    with pytest.raises(InputError, match="budget: expected a positive number of seconds, got 0"):
        list(compare_models(DATA, budget=0.0))
