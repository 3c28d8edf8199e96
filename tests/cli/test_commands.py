"""Every command on good input: what it prints, as text and as JSON."""

import json
from html.parser import HTMLParser
from pathlib import Path

import pytest

from tests.cli.conftest import Run

LADDER = ("uniform", "unigram", "bigram", "add-", "Witten-Bell", "window MLP", "RNN", "GRU", "LSTM")
BEYOND = ("", "context mixing", "all three")  # a mixture has the names of its members


def test_compare_prints_the_ladder_and_writes_a_report(run: Run, text_file: Path, tmp_path: Path) -> None:
    done = run("compare", text_file, "--budget", "3s")
    assert done.code == 0, done.err
    lines = done.out.splitlines()
    rows = [line for line in lines if line.startswith("│")]
    names = [row.split("│")[1].strip() for row in rows]
    assert all(map(str.startswith, names, (*LADDER, *BEYOND)))
    assert len(names) == len((*LADDER, *BEYOND))
    assert (
        done.out.index(" + ") < done.out.index("online: each token was scored") < done.out.index("all three")
    )
    assert "training perplexity is of the first 800 training tokens" in done.err
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    HTMLParser().feed(page)
    assert all(name in page for name in ("Witten-Bell", "LSTM", "<svg"))
    again = run("compare", text_file, "--budget", "3s")
    assert again.code == 2
    assert "report.html: exists already; --force overwrites it" in again.err


def test_compare_in_json_holds_what_the_table_does(run: Run, text_file: Path, tmp_path: Path) -> None:
    done = run("compare", text_file, "--budget", "2s", "--json", "--no-report", "--seed", 3)
    assert done.code == 0, done.err
    found = json.loads(done.out)
    assert found["seed"] == 3
    names = [row["model"] for row in found["rows"]]
    assert all(map(str.startswith, names, (*LADDER, *BEYOND)))
    assert [row["held_out"]["online"] for row in found["rows"]] == [False] * 10 + [True] * 2
    uniform = found["rows"][0]
    assert uniform["held_out"]["perplexity"] == pytest.approx(len(set(text_file.read_text()[:6480])) + 1)
    assert uniform["difference"] is None
    assert set(found["rows"][4]["difference"]) == {"mean", "low", "high"}
    assert not (tmp_path / "report.html").exists()


def test_compare_on_words_says_what_is_lost(run: Run, text_file: Path) -> None:
    done = run("compare", text_file, "--budget", "2s", "--tokenizer", "words", "--no-report")
    assert done.code == 0, done.err
    assert "the tokens lack white space" in done.err
    assert "held-out tokens are unknown" in done.err


def test_train_then_info_evaluate_generate_score(run: Run, text_file: Path, tmp_path: Path) -> None:
    done = run("train", text_file, "--model", "lstm", "--epochs", 1, "--hidden", 16, "-o", "m")
    assert done.code == 0, done.err
    assert "held out" in done.out
    assert "model: m" in done.err

    info = run("info", "m", "--json")
    card = json.loads(info.out)
    assert (card["recipe"]["kind"], card["recipe"]["hidden"], card["recipe"]["seed"]) == ("lstm", 16, 0)
    assert card["state"] == "a vector of 32"
    assert run("info", "m").out.splitlines()[0].split() == ["model", "lstm"]

    test = text_file.read_text(encoding="utf-8")[-800:]
    (tmp_path / "test.txt").write_text(test, encoding="utf-8")
    found = json.loads(run("evaluate", "m", "test.txt", "--json").out)
    assert found["perplexity"] == card["held_out"]["perplexity"]
    assert {"tokens", "unknown", "bits_per_character", "bits_per_byte", "overlap"} <= set(found)
    assert "perplexity per token" in run("evaluate", "m", "test.txt").out

    told = run("generate", "m", "--prompt", "The ", "--length", 40)
    assert told.out.startswith("The ")
    assert run("generate", "m", "-p", "The ", "-n", 40).out == told.out
    assert run("generate", "m", "-p", "The ", "-n", 40, "--seed", 1).out != told.out
    assert json.loads(run("generate", "m", "-p", "The ", "-n", 40, "--json").out)["text"] + "\n" == told.out

    scored = json.loads(run("score", "m", "--text", "the value", "--json").out)["tokens"]
    assert "".join(entry["token"] for entry in scored) == "the value"
    shown = run("score", "m", "--text", "the value", "--top", 2)
    assert "bits in all" in shown.out
    assert run("score", "m", stdin="the value").out.splitlines()[0] == "the value"


