"""Tagged sentences: what is read, what is refused with its line, and the way back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chainrule.core import InputError
from chainrule.data.tagged import FORMS, LONGEST, Sentence, read_bare, read_tagged, words_of, write_tagged

WORDS = st.text(alphabet="abcxyzé", min_size=1, max_size=6).filter(str.isalpha)
CHARACTERS = st.text(alphabet="中国人民日报ab。", min_size=1, max_size=5)


def test_columns() -> None:
    text = "-DOCSTART- -X- O\n\nAlice NNP B-PER\nslept\tVBD\tO\n\n\nBob B-PER\n"
    sentences, notes = read_tagged(text, "columns")
    assert sentences == [Sentence(["Alice", "slept"], ["B-PER", "O"]), Sentence(["Bob"], ["B-PER"])]
    assert notes == []
    assert read_bare("Alice NNP\nslept\n\nBob\n", "columns").sentences == [
        Sentence(["Alice", "slept"], []),
        Sentence(["Bob"], []),
    ]


def test_segmented() -> None:
    sentences, _ = read_tagged("中国 人民 a\n\n日 报社长\n", "segmented")
    assert sentences == [Sentence(list("中国人民a"), list("BEBES")), Sentence(list("日报社长"), list("SBME"))]
    assert read_bare("中 国人\n", "segmented").sentences == [Sentence(["中", "国", "人"], [])]


def test_punctuated() -> None:
    text = '"Yes, sir." He met McGregor (who?) at NASA -- I did not don\'t.'
    ((tokens, tags),), _ = read_tagged(text, "punctuated")
    assert list(zip(tokens, tags, strict=True)) == [
        ("yes", "Title,"), ("sir", "lower."), ("he", "Title"), ("met", "lower"), ("mcgregor", "Title"),
        ("who", "lower?"), ("at", "lower"), ("nasa", "UPPER"), ("i", "Title"), ("did", "lower"),
        ("not", "lower"), ("don't", "lower."),
    ]  # fmt: skip
    back = write_tagged([Sentence(tokens, tags)], "punctuated")
    assert back == "Yes, sir. He met Mcgregor who? at NASA I did not don't.\n"


@given(st.lists(st.lists(CHARACTERS, min_size=1, max_size=5), min_size=1, max_size=4))
def test_words_set_apart_and_back(lines: list[list[str]]) -> None:
    text = "".join(" ".join(line) + "\n" for line in lines)
    sentences, _ = read_tagged(text, "segmented")
    assert [words_of(*sentence) for sentence in sentences] == lines
    assert write_tagged(sentences, "segmented") == text
    bare = ["".join(line) for line in lines]
    assert ["".join(one.tokens) for one in read_bare(text, "segmented").sentences] == bare


@given(st.lists(st.tuples(WORDS, st.sampled_from(["", ",", ".", "?"]), st.integers(0, 2)), min_size=1))
def test_a_text_and_back(words: list[tuple[str, str, int]]) -> None:
    """Bare words and tags make the text, and the text makes the same bare words and tags."""
    dressed = [[word, word[:1].upper() + word[1:], word.upper()][case] + mark for word, mark, case in words]
    text = " ".join(dressed) + "\n"
    sentences, _ = read_tagged(text, "punctuated")
    assert write_tagged(sentences, "punctuated") == text
    assert [token for one in sentences for token in one.tokens] == [word for word, _, _ in words]
    bare = " ".join(word for word, _, _ in words)
    assert [one.tokens for one in read_bare(bare, "punctuated").sentences] == [
        one.tokens for one in sentences
    ]


@given(st.lists(st.lists(st.tuples(WORDS, WORDS), min_size=1, max_size=4), min_size=1, max_size=4))
def test_columns_and_back(made: list[list[tuple[str, str]]]) -> None:
    sentences = [Sentence([t for t, _ in one], [tag for _, tag in one]) for one in made]
    assert read_tagged(write_tagged(sentences, "columns"), "columns").sentences == sentences


def test_places_that_no_word_has_are_read_all_the_same() -> None:
    assert words_of("abcdef", "MEMBSX") == ["ab", "c", "d", "e", "f"]


def test_a_line_of_one_column_is_named() -> None:
    with pytest.raises(InputError, match=r"x\.conll: line 3: expected a token and its tag, got 'alone'"):
        read_tagged("a X\n\nalone\n", "columns", "x.conll")


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("text", ["", " \n\n"], ids=["empty", "blank"])
def test_nothing_to_read(form: str, text: str) -> None:
    with pytest.raises(InputError, match="x: expected tagged sentences, found none"):
        read_tagged(text, form, "x")
    with pytest.raises(InputError, match="x: expected tokens to tag, found none"):
        read_bare(text, form, "x")


def test_a_huge_sentence_is_cut_and_said() -> None:
    sentences, notes = read_tagged("a X\n" * (2 * LONGEST + 1), "columns")
    assert [len(one.tokens) for one in sentences] == [len(one.tags) for one in sentences] == [1000, 1000, 1]
    assert notes == ["1 sentence of more than 1,000 tokens: cut into pieces of that size"]


def test_a_form_that_there_is_not() -> None:
    with pytest.raises(InputError, match="form: expected one of columns, segmented, punctuated, got 'x'"):
        read_tagged("a X", "x")
