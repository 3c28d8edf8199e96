"""`chainrule mix`: models of one vocabulary as one, weighed on text that none of them was trained on."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from chainrule.cli.console import bar, err, fraction_or_text, note, out, output, print_json, read_corpus
from chainrule.cli.inspect import card_table
from chainrule.core import InputError
from chainrule.data.dataset import split_text
from chainrule.data.overlap import TRAINED_ON
from chainrule.language_model import LanguageModel, load


def mix(
    models: Annotated[list[Path], typer.Argument(help="Model files of one vocabulary.")],
    out_file: Annotated[Path, typer.Option("--output", "-o", help="The model file to write.")],
    corpus: Annotated[
        str | None, typer.Option(help="The corpus that they were trained on, split in the same way.")
    ] = None,
    valid: Annotated[str, typer.Option(help="A fraction or a file to find the weights on.")] = "0.1",
    test: Annotated[
        str | None, typer.Option(help="A fraction or a file to test on; 0 for none.", show_default="0.1")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite a file that exists.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print JSON in place of a table.")] = False,
    errors: Annotated[str, typer.Option(help="Bytes that are not UTF-8: strict or replace.")] = "strict",
) -> None:
    """Mix models into one that predicts better than each, by weights from the validation text.

    They must have one vocabulary: train the second with `--vocab FIRST`. `--corpus` is split as `train`
    does; without it `--valid`, and `--test`, are files.

    Example: `chainrule mix lstm.chainrule 6gram.chainrule --corpus tinyshakespeare -o both.chainrule`
    """
    output(out_file, force=force)
    opened = [load(path) for path in models]
    check_one_vocabulary(models, opened)
    weighed, tested = _parts(opened[0], corpus, valid, test, errors)
    with bar("weighing") as tell:
        lm = LanguageModel.mixed(opened, weighed, test=tested, progress=lambda done: tell(done, ""))
    share = lm.overlap(weighed)
    if share is not None and share > TRAINED_ON:
        note(
            f"{share:.0%} of the text that weighed them was trained on: whoever knows it by heart weighs most"
        )
    lm.save(out_file)
    if json:
        print_json({"file": str(out_file), **lm.card})
    else:
        out().print(card_table(lm))
        err().print(f"model: {out_file}", soft_wrap=True, markup=False)


def check_one_vocabulary(paths: Sequence[Path], opened: Sequence[LanguageModel]) -> None:
    """Raises InputError that names the first model with other tokens than the first one, and a way out."""
    for path, lm in zip(paths, opened, strict=True):
        if lm.codec != opened[0].codec:
            raise InputError(
                f"{path}: expected the tokens and the vocabulary of {paths[0]}, got others; "
                f"train with --vocab {paths[0]} gives it the same"
            )


def _parts(
    lm: LanguageModel, corpus: str | None, valid: str, test: str | None, errors: str
) -> tuple[str, str]:
    """The texts to weigh and to test on."""
    given = [fraction_or_text(valid, "--valid", errors), fraction_or_text(test or "0.1", "--test", errors)]
    if corpus is None:
        if not isinstance(given[0], str):
            raise InputError(f"mix: expected --corpus CORPUS, or a file for --valid, got {valid}")
        if test is not None and not isinstance(given[1], str):
            raise InputError(f"mix: expected --corpus CORPUS, or a file for --test, got {test}")
        return given[0], given[1] if isinstance(given[1], str) else ""
    text, how = (
        read_corpus(corpus, errors).text,
        {"clean": lm.codec.letters_only, "sentences": lm.codec.sentences},
    )
    _, *parts = split_text(text, valid=given[0], test=given[1], **how)
    return parts[0], parts[1]
