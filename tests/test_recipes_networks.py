"""Recipes of networks: what is chosen where nobody said, options, memory, and the learning rate."""

import json
import math
import re
from dataclasses import asdict, replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chainrule.core import InputError
from chainrule.data.dataset import make_dataset, split_text
from chainrule.models.recurrent import RecurrentModel
from chainrule.recipes import NETWORKS, RECURRENT, Recipe, choose, filled, find_rate, fit, memory
from chainrule.recipes.memory import check_memory, memory_needed
from tests.test_recipes import DATA, held_out, recipe, small_text

LONG = make_dataset(*split_text(small_text(20_000)))

# --- what is chosen ----------------------------------------------------------------------------------------

sizes = st.integers(1, 10**8)


@given(sizes, st.integers(2, 10**5), st.none() | st.floats(1, 10**5), st.sampled_from(NETWORKS))
def test_what_is_chosen_is_a_network_that_can_be_made(
    tokens: int, vocab_size: int, seconds: float | None, kind: str
) -> None:
    choice = choose(tokens, vocab_size, seconds, kind=kind)
    assert choice == choose(tokens, vocab_size, seconds, kind=kind)
    assert min(choice.hidden, choice.batch, choice.steps, choice.epochs) >= 1
    assert 0 <= choice.dropout < 1
    assert 0 < choice.rate < 0.1
    assert (choice.embedding > 0) == (vocab_size > 256 or kind == "window")
    assert list(choice.cutoffs) == sorted(set(choice.cutoffs))
    assert all(0 < cutoff < vocab_size for cutoff in choice.cutoffs)
    assert choice.why


def test_larger_texts_get_more_units_and_fewer_passes() -> None:
    chosen = [choose(tokens, 65) for tokens in (20_000, 200_000, 1_000_000, 10_000_000)]
    assert [choice.hidden for choice in chosen] == [128, 256, 512, 512]
    assert [choice.dropout for choice in chosen] == [0.0, 0.5, 0.35, 0.1]
    assert [choice.epochs for choice in chosen][1:] == [30, 8, 3]
    assert [choice.steps for choice in chosen] == [64, 64, 128, 128]


@pytest.mark.parametrize("kind", RECURRENT)
def test_a_text_that_is_read_a_few_times_gets_a_lower_rate(kind: str) -> None:
    often, seldom = (choose(tokens, 65, kind=kind).rate for tokens in (1_000_000, 10_000_000))
    assert seldom <= often
    assert choose(10_000_000, 65).rate < choose(1_000_000, 65).rate  # of an LSTM, which is trained fastest


def test_the_rest_goes_with_the_units_and_the_epochs_that_were_asked_for() -> None:
    small = choose(1_000_000, 65, hidden=64)
    assert (small.hidden, small.steps, small.rate, small.dropout) == (64, 64, 1e-2, 0.35)
    assert choose(1_000_000, 65, epochs=2).dropout == 0
    assert choose(200_000, 65, hidden=600).steps == 128
    assert choose(200_000, 20_000, hidden=100).embedding == 100


def test_what_compare_trains_is_what_it_was() -> None:
    for kind, hidden, rate in (
        ("window", 256, 8e-3), ("rnn", 256, 4e-3), ("gru", 128, 8e-3), ("lstm", 128, 1.5e-2)
    ):  # fmt: skip
        choice = choose(900_000, 65, 22.5, kind=kind)
        assert (choice.hidden, choice.rate, choice.batch, choice.steps) == (hidden, rate, 16, 32)
        assert (choice.dropout, choice.cutoffs, choice.epochs) == (0.0, (), 10_000)


def test_what_was_chosen_is_told_with_the_reason_and_what_was_asked_for_is_not() -> None:
    told: list[str] = []
    fit(Recipe("rnn", epochs=1, hidden=4), DATA, note=told.append)
    assert told == ["chosen: embedding 0, batch 32, steps 64, rate 0.004 (3,997 tokens to train on)"]
    given_all = recipe("rnn", rate=0.01, embedding=0, dropout=0.0, cutoffs=())
    fit(given_all, DATA, note=lambda line: pytest.fail(line))
    fit(Recipe("unigram"), DATA, note=lambda line: pytest.fail(line))


def test_a_tied_network_has_an_embedding_as_wide_as_its_hidden_vectors() -> None:
    assert filled(Recipe("lstm", tied=True, hidden=9), DATA)[0].embedding == 9
    assert filled(Recipe("lstm", tied=True), DATA)[0].embedding == 128


