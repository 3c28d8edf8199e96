"""The object that a user holds: its verbs on strings, its file, and what it says of itself."""

import json
import math
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import chainrule
from chainrule.core import FileFormatError, InputError, RunError
from chainrule.files import read_arrays, write_arrays
from chainrule.language_model import LanguageModel, TrainedOnWarning, UnknownSymbolWarning, load

TEXT = chainrule.load_corpus("pydocs").text[:8000]
OTHER = chainrule.load_corpus("pydocs").text[100_000:104_000]
QUICK: dict[str, dict[str, Any]] = {
    "uniform": {},
    "unigram": {},
    "bigram": {},
    "ngram": {},
    "window": {"epochs": 1, "hidden": 16, "window": 3},
    "rnn": {"epochs": 1, "hidden": 16},
    "gru": {"epochs": 1, "hidden": 16},
    "lstm": {"epochs": 1, "hidden": 16, "layers": 2},
}


@pytest.fixture(scope="module", params=QUICK)
def lm(request: pytest.FixtureRequest) -> LanguageModel:
    return LanguageModel.fit(TEXT, model=request.param, **QUICK[request.param])


@pytest.fixture(scope="module")
def counted() -> LanguageModel:
    return LanguageModel.fit(TEXT, model="ngram")


def test_saved_and_loaded_it_says_the_same(lm: LanguageModel, tmp_path: Path) -> None:
    lm.save(tmp_path / "model")
    again = load(tmp_path / "model")
    assert again.evaluate(OTHER) == lm.evaluate(OTHER)
    assert again.generate("The ", 40, seed=3) == lm.generate("The ", 40, seed=3)
    assert again.next("The v", 4) == lm.next("The v", 4)
    assert again.codec == lm.codec
    assert again.codec.vocabulary.counts == lm.codec.vocabulary.counts
    assert again.overlap(TEXT[:6000]) == lm.overlap(TEXT[:6000]) == 1
    assert json.loads(json.dumps(again.card)) == json.loads(json.dumps(dict(lm.card)))
    again.save(tmp_path / "again")
    assert (tmp_path / "again").read_bytes() == (tmp_path / "model").read_bytes()


def test_the_card_holds_the_bill_for_the_test_part(lm: LanguageModel) -> None:
    assert lm.held_out is not None
    test = TEXT[-lm.card["split"]["test"]["characters"] :]
    assert lm.held_out == lm.evaluate(test).as_dict()
    assert [part["characters"] for part in lm.card["split"].values()] == [6480, 720, 800]


def test_next_is_what_generation_draws_from(lm: LanguageModel) -> None:
    found = lm.next("class ", k=lm.codec.vocab_size)
    assert len(found) == lm.codec.vocab_size
    assert sum(p for _, p in found) == pytest.approx(1)
    assert sorted((p for _, p in found), reverse=True) == [p for _, p in found]
    likeliest = next(token for token, _ in found if token != "<unk>")
    assert lm.generate("class ", 1, temperature=0) == "class " + likeliest


def test_surprisal_adds_up_to_the_bill(lm: LanguageModel) -> None:
    scored = lm.surprisal(OTHER)
    assert "".join(token for token, _ in scored) == OTHER
    report = lm.evaluate(OTHER)
    assert sum(bits for _, bits in scored) == pytest.approx(report.bits_per_token * report.tokens)


def test_online_is_said_and_leaves_the_model_as_it_is(lm: LanguageModel) -> None:
    again = "The other one and the other one. " * 12
    static, learned = lm.evaluate(again), lm.evaluate(again, online=True)
    assert (static.online, learned.online) == (False, True)
    assert learned.as_dict()["online"]
    assert learned.nats < static.nats
    assert lm.perplexity(again, online=True) == learned.perplexity
    bits = sum(bits for _, bits in lm.surprisal(again, online=True))
    assert bits == pytest.approx(learned.bits_per_token * learned.tokens)
    told = lm.generate(again, 10, seed=1, online=True)
    assert told.startswith(again)
    assert len(told) == len(again) + 10
    assert lm.evaluate(again) == static


def test_primed_online_it_goes_on_with_the_prompt(counted: LanguageModel) -> None:
    prompt = "xy" * 300
    assert counted.generate(prompt, 40, temperature=0, online=True) == prompt + "xy" * 20
    assert counted.generate(prompt, 40, temperature=0) != prompt + "xy" * 20


def test_what_was_trained_on_is_said(counted: LanguageModel) -> None:
    with pytest.warns(TrainedOnWarning, match="100% of this text was trained on"):
        counted.perplexity(TEXT[:2000])
    with warnings.catch_warnings():
        warnings.simplefilter("error", TrainedOnWarning)
        warnings.simplefilter("ignore", UnknownSymbolWarning)
        counted.perplexity(TEXT[-600:])


