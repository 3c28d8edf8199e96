"""`chainrule train --model ngram` and `chainrule ngram`: good input, bad input, and files from a stranger.

The command runs in this process, as `main` runs it.
"""

import gzip
import io
import json
import math
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import chainrule
from chainrule import BackoffModel, LanguageModel
from chainrule.cli import app, main
from chainrule.files import read_arrays, write_arrays
from chainrule.recipes import SMOOTHINGS
from tests.cli.conftest import Done
from tests.cli.test_bad_input import one_line

Call = Callable[..., Done]
TRAIN = ("--model", "ngram", "--tokenizer", "space", "--valid", 0, "--test", 0)
SENTENCES = (*TRAIN, "--sentences", "--smoothing", "modified-kneser-ney", "--order", 3)
NOTE = "note: without white space: figures per character and byte do not compare with those of a whole text\n"
WORDS = ("the", "a", "cat", "dog", "sat", "ran", "on", "in", "mat", "hat", "and", "saw", "big", "old", "red")


def made_up(lines: int, seed: int) -> str:
    """Lines of up to 9 of a few words, some of them blank."""
    rng = np.random.default_rng(seed)
    shares = 1 / np.arange(1, len(WORDS) + 1)
    rows = (rng.choice(WORDS, rng.integers(0, 10), p=shares / shares.sum()) for _ in range(lines))
    return "".join(" ".join(row) + "\n" for row in rows)


SMALL, OTHER = made_up(300, 1), made_up(40, 2)


@pytest.fixture
def call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Call:
    """Runs `chainrule ARGUMENTS` in this process, in a folder with small.txt and other.txt."""
    (tmp_path / "small.txt").write_text(SMALL, encoding="utf-8")
    (tmp_path / "other.txt").write_text(OTHER, encoding="utf-8")
    monkeypatch.chdir(tmp_path)

    def go(*arguments: object, stdin: bytes = b"") -> Done:
        out, err = (io.TextIOWrapper(io.BytesIO(), "utf-8", write_through=True) for _ in range(2))
        code: Any = 0
        with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
            warnings.simplefilter("always")  # `main` shows them as notes
            patch.setattr(app, "registered_callback", None)  # --version hands it None, which is no bool
            patch.setattr(sys, "argv", ["chainrule", *map(str, arguments)])
            patch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin), "utf-8"))
            patch.setattr(sys, "stdout", out)
            patch.setattr(sys, "stderr", err)
            try:
                main()
            except SystemExit as end:
                code = end.code or 0
        told = (stream.buffer.getvalue().decode("utf-8", "surrogateescape") for stream in (out, err))
        return Done(code, *told)

    return go


def fitted(text: str, path: Path, **settings: Any) -> Path:
    common = {"model": "ngram", "tokenizer": "space", "sentences": True, "order": 3, "valid": 0, "test": 0}
    smoothing = {"smoothing": "modified-kneser-ney"}
    LanguageModel.fit(text, **{**common, **smoothing, **settings}).save(path)
    return path


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("ngrams")


@pytest.fixture(scope="session")
def trained(folder: Path) -> Path:
    """A saved 3-gram model of SMALL."""
    return fitted(SMALL, folder / "trained")


@pytest.fixture(scope="session")
def second(folder: Path, trained: Path) -> Path:
    """Another of the same words as often, in sentences read backwards: so it has the same vocabulary."""
    backwards = "".join(" ".join(line.split()[::-1]) + "\n" for line in SMALL.splitlines())
    path = fitted(backwards, folder / "second", smoothing="witten-bell", order=2)
    assert chainrule.load(path).codec == chainrule.load(trained).codec
    return path


def perplexity(call: Call, model: object, text: str = "other.txt") -> float:
    done = call("evaluate", model, text, "--json")
    assert done.code == 0, done.err
    return float(json.loads(done.out)["perplexity"])


def ngrams(call: Call, model: object) -> list[int]:
    return list(json.loads(call("ngram", "info", model, "--json").out)["ngrams"])


# --- train and evaluate ------------------------------------------------------------------------------------


