"""`chainrule train`: what it leaves beside the model, how it goes on, what it refuses."""

import json
import math
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from chainrule.cli.train import figures
from chainrule.training import Progress
from chainrule.training.run import Density
from tests.cli.conftest import Run
from tests.cli.test_bad_input import one_line

SMALL = ("--model", "gru", "--hidden", 8, "--batch", 4, "--steps", 16)
SMALL_RUN = ("train", *SMALL, "--epochs", 1)


def killed(text_file: Path, folder: Path, *options: object, name: str = "m") -> Path:
    """Its checkpoint, from a run that was killed."""
    path = folder / f"{name}.checkpoint"
    words = ("train", text_file, *SMALL, "--epochs", 500, "--patience", 500, *options)
    command = [sys.executable, "-m", "chainrule", *map(str, words), "--checkpoint-every", "0.01s", "-o", name]
    with subprocess.Popen(
        command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        while not path.exists() and process.poll() is None:
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL
    return path


def rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


# --- what a run leaves -------------------------------------------------------------------------------------


def test_a_log_lies_beside_the_model(run: Run, text_file: Path, tmp_path: Path) -> None:
    done = run("train", text_file, *SMALL, "--epochs", 3, "-o", "m")
    assert done.code == 0, done.err
    assert sorted(os.listdir(tmp_path)) == ["m", "m.log.jsonl", "text.txt"]
    head, *log = rows(tmp_path / "m.log.jsonl")
    assert head["recipe"]["hidden"] == 8
    assert [row["epoch"] for row in log] == [1, 2, 3]
    card = json.loads(run("info", "m", "--json").out)
    assert [row["nats"] for row in log] == [row["nats"] for row in card["training"]["log"]]
    assert log[0]["train_bits_per_character"] == pytest.approx(log[0]["nats"] / math.log(2))


def test_a_log_may_lie_elsewhere_and_is_not_overwritten(run: Run, text_file: Path, tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("precious")
    assert "mine: exists already" in one_line(run("train", text_file, *SMALL, "--log", "mine", "-o", "m"))
    assert (tmp_path / "mine").read_text() == "precious"
    assert run("train", text_file, *SMALL, "--epochs", 1, "--log", "yours", "-o", "m").code == 0
    assert len(rows(tmp_path / "yours")) == 2
    assert not (tmp_path / "m.log.jsonl").exists()


def test_counted_models_leave_only_themselves(run: Run, text_file: Path, tmp_path: Path) -> None:
    assert run("train", text_file, "--model", "bigram", "-o", "m").code == 0
    assert sorted(os.listdir(tmp_path)) == ["m", "text.txt"]
    assert "--resume: expected a network, got bigram" in one_line(
        run("train", text_file, "--model", "bigram", "--resume", "-o", "n")
    )


def test_bits_per_character_are_of_characters_also_where_tokens_are_words(
    run: Run, text_file: Path, tmp_path: Path
) -> None:
    done = run("train", text_file, *SMALL, "--epochs", 1, "--tokenizer", "words", "-o", "m")
    assert done.code == 0, done.err
    (row,) = rows(tmp_path / "m.log.jsonl")[1:]
    split = json.loads(run("info", "m", "--json").out)["split"]
    density = split["valid"]["tokens"] / split["valid"]["characters"]
    assert 0 < density < 0.9
    assert row["valid_bits_per_character"] == pytest.approx(row["valid"] / math.log(2) * density)


def test_what_was_chosen_is_said_with_its_reason(run: Run, text_file: Path) -> None:
    done = run("train", text_file, "--model", "rnn", "--epochs", 1, "-o", "m")
    assert done.code == 0
    assert "note: chosen: hidden 128, embedding 0, batch 32, steps 64, rate 0.004 (6," in done.err


def test_all_options_of_a_network_reach_it(run: Run, text_file: Path) -> None:
    options = (
        "--embedding", 8, "--layers", 2, "--tied", "--layer-norm", "--dropout", 0.1,
        "--embedding-dropout", 0.1, "--weight-dropout", 0.1, "--cutoffs", 0, "--optimizer", "adamw",
        "--weight-decay", 0.1, "--schedule", "plateau", "--average", 0.9, "--lr", 0.01,
    )  # fmt: skip
    done = run("train", text_file, *SMALL, "--epochs", 1, *options, "--json", "-o", "m")
    assert done.code == 0, done.err
    recipe = json.loads(done.out)["recipe"]
    assert (recipe["tied"], recipe["layer_norm"], recipe["cutoffs"]) == (True, True, [])
    assert [recipe[f"{what}dropout"] for what in ("", "embedding_", "weight_")] == [0.1, 0.1, 0.1]
    assert (recipe["optimizer"], recipe["weight_decay"]) == ("adamw", 0.1)
    assert (recipe["schedule"], recipe["average"], recipe["rate"]) == ("plateau", 0.9, 0.01)


def test_a_time_limit_shorter_than_a_step_still_gives_a_model(run: Run, text_file: Path) -> None:
    done = run("train", text_file, *SMALL, "--time-limit", "0.000001s", "-o", "m")
    assert done.code == 0, done.err
    assert "the time was enough for 1 steps" in done.err
    assert "give it more time" in done.err
    assert json.loads(run("info", "m", "--json").out)["training"]["stopped"] == "time"


def test_memory_that_is_too_small_is_said_with_what_fits(run: Run, text_file: Path, tmp_path: Path) -> None:
    line = one_line(run("train", text_file, "--hidden", 10**6, "-o", "m"))
    assert "memory: training may take" in line
    fits = int(line.split("--hidden ")[1].split()[0])
    assert 1024 <= fits < 10**6
    assert os.listdir(tmp_path) == ["text.txt"]


def test_the_progress_fits_one_line() -> None:
    shown = Progress(0.25, 3, math.log(2), 2 * math.log(2), 0.512, 21345.6, 3725.0, Density(0.5, 0.25))
    assert figures(shown, "lstm") == (
        "epoch 3, 21,346 tok/s, bits/char 0.500, held out 0.500, |g| 0.51, 1:02:05 left"
    )
    first = shown._replace(valid=math.nan, left=math.nan)
    assert figures(first, "lstm") == "epoch 3, 21,346 tok/s, bits/char 0.500, |g| 0.51"
    assert figures(shown, "ngram") == "order 3: bits/token held out 2.000"


# --- going on ----------------------------------------------------------------------------------------------


def test_a_run_that_was_killed_goes_on(run: Run, text_file: Path, tmp_path: Path) -> None:
    checkpoint = killed(text_file, tmp_path)
    same = ("train", text_file, *SMALL, "--epochs", 500, "--patience", 500)
    line = one_line(run(*same, "-o", "m"))
    assert "m.checkpoint: a run that was cut off can go on from it: --resume; --force begins anew" in line
    assert checkpoint.exists()
    assert "hidden 8, not 9" in one_line(run(*same, "--hidden", 9, "--resume", "-o", "m"))
    assert checkpoint.exists()
    assert run(*SMALL_RUN, text_file, "--force", "-o", "m").code == 0
    assert not checkpoint.exists()


@pytest.mark.parametrize(
    ("changes", "difference"),
    [
        (("--tokenizer", "bytes"), "tokeniser characters, not bytes"),
        (("--clean",), "another training text"),
        (("--valid", 0.2), "another training text"),
        (("--min-freq", 3), "another vocabulary"),
        (("--optimizer", "sgd"), "optimizer adam, not sgd"),
        (("--epochs", 400), "epochs 500, not 400"),
        (("--average", 0.9), "average 0.998, not 0.9"),
        (("--seed", 1), "seed 0, not 1"),
        (("--model", "lstm"), "kind gru, not lstm"),
    ],
)
@pytest.mark.slow
def test_a_run_goes_on_only_as_it_began(
    run: Run, text_file: Path, tmp_path: Path, changes: tuple[object, ...], difference: str
) -> None:
    killed(text_file, tmp_path)
    same = ("train", text_file, *SMALL, "--epochs", 500, "--patience", 500)
    line = one_line(run(*same, *changes, "--resume", "-o", "m"))
    assert "m.checkpoint: expected a checkpoint of the same run, got one with " in line
    assert difference in line


def test_another_corpus_is_named(run: Run, text_file: Path, tmp_path: Path) -> None:
    killed(text_file, tmp_path)
    text_file.write_text(text_file.read_text(encoding="utf-8") + " and more", encoding="utf-8")
    line = one_line(run("train", text_file, *SMALL, "--epochs", 500, "--resume", "-o", "m"))
    assert "got one with another training text" in line


def test_a_damaged_checkpoint_is_one_line(run: Run, text_file: Path, tmp_path: Path) -> None:
    checkpoint = killed(text_file, tmp_path)
    data = checkpoint.read_bytes()
    for damaged in (data[:-1], data[: len(data) // 2], b"", b"PK\3\4", data[:-1] + b"x"):
        checkpoint.write_bytes(damaged)
        same = ("train", text_file, *SMALL, "--epochs", 500, "--patience", 500)
        assert "m.checkpoint: " in one_line(run(*same, "--resume", "-o", "m"))


def test_where_there_is_no_checkpoint_yet_a_run_begins(run: Run, text_file: Path) -> None:
    done = run(*SMALL_RUN, text_file, "--resume", "-o", "m")
    assert done.code == 0
    assert "there is no checkpoint m.checkpoint yet: the run begins anew" in done.err


# --- the learning rate -------------------------------------------------------------------------------------


def test_a_learning_rate_is_found_and_plotted(run: Run, text_file: Path, tmp_path: Path) -> None:
    done = run("train", text_file, *SMALL, "--find-lr", "--plot", "rates.svg")
    assert done.code == 0, done.err
    assert "learning rate: 0." in done.out
    assert "smoothed" in done.out
    assert "a third of the rate at which the smoothed loss is lowest" in done.out
    assert "<svg" in (tmp_path / "rates.svg").read_text(encoding="utf-8")
    assert sorted(os.listdir(tmp_path)) == ["rates.svg", "text.txt"]
    found = json.loads(run("train", text_file, *SMALL, "--find-lr", "--json").out)
    assert 1e-5 < found["suggested"] < found["lowest"] < 10
    assert len(found["rates"]) == len(found["nats"]) == len(found["smoothed"])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ((), "--output: expected a file to write the model to, got none"),
        (("--find-lr", "--model", "ngram"), "--find-lr: expected one of window, rnn"),
        (("--find-lr", "--plot", "rates.gif"), "--plot: expected a file that ends in svg, png, pdf, got"),
        (("--find-lr", "--plot", "text.txt"), "text.txt: exists already"),
        (("--find-lr", "--hidden", 0), "hidden: expected at least 1, got 0"),
        (("--checkpoint-every", "often", "-o", "m"), "time: expected seconds"),
        (("--cutoffs", "a,b", "-o", "m"), "--cutoffs: expected whole numbers"),
        (("--schedule", "linear", "-o", "m"), "schedule: expected one of cosine, constant, plateau"),
        (("--average", 1, "-o", "m"), "average: expected a decay from 0 to below 1, got 1.0"),
    ],
)
def test_options_without_a_meaning(
    run: Run, text_file: Path, options: tuple[object, ...], message: str
) -> None:
    assert message in one_line(run("train", text_file, *options))


def test_tensorboard_is_an_extra(run: Run, text_file: Path, tmp_path: Path) -> None:
    try:
        import tensorboardX  # noqa: F401
    except ImportError:
        line = one_line(run(*SMALL_RUN, text_file, "--tensorboard", "runs", "-o", "m"))
        assert "pip install 'chainrule[tensorboard]'" in line
    else:
        assert run(*SMALL_RUN, text_file, "--tensorboard", "runs", "-o", "m").code == 0
        assert list((tmp_path / "runs").iterdir())
