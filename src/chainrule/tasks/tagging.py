"""How good tags are: the share that is right, and whole spans that are.

    accuracy = right / tokens,    F1 = 2 P R / (P + R),   P = found spans that are true, R = true ones found

A tag is a place and perhaps a label: B-PER, I-PER, O; B, M, E, S. A span begins at B, S (and U), after E, S
(and L, U), where the label changes, and after O; it goes on at I, M, E. So ill-formed sequences are read too,
as conlleval does for BIO (Tjong Kim Sang 2000). A span is found where both its ends and its label are.
Tags that are no places have no spans: of them F1 is over the tokens with another tag than the usual one.
"""

import re
from collections.abc import Collection, Sequence
from typing import Any, NamedTuple

from chainrule.core import InputError

PLACE = re.compile(r"([BIMESLU])(?:-(.*))?|O")
Tags = Sequence[str]


class Match(NamedTuple):
    """Counts of what is true, what was found, and what is both."""

    true: int
    found: int
    both: int

    @property
    def precision(self) -> float:
        return self.both / self.found if self.found else 0.0

    @property
    def recall(self) -> float:
        return self.both / self.true if self.true else 0.0

    @property
    def f1(self) -> float:
        return 2 * self.both / (self.true + self.found) if self.true + self.found else 0.0


class TagScores(NamedTuple):
    """right: of so many tokens. spans: None where tags are no places. others: tokens with another tag than
    the usual one. unseen: tokens whose true tag was not there in training; they count as wrong."""

    sentences: int
    tokens: int
    right: int
    spans: Match | None
    others: Match
    unseen: int

    @property
    def accuracy(self) -> float:
        return self.right / self.tokens

    @property
    def f1(self) -> float:
        """Of spans where there are any, else of the tokens with another tag than the usual one."""
        return (self.others if self.spans is None else self.spans).f1

    def as_dict(self) -> dict[str, Any]:
        made: dict[str, Any] = {"sentences": self.sentences, "tokens": self.tokens, "accuracy": self.accuracy}
        match, name = (self.others, "others") if self.spans is None else (self.spans, "spans")
        figures = {"precision": match.precision, "recall": match.recall, "f1": match.f1}
        return made | {name: figures, "unseen_tags": self.unseen}


def has_spans(tags: Collection[str]) -> bool:
    """Whether tags are places: all of that form, and some that begin a span."""
    places = [PLACE.fullmatch(tag) for tag in tags]
    return all(places) and any(tag[:1] == "B" for tag in tags)


def spans_of(tags: Tags) -> list[tuple[int, int, str]]:
    """First token, the one after the last, and label, of every span."""
    found: list[tuple[int, int, str]] = []
    open_label: str | None = None  # of the span that the token before left open
    for at, tag in enumerate(tags):
        place, _, label = tag.partition("-")
        if place == "O":
            open_label = None
            continue
        if open_label == label and place not in ("B", "S", "U"):
            first, _, _ = found.pop()
        else:
            first = at
        found.append((first, at + 1, label))
        open_label = None if place in ("E", "S", "L", "U") else label
    return found


def score_tags(
    truth: Sequence[Tags], found: Sequence[Tags], *, known: Collection[str], usual: str
) -> TagScores:
    """Compare sentence by sentence. known: the tags of the training part. usual: the most frequent of them.

    Raises InputError where the two do not match in number, and without a token.
    """
    if [len(tags) for tags in truth] != [len(tags) for tags in found]:
        raise InputError("tags: expected as many found as there are true ones")
    pairs = [pair for true, own in zip(truth, found, strict=True) for pair in zip(true, own, strict=True)]
    if not pairs:
        raise InputError("tags: expected at least a token, got none")
    spans = None
    if has_spans({*known, *(true for true, _ in pairs)}):
        both = [({*spans_of(true)}, {*spans_of(own)}) for true, own in zip(truth, found, strict=True)]
        spans = Match(*(sum(map(len, sets)) for sets in ((t for t, _ in both), (f for _, f in both),
                                                         (t & f for t, f in both))))  # fmt: skip
    others = Match(
        sum(true != usual for true, _ in pairs),
        sum(own != usual for _, own in pairs),
        sum(true == own != usual for true, own in pairs),
    )
    right, unseen = sum(true == own for true, own in pairs), sum(true not in known for true, _ in pairs)
    return TagScores(len(truth), len(pairs), right, spans, others, unseen)
