"""A sentence in place of an ImportError where a package is not there, or too old."""

from importlib import import_module
from importlib.metadata import PackageNotFoundError, version

from chainrule.core import InputError

OLDEST = (2, 6)
INSTALL = "pip install 'chainrule[torch]'"


class NeedsExtra(InputError, ImportError):
    """A package cannot be imported, or is older than what this needs; the sentence has the line that
    installs it."""


def check_torch() -> None:
    """Raises NeedsExtra where there is no PyTorch that can be used."""
    oldest = ".".join(map(str, OLDEST))
    try:
        found = version("torch")
    except PackageNotFoundError as error:
        raise NeedsExtra(f"engine torch: needs PyTorch {oldest} or newer; {INSTALL}") from error
    numbers = tuple(int(part) for part in found.split("+")[0].split(".")[:2])
    if numbers < OLDEST:
        raise NeedsExtra(f"engine torch: expected PyTorch {oldest} or newer, got {found}; {INSTALL}")
    try:
        import_module("torch")
    except (ImportError, OSError) as error:
        raise NeedsExtra(f"engine torch: PyTorch {found} cannot be imported: {first_line(error)}") from error


def first_line(error: Exception) -> str:
    """What an error says, or what it is."""
    return next(iter(str(error).strip().splitlines()), type(error).__name__)
