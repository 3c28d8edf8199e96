"""A sentence in place of an ImportError where a package is not there, or too old."""

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
