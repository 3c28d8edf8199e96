"""`chainrule count`: how often a phrase of any length stands in a text, what follows it, and where."""

import hashlib
import os
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import numpy as np
import typer
from jaxtyping import Int32
from rich.table import Table
from rich.text import Text

from chainrule.cli.console import note, out, output, print_json, read_corpus
from chainrule.core import FileFormatError, InputError
from chainrule.data.codec import Codec
from chainrule.files import read_arrays, write_arrays
from chainrule.models.ngram.suffix_array import SuffixIndex
from chainrule.report import visible

FAMILY = "suffix array"


class Answer(NamedTuple):
    """What a text holds of a phrase.

    tokens: those of the phrase, as they read; unknown: those that the text lacks. times: how often it occurs.
    found: its longest end that something follows, `length` tokens long, `followed` times. following: token,
    count and share of what does, of which there are `different`. seen: places of the phrase, or of `found`
    where the phrase does not occur, each with what stands left of it, itself and what stands right of it.
    """

    phrase: str
    tokens: list[str]
    unknown: list[str]
    times: int
    found: str
    length: int
    followed: int
    different: int
    following: list[tuple[str, int, float]]
    seen: list[tuple[int, str, str, str]]


def count(
    phrase: Annotated[str, typer.Argument(help="What to look for; '' is before every token.")],
    corpus: Annotated[str, typer.Argument(help="A corpus by name, a file, a folder, or -.")] = "pydocs",
    tokenizer: Annotated[
        str, typer.Option(help="words, space, chinese-words, characters, bytes or bpe.")
    ] = "words",
    bpe_size: Annotated[int, typer.Option(help="Vocabulary of the BPE tokeniser.")] = 2000,
    following: Annotated[int, typer.Option("--next", help="How many tokens after it to list.")] = 10,
    context: Annotated[int, typer.Option(help="Tokens to show on either side of it.")] = 8,
    limit: Annotated[int, typer.Option(help="How many occurrences to show.")] = 5,
    index: Annotated[
        Path | None, typer.Option(help="Keep the suffix array in this file, or use the one there.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON in place of tables.")] = False,
    errors: Annotated[str, typer.Option(help="Bytes that are not UTF-8: strict or replace.")] = "strict",
) -> None:
    """Count a phrase of any length in a text, show what follows it and where it stands.

    Where the phrase does not occur, its longest end that does is taken in its place.

    Example: `chainrule count "the value of" pydocs --next 5`
    """
    for name, value in (("next", following), ("context", context), ("limit", limit)):
        if value < 0:
            raise InputError(f"{name}: expected 0 or more, got {value}")
    if index is not None and not os.path.exists(index):  # which answers for a name that is too long
        output(index, force=False)
    loaded = read_corpus(corpus, errors)
    codec, ids = Codec.fit_encode(loaded.text, tokenizer, bpe_size=bpe_size)
    if not len(ids):
        raise InputError(f"{loaded.name}: expected at least one token, got none")
    text = _indexed(ids, codec, index)
    answer = _look_up(text, codec, phrase, following, context, limit)
    if answer.unknown:
        note("not in this text: " + ", ".join(map(repr, answer.unknown)))
    if tokenizer == "bpe" and answer.tokens and not phrase[0].isspace():
        note(f"bpe takes a blank and the word after it as one: {' ' + phrase!r} is counted apart from this")
    if json:
        size = {"corpus": loaded.name, "tokenizer": codec.tokenizer.name, "text_tokens": len(ids)}
        print_json({**size, **_as_dict(answer)})
    else:
        _print_answer(answer, f"{loaded.name} ({len(ids):,} tokens, {codec.tokenizer.name})")


def _indexed(ids: Int32[np.ndarray, " N"], codec: Codec, path: Path | None) -> SuffixIndex:
    """The suffix array: made, or read from the file, or made and written to it."""
    made_of = {
        "family": FAMILY,
        "tokenizer": codec.tokenizer.name,
        "tokens": len(ids),
        "sha256": hashlib.sha256(ids.astype("<i4").tobytes()).hexdigest(),
    }
    if path is None or not path.exists():
        made = SuffixIndex.build(ids, codec.vocab_size)
        if path is not None:
            write_arrays(path, {"order": made.order}, made_of)
            note(f"suffix array: {path}")
        return made
    arrays, header = read_arrays(path)
    if header.get("family") != FAMILY or "order" not in arrays:
        raise FileFormatError(f"{path}: expected a suffix array as --index writes it, got another file")
    if header != made_of:
        expected, got = (
            f"{facts.get('tokens')} {facts.get('tokenizer')} tokens, SHA-256 {str(facts.get('sha256'))[:12]}"
            for facts in (made_of, header)
        )
        raise InputError(f"{path}: expected the suffix array of this text, {expected}; got that of {got}")
    try:
        return SuffixIndex.restore(ids, arrays["order"], codec.vocab_size)
    except FileFormatError as error:
        raise FileFormatError(f"{path}: {error}") from error


