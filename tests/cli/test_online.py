"""`--online` from the command: a model that learns as it reads, said over its figures and in JSON."""

import json
from pathlib import Path

import pytest

from tests.cli.conftest import Run

pytestmark = pytest.mark.slow
SAID = "online: each token was scored, then learned"


def test_evaluate_online_says_so_and_leaves_the_file(run: Run, counted_file: Path, tmp_path: Path) -> None:
    (tmp_path / "new.txt").write_text("Unlike the others, this one comes again and again.\n" * 40)
    before = counted_file.read_bytes()
    static = json.loads(run("evaluate", counted_file, "new.txt", "--json").out)
    found = json.loads(run("evaluate", counted_file, "new.txt", "--json", "--online").out)
    assert (static["online"], found["online"]) == (False, True)
    assert found["perplexity"] < static["perplexity"]
    assert found["tokens"] == static["tokens"]
    shown = run("evaluate", counted_file, "new.txt", "--online")
    assert shown.out.splitlines()[0].strip() == SAID
    assert SAID not in run("evaluate", counted_file, "new.txt").out
    assert counted_file.read_bytes() == before


def test_a_text_that_was_trained_on_is_named_online_too(
    run: Run, counted_file: Path, text_file: Path
) -> None:
    done = run("evaluate", counted_file, text_file, "--online")
    assert "of this text was trained on: these are no held-out figures" in done.err


def test_generate_and_score_online(run: Run, counted_file: Path) -> None:
    prompt = "xy" * 300
    told = json.loads(
        run("generate", counted_file, "-p", prompt, "-n", 60, "-t", 0, "--json", "--online").out
    )
    assert told["online"]
    assert told["text"].removeprefix(prompt) == "xy" * 30
    static = json.loads(run("generate", counted_file, "-p", prompt, "-n", 60, "-t", 0, "--json").out)
    assert static["text"] != told["text"]
    scored = json.loads(run("score", counted_file, "--text", prompt, "--json", "--online").out)
    assert scored["online"]
    bits = [token["bits"] for token in scored["tokens"]]
    assert sum(bits[-100:]) < 0.5 * sum(bits[:100])
    assert SAID in run("score", counted_file, "--text", prompt, "--online").out


def test_the_other_engine_says_who_computes(run: Run, text_file: Path, tmp_path: Path) -> None:
    pytest.importorskip("torch", reason="PyTorch is not installed")
    run("train", text_file, "--model", "gru", "--epochs", 1, "--hidden", 8, "-o", "m")
    (tmp_path / "new.txt").write_text("again and again " * 20)
    done = run("evaluate", "m", "new.txt", "--online", "--json", "--engine", "torch")
    assert "is computed by the engine scratch" in done.err
    assert json.loads(done.out) == json.loads(run("evaluate", "m", "new.txt", "--online", "--json").out)


def test_what_only_ranks_is_refused(run: Run, text_file: Path) -> None:
    run("train", text_file, "--model", "ngram", "--smoothing", "stupid-backoff", "--order", 3, "-o", "m")
    done = run("evaluate", "m", text_file, "--online")
    assert done.code == 2
    assert "expected a model of probabilities" in done.err
