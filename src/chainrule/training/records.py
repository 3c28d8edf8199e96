"""What a run leaves beside its model: its log as JSON lines, or for TensorBoard, one row a validation.

    {"chainrule": version, settings ..}     the first line
    {"epoch": 1.0, "step": 40, ..}          a row of the log, then the next

A run that is taken up again writes the rows that it had once more, so that none is there twice or missing.
"""

import json
import math
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from chainrule.core import InputError, RunError
from chainrule.files import written_aside
from chainrule.training.checkpoints import EVERY
from chainrule.training.run import LN2, Density, Point

Record = Callable[[Point], None]


class RunFiles(NamedTuple):
    """Where a run leaves what. checkpoint: the file to go on from, written every so many seconds. resume: go
    on from it; where there is none yet, the run begins anew. log: JSON lines. tensorboard: a folder."""

    checkpoint: Path | None = None
    every: float = EVERY
    resume: bool = False
    log: Path | None = None
    tensorboard: Path | None = None


def row(point: Point, density: Density) -> dict[str, float | int | str]:
    """A row of the log as JSON has it: what is no number goes by its name, as everywhere in our JSON."""
    named: dict[str, float | int] = point._asdict()
    named["train_bits_per_character"] = point.nats / LN2 * density.train
    named["valid_bits_per_character"] = point.valid / LN2 * density.valid
    return {name: value if math.isfinite(value) else str(value) for name, value in named.items()}


class JsonLines:
    """A log file: `head` is its first line, then the rows so far; called with a new one, it appends it."""

    def __init__(self, path: Path, head: Mapping[str, Any], rows: Iterable[Point], density: Density) -> None:
        self.path, self.density = path, density
        with written_aside(path) as file:
            for line in (head, *(row(point, density) for point in rows)):
                file.write(_line(line))

    def __call__(self, point: Point) -> None:
        try:
            with self.path.open("ab") as file:
                file.write(_line(row(point, self.density)))
        except OSError as error:
            raise RunError(f"{self.path}: cannot be written: {error.strerror or error}") from error


class TensorBoard:
    """The same rows as event files in a folder, for those who look at runs there (extra `tensorboard`).

    resumed_at: the step that the run goes on from; what TensorBoard has of later steps is purged.
    """

    def __init__(self, folder: Path, density: Density, resumed_at: int | None = None) -> None:
        try:
            from tensorboardX import SummaryWriter  # pyright: ignore
        except ImportError as error:
            raise InputError(
                "tensorboard: expected the package tensorboardX, which is not installed: "
                "pip install 'chainrule[tensorboard]'"
            ) from error
        self.density = density
        purge = None if resumed_at is None else resumed_at + 1
        try:
            self.writer: Any = SummaryWriter(str(folder), purge_step=purge)
        except OSError as error:
            raise InputError(f"{folder}: cannot be written: {error.strerror or error}") from error

    def __call__(self, point: Point) -> None:
        for name, value in row(point, self.density).items():
            if name not in ("step", "seconds") and not isinstance(value, str):
                self.writer.add_scalar(f"train/{name}", value, point.step)
        self.writer.flush()


def _line(value: Mapping[str, Any]) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode("utf-8", "replace") + b"\n"
