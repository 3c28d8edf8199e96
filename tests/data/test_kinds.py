"""What tokens are to a model that looks for words and lines."""

import pytest

from chainrule.data.codec import END, Codec
from chainrule.data.kinds import token_kinds
from chainrule.kernels.mixing import CLASS, FOLDED, LINE_END
from chainrule.recipes.adaptive import kinds_of


@pytest.mark.parametrize(
    ("token", "kind", "ends", "folded"),
    [
        ("a", 1, False, "a"),
        ("A", 1, False, "a"),
        ("Ä", 1, False, "ä"),
        ("天", 2, False, None),
        (" ", 0, False, None),
        (",", 0, False, None),
        ("\n", 0, True, None),
        (END, 0, True, None),
        ("the", 2, False, None),
        ("--", 0, False, None),
        ("7", 0, False, None),
        ("1984", 2, False, None),
    ],
)
def test_letters_make_words_and_words_are_words(
    token: str, kind: int, ends: bool, folded: str | None
) -> None:
    (found,) = token_kinds([token]).tolist()
    assert found >> CLASS & 3 == kind
    assert bool(found >> LINE_END & 1) == ends
    assert found >> FOLDED == (ord(folded) if folded else 0)


def test_sub_words_are_what_they_are_spelled_as() -> None:
    codec = Codec.fit("the time\tmachine\nthe time machine\n" * 20, "bpe", bpe_size=260)
    kinds, ids = kinds_of(codec), codec.encode("a \t\n")
    classes = [kinds[i] >> CLASS & 3 for i in ids]
    assert classes == [1, 0, 0, 0]
    assert kinds[ids[-1]] >> LINE_END & 1
    assert len(kinds) == codec.vocab_size


def test_bytes_have_the_kinds_of_utf_8() -> None:
    codec = Codec.fit("Äpfel\n天", "bytes")
    kinds = kinds_of(codec)
    assert len(kinds) == codec.vocab_size == 256
    assert kinds[0xE5] & 3 == 2  # two bytes more of the same character
    with_ends = Codec.fit("a b\n", "bytes", sentences=True)
    assert len(kinds_of(with_ends)) == with_ends.vocab_size == 257
    assert kinds_of(with_ends)[-1] >> LINE_END & 1
