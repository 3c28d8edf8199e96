"""Serving marimo pages from this process until Ctrl-C: each browser gets a session of its own."""

import webbrowser
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from chainrule.core import InputError
from chainrule.pages.address import Address, is_loopback
from chainrule.pages.guard import guarded

FORGOTTEN = 120  # seconds after which the session of a browser that went away ends
LEAVING = 1  # seconds that open connections are given on Ctrl-C


def serve(
    pages: Mapping[str, Path],
    address: Address,
    *,
    meta: Mapping[str, Any] | None = None,
    ready: Callable[[str], None] | None = None,
    browser: bool = False,
) -> None:
    """Serve until Ctrl-C. pages: marimo files by their paths in the address, `/` or such as `/zipf`.

    meta: what every page finds in `mo.app_meta().request.meta` (numbers, strings, lists of them). ready: told
    the address to open, once it answers. browser: whether to open it. Raises InputError without marimo.
    """
    needs_marimo("pages")
    import marimo
    import uvicorn
    from starlette.routing import Mount

    builder = marimo.create_asgi_app(quiet=True, token=address.token, session_ttl=FORGOTTEN)
    for path, file in pages.items():
        builder = builder.with_app(path=path, root=str(file))
    built: Any = builder.build()
    mounted: list[Any] = [route.app for route in built.routes if isinstance(route, Mount)]
    app = guarded(built, local=is_loopback(address.host), meta=meta or {})
    config = uvicorn.Config(app, log_level="error", lifespan="off", timeout_graceful_shutdown=LEAVING)

    class Server(uvicorn.Server):
        """Tells when it answers, and ends what browsers began: mounted apps are not told of the end."""

        async def startup(self, sockets: Any = None) -> None:
            await super().startup(sockets)
            if ready:
                ready(address.url)
            if browser:
                webbrowser.open(address.url)

        async def shutdown(self, sockets: Any = None) -> None:
            for one in mounted:
                await one.state.session_manager.shutdown()
            await super().shutdown(sockets)

    try:
        Server(config).run(sockets=[address.listening])
    except KeyboardInterrupt:  # uvicorn has ended in good order, and hands it on
        pass
    finally:
        address.listening.close()


def needs_marimo(what: str) -> None:
    """Raises InputError, about `what`, without the package that makes pages."""
    try:
        import marimo  # pyright: ignore[reportUnusedImport]  # noqa: F401
    except ImportError as error:
        raise InputError(
            f"{what}: expected the package marimo, which is not installed: pip install 'chainrule[lab]'"
        ) from error
