"""The table: whose time it is, what stands beside a row, and an interval that means what it says."""

import json
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from chainrule.core import InputError, TokenModel
from chainrule.models.uniform import Uniform
from chainrule.tasks import comparison
from chainrule.tasks.comparison import Candidate, CurvePoint, Fitted, Row, Scored, block_bootstrap, compare
from chainrule.tasks.evaluation import Evaluation, TextCounts

Tell = Callable[[float], None]


# --- the interval ------------------------------------------------------------------------------------------


def autoregressive(phi: float, length: int, rng: np.random.Generator) -> np.ndarray:
    """x_t = phi x_{t-1} + noise, from its stationary law, of mean 0: neighbours are alike."""
    x = np.empty(length)
    x[0] = rng.normal() / math.sqrt(1 - phi**2)
    for t, noise in enumerate(rng.normal(size=length - 1), 1):
        x[t] = phi * x[t - 1] + noise
    return x


def coverage(phi: float, block: int | None) -> float:
    """How often the interval of 200 sequences holds the true mean."""
    held = 0
    for seed in range(200):
        rng = np.random.default_rng(seed)
        interval = block_bootstrap(autoregressive(phi, 900, rng), rng, block=block, draws=200)
        assert interval
        held += interval.low <= 0 <= interval.high
    return held / 200


def test_the_interval_holds_the_truth_where_neighbours_are_alike() -> None:
    assert 0.85 < coverage(0.7, None) < 0.99
    assert coverage(0.7, 1) < 0.7  # as if the tokens were independent: far too sure of itself


def test_the_interval_holds_the_truth_where_they_are_not() -> None:
    assert 0.89 < coverage(0.0, None) < 0.99
    assert 0.89 < coverage(0.0, 1) < 0.99


@pytest.mark.parametrize("length", [1, 2, 100, 1000])
@pytest.mark.parametrize("block", [None, 1, 7, 5000])
def test_the_mean_lies_in_its_interval(length: int, block: int | None) -> None:
    rng = np.random.default_rng(length)
    values = rng.normal(3, 1, length)
    interval = block_bootstrap(values, rng, block=block)
    assert interval
    assert interval.mean == pytest.approx(values.mean())
    assert interval.low <= interval.mean + 1e-9
    assert interval.mean - 1e-9 <= interval.high


def test_a_constant_has_no_spread() -> None:
    interval = block_bootstrap(np.full(50, 2.5), np.random.default_rng(0))
    assert interval == pytest.approx((2.5, 2.5, 2.5))


@pytest.mark.parametrize("bad", [math.inf, -math.inf, math.nan])
def test_infinities_have_no_interval(bad: float) -> None:
    assert block_bootstrap(np.array([0.0, bad, 1.0]), np.random.default_rng(0)) is None
    assert block_bootstrap(np.empty(0), np.random.default_rng(0)) is None


# --- the table ---------------------------------------------------------------------------------------------


class Clock:
    """Time that passes when a test says so."""

    now = 0.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(comparison, "time", clock)
    return clock


class Stage:
    """Candidates whose fitting takes a stated time, and a record of what they were allowed."""

    def __init__(self, clock: Clock) -> None:
        self.clock, self.allowed = clock, dict[str, float]()

    def candidate(self, name: str, seconds: float, *, timed: bool = False, size: int = 2) -> Candidate:
        def fit(allowance: float, tell: Tell) -> Fitted:
            self.allowed[name] = allowance
            tell(0.5)
            self.clock.now += min(seconds, allowance) if timed else seconds
            tell(1.0)
            return Fitted(Uniform(size), "nothing", 0, "parameters", tokens=1000)

        return Candidate(name, fit, timed)


TOKENS = np.array([0, 1, 1, 0, 1, 0])


def scored(model: TokenModel[Any]) -> Scored:
    log_probs, _ = model.score(model.start(1), TOKENS[None])
    nats = -log_probs[0]
    return Scored(Evaluation(float(nats.sum()), 6, TextCounts(1, 12, 12), "bpe"), nats)


def rows(candidates: list[Candidate], budget: float = 10.0, **options: Any) -> list[Row]:
    settings: dict[str, Any] = {
        "evaluate_train": scored,
        "evaluate_held_out": scored,
        "draw_sample": lambda model: f"a sample of {model.vocab_size}",
        "rng": np.random.default_rng(0),
    }
    return list(compare(candidates, budget=budget, **(settings | options)))


