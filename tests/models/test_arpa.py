"""ARPA files: ours back again bit for bit, KenLM's and SRILM's scored by hand, and every bad one refused."""

import gzip
import io
import itertools
import math
import random
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chainrule.core import FileFormatError, InputError, RunError
from chainrule.kernels.native import library
from chainrule.models.ngram import arpa
from chainrule.models.ngram.arpa import arpa_pieces, read_arpa, write_arpa
from chainrule.models.ngram.backoff import BackoffModel, spell
from chainrule.models.ngram.counts import count_ngrams
from chainrule.models.ngram.estimation import estimate

KENLM = """\\data\\
ngram 1=5
ngram 2=4
ngram 3=2

\\1-grams:
-1.5\t<unk>\t0
0\t<s>\t-0.25
-0.75\t</s>\t0
-0.5\tthe\t-0.125
-1\tcat\t-0.375

\\2-grams:
-0.25\tcat </s>\t0
-0.375\tthe cat\t-0.0625
-0.125\t<s> the\t-0.5
-0.875\tthe the\t0.125

\\3-grams:
-0.03125\tthe cat </s>
-0.1875\t<s> the cat

\\end\\
"""
SRILM = """

made by hand, as SRILM writes: no backoff where nothing follows, and other white space

\\data\\
ngram  1 = 4
ngram 2=       3

\\1-grams:
-0.75\t</s>
-99\t<s>\t-0.25
-1 cat   -0.375
-0.5\tthe\t-0.125

\\2-grams:
-0.125\t<s> the
-0.375\tthe\tcat
-0.25  cat </s>\t

\\end\\
and what stands behind the end
"""
LOG10 = math.log(10)


@pytest.fixture(params=["compiled", "python"])
def way(request: pytest.FixtureRequest) -> Iterator[str]:
    """The compiled loops, and then their twins."""
    with pytest.MonkeyPatch.context() as patch:
        if request.param == "python":
            patch.setattr(arpa, "library", lambda: None)
        elif library() is None:
            pytest.skip("the loops were not compiled at install")
        yield request.param


def written(model: BackoffModel, tokens: Sequence[str]) -> bytes:
    return b"".join(arpa_pieces(model, tokens))


def assert_same(one: BackoffModel, other: BackoffModel) -> None:
    assert (one.size, one.end, one.order) == (other.size, other.end, other.order)
    for k, (a, b) in enumerate(zip(one.levels, other.levels, strict=True), 1):
        for name, x, y in zip(a._fields, a, b, strict=True):
            assert (x is None) == (y is None), (name, k)
            if x is not None and y is not None:
                assert x.dtype == y.dtype, (name, k)
                np.testing.assert_array_equal(x, y, err_msg=f"{name} of level {k}")


def small_model(seed: int, order: int, vocab_size: int = 5, end: int | None = None) -> BackoffModel:
    rng = np.random.default_rng(seed)
    ids = rng.integers(0, vocab_size, 60) // rng.integers(1, 4, 60)
    ids[9::10] = 0 if end is None else end
    return estimate(count_ngrams([ids], vocab_size, order, end=end), "witten-bell").model


def log10_of(text: str, model: BackoffModel, tokens: Sequence[str]) -> list[float]:
    ids = np.array([[tokens.index(word) for word in text.split()]])
    return (model.score(model.start(1), ids)[0][0] / LOG10).tolist()


# --- ours --------------------------------------------------------------------------------------------------


@settings(max_examples=60)
@given(
    seed=st.integers(0, 2**32 - 1),
    order=st.integers(1, 4),
    end=st.sampled_from([None, 0, 2]),
    tokens=st.lists(st.text(max_size=4), min_size=5, max_size=5, unique=True),
    compiled=st.booleans(),
)
def test_what_is_written_is_read_back(
    seed: int, order: int, end: int | None, tokens: list[str], compiled: bool
) -> None:
    model = small_model(seed, order, end=end)
    if end is not None:
        tokens = [token + "x" if token == "</s>" else token for token in tokens]
        tokens[end] = "</s>"
    with pytest.MonkeyPatch.context() as patch:
        if not compiled:
            patch.setattr(arpa, "library", lambda: None)
        read = read_arpa(written(model, tokens))
    assert list(read.tokens) == tokens
    assert_same(read.model, model)
    assert read.unknown == ("<unk>" if "<unk>" in tokens else None)


