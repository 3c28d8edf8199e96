"""Models on the page: their files, their hidden states over a text, and the table that compares them.

Shape letters: T tokens, H hidden units.
"""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from chainrule.core import InputError
from chainrule.data.reading import read_text
from chainrule.language_model import LanguageModel, load
from chainrule.models.archive import plain
from chainrule.models.recurrent import RecurrentModel
from chainrule.recipes import Recipe, evaluate_part, fit

Array = np.ndarray
SCORED = 20_000  # held-out tokens of the text that the table is about
PICTURED = 160  # tokens of the picture of hidden states
ORDER = 5
BASELINES = {
    "uniform": Recipe("uniform"),
    "unigram": Recipe("unigram"),
    f"{ORDER}-gram": Recipe("ngram", order=ORDER),
}


@lru_cache(maxsize=16)
def _opened(path: str, changed: int) -> LanguageModel:
    del changed  # a file that is written anew is read anew
    return load(path)


def opened(paths: Sequence[str]) -> dict[str, LanguageModel]:
    """Models by the names of their files; two of one name are told apart by their folders.

    Raises InputError for a file that is not there or not a model.
    """
    found: dict[str, LanguageModel] = {}
    for path in paths:
        name = Path(path).name.removesuffix(".chainrule")
        changed = Path(path).stat().st_mtime_ns if Path(path).exists() else 0
        found[str(path) if name in found else name] = _opened(str(path), changed)
    return found


def hidden_states(lm: LanguageModel, text: str) -> tuple[list[str], Float[Array, "T H"]]:
    """The tokens of a text and what the top layer holds after each.

    Raises InputError for a text without a token, and for a model without a vector as its state.
    """
    model = plain(lm.model)
    if not isinstance(model, RecurrentModel):
        raise InputError(
            f"hidden state: expected a recurrent network, got a model whose state is: {lm.state}"
        )
    tokens = list(lm.codec.split(text))[:PICTURED]
    if not tokens:
        raise InputError("text: expected at least one token, got none")
    ids = lm.codec.vocabulary.encode(tokens)
    state, vectors = model.start(1), []
    for i in ids:
        state = model.advance(state, np.array([i]))
        vectors.append(model.arch.cell.output(state[-1])[0])
    join = lm.codec.tokenizer.join
    return [join([token]) for token in tokens], np.stack(vectors)


class Line(NamedTuple):
    """A row of the table. overlap: the share of the text that the model was trained on, None if not known."""

    name: str
    bits_per_character: float
    perplexity: float
    unknown: int
    overlap: float | None


def compared(text: str, models: Mapping[str, LanguageModel]) -> list[Line]:
    """Every model on the last tenth of the text, best first, beside baselines that were fitted on the rest.

    Raises InputError for a text that is too short to hold some of it out."""
    data = read_text(text)
    test = data.test.head(SCORED)
    if not test.text or len(data.train.ids) < ORDER:
        raise InputError("text: expected one long enough to hold a tenth of it out, got a shorter one")
    lines: list[Line] = []
    for name, recipe in BASELINES.items():
        report = evaluate_part(fit(recipe, data).model, test, data.codec).report
        lines.append(Line(name, report.bits_per_character, report.perplexity, report.unknown, 0.0))
    for name, lm in models.items():
        report = lm.evaluate(test.text)
        overlap = lm.overlap(test.text)
        lines.append(Line(name, report.bits_per_character, report.perplexity, report.unknown, overlap))
    return sorted(lines, key=lambda line: line.bits_per_character)
