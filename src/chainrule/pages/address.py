"""Where pages are served: on this machine alone, unless somebody asks for more, who then needs a token."""

import errno
import ipaddress
import secrets
import socket
from contextlib import suppress
from typing import NamedTuple

from chainrule.core import InputError, RunError

LOOPBACK = "127.0.0.1"
FIRST_PORT, TRIED = 2718, 50  # where no port is asked for: the first of these that is free
SHORTEST_TOKEN = 12


class Address(NamedTuple):
    """A socket that listens, and what a browser needs to know of it. token: None where none is asked for."""

    listening: socket.socket
    host: str
    port: int
    token: str | None

    @property
    def url(self) -> str:
        """What to open in a browser; of all interfaces (0.0.0.0, ::) the address on this machine."""
        host = {"0.0.0.0": LOOPBACK, "::": "::1"}.get(self.host, self.host)
        shown = f"[{host}]" if ":" in host else host
        return f"http://{shown}:{self.port}/" + (f"?access_token={self.token}" if self.token else "")


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach it."""
    with suppress(ValueError):
        return ipaddress.ip_address(host).is_loopback
    return host == "localhost"


def reachable(host: str) -> str | None:
    """What to say before serving on an address that others can reach; None for one that they cannot."""
    if is_loopback(host):
        return None
    return (
        f"{host}: others can reach this address. Whoever has the token can train models here and read "
        "the texts that these pages offer, and what goes to and fro is not encrypted"
    )


def listen(host: str = LOOPBACK, port: int | None = None, token: str | None = None) -> Address:
    """Take a port. port: None for the first free one from 2718 on. token: what a browser must bring; made
    where others can reach the address and none is given.

    Raises InputError for a port that is taken, an address that this machine does not have, a short token.
    """
    if token is not None and (len(token) < SHORTEST_TOKEN or not token.isalnum() or not token.isascii()):
        raise InputError(
            f"token: expected at least {SHORTEST_TOKEN} letters and digits and nothing else, "
            f"got {len(token)} characters"
        )
    if token is None and not is_loopback(host):
        token = secrets.token_hex(16)
    if port is not None and not 0 <= port <= 65535:
        raise InputError(f"port: expected 0 to 65535 (0: any that is free), got {port}")
    ports = range(FIRST_PORT, FIRST_PORT + TRIED) if port is None else (port,)
    for candidate in ports:
        found = _taken(host, candidate)
        if found is not None:
            return Address(found, host, found.getsockname()[1], token)
    if port is None:
        raise RunError(f"port: expected a free one among {ports[0]} to {ports[-1]} on {host}, found none")
    raise InputError(f"port {port}: expected a free one, but another program has it; --port takes another")


def _taken(host: str, port: int) -> socket.socket | None:
    """The socket; None where another program has the port."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            return None
        if error.errno == errno.EACCES:
            raise InputError(f"port {port}: expected one from 1024 on, this one needs more rights") from error
        said = error.strerror or error
        raise InputError(f"host {host!r}: expected an address of this machine: {said}") from error