def test_symbols_that_it_does_not_know_are_said(counted: LanguageModel) -> None:
    with pytest.warns(UnknownSymbolWarning, match="1 symbols are not in the vocabulary.*'é'"):
        told = counted.generate("caf\u00e9 ", 5)
    assert told.startswith("caf\u00e9 ")
    assert "<unk>" not in counted.generate("", 500)


def test_valid_and_test_may_be_texts_of_their_own() -> None:
    lm = LanguageModel.fit(TEXT, model="ngram", valid=OTHER[:1000], test=OTHER[1000:])
    sizes = {name: part["characters"] for name, part in lm.card["split"].items()}
    assert sizes == {"train": 8000, "valid": 1000, "test": 3000}


def test_without_valid_and_test() -> None:
    lm = LanguageModel.fit(TEXT, model="ngram", valid=0, test=0)
    assert lm.held_out is None
    assert lm.card["split"]["train"]["tokens"] == len(TEXT)


@pytest.mark.parametrize("tokenizer", ["bytes", "words", "bpe"])
def test_every_tokeniser_has_its_way_through(tokenizer: str, tmp_path: Path) -> None:
    lm = LanguageModel.fit(TEXT, model="ngram", tokenizer=tokenizer, bpe_size=300)
    lm.save(tmp_path / "model")
    assert load(tmp_path / "model").generate("The value", 20) == lm.generate("The value", 20)
    assert lm.generate("The value", 20).startswith("The value")
    assert len(lm.surprisal("the value of x")) >= 4


def test_the_books_cleaning_reaches_every_verb() -> None:
    lm = LanguageModel.fit(TEXT, model="ngram", clean=True)
    assert lm.evaluate("It is: THE value!").tokens == len("it is the value ")
    assert lm.generate("THE Val", 0) == "the val"
    assert lm.evaluate("x y").loses == "all but letters"


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"model": "transformer"}, "model: expected one of uniform"),
        ({"model": "ngram", "order": 0}, r"order: expected 1\.\.255, got 0"),
        ({"model": "ngram", "order": 7000}, r"order: expected 1\.\.255, got 7000"),
        ({"model": "ngram", "smoothing": "magic"}, "smoothing: expected"),
        ({"model": "lstm", "rate": float("nan")}, "learning rate: expected a positive number, got nan"),
        ({"model": "lstm", "epochs": 0}, "epochs: expected at least 1, got 0"),
        ({"model": "lstm", "hidden": 0}, "hidden: expected at least 1, got 0"),
        ({"model": "lstm", "steps": 9000}, "expected at least 9001 tokens"),
        ({"tokenizer": "letters"}, "tokeniser: expected one of"),
        ({"valid": 1.0}, "valid: expected a fraction"),
        ({"test": -0.1}, "test: expected a fraction"),
    ],
)
def test_settings_without_a_meaning_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        LanguageModel.fit(TEXT, **settings)


def test_a_text_without_text_is_refused() -> None:
    for text in ("", "   \n"):
        with pytest.raises(InputError, match="training text: expected some text"):
            LanguageModel.fit(text)
    with pytest.raises(InputError, match="expected letters a-z"):
        LanguageModel.fit("红楼梦", clean=True)


def test_a_file_whose_parts_do_not_belong_together_is_refused(counted: LanguageModel, tmp_path: Path) -> None:
    path = tmp_path / "model"
    counted.save(path)
    arrays, header = read_arrays(path)
    damaged: list[tuple[dict[str, np.ndarray], dict[str, Any]]] = [
        ({**arrays, "vocabulary": arrays["vocabulary"][:-5]}, header),
        ({**arrays, "vocabulary": np.frombuffer(b'["a", "b"]', np.uint8)}, header),
        ({name: array for name, array in arrays.items() if name != "model.tokens2"}, header),
        ({**arrays, "model.tokens2": arrays["model.tokens2"][:-1]}, header),
        ({**arrays, "vocabulary": np.frombuffer(b"[1, 2]", np.uint8)}, header),
        ({**arrays, "vocabulary": np.frombuffer(b"[" * 100_000, np.uint8)}, header),
        ({**arrays, "overlap": arrays["overlap"].astype(np.float64)}, header),
        (arrays, {**header, "unknown": "no such symbol"}),
        (arrays, {**header, "unknown": ["<unk>"]}),
        (arrays, {**header, "overlap_modulus": -1}),
        (arrays, {**header, "card": {}}),
        (arrays, {**header, "card": "a string"}),
        (arrays, {**header, "family": "transformer"}),
        (arrays, {**header, "tokenizer": {"name": "runes"}}),
        (arrays, {**header, "settings": []}),
        (arrays, {name: value for name, value in header.items() if name != "card"}),
    ]
    for number, (some, what) in enumerate(damaged):
        write_arrays(path, some, what)
        with pytest.raises(FileFormatError, match=str(path)):
            load(path)
        assert number < len(damaged)


