"""The scripts in benchmarks/: what they count, how they take turns, and that each runs with --quick."""

import importlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SCRIPTS = ROOT / "benchmarks"


@pytest.fixture(scope="module")
def script():
    """A script as a module."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(SCRIPTS))
        yield importlib.import_module


def rows(name, *options, **environment):
    """What a script prints as JSON, by the names of the rows."""
    command = [sys.executable, str(SCRIPTS / name), "--quick", "--json", *options]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, **environment})
    assert done.returncode == 0, done.stderr
    made = json.loads(done.stdout)
    assert all({"name", "value", "unit"} <= row.keys() for row in made)
    return {row["name"]: row for row in made}


# What is counted


def test_the_operations_of_a_step_are_those_of_its_products(script):
    """Every product of the step spelt out as rows, inner, columns; a one-hot input has none."""
    speed = script("train_speed")

    def total(*products):
        return sum(2 * rows * inner * columns for rows, inner, columns in products)

    def layer(inputs, gates, hidden, n):
        own = [(n, hidden, gates * hidden), (n, gates * hidden, hidden), (hidden, n, gates * hidden)]
        below = [(n, inputs, gates * hidden), (n, gates * hidden, inputs), (inputs, n, gates * hidden)]
        return own + (below if inputs else [])

    n, v = 4 * 5, 7
    output = [(n, 3, v), (n, v, 3), (3, n, v)]
    assert speed.operations(speed.Case("rnn", 1, 3, 4, 5, v, 0)) == total(*layer(0, 1, 3, n), *output)
    assert speed.operations(speed.Case("lstm", 2, 3, 4, 5, v, 0)) == total(
        *layer(0, 4, 3, n), *layer(3, 4, 3, n), *output
    )
    assert speed.operations(speed.Case("gru", 1, 3, 4, 5, v, 2)) == total(*layer(2, 3, 3, n), *output)


def test_the_count_gives_the_share_that_was_measured_by_hand(script):
    # 161,000 tokens/s of an RNN of 256 units over 28 characters are 35 % of 200 GFLOP/s
    speed = script("train_speed")
    case = speed.Case("rnn", 1, 256, 32, 35, 28, 0)
    assert 161_000 * speed.operations(case) / case.tokens / 200e9 == pytest.approx(0.35, abs=0.005)


def test_every_case_has_a_name_of_its_own(script):
    names = [case.name for case in script("train_speed").cases(28)]
    assert len(set(names)) == len(names)
    for name in ("rnn/1x128/b32/t35/chars", "gru/2x256/b32/t35/chars", "lstm/1x512/b64/t35/chars",
                 "lstm/1x512/b32/t128/chars", "gru/1x256/b32/t35/words"):  # fmt: skip
        assert f"train/{name}" in names


def test_windows_continue_row_by_row(script):
    import numpy as np

    speed = script("train_speed")
    first, second = speed.windows(speed.Case("rnn", 1, 3, 2, 4, 7, 0), np.arange(20))
    assert first.tolist() == [[0, 1, 2, 3, 4], [9, 10, 11, 12, 13]]
    assert second.tolist() == [[4, 5, 6, 7, 8], [13, 14, 15, 16, 17]]


def test_a_ratio_above_one_is_in_our_favour(script):
    turns = script("turns")
    assert turns.row("speed", "tokens/s", 10.0, "torch", 5.0)["ratio"] == 2
    assert turns.row("memory", "MB", 10.0, "torch", 5.0, less=True)["ratio"] == 0.5
    assert "peer" not in turns.row("speed", "tokens/s", 10.0, "torch", None)
    assert "ratio 2.00" in turns.line(turns.row("speed", "tokens/s", 10.0, "torch", 5.0))


# Turns


def worker(script, tmp_path, body):
    path = tmp_path / "worker.py"
    path.write_text(f"import sys, time\nsys.path.insert(0, {str(SCRIPTS)!r})\nimport turns\n{body}")
    return script("turns").Worker([sys.executable, str(path)], threads=1)


def test_a_worker_works_for_as_long_as_it_is_told_and_tells_its_memory(script, tmp_path):
    body = "held = bytearray(50 << 20)\nturns.serve(lambda: time.sleep(0.01) or 3.0)"
    with worker(script, tmp_path, body) as other:
        other.wait()
        turn = other.turn(0.05)
        assert turn.units % 3 == 0
        assert turn.units >= 3
        assert turn.seconds >= 0.05
        assert turn.megabytes > 50
        medians = script("turns").take_turns({"it": other}, 3, 0.02)
        assert medians["it"].rate > 0
        process = other.process
    assert process.returncode is not None


def test_every_turn_does_some_work(script, tmp_path):
    with worker(script, tmp_path, "turns.serve(lambda: 1.0)") as other:
        other.wait()
        assert other.turn(0.0).units >= 1


def test_a_worker_that_ends_ends_the_run(script, tmp_path):
    with (
        worker(script, tmp_path, "sys.exit(3)") as other,
        pytest.raises(SystemExit, match=r"worker\.py: exit 3"),
    ):
        other.wait()


# The scripts


@pytest.mark.slow
def test_training_speed_without_torch_has_no_peer(tmp_path):
    name = "train/rnn/1x256/b32/t35/chars"
    made = rows("train_speed.py", "--rows", name, "--torch", "/bin/false")
    assert [row.removeprefix(name) for row in made] == [
        *("", "/of-matrix-rate", "/memory", "/busy", "/matrix-rate")
    ]
    assert all(row["value"] > 0 and "peer" not in row for row in made.values())


@pytest.mark.slow
def test_generation_speed_has_a_row_a_cell():
    made = rows("generate_speed.py", "--torch", "/bin/false")
    assert list(made) == [f"generate/{cell}/512" for cell in ("rnn", "gru", "lstm")]


@pytest.mark.slow
def test_claims_write_their_pictures_and_print_every_seed(tmp_path):
    made = rows("claims.py", "pydocs", "--seeds", "1", "-o", str(tmp_path))
    assert {path.name for path in tmp_path.iterdir()} == {
        f"{claim}.{kind}" for claim in ("vanishing", "exploding", "partition") for kind in ("svg", "png")
    }
    assert all(len(row["seeds"]) == 1 for name, row in made.items() if not name.startswith("time/"))
    flow = made["flow/rnn/with-fresh-weights/k30"]["value"]
    assert flow < made["flow/lstm/with-fresh-weights/k30"]["value"] < 1


@pytest.mark.slow
def test_quality_prints_the_curve_and_one_test_figure_a_task(shared_data, tmp_path):
    options = ("--long", "--words", "--cell", "lstm", "--save", str(tmp_path))
    made = rows("quality.py", *options, CHAINRULE_DATA=str(shared_data))
    tests = {name: row["unit"] for name, row in made.items() if name.startswith("test/")}
    assert tests == {
        "test/tinyshakespeare/lstm/3s": "nats/character",
        "test/wikitext-2/lstm/3s": "perplexity",
    }
    assert sum(name.startswith("valid/tinyshakespeare/lstm/at-") for name in made) >= 2
    assert {path.name for path in tmp_path.iterdir()} == {
        "tinyshakespeare-long-lstm.chainrule",
        "tinyshakespeare-long-lstm-refit.chainrule",
        "wikitext-2-words-lstm.chainrule",
    }
    mixed = rows("compression.py", "--models", str(tmp_path), CHAINRULE_DATA=str(shared_data))
    for name, order in (("tinyshakespeare", 7), ("wikitext-2", 5)):
        both = mixed[f"mix/{name}/static/lstm+{order}-gram"]["value"]
        assert both < mixed[f"mix/{name}/static/lstm"]["value"]
        assert mixed[f"mix/{name}/online/dynamic+{order}-gram+contexts"]["value"] < both
    assert len(mixed) == 18


@pytest.mark.slow
def test_compression_stands_beside_what_is_installed(shared_data):
    made = rows("compression.py", CHAINRULE_DATA=str(shared_data))
    for name in ("timemachine", "tinyshakespeare", "hongloumeng"):
        ours = made[f"bits/{name}/adaptive"]
        assert 1 < ours["value"] <= ours["peer_value"] == made[f"bits/{name}/{ours['peer']}"]["value"]
        assert made[f"bits/{name}/xz"]["value"] > ours["value"]
    assert {"whole/timemachine.txt/adaptive", "whole/wikitext-2-test/adaptive"} <= made.keys()
    for way in ("compress", "decompress"):
        assert made[f"speed/tinyshakespeare/adaptive/{way}"]["unit"] == "kB/s"
        assert made[f"speed/tinyshakespeare/adaptive/{way}/memory"]["value"] > 0


@pytest.mark.slow
def test_forecasting_stands_beside_the_best_of_others():
    pytest.importorskip("statsforecast", reason="the extra `series` is not installed")
    pytest.importorskip("statsmodels", reason="the extra `series` is not installed")
    made = rows("forecasting.py", "--series", "gdp")
    for kind in ("default", "best-automatic", "seasonal-naive"):
        assert made[f"mase/gdp/{kind}"]["value"] > 0
    ours = made["mase/gdp/default"]
    assert ours["ratio"] == ours["peer_value"] / ours["value"]
    assert 0 <= made["coverage/pooled/default/80"]["value"] <= 100


@pytest.mark.slow
def test_the_lecture_s_series_has_its_baselines_and_a_picture(tmp_path):
    made = rows("series_lecture.py", "-o", str(tmp_path))
    for model in ("MLP 4-10-1", "last value", "training mean", "linear AR(4)"):
        assert {f"mse/{model}/{k}-steps" for k in (1, 4, 16, 64)} <= made.keys()
    assert {"film/scandal/ar", "mse/interpolation", "mse/shuffled"} <= made.keys()
    assert {path.name for path in tmp_path.iterdir()} == {"series.svg", "series.png"}


@pytest.mark.slow
def test_classification_stands_beside_its_parts_and_scikit_learn(shared_data):
    pytest.importorskip("sklearn", reason="the extra `classify` is not installed")
    if not (shared_data / "sentiment").is_dir():
        pytest.skip("the labelled texts are not here")
    made = rows("classification.py", "--data", "rt-polarity", CHAINRULE_DATA=str(shared_data))
    ours = made["accuracy/rt-polarity/default"]
    assert ours["value"] > made["accuracy/rt-polarity/majority"]["value"] + 10
    assert ours["ratio"] == ours["value"] / ours["peer_value"]
    assert {"sklearn-naive-bayes", "sklearn-nb-svm", "word-2-gram-models"} <= {n.split("/")[-1] for n in made}
    assert (
        sum(map(sum, made["confusion/rt-polarity/default"]["confusion"]))
        == made["confusion/rt-polarity/default"]["value"]
    )
