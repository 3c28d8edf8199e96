"""`chainrule compress`, `decompress`: a file in fewer bytes, by a model or a mix that learns it, and back."""

import sys
import time
from collections.abc import Callable, Generator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from chainrule.cli.console import bar, err, note, out, output, print_json
from chainrule.core import FileFormatError, InputError
from chainrule.files import written_aside
from chainrule.language_model import load
from chainrule.recipes import compressing
from chainrule.recipes.compressing import Compressed
from chainrule.report import number
from chainrule.tasks.evaluation import LN2, finite_or_name

SUFFIX = ".cr"
STANDARD = Path("-")  # standard input, or output
Source = Annotated[Path, typer.Argument(help="A file, or - for standard input.")]
ModelOption = Annotated[
    Path | None, typer.Option("--model", "-m", help="A model file, as `train` writes it.", show_default=False)
]
Force = Annotated[bool, typer.Option("--force", help="Overwrite a file that exists.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON in place of text.")]


def compress(
    file: Source,
    model: ModelOption = None,
    with_model: Annotated[
        bool, typer.Option("--with-model", help="Put the model into the file too: nothing else is needed.")
    ] = False,
    online: Annotated[bool, typer.Option("--online", help="The model learns as it reads.")] = False,
    out_file: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="The file to write, or -.", show_default=f"FILE{SUFFIX}"),
    ] = None,
    force: Force = False,
    json: Json = False,
) -> None:
    """Compress a file of any bytes, without a model or by one.

    Without a model it is a mix of contexts that learns as it reads: the file is all that is needed to get the
    bytes back. With one, the same model is needed, and the size is what the model's surprisal says; with
    --online it learns the file as it goes.

    Example: `chainrule compress book.txt -m lstm.chainrule -o book.cr`
    """
    if with_model and model is None:
        raise InputError("--with-model: expected a model, --model FILE, got none")
    if online and model is None:
        raise InputError("--online: expected a model, --model FILE, got none; without one, all is learned")
    target = _target(file, out_file, Path(f"{file}{SUFFIX}"), model, force=force, json=json)
    began = time.perf_counter()
    with ExitStack() as stack:
        how: dict[str, Any] = {"online": online}
        if model is not None:
            how["lm"] = load(model)
            how["carried"] = stack.enter_context(compressing.opened(model)) if with_model else None
        how["tell"] = stack.enter_context(_progress(file, "compressing"))
        done = _run(file, target, compressing.compress, compressing.compress_file, how)
    seconds = time.perf_counter() - began
    _show(done, file, target, seconds, json=json)
    if done.promise and done.original and done.promise.text < done.original:
        note(
            f"{done.original - done.promise.text:,} of {done.original:,} bytes were coded without the model: "
            f"it does not shorten them, or they are no text"
        )


def decompress(
    file: Source,
    model: ModelOption = None,
    out_file: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", help="The file to write, or -.", show_default=f"FILE without {SUFFIX}"
        ),
    ] = None,
    force: Force = False,
    json: Json = False,
) -> None:
    """Bring back the bytes that `compress` was given, or say what is wrong and write no file.

    Example: `chainrule decompress book.cr -m lstm.chainrule -o book.txt`
    """
    if out_file is None and file != STANDARD and file.suffix != SUFFIX:
        raise InputError(f"{file}: expected a name that ends in {SUFFIX}, or --output")
    target = _target(file, out_file, Path(str(file).removesuffix(SUFFIX)), model, force=force, json=json)
    began = time.perf_counter()
    how: dict[str, Any] = {"lm": None if model is None else load(model), "load": load}
    with _progress(file, "decompressing") as tell:
        done = _run(file, target, compressing.decompress, compressing.decompress_file, {**how, "tell": tell})
    _show(done, file, target, time.perf_counter() - began, json=json)


