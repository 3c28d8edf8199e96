"""Every page of the lecture, run to its end without a browser, in both languages."""

import importlib.util
import math
import re
from functools import cache
from html import unescape
from typing import Any

import pytest

pytest.importorskip("marimo", reason="marimo is not installed")

from chainrule.lectures import CONTENTS, PAGES, find_page
from chainrule.lectures.language import labels

pytestmark = pytest.mark.xdist_group("lectures")  # one worker: a page is run once for all of its tests

# what a page has computed and need not compute again for its other language
COSTLY = {
    "sequence_models": ("results", "values"),
    "beyond_ngrams": ("agreed", "by_context", "models"),
    "recurrent_networks": ("codec", "network"),
    "from_scratch": ("trap", "flowing", "clipped", "unclipped"),
    "review": (),
}
RIGHT = {
    "sequence_models": "last",
    "text_preprocessing": "6",
    "beyond_ngrams": "8",
    "recurrent_networks": "7,772",
    "perplexity": "4",
    "from_scratch": "worse",
    "concise": "32",
    "review": "2",
}
WRONG = {"sequence_models": "mlp", "from_scratch": "same"}
NAMES = {"rnn", "gru", "lstm", "PyTorch", "Witten-Bell", "eta theta"}  # the same in both languages


def app_of(name: str) -> Any:
    """The page's app; under a name of its own, so that nothing is done to its cells."""
    path = next(page for page in (*PAGES, CONTENTS) if page.name == name).path
    spec = importlib.util.spec_from_file_location(f"page_{name}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.app


def html(outputs: Any) -> str:
    """All that a page shows, one cell after the other; marimo hands some of it on as JSON in attributes."""
    shown = unescape("\n".join(getattr(output, "text", "") or "" for output in outputs))
    for code, character in (("\\u003c", "<"), ("\\u003e", ">"), ("\\u0026", "&"), ('\\"', '"')):
        shown = shown.replace(code, character)
    return shown


@cache
def english_run(name: str) -> tuple[str, dict[str, Any]]:
    """What the page shows in English, answered rightly, and what it computed."""
    defs: dict[str, Any] = {"lang": "en"}
    if name in RIGHT:
        defs["given"] = RIGHT[name]
    outputs, found = app_of(name).run(defs=defs)
    return html(outputs), dict(found)


@cache
def chinese_run(name: str) -> tuple[str, dict[str, Any]]:
    """What the page shows in Chinese, answered wrongly; what was computed in English is taken over."""
    _, known = english_run(name)
    kept = {key: known[key] for key in COSTLY.get(name, ())}
    outputs, found = app_of(name).run(defs={"lang": "zh", "given": WRONG.get(name, "12345"), **kept})
    return html(outputs), dict(found)


SLOW = {"beyond_ngrams", "from_scratch", "recurrent_networks", "review"}  # networks train in them
every_page = pytest.mark.parametrize(
    "name",
    [pytest.param(page.name, marks=[pytest.mark.slow] * (page.name in SLOW)) for page in PAGES],
)


@every_page
def test_a_page_runs_to_its_end_and_grades_its_exercise(name: str) -> None:
    shown, found = english_run(name)
    if name == "language_models":
        right = str(found["asked"][0] / found["asked"][1])
        from chainrule.lectures.parts import typed

        assert typed("en", right, found["asked"][0] / found["asked"][1], why="", hint="").right
    else:
        assert found["verdict"].right is True
        assert "<strong>Right.</strong>" in shown
    assert "language-python" in shown or "marimo-code-editor" in shown  # code of the package
    assert "marimo-tex" in shown  # a formula
    chinese, wrongly = chinese_run(name)
    assert wrongly["verdict"].right is False
    assert "<strong>不对。</strong>" in chinese
    assert len(wrongly["verdict"].why) > 5


@pytest.mark.slow
@every_page
def test_the_chinese_page_says_everything_in_chinese(name: str) -> None:
    english, _ = english_run(name)
    shown, _ = chinese_run(name)
    for heading in re.findall(r"<h[123][^>]*>(.*?)</h[123]>", shown):
        assert re.search(r"[\u4e00-\u9fff|]", heading), heading
    pictures = re.findall(r"<svg.*?</svg>", shown, re.DOTALL)
    left = {
        label
        for picture in pictures
        for label in labels(picture)
        if re.search("[a-z]{4}", label) and label not in NAMES
    }
    assert not left
    heads = set(re.findall(r"<th[^>]*>([^<]*)</th>", shown))
    assert not {head for head in heads if re.search("[a-z]{5}", head)} - NAMES
    assert len(pictures) == len(re.findall("<svg ", english))


@every_page
def test_every_picture_has_its_numbers_as_a_table(name: str) -> None:
    shown, _ = english_run(name)
    assert shown.count("The numbers of this picture") == len(re.findall("<svg ", shown))


def test_the_contents_lead_to_every_page_in_its_language() -> None:
    outputs, _ = app_of("contents").run(defs={"lang": "zh"})
    shown = html(outputs)
    for page in PAGES:
        assert f"{page.name}/?lang=zh" in shown
        assert page.title["zh"] in shown


def test_the_network_loses_to_repeating_the_last_value_far_ahead() -> None:
    results = english_run("sequence_models")[1]["results"]
    network, last = (results[name].at for name in ("MLP 4-10-1", "last value"))
    assert network[1] < last[1]
    assert network[64] > last[64]


def test_both_ways_of_the_chain_rule_give_one_product() -> None:
    products = english_run("language_models")[1]["products"]
    assert products[0] == pytest.approx(products[1], rel=1e-12)
    assert products[0] > 0


def test_add_one_gives_away_too_much() -> None:
    rows = {row.name: row for row in english_run("language_models")[1]["table_of_smoothings"]}
    assert math.isinf(rows["maximum likelihood"].held_out)
    gap = {name: abs(row.unseen - row.happened) for name, row in rows.items()}
    assert rows["add-1"].unseen > 1.2 * rows["add-1"].happened
    assert gap["Witten-Bell"] < gap["add-1"]
    assert rows["Witten-Bell"].held_out < rows["add-1"].held_out


@pytest.mark.slow
def test_an_n_gram_guesses_beyond_its_reach_and_a_network_does_not() -> None:
    found = english_run("beyond_ngrams")[1]
    agreed = found["agreed"]
    assert agreed["3-gram"][1] == 1
    assert abs(agreed["3-gram"][3] - 0.5) < 0.1
    assert min(agreed["GRU"]) > 0.95
    flat = found["by_context"]["3-gram"]
    assert flat[2] == pytest.approx(flat[-1])
    assert flat[1] > flat[2]


@pytest.mark.slow
def test_the_trap_shows_both_figures() -> None:
    shown, found = english_run("from_scratch")
    trap = found["trap"]
    assert trap.train[-1] < 1.5
    assert trap.held_out[-1] > 1.5 * trap.counted
    assert trap.held_out[-1] > min(trap.held_out)
    assert f"{trap.train[-1]:.2f}" in shown
    assert f"{trap.held_out[-1]:.1f}" in shown


@pytest.mark.slow
def test_no_step_is_longer_than_clipping_allows() -> None:
    found = english_run("from_scratch")[1]
    assert found["clipped"].lengths.max() <= 8.0 * 0.25 + 1e-6
    assert (found["clipped"].changes <= found["allowed"]).all()
    assert found["unclipped"].norms.max() > 10 * found["clipped"].norms.max()


def test_the_coder_needs_what_the_bits_say() -> None:
    found = english_run("perplexity")[1]
    assert 0 <= 8 * len(found["cost"].payload) - found["sums"][-1] <= 64


def test_both_engines_say_the_same() -> None:
    pytest.importorskip("torch", reason="torch is not installed")
    engines = english_run("concise")[1]["engines"]
    assert engines.differences.max() < 1e-4
    assert max(engines.weights.values()) < 1e-4


def test_without_torch_the_page_says_so() -> None:
    outputs, found = app_of("concise").run(defs={"lang": "en", "cell": None, "missing": "needs PyTorch"})
    assert found["engines"] is None
    shown = html(outputs)
    assert "PyTorch is not here" in shown
    assert "needs PyTorch" in shown
    assert "<svg " not in shown


@pytest.mark.parametrize(
    ("own", "says"),
    [("  ", "got an empty one"), ("a" * 200_001, "at most 200,000 characters, got 200,001")],
)
def test_a_text_that_cannot_be_used_is_refused_in_a_sentence(own: str, says: str) -> None:
    from types import SimpleNamespace

    from chainrule.core import InputError
    from chainrule.lectures.parts import attempt, text_of

    with pytest.raises(InputError, match=says):
        text_of("en", "own", own)
    box = SimpleNamespace(value=own)
    which = SimpleNamespace(value="own")
    how = SimpleNamespace(value="words")
    outputs, found = app_of("text_preprocessing").run(
        defs={"lang": "en", "chosen": which, "own": box, "cut": how, "given": ""}
    )
    assert says in html(outputs)
    assert "codec" not in found
    assert attempt


def test_ones_own_text_is_what_the_page_works_on() -> None:
    from types import SimpleNamespace

    text = "活在当下，不活在过去。" * 20
    outputs, found = app_of("text_preprocessing").run(
        defs={
            "lang": "zh",
            "chosen": SimpleNamespace(value="own"),
            "own": SimpleNamespace(value=text),
            "cut": SimpleNamespace(value="characters"),
            "given": "",
        }
    )
    assert set(found["codec"].vocabulary.tokens) == {"<unk>", *text}
    assert found["verdict"].right is None
    assert "还没有回答" in html(outputs)


@pytest.mark.parametrize("name", ["7", "from_scratch", "from-scratch"])
def test_a_page_is_found_by_number_and_name(name: str) -> None:
    assert find_page(name).name == "from_scratch"
