"""Who may talk to the pages: browsers that show these pages; and whom they may talk to: this process alone.

A site that somebody visits can send requests to 127.0.0.1 too, and can let its own name point there (DNS
rebinding). So the host that a request names must be the one that is served, and its origin the same.
"""

from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any
from urllib.parse import urlsplit

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

LOCAL_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})
POLICY = (  # what a page may load: what this process serves; marimo's front end makes code as it runs
    "default-src 'self' data: blob: 'unsafe-inline' 'unsafe-eval'; connect-src 'self' data: blob:; "
    "frame-ancestors 'none'; form-action 'self'; base-uri 'self'"
)
HEADERS = (
    (b"content-security-policy", POLICY.encode()),
    (b"referrer-policy", b"no-referrer"),  # a token in an address goes nowhere
    (b"x-content-type-options", b"nosniff"),
)
OURS = frozenset(name for name, _ in HEADERS)


def guarded(app: App, *, local: bool, meta: Mapping[str, Any]) -> App:
    """The app behind the guard. local: whether only names of this machine are served. meta: what pages find
    in `mo.app_meta().request.meta`."""

    async def handle(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await app(scope, receive, send)
            return
        refused = objection(scope, local)
        if refused is not None:
            await _refuse(scope, receive, send, refused)
            return
        scope["meta"] = dict(meta)

        async def send_on(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                kept = (pair for pair in message.get("headers", ()) if pair[0].lower() not in OURS)
                message["headers"] = [*kept, *HEADERS]
            await send(message)

        await app(scope, receive, send_on)

    return handle


def objection(scope: Scope, local: bool) -> str | None:
    """Why a request is refused; None for one that is not."""
    headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
    host = headers.get("host", "")
    if local and _name(f"//{host}") not in LOCAL_NAMES:
        return "expected a request to this machine by its own name"
    origin = headers.get("origin")
    if origin is not None and urlsplit(origin).netloc.lower() != host.lower():
        return "expected a request from a page of this address"
    return None


def _name(url: str) -> str | None:
    try:
        return urlsplit(url).hostname
    except ValueError:
        return None


async def _refuse(scope: Scope, receive: Receive, send: Send, why: str) -> None:
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.close", "code": 1008, "reason": why})
        return
    body = f"{why}\n".encode()
    headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 403, "headers": headers})
    await send({"type": "http.response.body", "body": body})
