"""Texts with labels from tables, JSON lines, a folder or a file for each class: read, counted, never guessed
silently.

What cannot be used, an empty text, a missing label, a text longer than LONGEST, is skipped and counted; what
makes the whole unclear is an InputError.
"""

import csv
import io
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from chainrule.core import InputError
from chainrule.data.encodings import decode
from chainrule.data.series import TIME_NAMES

LONGEST = 200_000  # characters of a text: what is longer is a file that lost its line ends
TEXT_NAMES = ("text", "review", "sentence", "content", "comment", "document", "phrase", "body", "message",
              "title", "评论", "文本", "内容", "正文")  # fmt: skip
LABEL_NAMES = ("label", "class", "sentiment", "category", "target", "polarity", "rating", "stars", "score",
               "标签", "类别", "情感", "评分")  # fmt: skip
MOST_CLASSES = 100  # distinct values of a column that is taken for labels without being named so
TABLES = {".csv": "", ".tsv": "\t", ".tab": "\t"}
Row = Mapping[str, Any]


@dataclass(frozen=True)
class Labelled:
    """texts, each with its label, and with its time where there was a column of times. source: which file and
    columns. notes: a sentence for all that was skipped, guessed or read in another encoding."""

    texts: tuple[str, ...]
    labels: tuple[str, ...]
    times: tuple[str, ...] | None = None
    source: str = ""
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.texts)


@dataclass(frozen=True)
class Wanted:
    """Which columns are what; None where it is to be guessed. labelled: whether labels are needed at all."""

    text: str | None = None
    label: str | None = None
    time: str | None = None
    labelled: bool = True
    timed: bool = False


@dataclass
class _Reading:
    """What is gathered while a source is read."""

    texts: list[str] = field(default_factory=list[str])
    labels: list[str] = field(default_factory=list[str])
    times: list[str] = field(default_factory=list[str])
    skipped: Counter[str] = field(default_factory=Counter[str])
    notes: list[str] = field(default_factory=list[str])

    def add(self, text: Any, label: Any = "", time: Any = "", *, labelled: bool, timed: bool = False) -> None:
        """One example, or a reason to skip it."""
        words, name, when = (_cell(value) for value in (text, label, time))
        if not words:
            self.skipped["without a text"] += 1
        elif labelled and not name:
            self.skipped["without a label"] += 1
        elif timed and not when:
            self.skipped["without a time"] += 1
        elif len(words) > LONGEST:
            self.skipped[f"of more than {LONGEST:,} characters"] += 1
        else:
            self.texts.append(words)
            self.labels.append(name)
            self.times.append(when)

    def decoded(self, path: Path, encoding: str | None) -> str:
        """A file's text; what it was read as is noted where that is not UTF-8."""
        try:
            data = path.read_bytes()
        except OSError as error:
            raise InputError(f"{path}: cannot be read: {error.strerror or error}") from error
        text, found = decode(data, str(path), encoding)
        if found and encoding is None:
            self.notes.append(f"{path.name} was read as {found}")
        return text

    def done(self, source: str, timed: bool = False) -> Labelled:
        """Raises InputError where nothing is left."""
        skips = ", ".join(f"{count:,} {why}" for why, count in self.skipped.items())
        if not self.texts:
            raise InputError(
                f"{source}: expected texts, got none" + (f" (skipped: {skips})" if skips else "")
            )
        notes = [*self.notes, *([f"skipped {skips}"] if skips else [])]
        again = len(self.texts) - len(set(self.texts))
        if again:
            notes.append(f"{again:,} texts stand more than once")
        times = tuple(self.times) if timed else None
        return Labelled(tuple(self.texts), tuple(self.labels), times, source, tuple(notes))


def read_classes(files: Mapping[str, Path], *, encoding: str | None = None) -> Labelled:
    """A file a class, by label, one text a line; line ends within a text there are none."""
    reading = _Reading()
    for label, path in files.items():
        if not label.strip():
            raise InputError(f"{path}: expected a label for its class, got an empty one")
        for line in reading.decoded(path, encoding).rstrip("\r\n").split("\n"):
            reading.add(line, label, labelled=True)
    return reading.done(", ".join(f"{label} = {path.name}" for label, path in files.items()))


def read_labelled(path: Path, wanted: Wanted = Wanted(), *, encoding: str | None = None) -> Labelled:
    """A CSV or TSV file, JSON lines, or a folder with a folder of texts for each class.

    Raises InputError for what is none of these, and for columns that cannot be told apart.
    """
    if path.is_dir():
        return _read_folder(path, encoding)
    if not path.is_file():
        raise InputError(f"{path}: expected a CSV, TSV or JSON lines file or a folder, found none")
    reading = _Reading()
    text = reading.decoded(path, encoding)
    if not text.strip():
        raise InputError(f"{path}: expected labelled texts, got an empty file")
    if text.lstrip().startswith("{"):
        names, rows = _json_lines(path, text)
    else:
        names, rows = _table(path, text, reading)
    columns = guess_text_columns(path, names, rows, wanted)
    for row in rows:
        reading.add(
            row.get(columns.text or ""),
            row.get(columns.label or ""),
            row.get(columns.time or ""),
            labelled=wanted.labelled,
            timed=wanted.timed,
        )
    said = {"text": columns.text, "label": columns.label, "time": columns.time}
    named = ", ".join(f"{what} = {name}" for what, name in said.items() if name)
    return reading.done(f"{path}: {named}", wanted.timed)


