"""`chainrule ngram`: look into n-gram models, make them smaller, mix them, exchange them, score with them."""

import sys
from dataclasses import replace
from functools import reduce
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from rich.table import Table
from rich.text import Text

from chainrule.cli.console import bar, err, note, out, output, print_json, read_corpus
from chainrule.cli.mix import check_one_vocabulary
from chainrule.core import FileFormatError, InputError
from chainrule.data.overlap import Fingerprint
from chainrule.data.tokenizers import NAMES
from chainrule.files import verify
from chainrule.language_model import LanguageModel, TokenScore, load
from chainrule.models.ngram import BackoffModel
from chainrule.models.ngram.arpa import arpa_pieces, read_arpa, with_unknown, write_arpa
from chainrule.models.ngram.counts import check_trie
from chainrule.models.ngram.interpolation import interpolate, mixture_weights
from chainrule.models.ngram.pruning import prune_entropy, prune_to_size
from chainrule.models.ngram.quantization import quantize as to_8_bits
from chainrule.report import number

app = typer.Typer(help="N-gram models: look into them, prune, mix, exchange, rescore.", no_args_is_help=True)
ModelFile = Annotated[Path, typer.Argument(help="An n-gram model file, as `train` writes it.")]
OutFile = Annotated[Path, typer.Option("--output", "-o", help="The file to write.")]
Force = Annotated[bool, typer.Option("--force", help="Overwrite a file that exists.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON in place of text.")]
On = Annotated[
    str | None, typer.Option("--on", help="A text to measure the perplexity on, before and after.")
]


@app.command()
def info(
    model: ModelFile,
    check: Annotated[bool, typer.Option("--verify", help="Read all of the file and check it.")] = False,
    json: Json = False,
) -> None:
    """Show how many n-grams of each order a model lists, and what they take.

    Example: `chainrule ngram info words.chainrule`
    """
    if check:
        verify(model)
    lm, ngram = _opened(model)
    sizes = [sum(a.nbytes for a in level if a is not None) for level in ngram.levels]
    bits = [32 if level.prob_codes is None else 8 for level in ngram.levels]
    discounts, remade = lm.card.get("discounts", []), lm.card.get("remade", [])
    if json:
        known = {
            "file": str(model),
            "made_by": ngram.made_by,
            "order": ngram.order,
            "vocabulary": ngram.vocab_size,
            "sentences": ngram.end is not None,
            "ngrams": list(ngram.ngrams),
            "bytes": sizes,
            "bits_per_probability": bits,
            "discounts": discounts,
            "remade": remade,
        }
        print_json(known)
        return
    reads = "sentences" if ngram.end is not None else "one running text"
    out().print(
        f"{ngram.made_by}, order {ngram.order}, vocabulary {ngram.vocab_size:,}, {reads}", markup=False
    )
    made = Table(header_style="bold")
    for heading in ("order", "n-grams", "MB", "bits a probability", "discounts of 1, 2, 3+"):
        made.add_column(heading, justify="right")
    shown = {d["order"]: f"{d['one']:.4f} {d['two']:.4f} {d['more']:.4f}" for d in discounts}
    for k, row in enumerate(zip(ngram.ngrams, sizes, bits, strict=True), 1):
        count, size, width = row
        made.add_row(str(k), f"{count:,}", f"{size / 1e6:.1f}", str(width), shown.get(k, ""))
    made.add_row("all", f"{sum(ngram.ngrams):,}", f"{sum(sizes) / 1e6:.1f}", "", "")
    out().print(made)
    for how in remade:
        note(how)


@app.command()
def prune(
    model: ModelFile,
    out_file: OutFile,
    threshold: Annotated[
        float | None, typer.Option(help="Drop n-grams that raise perplexity by less than this share, 1e-8.")
    ] = None,
    size: Annotated[int | None, typer.Option(help="Keep so many n-grams at most.")] = None,
    on: On = None,
    force: Force = False,
) -> None:
    """Drop the n-grams that matter least (relative entropy, Stolcke 1998).

    Example: `chainrule ngram prune words.chainrule --threshold 1e-8 -o small.chainrule`
    """
    output(out_file, force=force)
    if (threshold is None) == (size is None):
        raise InputError("prune: expected either --threshold or --size")
    lm, ngram = _opened(model, whole=True)
    held_out = None if on is None else read_corpus(on, "strict").text
    with bar("pruning"):
        if threshold is not None:
            made, how = prune_entropy(ngram, threshold), f"pruned by entropy at {threshold:g}"
        else:
            assert size is not None
            made, how = prune_to_size(ngram, size), f"pruned by entropy to {size:,} n-grams"
    _write(lm, made, how, out_file, on, held_out)


