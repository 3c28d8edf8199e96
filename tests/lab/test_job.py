"""A training run beside the page: watched, stopped with its model, gone when nobody holds it."""

import gc
import time
from collections.abc import Callable

import pytest

from chainrule.data.corpora import Corpus, load_corpus
from chainrule.lab.job import Job, View

TEXT = load_corpus("pydocs").text[:60_000]


def until(job: Job, ready: Callable[[View], bool], seconds: float = 120) -> View:
    end = time.monotonic() + seconds
    while not ready(job.view()):
        assert time.monotonic() < end, job.view()
        time.sleep(0.05)
    return job.view()


@pytest.mark.slow
def test_a_stopped_run_keeps_its_model() -> None:
    job = Job(Corpus("some", TEXT, ""), {"kind": "lstm", "hidden": 16, "seconds": 300.0}, "characters", "one")
    view = until(job, lambda view: len(view.lines) > 3)
    assert view.status == "running"
    assert set(view.baseline) == {"uniform", "5-gram"}
    assert view.baseline["5-gram"] < view.baseline["uniform"]
    job.stop()
    job.stop()
    assert job.view().status in ("stopping", "done")
    view = until(job, lambda view: view.status == "done")
    assert view.last["done"] == "interrupted"
    lm = job.model()
    assert lm.held_out is not None
    assert lm.held_out["bits_per_character"] == view.last["held_out"]
    assert view.lines[-1]["train"] < view.baseline["uniform"]
    folder = job.folder
    job.close()
    del job
    gc.collect()
    assert not folder.exists()


@pytest.mark.slow
def test_what_cannot_be_trained_says_why_in_one_line() -> None:
    job = Job(Corpus("short", "ab", ""), {"kind": "lstm", "seconds": 5.0}, "characters", "one")
    view = until(job, lambda view: view.status == "failed")
    assert "expected" in view.last["error"]
    assert "\n" not in view.last["error"]


@pytest.mark.slow
def test_nobody_holds_it_so_it_ends() -> None:
    job = Job(Corpus("some", TEXT, ""), {"kind": "lstm", "hidden": 16, "seconds": 300.0}, "characters", "one")
    until(job, lambda view: bool(view.lines))
    process = job.process
    assert process.stdin is not None
    process.stdin.close()  # what the end of the page's process does
    assert process.wait(60) == 1
    assert (
        until(job, lambda view: view.status == "failed")
        .last["error"]
        .startswith("the training process ended")
    )
    again = Job(
        Corpus("some", TEXT, ""), {"kind": "lstm", "hidden": 16, "seconds": 300.0}, "characters", "one"
    )
    process = again.process
    del again
    gc.collect()
    assert process.poll() is not None
