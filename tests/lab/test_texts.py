"""Which text: by name, pasted, or sent."""

from pathlib import Path

import pytest

from chainrule.core import InputError
from chainrule.lab.texts import LIMIT, PASTE_LIMIT, PASTED, SENT, checked, chosen, decoded, offered


def test_only_what_is_on_disk_is_offered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert offered() == ["pydocs"]
    for name in ("timemachine.txt", "own.txt", "packed.txt.gz", "model.chainrule"):
        (tmp_path / name).write_text("a text")
    monkeypatch.setenv("CHAINRULE_DATA", str(tmp_path))
    assert offered() == ["pydocs", "timemachine", "own", "packed"]
    corpus, trouble = chosen("own")
    assert corpus is not None
    assert (corpus.text, trouble) == ("a text", "")


@pytest.mark.parametrize("text", ["", " \n\t"])
def test_an_empty_paste_says_so(text: str) -> None:
    corpus, trouble = chosen(PASTED, text)
    assert corpus is None
    assert trouble.startswith("pasted: expected a text, got ")


def test_fifty_megabytes_are_refused_with_the_limit() -> None:
    corpus, trouble = chosen(PASTED, "x" * 50_000_000)
    assert corpus is None
    assert f"expected at most {PASTE_LIMIT:,} bytes, got 50,000,000" in trouble
    with pytest.raises(InputError, match="expected at most"):
        checked("a", "活" * (LIMIT // 3 + 1))  # three bytes a character
    assert chosen(SENT, sent=("long.txt", b"x" * (LIMIT + 1)))[0] is None
    assert chosen(PASTED, "x" * PASTE_LIMIT)[0] is not None


def test_files_that_are_sent() -> None:
    assert decoded("a.txt", "\ufeff活".encode()) == "活"
    corpus, trouble = chosen(SENT, sent=("a.txt", b"\xff"))
    assert (corpus, trouble) == (None, "a.txt: expected UTF-8, got byte 0xff at 0")
    assert chosen(SENT) == (None, "file: expected a file, none was sent yet")


@pytest.mark.parametrize("name", ["/etc/passwd", "../conftest.py", "-", "nothing"])
def test_no_path_of_this_machine_is_read(name: str) -> None:
    corpus, trouble = chosen(name)
    assert corpus is None
    assert trouble.startswith("text: expected one of pydocs, got ")
