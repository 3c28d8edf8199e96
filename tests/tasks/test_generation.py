"""What is drawn from: known distributions, cut and sharpened, and a sampler that keeps to them."""

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from chainrule.core import InputError, TokenModel
from chainrule.models.ngram import NgramModel, WittenBell, count_ngrams
from chainrule.models.uniform import Uniform
from chainrule.tasks.generation import Sampler, Sampling, generate, likeliest, sampling_log_probs

P = (0.4, 0.1, 0.3, 0.2)


def logs(*p: float) -> np.ndarray:
    with np.errstate(divide="ignore"):
        return np.log(np.array([p]))


def shaped(p: tuple[float, ...] = P, **how: Any) -> list[float]:
    """The distribution that is drawn from."""
    return np.exp(sampling_log_probs(logs(*p), Sampling(**how)))[0].tolist()


# --- cuts on a known distribution --------------------------------------------------------------------------

CUTS: list[tuple[dict[str, Any], list[float]]] = [
    ({}, [0.4, 0.1, 0.3, 0.2]),
    ({"temperature": 0}, [1, 0, 0, 0]),
    ({"temperature": 0.5}, [16 / 30, 1 / 30, 9 / 30, 4 / 30]),  # p^2, summed to 1
    ({"top_k": 1}, [1, 0, 0, 0]),
    ({"top_k": 2}, [4 / 7, 0, 3 / 7, 0]),
    ({"top_k": 3}, [4 / 9, 0, 3 / 9, 2 / 9]),
    ({"top_k": 4}, [0.4, 0.1, 0.3, 0.2]),
    ({"top_k": 9}, [0.4, 0.1, 0.3, 0.2]),
    ({"top_p": 0.01}, [1, 0, 0, 0]),  # the likeliest is always kept
    ({"top_p": 0.39}, [1, 0, 0, 0]),
    ({"top_p": 0.41}, [4 / 7, 0, 3 / 7, 0]),  # the fewest whose mass reaches p
    ({"top_p": 0.69}, [4 / 7, 0, 3 / 7, 0]),
    ({"top_p": 0.71}, [4 / 9, 0, 3 / 9, 2 / 9]),
    ({"top_p": 1.0}, [0.4, 0.1, 0.3, 0.2]),
    ({"min_p": 0.2}, [0.4, 0.1, 0.3, 0.2]),  # at least 0.08
    ({"min_p": 0.3}, [4 / 9, 0, 3 / 9, 2 / 9]),  # 0.12
    ({"min_p": 0.6}, [4 / 7, 0, 3 / 7, 0]),  # 0.24
    ({"min_p": 1.0}, [1, 0, 0, 0]),
    # in order: what the top k leave is 4/9 3/9 2/9; of that the nucleus of 0.5 is 4/7 3/7
    ({"top_k": 3, "top_p": 0.5}, [4 / 7, 0, 3 / 7, 0]),
    ({"top_k": 3, "top_p": 0.44}, [1, 0, 0, 0]),  # 4/9 reaches 0.44, 0.4 would not
    ({"temperature": 0.5, "top_p": 0.5}, [1, 0, 0, 0]),  # 16/30 reaches 0.5, 0.4 would not
    ({"temperature": 0.5, "min_p": 0.5}, [16 / 25, 0, 9 / 25, 0]),  # 9/16 and 1/4 of the likeliest
    ({"top_k": 3, "top_p": 0.9, "min_p": 0.7}, [4 / 7, 0, 3 / 7, 0]),
    ({"banned": (0,)}, [0, 1 / 6, 3 / 6, 2 / 6]),
    ({"banned": (0, 3), "top_k": 1}, [0, 0, 1, 0]),
    ({"banned": (0,), "temperature": 0}, [0, 0, 1, 0]),
]


@pytest.mark.parametrize(("how", "expected"), CUTS, ids=[str(how) for how, _ in CUTS])
def test_cuts(how: dict[str, Any], expected: list[float]) -> None:
    assert shaped(**how) == pytest.approx(expected, abs=1e-12)


def test_of_tokens_that_are_alike_no_more_are_kept_than_were_asked_for() -> None:
    # counted models give every token that never followed the same probability: k must still mean k
    assert np.count_nonzero(shaped((0.4, 0.2, 0.2, 0.2), top_k=2)) == 2
    assert shaped((0.25,) * 4, top_k=1) == [1, 0, 0, 0]
    assert np.count_nonzero(shaped((0.25,) * 4, top_p=0.5)) == 2


