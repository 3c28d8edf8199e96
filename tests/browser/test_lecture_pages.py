"""Every page of the lecture that the package has, in a browser: it opens, and its controls change it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

import chainrule
from tests.browser.conftest import Visit, Watched, serving

pytestmark = pytest.mark.slow

FOLDER = Path(chainrule.__file__).parent / "lectures" / "pages"
PAGES = sorted(path.stem for path in FOLDER.glob("*.py") if not path.name.startswith("_"))
SERVE = """import sys
from pathlib import Path
from chainrule.pages import listen, serve
pages = {f"/{path.stem}": path for path in sorted(Path(sys.argv[1]).glob("*.py")) if path.stem[0] != "_"}
serve(pages, listen(port=0), ready=lambda url: print(url, file=sys.stderr, flush=True))
"""


@pytest.fixture(scope="module")
def lectures() -> Iterator[str]:
    with serving("-c", SERVE, str(FOLDER)) as address:
        yield address


def shown(watched: Watched) -> str:
    return watched.page.locator("#root").inner_html()


@pytest.mark.parametrize("name", PAGES)
def test_a_page_opens_and_answers(name: str, lectures: str, visit: Visit) -> None:
    watched = visit(lectures, f"{name}/")
    page = watched.page
    assert len(page.locator("#root").inner_text()) > 200
    watched.picture(f"lecture-{name}-light")
    if page.get_by_role("slider").count():
        before = shown(watched)
        page.get_by_role("slider").first.focus()
        # from one of its ends a slider moves to one side only
        watched.after(
            lambda: (
                page.keyboard.press("ArrowRight"),
                page.keyboard.press("ArrowLeft"),
                page.keyboard.press("ArrowLeft"),
            )
        )
        page.wait_for_function("old => document.querySelector('#root').innerHTML !== old", arg=before)
    if page.locator("textarea").count():
        before = shown(watched)
        page.locator("textarea").first.fill("He left, and then she left, and then they all left.")
        watched.after(lambda: page.locator("textarea").first.blur())
        page.wait_for_function("old => document.querySelector('#root').innerHTML !== old", arg=before)
    watched.after(lambda: page.get_by_role("radio", name="中文").first.click())
    watched.page.wait_for_timeout(1000)
    watched.picture(f"lecture-{name}-zh")


@pytest.mark.parametrize("name", PAGES)
def test_a_page_in_the_dark(name: str, lectures: str, visit: Visit) -> None:
    watched = visit(lectures, f"{name}/", scheme="dark")
    watched.picture(f"lecture-{name}-dark")
