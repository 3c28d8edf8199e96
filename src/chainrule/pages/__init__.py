"""Pages in the browser: marimo's, served by this process to this machine."""

from chainrule.pages.address import Address, listen, reachable
from chainrule.pages.server import needs_marimo, serve

__all__ = ["Address", "listen", "needs_marimo", "reachable", "serve"]