def test_train_then_evaluate(call: Call) -> None:
    done = call("train", "small.txt", *SENTENCES, "-o", "F")
    assert done.code == 0, done.err
    assert "model: F" in done.err
    found = json.loads(call("evaluate", "F", "other.txt", "--json").out)
    assert {
        "tokens",
        "unknown",
        "perplexity",
        "perplexity_known",
        "bits_per_character",
        "bits_per_byte",
    } <= set(found)
    assert found["tokens"] == len(OTHER.split()) + OTHER.count("\n")
    assert found["unknown"] == 0
    assert found["perplexity"] == found["perplexity_known"] < 17
    assert found["perplexity"] == pytest.approx(chainrule.load("F").perplexity(OTHER))
    assert found["bits_per_byte"] == pytest.approx(found["nats"] / math.log(2) / len(OTHER))
    shown = call("evaluate", "F", "other.txt")
    assert "perplexity without unknown" not in shown.out
    assert shown.err == NOTE
    Path("new.txt").write_text(OTHER + "a new word\n")
    shown = call("evaluate", "F", "new.txt")
    assert "perplexity without unknown" in shown.out
    found = json.loads(call("evaluate", "F", "new.txt", "--json").out)
    assert found["unknown"] == 2
    assert found["perplexity_known"] < found["perplexity"]


def test_the_table_of_a_model_has_its_discounts(call: Call) -> None:
    Path("tiny.txt").write_text("a b c\na b\n\nb c a\n")
    done = call("train", "tiny.txt", *SENTENCES, "-o", "F")
    assert done.code == 0
    for order in (1, 2, 3):
        said = f"note: order {order}: no n-gram has a count of 3; discounts 0.5, 1, 1.5 stand in"
        assert said in done.err.splitlines()
        assert f" discounts, order {order} " in done.out
        assert f" discounts, order {order} " in call("info", "F").out
    assert "order 3" not in call("train", "small.txt", *SENTENCES, "-o", "G").err  # enough for an estimate
    assert "discounts" not in call("train", "small.txt", *TRAIN, "-o", "H").out  # witten-bell has none


def test_unk_in_the_text_may_be_skipped(call: Call) -> None:
    Path("unk.txt").write_text("a <unk> b\n<unk>\nb a\n" * 9)
    found = {}
    for unk in ("ordinary", "skip"):
        done = call("train", "unk.txt", *SENTENCES, "--unk", unk, "-o", unk, "--json")
        assert done.code == 0, done.err
        card = json.loads(done.out)
        found[unk] = (
            card["split"]["train"]["tokens"],
            json.loads(call("evaluate", unk, "unk.txt", "--json").out)["unknown"],
        )
    assert found == {"ordinary": (9 * 9, 0), "skip": (9 * 7, 18)}


def test_the_vocabulary_may_be_limited(call: Call) -> None:
    done = call("train", "small.txt", *SENTENCES, "--vocab-limit", 5, "-o", "F")
    assert done.code == 0, done.err
    lm = chainrule.load("F")
    assert lm.codec.vocabulary.tokens == ("<unk>", "</s>", "the", "a", "cat", "dog", "sat")
    found = json.loads(call("evaluate", "F", "other.txt", "--json").out)
    others = [word for word in OTHER.split() if word not in lm.codec.vocabulary.ids]
    assert found["unknown"] == len(others)


def test_rare_ngrams_may_be_left_out(call: Call, trained: Path) -> None:
    done = call("train", "small.txt", *SENTENCES, "--minimum", "1,1,2", "-o", "F")
    assert done.code == 0, done.err
    all_of, kept = ngrams(call, trained), ngrams(call, "F")
    lines = [["<s>", *line.split(), "</s>"] for line in SMALL.split("\n")[:-1]]
    seen = [tuple(line[i : i + 3]) for line in lines for i in range(len(line) - 2)]
    assert all_of[2] == len(set(seen))
    assert kept == [*all_of[:2], len({ngram for ngram in seen if seen.count(ngram) > 1})]
    assert perplexity(call, "F") == pytest.approx(perplexity(call, trained), rel=0.2)


