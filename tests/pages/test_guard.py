"""Who may talk to the pages."""

import asyncio
from collections.abc import MutableMapping
from typing import Any

import pytest

from chainrule.pages.guard import guarded, objection


def scope(kind: str = "http", **headers: str) -> dict[str, Any]:
    return {"type": kind, "headers": [(name.encode(), value.encode()) for name, value in headers.items()]}


@pytest.mark.parametrize("host", ["127.0.0.1:2718", "localhost", "LOCALHOST:9", "[::1]:2718"])
def test_this_machine_by_its_own_names(host: str) -> None:
    assert objection(scope(host=host), local=True) is None
    assert objection(scope(host=host, origin=f"http://{host}"), local=True) is None


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1.evil.example:2718", "", "[::1", "localhost:1@evil.example"]
)
def test_other_names_that_point_here_are_refused(host: str) -> None:
    assert objection(scope(host=host), local=True) is not None


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://localhost:1", "http://127.0.0.1"])
def test_pages_of_other_origins_are_refused(origin: str) -> None:
    for local in (True, False):
        assert objection(scope(host="localhost:2718", origin=origin), local) is not None


def test_elsewhere_any_name_is_served_to_its_own_pages() -> None:
    assert objection(scope(host="lab.example:1", origin="http://lab.example:1"), local=False) is None


@pytest.mark.parametrize("kind", ["http", "websocket"])
def test_what_is_refused_never_reaches_the_app(kind: str) -> None:
    sent: list[MutableMapping[str, Any]] = []

    async def app(*_: Any) -> None:
        raise AssertionError("reached")

    async def receive() -> MutableMapping[str, Any]:
        return {"type": f"{kind}.connect"}

    async def send(message: MutableMapping[str, Any]) -> None:
        sent.append(message)

    asyncio.run(guarded(app, local=True, meta={})(scope(kind, host="evil.example"), receive, send))
    assert sent[0].get("status", sent[0].get("code")) in (403, 1008)


def test_pages_get_what_is_meant_for_them_and_a_policy_that_keeps_them_here() -> None:
    seen: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append(scope["meta"])
        headers = [(b"Referrer-Policy", b"unsafe-url"), (b"etag", b"1")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})

    async def send(message: Any) -> None:
        seen.append(dict(message["headers"]))

    async def receive() -> Any:
        raise AssertionError

    asyncio.run(guarded(app, local=True, meta={"a": 1})(scope(host="localhost"), receive, send))
    assert seen[0] == {"a": 1}
    assert seen[1][b"referrer-policy"] == b"no-referrer"
    assert b"connect-src 'self'" in seen[1][b"content-security-policy"]
    assert seen[1][b"etag"] == b"1"
    assert b"Referrer-Policy" not in seen[1]