@pytest.mark.parametrize("end", [None, 1])
def test_any_order_of_the_lines_gives_the_same_trie(way: str, end: int | None) -> None:
    model = small_model(3, 4, end=end)
    tokens = ["a", "</s>", "c", "d", "e"]
    sections = written(model, tokens).decode().split("\n\n")
    shuffled = [sections[0]]
    for k, section in enumerate(sections[1:-1], 1):
        marker, *lines = section.split("\n")
        if k > 1:
            random.Random(k).shuffle(lines)
        shuffled.append("\n".join([marker, *lines]))
    text = "\n\n".join([*shuffled, sections[-1]]).encode()
    assert text != written(model, tokens)
    assert_same(read_arpa(text).model, model)


@pytest.mark.parametrize("piece", [1, 7, 64])
def test_small_pieces_are_the_same(way: str, piece: int, monkeypatch: pytest.MonkeyPatch) -> None:
    model, tokens = small_model(1, 3), ["a", "bé", "c", "d", "e"]
    whole = written(model, tokens)
    monkeypatch.setattr(arpa, "PIECE", piece)
    monkeypatch.setattr(arpa, "READ_PIECE", piece)
    assert written(model, tokens) == whole
    assert_same(read_arpa(whole).model, model)


TRICKY = [
    "", " ", "\n", "\t", "\0", "\x1f", "\x85", "\u00a0", "\u3000", "\u2028", "a b", "<U+0020>", "<U+>",
    "<U+003C>", "<U+110000>", "<U+0041>", "<<U+0020>>", "<U+003C>U+0020>", "\\end\\", "-1.5", "<s>",
    "\ud800", "\U0001f600", "<",
]  # fmt: skip


def test_any_token_can_be_written_and_read(way: str) -> None:
    size = len(TRICKY)
    model = estimate(count_ngrams([np.arange(size).repeat(2)], size, 2), "witten-bell").model
    text = written(model, TRICKY)
    assert read_arpa(text).tokens == tuple(TRICKY)
    words = [line.split("\t")[1] for line in text.decode().split("\n\n")[1].split("\n")[1:]]
    assert all(len(word.split()) == 1 and word.isprintable() for word in words)
    assert {"<U+>", "<U+0020>", "<U+000A>", "a<U+0020>b", "<U+003C>U+0020>", "<U+D800>"} <= set(words)
    for tokens in ([*TRICKY[:-1], "</s>"], ["</s>", *TRICKY[1:]]):  # <s> is a token and begins no sentence
        assert read_arpa(written(model, tokens)).tokens == tuple(tokens)
        assert read_arpa(written(model, tokens)).model.end is None


def test_no_probability_is_minus_99_and_back(way: str) -> None:
    model = small_model(0, 2, end=0)
    assert model.levels[0].log_probs[5] == -np.inf
    text = written(model, ["</s>", "b", "c", "d", "e"]).decode()
    assert "\n-99\t<s>\t" in text
    level = model.levels[0]._replace(log_probs=np.array([0, 0, -np.inf, 1e-7, 0, 0], np.float32))
    model = BackoffModel(5, (level, model.levels[1]), 0)
    lines = written(model, ["</s>", "b", "c", "d", "e"]).decode().split("\n")
    assert [line.split("\t")[0] for line in lines[5:9]] == ["0", "0", "-99", "0"]  # never above 1
    read = read_arpa("\n".join(lines).encode()).model
    np.testing.assert_array_equal(
        np.isinf(read.levels[0].log_probs), [False, False, True, False, False, True]
    )
    backoffs = np.full(6, -np.inf, np.float32)
    model = BackoffModel(5, (read.levels[0]._replace(backoffs=backoffs), read.levels[1]), 0)
    assert_same(read_arpa(written(model, ["</s>", "b", "c", "d", "e"])).model, model)


def test_paths_files_and_gz(way: str, tmp_path: Path) -> None:
    model, tokens = small_model(2, 3), list("abcde")
    file = io.BytesIO()
    write_arpa(file, model, tokens)
    write_arpa(tmp_path / "m.arpa", model, tokens)
    write_arpa(str(tmp_path / "m.arpa.gz"), model, tokens)
    assert (tmp_path / "m.arpa").read_bytes() == file.getvalue() == written(model, tokens)
    packed = (tmp_path / "m.arpa.gz").read_bytes()
    assert gzip.decompress(packed) == file.getvalue()
    assert packed[3:8] == bytes(5)  # neither name nor time: the same model is the same file
    assert sorted(path.name for path in tmp_path.iterdir()) == ["m.arpa", "m.arpa.gz"]
    two = gzip.compress(file.getvalue()[:100]) + gzip.compress(file.getvalue()[100:])
    for data in (file.getvalue(), packed, two, io.BytesIO(packed), io.BytesIO(file.getvalue())):
        assert_same(read_arpa(data).model, model)
    with open(tmp_path / "m.arpa.gz", "rb") as opened:
        assert_same(read_arpa(opened).model, model)