def test_rows_are_cut_each_for_itself() -> None:
    both = np.concatenate([logs(*P), logs(0.1, 0.7, 0.1, 0.1)])
    how = Sampling(top_p=0.65)
    np.testing.assert_allclose(
        np.exp(sampling_log_probs(both, how)), [[4 / 7, 0, 3 / 7, 0], [0, 1, 0, 0]], atol=1e-12
    )


def test_the_likeliest_is_taken_for_a_temperature_on_its_way_to_zero() -> None:
    for temperature in (0.01, 1e-5, 1e-300, 5e-324):
        assert shaped(temperature=temperature) == pytest.approx([1, 0, 0, 0], abs=1e-12), temperature


def test_what_is_possible_is_equally_likely_for_a_temperature_on_its_way_to_infinity() -> None:
    for temperature in (1e6, 1e300):
        assert shaped(temperature=temperature) == pytest.approx([0.25] * 4, abs=1e-5)
        assert shaped((0.5, 0.0, 0.25, 0.25), temperature=temperature) == pytest.approx(
            [1 / 3, 0, 1 / 3, 1 / 3], abs=1e-5
        )


distributions = arrays(np.float64, (3, 5), elements=st.floats(0, 1)).map(
    lambda weights: np.log((weights + 1e-9) / (weights + 1e-9).sum(axis=1, keepdims=True))
)
fraction = st.floats(0.01, 1)


@given(
    distributions,
    st.floats(0, 5),
    st.none() | st.integers(1, 6),
    st.none() | fraction,
    st.none() | fraction,
    st.sets(st.integers(0, 4), max_size=4),
)
def test_what_is_drawn_from_is_a_distribution_without_the_banned(
    log_probs: np.ndarray,
    temperature: float,
    top_k: int | None,
    top_p: float | None,
    min_p: float | None,
    banned: set[int],
) -> None:
    kept = log_probs.copy()
    p = np.exp(sampling_log_probs(log_probs, Sampling(temperature, top_k, top_p, min_p, tuple(banned))))
    np.testing.assert_array_equal(log_probs, kept)
    np.testing.assert_allclose(p.sum(axis=1), 1)
    assert not p[:, list(banned)].any()
    # nothing is kept that is less likely than something that is cut
    for row, before in zip(p, log_probs, strict=True):
        cut = [before[v] for v in range(5) if row[v] == 0 and v not in banned]
        assert all(before[v] >= max(cut, default=-math.inf) for v in range(5) if row[v] > 1e-300)
        assert row[max(set(range(5)) - banned, key=lambda v: before[v])] > 0


def test_banning_all_that_is_possible_is_refused() -> None:
    with pytest.raises(InputError, match="every token that the model thinks possible is banned"):
        shaped((0.0, 1.0, 0.0), banned=(1,))


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ({"temperature": -0.1}, "temperature: expected 0 or more, got -0.1"),
        ({"temperature": math.nan}, "temperature: expected 0 or more, got nan"),
        ({"temperature": math.inf}, "temperature: expected 0 or more, got inf"),
        ({"top_k": 0}, "top-k: expected at least 1, got 0"),
        ({"top_p": 0.0}, "top-p: expected above 0 and at most 1, got 0.0"),
        ({"top_p": 1.1}, "top-p: expected above 0 and at most 1, got 1.1"),
        ({"min_p": math.nan}, "min-p: expected above 0 and at most 1, got nan"),
    ],
)
def test_settings_without_a_meaning_are_refused(how: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words):
        Sampling(**how)


# --- drawing -----------------------------------------------------------------------------------------------

CHI_SQUARE = {1: 10.83, 2: 13.82, 3: 16.27}  # passed once in a thousand, by degrees of freedom


@pytest.mark.parametrize(
    "how", [{}, {"temperature": 2.0}, {"top_k": 3}, {"top_p": 0.6}, {"banned": (2,)}, {"min_p": 0.5}]
)
def test_frequencies_keep_to_the_distribution(how: dict[str, Any]) -> None:
    draws = 20_000
    choose = Sampler(Sampling(**how), np.random.default_rng(7))
    counts = np.bincount(choose(np.repeat(logs(*P), draws, axis=0)), minlength=4)
    expected = np.array(shaped(**how)) * draws
    possible = expected > 0
    assert not counts[~possible].any()
    statistic = ((counts - expected)[possible] ** 2 / expected[possible]).sum()
    assert statistic < CHI_SQUARE[possible.sum() - 1]


class Fixed(np.random.Generator):
    """Random numbers that are chosen by the test."""

    def __init__(self, *numbers: float) -> None:
        super().__init__(np.random.PCG64(0))
        self.numbers = np.array(numbers)

    def random(self, size: int) -> np.ndarray:
        assert size == len(self.numbers)
        return self.numbers