@app.command()
def quantize(model: ModelFile, out_file: OutFile, on: On = None, force: Force = False) -> None:
    """Store probabilities in 8 bits; with --on, print what that costs in perplexity.

    Example: `chainrule ngram quantize words.chainrule --on other.txt -o small.chainrule`
    """
    output(out_file, force=force)
    lm, ngram = _opened(model, whole=True)
    held_out = None if on is None else read_corpus(on, "strict").text
    with bar("quantising"):
        made = to_8_bits(ngram)
    _write(lm, made, "probabilities in 8 bits", out_file, on, held_out)


@app.command()
def mix(
    models: Annotated[list[Path], typer.Argument(help="N-gram model files of one vocabulary.")],
    out_file: OutFile,
    weights: Annotated[str | None, typer.Option(help="Such as 0.7,0.3; else those that suit --on.")] = None,
    on: Annotated[str | None, typer.Option("--on", help="A held-out text to find the weights on.")] = None,
    force: Force = False,
) -> None:
    """Interpolate models into one. They must have one vocabulary: train the second with `--vocab FIRST`.

    Example: `chainrule ngram mix a.chainrule b.chainrule --on other.txt -o both.chainrule`
    """
    output(out_file, force=force)
    if (weights is None) == (on is None):
        raise InputError("mix: expected either --weights, or --on for a text to find them on")
    opened = [_opened(path, whole=True) for path in models]
    first = opened[0][0]
    check_one_vocabulary(models, [lm for lm, _ in opened])
    ngrams = [ngram for _, ngram in opened]
    if on is not None:
        found = mixture_weights(ngrams, first.codec.encode(read_corpus(on, "strict").text)).tolist()
        for path, weight in zip(models, found, strict=True):
            if not weight:
                raise InputError(
                    f"{path}: expected a model that can give some of {on}; it would weigh nothing"
                )
    else:
        found = _fractions(weights or "")
    with bar("mixing"):
        made = interpolate(ngrams, found)
    shares = ", ".join(f"{weight:.4f} {path.name}" for weight, path in zip(found, models, strict=True))
    fingerprint = reduce(Fingerprint.joined, (lm.fingerprint for lm, _ in opened))
    _write(replace(first, fingerprint=fingerprint), made, f"mixed: {shares}", out_file)


@app.command("export")
def export_arpa(model: ModelFile, out_file: OutFile, force: Force = False) -> None:
    """Write a model as an ARPA file, gzipped where its name ends in .gz; `-` is standard output.

    Example: `chainrule ngram export words.chainrule -o words.arpa.gz`
    """
    if str(out_file) != "-":
        output(out_file, force=force)
    lm, ngram = _opened(model, whole=True)
    if lm.codec.vocabulary.unknown != "<unk>" and "<unk>" in lm.codec.vocabulary.ids:
        note("<unk> is an ordinary word of this model: other programs will take unknown words for it")
    if str(out_file) == "-":
        for piece in arpa_pieces(ngram, lm.codec.vocabulary.tokens):
            sys.stdout.buffer.write(piece)
        return
    with bar("writing"):
        write_arpa(out_file, ngram, lm.codec.vocabulary.tokens)
    err().print(f"ARPA: {out_file}", soft_wrap=True, markup=False)


@app.command("import")
def import_arpa(
    arpa: Annotated[Path, typer.Argument(help="An ARPA file, gzipped or not, of any program.")],
    out_file: OutFile,
    tokenizer: Annotated[str, typer.Option(help="How texts are cut into its words.")] = "space",
    force: Force = False,
) -> None:
    """Read an ARPA file into a model file, which opens at once.

    Example: `chainrule ngram import words.arpa.gz -o words.chainrule`
    """
    output(out_file, force=force)
    known = [name for name in NAMES if name != "bpe"]  # which is learned from a text, and there is none
    if tokenizer not in known:
        raise InputError(f"tokeniser: expected one of {', '.join(known)}, got {tokenizer!r}")
    try:
        with bar("reading"), arpa.open("rb") as file:
            found = read_arpa(file)
    except OSError as error:
        raise InputError(f"{arpa}: cannot be read: {error.strerror or error}") from error
    if found.unknown is None:
        note("the file has no <unk>: unknown words get log10 -100, as in KenLM")
        found = with_unknown(found)
    lm = LanguageModel.imported(
        found.model, found.tokens, name=arpa.name, unknown=found.unknown, tokenizer=tokenizer
    )
    lm.save(out_file)
    counts = ", ".join(f"{count:,}" for count in found.model.ngrams)
    out().print(f"order {found.model.order}: {counts} n-grams", markup=False)
    err().print(f"model: {out_file}", soft_wrap=True, markup=False)