def _look_up(
    text: SuffixIndex, codec: Codec, phrase: str, following: int, context: int, limit: int
) -> Answer:
    wanted = codec.encode(phrase)  # an unknown token has an id that the text does not use
    join, spelled = codec.tokenizer.join, codec.vocabulary.tokens
    times = text.count(wanted)
    length, after, counts = text.next_counts(wanted)
    total = int(counts.sum())
    shown = wanted if times else wanted[len(wanted) - length :]
    # nothing and everything is where the empty phrase stands: nobody looks for that
    places = text.where(shown, limit).tolist() if len(shown) else []

    def read(begin: int, end: int) -> str:
        return codec.decode(text.tokens[max(begin, 0) : end])

    return Answer(
        phrase=phrase,
        tokens=[join([token]) for token in codec.split(phrase)],
        unknown=[join([token]) for token in codec.unknown(phrase)],
        times=times,
        found=codec.decode(wanted[len(wanted) - length :]),
        length=length,
        followed=total,
        different=len(after),
        following=[
            (join([spelled[i]]), n, n / total)
            for i, n in zip(after[:following].tolist(), counts[:following].tolist(), strict=True)
        ],
        seen=[
            (at, read(at - context, at), read(at, end), read(end, end + context))
            for at in places
            for end in [at + len(shown)]
        ],
    )


def _as_dict(answer: Answer) -> dict[str, Any]:
    return {
        "phrase": answer.phrase,
        "tokens": answer.tokens,
        "unknown": answer.unknown,
        "count": answer.times,
        "longest_end": {
            "text": answer.found,
            "tokens": answer.length,
            "count": answer.followed,
            "different": answer.different,
        },
        "next": [{"token": t, "count": n, "share": share} for t, n, share in answer.following],
        "occurrences": [
            {"at": at, "left": left, "phrase": middle, "right": right}
            for at, left, middle, right in answer.seen
        ],
    }


def _print_answer(answer: Answer, where: str) -> None:
    lines = [f"{visible(answer.phrase)!r}: {_times(answer.times)} in {where}"]
    if answer.length == 0 < len(answer.tokens):
        lines.append("no end of it stands before a token; these are the counts of all tokens")
    elif answer.length < len(answer.tokens):
        longest = visible(answer.found)
        lines.append(f"its longest end with a token after it: {longest!r}, {_times(answer.followed)}")
    console = out()
    for line in lines:
        console.print(line, markup=False, soft_wrap=True)
    if answer.following:
        console.print(_next_table(answer))
    if answer.seen:
        console.print(_seen_table(answer))


def _next_table(answer: Answer) -> Table:
    made = Table(header_style="bold")
    made.add_column(Text(f"after {visible(answer.found)!r}" if answer.length else "token"))
    made.add_column("count", justify="right")
    made.add_column("share", justify="right")
    for token, n, share in answer.following:
        made.add_row(Text(_shown(token)), f"{n:,}", f"{share:.1%}")
    others = answer.different - len(answer.following)
    if others:
        n = answer.followed - sum(n for _, n, _ in answer.following)
        name = "1 other" if others == 1 else f"{others:,} others"
        made.add_row(name, f"{n:,}", f"{n / answer.followed:.1%}", style="dim")
    return made


def _seen_table(answer: Answer) -> Table:
    """Keyword in context: where it begins, counted in tokens, and the phrase under itself."""
    made = Table(show_header=False, box=None)
    for justify in ("right", "right", "left", "left"):
        made.add_column(justify=justify, overflow="fold")
    for at, left, middle, right in answer.seen:
        made.add_row(f"{at:,}", *(Text(_line(part)) for part in (left, middle, right)))
    made.columns[2].style = "bold"
    return made


def _times(n: int) -> str:
    return "once" if n == 1 else f"{n:,} times"


def _shown(token: str) -> str:
    """A token; a blank or a line end would not be seen."""
    return token if token.strip() == token and token.isprintable() else repr(token)


def _line(text: str) -> str:
    """What stands around a phrase, on one line."""
    return visible(" ".join(text.split()))
