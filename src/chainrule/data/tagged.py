"""Sentences whose every token has a tag, from columns, from words set apart, or from an ordinary text.

    columns      token TAB tag, a line each; a blank line ends a sentence  Alice  B-PER
    segmented    words set apart by spaces: their characters, by place     中国 人 -> 中/B 国/E 人/S
    punctuated   a text: its bare words, by what was taken from them       "Yes, sir" -> yes/Title, sir/lower

Of a word of several characters the first is B, the last E, those between M; of one character it is S. A bare
word is in lower case; of capitals inside it (McGregor) only the first is told, and put back.
"""

import re
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

from chainrule.core import InputError

FORMS = ("columns", "segmented", "punctuated")
LOWER, TITLE, UPPER = "lower", "Title", "UPPER"
MARKS = ",.;:?!"
PIECE = 60  # words of a piece of running text; a bare text has no sentences
LONGEST = 1000  # tokens of a sentence; what is longer is cut
WORD = re.compile(r"\w+(?:['’-]\w+)*")


class Sentence(NamedTuple):
    """tags: one for each token; empty where none are known."""

    tokens: list[str]
    tags: list[str]


class Tagged(NamedTuple):
    """What was read. notes: what was left out or cut, in words, with its count."""

    sentences: list[Sentence]
    notes: list[str]


def read_tagged(text: str, form: str, name: str = "text") -> Tagged:
    """The sentences of a text in one of FORMS. Sentences longer than LONGEST are cut, and that is said.

    Raises InputError, with the line, for a line of columns that is no token and tag; and for a text without
    a token.
    """
    match check_form(form):
        case "columns":
            sentences = _columns(text, name)
        case "segmented":
            sentences = [_by_place(line.split()) for line in text.splitlines() if line.strip()]
        case _:
            sentences = _pieces(text)
    if not sentences:
        raise InputError(f"{name}: expected tagged sentences, found none")
    return _cut(sentences)


def read_bare(text: str, form: str, name: str = "text") -> Tagged:
    """Sentences to be tagged: of columns the first, of an unsegmented or a bare text all of it."""
    match check_form(form):
        case "columns":
            blocks = _blocks(text)
            sentences = [Sentence([line.split()[0] for _, line in block], []) for block in blocks]
        case "segmented":
            sentences = [
                Sentence(list("".join(line.split())), []) for line in text.splitlines() if line.strip()
            ]
        case _:
            sentences = [Sentence(piece.tokens, []) for piece in _pieces(text)]
    if not sentences:
        raise InputError(f"{name}: expected tokens to tag, found none")
    return _cut(sentences)


def write_tagged(sentences: Sequence[Sentence], form: str) -> str:
    """The way back: lines of columns, lines of words set apart, or a text with its capitals and marks."""
    match check_form(form):
        case "columns":
            lines = ("".join(f"{token}\t{tag}\n" for token, tag in zip(*s, strict=True)) for s in sentences)
            return "\n".join(lines)
        case "segmented":
            return "".join(" ".join(words_of(*sentence)) + "\n" for sentence in sentences)
        case _:
            pairs = (pair for sentence in sentences for pair in zip(*sentence, strict=True))
            return " ".join(_dressed(token, tag) for token, tag in pairs) + "\n"


def check_form(form: str) -> str:
    """`form`, or an InputError."""
    if form not in FORMS:
        raise InputError(f"form: expected one of {', '.join(FORMS)}, got {form!r}")
    return form


def words_of(characters: Sequence[str], places: Sequence[str]) -> list[str]:
    """Characters joined to words: one begins at B and S, and after E and S."""
    words: list[str] = []
    open_word = False
    for character, place in zip(characters, places, strict=True):
        if open_word and place not in ("B", "S"):
            words[-1] += character
        else:
            words.append(character)
        open_word = place not in ("E", "S")
    return words


def _blocks(text: str) -> list[list[tuple[int, str]]]:
    """Lines with their numbers, parted at blank ones; what only names a document (CoNLL 2003) is no line."""
    blocks: list[list[tuple[int, str]]] = [[]]
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.startswith("-DOCSTART-"):
            blocks.append([])
        else:
            blocks[-1].append((number, line))
    return [block for block in blocks if block]


def _columns(text: str, name: str) -> list[Sentence]:
    sentences: list[Sentence] = []
    for block in _blocks(text):
        made = Sentence([], [])
        for number, line in block:
            columns = line.split()
            if len(columns) < 2:
                raise InputError(
                    f"{name}: line {number}: expected a token and its tag, got {line.strip()[:60]!r}"
                )
            made.tokens.append(columns[0])
            made.tags.append(columns[-1])
        sentences.append(made)
    return sentences


def _by_place(words: Sequence[str]) -> Sentence:
    places = ["S" if len(word) == 1 else "B" + "M" * (len(word) - 2) + "E" for word in words]
    return Sentence(list("".join(words)), list("".join(places)))


def _pieces(text: str) -> list[Sentence]:
    """Bare words in pieces of the same number, wherever sentences end: of a bare text nobody knows."""
    found = list(WORD.finditer(text))
    after = [text[a.end() : b.start()] for a, b in pairwise(found)]
    after.append(text[found[-1].end() :] if found else "")
    tokens = [match[0].lower() for match in found]
    tags = [_case(match[0]) + _mark(gap) for match, gap in zip(found, after, strict=False)]
    return [Sentence(tokens[at : at + PIECE], tags[at : at + PIECE]) for at in range(0, len(tokens), PIECE)]


def _case(word: str) -> str:
    if word == word.lower():
        return LOWER
    return UPPER if word == word.upper() and len(word) > 1 else TITLE


def _mark(gap: str) -> str:
    """The first mark before the next word, where it stands close: of what is set in quotes, the inner one."""
    mark = gap.lstrip("\"'’”)]}*_`")[:1]
    return mark if mark and mark in MARKS else ""


def _dressed(token: str, tag: str) -> str:
    """A bare word with its capitals and its mark."""
    mark = tag[-1:] if tag and tag[-1] in MARKS else ""
    match tag.removesuffix(mark):
        case "Title":
            return token[:1].upper() + token[1:] + mark
        case "UPPER":
            return token.upper() + mark
        case _:
            return token + mark


def _cut(sentences: list[Sentence]) -> Tagged:
    long = sum(len(sentence.tokens) > LONGEST for sentence in sentences)
    if not long:
        return Tagged(sentences, [])
    parts = [
        Sentence(tokens[at : at + LONGEST], tags[at : at + LONGEST])
        for tokens, tags in sentences
        for at in range(0, len(tokens), LONGEST)
    ]
    sizes = f"{long:,} sentence{'s' if long > 1 else ''} of more than {LONGEST:,} tokens"
    return Tagged(parts, [f"{sizes}: cut into pieces of that size"])
