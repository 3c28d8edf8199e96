"""A text in three parts as ids: everything that is fitted is fitted on the first."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chainrule.core import InputError
from chainrule.data.codec import letters_only
from chainrule.data.dataset import make_dataset, split_text
from chainrule.data.vocabulary import UNKNOWN

FRACTIONS = st.floats(0, 1, exclude_max=True)


@given(st.text(), FRACTIONS, FRACTIONS)
def test_the_three_parts_are_the_text(text: str, valid: float, test: float) -> None:
    parts = split_text(text, valid=valid, test=test)
    assert "".join(parts) == text


@given(st.text("aB \n1"), st.sampled_from("aB"), FRACTIONS)
def test_cleaning_comes_before_the_cut(text: str, letter: str, test: float) -> None:
    assert "".join(split_text(text + letter, test=test, clean=True)) == letters_only(text + letter)


def test_a_text_of_which_cleaning_leaves_nothing_is_refused() -> None:
    with pytest.raises(InputError, match="text: expected letters a-z, which cleaning keeps, got none"):
        split_text("红楼梦 12!", clean=True)


def test_the_last_part_is_the_test() -> None:
    text = "".join(map(chr, range(0x4E00, 0x4E00 + 100)))
    assert split_text(text) == (text[:81], text[81:90], text[90:])
    assert split_text(text, valid=0, test=0) == (text, "", "")


def test_tiny_shakespeare_as_in_every_figure(shared_data: Path) -> None:
    text = (shared_data / "tinyshakespeare.txt").read_bytes().decode()
    train, valid, test = split_text(text)
    assert len(text) == 1_115_394
    assert len(train) + len(valid) == 1_003_854
    assert len(train) == 903_468
    assert train + valid + test == text


@given(st.text("abc", min_size=1), st.text("abcd红"), st.text("abcd红"))
def test_held_out_text_changes_nothing_that_is_fitted(train: str, valid: str, test: str) -> None:
    data = make_dataset(train, valid, test)
    assert data.codec == make_dataset(train).codec
    assert data.codec.vocabulary.counts == make_dataset(train).codec.vocabulary.counts
    assert set(data.codec.vocabulary.tokens) == {UNKNOWN, *train}
    assert data.codec.decode(data.train.ids) == train


@pytest.mark.parametrize("tokenizer", ["bytes", "characters", "words", "bpe"])
def test_every_part_is_its_text_in_ids(tokenizer: str) -> None:
    data = make_dataset("to be or not to be", "to see", "not seen: 红", tokenizer=tokenizer, bpe_size=260)
    for part in (data.train, data.valid, data.test):
        assert np.array_equal(part.ids, data.codec.encode(part.text))
        assert part.ids.dtype == np.int32
    assert [part.text for part in (data.valid, data.test)] == ["to see", "not seen: 红"]


def test_bpe_merges_come_from_the_training_text_alone() -> None:
    one = make_dataset("ab" * 20, "xy" * 50, tokenizer="bpe", bpe_size=258)
    other = make_dataset("ab" * 20, tokenizer="bpe", bpe_size=258)
    assert one.codec == other.codec
    assert len(one.valid.ids) == 100  # xy was not learned


def test_settings_are_handed_on() -> None:
    data = make_dataset("a a b", tokenizer="words", min_freq=2)
    assert data.codec.vocabulary.tokens == (UNKNOWN, "a")
    data = make_dataset("The TIME!", "Machine.", clean=True)
    assert data.train.text == "the time "
    assert data.valid.text == "machine "
    assert data.codec.decode(data.train.ids) == "the time "
    assert data.codec.loses == "all but letters"


def test_held_out_parts_may_be_empty() -> None:
    data = make_dataset("a text")
    assert data.valid.text == data.test.text == ""
    assert data.valid.ids.shape == data.test.ids.shape == (0,)
    assert data.valid.head(5) is data.valid


@pytest.mark.parametrize(
    ("train", "clean", "left"),
    [
        ("", False, "nothing"),
        (" \n\t", False, "nothing"),
        ("", True, "nothing"),
        ("红楼梦 12!", True, "no letters a-z"),
    ],
)
def test_a_training_text_of_nothing_is_refused(train: str, clean: bool, left: str) -> None:
    with pytest.raises(InputError, match=f"training text: expected some text, got {left}"):
        make_dataset(train, "held out", clean=clean)


def test_the_head_of_a_part_is_its_first_tokens() -> None:
    part = make_dataset("abcdef").train
    head = part.head(4)
    assert head.text == "abcd"
    assert head.ids.tolist() == part.ids[:4].tolist()
    assert part.head(6) is part
    assert part.head(100) is part


def test_the_head_of_words_is_cut_in_proportion() -> None:
    head = make_dataset("one two three four " * 10, tokenizer="words").train.head(20)
    assert len(head.ids) == 20
    assert len(head.text) == 95


LINES = st.lists(st.sampled_from(["", "a", "a b", "\r", "longer line", "\n"])).map("\n".join)


@given(LINES, FRACTIONS, FRACTIONS)
def test_sentences_are_cut_at_line_ends(text: str, valid: float, test: float) -> None:
    parts = split_text(text, valid=valid, test=test, sentences=True)
    assert "".join(parts) == text
    ends = len(parts[0]), len(parts[0]) + len(parts[1])
    plain = split_text(text, valid=valid, test=test)
    for end, wanted in zip(ends, (len(plain[0]), len(plain[0]) + len(plain[1])), strict=True):
        assert end in (0, len(text)) or text[end - 1] == "\n"
        assert end >= wanted
        assert not wanted or "\n" not in text[wanted - 1 : end - 1]  # the first line end that will do


def test_sentences_cut_by_hand() -> None:
    text = "one\ntwo\nthree\nfour\nfive\n"  # 24 characters
    assert split_text(text, valid=0.25, test=0.25, sentences=True) == (
        "one\ntwo\nthree\n",
        "four\n",
        "five\n",
    )
    assert split_text(text, valid=0, test=0, sentences=True) == (text, "", "")
    assert split_text(text, valid=0, test=0.99, sentences=True) == ("", "", text)
    assert split_text("all of one line", sentences=True) == ("all of one line", "", "")


def test_sentences_with_texts_of_their_own() -> None:
    assert split_text("a\nb\n", valid="v", test="t", sentences=True) == ("a\nb\n", "v", "t")
    data = make_dataset("a b\n\nb", "a", "c\n", tokenizer="space", sentences=True)
    assert data.codec.vocabulary.tokens == (UNKNOWN, "</s>", "b", "a")
    assert data.train.ids.tolist() == [3, 2, 1, 1, 2, 1]
    assert data.valid.ids.tolist() == [3, 1]
    assert data.test.ids.tolist() == [0, 1]


def test_a_limit_and_what_unk_is_are_handed_on() -> None:
    data = make_dataset("a a b <unk>", "b <unk>", tokenizer="space", vocab_limit=1, unk="skip")
    assert data.codec.vocabulary.tokens == (UNKNOWN, "a")
    assert data.train.ids.tolist() == [1, 1, 0]
    assert data.valid.ids.tolist() == [0, 0]
