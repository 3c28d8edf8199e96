"""The loop: with a scripted learner for what it decides, with real networks for what it reaches."""

import json
import math
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np
import pytest

from chainrule.core import Batch, InputError, Step
from chainrule.data.partition import random_batches, sequential_batches
from chainrule.models.recurrent import RecurrentLearner
from chainrule.models.window import WindowLearner
from chainrule.tasks.evaluation import mean_nats_in_rows, surprisal
from chainrule.training import SGD, Adam, Plateau, Point, Training, cosine, loop, train
from chainrule.training.run import Density, Limits, Progress


class Scripted:
    """Its one parameter counts the steps under `SGD(1)`; what it claims to lose is read from a script.

    Its model is the count, so that a test sees which weights were kept. Its state is the number of
    batches that were read since the state was new.
    """

    def __init__(
        self,
        nats: Callable[[int], float] = lambda step: 1.0,
        gradient: Callable[[int], float] = lambda step: -1.0,
    ) -> None:
        self.parameters = {"w": np.zeros(1)}
        self.nats, self.gradient = nats, gradient
        self.calls = 0
        self.states: list[int] = []

    def start(self, batch: int) -> int:
        return 0

    def gradients(self, batch: Batch, state: int) -> Step[int]:
        self.calls += 1
        self.states.append(state)
        gradients = {"w": np.array([self.gradient(self.calls)])}
        return Step(self.nats(self.calls), batch.labels.size, gradients, state + 1)

    def model(self) -> float:
        return float(self.parameters["w"][0])


def batches(count: int, *, fresh: bool = False) -> Callable[[], Iterator[Batch]]:
    """Epochs of so many batches of two labels; the first of each is fresh, or all of them."""
    items = np.zeros((1, 3), dtype=np.int64)
    return lambda: (Batch(items, np.array([fresh or i == 0]), given=1) for i in range(count))


def run(
    learner: Scripted, epoch: Callable[[], Iterator[Batch]] | None = None, **options: Any
) -> Training[Any]:
    """Steps of one each; an epoch is one batch, unless given."""
    options.setdefault("theta", math.inf)
    return train(learner, epoch or batches(1), SGD(1.0), **options)


# --- what is carried ---------------------------------------------------------------------------------------


def test_the_state_is_carried_and_starts_anew_with_each_epoch() -> None:
    learner = Scripted()
    run(learner, batches(3), limits=Limits(2))
    assert learner.states == [0, 1, 2, 0, 1, 2]


def test_the_state_starts_anew_where_every_row_is_fresh() -> None:
    learner = Scripted()
    run(learner, batches(3, fresh=True), limits=Limits(1))
    assert learner.states == [0, 0, 0]


def test_no_epoch_begins_where_the_one_before_ended() -> None:
    learner = Scripted()
    stale = Batch(np.zeros((1, 3), dtype=np.int64), np.array([False]), given=1)
    run(learner, lambda: iter([stale, stale]), limits=Limits(2))
    assert learner.states == [0, 1, 0, 1]


# --- the limits --------------------------------------------------------------------------------------------


def test_a_run_without_validation_ends_with_its_last_weights() -> None:
    done = run(Scripted(), batches(2), limits=Limits(3))
    assert (done.model, done.stopped, done.advice) == (6, "finished", None)
    assert done.tokens == 12
    assert [(p.epoch, p.step, p.tokens) for p in done.history] == [(1, 2, 4), (2, 4, 8), (3, 6, 12)]
    assert all(math.isnan(p.valid) for p in done.history)


def test_it_stops_early_and_keeps_the_best_weights() -> None:
    valid = [3.0, 2.0, 1.0, 1.5, 1.2, 1.1, 0.5]  # better again, but only after three that were not
    done = run(Scripted(), limits=Limits(7, patience=3), validate=lambda model: valid[int(model) - 1])
    assert (done.model, done.stopped) == (3, "early")
    assert [p.valid for p in done.history] == valid[:6]


def test_patience_begins_anew_with_every_better_validation() -> None:
    valid = [3.0, 3.5, 2.0, 2.5, 2.0, 9.9]  # as good as the best is not better
    done = run(Scripted(), limits=Limits(6, patience=2), validate=lambda model: valid[int(model) - 1])
    assert (done.model, done.stopped, len(done.history)) == (3, "early", 5)


def test_the_best_weights_are_kept_where_a_run_ends_by_its_epochs() -> None:
    valid = [2.0, 1.0, 1.5]
    done = run(Scripted(), limits=Limits(3, patience=9), validate=lambda model: valid[int(model) - 1])
    assert (done.model, done.stopped) == (2, "finished")


