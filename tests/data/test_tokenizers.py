"""Text in, tokens out: what the tokens hold of a text, and what is gone."""

import re
import sys
from types import ModuleType

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chainrule.core import FileFormatError, InputError
from chainrule.data.tokenizers import (
    NAMES,
    Bpe,
    Bytes,
    Characters,
    ChineseWords,
    Space,
    Words,
    make_tokenizer,
    restore_tokenizer,
)

TEXT = "The Time Traveller (for so it will be convenient to speak of him)\r\nwas expounding. 红楼梦 é\n" * 3
# st.text() never draws halves of surrogate pairs, which a Python string may hold
ANY_CHARACTER = st.characters() | st.characters(categories=["Cs"]) | st.sampled_from("\r\n\0 \ufeff")
ANY_STRING = st.lists(ANY_CHARACTER).map("".join)
ANY_TEXT = st.text()
CHINESE = st.text(st.sampled_from("我来到北京清华大学红楼梦曹雪芹的一是了,。 \r\nabc12-"))
BPE = Bpe.train(TEXT, 300)


def without_space(text: str) -> str:
    return "".join(character for character in text if not character.isspace())


@given(ANY_STRING)
def test_bytes_hold_every_string(text: str) -> None:
    assert Bytes().join(Bytes().split(text)) == text


@given(ANY_TEXT)
def test_bytes_are_those_of_utf8(text: str) -> None:
    assert [ord(token) for token in Bytes().split(text)] == list(text.encode())
    assert set(Bytes().split(text)) <= set(Bytes().alphabet)


@given(st.lists(st.integers(0, 255)))
def test_bytes_that_are_no_text_are_shown_all_the_same(values: list[int]) -> None:
    shown = Bytes().join([chr(value) for value in values])
    data = bytes(values)
    try:
        assert shown == data.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError:
        assert shown == data.decode("utf-8", "replace")


def test_the_alphabet_of_bytes_is_in_order() -> None:
    assert [ord(token) for token in Bytes().alphabet] == list(range(256))


@given(ANY_STRING)
def test_characters_hold_every_string(text: str) -> None:
    assert Characters().join(Characters().split(text)) == text
    assert len(Characters().split(text)) == len(text)


@given(ANY_TEXT)
def test_words_lose_white_space_alone(text: str) -> None:
    tokens = Words().split(text)
    assert without_space("".join(tokens)) == without_space(text)
    assert all(without_space(token) for token in tokens)


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("The time machine", ["The", "time", "machine"]),
        ("Hello, world! It's 3.14.", ["Hello", ",", "world", "!", "It's", "3.14", "."]),
        ("one\r\n\r\n  two\tthree ", ["one", "two", "three"]),
        ("naïve Übung cafe\u0301", ["naïve", "Übung", "cafe\u0301"]),
        ("红楼梦", ["红", "楼", "梦"]),
        ("第1回。甄士隐", ["第", "1", "回", "。", "甄", "士", "隐"]),
        ("", []),
        (" \n\t\u3000", []),
    ],
)
def test_words_by_unicodes_boundaries(text: str, tokens: list[str]) -> None:
    assert Words().split(text) == tokens


@given(st.text(st.characters(min_codepoint=0x4E00, max_codepoint=0x9FFF)))
def test_chinese_as_words_is_single_characters(text: str) -> None:
    assert Words().split(text) == list(text)
    assert Words().join(Words().split(text)) == text


@pytest.mark.parametrize(
    "text",
    [
        "Hello, world! It's 3.14.",
        "He said (at last): “no”; 50% of it…",
        "红楼梦。「甄士隐」",
        "红楼梦\uff0c甄士隐\uff01",
        "我读 Time Machine\uff0c很好\uff08真的\uff09",  # the marks of a Chinese keyboard are wide
    ],
)
def test_joined_words_read_like_the_text(text: str) -> None:
    joined = Words().join(Words().split(text))
    assert joined == text


def test_joining_no_words() -> None:
    assert Words().join([]) == ""


@given(ANY_TEXT)
def test_bpe_holds_every_text(text: str) -> None:
    assert BPE.join(BPE.split(text)) == text
    assert set(BPE.split(text)) <= set(BPE.alphabet)


@pytest.mark.parametrize("text", [" a", "a ", "  a  b", "\r\n", "a\n\n\nb", "\0", "\ufeff", "e\u0301 é ﬁ K"])
def test_bpe_changes_no_space_and_no_form(text: str) -> None:
    assert BPE.join(BPE.split(text)) == text