def test_a_failed_write_costs_no_earlier_file(tmp_path: Path) -> None:
    model = small_model(2, 2)
    with pytest.raises(RunError, match="cannot be written"):
        write_arpa(tmp_path / "no" / "m.arpa", model, list("abcde"))
    path = tmp_path / "m.arpa"
    write_arpa(path, model, list("abcde"))
    before = path.read_bytes()
    broken = model.levels[1]._replace(log_probs=np.full_like(model.levels[1].log_probs, np.nan))
    with pytest.raises(InputError, match="level 2"):
        write_arpa(path, BackoffModel(5, (model.levels[0], broken)), list("abcde"))
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("tokens", "end", "message"),
    [
        (list("abcd"), None, "expected 5 tokens, got 4"),
        (list("abcda"), None, "'a' twice"),
        (list("abcde"), 1, "expected </s> to end sentences, got 'b'"),
        (["a", "</s>", "c", "d", "</s>"], 1, "'</s>' twice"),
        (["a" * 2**20, *"bcde"], None, "1,048,576 bytes"),
    ],
)
def test_tokens_that_cannot_be_written(tokens: list[str], end: int | None, message: str) -> None:
    with pytest.raises(InputError, match=message):
        arpa_pieces(small_model(0, 2, end=end), tokens)


# --- others' -----------------------------------------------------------------------------------------------


def test_a_file_as_kenlm_writes_it(way: str) -> None:
    tokens, model, unknown = read_arpa(KENLM.encode())
    assert tokens == ("<unk>", "</s>", "the", "cat")
    assert (model.end, unknown, model.order, model.ngrams) == (1, "<unk>", 3, (5, 4, 2))
    assert model.levels[0].log_probs[4] == -np.inf  # <s> stands at 0, and is never predicted
    assert_log10s(model, tokens, "the cat </s>", [-0.125, -0.1875, -0.03125])
    #   cat after <s>: b(<s>) + p(cat); cat after `<s> cat`: nothing lists `<s> cat`, so b(cat) + p(cat)
    assert_log10s(model, tokens, "cat cat <unk> </s>", [-0.25 - 1, -0.375 - 1, -0.375 - 1.5, -0.75])
    #   the after `<s> the`: b(<s> the) + p(the | the); the after `the the`: b(the the) + p(the | the)
    assert_log10s(model, tokens, "the the the cat", [-0.125, -0.5 - 0.875, 0.125 - 0.875, 0.125 - 0.375])
    #   cat </s> after the: a sentence ends, and the next begins as the first did
    assert_log10s(model, tokens, "</s> the", [-0.25 - 0.75, -0.125])
    np.testing.assert_array_equal(spell(model.levels, 3), [[2, 3, 1], [4, 2, 3]])


def test_a_file_as_srilm_writes_it(way: str) -> None:
    for text in (SRILM, SRILM.replace("\n", "\r\n"), SRILM[: SRILM.index("\nand what")]):
        tokens, model, unknown = read_arpa(text.encode())
        assert tokens == ("</s>", "cat", "the")
        assert (model.end, unknown, model.ngrams) == (0, None, (4, 3))
        assert model.levels[0].backoffs is not None
        assert model.levels[0].backoffs[0] == 0
        assert_log10s(model, tokens, "the cat </s> cat the", [-0.125, -0.375, -0.25, -0.25 - 1, -0.375 - 0.5])


def assert_log10s(model: BackoffModel, tokens: Sequence[str], text: str, expected: list[float]) -> None:
    np.testing.assert_allclose(log10_of(text, model, tokens), expected, atol=1e-6)


def test_without_a_beginning_or_an_end_it_is_a_stream(way: str) -> None:
    text = KENLM.replace("</s>", "dog")
    tokens, model, _ = read_arpa(text.encode())
    assert model.end is None
    assert tokens == ("<unk>", "<s>", "dog", "the", "cat")
    assert read_arpa(written(model, tokens)).tokens == tokens
    np.testing.assert_allclose(log10_of("<s> the cat", model, tokens), [0, -0.125, -0.1875], atol=1e-6)
    tokens, model, _ = read_arpa(KENLM.replace("<s>", "dog").encode())
    assert model.end is None
    assert tokens[1:3] == ("dog", "</s>")


