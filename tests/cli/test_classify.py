"""`chainrule classify` as a process: train, predict, evaluate, generate, monthly; and bad input."""

import csv
import json

import pytest

from chainrule.files import read_arrays, write_arrays

ROWS = [
    ("positive", "The plot is wonderful, and the cast moved me."),
    ("negative", "the pace is dull. it bored me"),
]


@pytest.fixture
def trained(run):
    done = run(
        "classify", "train", "film-reviews", "--model", "words", "-o", "c", "--plot", "c.png", "--json"
    )
    assert done.code == 0, done.err
    return json.loads(done.out)


def test_from_dated_reviews_to_a_forecast(run, trained, tmp_path):
    assert trained["held_out"][0]["accuracy"] > 0.7
    assert (tmp_path / "c.png").read_bytes().startswith(b"\x89PNG")
    told = json.loads(run("info", "c", "--json").out)
    assert (told["kind"], told["held_out"]) == ("classifier", trained["held_out"])
    shown = run("info", "c").out
    assert "classifier, words" in shown
    assert f"accuracy {100 * trained['held_out'][0]['accuracy']:.1f} %" in shown
    done = run("classify", "predict", "c", "--string", "the plot is wonderful", "--explain")
    assert done.code == 0, done.err
    assert "positive" in done.out
    assert "wonderful(+" in done.out
    told = run("classify", "generate", "c", "--label", "negative", "-n", "2", "--seed", "3")
    assert len(told.out.splitlines()) == 2
    assert run("classify", "monthly", "c", "film-reviews", "--of", "positive", "-o", "m.csv").code == 0
    months = list(csv.DictReader((tmp_path / "m.csv").read_text("utf-8").splitlines()))
    assert months[0]["ds"] == "2019-01-01"
    assert float(months[0]["low"]) < float(months[0]["y"]) < float(months[0]["high"])
    ahead = run(
        "forecast", "m.csv", "--time", "ds", "--value", "y", "--h", "3", "--no-peers", "--windows", "1"
    )
    assert ahead.code == 0, ahead.err


def test_tables_are_read_predicted_and_evaluated(run, trained, tmp_path):
    lines = ["side,words", *(f'{label},"{text}"' for label, text in ROWS), "mixed,so so film", "negative,"]
    (tmp_path / "t.csv").write_text("\n".join(lines) + "\n")
    done = run("classify", "evaluate", "c", "t.csv", "--label", "side")
    assert done.code == 0, done.err
    assert "1 without a text" in done.err
    assert "1 texts left out" in done.err
    assert "'mixed' (1)" in done.err
    done = run("classify", "predict", "c", "t.csv", "--text", "words", "--json")
    assert [row["label"] for row in json.loads(done.out)][:2] == ["positive", "negative"]
    done = run("classify", "predict", "c", stdin=f"{ROWS[0][1]}\n\n{ROWS[1][1]}\n")
    assert [line.split()[1] for line in done.out.splitlines()] == ["positive", "negative"]


def test_a_file_for_each_class_and_folds(run, tmp_path):
    for label, text in ROWS:
        (tmp_path / label).write_text("".join(f"{text} number {k}\n" for k in range(12)), encoding="cp1252")
    files = [part for label, _ in ROWS for part in ("--class", f"very {label}={label}")]
    done = run("classify", "train", *files, "--folds", "3", "--model", "bayes", "-o", "d")
    assert done.code == 0, done.err
    assert "3 folds" in done.out
    assert "very positive 12" in done.out
    assert run("info", "d").out.count("held out") == 3
    arrays, header = read_arrays(tmp_path / "d")
    write_arrays(tmp_path / "e", arrays, {**header, "card": {}})
    damaged = run("info", "e")
    assert (damaged.code, damaged.err.count("\n")) == (2, 1)
    assert "what it says of itself is damaged" in damaged.err
    again = run("classify", "train", *files, "-o", "d")
    assert again.code == 2
    assert "--force" in again.err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["train"], "expected DATA, or --class"),
        (["train", "none.csv"], "found none"),
        (["train", "one.csv"], "at least two classes, got 'a'"),
        (["train", "single.csv"], "got one of 'b c'"),
        (["train", "--class", "a"], "expected LABEL=FILE"),
        (["train", "--class", "a=one.csv", "--class", "a=one.csv"], "different labels"),
        (["train", "film-reviews", "--test", "2"], "between 0 and 1"),
        (["train", "film-reviews", "--model", "oracle"], "expected one of default"),
        (["train", "film-reviews", "--folds", "1"], "at least 2"),
        (["predict", "one.csv"], "expected a chainrule model file"),
        (["train", "one.csv", "--encoding", "klingon"], "one that Python knows"),
    ],
    ids=range(11),
)
def test_bad_input_is_one_line_and_exit_2(run, tmp_path, arguments, message):
    (tmp_path / "one.csv").write_text("label,text\na,some words\na,other words\n")
    (tmp_path / "single.csv").write_text("label,text\na,some words\na,other words\nb c,more\n")
    done = run("classify", *arguments)
    assert done.code == 2, done.err
    assert message in done.err
    assert "Traceback" not in done.err
