"""`chainrule lab`: the page on which models are trained and looked at, in the browser."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from chainrule.cli.console import err, note
from chainrule.pages import listen, needs_marimo, reachable, serve

Host = Annotated[
    str, typer.Option(help="The address to serve on; others than this machine's own need a token.")
]
Port = Annotated[
    int | None, typer.Option(help="The port to serve on.", show_default="the first free one from 2718 on")
]
Token = Annotated[
    str | None,
    typer.Option(
        help="What a browser must bring.",
        envvar="CHAINRULE_TOKEN",
        show_default="none; made for other addresses",
    ),
]
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
    address = listen(host, port, token)
    warning = reachable(host)
    if warning:
        note(warning)
    if port is None and address.port != 2718:
        note(f"port 2718 is taken: {address.port} is used")
    serve({"/": PAGE}, address, meta={"models": paths}, ready=telling("lab"), browser=browser)


def telling(what: str) -> Callable[[str], None]:
    """Says where the page is, once it answers."""
    return lambda url: err().print(f"{what}: {url}   (Ctrl-C ends it)", soft_wrap=True, markup=False)
