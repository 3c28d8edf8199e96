"""Where pages are served: ports, addresses, tokens."""

import socket
from collections.abc import Iterator
from contextlib import closing

import pytest

from chainrule.core import InputError
from chainrule.pages.address import Address, is_loopback, listen, reachable


@pytest.fixture
def taken() -> Iterator[int]:
    """A port that another program has."""
    with closing(socket.create_server(("127.0.0.1", 0))) as other:
        yield other.getsockname()[1]


def test_loopback_needs_no_token_and_no_warning() -> None:
    address = listen(port=0)
    with closing(address.listening):
        assert address.url == f"http://127.0.0.1:{address.port}/"
        assert address.token is None
    assert reachable("127.0.0.1") is reachable("localhost") is reachable("::1") is None


def test_a_taken_port_is_one_clear_line(taken: int) -> None:
    with pytest.raises(InputError, match=rf"^port {taken}: expected a free one, .* --port takes another$"):
        listen(port=taken)


def test_without_a_wish_the_next_free_port_is_taken(taken: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chainrule.pages.address.FIRST_PORT", taken)
    address = listen()
    with closing(address.listening):
        assert address.port > taken


def test_what_others_can_reach_has_a_token_and_a_warning() -> None:
    addresses = [listen("0.0.0.0", 0) for _ in range(2)]
    for address in addresses:
        address.listening.close()
    tokens = {address.token for address in addresses}
    assert None not in tokens
    assert len(tokens) == 2
    assert addresses[0].url == f"http://127.0.0.1:{addresses[0].port}/?access_token={addresses[0].token}"
    warning = reachable("0.0.0.0")
    assert warning is not None
    assert "token" in warning
    assert "not encrypted" in warning


@pytest.mark.parametrize("token", ["short", "", "with a space in it", "umlautäumlautä"])
def test_a_token_that_is_easily_guessed_or_misread_is_refused(token: str) -> None:
    with pytest.raises(InputError, match="token: expected at least 12 letters and digits"):
        listen(port=0, token=token)


@pytest.mark.parametrize("port", [-1, 65536])
def test_ports_that_do_not_exist(port: int) -> None:
    with pytest.raises(InputError, match="port: expected 0 to 65535"):
        listen(port=port)


@pytest.mark.parametrize("host", ["203.0.113.7", "nowhere.invalid"])
def test_addresses_that_this_machine_does_not_have(host: str) -> None:
    with pytest.raises(InputError, match=rf"host '{host}': expected an address of this machine"):
        listen(host, 0)


def test_colons_of_an_address_are_in_brackets() -> None:
    with closing(socket.socket()) as nothing:
        assert Address(nothing, "::", 80, None).url == "http://[::1]:80/"
    assert is_loopback("::1")
    assert not is_loopback("::")
    assert not is_loopback("example.org")