@pytest.mark.parametrize("worthless", [math.nan, math.inf])
def test_a_validation_that_is_no_number_is_never_the_best(worthless: float) -> None:
    valid = [worthless, 1.0, worthless]
    done = run(Scripted(), limits=Limits(3), validate=lambda model: valid[int(model) - 1])
    assert done.model == 2


class Clock:
    """Time that passes by steps, not by itself."""

    now = 100.0

    def monotonic(self) -> float:
        return self.now


def test_the_time_limit_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    monkeypatch.setattr(loop, "time", clock)

    def tick(step: int) -> float:
        clock.now += 1
        return 1.0

    rates: list[float] = []
    done = run(
        Scripted(tick),
        batches(100),
        limits=Limits(10, seconds=4.5),
        validate=lambda model: 1 / model,
        schedule=lambda share: rates.append(share) or 1.0,
    )
    assert (done.model, done.stopped) == (5, "time")  # the step that the limit fell into is the last
    assert done.seconds == 5
    assert [p.step for p in done.history] == [1, 2, 3, 4, 5]  # more than a tenth of the time lies between
    # the share that is done is the share of the time, where time is shorter than the epochs
    assert list(dict.fromkeys(rates))[:5] == pytest.approx([1 / 4.5, 2 / 4.5, 3 / 4.5, 4 / 4.5, 1])


def test_a_time_limit_shorter_than_a_step_allows_one() -> None:
    done = run(Scripted(), batches(3), limits=Limits(9, seconds=1e-12), validate=lambda model: 1.0)
    assert (done.model, done.stopped, len(done.history)) == (1, "time", 1)


@pytest.mark.parametrize("limits", [Limits(0), Limits(-1)])
def test_limits_that_allow_nothing_are_refused(limits: Limits) -> None:
    with pytest.raises(InputError, match=f"epochs: expected at least 1, got {limits.epochs}"):
        run(Scripted(), limits=limits)


@pytest.mark.parametrize("theta", [0.0, -1.0, math.nan])
def test_a_clipping_norm_without_a_meaning_is_refused(theta: float) -> None:
    with pytest.raises(InputError, match=f"clip: expected a positive norm, got {theta}"):
        run(Scripted(), theta=theta)


# --- the log and the rate ----------------------------------------------------------------------------------


def test_gradients_are_clipped_and_the_norm_before_is_logged() -> None:
    learner = Scripted(gradient=lambda step: -5.0)
    done = run(learner, batches(4), theta=2.0, limits=Limits(1))
    assert done.model == 4 * 2.0  # |w| grew by theta a step, not by 5
    assert done.history[0].norm == 5.0


def test_the_log_holds_the_mean_loss_per_token_since_the_row_before() -> None:
    done = run(Scripted(lambda step: 2.0 * step), batches(2), limits=Limits(2))
    # two tokens a step: 2 nats, 4 nats | 6 nats, 8 nats
    assert [p.nats for p in done.history] == [6 / 4, 14 / 4]


def test_the_rate_follows_the_schedule_over_the_share_that_is_done() -> None:
    shares: list[float] = []

    def schedule(done: float) -> float:
        shares.append(done)
        return 1 - done

    learner = Scripted()
    done = train(learner, batches(2), SGD(8.0), limits=Limits(2), theta=math.inf, schedule=schedule)
    assert sorted(set(shares)) == [0, 0.25, 0.5, 0.75, 1]
    assert done.model == 8 * (1 + 0.75 + 0.5 + 0.25)


def test_whoever_waits_is_told_how_far_it_is() -> None:
    told: list[Progress] = []
    run(Scripted(), batches(2), limits=Limits(2), validate=lambda model: 3.0, report=told.append)
    assert [p.done for p in told] == [0.25, 0.5, 0.75, 1]
    assert [p.epoch for p in told[:1]] == [1]
    assert told[0].nats == 0.5
    assert math.isnan(told[0].valid)
    assert told[-1].valid == 3.0


