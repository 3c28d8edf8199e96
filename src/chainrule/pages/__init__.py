"""Pages in the browser: marimo's, served by this process to this machine."""

from chainrule.pages.address import FIRST_PORT, Address, listen, reachable
from chainrule.pages.server import needs_marimo, serve

__all__ = ["FIRST_PORT", "Address", "listen", "needs_marimo", "reachable", "serve"]
