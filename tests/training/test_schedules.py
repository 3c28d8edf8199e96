"""The learning rate over a run."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chainrule.training import constant, cosine

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
