"""Runs that were cut off and taken up again: the same bit for bit, or refused with the reason."""

import json
import math
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chainrule.core import FileFormatError, InputError, RunError
from chainrule.data.partition import random_batches, sequential_batches
from chainrule.files import read_arrays, write_arrays
from chainrule.models.recurrent import RecurrentLearner
from chainrule.models.window import WindowLearner
from chainrule.tasks.evaluation import mean_nats_in_rows
from chainrule.training import (
    SGD,
    Adam,
    AdamW,
    Checkpoints,
    Limits,
    Plateau,
    Training,
    checkpoints,
    cosine,
    discard,
    loop,
    read_checkpoint,
    train,
)
from chainrule.training.checkpoints import CheckpointWarning, difference, write_checkpoint
from chainrule.training.run import Snapshot, history_of, steps_of

TOKENS = np.random.default_rng(0).integers(6, size=600)
MADE_OF = {"tokeniser": "characters", "training text": "a" * 64, "hidden": 8, "rate": math.nan}


class Killed(BaseException):
    """What no handler of the loop catches."""


def network(cell: str, rng: np.random.Generator) -> Any:
    if cell == "window":
        return WindowLearner(6, window=3, embedding=3, hidden=5, rng=rng)
    return RecurrentLearner(6, cell=cell, layers=2, hidden=5, dropout=0.3, rng=rng)


def run(
    path: Path | None = None,
    *,
    cell: str = "lstm",
    optimizer: Callable[[float], Any] = Adam,
    partition: Callable[..., Any] = sequential_batches,
    dies_at: int | None = None,
    shared: bool = False,
    validated: bool = True,
    resume: bool = False,
    **options: Any,
) -> Training[Any]:
    """Three epochs; every step is kept at `path`. dies_at: the step after which nothing more happens.

    shared: one generator for weights, batches and dropout, as in a script that knows of one only.
    """
    weights, batches, dropout = np.random.default_rng(3).spawn(3)
    rng = weights if shared else batches
    learner = network(cell, weights)
    if cell != "window" and not shared:
        learner.rng = dropout
    steps = 0

    def keep(snapshot: Callable[[], Snapshot], epoch_ends: bool) -> None:
        nonlocal steps
        steps += 1
        if path is not None:
            write_checkpoint(path, snapshot(), MADE_OF)
        if steps == dies_at:
            raise Killed

    return train(
        learner,
        partial(partition, TOKENS, 4, 20, rng),
        optimizer(0.02),
        limits=Limits(3, patience=9),
        schedule=cosine,
        validate=partial(mean_nats_in_rows, tokens=TOKENS[:100]) if validated else None,
        keep=keep,
        rng=rng,
        resume=read_checkpoint(path, MADE_OF) if resume and path is not None else None,
        **options,
    )


def weights_of(done: Training[Any]) -> dict[str, bytes]:
    return {name: array.tobytes() for name, array in done.model.parameters.items()}


def figures(done: Training[Any]) -> list[tuple[float, ...]]:
    """The log without the clock."""
    return [(p.epoch, p.step, p.tokens, p.nats, p.norm, p.rate) for p in done.history]


VARIANTS: list[dict[str, Any]] = [
    {},
    {"cell": "gru", "optimizer": AdamW, "partition": random_batches},
    {"cell": "window", "optimizer": SGD},
    {"cell": "rnn", "average": 0.9, "plateau": Plateau()},
    {"cell": "minlstm", "shared": True},
    {"cell": "lstm", "shared": True, "partition": random_batches, "validated": False, "average": 0.5},
]


