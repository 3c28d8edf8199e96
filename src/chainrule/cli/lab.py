"""`chainrule lab`: the page on which models are trained and looked at, in the browser."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from chainrule.cli.console import err
from chainrule.cli.serving import Host, Port, Token, taken
from chainrule.pages import needs_marimo, serve

Open = Annotated[bool, typer.Option("--open", help="Open the page in the browser.")]


def lab(
    models: Annotated[
        list[Path] | None, typer.Argument(help="Model files to look at.", show_default=False)
    ] = None,
    host: Host = "127.0.0.1",
    port: Port = None,
    token: Token = None,
    browser: Open = False,
) -> None:
    """Open the lab: train models live on any text, colour texts by surprisal, type and see what comes next.

    Serves a page to this machine's browser until Ctrl-C; needs the extra `lab`.

    Example: `chainrule lab lstm.chainrule --open`
    """
    needs_marimo("lab")
    from chainrule.lab import PAGE
    from chainrule.lab.models import opened

    paths = [str(path.resolve()) for path in models or []]
    opened(paths)  # a broken file is said here and now, not in the page
    address = taken(host, port, token)
    serve({"/": PAGE}, address, meta={"models": paths}, ready=telling("lab"), browser=browser)


def telling(what: str) -> Callable[[str], None]:
    """Says where the page is, once it answers."""
    return lambda url: err().print(f"{what}: {url}   (Ctrl-C ends it)", soft_wrap=True, markup=False)