def guess_text_columns(path: Path, names: Sequence[str], rows: Sequence[Row], wanted: Wanted) -> Wanted:
    """Which column is the text, the label and the time: as named, by known names, then by what is in them."""
    for asked in (wanted.text, wanted.label, wanted.time):
        if asked is not None and asked not in names:
            raise InputError(f"{path}: expected a column among {', '.join(names)}, got {asked!r}")
    by_name = {name.strip().lower(): name for name in reversed(names)}

    def named(known: Sequence[str], taken: Sequence[str | None]) -> str | None:
        return next((by_name[k] for k in known if k in by_name and by_name[k] not in taken), None)

    time = wanted.time or (named(TIME_NAMES, [wanted.text, wanted.label]) if wanted.timed else None)
    label = wanted.label or (named(LABEL_NAMES, [wanted.text, time]) if wanted.labelled else None)
    text = wanted.text or named(TEXT_NAMES, [label, time])
    left = [name for name in names if name not in (text, label, time)]
    if text is None and left:
        text = max(left, key=lambda name: sum(len(_cell(row.get(name))) for row in rows))
        left.remove(text)
    if label is None and wanted.labelled:
        kinds = {name: len({_cell(row.get(name)) for row in rows} - {""}) for name in left}
        few = [name for name in left if 2 <= kinds[name] <= min(MOST_CLASSES, len(rows) // 2)]
        if len(few) != 1:
            found = ", ".join(few) or "none"
            raise InputError(f"{path}: expected one column of labels, got {found}; name it with --label")
        label = few[0]
    missing = [
        what
        for what, name, needed in (("text", text, True), ("time", time, wanted.timed))
        if needed and not name
    ]
    if missing:
        raise InputError(f"{path}: expected a column of {missing[0]}s; name it with --{missing[0]}")
    return Wanted(text, label, time, wanted.labelled, wanted.timed)


def label_first(texts: Sequence[str], labels: Sequence[str]) -> str:
    """One text a line, its label before it: a language model of these lines, primed with a label, says what
    is of that class."""
    lines = (f"{label} {' '.join(text.split())}" for text, label in zip(texts, labels, strict=True))
    return "".join(line + "\n" for line in lines)


def _cell(value: Any) -> str:
    """A cell as text without white space around it; a whole number that JSON spells as 1.0 is 1."""
    if value is None:
        return ""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return str(value).strip()


def _table(path: Path, text: str, reading: _Reading) -> tuple[list[str], list[Row]]:
    """The columns and rows of a CSV or TSV file, with a header or without."""
    first = text.split("\n", 1)[0]
    mark = TABLES.get(path.suffix.lower()) or max(",;\t", key=first.count)
    limit = csv.field_size_limit(len(text) + 1)  # a cell may be as long as the file: it is skipped later
    try:
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=mark)
        rows = [(reader.line_num, row) for row in reader if any(cell.strip() for cell in row)]
    except csv.Error as error:
        raise InputError(f"{path}: expected a table, got one that is none ({error})") from error
    finally:
        csv.field_size_limit(limit)
    width = len(rows[0][1])
    for line, row in rows:
        if len(row) != width:
            raise InputError(
                f"{path}: expected {width} cells, got {len(row)} in the row that ends at line {line}"
            )
    if width < 2:
        raise InputError(f"{path}: expected at least two columns, got one (separated by {mark!r})")
    names, body = [name.strip() for name in rows[0][1]], [row for _, row in rows[1:]]
    if _is_data(names, body):
        names, body = [f"column {k}" for k in range(1, width + 1)], [row for _, row in rows]
        reading.notes.append(f"no header was found: the columns are {', '.join(names)}")
    if len(set(names)) < width:
        raise InputError(f"{path}: expected columns with different names, got {', '.join(names)}")
    if not body:
        raise InputError(f"{path}: expected rows below the header, got none")
    return names, [dict(zip(names, row, strict=True)) for row in body]


def _is_data(first: Sequence[str], body: Sequence[Sequence[str]]) -> bool:
    """Whether the first row is no header: it has no known name, and one of its cells stands below it too."""
    known = {*TEXT_NAMES, *LABEL_NAMES, *TIME_NAMES}
    if any(name.lower() in known for name in first):
        return False
    return any(any(row[k].strip() == cell for row in body) for k, cell in enumerate(first) if cell)


def _json_lines(path: Path, text: str) -> tuple[list[str], list[Row]]:
    names: dict[str, None] = {}
    rows: list[Row] = []
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            row: Any = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise InputError(
                f"{path}: expected a JSON object a line, got another at line {number}"
            ) from error
        if not isinstance(row, dict):
            raise InputError(f"{path}: expected a JSON object, got {type(row).__name__} at line {number}")
        rows.append(cast(Row, row))
        names.update(dict.fromkeys(cast(Row, row)))
    return list(names), rows


def _read_folder(folder: Path, encoding: str | None) -> Labelled:
    """A text a file, in a folder for each class; hidden files are none."""
    reading = _Reading()
    classes = sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))
    if not classes:
        raise InputError(f"{folder}: expected a folder for each class in it, found none")
    for one in classes:
        for path in sorted(one.rglob("*")):
            if path.is_file() and not path.name.startswith("."):
                reading.add(reading.decoded(path, encoding), one.name, labelled=True)
    return reading.done(f"{folder}: {len(classes)} folders, {', '.join(one.name for one in classes)}")