def test_weights_that_are_no_finite_numbers_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "model"
    LanguageModel.fit(TEXT, model="rnn", epochs=1, hidden=4).save(path)
    arrays, header = read_arrays(path)
    weight = arrays["model.output.weight"]
    for bad in (weight * np.nan, weight.astype(np.int32), weight.astype(np.float64)):
        write_arrays(path, {**arrays, "model.output.weight": bad}, header)
        with pytest.raises(FileFormatError, match="network model: expected"):
            load(path)


def test_a_setting_that_there_is_not_is_named() -> None:
    with pytest.raises(InputError, match=r"fit: expected settings among average, batch, .*; got hiden"):
        LanguageModel.fit(TEXT, hiden=3)


def test_nothing_has_no_perplexity(counted: LanguageModel) -> None:
    with pytest.raises(InputError, match="expected at least one token, got none"):
        counted.perplexity("")


def test_a_folder_that_cannot_be_written_is_said(counted: LanguageModel, tmp_path: Path) -> None:
    with pytest.raises(RunError, match="cannot be written"):
        counted.save(tmp_path / "missing" / "model")


def test_import_loads_nothing_heavy() -> None:
    code = (
        "import sys, chainrule; "
        "print([m for m in ('torch', 'numba', 'matplotlib', 'jieba', 'pooch', 'requests', 'rich') "
        "if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_public_names_are_there_and_sorted_as_they_stand() -> None:
    assert all(hasattr(chainrule, name) for name in chainrule.__all__)


SENTENCES = "the cat sat\nthe dog sat on the mat\n\na cat\n" * 30


@pytest.fixture(scope="module")
def sentences() -> LanguageModel:
    return LanguageModel.fit(
        SENTENCES, model="ngram", order=3, smoothing="kneser-ney", tokenizer="space", sentences=True, test=0.0
    )


def test_a_sentence_ends_and_the_next_begins(sentences: LanguageModel) -> None:
    codec = sentences.codec
    assert codec.end_id is not None
    assert codec.decode(codec.encode("a cat\n\nthe dog")) == "a cat\n\nthe dog\n"
    assert codec.encode_prompt("the dog").tolist() == codec.encode("the dog").tolist()[:-1]
    assert sentences.next("the dog sat on the mat", 1)[0][0] == "</s>"
    assert sentences.generate("the dog", 3, temperature=0) == "the dog sat on the"
    two = sentences.evaluate("a cat\nthe cat sat\n").nats
    assert two == pytest.approx(sentences.evaluate("a cat").nats + sentences.evaluate("the cat sat").nats)


def test_scores_are_in_log10_word_by_word(sentences: LanguageModel) -> None:
    found = sentences.full_scores("the cat zebra\n")
    assert [score.token for score in found] == ["the", "cat", "zebra", "</s>"]
    assert [score.unknown for score in found] == [False, False, True, False]
    assert [score.length for score in found][:2] == [2, 3]
    assert sentences.score("cat", "the") == pytest.approx(found[1].log10)
    assert sentences.score("</s>", "the cat zebra") == pytest.approx(found[3].log10)
    assert sum(s.log10 for s in found) * math.log(10) == pytest.approx(
        -sentences.evaluate("the cat zebra").nats
    )
    with pytest.raises(InputError, match="score: expected a word, got none"):
        sentences.score("")


def test_a_model_of_sentences_comes_back_from_its_file(sentences: LanguageModel, tmp_path: Path) -> None:
    sentences.save(tmp_path / "model")
    again = load(tmp_path / "model")
    assert again.codec.sentences
    assert again.full_scores("the cat\n") == sentences.full_scores("the cat\n")


def test_unknown_words_are_skipped_or_ordinary() -> None:
    text = "the <unk> sat\n<unk> <unk> cat\n" * 20
    made = {
        unk: LanguageModel.fit(
            text, model="ngram", order=2, tokenizer="space", sentences=True, unk=unk, valid=0.0, test=0.0
        )
        for unk in ("ordinary", "skip")
    }
    assert made["ordinary"].codec.vocabulary.unknown == "<<unk>>"
    assert made["skip"].codec.vocabulary.unknown == "<unk>"
    assert made["skip"].card["split"]["train"]["tokens"] == 20 * 5
    assert made["ordinary"].card["split"]["train"]["tokens"] == 20 * 8
    report = made["skip"].evaluate("the <unk>\n")
    assert (report.tokens, report.unknown) == (3, 1)
    known = report.nats - report.unknown_nats
    assert report.perplexity_known == pytest.approx(math.exp(known / 2))


def test_a_remade_model_has_no_figures_of_the_old_one(sentences: LanguageModel) -> None:
    remade = sentences.remade(sentences.model, "touched").remade(sentences.model, "twice")
    assert remade.held_out is None
    assert remade.card["remade"] == ["touched", "twice"]
    assert "remade" not in sentences.card
