"""The command: parse, call, show. What fails says so in one line; 1 is a failure, 2 bad input."""

import io
import os
import sys
import warnings
from typing import Annotated, Any

import typer

from chainrule.cli import (
    classify,
    compare,
    compress,
    corpora,
    count,
    export,
    forecast,
    inspect,
    lab,
    lectures,
    mix,
    models,
    ngram,
    tag,
    train,
)
from chainrule.cli.console import note, problem
from chainrule.core import ChainruleError, InputError

app = typer.Typer(
    name="chainrule",
    help="Sequence models from counted n-grams to recurrent networks, scored on held-out text.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("compare")(compare.compare)
app.command("train")(train.train)
app.command("mix")(mix.mix)
app.command("evaluate")(models.evaluate)
app.command("generate")(models.generate)
app.command("score")(models.score)
app.command("compress")(compress.compress)
app.command("decompress")(compress.decompress)
app.command("export")(export.export)
app.command("forecast")(forecast.forecast)
app.command("lab")(lab.lab)
app.command("zipf")(corpora.zipf)
app.command("count")(count.count)
app.command("lectures")(lectures.lectures)
app.command("corpora")(corpora.corpora)
app.command("info")(inspect.info)
app.add_typer(classify.app, name="classify")
app.add_typer(ngram.app, name="ngram")
app.add_typer(tag.app, name="tag")


def _version(wanted: bool) -> bool:
    if wanted:
        from importlib.metadata import version

        print(version("chainrule"))
        raise typer.Exit
    return wanted


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Sequence models from counted n-grams to recurrent networks, scored on held-out text."""
    del version


def main() -> None:
    """Run the command; turn what went wrong into one line and an exit code."""
    warnings.showwarning = _show_warning
    for stream in (sys.stdout, sys.stderr):  # a terminal that lacks a character gets ? for it
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    try:
        app()
    except InputError as error:
        problem(str(error))
        sys.exit(2)
    except ChainruleError as error:
        problem(str(error))
        sys.exit(1)
    except BrokenPipeError:  # whoever read our output has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except MemoryError:
        problem("not enough memory for this setting: smaller sizes or a smaller batch may fit")
        sys.exit(1)
    except OSError as error:  # standard output on a full disk
        problem(f"{error.filename or 'output'}: {error.strerror or error}")
        sys.exit(1)


def _show_warning(message: Any, *rest: Any, **named: Any) -> None:
    del rest, named
    note(str(message))