@pytest.mark.parametrize("options", VARIANTS, ids=lambda options: "-".join(map(str, options)) or "plain")
def test_a_run_that_was_cut_off_anywhere_ends_as_if_it_had_not_been(
    options: dict[str, Any], tmp_path: Path
) -> None:
    whole, path = run(**options), tmp_path / "checkpoint"
    steps = whole.history[-1].step
    assert steps == 24
    # after the first step, in the middle, at the last step of an epoch, after the first of one, at the end
    for dies_at in (1, 5, steps // 3, steps // 3 + 1, steps - 1, steps):
        with pytest.raises(Killed):
            run(path, dies_at=dies_at, **options)
        again = run(path, resume=True, **options)
        assert weights_of(again) == weights_of(whole), dies_at
        assert figures(again) == figures(whole), dies_at
        assert again.stopped == whole.stopped


def test_a_run_may_be_cut_off_again_and_again(tmp_path: Path) -> None:
    whole, path = run(average=0.9), tmp_path / "checkpoint"
    with pytest.raises(Killed):
        run(path, dies_at=3, average=0.9)
    for _ in range(4):
        with pytest.raises(Killed):
            run(path, dies_at=4, resume=True, average=0.9)
    again = run(path, resume=True, average=0.9)
    assert weights_of(again) == weights_of(whole)
    assert figures(again) == figures(whole)


def test_a_run_that_diverges_does_so_again(tmp_path: Path) -> None:
    path, options = tmp_path / "checkpoint", {"cell": "rnn", "optimizer": lambda rate: SGD(3e38)}
    whole = run(**options)
    assert whole.stopped == "diverged"
    with pytest.raises(Killed):
        run(path, dies_at=1, **options)
    again = run(path, resume=True, **options)
    assert (again.stopped, weights_of(again)) == ("diverged", weights_of(whole))


def test_what_stopped_early_stays_stopped(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint"
    rng = np.random.default_rng(0)
    learner = RecurrentLearner(6, cell="rnn", hidden=4, rng=rng)

    def fit(resume: Snapshot | None) -> Training[Any]:
        return train(
            learner,
            partial(sequential_batches, TOKENS, 4, 20, rng),
            SGD(0.1),
            limits=Limits(9, patience=1),
            validate=lambda model: 1.0,
            keep=lambda snapshot, ends: write_checkpoint(path, snapshot(), {}),
            rng=rng,
            resume=resume,
        )

    first = fit(None)
    assert (first.stopped, first.history[-1].epoch) == ("early", 2)
    again = fit(read_checkpoint(path, {}))
    assert (again.stopped, figures(again)) == ("early", figures(first))


def test_the_number_of_workers_comes_back(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint"
    rng = np.random.default_rng(0)
    learner = RecurrentLearner(6, hidden=4, rng=rng)
    learner.workers = 3
    kept: list[Snapshot] = []
    epoch = partial(sequential_batches, TOKENS, 4, 20, rng)
    train(learner, epoch, SGD(0.1), limits=Limits(1), keep=lambda s, ends: kept.append(s()), rng=rng)
    write_checkpoint(path, kept[-1], {})
    other = RecurrentLearner(6, hidden=4, rng=rng)
    other.workers = 1
    train(other, epoch, SGD(0.1), limits=Limits(1), rng=rng, resume=read_checkpoint(path, {}))
    assert other.workers == 3


class Clock:
    """Time that passes when it is told to."""

    now = 100.0

    def monotonic(self) -> float:
        return self.now


def test_time_that_was_used_before_counts(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    clock, path = Clock(), tmp_path / "checkpoint"
    monkeypatch.setattr(loop, "time", clock)

    class Slow(WindowLearner):
        def gradients(self, batch: Any, state: Any) -> Any:
            clock.now += 1
            return super().gradients(batch, state)

    def fit(resume: Snapshot | None, dies_at: int | None) -> Training[Any]:
        rng, calls = np.random.default_rng(0), 0

        def keep(snapshot: Callable[[], Snapshot], ends: bool) -> None:
            nonlocal calls
            calls += 1
            write_checkpoint(path, snapshot(), {})
            if calls == dies_at:
                raise Killed

        return train(
            Slow(6, window=2, embedding=2, hidden=3, rng=rng),
            partial(sequential_batches, TOKENS, 4, 20, rng),
            SGD(0.1),
            limits=Limits(100, seconds=9.5),
            keep=keep,
            rng=rng,
            resume=resume,
        )

    with pytest.raises(Killed):
        fit(None, 4)
    clock.now += 1000  # nobody trained meanwhile
    done = fit(read_checkpoint(path, {}), None)
    assert (done.stopped, done.history[-1].step, done.seconds) == ("time", 10, 10)


# --- when it is written ------------------------------------------------------------------------------------


def taken(snapshot: Snapshot, calls: list[int]) -> Callable[[], Snapshot]:
    def take() -> Snapshot:
        calls.append(1)
        return snapshot

    return take


def test_it_is_written_every_so_often_and_when_an_epoch_ends(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    clock, calls = Clock(), []
    monkeypatch.setattr(checkpoints, "time", clock)
    keep = Checkpoints(tmp_path / "c", {}, every=60)
    take = taken(Snapshot({}, {}), calls)
    for seconds, epoch_ends, written in (
        (59, False, 0), (1, False, 1), (30, False, 1), (1, True, 2), (59, False, 2), (1, False, 3)
    ):  # fmt: skip
        clock.now += seconds
        keep(take, epoch_ends)
        assert len(calls) == written

    class Costly(Clock):
        def monotonic(self) -> float:
            self.now += 1  # a second to write it
            return self.now

    monkeypatch.setattr(checkpoints, "time", Costly())
    keep, calls[:] = Checkpoints(tmp_path / "c", {}, every=1000), []
    for _ in range(20):
        keep(take, True)  # a second a time between: too dear for the end of an epoch
    assert len(calls) == 1


def test_a_disk_that_is_full_costs_the_checkpoint_not_the_run(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def full(*rest: Any) -> None:
        raise RunError("c: cannot be written: No space left on device")

    monkeypatch.setattr(checkpoints, "write_checkpoint", full)
    keep = Checkpoints(tmp_path / "c", {}, every=0)
    with pytest.warns(CheckpointWarning, match=r"checkpoint: c: .*No space left.*; training goes on"):
        keep(taken(Snapshot({}, {}), []), False)
    keep(taken(Snapshot({}, {}), []), False)  # it says so once


def test_what_is_left_of_a_checkpoint_half_written_goes_with_it(tmp_path: Path) -> None:
    path = tmp_path / "m*[x].checkpoint"
    for name in (f".{path.name}.abc.part", ".mm[x].checkpoint.abc.part", path.name):
        (tmp_path / name).write_bytes(b"x")
    discard(path)
    discard(path)
    assert [p.name for p in tmp_path.iterdir()] == [".mm[x].checkpoint.abc.part"]


def test_an_interval_without_a_meaning_is_refused(tmp_path: Path) -> None:
    for every in (-1.0, math.nan):
        with pytest.raises(InputError, match=f"checkpoint every: expected 0 or more seconds, got {every}"):
            Checkpoints(tmp_path, {}, every=every)


# --- what is refused ---------------------------------------------------------------------------------------


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    path = tmp_path / "checkpoint"
    with pytest.raises(Killed):
        run(path, dies_at=10, average=0.9, plateau=Plateau())
    return path


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"hidden": 9}, "got one with hidden 8, not 9"),
        ({"training text": "b" * 64}, "got one with another training text"),
        ({"tokeniser": "bytes"}, "got one with tokeniser characters, not bytes"),
        ({"seconds": 3.0}, "got one with seconds none, not 3.0"),
    ],
)
def test_a_checkpoint_of_another_run_is_refused_by_name(
    checkpoint: Path, changes: dict[str, Any], words: str
) -> None:
    with pytest.raises(InputError, match=f"checkpoint: expected a checkpoint of the same run, {words}"):
        read_checkpoint(checkpoint, MADE_OF | changes)


values = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=3), st.tuples())
settings = st.dictionaries(st.text(max_size=3), values, max_size=4)