def test_whoever_waits_is_told_how_long_it_will_take(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    monkeypatch.setattr(loop, "time", clock)

    def tick(step: int) -> float:
        clock.now += 2
        return 2.0

    told: list[Progress] = []
    learner = Scripted(tick, gradient=lambda step: 3.0)
    run(learner, batches(4), limits=Limits(2), validate=lambda model: 3.0, report=told.append)
    assert [p.left for p in told] == [14, 12, 10, 8, 6, 4, 2, 0]
    assert {p.tokens_per_second for p in told} == {1.0}  # two tokens in two seconds
    assert {p.norm for p in told} == {3.0}
    bits = told[-1]._replace(density=Density(0.5, 0.25))
    assert (bits.train_bits, bits.valid_bits) == pytest.approx((0.5 / math.log(2), 0.75 / math.log(2)))


def test_every_row_of_the_log_is_handed_on_as_it_is_made() -> None:
    rows: list[Point] = []
    done = run(Scripted(), batches(2), limits=Limits(3), log=rows.append)
    assert tuple(rows) == done.history


def test_a_plateau_halves_the_rate() -> None:
    valid = iter([3.0, 2.0, 2.5, 2.0, 1.0, 9.0])
    done = run(
        Scripted(), limits=Limits(6, patience=9), plateau=Plateau(1), validate=lambda model: next(valid)
    )
    assert [p.rate for p in done.history] == [1, 1, 1, 0.5, 0.25, 0.25]  # the rate of the steps before it
    assert done.model == 1 + 1 + 1 + 0.5 + 0.25


def test_the_average_is_validated_and_handed_back_and_training_goes_on_from_the_weights() -> None:
    asked: list[float] = []
    learner = Scripted()
    done = run(learner, limits=Limits(3), average=0.5, validate=lambda model: asked.append(model) or -model)
    # weights 1, 2, 3; decays 2/11, 3/12, 4/13
    second = 0.25 * 1 + 0.75 * 2
    third = 4 / 13 * second + 9 / 13 * 3
    assert asked == pytest.approx([1, second, third])
    assert done.model == pytest.approx(third)
    assert learner.parameters["w"] == [3.0]
    unvalidated = run(Scripted(), limits=Limits(3), average=0.5)
    assert unvalidated.model == pytest.approx(third)


def test_an_average_of_weights_that_diverged_is_not_kept() -> None:
    done = run(Scripted(lambda step: math.nan if step == 4 else 1.0), batches(9), average=0.9)
    assert done.stopped == "diverged"
    assert done.model in (2, 3)


def test_an_epoch_without_batches_is_refused() -> None:
    with pytest.raises(InputError, match="epoch: expected at least one batch, got none"):
        run(Scripted(), lambda: iter([]))


# --- runs that go wrong ------------------------------------------------------------------------------------


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_a_loss_that_is_not_finite_stops_the_run_with_advice(bad: float) -> None:
    learner = Scripted(lambda step: bad if step == 4 else 1.0)
    done = run(learner, batches(10), limits=Limits(1))
    assert done.stopped == "diverged"
    assert learner.calls == 4
    assert done.model in (2, 3)  # the bad step was not taken
    assert done.advice
    assert "learning rate" in done.advice


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_so_does_a_gradient_that_is_not_finite(bad: float) -> None:
    learner = Scripted(gradient=lambda step: bad if step == 4 else -1.0)
    done = run(learner, batches(10), limits=Limits(1), theta=1.0)
    assert (done.stopped, learner.calls) == ("diverged", 4)
    assert done.model in (2, 3)


def test_a_run_that_diverges_keeps_its_best_validated_weights() -> None:
    learner = Scripted(lambda step: math.nan if step == 6 else 1.0)
    valid = {2: 1.0, 4: 2.0}
    done = run(learner, batches(2), limits=Limits(9), validate=lambda model: valid.get(int(model), 9.0))
    assert (done.model, done.stopped) == (2, "diverged")


def test_one_easy_batch_does_not_make_bad_weights_of_all_that_follow() -> None:
    script = {1: 0.001, 8: math.nan}
    done = run(Scripted(lambda step: script.get(step, 1.0)), batches(10), limits=Limits(1))
    assert done.stopped == "diverged"
    assert done.model in (6, 7)


def test_the_steps_before_it_diverged_stand_in_the_log() -> None:
    done = run(Scripted(lambda step: math.nan if step == 4 else 1.0), batches(10), limits=Limits(1))
    assert done.stopped == "diverged"
    assert sum(p.tokens for p in done.history) > 0
    assert done.history[-1].step in (2, 3)


@pytest.mark.parametrize("validated", [False, True])
@pytest.mark.parametrize("rows", [4, 40])  # an epoch of ten batches, or of one
def test_the_weights_that_are_kept_are_good(validated: bool, rows: int) -> None:
    """The step that ruins the weights has a finite loss itself: it is the next that shows it."""
    tokens, rng = np.tile(np.arange(4), 50), np.random.default_rng(0)
    learner = RecurrentLearner(4, cell="rnn", hidden=8, rng=rng)
    done = train(
        learner,
        partial(sequential_batches, tokens, rows, 5, rng),
        SGD(3e38),  # no network in float32 survives it; a warning would fail the test
        validate=partial(mean_nats_in_rows, tokens=tokens) if validated else None,
    )
    assert done.stopped == "diverged"
    assert done.advice
    assert surprisal(done.model, tokens).mean() < 2 * math.log(4)  # those before any step


def interrupt_at(step: int) -> Callable[[Progress], None]:
    """Ctrl-C while a progress bar is drawn."""
    told: list[Progress] = []

    def report(progress: Progress) -> None:
        told.append(progress)
        if len(told) == step:
            raise KeyboardInterrupt

    return report


@pytest.mark.parametrize("validate", [None, lambda model: 1 / model])
def test_control_c_keeps_what_was_learned(validate: Callable[[float], float] | None) -> None:
    done = run(Scripted(), batches(3), limits=Limits(9), validate=validate, report=interrupt_at(5))
    assert (done.model, done.stopped, done.advice) == (5, "interrupted", None)
    assert [p.step for p in done.history] == [3, 5]
    assert done.history[-1].epoch == pytest.approx(5 / 3)


def test_control_c_keeps_the_best_where_the_last_is_worse() -> None:
    valid = {3: 1.0, 5: 2.0}
    done = run(
        Scripted(), batches(3), limits=Limits(9), validate=lambda m: valid[int(m)], report=interrupt_at(5)
    )
    assert (done.model, done.stopped) == (3, "interrupted")


ENDLESS = """
import json, sys
from functools import partial
import numpy as np
from chainrule.data.partition import sequential_batches
from chainrule.models.recurrent import RecurrentLearner
from chainrule.tasks.evaluation import surprisal
from chainrule.training import Adam, train
from chainrule.training.run import Limits

tokens, rng = np.tile(np.arange(4), 500), np.random.default_rng(0)
learner = RecurrentLearner(4, cell="gru", hidden=8, rng=rng)
epoch = partial(sequential_batches, tokens, 4, 124, rng)
done = train(learner, epoch, Adam(1e-2), limits=Limits(10**6), report=lambda p: print("step", flush=True))
print(json.dumps([done.stopped, len(done.history), float(surprisal(done.model, tokens).mean())]))
"""


@pytest.mark.slow
def test_a_real_control_c() -> None:
    command = [sys.executable, "-c", ENDLESS]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout
        assert process.stdout.readline() == "step\n"
        process.send_signal(signal.SIGINT)
        out, errors = process.communicate(timeout=60)
    assert (process.returncode, errors) == (0, "")
    stopped, rows, nats = json.loads(out.splitlines()[-1])
    assert stopped == "interrupted"
    assert rows >= 1
    assert 0 < nats < 3


# --- real networks -----------------------------------------------------------------------------------------


def network(cell: str, vocab_size: int, rng: np.random.Generator) -> Any:
    if cell == "window":
        return WindowLearner(vocab_size, window=4, embedding=4, hidden=16, rng=rng)
    return RecurrentLearner(vocab_size, cell=cell, hidden=16, rng=rng)


@pytest.mark.parametrize("cell", ["rnn", "gru", "lstm", "window"])
@pytest.mark.parametrize("partition", [sequential_batches, random_batches])
def test_a_network_learns_a_sequence_that_one_token_does_not_foretell(
    cell: str, partition: Callable[..., Iterator[Batch]]
) -> None:
    # abac abad abac abad ..: what follows an a depends on what came before it, and c or d on more yet
    period = [0, 1, 0, 2, 0, 1, 0, 3]
    tokens, rng = np.tile(period, 125), np.random.default_rng(0)
    held_out = np.tile(period, 20)
    done = train(
        network(cell, 4, rng),
        partial(partition, tokens, 8, 24, rng),
        Adam(2e-2),
        limits=Limits(60),
        schedule=cosine,
        validate=partial(mean_nats_in_rows, tokens=tokens[:200]),
    )
    nats = surprisal(done.model, held_out)
    assert math.exp(nats[8:].mean()) < 1.1
    assert math.exp(done.history[0].nats) > 2  # it was not born with it


@pytest.mark.parametrize("cell", ["rnn", "lstm", "window"])
def test_one_seed_makes_a_run_repeat_bit_for_bit(cell: str) -> None:
    tokens = np.random.default_rng(0).integers(5, size=400)

    def trained(seed: int) -> tuple[dict[str, np.ndarray], Sequence[float]]:
        rng = np.random.default_rng(seed)
        epoch = partial(random_batches, tokens, 4, 10, rng)
        done = train(network(cell, 5, rng), epoch, Adam(1e-2), limits=Limits(2), schedule=cosine)
        return dict(done.model.parameters), [p.nats for p in done.history]

    (one, losses), (other, same_losses), (different, _) = trained(1), trained(1), trained(2)
    assert losses == same_losses
    for name, array in one.items():
        np.testing.assert_array_equal(array, other[name])
    assert any(not np.array_equal(array, different[name]) for name, array in one.items())
