"""Pages in the browser: marimo's, served by this process to this machine."""

from chainrule.pages.address import Address, listen, reachable
from chainrule.pages.server import serve

__all__ = ["Address", "listen", "reachable", "serve"]
