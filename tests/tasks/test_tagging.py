"""Scores of tags: by hand, and what must hold of any."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chainrule.core import InputError
from chainrule.tasks.tagging import has_spans, score_tags, spans_of

TAGS = ("O", "B-x", "I-x", "B-y", "I-y")
SEQUENCES = st.lists(st.lists(st.sampled_from(TAGS), max_size=6), min_size=1, max_size=5)


@pytest.mark.parametrize(
    ("tags", "spans"),
    [
        ("B-x I-x O B-y", [(0, 2, "x"), (3, 4, "y")]),
        ("B-x B-x I-x", [(0, 1, "x"), (1, 3, "x")]),
        ("I-x I-x O I-y", [(0, 2, "x"), (3, 4, "y")]),  # ill-formed, as conlleval reads it
        ("B-x I-y I-y", [(0, 1, "x"), (1, 3, "y")]),
        ("B-x I-x E-x S-y O", [(0, 3, "x"), (3, 4, "y")]),  # BIOES
        ("B-x L-x U-x", [(0, 2, "x"), (2, 3, "x")]),  # BILOU
        ("B M E S B E", [(0, 3, ""), (3, 4, ""), (4, 6, "")]),
        ("M E B B S M", [(0, 2, ""), (2, 3, ""), (3, 4, ""), (4, 5, ""), (5, 6, "")]),
        ("O O", []),
    ],
)
def test_spans(tags: str, spans: list[tuple[int, int, str]]) -> None:
    assert spans_of(tags.split()) == spans


@given(SEQUENCES)
def test_spans_cover_what_is_not_outside_once(sequences: list[list[str]]) -> None:
    for tags in sequences:
        spans = spans_of(tags)
        covered = [at for first, last, _ in spans for at in range(first, last)]
        assert covered == [at for at, tag in enumerate(tags) if tag != "O"]
        assert all(a[1] <= b[0] for a, b in pairwise(spans))


@given(SEQUENCES)
def test_what_is_right_is_perfect(sequences: list[list[str]]) -> None:
    if not any(sequences):
        return
    scores = score_tags(sequences, sequences, known=TAGS, usual="O")
    assert scores.accuracy == 1
    assert scores.spans is not None
    assert scores.spans.f1 == (1.0 if any(spans_of(tags) for tags in sequences) else 0.0)


def test_scores_by_hand() -> None:
    truth = [["B-x", "I-x", "O", "B-y"], ["O", "Z-z"]]
    found = [["B-x", "I-x", "O", "B-x"], ["B-y", "O"]]
    scores = score_tags(truth[:1], found[:1], known=TAGS, usual="O")
    assert (scores.sentences, scores.tokens, scores.right, scores.unseen) == (1, 4, 3, 0)
    assert scores.spans == (2, 2, 1)
    assert scores.f1 == 0.5
    both = score_tags(truth, found, known=TAGS, usual="O")
    assert both.spans is None  # Z-z is no place
    assert (both.right, both.unseen) == (3, 1)
    assert both.others == (4, 4, 2)
    assert both.as_dict()["others"] == {"precision": 0.5, "recall": 0.5, "f1": 0.5}
    assert scores.as_dict()["spans"]["f1"] == 0.5


def test_which_tags_are_places() -> None:
    assert has_spans(["B", "M", "E", "S"])
    assert has_spans(TAGS)
    assert not has_spans(["NN", "B"])
    assert not has_spans(["O", "I"])
    assert not has_spans(["Title", "lower"])


def test_what_cannot_be_scored() -> None:
    with pytest.raises(InputError, match="as many found"):
        score_tags([["O"]], [["O", "O"]], known=TAGS, usual="O")
    with pytest.raises(InputError, match="at least a token"):
        score_tags([[]], [[]], known=TAGS, usual="O")