@given(settings, settings)
def test_two_runs_differ_where_their_settings_do(one: Mapping[str, Any], other: Mapping[str, Any]) -> None:
    def stored(value: Mapping[str, Any]) -> Any:
        return json.loads(json.dumps(dict(value)))

    assert difference(stored(one), one) is None
    same = json.dumps(stored(one), sort_keys=True) == json.dumps(stored(other), sort_keys=True)
    if same:
        assert difference(stored(one), other) is None
    named = difference(stored(one), other)
    if named is not None:
        assert any(named.startswith(f"{name} ") for name in {*one, *other})


def test_a_checkpoint_cut_at_every_byte_of_its_last_kilobyte_is_called_damaged(
    checkpoint: Path, tmp_path: Path
) -> None:
    data, cut = checkpoint.read_bytes(), tmp_path / "cut"
    for length in range(len(data) - 1024, len(data)):
        cut.write_bytes(data[:length])
        with pytest.raises(FileFormatError, match="cut"):
            read_checkpoint(cut, MADE_OF)
    assert history_of(read_checkpoint(checkpoint, MADE_OF))


def test_other_files_are_no_checkpoints(tmp_path: Path) -> None:
    path = tmp_path / "file"
    with pytest.raises(InputError, match="cannot be read"):
        read_checkpoint(path, {})
    for header, words in (
        ({}, "expected a checkpoint, got another file of chainrule"),
        ({"checkpoint": 99}, "expected checkpoint format 1, got 99"),
        ({"checkpoint": 1}, "the checkpoint's description is damaged"),
        ({"checkpoint": 1, "made_of": {}, "facts": []}, "the checkpoint's description is damaged"),
    ):
        write_arrays(path, {}, header)
        with pytest.raises(FileFormatError, match=words):
            read_checkpoint(path, {})