def test_ngrams_are_those_of_the_text(call: Call) -> None:
    Path("tiny.txt").write_text("a b\n\nb a\n")
    assert call("train", "tiny.txt", *SENTENCES, "-o", "F").code == 0
    # <unk> </s> a b <s>; <s>a ab b</s>, <s></s>, <s>b ba a</s>; <s>ab ab</s> <s>ba ba</s>
    assert ngrams(call, "F") == [5, 7, 4]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--minimum", "2,1"), "minimum counts: expected 1 and then none that falls, got 2, 1, 1"),
        (("--minimum", "1,2,1"), "minimum counts: expected 1 and then none that falls, got 1, 2, 1"),
        (("--minimum", "x"), "--minimum: expected whole numbers such as 1,1,2, got 'x'"),
        (("--minimum", "1,,2"), "--minimum: expected whole numbers such as 1,1,2, got '1,,2'"),
        (("--minimum", "1,1", "--smoothing", "add-k"), "minimum counts: expected a smoothing among"),
        (("--smoothing", "magic"), "smoothing: expected one of"),
        (("--unk", "maybe"), "unk: expected ordinary or skip, got 'maybe'"),
        (("--vocab-limit", "0"), "vocabulary limit: expected at least 1, got 0"),
        (
            ("--order", "12"),
            "order: expected 1..11 (the longest sentence, its two ends included, has 11 tokens)",
        ),
        (("--order", "0"), "order: expected 1..11"),
        (("--order", "300"), "order: expected 1..11"),
        (("--clean",), "sentences: expected a text that keeps its lines; cleaning joins them"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_settings_without_a_meaning(call: Call, options: tuple[str, ...], message: str) -> None:
    assert message in one_line(call("train", "small.txt", *SENTENCES, *options, "-o", "F"))
    assert not Path("F").exists()


def test_a_text_with_the_ends_of_sentences_in_it(call: Call, trained: Path) -> None:
    Path("ends.txt").write_text("a b </s> c\n")
    message = "sentences: expected a text without <s> and </s>, which are their ends, got </s>"
    assert message in one_line(call("train", "ends.txt", *SENTENCES, "-o", "F"))
    assert not Path("F").exists()
    assert message in one_line(call("evaluate", trained, "ends.txt"))
    assert call("train", "ends.txt", *TRAIN, "--order", 2, "-o", "F").code == 0  # there it is a word


@pytest.mark.parametrize("smoothing", SMOOTHINGS)
@pytest.mark.parametrize("sentences", [False, True])
def test_a_text_of_one_word(call: Call, smoothing: str, sentences: bool) -> None:
    Path("one.txt").write_text("word word word\n" * 9)
    options = (*TRAIN, "--order", 3, "--smoothing", smoothing, *["--sentences"] * sentences)
    done = call("train", "one.txt", *options, "-o", "F")
    assert done.code == 0, done.err
    if smoothing != "stupid-backoff":
        assert perplexity(call, "F", "one.txt") < 2
    told = call("ngram", "info", "F")
    assert told.code == (2 if smoothing in ("maximum-likelihood", "add-k", "stupid-backoff") else 0)


@pytest.mark.parametrize("smoothing", ["witten-bell", "modified-kneser-ney", "add-k"])
def test_an_order_left_open(call: Call, smoothing: str) -> None:
    done = call("train", "small.txt", *TRAIN[:4], "--smoothing", smoothing, "-o", "F", "--json")
    assert done.code == 0, done.err
    card = json.loads(done.out)
    assert 1 <= card["recipe"]["order"] <= 5
    assert card["held_out"]["perplexity"] < 17


def test_an_order_left_open_where_sentences_are_short(call: Call) -> None:
    Path("short.txt").write_text("a b c\na b\n\nb c a\n" * 5)
    for options in (TRAIN, TRAIN[:4]):
        done = call("train", "short.txt", *options, "--sentences", "--force", "-o", "F", "--json")
        assert done.code == 0, done.err
        assert json.loads(done.out)["recipe"]["order"] <= 5  # the longest sentence has 5 with its two ends


def test_stupid_backoff_ranks_only(call: Call) -> None:
    options = ("--model", "ngram", "--tokenizer", "space", "--smoothing", "stupid-backoff")
    done = call("train", "small.txt", *options, "-o", "F", "--json")
    assert done.code == 0, done.err
    card = json.loads(done.out)
    assert card["held_out"] is None
    assert card["split"]["test"]["tokens"] > 0
    assert "its scores only rank and are no probabilities: there is no perplexity" in done.err
    assert "perplexity: expected probabilities" in one_line(call("evaluate", "F", "other.txt"))
    assert call("generate", "F", "-n", 3).code == 0
    assert "got ngram with stupid-backoff" in one_line(call("ngram", "top", "F", "the"))


# --- info --------------------------------------------------------------------------------------------------


def test_info(call: Call, trained: Path) -> None:
    found = json.loads(call("ngram", "info", trained, "--json", "--verify").out)
    lm = chainrule.load(trained)
    assert isinstance(lm.model, BackoffModel)
    assert found["ngrams"] == list(lm.model.ngrams)
    assert (found["order"], found["vocabulary"], found["sentences"]) == (3, 17, True)
    assert found["made_by"] == "modified-kneser-ney"
    assert found["bits_per_probability"] == [32, 32, 32]
    assert [d["order"] for d in found["discounts"]] == [1, 2, 3]
    assert found["remade"] == []
    assert sum(found["bytes"]) < trained.stat().st_size
    shown = call("ngram", "info", trained)
    assert shown.out.startswith("modified-kneser-ney, order 3, vocabulary 17, sentences\n")
    rows = [row.split("│") for row in shown.out.splitlines() if row.startswith("│")]
    assert [row[2].strip() for row in rows] == [*map(str, found["ngrams"]), str(sum(found["ngrams"]))]
    one = found["discounts"][1]
    assert rows[1][5].split() == [f"{one[name]:.4f}" for name in ("one", "two", "more")]


def test_a_flipped_bit_in_a_table_is_found(call: Call, trained: Path) -> None:
    data = trained.read_bytes()
    table = read_arrays(trained)[0]["model.log_probs3"].tobytes()
    at = data.index(table) + 4 * 7
    Path("bad").write_bytes(data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :])
    assert call("ngram", "info", "bad").code == 0  # opening reads no table
    line = one_line(call("ngram", "info", "bad", "--verify"))
    assert line == "error: bad: the file is damaged: model.log_probs3 does not match its checksum"
    for command in (("prune", "--threshold", "0"), ("quantize",), ("export",)):  # nor is it handed on
        assert "log_probs3 does not match its checksum" in one_line(call("ngram", *command, "bad", "-o", "F"))
    assert not Path("F").exists()


