"""What pages are put together from: the switch of languages, code, pictures with their numbers, exercises."""

import inspect
import textwrap
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import marimo as mo
from markupsafe import escape

from chainrule.core import InputError
from chainrule.data.example_texts import CHINESE as CHINESE_TEXT
from chainrule.data.example_texts import MOST, english
from chainrule.lectures import CONTENTS, LANGUAGES, PAGES, Page
from chainrule.lectures.exercises import Verdict, check_choice, check_number
from chainrule.lectures.language import say, term, translated
from chainrule.report import number, signs, svg

if TYPE_CHECKING:
    import matplotlib.figure

Cell = str | int | float
PICTURE = "max-width:100%;overflow-x:auto"
DIGITS = 3


def switch() -> Any:
    """The one switch of languages; a page begins in that of its address (`?lang=zh`), or of the command."""
    asked = mo.query_params().get("lang") or served_with().get("lang")
    names = {name: code for code, name in LANGUAGES.items()}
    first = LANGUAGES.get(str(asked), LANGUAGES["en"])

    def remember(code: str) -> None:
        mo.query_params().set("lang", code)

    return mo.ui.radio(names, value=first, inline=True, on_change=remember)


def served_with() -> Mapping[str, Any]:
    """What the server says to every page; nothing where a page runs without one."""
    request = mo.app_meta().request
    return {} if request is None else request.meta


def top(lang: str, name: str) -> Any:
    """The page's title and its place among the others."""
    number, page = next((n, page) for n, page in enumerate(PAGES, 1) if page.name == name)
    return mo.md(f"# {number} · {page.title[lang]}")


def bottom(lang: str, name: str) -> Any:
    """The way to the pages before and after."""
    at = next(n for n, page in enumerate(PAGES) if page.name == name)
    ways = [PAGES[at - 1]] if at else []
    ways += [CONTENTS, *PAGES[at + 1 : at + 2]]
    return mo.md("---\n\n" + " · ".join(link(lang, page) for page in ways))


def link(lang: str, page: Page) -> str:
    """A link to a page, which stays in its language."""
    return f"[{page.title[lang]}](../{page.name}/?lang={lang})"


def code(lang: str, *things: Any) -> Any:
    """The source of functions and classes of the package, each under its file and name, folded."""
    title = say(lang, en="The code", zh="代码")
    return mo.accordion(
        {
            f"{title}: `{place(thing)}`": mo.md(f"````python\n{source(thing)}\n````")
            for thing in map(inspect.unwrap, things)
        }
    )


def source(thing: Any) -> str:
    return textwrap.dedent(inspect.getsource(inspect.unwrap(thing))).rstrip()


def place(thing: Any) -> str:
    """Where something stands: the file in the package, and its name."""
    return f"{thing.__module__.replace('.', '/')}.py: {thing.__qualname__}"


def picture(
    lang: str,
    figure: "matplotlib.figure.Figure",
    columns: Sequence[str],
    rows: Sequence[Sequence[Cell]],
) -> Any:
    """A figure with its numbers under it, folded."""
    keep = {cell for row in rows for cell in row if isinstance(cell, Token)}
    drawn = translated(svg(figure), lang, keep).replace(
        '<svg style="', '<svg style="max-width:100%;height:auto;', 1
    )
    numbers = say(lang, en="The numbers of this picture", zh="这张图的数字")
    return mo.vstack(
        [
            mo.Html(f'<div style="{PICTURE}">{drawn}</div>'),
            mo.accordion({numbers: table(lang, columns, rows)}),
        ]
    )


def table(lang: str, columns: Sequence[str], rows: Sequence[Sequence[Cell]]) -> Any:
    """Rows under headings; numbers are written as they are read, labels in the language of the page."""
    sides = ["left" if isinstance(cell, str) else "right" for cell in rows[0]] if rows else []
    head = "".join(
        f'<th style="text-align:{side}">{escape(term(lang, column))}</th>'
        for column, side in zip(columns, sides, strict=True)
    )
    body = "".join("<tr>" + "".join(_cell(lang, value) for value in row) + "</tr>" for row in rows)
    return mo.md(
        f'<div style="{PICTURE}"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'
    )


def _cell(lang: str, value: Cell) -> str:
    if isinstance(value, str):
        written = value if isinstance(value, Token) else term(lang, value)
        return f'<td style="text-align:left">{escape(written).replace(chr(10), "↵")}</td>'
    digits = 0 if isinstance(value, int) else 4 if abs(value) < 0.1 else DIGITS
    return f'<td style="text-align:right">{escape(number(value, digits))}</td>'


