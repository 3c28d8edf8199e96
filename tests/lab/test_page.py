"""The page runs without a browser, whatever its controls say."""

from pathlib import Path
from typing import Any, NamedTuple

import pytest

import chainrule

mo = pytest.importorskip("marimo", reason="marimo is not installed", exc_type=ImportError)


class Control(NamedTuple):
    """What a cell reads of an element of the page."""

    value: Any


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("models") / "small.chainrule"
    text = chainrule.load_corpus("pydocs").text[:8000]
    chainrule.LanguageModel.fit(text, model="rnn", hidden=8, epochs=1).save(path)
    return str(path)


def shown(outputs: Any) -> str:
    """All that the cells show, as text."""
    return "\n".join(getattr(output, "text", "") for output in outputs if output is not None)


def ran(**given: Any) -> tuple[str, Any]:
    from chainrule.lab.pages.lab import app

    outputs, names = app.run(defs=given)
    return shown(outputs), names


@pytest.mark.parametrize(
    ("view", "sign"),
    [
        ("train", "Train"),
        ("read", "cr-text"),
        ("next", "cr-next"),
        ("speak", "cr-said"),
        ("hidden", "cr-hidden"),
    ],
)
def test_every_view_shows_what_it_is_for(view: str, sign: str, model: str) -> None:
    text, _ = ran(view=view, paths=[model], asked_language="en")
    assert sign in text
    assert "role=&quot;alert" not in text
    assert 'role="alert"' not in text


def test_the_table_is_made_when_it_is_asked_for(model: str) -> None:
    corpus = chainrule.data.corpora.Corpus("some", chainrule.load_corpus("pydocs").text[:6000], "")
    given = {"view": "compare", "paths": [model], "asked_language": "en", "corpus": corpus, "trouble": ""}
    assert "cr-compared" not in ran(**given)[0]
    table = ran(**given, score=Control(True))[0]
    assert "cr-compared" in table
    for name in ("small", "uniform", "unigram", "5-gram"):
        assert f"<td>{name}</td>" in table


def test_in_chinese(model: str) -> None:
    text, names = ran(view="next", paths=[model], asked_language="zh")
    assert names["VIEWS"]["train"] == "文本与训练"
    assert "抽样分布" in text
    assert "drawn from" not in text


def test_without_a_model_it_says_where_to_get_one() -> None:
    assert "There is no model yet" in ran(view="next", paths=[], asked_language="en")[0]


def test_bad_texts_are_said_in_the_page(model: str) -> None:
    empty, names = ran(
        view="train", paths=[], asked_language="en", source=Control("pasted"), pasted=Control("")
    )
    assert names["corpus"] is None
    assert "expected a text, got an empty one" in empty
    long = ran(
        view="train",
        paths=[],
        asked_language="en",
        source=Control("pasted"),
        pasted=Control("x" * 50_000_000),
    )
    assert long[1]["corpus"] is None
    assert "expected at most 1,000,000 bytes" in long[0]
    given = {"paths": [model], "asked_language": "en", "reading": Control("")}
    assert "The text is empty" in ran(view="read", **given)[0]
    assert "expected at least one token" in ran(view="hidden", **given)[0]


def test_the_page_is_in_the_package() -> None:
    from chainrule.lab import PAGE

    assert Path(chainrule.__file__).parent in PAGE.parents
    assert PAGE.is_file()