# --- prune, quantize, mix ----------------------------------------------------------------------------------


def test_prune_by_threshold(call: Call, trained: Path) -> None:
    done = call("ngram", "prune", trained, "--threshold", "1e-4", "--on", "other.txt", "-o", "F")
    assert done.code == 0, done.err
    before, after = ngrams(call, trained), ngrams(call, "F")
    assert after[0] == before[0]
    assert sum(after) < sum(before)
    assert done.out.splitlines()[0] == f"pruned by entropy at 0.0001: {sum(after)} of {sum(before)} n-grams"
    was, now = perplexity(call, trained), perplexity(call, "F")
    gap = 100 * (now / was - 1)
    assert (
        done.out.splitlines()[1]
        == f"perplexity on other.txt: {was:.4f} before, {now:.4f} after ({gap:+.2f} %)"
    )
    found = json.loads(call("info", "F", "--json").out)
    assert found["held_out"] is None
    assert found["remade"] == ["pruned by entropy at 0.0001"]
    assert "note: pruned by entropy at 0.0001" in call("ngram", "info", "F").err
    assert call("ngram", "info", "F", "--verify").code == 0


def test_prune_to_size(call: Call, trained: Path) -> None:
    for size in (18, 200, 10**6):
        done = call("ngram", "prune", trained, "--size", size, "--force", "-o", "F")
        assert done.code == 0, done.err
        assert sum(ngrams(call, "F")) <= size
    assert ngrams(call, "F") == ngrams(call, trained)
    assert "size: expected at least the 18 n-grams" in one_line(
        call("ngram", "prune", trained, "--size", 17, "-o", "G")
    )
    assert not Path("G").exists()


def test_a_model_may_replace_itself(call: Call, trained: Path) -> None:
    Path("F").write_bytes(trained.read_bytes())
    assert call("ngram", "prune", "F", "--size", 200, "--force", "-o", "F").code == 0
    assert sum(ngrams(call, "F")) <= 200
    assert call("ngram", "quantize", "F", "--force", "-o", "F").code == 0
    assert len(json.loads(call("ngram", "info", "F", "--json", "--verify").out)["remade"]) == 2


def test_quantize(call: Call, trained: Path) -> None:
    done = call("ngram", "quantize", trained, "--on", "other.txt", "-o", "F")
    assert done.code == 0, done.err
    was, now = perplexity(call, trained), perplexity(call, "F")
    assert now == pytest.approx(was, rel=0.01)
    assert f"{was:.4f} before, {now:.4f} after" in done.out
    found = json.loads(call("ngram", "info", "F", "--json").out)
    assert found["bits_per_probability"][0] == 32
    assert 8 in found["bits_per_probability"]
    assert found["ngrams"] == ngrams(call, trained)
    assert "probabilities in 8 bits" in call("ngram", "info", "F").err


def test_mix_by_weights(call: Call, trained: Path, second: Path) -> None:
    done = call("ngram", "mix", trained, second, "--weights", "0.7, 0.3", "-o", "F")
    assert done.code == 0, done.err
    assert done.out.startswith("mixed: 0.7000 trained, 0.3000 second: ")
    lms = [chainrule.load(path) for path in (trained, second, "F")]
    for word in ("the", "cat"):  # listed by one of them, it has the mixed probability
        a, b, mixed = (10 ** lm.score(word, "") for lm in lms)
        assert mixed == pytest.approx(0.7 * a + 0.3 * b, rel=1e-5)
    assert perplexity(call, "F") < max(perplexity(call, path) for path in (trained, second))


def test_mix_finds_weights(call: Call, trained: Path, second: Path) -> None:
    done = call("ngram", "mix", second, trained, "--on", "other.txt", "-o", "F")
    assert done.code == 0, done.err
    shares = done.out.removeprefix("mixed: ").split(": ")[0].split(", ")
    assert [share.split()[1] for share in shares] == ["second", "trained"]
    weights = [float(share.split()[0]) for share in shares]
    assert sum(weights) == pytest.approx(1, abs=2e-4)
    assert perplexity(call, "F") < 1.02 * min(perplexity(call, path) for path in (trained, second))


