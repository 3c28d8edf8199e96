"""White-space words as numbers, and hashes of windows: the compiled loops against their readable twins."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chainrule.data import overlap
from chainrule.kernels import words
from chainrule.kernels.native import library

compiled = pytest.mark.skipif(library() is None, reason="the loops were not compiled at install")
Split = Callable[..., tuple[np.ndarray, list[bytes]]]
WAYS = [
    pytest.param(words.split_words_python, id="python"),
    pytest.param(words.split_words_native, id="native", marks=compiled),
]
BLANKS = b" \t\n\v\f\r"
# few letters, so that words come again; NUL, and the bytes that only Unicode takes for white space
FEW = st.lists(st.sampled_from([bytes([b]) for b in (*BLANKS, *b"\n\nab", 0, 0x1C, 0x85, 0xA0)])).map(
    b"".join
)
LONG = st.lists(st.sampled_from([b" ", b"\n", b"a" * 7, b"a" * 8, b"b", b"\0", b"abcdefgh"])).map(b"".join)
TEXT = FEW | LONG | st.binary()


def spelled(ids: np.ndarray, found: list[bytes]) -> list[bytes | None]:
    """The words one by one, None at the end of a line."""
    return [None if i == words.LINE_END else found[i] for i in ids.tolist()]


@compiled
@given(TEXT.filter(bool), st.booleans())
def test_both_ways_of_splitting_agree(text: bytes, line_ends: bool) -> None:
    ids, found = words.split_words_native(text, line_ends=line_ends)
    others, also = words.split_words_python(text, line_ends=line_ends)
    assert ids.dtype == others.dtype == np.int32
    assert found == also
    assert ids.tolist() == others.tolist()


@given(TEXT, st.booleans())
def test_words_are_what_ascii_white_space_separates(text: bytes, line_ends: bool) -> None:
    ids, found = words.split_words(text, line_ends=line_ends)
    if line_ends:
        lines = (text if text.endswith(b"\n") or not text else text + b"\n").split(b"\n")[:-1]
        assert spelled(ids, found) == [word for line in lines for word in (*line.split(), None)]
    else:
        assert spelled(ids, found) == text.split()
    assert found == list(dict.fromkeys(text.split()))  # in order of first appearance


@pytest.mark.parametrize("split", WAYS)
@pytest.mark.parametrize(
    ("text", "line_ends", "ids", "found"),
    [
        (b"b a b", False, [0, 1, 0], [b"b", b"a"]),
        (b"b a b", True, [0, 1, 0, -1], [b"b", b"a"]),
        (b"b a\n\nb\n", True, [0, 1, -1, -1, 0, -1], [b"b", b"a"]),
        (b" \t\v\f\r", True, [-1], []),
        (b" \t\v\f\r", False, [], []),
        (b"\n\n ", True, [-1, -1, -1], []),
        (b"a\r\nb\r\n", True, [0, -1, 1, -1], [b"a", b"b"]),
        (b"a a\0 a\0\0 \0", False, [0, 1, 2, 3], [b"a", b"a\0", b"a\0\0", b"\0"]),
        (b"1234567 12345678 1234567\xff", False, [0, 1, 2], [b"1234567", b"12345678", b"1234567\xff"]),
    ],
)
def test_worked_by_hand(
    split: Split, text: bytes, line_ends: bool, ids: list[int], found: list[bytes]
) -> None:
    made, spelling = split(text, line_ends=line_ends)
    assert (made.tolist(), spelling) == (ids, found)


@pytest.mark.parametrize("line_ends", [False, True])
def test_of_no_text_no_words(line_ends: bool) -> None:
    ids, found = words.split_words(b"", line_ends=line_ends)
    assert (ids.tolist(), found) == ([], [])


@compiled
def test_more_words_than_the_first_table_holds() -> None:
    numbers = np.random.default_rng(0).integers(0, 60_000, 200_000)
    text = b" ".join(b"%d" % n if n % 2 else b"number%d" % n for n in numbers.tolist())  # short and long
    ids, found = words.split_words_native(text, line_ends=False)
    others, also = words.split_words_python(text, line_ends=False)
    assert len(found) > 50_000
    assert found == also
    assert np.array_equal(ids, others)


@compiled
@given(text=TEXT, line_ends=st.booleans(), count=st.integers(2, 5))
def test_several_threads_split_as_one(text: bytes, line_ends: bool, count: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(words, "APART", 0)
        patch.setattr(words, "cores", lambda: count)
        ids, found = words.split_words(text, line_ends=line_ends)
    others, also = words.split_words_python(text, line_ends=line_ends)
    assert found == also
    assert ids.tolist() == others.tolist()


@given(TEXT, st.integers(1, 6))
def test_pieces_are_the_text_cut_at_line_ends(text: bytes, count: int) -> None:
    pieces = words._pieces(text, count)
    assert b"".join(pieces) == text
    assert len(pieces) <= count
    assert all(pieces)
    assert all(piece.endswith(b"\n") for piece in pieces[:-1])


@compiled
@given(
    st.lists(st.integers(0, 0x10FFFF) | st.sampled_from([0, 32, 97]), min_size=overlap.WINDOW, max_size=300),
    st.sampled_from([1, 2, 8]),
)
def test_both_ways_of_hashing_agree(codes: list[int], modulus: int) -> None:
    line = np.array(codes, np.uint32)
    ours = words.window_hashes_native(line, overlap.WINDOW, int(overlap._P), modulus)
    assert np.array_equal(ours, overlap.window_hashes_numpy(line, modulus))


@compiled
def test_of_less_than_a_window_no_hash() -> None:
    line = np.arange(overlap.WINDOW - 1, dtype=np.uint32)
    for length in (0, 1, overlap.WINDOW - 1):
        assert not len(words.window_hashes_native(line[:length], overlap.WINDOW, int(overlap._P), 1))


RUN = """
import json, sys
from chainrule import LanguageModel
from chainrule.kernels.native import library
train, test = open(sys.argv[1]).read(), open(sys.argv[2]).read()
lm = LanguageModel.fit(train, model="ngram", order=3, smoothing="modified-kneser-ney", tokenizer="space",
                       sentences=True, valid=0, test=0)
figures = lm.evaluate(test).nats, lm.overlap(train + test), len(lm.fingerprint.hashes)
print(json.dumps([library() is None, *figures]))
"""


@compiled
def test_without_the_library_the_figures_are_the_same(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    for name, lines in (("train", 80), ("test", 10)):
        picked = (
            rng.choice(["the", "cat", "sat", "on", "a", "mat"], rng.integers(0, 9)) for _ in range(lines)
        )
        (tmp_path / name).write_text("".join(" ".join(line) + "\n" for line in picked))
    found = []
    for native in ("0", "1"):
        done = subprocess.run(
            [sys.executable, "-c", RUN, "train", "test"],
            cwd=tmp_path,
            env={**os.environ, "CHAINRULE_NATIVE": native, "OPENBLAS_NUM_THREADS": "1"},
            capture_output=True,
            check=True,
            timeout=60,
        )
        found.append(json.loads(done.stdout))
    assert [without for without, *_ in found] == [True, False]
    assert found[0][1] == pytest.approx(found[1][1], rel=1e-6)
    assert found[0][2:] == found[1][2:]
