"""Where a network is computed, and whether there is a torch that can."""

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