def test_mixing_asks_for_one_vocabulary(call: Call, trained: Path, folder: Path) -> None:
    words = fitted("other words\n", Path("words"), order=2)
    flow = fitted(SMALL, Path("flow"), sentences=False)
    for other in (words, flow):
        line = one_line(call("ngram", "mix", trained, other, "--weights", "0.5,0.5", "-o", "F"))
        assert f"{other}: expected the tokens and the vocabulary of {trained}, got others" in line
    assert not Path("F").exists()


@pytest.mark.parametrize(
    ("command", "message"),
    [
        (("prune",), "prune: expected either --threshold or --size"),
        (("prune", "--threshold", "0", "--size", "99"), "prune: expected either --threshold or --size"),
        (("prune", "--threshold", "-1"), "threshold: expected a number of 0 or more, got -1"),
        (("prune", "--threshold", "nan"), "threshold: expected a number of 0 or more, got nan"),
        (("prune", "--size", "-5"), "size: expected at least the 18 n-grams that have to stay, got -5"),
        (("prune", "--threshold", "0", "--on", "nothing"), "corpus 'nothing': expected a file"),
        (("prune", "--threshold", "0", "--on", "ends.txt"), "sentences: expected a text without"),
        (("quantize", "--on", "nothing"), "corpus 'nothing': expected a file"),
        (("quantize", "--on", "ends.txt"), "sentences: expected a text without"),
        (("mix",), "mix: expected either --weights, or --on"),
        (("mix", "--weights", "1", "--on", "other.txt"), "mix: expected either --weights, or --on"),
        (("mix", "--weights", "0.5"), "weights: expected 1 above 0 that sum to 1, got 0.5"),
        (("mix", "--weights", "0.5,0.5"), "weights: expected 1 above 0 that sum to 1, got 0.5, 0.5"),
        (("mix", "--weights", "nan"), "weights: expected 1 above 0 that sum to 1, got nan"),
        (("mix", "--weights", "half"), "--weights: expected numbers such as 0.7,0.3, got 'half'"),
        (("mix", "--on", "nothing"), "corpus 'nothing': expected a file"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_remaking_without_a_meaning(
    call: Call, trained: Path, command: tuple[str, ...], message: str
) -> None:
    Path("ends.txt").write_text("a </s>\n")
    assert message in one_line(call("ngram", *command, trained, "-o", "F"))
    assert not Path("F").exists()


# --- export and import -------------------------------------------------------------------------------------


def test_export_and_import(call: Call, trained: Path) -> None:
    done = call("ngram", "export", trained, "-o", "F.arpa")
    assert done.code == 0, done.err
    assert done.err == "ARPA: F.arpa\n"
    arpa = Path("F.arpa").read_bytes()
    counts = [f"ngram {k}={count}" for k, count in enumerate(ngrams(call, trained), 1)]
    assert arpa.decode().splitlines()[:4] == ["\\data\\", *counts]
    assert call("ngram", "export", trained, "-o", "F.arpa.gz").code == 0
    assert gzip.decompress(Path("F.arpa.gz").read_bytes()) == arpa
    piped = call("ngram", "export", trained, "-o", "-")
    assert (piped.code, piped.out.encode(), piped.err) == (0, arpa, "")
    was = perplexity(call, trained)
    for name in ("F.arpa", "F.arpa.gz"):
        done = call("ngram", "import", name, "-o", "F", "--force")
        assert done.code == 0, done.err
        assert done.out == f"order 3: {', '.join(map(str, ngrams(call, trained)))} n-grams\n"
        assert perplexity(call, "F") == pytest.approx(was, rel=1e-12)
    found = json.loads(call("evaluate", "F", "other.txt", "--json").out)
    assert (found["overlap"], found["tokenizer"]) == (None, "space")  # nobody knows what it was trained on
    assert call("info", "F").code == 0
    assert call("ngram", "info", "F", "--verify").code == 0
    assert call("ngram", "export", "F", "-o", "again.arpa").code == 0
    assert sorted(Path("again.arpa").read_bytes().split(b"\n")) == sorted(arpa.split(b"\n"))
    assert call("ngram", "mix", trained, "F", "--weights", "0.5,0.5", "-o", "both").code == 0


def test_characters_there_and_back(call: Call) -> None:
    common = ("--model", "ngram", "--order", 4, "--valid", 0, "--test", 0)
    assert call("train", "small.txt", *common, "-o", "F").code == 0
    assert call("ngram", "export", "F", "-o", "F.arpa").code == 0
    assert call("ngram", "import", "F.arpa", "--tokenizer", "characters", "-o", "G").code == 0
    assert perplexity(call, "G") == pytest.approx(perplexity(call, "F"), rel=1e-12)
    assert call("generate", "G", "-n", 9).out == call("generate", "F", "-n", 9).out


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "ARPA, line 1: expected a line \\data\\, got the end of the file"),
        (b"\\data\\\nngram 1=x\n", "ARPA, line 2: expected ngram 1=, and how many, got 'ngram 1=x'"),
        (b"\\data\\\nngram 1=2\n\n\\1-grams:\n-1 a\n\\end\\\n", "expected 2 1-grams before it"),
        (b"\\data\\\nngram 1=1\n\n\\1-grams:\n-1 a\n", "expected a line \\end\\, got the end of the file"),
        (b"\\data\\\nngram 1=1\n\n\\1-grams:\n1 a\n\\end\\\n", "expected a log10 probability of 0 or less"),
        (b"\x1f\x8b\x08 and so on", "expected the rest of a whole .gz file"),
    ],
    ids=["empty", "header", "too few", "no end", "above 1", "gz"],
)
def test_a_broken_arpa_file(call: Call, data: bytes, message: str) -> None:
    Path("bad.arpa").write_bytes(data)
    assert message in one_line(call("ngram", "import", "bad.arpa", "-o", "F"))
    assert not Path("F").exists()