def printed(value: Any) -> Any:
    """A value as Python writes it, a line for each entry of a mapping."""
    lines = [f"{key}: {of}" for key, of in value.items()] if isinstance(value, dict) else [str(value)]
    return mo.Html(f"<pre>{escape(chr(10).join(lines))}</pre>")


class Token(str):
    """A piece of a text, which is not translated."""


def shown(token: str) -> Token:
    """A token that can be seen: blanks and line ends by their signs."""
    return Token(signs(token))


TEXTS = {
    "the Python reference · Python 参考手册": "english",
    "the lecture's Chinese sentences · 课堂句子": "chinese",
    "my own · 我自己的": "own",
}


def choose_text(first: str = "english") -> Any:
    """Which text the page works on; in both languages at once, so that a switch of languages keeps it."""
    return mo.ui.dropdown(TEXTS, value=next(name for name, code in TEXTS.items() if code == first))


def own_text() -> Any:
    """Where a reader's own text goes."""
    hint = "paste your own text here · 把你自己的文本粘贴到这里"
    return mo.ui.text_area(placeholder=hint, max_length=MOST, rows=4, full_width=True)


def knob(said: str, element: Any) -> Any:
    """A slider or another input, with what it is before it."""
    return mo.hstack([mo.md(said), element], justify="start", align="center", wrap=True)


def text_of(lang: str, which: str, own: str, characters: int = MOST, *, clean: bool = False) -> str:
    """The text that was chosen, no longer than a page can be done with in seconds; clean: of the Python
    reference only letters and spaces.

    Raises InputError for one's own text that is empty or longer than MOST characters.
    """
    if which == "chinese":
        return CHINESE_TEXT
    if which == "english":
        return english(characters, clean=clean)
    if len(own) > MOST:
        raise InputError(
            say(
                lang,
                en=f"expected a text of at most {MOST:,} characters, got {len(own):,}",
                zh=f"文本最多 {MOST:,} 个字符，现在有 {len(own):,} 个",
            )
        )
    if not own.strip():
        raise InputError(say(lang, en="expected a text, got an empty one", zh="请先输入文本，现在是空的"))
    return own[:characters]


def attempt(lang: str, work: Callable[[], Any]) -> Any:
    """What `work` gives; where the reader's input cannot be used the page says so and stops there."""
    try:
        return work()
    except InputError as error:
        title = say(lang, en="This input cannot be used", zh="这个输入用不了")
        mo.stop(True, mo.callout(mo.md(f"**{title}**: {escape(str(error))}"), kind="warn"))


def question(lang: str, text: str, answer: Any) -> Any:
    """An exercise: what is asked, and where the answer goes."""
    title = say(lang, en="Exercise", zh="练习")
    return mo.vstack([mo.md(f"## {title}\n\n{text}"), answer])


def choices(texts: Mapping[str, str]) -> Any:
    """Answers to choose from, by key."""
    return mo.ui.radio({text: key for key, text in texts.items()})


def blank(lang: str) -> Any:
    """A line to type a number into."""
    return mo.ui.text(placeholder=say(lang, en="a number", zh="一个数"))


def graded(lang: str, verdict: Verdict) -> Any:
    """Right or wrong, and why."""
    if verdict.right is None:
        waiting = say(lang, en="No answer yet.", zh="还没有回答。")
        return mo.callout(mo.md(waiting), kind="neutral")
    word = say(lang, en="Right.", zh="正确。") if verdict.right else say(lang, en="Not so.", zh="不对。")
    return mo.callout(mo.md(f"**{word}** {verdict.why}"), kind="success" if verdict.right else "danger")


def typed(lang: str, given: str, right: float, *, why: str, hint: str, tolerance: float = 0.01) -> Verdict:
    """A number that was typed, held against the right one."""
    unreadable = say(
        lang, en="Expected a number, such as 0.25 or 1/4.", zh="请输入一个数，例如 0.25 或 1/4。"
    )
    return check_number(given, right, why=why, hint=hint, unreadable=unreadable, tolerance=tolerance)


__all__ = [
    "Verdict",
    "attempt",
    "blank",
    "bottom",
    "check_choice",
    "choices",
    "choose_text",
    "code",
    "graded",
    "knob",
    "link",
    "own_text",
    "picture",
    "printed",
    "question",
    "say",
    "shown",
    "source",
    "switch",
    "table",
    "text_of",
    "top",
    "typed",
]
