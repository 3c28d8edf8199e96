"""Labelled texts from every kind of source: what is guessed or skipped is said, the unclear refused."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chainrule.core import InputError
from chainrule.data.encodings import decode
from chainrule.data.folds import stratified_folds, stratified_split
from chainrule.data.labelled import LONGEST, Wanted, read_classes, read_labelled
from chainrule.data.sentences import TextReader


def write(path: Path, text: str | bytes) -> Path:
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


# Tables


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.csv", 'label,review\npos,"good, really"\nneg,bad\n'),
        ("a.tsv", "review\tlabel\ngood, really\tpos\nbad\tneg\n"),
        ("a.jsonl", '{"text": "good, really", "label": "pos"}\n{"label": "neg", "text": "bad"}\n'),
        ("a.txt", "label;review\npos;good, really\nneg;bad\n"),
    ],
)
def test_tables_and_json_lines_read_alike(tmp_path, name, text):
    read = read_labelled(write(tmp_path / name, text))
    assert dict(zip(read.labels, read.texts, strict=True)) == {"pos": "good, really", "neg": "bad"}
    assert "label = label" in read.source


def test_columns_are_guessed_by_what_is_in_them(tmp_path):
    rows = "".join(f"{k},some words of text number {k},{'ab'[k % 2]}\n" for k in range(8))
    read = read_labelled(write(tmp_path / "x.csv", "key,words,side\n" + rows))
    assert set(read.labels) == {"a", "b"}
    assert read.texts[3] == "some words of text number 3"


def test_a_table_without_a_header_is_said_to_be_one(tmp_path):
    read = read_labelled(write(tmp_path / "x.csv", "good film,1\nbad film,0\nfine film,1\nsad film,0\n"))
    assert len(read) == 4
    assert any("no header" in each for each in read.notes)


def test_labels_may_have_spaces_and_numbers_be_spelled_two_ways(tmp_path):
    lines = [{"text": "a b", "label": " very good "}, {"text": "c", "label": 1.0}, {"text": "d", "label": 1}]
    read = read_labelled(write(tmp_path / "x.jsonl", "\n".join(map(json.dumps, lines))))
    assert read.labels == ("very good", "1", "1")


def test_what_cannot_be_used_is_skipped_and_counted(tmp_path):
    text = f"label,text\npos,good\nneg,\n,no label\nneg,bad\npos,good\nneg,{'x' * (LONGEST + 1)}\n"
    read = read_labelled(write(tmp_path / "x.csv", text))
    assert read.texts == ("good", "bad", "good")
    said = " ".join(read.notes)
    assert "1 without a text" in said
    assert "1 without a label" in said
    assert f"1 of more than {LONGEST:,} characters" in said
    assert "1 texts stand more than once" in said


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("x.csv", "", "empty file"),
        ("x.csv", "label,text\n", "rows below the header"),
        ("x.csv", "label,text\npos,a,b\n", "expected 2 cells, got 3"),
        ("x.csv", "label,label\npos,a\n", "different names"),
        ("x.csv", "only\none\n", "at least two columns"),
        ("x.csv", "a,b,c\n1,x y z,2\n3,y z x,4\n5,z y x,6\n", "name it with --label"),
        ("x.jsonl", '{"text": "a"}\n[1]\n', "got list at line 2"),
        ("x.jsonl", '{"text": "a"}\nno\n', "another at line 2"),
        ("x.csv", "label,text\npos,\nneg,\n", "expected texts, got none"),
    ],
)
def test_what_is_unclear_is_refused(tmp_path, name, text, message):
    with pytest.raises(InputError, match=message):
        read_labelled(write(tmp_path / name, text))


def test_a_column_that_is_named_must_be_there(tmp_path):
    path = write(tmp_path / "x.csv", "label,text\npos,a\n")
    with pytest.raises(InputError, match="among label, text, got 'words'"):
        read_labelled(path, Wanted(text="words"))
    with pytest.raises(InputError, match="--time"):
        read_labelled(path, Wanted(timed=True))


def test_times_are_read_where_they_are_wanted(tmp_path):
    path = write(tmp_path / "x.csv", "date,label,text\n2020-01-02,pos,a\n,neg,b\n")
    read = read_labelled(path, Wanted(labelled=False, timed=True))
    assert read.times == ("2020-01-02",)
    assert read.notes == ("skipped 1 without a time",)


# Folders and files of classes


def test_a_folder_for_each_class(tmp_path):
    for label, text in (("pos", "good\nfilm"), ("very neg", "bad")):
        (tmp_path / label).mkdir()
        write(tmp_path / label / "1.txt", text)
    read = read_labelled(tmp_path)
    assert dict(zip(read.labels, read.texts, strict=True)) == {"pos": "good\nfilm", "very neg": "bad"}


def test_a_folder_without_folders_and_a_missing_file_are_refused(tmp_path):
    with pytest.raises(InputError, match="a folder for each class"):
        read_labelled(tmp_path)
    with pytest.raises(InputError, match="found none"):
        read_labelled(tmp_path / "no.csv")
    with pytest.raises(InputError, match="cannot be read"):
        read_classes({"a": tmp_path / "no"})


def test_a_file_for_each_class_one_text_a_line(tmp_path):
    files = {"pos": write(tmp_path / "p", "one\n\ntwo\r\n"), "neg": write(tmp_path / "n", "three")}
    read = read_classes(files)
    assert read.texts == ("one", "two", "three")
    assert read.labels == ("pos", "pos", "neg")
    assert read.notes == ("skipped 1 without a text",)


# Encodings

CHINESE = "这家酒店的房间很干净，服务员也很热情，早餐的品种不多。" * 5


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        (CHINESE, "gb18030"),
        ("Das Essen war großartig, für den Preis völlig in Ordnung. " * 5, "cp1252"),
        (CHINESE, "utf-16"),
    ],
)
def test_an_encoding_is_found_and_said(text, encoding):
    assert decode(text.encode(encoding), "x") == (text, encoding)


def test_utf8_needs_no_word():
    assert decode(CHINESE.encode(), "x") == (CHINESE, "")
    assert decode(CHINESE.encode("utf-8-sig"), "x") == (CHINESE, "")


def test_lines_of_another_encoding_among_utf8_are_said():
    known = "déjà vu, naïve and café\n" * 4
    text, said = decode(known.encode() + "völlig in Ordnung, großartig für alle\n".encode("cp1252"), "x")
    assert text == known + "völlig in Ordnung, großartig für alle\n"
    assert "cp1252 at 1 of 5 lines" in said


def test_an_encoding_that_is_asked_for_is_held_to():
    assert decode("é".encode("cp1252"), "x", "cp1252")[0] == "é"
    with pytest.raises(InputError, match="x: expected utf-8, got byte 0xe9 at offset 1"):
        decode(b"a\xe9b", "x", "utf-8")
    with pytest.raises(InputError, match="one that Python knows"):
        decode(b"a", "x", "klingon")
    with pytest.raises(InputError, match="NUL byte at offset 1"):
        decode(b"a\0b", "x")


# Folds


@given(st.lists(st.integers(0, 3), min_size=8, max_size=60), st.integers(2, 4), st.integers(0, 5))
def test_every_example_is_held_out_once_and_classes_are_spread_evenly(labels, folds, seed):
    labels = np.array(labels)
    counts = np.bincount(labels, minlength=4)
    rng = np.random.default_rng(seed)
    if ((counts > 0) & (counts < folds)).any():
        with pytest.raises(InputError, match="examples of each class"):
            stratified_folds(labels, folds, rng)
        return
    made = stratified_folds(labels, folds, rng)
    assert sorted(np.concatenate([split.test for split in made]).tolist()) == list(range(len(labels)))
    for split in made:
        assert not set(split.train) & set(split.test)
        held = np.bincount(labels[split.test], minlength=4)
        assert (np.abs(held - counts / folds) < 1).all()
    sizes = [len(split.test) for split in made]
    assert max(sizes) - min(sizes) <= 1


def test_a_split_keeps_the_classes_and_depends_on_the_seed():
    labels = np.array([0] * 30 + [1] * 10)
    one, same, other = (stratified_split(labels, 0.2, np.random.default_rng(s)) for s in (0, 0, 1))
    assert np.bincount(labels[one.test]).tolist() == [6, 2]
    assert one.test.tolist() == same.test.tolist() != other.test.tolist()
    assert np.bincount(labels[stratified_split(labels, 0.999, np.random.default_rng(0)).train]).tolist() == [
        1,
        1,
    ]
    with pytest.raises(InputError, match="at least 2 examples of each class"):
        stratified_split(np.array([0, 0, 1]), 0.5, np.random.default_rng(0))
    with pytest.raises(InputError, match="between 0 and 1"):
        stratified_split(labels, 1.0, np.random.default_rng(0))


# Reading


@given(st.text(alphabet="ab Iİ.\n房间", max_size=30), st.sampled_from(["words", "characters"]))
def test_tokens_stand_where_they_are_said_to(text, tokenizer):
    reader, ids = TextReader.fit(["ab I 房间 .", text], tokenizer)
    places = reader.places(text)
    mine = reader.encode([text])
    assert len(places) == len(mine) == np.diff(np.flatnonzero(ids == reader.end))[0]
    assert places[-1] == len(text) == len(reader.prepared(text))
    tokens = reader.codec.split(reader.prepared(text) + "\n")[:-1]
    for begin, token in zip(places.tolist(), tokens, strict=False):
        assert reader.prepared(text)[begin : begin + len(token)] == token