def test_the_timed_share_what_the_others_leave(clock: Clock) -> None:
    stage = Stage(clock)
    rows(
        [
            stage.candidate("counted", 1.0),
            stage.candidate("first", 99.0, timed=True),
            stage.candidate("quick", 1.0, timed=True),
            stage.candidate("last", 99.0, timed=True),
        ]
    )
    # 9 s are left for three; what the quick one leaves is not the last one's, which would compare unequals
    assert [stage.allowed[name] for name in ("first", "quick", "last")] == pytest.approx([3, 3, 3])
    assert clock.now == pytest.approx(8)


def test_whoever_comes_after_the_budget_is_spent_still_gets_a_little(clock: Clock) -> None:
    stage = Stage(clock)
    rows([stage.candidate("slow", 50.0), stage.candidate("late", 99.0, timed=True)])
    assert 0 < stage.allowed["late"] <= 1


@pytest.mark.parametrize("budget", [0.0, -1.0, math.nan, math.inf])
def test_a_budget_without_a_meaning_is_refused(budget: float, clock: Clock) -> None:
    with pytest.raises(InputError, match=f"budget: expected a positive number of seconds, got {budget}"):
        rows([Stage(clock).candidate("any", 1.0)], budget)


def test_a_row_comes_as_soon_as_it_is_done(clock: Clock) -> None:
    stage = Stage(clock)
    table = compare(
        [stage.candidate("one", 1.0), stage.candidate("two", 1.0)],
        budget=10,
        evaluate_train=scored,
        evaluate_held_out=scored,
        draw_sample=lambda model: "",
        rng=np.random.default_rng(0),
    )
    assert next(table).name == "one"
    assert "two" not in stage.allowed


def test_what_stands_in_a_row(clock: Clock) -> None:
    stage, told = Stage(clock), list[tuple[str, float]]()
    first, second = rows(
        [stage.candidate("sharp", 2.0), stage.candidate("blunt", 4.0, size=8)],
        report=lambda name, done: told.append((name, done)),
    )
    assert (first.name, first.seconds, first.tokens_per_second, first.sample) == (
        "sharp",
        2.0,
        500.0,
        "a sample of 2",
    )
    assert first.difference is None
    np.testing.assert_allclose(second.surprisal, np.full(6, math.log(8)))
    # 3 bits a token less 1, and two characters a token
    assert second.difference == pytest.approx((1.0, 1.0, 1.0))
    assert told == [("sharp", 0.5), ("sharp", 1.0), ("blunt", 0.5), ("blunt", 1.0)]


def test_the_name_that_fitting_found_stands_in_the_table(clock: Clock) -> None:
    def fit(allowance: float, tell: Tell) -> Fitted:
        clock.now += 1
        return Fitted(Uniform(2), "nothing", 0, "parameters", 1, name="Witten-Bell 4-gram")

    assert rows([Candidate("Witten-Bell", fit)])[0].name == "Witten-Bell 4-gram"


def test_beside_an_infinite_bill_there_is_no_difference(clock: Clock) -> None:
    def ruined(model: TokenModel[Any]) -> Scored:
        report, nats = scored(model)
        return (
            Scored(report, np.where(TOKENS == 1, math.inf, nats))
            if model.vocab_size == 3
            else Scored(report, nats)
        )

    stage = Stage(clock)
    table = rows([stage.candidate(str(n), 1.0, size=n) for n in (2, 3, 3, 2, 2)], evaluate_held_out=ruined)
    assert [row.difference is None for row in table] == [True, True, True, True, False]


@pytest.mark.parametrize("seconds", [2.0, 0.0])
def test_a_row_goes_through_json(clock: Clock, seconds: float) -> None:
    def fit(allowance: float, tell: Tell) -> Fitted:
        clock.now += seconds
        curve = (CurvePoint(1.0, 0.5, 2.0, math.nan), CurvePoint(2.0, 1.0, 1.0, 1.5))
        return Fitted(Uniform(2), "nothing", 3, "parameters", 1000, curve, note="stopped early")

    _, row = rows([Candidate("before", fit), Candidate("any", fit)])
    back = json.loads(json.dumps(row.as_dict(), allow_nan=False))
    assert back["model"] == "any"
    assert float(back["tokens_per_second"]) == (500 if seconds else math.inf)
    assert float(back["curve"][0]["valid"]) != float(back["curve"][0]["valid"])
    assert back["curve"][1]["valid"] == 1.5
    assert back["difference"] == {"mean": 0, "low": 0, "high": 0}
    assert back["held_out"]["perplexity"] == pytest.approx(2)
    assert (back["note"], back["size"], back["size_unit"]) == ("stopped early", 3, "parameters")