@given(ANY_TEXT)
def test_bpe_of_bytes_alone_is_the_bytes(text: str) -> None:
    bytes_alone = Bpe.train("", 256)
    assert len(bytes_alone.split(text)) == len(text.encode())
    assert bytes_alone.join(bytes_alone.split(text)) == text


def test_bpe_learns_what_is_frequent() -> None:
    assert len(BPE.alphabet) == len(set(BPE.alphabet)) == 300
    assert len(BPE.split(TEXT)) < 0.7 * len(TEXT.encode())
    assert len(Bpe.train(TEXT, 280).split(TEXT)) > len(BPE.split(TEXT))


def test_bpe_is_the_same_every_time() -> None:
    assert Bpe.train(TEXT, 300) == BPE


def test_bpe_needs_the_bytes() -> None:
    with pytest.raises(InputError, match=r"expected at least 256 \(the bytes\), got 255"):
        Bpe.train(TEXT, 255)


@pytest.mark.parametrize("definition", ["{}", "", "not json", '{"model": 1}'])
def test_a_damaged_bpe_definition_is_said(definition: str) -> None:
    with pytest.raises(FileFormatError, match="BPE tokeniser: the definition is damaged"):
        Bpe(definition).split("a")


def test_a_string_that_is_no_text_is_said_by_bpe() -> None:
    with pytest.raises(InputError):
        BPE.split("half a pair: \ud83d")
    with pytest.raises(InputError):
        Bpe.train("half a pair: \ud83d", 300)


@given(text=CHINESE | ANY_STRING)
def test_chinese_words_hold_every_text(jieba: ModuleType, text: str) -> None:
    tokens = ChineseWords().split(text)
    assert ChineseWords().join(tokens) == text
    assert all(tokens)


def test_chinese_words_are_words(jieba: ModuleType) -> None:
    assert ChineseWords().split("我来到北京清华大学") == ["我", "来到", "北京", "清华大学"]


def test_without_jieba_the_way_to_get_it_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "jieba", None)
    with pytest.raises(InputError, match=r"needs jieba; pip install 'chainrule\[chinese\]'"):
        ChineseWords().split("红楼梦")


@pytest.mark.parametrize("name", NAMES)
def test_every_name_makes_its_tokeniser_and_its_settings_make_it_again(name: str, jieba: ModuleType) -> None:
    made = make_tokenizer(name, TEXT, bpe_size=280)
    assert made.name == name
    restored = restore_tokenizer(name, made.settings())
    assert restored.name == name
    assert list(restored.split(TEXT)) == list(made.split(TEXT))
    assert (made.loses is None) == (made.join(made.split(TEXT)) == TEXT)
    assert restored.alphabet == made.alphabet


def test_the_alphabet_of_bpe_is_as_large_as_asked(jieba: ModuleType) -> None:
    alphabet = make_tokenizer("bpe", TEXT, bpe_size=280).alphabet
    assert alphabet is not None
    assert len(alphabet) == 280


def test_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(InputError, match=r"expected one of bytes, characters, words, .*bpe, got 'letters'"):
        make_tokenizer("letters", TEXT)
    with pytest.raises(InputError, match="got 'letters'"):
        restore_tokenizer("letters", {})


SPACED = (
    st.lists(st.sampled_from(list(" \t\n\v\f\rab\0é\x85\xa0\u3000\x1c\ud83d红"))).map("".join) | ANY_STRING
)


@given(SPACED)
def test_space_cuts_at_ascii_white_space_alone(text: str) -> None:
    tokens = Space().split(text)
    assert tokens == [part for part in re.split("[ \t\n\v\f\r]+", text) if part]
    assert Space().split(Space().join(tokens)) == tokens


@given(SPACED, st.booleans())
def test_space_as_numbers(text: str, line_ends: bool) -> None:
    ids, spelled = Space().index(text, line_ends=line_ends)
    assert ids.dtype == np.int32
    assert spelled == list(dict.fromkeys(Space().split(text)))
    shown = " ".join("\n" if i < 0 else spelled[i] for i in ids.tolist())
    assert Space().split(shown) == Space().split(text)
    lines = text.count("\n") + (not text.endswith("\n") and text != "")
    assert np.count_nonzero(ids < 0) == (lines if line_ends else 0)


def test_space_by_hand() -> None:
    assert Space().split("Hello, world!\n 3.14 =\xa0<unk> ") == ["Hello,", "world!", "3.14", "=\xa0<unk>"]
    assert Space().join(["Hello,", "world!"]) == "Hello, world!"
    ids, spelled = Space().index("b a\n\nb", line_ends=True)
    assert (ids.tolist(), spelled) == ([0, 1, -1, -1, 0, -1], ["b", "a"])