def test_train_takes_files_to_validate_and_test_on(run: Run, text_file: Path, tmp_path: Path) -> None:
    (tmp_path / "v.txt").write_text("the value of x " * 20)
    common = ("train", text_file, "--model", "ngram", "--json")
    card = json.loads(run(*common, "--valid", "v.txt", "--test", "0", "-o", "m").out)
    assert card["split"] == {
        "train": {"characters": 8000, "tokens": 8000},
        "valid": {"characters": 300, "tokens": 300},
        "test": {"characters": 0, "tokens": 0},
    }
    assert card["held_out"] is None
    assert run("info", "m").code == 0


def test_one_seed_repeats_a_run_bit_for_bit(run: Run, text_file: Path, tmp_path: Path) -> None:
    files = [tmp_path / name for name in ("a", "b", "c")]
    for path, seed in zip(files, (1, 1, 2), strict=True):
        done = run(
            "train", text_file, "--model", "gru", "--epochs", 2, "--hidden", 8, "--seed", seed, "-o", path
        )
        assert done.code == 0, done.err
    cards = [json.loads(run("info", path, "--json").out) for path in files]
    assert cards[0]["held_out"] == cards[1]["held_out"] != cards[2]["held_out"]


def test_evaluate_says_what_was_trained_on(run: Run, counted_file: Path, text_file: Path) -> None:
    done = run("evaluate", counted_file, text_file)
    assert done.code == 0
    assert "of this text was trained on: these are no held-out figures" in done.err
    assert json.loads(run("evaluate", counted_file, text_file, "--json").out)["overlap"] > 0.7


def test_evaluate_says_where_maximum_likelihood_fails(run: Run, text_file: Path, tmp_path: Path) -> None:
    options = ("--smoothing", "maximum-likelihood", "--order", 5)
    assert run("train", text_file, "--model", "ngram", *options, "-o", "m").code == 0
    (tmp_path / "other.txt").write_text("an entirely different thing: quizzical jackdaws")
    done = run("evaluate", "m", "other.txt")
    assert done.code == 0
    assert "∞" in done.out
    assert "its perplexity is infinite" in done.err
    assert "had nothing to say and was taken as uniform" in done.err
    assert json.loads(run("evaluate", "m", "other.txt", "--json").out)["perplexity"] == "inf"


def test_generate_says_which_symbols_of_the_prompt_it_lacks(run: Run, counted_file: Path) -> None:
    done = run("generate", counted_file, "--prompt", "caf\u00e9 ", "--length", 5)
    assert done.code == 0
    assert "'é'" in done.err
    assert done.out.startswith("café ")


def test_zipf_prints_exponents_tops_and_both_plots(run: Run, text_file: Path, tmp_path: Path) -> None:
    done = run("zipf", text_file, "--clean", "--plot", "zipf.png", "--top", 3)
    assert done.code == 0, done.err
    assert "alpha" in done.out
    assert "frequency" in done.out
    assert (tmp_path / "zipf.png").read_bytes().startswith(b"\x89PNG")
    found = json.loads(run("zipf", text_file, "--clean", "--top", 3, "--json").out)
    assert [entry["n"] for entry in found] == [1, 2, 3]
    assert found[0]["top"][0]["ngram"] == "the"
    assert all(0.1 < entry["alpha"] < 2 and 0 < entry["standard_error"] < 0.2 for entry in found)


def test_corpora_lists_and_measures(run: Run, text_file: Path, text: str) -> None:
    names = [row["name"] for row in json.loads(run("corpora", "--json").out)]
    assert names == ["pydocs", "timemachine", "tinyshakespeare"]
    assert "embedded" not in run("corpora").err
    assert json.loads(run("corpora", text_file, "--json").out)["characters"] == len(text)


def test_a_text_may_come_through_a_pipe(run: Run, counted_file: Path, text: str) -> None:
    assert run("train", "-", "--model", "ngram", "--order", 4, "-o", "m", stdin=text).code == 0
    assert json.loads(run("evaluate", "m", "-", "--json", stdin=text).out)["characters"] == len(text)


@pytest.mark.parametrize(
    "command", ["compare", "train", "evaluate", "generate", "score", "zipf", "corpora", "info"]
)
def test_help_has_an_example(run: Run, command: str) -> None:
    done = run(command, "--help", COLUMNS="200")
    assert done.code == 0
    assert f"chainrule {command}" in done.out.split("Example:")[1]


def test_version(run: Run) -> None:
    assert run("--version").out.strip() == "0.1.0"
