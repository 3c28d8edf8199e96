"""The learning rate over a run."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chainrule.core import InputError
from chainrule.training import Plateau, constant, cosine
from chainrule.training.schedules import check_warmup

share = st.floats(0, 1)


@given(share)
def test_constant_is_the_full_rate(done: float) -> None:
    assert constant(done) == 1


def test_cosine_at_its_marks() -> None:
    # the full rate at the end of the warm-up, half way down in the middle of what is left, then the floor
    assert cosine(0.025, warmup=0.05) == pytest.approx(0.5)
    assert cosine(0.05, warmup=0.05) == 1
    assert cosine(0.6, warmup=0.2, floor=0.1) == pytest.approx(0.1 + 0.9 / 2)
    assert cosine(1.0, floor=0.1) == pytest.approx(0.1)
    assert cosine(0.0, warmup=0.0) == 1


@given(share, share)
def test_cosine_rises_in_the_warm_up_and_falls_after_it(one: float, other: float) -> None:
    early, late = sorted((one, other))
    assert 0 < cosine(early) <= 1  # a rate of zero would waste the first step
    if late <= 0.05:
        assert cosine(early) <= cosine(late)
    if early >= 0.05:
        assert cosine(early) >= cosine(late)


@pytest.mark.parametrize("warmup", [-0.1, 1.0, math.nan])
def test_a_warm_up_without_a_meaning_is_refused(warmup: float) -> None:
    with pytest.raises(InputError, match=f"warmup: expected a share from 0 to below 1, got {warmup}"):
        check_warmup(warmup)


# --- halved on a plateau ------------------------------------------------------------------------------------


def factors(valid: list[float], patience: int) -> list[float]:
    plateau, found = Plateau(patience), []
    for value in valid:
        plateau = plateau.after(value)
        found.append(plateau.factor)
    return found


def test_the_rate_is_halved_after_epochs_that_were_no_better() -> None:
    assert factors([3.0, 2.0, 2.5, 2.0, 1.0, 1.5], 1) == [1, 1, 0.5, 0.25, 0.25, 0.125]
    assert factors([3.0, 2.0, 2.5, 2.0, 1.0, 1.5], 2) == [1, 1, 1, 0.5, 0.5, 0.5]
    assert factors([math.nan, 1.0, math.nan], 1) == [0.5, 0.5, 0.25]


def test_a_validation_within_an_epoch_tries_nobodys_patience() -> None:
    plateau = Plateau(1).after(2.0).after(3.0, epoch_ends=False)
    assert (plateau.factor, plateau.waited) == (1, 0)
    assert plateau.after(1.0, epoch_ends=False).best == 1.0


@given(st.lists(st.floats(0, 5)), st.integers(1, 4))
def test_a_plateau_is_a_value_that_only_falls(valid: list[float], patience: int) -> None:
    plateau, best = Plateau(patience), math.inf
    for value in valid:
        after = plateau.after(value)
        assert plateau.after(value) == after
        best = min(best, value)
        assert after.best == best
        assert after.floor <= after.factor <= plateau.factor
        assert after.factor in (plateau.factor, plateau.factor / 2, after.floor)
        assert after.waited < patience
        plateau = after
