"""`chainrule count`: figures worked by hand, the kept index, and bad input."""

import json
from pathlib import Path

import pytest

from tests.cli.conftest import Run
from tests.cli.test_bad_input import one_line

TEXT = "the cat sat on the mat . the cat ran . the dog sat on the cat"  # 17 tokens


@pytest.fixture
def cats(tmp_path: Path) -> Path:
    path = tmp_path / "cats.txt"
    path.write_text(TEXT, encoding="utf-8")
    return path


def test_a_phrase_that_occurs(run: Run, cats: Path) -> None:
    found = json.loads(run("count", "the cat", cats, "--json", "--limit", 2, "--context", 1).out)
    assert (found["corpus"], found["tokenizer"], found["text_tokens"]) == ("cats.txt", "words", 17)
    assert (found["tokens"], found["unknown"], found["count"]) == (["the", "cat"], [], 3)
    # at the end of the text nothing follows it
    assert found["longest_end"] == {"text": "the cat", "tokens": 2, "count": 2, "different": 2}
    assert found["next"] == [
        {"token": "sat", "count": 1, "share": 0.5},
        {"token": "ran", "count": 1, "share": 0.5},
    ]
    assert found["occurrences"] == [
        {"at": 0, "left": "", "phrase": "the cat", "right": "sat"},
        {"at": 7, "left": ".", "phrase": "the cat", "right": "ran"},
    ]


def test_the_same_as_text(run: Run, cats: Path) -> None:
    done = run("count", "sat on the", cats, "--next", 1)
    assert done.code == 0, done.err
    lines = done.out.splitlines()
    assert lines[0] == "'sat on the': 2 times in cats.txt (17 tokens, words)"
    assert "after 'sat on the'" in lines[2]
    assert lines[4].split("│")[1:4] == [" cat                ", "     1 ", " 50.0% "]
    assert lines[5].split() == ["│", "1", "other", "│", "1", "│", "50.0%", "│"]
    assert [line.split()[0] for line in lines[7:]] == ["2", "13"]
    assert "sat on the  cat" in lines[8]
    assert done.err == ""


def test_a_phrase_that_does_not_occur(run: Run, cats: Path) -> None:
    done = run("count", "a bird sat on", cats, "--limit", 1)
    lines = done.out.splitlines()
    assert lines[0].startswith("'a bird sat on': 0 times")
    assert lines[1] == "its longest end with a token after it: 'sat on', 2 times"
    assert "sat on  the mat" in lines[-1]
    assert done.err.strip() == "note: not in this text: 'a', 'bird'"

    done = run("count", "[bold]bird", cats)
    assert "'[bold]bird': 0 times" in done.out
    assert "these are the counts of all tokens" in done.out
    found = json.loads(run("count", "bird", cats, "--json").out)
    assert (found["count"], found["unknown"], found["occurrences"]) == (0, ["bird"], [])
    assert found["next"][0] == {"token": "the", "count": 5, "share": 5 / 17}


def test_the_empty_phrase(run: Run, cats: Path) -> None:
    found = json.loads(run("count", "", cats, "--json", "--next", 0).out)
    assert found["count"] == found["longest_end"]["count"] == 17
    assert found["next"] == found["occurrences"] == []


@pytest.mark.parametrize(
    ("tokenizer", "phrase", "times"),
    [("characters", "at", 6), ("bytes", "at", 6), ("space", "cat ran", 1), ("bpe", " sat", 2)],
)
def test_every_tokeniser(run: Run, cats: Path, tokenizer: str, phrase: str, times: int) -> None:
    done = run("count", phrase, cats, "--tokenizer", tokenizer, "--bpe-size", 256, "--json")
    assert json.loads(done.out)["count"] == times
    assert done.err == ""


def test_bpe_tells_of_its_blanks(run: Run, cats: Path) -> None:
    assert "' sat' is counted apart" in run("count", "sat", cats, "--tokenizer", "bpe").err


def test_pydocs_and_standard_input(run: Run) -> None:
    assert "in pydocs (" in run("count", "the value of").out
    assert run("count", "b", "-", stdin="a b a b").out.startswith("'b': 2 times in standard input")


def test_the_index_is_kept_and_belongs_to_its_text(run: Run, cats: Path, tmp_path: Path) -> None:
    plain = run("count", "the cat", cats)
    first = run("count", "the cat", cats, "--index", "kept")
    assert first.err.strip() == "note: suffix array: kept"
    data = (tmp_path / "kept").read_bytes()
    again = run("count", "the cat", cats, "--index", "kept")
    assert again.err == ""
    assert plain.out == first.out == again.out
    (tmp_path / "other.txt").write_text(TEXT + " again", encoding="utf-8")
    for other in (("other.txt",), (cats, "--tokenizer", "characters")):
        line = one_line(run("count", "the cat", *other, "--index", "kept"))
        assert "kept: expected the suffix array of this text, " in line
        assert "; got that of 17 words tokens, SHA-256 " in line
    assert (tmp_path / "kept").read_bytes() == data


def test_an_index_that_is_none(run: Run, cats: Path, counted_file: Path, tmp_path: Path) -> None:
    line = one_line(run("count", "cat", cats, "--index", counted_file))
    assert "expected a suffix array as --index writes it, got another file" in line
    assert "expected a chainrule model file" in one_line(run("count", "cat", cats, "--index", cats))
    assert "Is a directory" in one_line(run("count", "cat", cats, "--index", "."))
    assert "does not exist" in one_line(run("count", "cat", cats, "--index", "missing/kept"))
    assert "name too long" in one_line(run("count", "cat", cats, "--index", "a" * 300))
    assert run("count", "cat", cats, "--index", "kept").code == 0
    data = (tmp_path / "kept").read_bytes()
    (tmp_path / "kept").write_bytes(data[:-8] + bytes(8))
    assert "kept: the file is damaged" in one_line(run("count", "cat", cats, "--index", "kept"))


def test_an_index_whose_order_is_wrong(run: Run, cats: Path, tmp_path: Path) -> None:
    from chainrule.files import read_arrays, write_arrays

    assert run("count", "cat", cats, "--index", "kept").code == 0
    arrays, header = read_arrays(tmp_path / "kept")
    write_arrays(tmp_path / "wrong", {"order": arrays["order"][::-1]}, header)
    line = one_line(run("count", "cat", cats, "--index", "wrong"))
    assert line == "error: wrong: suffix array: expected the order of these 17 suffixes"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--next", -1), "next: expected 0 or more, got -1"),
        (("--context", -1), "context: expected 0 or more, got -1"),
        (("--limit", -1), "limit: expected 0 or more, got -1"),
        (("--tokenizer", "letters"), "tokeniser: expected one of"),
        (("--errors", "ignore"), "errors: expected strict or replace"),
    ],
)
def test_settings_without_a_meaning(
    run: Run, cats: Path, arguments: tuple[object, ...], message: str
) -> None:
    assert message in one_line(run("count", "cat", cats, *arguments))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "expected a text, got an empty one"),
        (b" \n", "expected a text, got only white space"),
        (b"a\xff", "expected UTF-8, got byte 0xff at offset 1"),
    ],
    ids=["empty", "blank", "not UTF-8"],
)
def test_a_file_that_is_no_text(run: Run, tmp_path: Path, data: bytes, message: str) -> None:
    (tmp_path / "bad.txt").write_bytes(data)
    assert message in one_line(run("count", "cat", "bad.txt"))
    assert "expected a file, a folder, - or one of" in one_line(run("count", "cat", "nothing"))
