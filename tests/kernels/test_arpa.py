"""Lines of ARPA files: the compiled loops against their readable twins, and what is no such line."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from chainrule.kernels import arpa
from chainrule.kernels.arpa import Lines, Words
from chainrule.kernels.native import library

compiled = pytest.mark.skipif(library() is None, reason="the loops were not compiled at install")
READERS = [
    pytest.param(arpa.read_python, id="python"),
    pytest.param(arpa.read_native, id="native", marks=compiled),
]
WRITERS = [
    pytest.param(arpa.write_python, id="python"),
    pytest.param(arpa.write_native, id="native", marks=compiled),
]
SPELLED = [b"a", b"b", b"the", "é".encode(), b"-1", b"<s>"]
WORDS = Words.of(SPELLED)
SINGLES = st.floats(width=32, allow_nan=False)
NUMBERS = [
    b"-1.5",
    b"0",
    b"-0",
    b"+0.",
    b"-.25e1",
    b"-1e-3",
    b"-inf",
    b"-INF",
    b"2.5",
    b"inf",
    b"nan",
    b"-",
    b".",
    b"",
]
ODD = [
    b"1e",
    b"-1e+",
    b"0x1p3",
    b"-1e999",
    b"-1e38",
    b"-1..5",
    b"1_0",
    b"-" + b"1" * 63,
    b"-" + b"1" * 64,
    b"-1,5",
]
LONG = [b"-0.30102999566398119521373889472449302676", b"-12345678901234567890", b"-1e-30", b"-4.9e-324"]
BLANKS = [b" ", b"\t", b"  \t", b"\r", b"\v\f"]


def assert_same(one: Lines, other: Lines) -> None:
    for name, a, b in zip(Lines._fields, one, other, strict=True):
        np.testing.assert_array_equal(a, b, err_msg=name)
        assert np.asarray(a).dtype == np.asarray(b).dtype, name


@st.composite
def sections(draw: st.DrawFn) -> bytes:
    """Lines that are right, and lines that have something of everything that may be wrong."""
    number = st.sampled_from([*NUMBERS[:7], *LONG]) | st.sampled_from(NUMBERS + ODD)
    word = st.sampled_from(SPELLED) | st.sampled_from([b"unknown", b"\xff", b"\\end\\"])
    right = st.tuples(st.sampled_from(NUMBERS[:7]), st.sampled_from(SPELLED), st.sampled_from(SPELLED))
    line = right | st.lists(number | word, max_size=6)
    out = b""
    for fields in draw(st.lists(line, max_size=8)):
        gap = draw(st.sampled_from(BLANKS))
        out += (
            draw(st.sampled_from([b"", gap])) + gap.join(fields) + draw(st.sampled_from([b"\n", gap + b"\n"]))
        )
    return out + draw(st.sampled_from([b"", b"\n", b"\\3-grams:\n-1\ta\n"]))


@compiled
@settings(max_examples=500)
@given(sections(), st.integers(0, 8), st.integers(1, 3), st.booleans(), st.sampled_from([8, 1000]))
def test_both_readers_read_the_same(text: bytes, most: int, k: int, known: bool, longest: int) -> None:
    words, k = (WORDS, k) if known else (None, 1)
    one = arpa.read_native(text, k, most, longest, words)
    assert_same(one, arpa.read_python(text, k, most, longest, words))


@compiled
@settings(max_examples=300)
@given(st.binary(max_size=60).map(lambda text: text.replace(b"\0", b"") + b"\n"), st.integers(1, 2))
def test_no_bytes_lead_astray(text: bytes, k: int) -> None:
    assert_same(arpa.read_native(text, k, 9, 99, WORDS), arpa.read_python(text, k, 9, 99, WORDS))


@compiled
@settings(max_examples=500)
@given(st.from_regex(rb"\A-[0-9]{1,20}(\.[0-9]{0,25})?([eE][+-]?[0-9]{1,2})?\Z"))
def test_numbers_are_the_nearest_doubles(number: bytes) -> None:
    text = number + b"\ta\n"
    found = arpa.read_native(text, 1, 1, 99, WORDS)
    assert_same(found, arpa.read_python(text, 1, 1, 99, WORDS))
    assert found.wrong or found.probs[0] == float(number)


@compiled
@pytest.mark.parametrize("number", NUMBERS + ODD + LONG)
def test_odd_numbers(number: bytes) -> None:
    for text in (number + b" a\n", b"-1 a " + number + b"\n"):
        assert_same(arpa.read_native(text, 1, 1, 99, WORDS), arpa.read_python(text, 1, 1, 99, WORDS))


@pytest.mark.parametrize("read", READERS)
def test_a_section(read: type) -> None:
    text = b"-1.5\ta b\t-0.25\n\n \r\n-inf  the\t-1\r\n-99 <s> a 0.5 \n\\end\\\n"
    found = read(text, 2, 5, 99, WORDS)
    np.testing.assert_array_equal(found.rows, [[0, 1], [2, 4], [5, 0]])
    np.testing.assert_array_equal(found.probs, [-1.5, -np.inf, -99])
    np.testing.assert_array_equal(found.backoffs, [-0.25, 0, 0.5])
    np.testing.assert_array_equal(found.lines, [0, 3, 4])
    assert (found.bytes, found.passed, found.wrong) == (text.index(b"\\end"), 5, 0)
    found = read(b"-1 x\n 0\tyy 1\n", 1, 5, 99, None)
    np.testing.assert_array_equal(found.rows, [[3, 4], [8, 10]])


@pytest.mark.parametrize("read", READERS)
@pytest.mark.parametrize(
    ("line", "wrong"),
    [
        (b"x a b", arpa.NO_NUMBER),
        (b"nan a b", arpa.NO_NUMBER),
        (b"-1 a b nan", arpa.NO_NUMBER),
        (b"0.1 a b", arpa.POSITIVE),
        (b"inf a b", arpa.NO_NUMBER),
        (b"-1 a c", arpa.NO_WORD),
        (b"-1 a", arpa.FIELDS),
        (b"-1", arpa.FIELDS),
        (b"-1 a b 0 0", arpa.FIELDS),
        (b"-1 a b 0" + b" 0" * 300, arpa.FIELDS),
        (b"-1 a b" + b" " * 100, arpa.TOO_LONG),
        (b"-1 b b\n-1 the the", arpa.TOO_MANY),
    ],
)
def test_what_is_wrong_and_where(read: type, line: bytes, wrong: int) -> None:
    text = b"-1 a a\n\n" + line + b"\n-1 b a\n"
    found = read(text, 2, 2, 99, WORDS)
    before = 2 + line.count(b"\n")
    assert (len(found.rows), found.passed, found.wrong) == (before - 1, before, wrong)
    assert text[: found.bytes].count(b"\n") == before


@pytest.mark.parametrize("read", READERS)
@pytest.mark.parametrize(
    ("text", "k", "words"), [(b"-1 a", 1, WORDS), (b"", 0, WORDS), (b"-1 a a\n", 2, None)]
)
def test_what_the_loop_trusts_is_checked(read: type, text: bytes, k: int, words: Words | None) -> None:
    with pytest.raises(ValueError, match="whole ones"):
        read(text, k, 9, 99, words)


# --- writing -----------------------------------------------------------------------------------------------


@compiled
@settings(max_examples=300)
@given(
    st.integers(1, 4), st.lists(st.tuples(SINGLES, SINGLES), max_size=5), st.booleans(), st.integers(0, 99)
)
def test_both_writers_write_the_same(
    k: int, numbers: list[tuple[float, float]], last: bool, seed: int
) -> None:
    probs, backoffs = np.array(numbers, np.float32).reshape(-1, 2).T.copy()
    rows = np.random.default_rng(seed).integers(0, len(SPELLED), (len(probs), k)).astype(np.int32)
    arguments = rows, probs, None if last else backoffs, WORDS
    assert arpa.write_native(*arguments) == arpa.write_python(*arguments)


@pytest.mark.parametrize("write", WRITERS)
@settings(max_examples=300)
@given(st.floats(width=32, allow_nan=False, allow_infinity=False))
@example(-2.3025851)
@example(-1e-45)
@example(float(np.finfo(np.float32).max))
@example(float(np.float32(-99.99999999 * arpa.LN10)))
def test_what_is_written_leads_back_to_the_same_single(write: type, nats: float) -> None:
    line = write(np.zeros((1, 1), np.int32), np.array([nats], np.float32), None, WORDS)
    number, word = line.rstrip(b"\n").split(b"\t")
    assert len(number) <= arpa.NUMBER_BYTES
    assert word == b"a"
    assert arpa.NUMBER.fullmatch(number)
    assert np.float32(float(number) * arpa.LN10) == np.float32(nats)
    near = Fraction(float(np.float32(nats))) / Fraction(arpa.LN10)
    assert abs(Fraction(number.decode()) - near) <= abs(near) * Fraction(6, 10**9)


@pytest.mark.parametrize("write", WRITERS)
def test_lines(write: type) -> None:
    log10s = np.array([-1, -0.001, -1e-7, 0, -np.inf, -123456.75])
    rows = np.array([[0, 1], [1, 0], [3, 2], [5, 5], [4, 4], [0, 0]], np.int32)
    probs = (log10s * arpa.LN10).astype(np.float32)
    lines = write(rows, probs, -probs, WORDS).decode().split("\n")
    assert lines[0] == "-1.00000001\ta b\t1.00000001"  # the nearest single to -1 / ln 10 is not quite that
    fields = [line.split("\t") for line in lines[:-1]]
    assert [words for _, words, _ in fields] == ["a b", "b a", "é the", "<s> <s>", "-1 -1", "a a"]
    assert [first for first, _, _ in fields[3:5]] == ["0", "-99"]
    assert fields[2][0].startswith(("-1.0000000", "-9.9999999"))
    assert fields[2][0].endswith(("e-07", "e-08"))
    np.testing.assert_allclose([float(first) for first, _, _ in fields][:3], log10s[:3], rtol=1e-7)
    assert lines[-1] == ""


# --- into the trie -----------------------------------------------------------------------------------------


@compiled
@settings(max_examples=200)
@given(st.integers(1, 5), st.integers(1, 300), st.integers(0, 40), st.integers(0, 2**32 - 1))
def test_both_ways_of_sorting_are_the_same(k: int, alphabet: int, size: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    rows = rng.integers(0, rng.integers(1, alphabet + 1), (size, k)).astype(np.int32)
    one, other = arpa.sort_native(rows, alphabet), arpa.sort_numpy(rows, alphabet)
    np.testing.assert_array_equal(one, other)
    assert one.dtype == other.dtype
    assert [tuple(rows[i]) for i in other] == sorted(map(tuple, rows))


@compiled
def test_only_numbers_of_the_alphabet_are_sorted() -> None:
    for row in ([0, 3], [-1, 0]):
        with pytest.raises(ValueError, match=r"0\.\.2"):
            arpa.sort_native(np.array([row], np.int32), 3)


@compiled
@settings(max_examples=200)
@given(st.integers(2, 4), st.integers(0, 30), st.integers(0, 30), st.integers(0, 2**32 - 1))
def test_both_ways_of_finding_contexts_are_the_same(k: int, size: int, contexts: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    rows = np.array(sorted(map(tuple, rng.integers(0, 3, (size, k)))), np.int32).reshape(-1, k)
    below = np.unique(rng.integers(0, 3, (contexts, k - 1)).astype(np.int32), axis=0)
    one, other = arpa.contexts_native(rows, below), arpa.contexts_numpy(rows, below)
    np.testing.assert_array_equal(one, other)
    assert one.dtype == other.dtype
    with pytest.raises(ValueError, match="columns"):
        arpa.contexts_native(rows, rows)


@compiled
@given(st.sets(st.binary(max_size=3), min_size=1, max_size=200).map(sorted))
def test_every_word_is_in_the_table(spelled: list[bytes]) -> None:
    words = Words.of(spelled)
    assert sorted(words.table[words.table >= 0].tolist()) == list(range(len(spelled)))
    for w, word in enumerate(spelled):
        if word and not set(word) & set(b"\0 \t\n\v\f\r"):
            assert arpa.read_native(b"-1 " + word + b"\n", 1, 1, 99, words).rows.tolist() == [[w]]
