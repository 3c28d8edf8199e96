"""A training run on disk, so that a run that was killed can be taken up where it was.

    checkpoint = arrays of a `Snapshot` + its facts + what it was made of

What it was made of (settings, texts, tokens: a name and a value each) must be the same when a run is taken up
again. Files are written aside and then renamed: whoever is killed while writing one keeps the one before.
"""

import glob
import json
import math
import time
import warnings
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, cast

from chainrule.core import FileFormatError, InputError, RunError
from chainrule.files import read_arrays, write_arrays
from chainrule.training.run import Snapshot

FORMAT = 1
EVERY = 300.0  # seconds
AFFORDABLE = 0.01  # of the time since the last one: so cheap, it is also written at the end of an epoch
MadeOf = Mapping[str, Any]


class CheckpointWarning(UserWarning):
    """A checkpoint could not be written; the run goes on."""


class Checkpoints:
    """Writes a run to a file every so many seconds, and at the end of an epoch where that costs little.

    It is called between two steps (`keep` of `train`). A disk that is full costs the checkpoint, not the run:
    it warns once. made_of: name and value of all that decides what the run gives.
    """

    def __init__(self, path: Path, made_of: MadeOf, *, every: float = EVERY) -> None:
        if not every >= 0:
            raise InputError(f"checkpoint every: expected 0 or more seconds, got {every}")
        self.path, self.made_of, self.every = path, made_of, every
        self.last, self.cost, self.warned = time.monotonic(), 0.0, False

    def __call__(self, snapshot: Callable[[], Snapshot], epoch_ends: bool) -> None:
        now = time.monotonic()
        over = now - self.last
        if over < self.every and not (epoch_ends and self.cost <= AFFORDABLE * over):
            return
        try:
            write_checkpoint(self.path, snapshot(), self.made_of)
        except RunError as error:
            if not self.warned:
                warnings.warn(f"checkpoint: {error}; training goes on", CheckpointWarning, stacklevel=2)
            self.warned = True
        self.last = time.monotonic()
        self.cost = self.last - now


def discard(path: Path) -> None:
    """Remove a checkpoint: its run is over, and what it gave is safe."""
    with suppress(OSError):
        path.unlink(missing_ok=True)
    sweep_aside(path)


def sweep_aside(path: Path) -> None:
    """Remove what a process that was killed while it wrote a checkpoint left of it."""
    for left in path.parent.glob(f".{glob.escape(path.name[:40])}.*.part"):
        with suppress(OSError):
            left.unlink()


def write_checkpoint(path: Path, snapshot: Snapshot, made_of: MadeOf) -> None:
    """Whole, or not at all; raises RunError when it cannot be written."""
    write_arrays(path, snapshot.arrays, {"checkpoint": FORMAT, "made_of": made_of, "facts": snapshot.facts})


def read_checkpoint(path: Path, made_of: MadeOf) -> Snapshot:
    """What `write_checkpoint` wrote, for a run that is made of the same.

    Raises FileFormatError for a foreign or damaged file, InputError that names the difference where it is of
    another run, or when there is none.
    """
    arrays, header = read_arrays(path)
    if "checkpoint" not in header:
        raise FileFormatError(f"{path}: expected a checkpoint, got another file of chainrule")
    if header["checkpoint"] != FORMAT:
        raise FileFormatError(
            f"{path}: expected checkpoint format {FORMAT}, got {header['checkpoint']!r:.40}"
        )
    found, facts = header.get("made_of"), header.get("facts")
    if not isinstance(found, dict) or not isinstance(facts, dict):
        raise FileFormatError(f"{path}: the checkpoint's description is damaged")
    said = difference(cast(dict[str, Any], found), made_of)
    if said:
        raise InputError(f"{path}: expected a checkpoint of the same run, got one with {said}")
    return Snapshot(arrays, cast(dict[str, Any], facts))


def difference(found: MadeOf, expected: MadeOf) -> str | None:
    """The first thing in which two runs differ, in words; None if there is none."""
    known: dict[str, Any] = json.loads(json.dumps(dict(expected)))  # as the file has it
    for name in (*known, *(found.keys() - known.keys())):
        mine, theirs = known.get(name), found.get(name)
        if mine == theirs or (_is_nan(mine) and _is_nan(theirs)):
            continue
        if isinstance(mine, str) and isinstance(theirs, str) and len(mine) == len(theirs) == 64:
            return f"another {name}"  # digests say nothing to anyone
        return f"{name} {_shown(theirs)}, not {_shown(mine)}"
    return None


def _shown(value: Any) -> str:
    return "none" if value in (None, []) else str(value)


def _is_nan(value: Any) -> bool:
    return isinstance(value, float) and math.isnan(value)
