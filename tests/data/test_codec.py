"""Strings on one side, ids on the other; the figures of the lecture's book on The Time Machine."""

import re
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chainrule.core import InputError
from chainrule.data.codec import BEGIN, END, Codec, letters_only
from chainrule.data.tokenizers import Words
from chainrule.data.vocabulary import UNKNOWN, Vocabulary
from chainrule.models.ngram.counts import count_ngrams

# st.text() never draws halves of surrogate pairs, which a Python string may hold
ANY_CHARACTER = st.characters() | st.characters(categories=["Cs"]) | st.sampled_from("\r\n\0 \ufeff")
ANY_STRING = st.lists(ANY_CHARACTER).map("".join)
BPE = Codec.fit("the time machine, the time traveller " * 3, "bpe", bpe_size=270)


@given(ANY_STRING, ANY_STRING)
def test_bytes_know_every_string(train: str, text: str) -> None:
    codec = Codec.fit(train, "bytes")
    assert codec.vocab_size == 256
    assert codec.decode(codec.encode(text)) == text
    assert codec.unknown(text) == []


@given(ANY_STRING)
def test_characters_hold_the_text_that_they_come_from(text: str) -> None:
    codec = Codec.fit(text, "characters")
    ids = codec.encode(text)
    assert codec.decode(ids) == text
    assert ids.dtype == np.int32
    assert codec.vocab_size == len(set(text)) + 1
    assert len(ids) == len(text)


@given(st.text("abc"), st.text("abcd红"))
def test_characters_that_were_never_seen_are_unknown(train: str, text: str) -> None:
    codec = Codec.fit(train, "characters")
    shown = "".join(character if character in train else UNKNOWN for character in text)
    assert codec.decode(codec.encode(text)) == shown
    assert codec.unknown(text) == list(dict.fromkeys(c for c in text if c not in train))


@given(st.text())
def test_bpe_knows_every_text(text: str) -> None:
    assert BPE.vocab_size == 270
    assert BPE.decode(BPE.encode(text)) == text


@given(st.text("我来到北京清华大学 ,。ab"))
def test_chinese_words_hold_the_text_that_they_come_from(jieba: ModuleType, text: str) -> None:
    codec = Codec.fit(text, "chinese-words")
    assert codec.decode(codec.encode(text)) == text


def test_rare_words_are_unknown_and_counted() -> None:
    codec = Codec.fit("to be or not to be", "words", min_freq=2)
    assert codec.vocabulary.tokens == (UNKNOWN, "be", "to")
    assert codec.encode("or to be here").tolist() == [0, 2, 1, 0]
    assert codec.unknown("here or here to be") == ["here", "or"]


def test_fitting_reads_the_training_text_alone() -> None:
    assert Codec.fit("aab").vocabulary == Codec.fit("aba").vocabulary
    assert Codec.fit("aab").vocabulary != Codec.fit("abb").vocabulary


def test_what_is_lost_is_said(jieba: ModuleType) -> None:
    lost = {name: Codec.fit("a", name, bpe_size=256).loses for name in ("bytes", "characters", "bpe")}
    assert lost == {"bytes": None, "characters": None, "bpe": None}
    assert Codec.fit("a", "words").loses == "white space"
    assert Codec.fit("a", "words", clean=True).loses == "all but letters, white space"
    assert Codec.fit("a", clean=True).loses == "all but letters"


def test_a_codec_that_cleans_does_so_to_every_text() -> None:
    codec = Codec.fit("The TIME; machine.", clean=True)
    assert codec.prepare("TIME\nmachine!") == "time machine "
    assert codec.decode(codec.encode("TIME\nmachine!")) == "time machine "
    assert "".join(codec.split("A1b")) == "a b"
    assert Codec.fit("The TIME").prepare("TIME\n") == "TIME\n"


def test_bpe_and_size_are_handed_on() -> None:
    with pytest.raises(InputError, match="expected at least 256"):
        Codec.fit("text", "bpe", bpe_size=100)
    with pytest.raises(InputError, match="got 'letters'"):
        Codec.fit("text", "letters")