@pytest.mark.parametrize("tokenizer", ["bpe", "letters"])
def test_an_arpa_file_brings_its_own_words(call: Call, trained: Path, tokenizer: str) -> None:
    assert call("ngram", "export", trained, "-o", "F.arpa").code == 0
    line = one_line(call("ngram", "import", "F.arpa", "--tokenizer", tokenizer, "-o", "F"))
    assert line.startswith("error: tokeniser: expected one of bytes, characters, words, space")
    assert line.endswith(f"got '{tokenizer}'")
    assert "bad: cannot be read" in one_line(call("ngram", "import", "bad", "-o", "F"))
    assert not Path("F").exists()


# --- top and rescore ---------------------------------------------------------------------------------------


def test_top(call: Call, trained: Path) -> None:
    found = json.loads(call("ngram", "top", trained, "the old", "-k", 99, "--json").out)
    lm = chainrule.load(trained)
    assert [(row["token"], row["probability"]) for row in found] == lm.next("the old", 99)
    assert len(found) == lm.model.vocab_size
    assert sum(row["probability"] for row in found) == pytest.approx(1)
    shown = call("ngram", "top", trained, "the old", "-k", 2).out.splitlines()
    assert [row.split("│")[1].strip() for row in shown if "│" in row] == [row["token"] for row in found[:2]]
    begins = json.loads(call("ngram", "top", trained, "--json").out)
    assert len(begins) == 10
    assert begins[0]["probability"] == pytest.approx(10 ** lm.score(begins[0]["token"]))
    assert "'zebra'" in call("ngram", "top", trained, "the zebra").err
    assert "k: expected at least 1, got 0" in one_line(call("ngram", "top", trained, "the", "-k", 0))


def test_rescore(call: Call, trained: Path) -> None:
    lm = chainrule.load(trained)
    done = call("ngram", "rescore", trained, stdin=OTHER.encode())
    assert (done.code, done.err) == (0, "")
    rows = [row.split("\t") for row in done.out.splitlines()]
    assert [row[3] for row in rows] == OTHER.splitlines()
    assert [int(row[1]) for row in rows] == [len(line.split()) + 1 for line in OTHER.splitlines()]
    total = sum(float(row[0]) for row in rows)
    assert total == pytest.approx(-lm.evaluate(OTHER).nats / math.log(10), abs=1e-6 * len(rows))


def test_rescore_odd_lines(call: Call, trained: Path) -> None:
    lm = chainrule.load(trained)
    sent = b"the cat\n\n \t\nthe \xff cat\nzebra zebra\r\n\0\nthe cat"
    done = call("ngram", "rescore", trained, stdin=sent)
    assert (done.code, done.err) == (0, "")
    rows = [row.split("\t", 3) for row in done.out.split("\n")[:-1]]
    assert [row[1:3] for row in rows] == [
        ["3", "0"],
        ["1", "0"],
        ["1", "0"],
        ["4", "1"],
        ["3", "2"],
        ["2", "1"],
        ["3", "0"],
    ]
    back = [row[3].encode("utf-8", "surrogateescape") for row in rows]
    assert back == sent.replace(b"\r", b"").split(b"\n")  # byte for byte
    assert rows[0] == rows[-1]
    assert float(rows[0][0]) == pytest.approx(
        lm.score("the") + lm.score("cat", "the") + lm.score("</s>", "the cat"), abs=1e-6
    )
    assert call("ngram", "rescore", trained, stdin=b"").out == ""


