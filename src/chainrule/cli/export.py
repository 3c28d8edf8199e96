"""`chainrule export`: a network for programs that do not know chainrule."""

from pathlib import Path
from typing import Annotated

import typer

from chainrule.cli.console import err, output
from chainrule.cli.models import ModelFile
from chainrule.files import written_aside
from chainrule.language_model import load


def export(
    model: ModelFile,
    out_file: Annotated[Path, typer.Option("--output", "-o", help="The ONNX file to write.")],
    form: Annotated[
        str, typer.Option(help="step: one item at a time; chunk: many, and a prediction after each.")
    ] = "step",
    force: Annotated[bool, typer.Option("--force", help="Overwrite a file that exists.")] = False,
) -> None:
    """Write a recurrent network (rnn, gru, lstm) as an ONNX graph, its vocabulary in the metadata.

    Example: `chainrule export lstm.chainrule -o lstm.onnx`
    """
    output(out_file, force=force)
    graph = load(model).to_onnx(form)
    with written_aside(out_file) as file:
        file.write(graph)
    err().print(f"graph: {out_file}", soft_wrap=True, markup=False)