@given(st.text(st.sampled_from("aBzÉéK 红\r\n.-'\u212a1")) | st.text())
def test_letters_only_leaves_letters_and_single_spaces(text: str) -> None:
    clean = letters_only(text)
    assert re.fullmatch("[a-z ]*", clean)
    assert "  " not in clean
    assert letters_only(clean) == clean
    assert clean.replace(" ", "") == "".join(re.findall("[A-Za-z]", text)).lower()


def test_words_do_not_fuse_at_line_ends() -> None:
    assert letters_only("The Time\nMachine,\r\n\r\nby H. G. Wells") == "the time machine by h g wells"


@pytest.fixture(scope="module")
def time_machine(shared_data: Path) -> str:
    return (shared_data / "timemachine.txt").read_bytes().decode()


def test_the_time_machine_in_characters(time_machine: str) -> None:
    text = letters_only(time_machine)
    codec = Codec.fit(time_machine, "characters", clean=True)
    assert len(text) == len(codec.encode(time_machine)) == 173_428
    assert len(set(text)) == 27
    assert codec.vocab_size == 28
    assert codec.unknown(time_machine) == []


def test_the_time_machine_in_words(time_machine: str) -> None:
    codec = Codec.fit(time_machine, "words", clean=True)
    most = [(token, codec.vocabulary.counts[i]) for i, token in enumerate(codec.vocabulary.tokens[1:], 1)]
    assert most[:4] == [("the", 2261), ("i", 1267), ("and", 1245), ("of", 1155)]
    assert [n for _, n in most] == sorted((n for _, n in most), reverse=True)


def test_the_time_machine_in_ngrams(time_machine: str) -> None:
    words = Words().split(letters_only(time_machine))
    vocabulary = Vocabulary.count(words)
    counts = count_ngrams([vocabulary.encode(words)], len(vocabulary), 3)

    def most(order: int, k: int) -> list[tuple[str, int]]:
        ngrams, times = counts.ngrams(order)
        first = np.argsort(-times, kind="stable")[:k]
        return [(" ".join(vocabulary.decode(ngrams[i])), int(times[i])) for i in first]

    assert most(2, 2) == [("of the", 309), ("in the", 169)]
    assert most(3, 1) == [("the time traveller", 59)]


# lines of tokens, none of which is reserved
WORD = st.sampled_from(["a", "b", "the", "<unk>", "é", "\0", "\xa0"])
SENTENCES = st.lists(st.lists(WORD, max_size=4), max_size=6)


@given(SENTENCES, st.booleans())
def test_sentences_there_and_back(lines: list[list[str]], ended: bool) -> None:
    text = "".join(" ".join(line) + "\n" for line in lines)
    if not ended and lines and lines[-1]:
        text = text[:-1]  # the last line has no end of its own
    codec, ids = Codec.fit_encode(text, "space", sentences=True)
    assert ids.dtype == np.int32
    assert np.array_equal(ids, codec.encode(text))
    assert codec.split(text) == [token for line in lines for token in (*line, END)]
    assert np.count_nonzero(ids == codec.end_id) == len(lines)
    assert codec.decode(ids) == "".join(" ".join(line) + "\n" for line in lines)
    assert codec.unknown(text) == []


@given(st.text("ab \n"))
def test_sentences_of_characters(text: str) -> None:
    codec, ids = Codec.fit_encode(text, "characters", sentences=True)
    whole = text if text.endswith("\n") or not text else text + "\n"
    assert codec.decode(ids) == whole
    assert np.array_equal(codec.encode(whole), ids)
    assert codec.decode(codec.encode_prompt(text)) == text


@pytest.mark.parametrize("tokenizer", ["bytes", "characters", "words", "space", "bpe"])
def test_every_tokeniser_ends_sentences(tokenizer: str) -> None:
    text = "one two\n\none\ntwo one"
    codec = Codec.fit(text, tokenizer, sentences=True, bpe_size=260)
    assert codec.vocabulary.tokens[codec.end_id or 0] == END
    assert np.count_nonzero(codec.encode(text) == codec.end_id) == 4
    assert np.count_nonzero(codec.encode_prompt(text) == codec.end_id) == 3
    assert codec.decode(codec.encode(text)).split() == text.split()
    assert Codec.fit(text, tokenizer, bpe_size=260).end_id is None


