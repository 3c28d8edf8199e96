"""`chainrule mix`: two model files as one, weighed on what `train` validates on."""

import json
from pathlib import Path

import pytest

from tests.cli.conftest import Run


@pytest.fixture
def pair(run: Run, text_file: Path) -> tuple[str, str]:
    """Two models of one vocabulary in the folder."""
    assert run("train", text_file, "--model", "ngram", "--order", 3, "-o", "a").code == 0
    done = run("train", text_file, "--model", "contexts", "--vocab", "a", "-o", "b")
    assert done.code == 0, done.err
    assert "(online" in done.out
    return "a", "b"


@pytest.mark.slow
def test_a_mixture_is_a_model_like_any_other(run: Run, pair: tuple[str, str], text_file: Path) -> None:
    done = run("mix", *pair, "--corpus", text_file, "-o", "both", "--json")
    assert done.code == 0, done.err
    card = json.loads(done.out)
    assert [member["recipe"]["kind"] for member in card["members"]] == ["ngram", "contexts"]
    assert sum(member["weight"] for member in card["members"]) == pytest.approx(1)
    alone = [member["valid_bits_per_character"] for member in card["members"]]
    assert card["valid_bits_per_character"] < min(alone)
    assert card["held_out"]["tokens"] == card["split"]["test"]["tokens"] > 0
    shown = run("info", "both").out
    assert "mixture" in shown
    assert "those of 2 models" in shown
    assert len(run("generate", "both", "-n", 20, "--json").out) > 20
    assert run("compress", text_file, "-m", "both", "-o", "c").code == 0
    assert run("decompress", "c", "-m", "both", "-o", "again").code == 0
    assert (text_file.parent / "again").read_bytes() == text_file.read_bytes()


def test_weights_from_a_file(run: Run, pair: tuple[str, str], text_file: Path, tmp_path: Path) -> None:
    (tmp_path / "valid").write_text(text_file.read_text()[-800:], "utf-8")
    done = run("mix", *pair, "--valid", "valid", "-o", "both")
    assert done.code == 0, done.err
    assert "held out" not in done.out
    known = run("mix", *pair, "--valid", text_file, "-o", "both", "--force")
    assert "of the text that weighed them was trained on" in known.err


@pytest.mark.slow
def test_what_cannot_be_mixed(run: Run, pair: tuple[str, str], text_file: Path) -> None:
    (text_file.parent / "other.txt").write_text("abcabc\n" * 300, "utf-8")
    assert run("train", "other.txt", "--model", "unigram", "-o", "c").code == 0
    for arguments, said in (
        ((pair[0], "c", "--corpus", text_file), "c: expected the tokens and the vocabulary of a, got others"),
        ((pair[0], "--corpus", text_file), "expected at least two models, got 1"),
        (
            (*pair, "--valid", text_file, "--test", "0.3"),
            "expected --corpus CORPUS, or a file for --test, got 0.3",
        ),
        (pair, "expected --corpus CORPUS, or a file for --valid, got 0.1"),
        ((*pair, "--corpus", text_file, "--valid", "0"), "expected some to weigh the models on, got none"),
        ((pair[0], "nowhere", "--corpus", text_file), "nowhere: cannot be read: No such file"),
    ):
        done = run("mix", *arguments, "-o", "both")
        assert (done.code, done.out) == (2, "")
        assert said in done.err
        assert len(done.err.splitlines()) == 1
        assert not (text_file.parent / "both").exists()
