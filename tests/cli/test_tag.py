"""`chainrule tag`: trains, tags, scores; one line for everything that is wrong with a file."""

import json
from pathlib import Path

import pytest

from tests.cli.conftest import Done, Run
from tests.test_tagger import sentences

QUICK = ("--epochs", "2", "--hidden", "8", "--min-freq", "1")


def columns(count: int = 80) -> str:
    return "\n".join("".join(f"{token}\t{tag}\n" for token, tag in one) for one in sentences(count))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "names.conll"
    path.write_text(columns())
    return path


def one_line(done: Done, code: int = 2) -> str:
    assert done.code == code, done
    assert done.out == ""
    (line,) = done.err.strip().splitlines()
    return line


def test_train_predict_evaluate(run: Run, file: Path, tmp_path: Path) -> None:
    done = run("tag", "train", "names.conll", "-o", "names.chainrule", *QUICK)
    assert done.code == 0, done.err
    assert "trained on 72 sentences" in done.out
    assert "held out: 8 sentences" in done.out
    assert "hidden Markov model" in done.out
    told = json.loads(run("info", "names.chainrule", "--json").out)
    assert (told["kind"], told["sentences"]) == ("tagger", 72)
    assert len(told["held_out"]) == 4
    assert "held out, hidden Markov model" in run("info", "names.chainrule").out
    done = run("tag", "predict", "names.chainrule", stdin="Dr\na x\n\nc\n")
    assert [line.split("\t")[0] for line in done.out.splitlines()] == ["Dr", "a", "", "c"]
    assert "wrote tags.conll" in run("tag", "predict", "names.chainrule", file, "-o", "tags.conll").out
    assert len((tmp_path / "tags.conll").read_text().splitlines()) == len(columns().splitlines())
    scores = json.loads(run("tag", "evaluate", "names.chainrule", file, "--json").out)
    assert scores["sentences"] == 80
    assert set(scores["spans"]) == {"precision", "recall", "f1"}
    (tmp_path / "new.conll").write_text("a\tNEW\nc\tO\n")
    done = run("tag", "evaluate", "names.chainrule", "new.conll")
    assert "tags that training never saw, all wrong: 1" in done.err
    assert "exists already" in one_line(run("tag", "train", file, "-o", "names.chainrule"))


@pytest.mark.slow
def test_a_text_is_dressed_again(run: Run, tmp_path: Path) -> None:
    (tmp_path / "text.txt").write_text("Stop. We go, then we stop. " * 400)
    done = run("tag", "restore", "text.txt", "-o", "r.chainrule")
    assert done.code == 0, done.err
    assert "as it is:" in done.out
    done = run("tag", "predict", "r.chainrule", "--text", "stop we go then we stop " * 6)
    assert done.out.startswith("Stop. We go, then we stop. Stop. We go,")


def test_json_is_all_there_is_on_standard_output(run: Run, file: Path) -> None:
    made = json.loads(run("tag", "train", file, "--json", *QUICK).out)
    assert list(made["held_out"]) == [
        "most frequent tag",
        "most frequent tag of the token",
        "hidden Markov model",
        "recurrent network",
    ]
    assert made["card"]["recipe"]["seed"] == 0


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a X\n\nalone\n", "bad.conll: line 3: expected a token and its tag, got 'alone'"),
        ("", "expected a text, got an empty one"),
        ("a X\nb X\n\nc X\n\nd X\n", "tags: expected at least 2 different ones, got X"),
        ("a X\nb Y\n", "expected sentences to train on, got 1, of which --test takes all"),
    ],
    ids=["one column", "empty", "one tag", "one sentence"],
)
def test_files_that_cannot_be_used(run: Run, tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "bad.conll").write_text(text)
    assert said in one_line(run("tag", "train", "bad.conll", *QUICK))


def test_a_model_that_is_no_tagger(run: Run, counted_file: Path) -> None:
    assert "expected a tagger, got another model" in one_line(
        run("tag", "predict", counted_file, "--text", "a")
    )
    assert "form: expected one of" in one_line(run("tag", "train", "pydocs", "--as", "x"))


def test_a_huge_sentence_is_cut_and_said(run: Run, tmp_path: Path) -> None:
    (tmp_path / "long.conll").write_text("a X\nb Y\n" * 600 + "\n" + "a X\nb Y\n\n" * 5)
    done = run("tag", "train", "long.conll", "--epochs", "1", "--hidden", "4")
    assert done.code == 0, done.err
    assert "1 sentence of more than 1,000 tokens: cut" in done.err