def test_what_is_impossible_is_not_drawn_even_at_the_edges() -> None:
    last = np.nextafter(1, 0)
    numbers = (0.0, np.nextafter(0.5, 0), 0.5, last)
    choose = Sampler(Sampling(), Fixed(*numbers))
    assert choose(np.repeat(logs(0.0, 0.5, 0.0, 0.5, 0.0), 4, axis=0)).tolist() == [1, 1, 3, 3]


def test_one_seed_draws_the_same_again() -> None:
    p = np.repeat(logs(*P), 50, axis=0)
    one, other, different = (Sampler(Sampling(), np.random.default_rng(seed))(p) for seed in (1, 1, 2))
    assert one.tolist() == other.tolist()
    assert one.tolist() != different.tolist()


# --- speaking ----------------------------------------------------------------------------------------------

LETTERS = "abcdr"
MODEL = NgramModel(count_ngrams([np.array([LETTERS.index(c) for c in "abracadabra"])], 5, 3), WittenBell())
GREEDY = Sampling(temperature=0)


def ids(text: str) -> np.ndarray:
    return np.array([LETTERS.index(c) for c in text], dtype=np.int64)


def spoken(prompt: str, steps: int) -> str:
    choose = Sampler(GREEDY, np.random.default_rng(0))
    return "".join(LETTERS[int(row[0])] for row in generate(MODEL, ids(prompt)[None], steps, choose))


def test_greedy_speech_by_hand() -> None:
    # ab -> r, br -> a, ra -> c (the only one that followed), ac -> a, ca -> d, ad -> a, da -> b, ab -> r
    assert spoken("ab", 9) == "racadabra"
    assert spoken("", 1) == "a"  # the most frequent letter, without a prompt


def test_reading_a_prompt_is_feeding_its_tokens() -> None:
    prompt = ids("abrac")
    state = MODEL.start(1)
    for token in prompt:
        state = MODEL.advance(state, np.array([token]))
    expected = []
    for _ in range(6):
        token = MODEL.predict(state).argmax(axis=1)
        expected.append(int(token[0]))
        state = MODEL.advance(state, token)
    assert [LETTERS.index(c) for c in spoken("abrac", 6)] == expected


def test_rows_speak_each_for_itself() -> None:
    choose = Sampler(GREEDY, np.random.default_rng(0))
    both = list(generate(MODEL, np.stack([ids("ab"), ids("ca")]), 5, choose))
    assert ["".join(LETTERS[row[i]] for row in both) for i in (0, 1)] == [spoken("ab", 5), spoken("ca", 5)]


def test_banned_ids_are_never_spoken() -> None:
    choose = Sampler(Sampling(banned=(0, 4)), np.random.default_rng(0))
    rows = np.array(list(generate(Uniform(5), np.zeros((50, 1), np.int64), 40, choose)))
    assert set(rows.ravel().tolist()) == {1, 2, 3}


def test_nothing_is_said_in_no_steps() -> None:
    choose = Sampler(GREEDY, np.random.default_rng(0))
    assert list(generate(MODEL, ids("ab")[None], 0, choose)) == []
    with pytest.raises(InputError, match="length: expected 0 or more, got -1"):
        list(generate(MODEL, ids("ab")[None], -1, choose))


def test_the_likeliest_next_by_hand() -> None:
    # after ab: r 131/144; without a prompt: a 6/16, then b and r alike, the smaller id first
    assert likeliest(MODEL, ids("ab"), 1) == [(4, pytest.approx(131 / 144))]
    assert likeliest(MODEL, ids(""), 3) == [
        (0, pytest.approx(6 / 16)),
        (1, pytest.approx(3 / 16)),
        (4, pytest.approx(3 / 16)),
    ]
    assert [i for i, _ in likeliest(MODEL, ids(""), 2, banned={0, 4})] == [1, 2]
    every = likeliest(MODEL, ids("abr"), 99)
    assert len(every) == 5
    assert sum(p for _, p in every) == pytest.approx(1)


def test_the_likeliest_of_nothing_is_refused() -> None:
    with pytest.raises(InputError, match="k: expected at least 1, got 0"):
        likeliest(MODEL, ids("ab"), 0)


def test_a_prompt_with_an_id_that_does_not_exist_is_refused_where_it_stands() -> None:
    prompt = np.array([0, 1, 7])
    model: TokenModel[Any] = MODEL
    with pytest.raises(InputError, match=r"expected ids in 0\.\.4, got 7 at row 0, step 2"):
        list(generate(model, prompt[None], 1, Sampler(GREEDY, np.random.default_rng(0))))
    with pytest.raises(InputError, match=r"expected ids in 0\.\.4, got 7 at .*step 2"):
        likeliest(model, prompt, 1)
