"""`chainrule lectures`: the pages of the lecture in a browser, served by this machine to itself."""

from typing import Annotated

import typer

from chainrule.cli.console import note, out
from chainrule.cli.serving import Host, Port, Token, taken
from chainrule.core import InputError
from chainrule.lectures import CONTENTS, LANGUAGES, PAGES, find_page
from chainrule.pages import serve


def lectures(
    page: Annotated[str | None, typer.Argument(help="The page to begin with: 1 to 9, or its name.")] = None,
    lang: Annotated[str, typer.Option(help="The language to begin in: en or zh.")] = "en",
    host: Host = "127.0.0.1",
    port: Port = None,
    token: Token = None,
    browser: Annotated[bool, typer.Option(help="Open the page in a browser.")] = True,
    list_pages: Annotated[bool, typer.Option("--list", help="Print the pages, and serve nothing.")] = False,
) -> None:
    """Read the lecture as living pages: formula, code, picture, exercise, in English and Chinese.

    Example: `chainrule lectures perplexity --lang zh`
    """
    if lang not in LANGUAGES:
        raise InputError(f"lang: expected one of {', '.join(LANGUAGES)}, got {lang!r}")
    first = CONTENTS if page is None else find_page(page)
    if list_pages:
        for number, each in enumerate(PAGES, 1):
            out().print(f"{number}  {each.name:20} {each.title[lang]}", markup=False)
        return
    files = {"/": first.path, **{f"/{each.name}": each.path for each in (CONTENTS, *PAGES)}}
    address = taken(host, port, token)

    def ready(url: str) -> None:
        out().print(f"{first.title[lang]}: {url}", markup=False, soft_wrap=True)
        note("Ctrl-C ends it")

    with address.listening:  # which is taken before it is known whether it can be served
        serve(files, address, meta={"lang": lang}, ready=ready, browser=browser)