@app.command()
def top(
    model: ModelFile,
    context: Annotated[str, typer.Argument(help="What stands before.")] = "",
    k: Annotated[int, typer.Option("-k", help="How many tokens.")] = 10,
    json: Json = False,
) -> None:
    """List the likeliest next tokens after a context.

    Example: `chainrule ngram top words.chainrule "one of the" -k 5`
    """
    lm, _ = _opened(model)
    found = lm.next(context, k)
    if json:
        print_json([{"token": token, "probability": probability} for token, probability in found])
        return
    made = Table(header_style="bold")
    made.add_column("token")
    made.add_column("probability", justify="right")
    for token, probability in found:
        made.add_row(Text(repr(token) if token.isspace() else token), f"{probability:.6f}")
    out().print(made)


@app.command()
def rescore(
    model: ModelFile,
    detail: Annotated[
        bool, typer.Option("--tokens", help="For every token log10, and the order it was found in.")
    ] = False,
) -> None:
    """Score sentences or n-best lists from standard input, line by line: log10, tokens, unknown tokens.

    A line with `|||` twice is a hypothesis in Moses' format; its log10 is put behind it as one more field.

    Example: `chainrule ngram rescore words.chainrule < hypotheses.txt`
    """
    lm, _ = _opened(model)
    for row, raw in enumerate(sys.stdin.buffer, 1):
        raw = raw.rstrip(b"\r\n")
        line = raw.decode("utf-8", "replace")
        fields = line.split("|||")
        hypothesis = (fields[1] if len(fields) > 2 else line).strip()
        try:
            scores = lm.full_scores(hypothesis + "\n" * lm.codec.sentences)
        except InputError as error:
            raise InputError(f"line {row}: {error}") from error
        total, unknown = sum(score.log10 for score in scores), sum(score.unknown for score in scores)
        if len(fields) > 2:
            answer = raw + f" ||| {total:.6f}\n".encode()
        elif detail:
            answer = f"{_spelled(scores)}\tTotal: {total:.6f}\tOOV: {unknown}\n".encode()
        else:
            answer = f"{total:.6f}\t{len(scores)}\t{unknown}\t".encode() + raw + b"\n"
        sys.stdout.buffer.write(answer)  # the line byte for byte, whether or not it is UTF-8
        sys.stdout.buffer.flush()  # a decoder waits for the answer


def _spelled(scores: list[TokenScore]) -> str:
    return "\t".join(f"{score.token}={score.length} {score.log10:.6f}" for score in scores)


def _opened(path: Path, *, whole: bool = False) -> tuple[LanguageModel, BackoffModel]:
    """A model file with an estimated n-gram model in it. whole: all of it will be read, so it is checked
    first; else damage would come out under a new checksum."""
    if whole:
        verify(path)
    lm = load(path)
    if not isinstance(lm.model, BackoffModel):
        smoothing = lm.card["recipe"].get("smoothing", "")
        kind = lm.card["recipe"]["kind"] + (
            f" with {smoothing}" if "gram" in lm.card["recipe"]["kind"] else ""
        )
        raise InputError(
            f"{path}: expected an n-gram model with backoff (witten-bell, absolute, kneser-ney or "
            f"modified-kneser-ney), got {kind}"
        )
    if whole:
        _check(path, lm.model)
    return lm, lm.model


def _check(path: Path, model: BackoffModel) -> None:
    """Raises FileFormatError for tables that are no trie or hold no numbers, as a stranger may write them."""
    alphabet, below = len(model.levels[0].tokens), 1
    for k, level in enumerate(model.levels, 1):
        trie = (
            check_trie(level.tokens, level.first, below, alphabet)
            if len(level.tokens)
            else not level.first.any()
        )
        values = (level.log_probs, level.log_probs if level.backoffs is None else level.backoffs)
        if not trie or not all((some < np.inf).all() for some in values):  # NaN is not below it
            raise FileFormatError(f"{path}: the tables of order {k} are damaged")
        below = len(level.tokens)


def _write(
    lm: LanguageModel,
    made: BackoffModel,
    how: str,
    path: Path,
    on: str | None = None,
    held_out: str | None = None,
) -> None:
    """Save the remade model; say its size, and what it lost against the old one on a text named `on`."""
    new = lm.remade(made, how)
    lost = None if held_out is None else (lm.evaluate(held_out).perplexity, new.evaluate(held_out).perplexity)
    new.save(path)
    old = lm.model
    assert isinstance(old, BackoffModel)
    before, after = sum(old.ngrams), sum(made.ngrams)
    out().print(f"{how}: {after:,} of {before:,} n-grams", markup=False)
    if lost is not None:
        was, now = lost
        gap = f"{100 * (now / was - 1):+.2f} %" if np.isfinite(was) and np.isfinite(now) else "no ratio"
        out().print(
            f"perplexity on {on}: {number(was, 4)} before, {number(now, 4)} after ({gap})", markup=False
        )
    err().print(f"model: {path}", soft_wrap=True, markup=False)


def _fractions(text: str) -> list[float]:
    try:
        return [float(part) for part in text.split(",")]
    except ValueError:
        raise InputError(f"--weights: expected numbers such as 0.7,0.3, got {text!r}") from None
