"""What `lab` and `lectures` share: where their pages are served, and what is said of it before they are."""

from typing import Annotated

import typer

from chainrule.cli.console import note
from chainrule.pages import FIRST_PORT, Address, listen, reachable

Host = Annotated[
    str, typer.Option(help="The address to serve on; others than this machine's own need a token.")
]
Port = Annotated[
    int | None,
    typer.Option(help="The port to serve on.", show_default=f"the first free one from {FIRST_PORT} on"),
]
Token = Annotated[
    str | None,
    typer.Option(
        help="What a browser must bring.",
        envvar="CHAINRULE_TOKEN",
        show_default="none; made for other addresses",
    ),
]


def taken(host: str, port: int | None, token: str | None) -> Address:
    """A port that listens; warns where others can reach it, and says which one it is where none was named."""
    address = listen(host, port, token)
    warning = reachable(host)
    if warning:
        note(warning)
    if port is None and address.port != FIRST_PORT:
        note(f"port {FIRST_PORT} is taken: {address.port} is used")
    return address
