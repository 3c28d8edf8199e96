"""What the commands share: the two consoles, progress bars, durations, JSON."""

import json
import re
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn
from rich.table import Column

from chainrule.core import InputError
from chainrule.data.corpora import Corpus, load_corpus, read_text
from chainrule.files import check_output

Tell = Callable[..., None]
ROOMY = 120  # columns of a terminal in which a bar has room beside its figures
WIDE = 180  # columns where the output is no terminal and so has no width of its own
LEARNED = "online: each token was scored, then learned"  # over figures of a model that learned as it read


def out() -> Console:
    """Standard output, for results."""
    return Console(width=None if sys.stdout.isatty() else WIDE, highlight=False, emoji=False)


def err() -> Console:
    """Standard error, for progress and notes."""
    return Console(stderr=True, highlight=False, emoji=False)


def note(text: str) -> None:
    """Something worth knowing that stops nothing."""
    err().print(f"[yellow]note:[/] {escape(text)}", soft_wrap=True)


def problem(text: str) -> None:
    """The one line about what went wrong."""
    err().print(f"[red]error:[/] {escape(' '.join(text.split()))}", soft_wrap=True)


def print_json(value: Any) -> None:
    """One JSON document on standard output."""
    sys.stdout.write(json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def seconds(text: str) -> float:
    """`90`, `90s`, `2m` or `1h` as seconds."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*(s|m|h)?", text.strip())
    if not found:
        raise InputError(f"time: expected seconds, or a number with s, m or h such as 90s, got {text!r}")
    value = float(found[1]) * {"s": 1, "m": 60, "h": 3600, None: 1}[found[2]]
    if value <= 0:
        raise InputError(f"time: expected more than 0 seconds, got {text!r}")
    return value


def duration(seconds: float) -> str:
    """Seconds as people read them: 0:42, 12:05, 3:20:00."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def whole_numbers(text: str, option: str) -> tuple[int, ...]:
    """`1,1,2` as numbers."""
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isascii() and part.isdigit() for part in parts):
        raise InputError(f"{option}: expected whole numbers such as 1,1,2, got {text!r}")
    return tuple(map(int, parts))


def fraction_or_text(value: str, option: str, errors: str) -> float | str:
    """What `--valid` and `--test` take: a fraction of the corpus, or a file that is a text of its own."""
    try:
        return float(value)
    except ValueError:
        pass
    if not Path(value).is_file():
        raise InputError(f"{option}: expected a fraction such as 0.1 or a file, got {value!r}")
    return read_text(Path(value), errors)


@contextmanager
def bar(what: str) -> Generator[Tell]:
    """A progress bar; tell it the share that is done and what to write behind it. It is drawn from the first
    time on that it is told something, so that what is said before stands above it."""
    console = err()
    around = (BarColumn(16), TaskProgressColumn(), TimeElapsedColumn())
    columns = (
        TextColumn("{task.description}"),
        *(around if console.width >= ROOMY else (TaskProgressColumn(),)),
        TextColumn("{task.fields[figures]}", table_column=Column(no_wrap=True)),
    )
    progress = Progress(*columns, console=console, transient=True, disable=not console.is_terminal)
    task = progress.add_task(escape(what), total=1.0, figures="")

    def tell(done: float, figures: str = "", name: str | None = None) -> None:
        progress.start()
        # a bar at its end would stop its clock, and there is always something left to do
        progress.update(task, completed=min(done, 0.999), figures=figures, description=escape(name or what))

    try:
        yield tell
    finally:
        progress.stop()


class DownloadBar:
    """The progress bar that pooch knows how to move, drawn by rich."""

    def __init__(self) -> None:
        self.total = 0
        console = err()
        columns = (TextColumn("downloading"), BarColumn(), TaskProgressColumn())
        self._progress = Progress(*columns, console=console, transient=True, disable=not console.is_terminal)
        self._task = self._progress.add_task("", total=None)
        self._begun = False

    def update(self, size: int) -> None:
        if not self._begun:
            self._progress.start()
            self._begun = True
        self._progress.update(self._task, advance=size, total=self.total or None)

    def reset(self) -> None:
        self._progress.reset(self._task, total=self.total or None)

    def close(self) -> None:
        self._progress.stop()


def read_corpus(name: str, errors: str) -> Corpus:
    """The corpus, with a bar where it has to be downloaded."""
    progress = DownloadBar()
    try:
        return load_corpus(name, errors=errors, progress=progress)
    finally:
        progress.close()


def output(path: Path | None, *, force: bool) -> Path | None:
    """`path`, checked before any work is done."""
    return None if path is None else check_output(path, force=force)
