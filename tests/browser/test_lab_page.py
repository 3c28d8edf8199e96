"""The lab as people use it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

import chainrule
from tests.browser.conftest import Visit, Watched, serving

pytestmark = pytest.mark.slow

PASTE = """(box, length) => {
  const set = Object.getOwnPropertyDescriptor(HTMLTextAreaElement.prototype, 'value').set;
  set.call(box, 'words \\n'.repeat(length / 7 + 1).slice(0, length));
  box.dispatchEvent(new Event('input', {bubbles: true}));
}"""


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("lab")
    text = chainrule.load_corpus("pydocs").text[:30_000]
    chainrule.LanguageModel.fit(text, model="ngram", order=4).save(folder / "counted.chainrule")
    chainrule.LanguageModel.fit(text, model="gru", hidden=16, epochs=1).save(folder / "small.chainrule")
    files = [str(folder / f"{name}.chainrule") for name in ("counted", "small")]
    with serving("-m", "chainrule", "lab", *files, "--port", "0") as address:
        yield address


def view(watched: Watched, name: str, sign: str) -> None:
    watched.after(lambda: watched.page.get_by_role("radio", name=name, exact=True).click())
    watched.page.locator(sign).first.wait_for()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_view_answers(lab: str, visit: Visit, scheme: str) -> None:
    watched = visit(lab, scheme=scheme)
    page = watched.page
    view(watched, "Reading", ".cr-text")
    assert page.locator(".cr-text").count() == 2
    before = page.locator(".cr-text").first.inner_text()
    page.locator("textarea").first.fill("Another text.")
    page.locator(".cr-text", has_text="Another text.").nth(1).wait_for()
    assert "Another" not in before
    watched.picture(f"lab-reading-{scheme}")

    view(watched, "Next token", ".cr-next")
    shown = page.locator(".cr-next").inner_text()
    page.locator("textarea").first.click()
    page.keyboard.press("End")
    watched.after(lambda: page.keyboard.type("u"))
    page.wait_for_function("old => document.querySelector('.cr-next').innerText !== old", arg=shown)
    shown = page.locator(".cr-next").inner_text()
    slider = page.get_by_role("slider").first
    slider.focus()
    watched.after(lambda: page.keyboard.press("ArrowLeft"))
    page.wait_for_function("old => document.querySelector('.cr-next').innerText !== old", arg=shown)
    watched.picture(f"lab-next-{scheme}")

    view(watched, "Speaking", ".cr-said")
    prompt = page.locator(".cr-said").inner_text()
    page.get_by_role("switch").click()
    page.wait_for_function(
        "n => document.querySelector('.cr-said').innerText.length > n + 5", arg=len(prompt)
    )
    assert page.locator(".cr-said").inner_text().startswith(prompt)
    watched.after(lambda: page.get_by_role("switch").click())
    watched.picture(f"lab-speaking-{scheme}")

    view(watched, "Hidden state", ".cr-hidden svg")
    watched.picture(f"lab-hidden-{scheme}")

    view(watched, "Comparison", "text=Every model on the last tenth")
    page.get_by_role("button", name="Compare").click()
    page.locator(".cr-compared").wait_for()
    assert page.locator(".cr-compared tr").count() == 6  # the head, three baselines, two models
    watched.picture(f"lab-comparison-{scheme}")


def test_training_beside_the_page_and_stopping(lab: str, visit: Visit) -> None:
    watched, other = visit(lab), visit(lab)
    page = watched.page
    page.get_by_role("button", name="Train").click()
    curves = page.locator(".cr-curves svg")
    curves.wait_for()
    first = curves.evaluate("e => e.outerHTML")
    page.wait_for_function("old => document.querySelector('.cr-curves svg').outerHTML !== old", arg=first)
    view(watched, "Next token", ".cr-next")  # the page stays alive
    view(watched, "Text and training", ".cr-curves svg")
    page.get_by_role("button", name="Stop and keep the model").click()
    page.get_by_text("done: the model is in the lists").wait_for()
    watched.picture("lab-trained-light")
    with page.expect_download() as kept:
        page.get_by_text("Save the model as a file").click()
    assert kept.value.suggested_filename == "lstm.chainrule"
    assert chainrule.load(kept.value.path()).held_out is not None
    view(watched, "Next token", ".cr-next")
    assert page.locator("option", has_text="3: lstm, pydocs").count() == 1
    view(other, "Next token", ".cr-next")  # a session of its own
    assert other.page.locator("option", has_text="lstm").count() == 0


def test_texts_that_cannot_be_used_are_refused(lab: str, visit: Visit) -> None:
    watched = visit(lab)
    page = watched.page
    source = page.locator("select", has=page.locator("option", has_text="pasted"))
    watched.after(lambda: source.select_option("pasted"))
    page.get_by_text("expected a text, got an empty one").wait_for()
    # 50 MB are refused in tests/lab; here they would test how long Chromium takes to break their lines
    box = page.locator("textarea").first
    box.focus()
    box.evaluate(PASTE, 1_000_001)
    box.evaluate("e => e.blur()")
    page.get_by_text("expected at most 1,000,000 bytes, got 1,000,001").wait_for()
    watched.after(lambda: source.select_option("pydocs"))
    page.get_by_text("the last tenth is held out").wait_for()


def test_in_chinese(lab: str, visit: Visit) -> None:
    watched = visit(lab)
    watched.after(lambda: watched.page.get_by_role("radio", name="中文").click())
    view(watched, "下一个词元", ".cr-next")
    assert "抽样分布" in watched.page.locator(".cr-next").inner_text()
    watched.picture("lab-next-zh")


def test_the_folder_of_pictures_is_not_in_git() -> None:
    root = Path(__file__).resolve().parents[2]
    assert "/screenshots/" in (root / ".gitignore").read_text().splitlines()