def test_a_prompt_of_sentences_goes_on() -> None:
    codec = Codec.fit("a b\nb a\n", "space", sentences=True)
    spelled = [codec.vocabulary.decode(codec.encode_prompt(text)) for text in ("", "a", "a\n", "a\nb", "\n")]
    assert spelled == [[], ["a"], ["a", END], ["a", END, "b"], [END]]


@pytest.mark.parametrize("reserved", [BEGIN, END])
def test_a_text_that_holds_the_ends_of_sentences(reserved: str) -> None:
    with pytest.raises(
        InputError, match=f"sentences: expected a text without {BEGIN} and {END}.*got {reserved}"
    ):
        Codec.fit(f"a {reserved}\n", "space", sentences=True)
    codec = Codec.fit("a b\n", "space", sentences=True)
    with pytest.raises(InputError, match=f"got {reserved}"):
        codec.encode(f"a {reserved}\n")
    ordinary = Codec.fit(f"a {reserved}\n", "space")  # in a running text it is a word
    assert ordinary.decode(ordinary.encode(f"{reserved} a")) == f"{reserved} a"


def test_cleaning_leaves_no_sentences() -> None:
    with pytest.raises(
        InputError, match="sentences: expected a text that keeps its lines; cleaning joins them"
    ):
        Codec.fit("a\nb\n", clean=True, sentences=True)


def test_unk_is_an_ordinary_word() -> None:
    codec, ids = Codec.fit_encode("a <unk> a <unk> <unk> b", "space")
    assert codec.vocabulary.tokens == ("<<unk>>", "<unk>", "a", "b")
    assert codec.vocabulary.unknown == "<<unk>>"
    assert codec.vocabulary.counts == (0, 3, 2, 1)
    assert ids.tolist() == [2, 1, 2, 1, 1, 3]
    assert codec.encode("<unk> new").tolist() == [1, 0]
    assert codec.unknown("<unk> new <<unk>>") == ["new"]
    both = Codec.fit("<unk> <<unk>> a", "space")
    assert both.vocabulary.unknown == "<<<unk>>>"
    assert Codec.fit("a", "space").vocabulary.unknown == UNKNOWN


def test_unk_is_left_out() -> None:
    codec, ids = Codec.fit_encode("a <unk> a <unk> <unk> b", "space", unk="skip")
    assert codec.vocabulary.tokens == (UNKNOWN, "a", "b")
    assert codec.vocabulary.counts == (0, 2, 1)
    assert ids.tolist() == [1, 1, 2]
    assert codec.encode("a <unk> new").tolist() == [1, 0, 0]  # elsewhere it is the unknown symbol
    ended = Codec.fit_encode("<unk>\na\n", "space", unk="skip", sentences=True)[1]
    assert ended.tolist() == [1, 2, 1]
    with pytest.raises(InputError, match="unk: expected ordinary or skip, got 'maybe'"):
        Codec.fit("a", unk="maybe")


def test_a_limit_keeps_the_most_frequent() -> None:
    text = "a a a b b c c d"
    codec, ids = Codec.fit_encode(text, "space", vocab_limit=2)
    assert codec.vocabulary.tokens == (UNKNOWN, "a", "b")  # of b and c, as frequent, the first by spelling
    assert ids.tolist() == [1, 1, 1, 2, 2, 0, 0, 0]
    ended = Codec.fit(text, "space", vocab_limit=2, sentences=True)
    assert ended.vocabulary.tokens == (UNKNOWN, END, "a", "b")  # the end is not counted
    assert Codec.fit(text, "space", vocab_limit=99).vocab_size == 5
    assert Codec.fit(text, "space", vocab_limit=3, min_freq=3).vocabulary.tokens == (UNKNOWN, "a")
    with pytest.raises(InputError, match="vocabulary limit: expected at least 1, got 0"):
        Codec.fit(text, "space", vocab_limit=0)