def test_words_without_probability_and_other_details(way: str) -> None:
    text = (
        KENLM.replace("-1\tcat", "-inf\tcat")
        .replace("<unk>", "<UNK>")
        .replace("the cat </s>", "the cat </s>\t-1")
    )
    tokens, model, unknown = read_arpa(text.encode())
    assert unknown == "<UNK>"
    assert log10_of("cat", model, tokens) == [-np.inf]
    assert model.levels[2].backoffs is None  # nothing can follow what is listed there
    empty = KENLM.replace("ngram 3=2", "ngram 3=0").split("-0.03125")[0] + "\n\\end\\"
    model = read_arpa(empty.encode()).model
    assert model.ngrams == (5, 4, 0)
    assert_same(read_arpa(written(model, read_arpa(empty.encode()).tokens)).model, model)


# --- bad ones ----------------------------------------------------------------------------------------------


def swapped(old: str, new: str) -> bytes:
    assert old in KENLM
    return KENLM.replace(old, new, 1).encode()


BAD = {
    "nothing": (b"", "1: expected a line \\data\\, got the end of the file"),
    "no data": (swapped("\\data\\", ""), "24: expected a line \\data\\, got the end of the file"),
    "only data": (b"\\data\\\n", "2: expected ngram 1=, and how many, got the end of the file"),
    "no counts": (b"\\data\\\n\\1-grams:\n", "2: expected ngram 1=, and how many, got '\\\\1-grams:'"),
    "no end": (swapped("\\end\\\n", ""), "23: expected a line \\end\\, got the end of the file"),
    "more than said": (swapped("2=4", "2=3"), "17: expected no more than 3 2-grams, as the header says"),
    "fewer than said": (swapped("2=4", "2=5"), "19: expected 5 2-grams before it, as the header says, got 4"),
    "fewer words": (swapped("1=5", "1=6"), "13: expected 6 1-grams before it, as the header says, got 5"),
    "fewer at the end": (swapped("-0.1875\t<s> the cat\n", ""), "22: expected 2 3-grams before it, as the h"),
    "no words": (swapped("1=5", "1=0"), "2: expected 1 to"),
    "a negative count": (swapped("2=4", "2=-4"), "3: expected ngram 2=, and how many, got 'ngram 2=-4'"),
    "a count of none": (swapped("2=4", "2="), "3: expected ngram 2="),
    "too many to count": (swapped("2=4", "2=99999999999"), "3: expected 1 to 4,294,967,294 n-grams"),
    "too much memory": (swapped("2=4", "2=4294967294"), "3: expected n-grams that fit into memory"),
    "too many digits": (swapped("2=4", "2=" + "9" * 40), "3: expected ngram 2="),
    "an order left out": (swapped("ngram 2=4\n", ""), "3: expected ngram 2=, and how many, got 'ngram 3=2'"),
    "a section left out": (swapped("\\2-grams:", "\\3-grams:"), "13: expected a line \\2-grams:, got '\\\\3"),
    "a section too many": (swapped("ngram 3=2\n", ""), "18: expected a line \\end\\, got '\\\\3-grams:'"),
    "a probability above 1": (swapped("-0.375\tthe", "0.375\tthe"), "15: expected a log10 probability of 0 "),
    "a word's above 1": (swapped("-1\tcat", "1e-9\tcat"), "11: expected a log10 probability of 0 or less"),
    "not a number": (swapped("-0.375\tthe", "nan\tthe"), "15: expected a number"),
    "no number": (swapped("-0.375\tthe", "the"), "15: expected a number below 1e37 of at most 64 characters"),
    "a backoff of inf": (swapped("-0.0625", "inf"), "15: expected a number"),
    "a word too few": (swapped("-0.375\tthe cat\t-0.0625", "-0.375\tthe"), "15: expected a log10 prob"),
    "a word too many": (swapped("-0.375\tthe cat", "-0.375\tthe cat the"), "15: expected a number"),
    "a field too many": (swapped("cat\t-0.0625", "cat\t-0.0625\t0"), "15: expected a log10 probability, 2 w"),
    "no such word": (swapped("the cat\t", "the dog\t"), "15: expected words that are 1-grams, got '-0.375"),
    "no such context": (swapped("<s> the cat", "cat the cat"), "21: expected an n-gram whose first 2 words"),
    "a late beginning": (swapped("the cat\t", "the <s>\t"), "15: expected <s> only at the front, got 'the <"),
    "an n-gram twice": (swapped("the the", "the cat"), "17: expected every n-gram once, got 'the cat' again"),
    "a word twice": (swapped("-1\tcat", "-1\tthe"), "11: expected every 1-gram once, got 'the' as in line 1"),
    "a spelling twice": (swapped("-1\tcat", "-1\t<U+003C>unk>"), "11: expected every token once, got '<unk>"),
    "a NUL": (swapped("the cat\t", "the \0cat\t"), "15: expected text without NUL bytes"),
    "no UTF-8": (KENLM.encode().replace(b"cat", b"c\xe4t"), "11: expected UTF-8, got the word b'c"),
    "half a surrogate": (KENLM.encode().replace(b"cat", b"\xed\xa0\x80"), "11: expected UTF-8"),
    "a long line": (swapped("\n-1\tcat", "\n-1" + " " * 2**20 + "cat"), "11: expected a line of at most 1,0"),
    "a long header": (swapped("ngram 2=4", "ngram 2=4" + " " * 2**20), "3: expected a line of at most 1,048"),
    "another file": (b"\x89PNG\r\n\x1a\n\0\0", "3: expected text without NUL bytes"),
    "text": (b"It was the best of times\n" * 3, "4: expected a line \\data\\, got the end of the file"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_bad_files_are_refused_with_the_line(name: str, way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arpa, "memory_here", lambda: 8 << 30)
    data, message = BAD[name]
    for packed in (data, gzip.compress(data)):
        with pytest.raises(FileFormatError) as error:
            read_arpa(packed)
        assert str(error.value).startswith("ARPA, line " + message)
        assert len(str(error.value)) < 300


def test_orders_up_to_255(way: str) -> None:
    def ladder(order: int) -> bytes:
        counts = "".join(f"ngram {k}=1\n" for k in range(1, order + 1))
        sections = (f"\\{k}-grams:\n-1\t{'a ' * k}\t0\n" for k in range(1, order + 1))
        return ("\\data\\\n" + counts + "".join(sections) + "\\end\\").encode()

    model = read_arpa(ladder(255)).model
    assert model.order == 255
    assert_same(read_arpa(written(model, ["a"])).model, model)
    with pytest.raises(FileFormatError, match="line 257: expected at most 255 orders, got more"):
        read_arpa(ladder(256))


class Endless:
    """Bytes without an end, and how many of them were read."""

    def __init__(self, begin: bytes) -> None:
        self.begin, self.given = begin, 0

    def read(self, size: int = -1) -> bytes:
        assert 0 <= size < 1 << 24
        piece = self.begin or b"a" * size
        self.begin = b""
        self.given += len(piece)
        return piece


@pytest.mark.parametrize("begin", ["", "\\data\\\n", KENLM[:60], KENLM[:150]])
def test_a_line_without_an_end_is_not_kept(way: str, begin: str) -> None:
    file = Endless(begin.encode() or b"a")
    with pytest.raises(
        FileFormatError, match=rf"line {begin.count(chr(10)) + 1}: expected a line of at most"
    ):
        read_arpa(file)
    assert file.given < 20e6


def test_a_bomb_is_not_unpacked() -> None:
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    bomb = b"".join(packer.compress(bytes([97]) * 2**20) for _ in range(200)) + packer.flush()
    with pytest.raises(FileFormatError, match="line 1: expected a line of at most"):
        read_arpa(bomb)


def test_damaged_gz(way: str) -> None:
    packed = gzip.compress(written(small_model(0, 3), list("abcde")))
    for damaged in (
        packed[:-9],
        packed[: len(packed) // 2],
        packed[:10],
        b"\x1f\x8b",
        b"\x1f\x8b\x07" + packed[3:],
    ):
        with pytest.raises(FileFormatError, match=r"line \d+: expected the rest of a whole \.gz file"):
            read_arpa(damaged)
    with pytest.raises(FileFormatError):
        read_arpa(packed[:50] + bytes([packed[50] ^ 255]) + packed[51:])


@settings(max_examples=300)
@given(
    st.lists(st.tuples(st.integers(0, len(KENLM)), st.integers(0, 12), st.binary(max_size=4)), max_size=3),
    st.booleans(),
)
def test_damage_is_refused_or_makes_a_model(damages: list[tuple[int, int, bytes]], compiled: bool) -> None:
    data = KENLM.encode()
    for at, size, new in damages:
        data = data[:at] + new + data[at + size :]
    with pytest.MonkeyPatch.context() as patch:
        if not compiled:
            patch.setattr(arpa, "library", lambda: None)
        try:
            tokens, model, _ = read_arpa(data)
        except FileFormatError:
            return
    for a, b in itertools.product(range(len(tokens)), repeat=2):
        log_probs, _ = model.score(model.start(1), np.array([[a, b]]))
        assert not np.isnan(log_probs).any()