def forged(checkpoint: Path, arrays: dict[str, Any] | None = None, **facts: Any) -> None:
    """The checkpoint with arrays and facts changed, and checksums that are right; None takes one away."""
    known, header = read_arrays(checkpoint)
    known |= arrays or {}
    header["facts"] |= facts
    write_arrays(
        checkpoint,
        {name: array.copy() for name, array in known.items() if array is not None},
        header | {"facts": {name: value for name, value in header["facts"].items() if value is not ...}},
    )


@pytest.mark.parametrize(
    ("arrays", "facts"),
    [
        ({"weights/output.bias": np.zeros(7, np.float32)}, {}),
        ({"weights/output.bias": np.zeros(6)}, {}),
        ({"weights/output.bias": None}, {}),
        ({"weights/other": np.zeros(6, np.float32)}, {}),
        ({"best/output.bias": None}, {}),
        ({"average/output.bias": np.zeros(2, np.float32)}, {}),
        ({"optimizer/mean/output.bias": None}, {}),
        ({"optimizer/median/output.bias": np.zeros(6, np.float32)}, {}),
        ({"optimizer/mean/other": np.zeros(6, np.float32)}, {}),
        ({"state/0": np.zeros((4, 6), np.float32)}, {}),
        ({"state/0": None}, {}),
        ({"state/9": np.zeros(1)}, {}),
        ({}, {"epoch": ...}),
        ({}, {"epoch": "many"}),
        ({}, {"epoch": math.nan}),
        ({}, {"history": 3}),
        ({}, {"history": [[1]]}),
        ({}, {"since": [1, 2, 3, 4, 5]}),
        ({}, {"plateau": [0] * 9}),
        ({}, {"rows": "four"}),
        ({}, {"optimizer": None}),
        ({}, {"workers": "some"}),
        ({}, {"draws": {"bit_generator": "MT19937"}}),
        ({}, {"draws": 3}),
        ({}, {"learner": [1]}),
    ],
)
def test_a_checkpoint_that_was_tampered_with_is_refused_in_a_sentence(
    checkpoint: Path, arrays: dict[str, Any], facts: dict[str, Any]
) -> None:
    forged(checkpoint, arrays, **facts)
    with pytest.raises(FileFormatError):
        run(checkpoint, resume=True, average=0.9, plateau=Plateau())


@pytest.mark.parametrize("facts", [{}, {"step": None}, {"step": "many"}])
def test_a_checkpoint_that_does_not_say_where_it_stands(facts: dict[str, Any]) -> None:
    with pytest.raises(FileFormatError, match="checkpoint: its description is damaged"):
        steps_of(Snapshot({}, facts))