def test_the_rest_of_a_recipe_depends_on_the_optimiser() -> None:
    for optimizer, schedule, decay in (
        ("adam", "cosine", 0),
        ("adamw", "cosine", 0.01),
        ("sgd", "constant", 0),
    ):
        full, _ = filled(Recipe("lstm", optimizer=optimizer), DATA)
        assert (full.schedule, full.weight_decay) == (schedule, decay)


# --- options of networks -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "changes",
    [
        {"optimizer": "adamw", "weight_decay": 0.5},
        {"schedule": "constant"},
        {"schedule": "plateau", "rate": 0.05, "epochs": 6},
        {"warmup": 0.5},
        {"average": 0.0},
        {"dropout": 0.5},
        {"embedding_dropout": 0.5},
        {"weight_dropout": 0.5},
        {"layer_norm": True},
        {"tied": True},
        {"cutoffs": (3, 6)},
    ],
)
def test_every_option_of_a_network_makes_a_difference(changes: dict[str, Any]) -> None:
    fitted = fit(recipe("lstm", **changes), DATA)
    plain = {name: value for name, value in changes.items() if name in ("rate", "epochs")}
    assert held_out(fitted) != held_out(fit(recipe("lstm", **plain), DATA))
    assert Recipe(**json.loads(json.dumps(asdict(fitted.recipe)))) == fitted.recipe


def test_a_recipe_names_the_architecture() -> None:
    fitted = fit(recipe("lstm", layers=2, embedding=5, layer_norm=True, cutoffs=(4,)), DATA)
    assert isinstance(fitted.model, RecurrentModel)
    arch = fitted.model.arch
    assert (arch.layers, arch.embedding, arch.layer_norm, arch.cutoffs) == (2, 5, True, (4,))


# --- memory ------------------------------------------------------------------------------------------------


def test_a_network_that_does_not_fit_in_memory_is_refused_before_it_is_made(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    big = filled(Recipe("lstm", hidden=3000, batch=1000, steps=50, seed=1), LONG)[0]
    tokens, vocab_size = len(LONG.train.ids), LONG.codec.vocab_size
    monkeypatch.setattr(memory, "memory_free", lambda: 2_000_000_000)
    monkeypatch.setattr("chainrule.recipes.networks.RecurrentLearner", lambda *a, **k: pytest.fail("made"))
    with pytest.raises(
        InputError, match=r"memory: training may take .* GB, 2.0 GB are free: .* would fit"
    ) as raised:
        fit(big, LONG)
    offers = dict(re.findall(r"--(\w+) (\d+)", str(raised.value)))
    assert set(offers) == {"batch", "steps", "hidden"}
    for name, value in offers.items():
        fits, not_yet = (replace(big, **{name: int(value) * times}) for times in (1, 2))
        assert memory_needed(fits, tokens, vocab_size) <= 2e9
        assert memory_needed(min(not_yet, big, key=lambda r: getattr(r, name)), tokens, vocab_size) > 2e9


def test_where_nothing_fits_a_smaller_vocabulary_may(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "memory_free", lambda: 1000)
    with pytest.raises(InputError, match=r"0\.0 GB are free: a smaller vocabulary would fit"):
        fit(recipe("lstm"), DATA)


def test_a_machine_that_says_nothing_is_taken_at_its_word(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "memory_free", lambda: None)
    check_memory(filled(Recipe("lstm", hidden=10**6), DATA)[0], 10**9, 10**5)


def test_what_is_free_is_less_than_what_is_there() -> None:
    free = memory.memory_free()
    assert free is None or 0 < free <= (memory.memory_here() or math.inf)


@pytest.mark.parametrize("kind", NETWORKS)
@given(st.integers(1, 64), st.integers(1, 64), st.integers(1, 64))
def test_more_of_anything_takes_more_memory(kind: str, hidden: int, batch: int, steps: int) -> None:
    one = filled(Recipe(kind, hidden=hidden, batch=batch, steps=steps), DATA)[0]
    for name in ("hidden", "batch", "steps"):
        more = replace(one, **{name: 2 * getattr(one, name)})
        assert memory_needed(more, 10**6, 50) > memory_needed(one, 10**6, 50)


# --- the learning rate -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "optimizer"),
    [("rnn", "sgd"), ("window", "adam"), pytest.param("lstm", "adamw", marks=pytest.mark.slow)],
)
def test_a_learning_rate_is_found_for_a_recipe(kind: str, optimizer: str) -> None:
    told: list[float] = []
    sweep = find_rate(recipe(kind, optimizer=optimizer), DATA, told.append)
    assert sweep.rates[0] < sweep.suggested < sweep.rates[-1]
    assert told == sorted(told)
    again = find_rate(recipe(kind, optimizer=optimizer), DATA)
    np.testing.assert_array_equal(again.nats, sweep.nats)
