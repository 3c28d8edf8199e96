"""Every text of every page stands in both languages, and the exercises' checkers know right from wrong."""

import ast
import math
import re
from pathlib import Path

import pytest

from chainrule.core import InputError
from chainrule.lectures import CONTENTS, PAGES, Page, find_page
from chainrule.lectures.exercises import check_choice, check_number, read_number
from chainrule.lectures.language import CHINESE, labels, say, term, translated

HAN = re.compile(r"[\u4e00-\u9fff]")
FILES = [page.path for page in (*PAGES, CONTENTS)]
TOLD = {"md", "callout", "knob", "question"}  # calls whose text a reader reads
NEUTRAL = re.compile(r"[^A-Za-z]*|`?.?`?|\|V\||θ|> ?")


def calls(tree: ast.AST, name: str) -> list[ast.Call]:
    """Every call of a function or method of that name."""
    found = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    return [call for call in found if name == getattr(call.func, "attr", getattr(call.func, "id", None))]


def written(node: ast.AST) -> str:
    """The literal text of a string, formatted or not."""
    return "".join(
        part.value
        for part in ast.walk(node)
        if isinstance(part, ast.Constant) and isinstance(part.value, str)
    )


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_text_stands_in_both_languages(path: Path) -> None:
    tree = ast.parse(path.read_text("utf-8"))
    said = calls(tree, "say")
    assert said
    for call in said:
        texts = {keyword.arg: written(keyword.value) for keyword in call.keywords}
        assert set(texts) == {"en", "zh"}, ast.unparse(call)
        assert texts["en"].strip(), ast.unparse(call)
        assert HAN.search(texts["zh"]), ast.unparse(call)
        english = HAN.sub("", texts["en"])
        assert len(english) > 0.8 * len(texts["en"]), ast.unparse(call)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_title_and_summary_stand_in_both_languages(page: Page) -> None:
    for said in (page.title, page.about):
        assert set(said) == {"en", "zh"}
        assert HAN.search(said["zh"])
        assert not HAN.search(said["en"])


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_nothing_is_told_but_by_say(path: Path) -> None:
    """What is handed to a call that shows text is `say`, or has no word of a language in it."""
    tree = ast.parse(path.read_text("utf-8"))
    inside = {id(node) for call in calls(tree, "say") for node in ast.walk(call)}
    for name in TOLD:
        for call in calls(tree, name):
            for node in ast.walk(call):
                if id(node) in inside or not isinstance(node, ast.JoinedStr | ast.Constant):
                    continue
                words = re.findall(r"[A-Za-z]{3,}", written(node)) if isinstance(node, ast.JoinedStr) else []
                assert not words, f"{path.name}:{node.lineno}: {words}"


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_no_input_has_a_label_in_one_language(path: Path) -> None:
    tree = ast.parse(path.read_text("utf-8"))
    for name in ("slider", "dropdown", "text", "radio", "text_area"):
        for call in calls(tree, name):
            assert "label" not in {keyword.arg for keyword in call.keywords}, f"{path.name}:{call.lineno}"


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_cells_hold_no_functions_and_no_loops(path: Path) -> None:
    """What is computed stands in the package, where it is tested."""
    for cell in ast.parse(path.read_text("utf-8")).body:
        if isinstance(cell, ast.FunctionDef):
            inner = [n for n in ast.walk(cell) if isinstance(n, ast.FunctionDef | ast.For | ast.While)]
            assert inner == [cell], f"{path.name}:{cell.lineno}"


def test_say_and_term() -> None:
    assert say("en", en="yes", zh="是") == "yes"
    assert say("zh", en="yes", zh="是") == "是"
    assert term("zh", "held out") == "留出集"
    assert term("en", "held out") == "held out"
    assert term("zh", "2-grams, alpha = 0.75") == "2 元组, α = 0.75"
    assert term("zh", "RNN") == "RNN"
    assert all(HAN.search(chinese) or not re.search("[a-z]{5}", chinese) for chinese in CHINESE.values())


def test_labels_are_translated_and_tokens_are_not() -> None:
    drawn = '<svg><text x="1">mean</text><text>a &lt; b</text></svg>'
    assert labels(translated(drawn, "zh")) == ["平均", "a < b"]
    assert labels(translated(drawn, "zh", keep={"mean"})) == ["mean", "a < b"]
    assert translated(drawn, "en") == drawn


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("4", 4),
        (" 0.25 ", 0.25),
        ("0,25", 0.25),
        ("1/4", 0.25),
        ("25 %", 0.25),
        ("25％", 0.25),
        ("7,772", 7772),
        ("1,234,567.5", 1234567.5),
        ("-1.5e3", -1500),
        ("∞", math.inf),
        ("无穷大", math.inf),
    ],
)
def test_numbers_are_read_as_people_write_them(text: str, value: float) -> None:
    assert read_number(text) == value


@pytest.mark.parametrize("text", ["four", "1/0", "1/2/3", "__import__('os')", "", "%", "1..2", "nan"])
def test_what_is_no_number_is_none(text: str) -> None:
    assert read_number(text) is None


def test_a_number_is_right_within_its_tolerance_and_says_why() -> None:
    told = {"why": "because", "hint": "think", "unreadable": "a number, please"}
    assert check_number("3.99", 4, **told) == (True, "because")
    assert check_number("3.9", 4, **told) == (False, "think")
    assert check_number("3.99", 4, **told, tolerance=0) == (False, "think")
    assert check_number("inf", math.inf, **told).right
    assert not check_number("inf", 4, **told).right
    assert check_number("x", 4, **told) == (False, "a number, please")
    assert check_number("  ", 4, **told) == (None, "")


def test_a_choice_is_right_or_not_and_says_why() -> None:
    why = {"a": "yes, for", "b": "no, for"}
    assert check_choice(None, "a", why).right is None
    assert check_choice("a", "a", why) == (True, "yes, for")
    assert check_choice("b", "a", why) == (False, "no, for")


@pytest.mark.parametrize("name", ["0", "10", "nothing", ""])
def test_a_page_that_there_is_not_is_refused(name: str) -> None:
    with pytest.raises(InputError, match=r"expected 1\.\.9 or one of sequence_models"):
        find_page(name)
