"""Models on the page: files, hidden states, the table."""

from pathlib import Path

import numpy as np
import pytest

import chainrule
from chainrule import LanguageModel
from chainrule.core import FileFormatError, InputError
from chainrule.lab.models import PICTURED, compared, hidden_states, opened

TEXT = chainrule.load_corpus("pydocs").text[:20_000]


@pytest.fixture(scope="module")
def gru() -> LanguageModel:
    return LanguageModel.fit(TEXT, model="gru", hidden=8, epochs=1)


def test_models_by_the_names_of_their_files(gru: LanguageModel, tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    paths = [str(tmp_path / "a.chainrule"), str(tmp_path / "b" / "a.chainrule")]
    for path in paths:
        gru.save(path)
    assert list(opened(paths)) == ["a", paths[1]]
    assert opened(paths[:1])["a"] is opened(paths[:1])["a"]
    (tmp_path / "bad.chainrule").write_bytes(b"nothing of the kind")
    with pytest.raises(FileFormatError, match=r"bad\.chainrule"):
        opened([str(tmp_path / "bad.chainrule")])
    with pytest.raises(InputError, match="nowhere"):
        opened(["nowhere.chainrule"])


def test_hidden_states_are_what_the_output_sees(gru: LanguageModel) -> None:
    tokens, hidden = hidden_states(gru, "The value of ")
    assert tokens == list("The value of ")
    assert hidden.shape == (13, 8)
    state = gru.model.score(gru.model.start(1), gru.codec.encode("The value of ")[None])[1]
    np.testing.assert_allclose(hidden[-1], state[-1][0], atol=1e-6)
    assert len(hidden_states(gru, "a" * 1000)[0]) == PICTURED
    with pytest.raises(InputError, match="expected at least one token"):
        hidden_states(gru, "")
    with pytest.raises(InputError, match="expected a recurrent network, got a model whose state is"):
        hidden_states(LanguageModel.fit(TEXT, model="ngram", order=2), "a")


def test_the_table_is_held_out_and_says_who_was_trained_on_it(gru: LanguageModel) -> None:
    cheat = LanguageModel.fit(TEXT, model="ngram", order=4, valid=0.0, test=0.0)
    lines = {line.name: line for line in compared(TEXT, {"gru": gru, "cheat": cheat})}
    assert list(lines) == sorted(lines, key=lambda name: lines[name].bits_per_character)
    assert lines["5-gram"].bits_per_character < lines["unigram"].bits_per_character
    assert lines["unigram"].bits_per_character < lines["uniform"].bits_per_character
    assert lines["cheat"].overlap == pytest.approx(1)
    assert lines["gru"].overlap is not None
    assert lines["gru"].overlap < 0.1
    assert gru.held_out is not None
    assert lines["gru"].bits_per_character == pytest.approx(gru.held_out["bits_per_character"])
    with pytest.raises(InputError, match="long enough"):
        compared("abc", {})
