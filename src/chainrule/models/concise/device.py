"""Where a network is computed, and what is said when it has no room there."""

from collections.abc import Generator
from contextlib import contextmanager

import torch

from chainrule.core import InputError

DEVICES = ("cpu", "cuda", "auto")


def find_device(name: str = "auto") -> torch.device:
    """cpu, cuda, or cuda where there is one (auto); cuda:1 is the second of several.

    Raises InputError for a device that is not there.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    kind, _, index = name.partition(":")
    known = (kind == "cuda" and (not index or index.isdecimal())) or name == "cpu"
    if not known:
        raise InputError(f"device: expected one of {', '.join(DEVICES)}, got {name!r}")
    if kind == "cuda" and int(index or 0) >= torch.cuda.device_count():
        raise InputError(
            f"device: expected one that torch {torch.__version__} sees, "
            f"cpu{''.join(f', cuda:{i}' for i in range(torch.cuda.device_count()))}; got {name}"
        )
    return torch.device(name)


@contextmanager
def enough_memory() -> Generator[None]:
    """Raises MemoryError, as NumPy does, where torch has errors of its own."""
    try:
        yield
    except RuntimeError as error:
        if isinstance(error, torch.OutOfMemoryError) or "can't allocate memory" in str(error):
            raise MemoryError(str(error)) from error
        raise