def _target(
    file: Path, out_file: Path | None, default: Path, model: Path | None, *, force: bool, json: bool
) -> Path:
    """Where the result goes, checked before any work is done."""
    if file != STANDARD and file.is_dir():
        raise InputError(f"{file}: expected a file, got a folder")
    if file != STANDARD and not file.exists():
        raise InputError(f"{file}: there is no such file")
    target = out_file or (STANDARD if file == STANDARD else default)
    if target == STANDARD:
        if json:
            raise InputError("--json: expected a file to write, as standard output takes the bytes, got -")
        if sys.stdout.isatty():
            raise InputError("output: expected a file (--output) or a pipe, got a terminal")
        return target
    output(target, force=force)
    read = [path for path in (file, model) if path is not None and path != STANDARD and path.exists()]
    if target.exists() and any(map(target.samefile, read)):
        raise InputError(f"{target}: expected another file to write than one that is read")
    return target


def _run(
    file: Path,
    target: Path,
    stream: Callable[..., Compressed],
    files: Callable[..., Compressed],
    how: dict[str, Any],
) -> Compressed:
    """From file to file, or with standard input or output in the place of one."""
    if STANDARD not in (file, target):
        return files(file, target, **how)
    with ExitStack() as stack:
        source = sys.stdin.buffer if file == STANDARD else stack.enter_context(compressing.opened(file))
        sink = sys.stdout.buffer if target == STANDARD else stack.enter_context(written_aside(target))
        try:
            done = stream(source, sink, **how)
        except FileFormatError as error:
            raise FileFormatError(f"{'standard input' if file == STANDARD else file}: {error}") from error
        sink.flush()
        return done


@contextmanager
def _progress(file: Path, what: str) -> Generator[Callable[[int], None]]:
    """A bar for the bytes of the file that are done; of a pipe nobody knows how many there are."""
    size = file.stat().st_size if file != STANDARD else 0
    began = time.perf_counter()
    with bar(what) as tell:

        def told(done: int) -> None:
            speed = done / 1000 / max(time.perf_counter() - began, 1e-9)
            tell(done / size if size else 0.0, f"{done / 1e6:,.1f} MB, {speed:,.1f} kB/s")

        yield told


def _show(done: Compressed, file: Path, target: Path, seconds: float, *, json: bool) -> None:
    """The sizes, and beside them what the model promised; on standard error where that takes the bytes."""
    speed, promise = done.original / 1000 / max(seconds, 1e-9), done.promise
    if json:
        print_json({"file": str(file), "output": str(target), **_figures(done, speed)})
        return
    made = Table(show_header=False, box=None)
    made.add_column(style="bold")
    made.add_column(justify="right")
    rows = [
        ("bytes", f"{done.original:,}"),
        ("compressed", f"{done.compressed:,}"),
        ("bits per byte", number(done.bits_per_byte, 4)),
    ]
    if done.characters is not None:
        rows.append(("bits per character", number(done.bits_per_character, 4)))
    if done.carried:
        rows.append(("of it the model", f"{done.carried:,}"))
    if promise is not None:
        rows.append((f"{promise.tokens:,} tokens by the model", f"{promise.payload:,}"))
        rows.append(("their surprisal, in bytes", number(promise.nats / LN2 / 8, 1)))
        if promise.unknown:
            rows.append((f"spellings of {promise.unknown:,} unknown", f"{promise.spelled:,}"))
    rows.append(("kB/s", number(speed, 1)))
    for row in rows:
        made.add_row(*row)
    (err() if target == STANDARD else out()).print(made)


def _figures(done: Compressed, speed: float) -> dict[str, Any]:
    """For JSON. by_model: what it promised for the tokens that it coded, and what they took."""
    promise = done.promise
    return {
        "original": done.original,
        "compressed": done.compressed,
        "characters": done.characters,
        "bits_per_byte": finite_or_name(done.bits_per_byte),
        "bits_per_character": finite_or_name(done.bits_per_character),
        "kilobytes_per_second": speed,
        "model_bytes": done.carried,
        "by_model": promise
        and {
            "tokens": promise.tokens,
            "bits_promised": finite_or_name(promise.nats / LN2),
            "bits": 8 * promise.payload,
            "unknown": promise.unknown,
            "unknown_bytes": promise.spelled,
            "bytes": promise.text,
        },
    }