def test_rescore_in_moses_format(call: Call, trained: Path) -> None:
    sent = b"0 ||| the cat  ||| LM0= -4.5 ||| -1.5\n0 ||| \xff ||| 1\r\n1 ||| ||| \n"
    done = call("ngram", "rescore", trained, stdin=sent)
    assert (done.code, done.err) == (0, "")
    plain = call("ngram", "rescore", trained, stdin=b"the cat\n\xff\n\n").out.splitlines()
    scores = [row.split("\t")[0] for row in plain]
    lines = done.out.encode("utf-8", "surrogateescape").split(b"\n")[:-1]
    given = sent.replace(b"\r", b"").split(b"\n")
    assert lines == [line + f" ||| {score}".encode() for line, score in zip(given, scores, strict=False)]


def test_rescore_token_by_token(call: Call, trained: Path) -> None:
    lm = chainrule.load(trained)
    done = call("ngram", "rescore", trained, "--tokens", stdin=b"the cat zebra\n\n")
    first, blank = (line.split("\t") for line in done.out.splitlines())
    assert [field.split("=")[0] for field in first[:4]] == ["the", "cat", "zebra", "</s>"]
    assert first[5] == "OOV: 1"
    assert blank[1:] == [f"Total: {lm.score('</s>'):.6f}", "OOV: 0"]
    for field, score in zip(first, lm.full_scores("the cat zebra\n"), strict=False):
        assert field == f"{score.token}={score.length} {score.log10:.6f}"
    assert first[4] == f"Total: {sum(score.log10 for score in lm.full_scores('the cat zebra')):.6f}"


def test_rescore_of_one_running_text(call: Call) -> None:
    fitted(SMALL, Path("flow"), sentences=False)
    rows = call("ngram", "rescore", "flow", stdin=b"the cat\n\n").out.splitlines()
    assert rows[0].split("\t")[1] == "2"
    assert rows[1] == "0.000000\t0\t0\t"


# --- files -------------------------------------------------------------------------------------------------

COMMANDS = [
    ("info",),
    ("prune", "--threshold", "0", "-o", "F"),
    ("quantize", "-o", "F"),
    ("mix", "--weights", "1", "-o", "F"),
    ("export", "-o", "F"),
    ("top",),
    ("rescore",),
]


@pytest.mark.parametrize(
    ("settings", "got"),
    [
        ({"model": "uniform"}, "got uniform"),
        ({"model": "bigram"}, "got bigram with add-k"),
        ({"model": "ngram", "smoothing": "add-k"}, "got ngram with add-k"),
        ({"model": "lstm", "hidden": 4, "epochs": 1, "sentences": False}, "got lstm"),
    ],
    ids=lambda value: value["model"] if isinstance(value, dict) else "",
)
def test_a_model_of_another_family(call: Call, settings: dict[str, Any], got: str) -> None:
    common = {"tokenizer": "space", "sentences": True, "valid": 0, "test": 0}
    order = {"order": 2} if settings["model"] == "ngram" else {}
    LanguageModel.fit(SMALL, **{**common, **order, **settings}).save("model")
    for command in COMMANDS:
        line = one_line(call("ngram", *command, "model"))
        assert "model: expected an n-gram model with backoff" in line
        assert line.endswith(got)
    assert not Path("F").exists()


def test_files_that_are_no_models(call: Call) -> None:
    for command in COMMANDS:
        assert "expected a chainrule model file" in one_line(call("ngram", *command, "small.txt"))
        assert "nothing: cannot be read" in one_line(call("ngram", *command, "nothing"))
    assert not Path("F").exists()


def test_output_that_exists_is_kept(call: Call, trained: Path) -> None:
    assert call("ngram", "export", trained, "-o", "F.arpa").code == 0
    Path("F").write_bytes(b"an earlier result")
    for command in [*(c for c in COMMANDS if "-o" in c), ("import", "-o", "F")]:
        source = "F.arpa" if command[0] == "import" else trained
        line = one_line(call("ngram", *command, source))
        assert line == "error: F: exists already; --force overwrites it"
        assert Path("F").read_bytes() == b"an earlier result"
        assert call("ngram", *command, source, "--force").code == 0
        assert Path("F").read_bytes() != b"an earlier result"
        Path("F").write_bytes(b"an earlier result")
        assert "does not exist" in one_line(call("ngram", *command[:-1], "missing/F", source))


def rewritten(source: Path, path: Path, **changes: Callable[[np.ndarray], Any]) -> None:
    """The model file with other contents in some tables, under checksums that fit."""
    arrays, header = read_arrays(source)
    tables = {name: array.copy() for name, array in arrays.items() if name.startswith("model.")}
    for name, change in changes.items():
        tables[f"model.{name}"][...] = change(tables[f"model.{name}"])
    write_arrays(path, {name: array for name, array in arrays.items() if name not in tables}, header, tables)


def anything(array: np.ndarray) -> np.ndarray:
    bits = np.random.default_rng(0).integers(0, 1 << 32, len(array), np.uint32)
    return bits.view(array.dtype)


HOSTILE: dict[str, dict[str, Callable[[np.ndarray], Any]]] = {
    "offsets beyond the end": {"first2": lambda first: np.full(len(first), 2**32 - 1)},
    "any offsets": {"first1": anything, "first2": anything, "first3": anything},
    "one offset": {"first3": lambda first: np.where(np.arange(len(first)) == 5, 2**32 - 1, first)},
    "the last offset": {
        "first2": lambda first: np.where(np.arange(len(first)) == len(first) - 1, 2**32 - 1, first)
    },
    "falling offsets": {"first2": lambda first: first[::-1].copy()},
    "any tokens": {"tokens1": anything, "tokens2": anything, "tokens3": anything},
    "falling tokens": {"tokens3": lambda tokens: tokens[::-1].copy()},
    "what begins a sentence": {"tokens3": lambda tokens: np.full(len(tokens), 17)},
    "no numbers": {
        "log_probs1": lambda x: np.full(len(x), np.nan),
        "backoffs2": lambda x: np.full(len(x), np.nan),
    },
    "infinite numbers": {"log_probs3": lambda x: np.full(len(x), np.inf)},
    "any numbers": {"log_probs2": anything, "backoffs1": anything},
}


@pytest.mark.parametrize("changes", HOSTILE.values(), ids=HOSTILE)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_tables_of_a_stranger_crash_nothing(
    call: Call, trained: Path, changes: dict[str, Callable[[np.ndarray], Any]]
) -> None:
    rewritten(trained, Path("bad"), **changes)
    assert call("ngram", "info", "bad", "--verify").code == 0  # checksums fit, and no table is looked into
    for command in (
        ("evaluate", "bad", "other.txt"),
        ("score", "bad", "--text", "the cat"),
        ("generate", "bad", "-n", 9),
        ("ngram", "top", "bad", "the cat"),
        ("ngram", "rescore", "bad"),
    ):
        done = call(*command, stdin=OTHER.encode())
        assert done.code == 0 or one_line(done), done
    for command in (c for c in COMMANDS if "-o" in c):  # these read it whole, and so can tell
        assert "bad: the tables of order" in one_line(call("ngram", *command, "bad"))
    assert not Path("F").exists()


def test_the_same_tables_rewritten_are_sound(call: Call, trained: Path) -> None:
    rewritten(trained, Path("same"))
    assert perplexity(call, "same") == perplexity(call, trained)
    for command in (c for c in COMMANDS if "-o" in c):
        assert call("ngram", *command, "same", "--force").code == 0


@pytest.mark.parametrize(
    "command", ["info", "prune", "quantize", "mix", "export", "import", "top", "rescore"]
)
def test_help_has_an_example(call: Call, monkeypatch: pytest.MonkeyPatch, command: str) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    done = call("ngram", command, "--help")
    assert done.code == 0
    assert f"chainrule ngram {command}" in done.out.split("Example:")[1]


def test_models_of_two_texts_are_mixed_by_one_vocabulary(call: Call, trained: Path) -> None:
    Path("else.txt").write_text("the bird sat\nthe bird ran on\n" * 30)
    done = call("train", "else.txt", *SENTENCES, "--vocab", trained, "-o", "second")
    assert done.code == 0, done.err
    done = call("ngram", "mix", trained, "second", "--weights", "0.5,0.5", "-o", "both")
    assert done.code == 0, done.err
    lm, one, other = (chainrule.load(path) for path in ("both", trained, "second"))
    p = [10 ** each.score("sat", "the cat") for each in (one, other)]
    assert lm.score("sat", "the cat") == pytest.approx(math.log10(sum(p) / 2), abs=1e-4)
    for text in ("small.txt", "else.txt"):
        share = lm.overlap(Path(text).read_text())
        assert share is not None
        assert share > 0.9


def test_a_line_that_cannot_be_read_is_named(call: Call, trained: Path) -> None:
    done = call("ngram", "rescore", trained, stdin=b"the cat\n<s> the dog\n")
    assert done.code == 2
    assert "line 2: sentences: expected a text without <s> and </s>" in done.err
