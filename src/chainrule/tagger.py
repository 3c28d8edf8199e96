"""What a user holds to label every token: a recurrent network read both ways, its vocabulary and its tags.

tagger = Tagger.fit(sentences);  tagger.predict([["Alice", "slept"]]);  tagger.evaluate(others)
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from chainrule.core import FileFormatError, InputError
from chainrule.data.tagged import FORMS, Sentence, check_form, read_bare, write_tagged
from chainrule.data.vocabulary import Vocabulary
from chainrule.files import read_arrays, write_arrays
from chainrule.models.encoder import Encoder
from chainrule.recipes.encoding import EncoderRecipe, Report
from chainrule.recipes.tagging import (
    Steps,
    TagCodec,
    baselines,
    by_network,
    fit_network,
    recipe_for,
    seen_steps,
)
from chainrule.tasks.tagging import TagScores, score_tags

KIND = "tagger"
NETWORK = "recurrent network"
Pairs = Sequence[Sequence[Any]]  # of pairs (token, tag), or of what data.tagged reads
OWN = frozenset(field.name for field in fields(EncoderRecipe)) - {"head"}


@dataclass(frozen=True, eq=False)
class Tagger:
    """steps: which tags may follow which, of spans. form: how texts are read and written, see
    `chainrule.data.tagged`. card: what is known of the training."""

    model: Encoder
    codec: TagCodec
    steps: Steps | None
    form: str
    card: Mapping[str, Any]

    @classmethod
    def fit(
        cls,
        sentences: Pairs,
        *,
        form: str = "columns",
        min_freq: int = 2,
        report: Report | None = None,
        **settings: Any,
    ) -> "Tagger":
        """Train on sentences: lists of (token, tag), or what `chainrule.data.tagged` reads.

        min_freq: rarer tokens are unknown. settings: fields of `chainrule.recipes.encoding.EncoderRecipe`,
        which `chainrule.recipes.tagging.recipe_for` chooses where they are left out.
        Raises InputError for what cannot be used: no sentence, a single tag, tags that do not match tokens.
        """
        unknown = settings.keys() - OWN
        if unknown:
            raise InputError(
                f"fit: expected settings among {', '.join(sorted(OWN))}; got {', '.join(unknown)}"
            )
        made = as_sentences(sentences)
        codec = TagCodec.fit(made, min_freq)
        recipe = recipe_for(len(made), **settings)
        fitted = fit_network(made, codec, recipe, report)
        card = {
            "chainrule": version("chainrule"),
            "recipe": asdict(recipe),
            "sentences": len(made),
            "tokens": sum(len(sentence.tokens) for sentence in made),
            "held_back": fitted.held_back,
            "stopped": fitted.training.stopped,
            "seconds": fitted.training.seconds,
        }
        return cls(fitted.model, codec, seen_steps(made, codec), check_form(form), card)

    def predict(self, sentences: Sequence[Sequence[str]]) -> list[list[str]]:
        """A tag for every token."""
        if isinstance(sentences, str) or any(isinstance(sentence, str) for sentence in sentences):
            raise InputError("predict: expected lists of tokens, got a text; `read` takes one")
        ids = self.codec.ids([Sentence(list(tokens), []) for tokens in sentences])
        return self.codec.names(by_network(self.model, self.steps, ids))

    def read(self, text: str) -> str:
        """A bare text as it is with its tags: columns, words set apart, or capitals and marks put back."""
        bare = [sentence.tokens for sentence in read_bare(text, self.form).sentences]
        found = self.predict(bare)
        return write_tagged([Sentence(*pair) for pair in zip(bare, found, strict=True)], self.form)

    def evaluate(self, sentences: Pairs) -> TagScores:
        """How good its tags are on sentences with true ones; tags that training never saw count as wrong."""
        made = as_sentences(sentences)
        found = self.predict([sentence.tokens for sentence in made])
        truth = [sentence.tags for sentence in made]
        return score_tags(truth, found, known=self.codec.tags, usual=self.codec.tags[0])

    def save(self, path: str | Path) -> None:
        """Write one file, whole or not at all; raises RunError when the disk refuses."""
        settings, arrays = self.model.to_arrays()
        vocabulary = self.codec.vocabulary
        header = {
            "kind": KIND,
            "settings": settings,
            "form": self.form,
            "unknown": vocabulary.unknown,
            "tags": list(self.codec.tags),
            "card": dict(self.card),
        }
        stored = {f"model.{name}": array for name, array in arrays.items()}
        stored["vocabulary"] = np.frombuffer(json.dumps(vocabulary.tokens).encode(), np.uint8)
        if self.steps is not None:
            stored |= {"steps.first": self.steps.first, "steps.follows": self.steps.follows}
        write_arrays(Path(path), stored, header)


def beside_baselines(tagger: Tagger, training: Pairs, test: Pairs) -> dict[str, TagScores]:
    """The scores of what is counted on the training sentences, and of the tagger, on the same test ones."""
    own, others = as_sentences(training), as_sentences(test)
    codec = tagger.codec
    truth, ids = [sentence.tags for sentence in others], codec.ids(others)
    scores = {
        name: score_tags(truth, codec.names(tags(ids)), known=codec.tags, usual=codec.tags[0])
        for name, tags in baselines(own, codec).items()
    }
    return scores | {NETWORK: tagger.evaluate(others)}


def load_tagger(path: str | Path) -> Tagger:
    """A tagger that `save` wrote; raises FileFormatError for another, damaged or newer file, InputError when
    there is none."""
    path = Path(path)
    arrays, header = read_arrays(path)
    if header.get("kind") != KIND:
        raise FileFormatError(f"{path}: expected a tagger, got another model")
    try:
        return _restored(arrays, header)
    except FileFormatError as error:
        raise FileFormatError(f"{path}: {error}") from error
    except (KeyError, TypeError, ValueError, ArithmeticError, AttributeError, RecursionError) as error:
        raise FileFormatError(f"{path}: the tagger's description is damaged ({error!r})") from error


def as_sentences(sentences: Pairs) -> list[Sentence]:
    """Lists of (token, tag) as sentences; raises InputError for what is no sentence with its tags."""
    made: list[Sentence] = []
    for at, one in enumerate(sentences):
        try:
            own = one if isinstance(one, Sentence) else Sentence(*map(list, zip(*one, strict=True)))
        except (TypeError, ValueError) as error:
            raise InputError(
                f"sentence {at}: expected pairs of a token and a tag, got {one!r:.60}"
            ) from error
        if len(own.tokens) != len(own.tags):
            raise InputError(f"sentence {at}: expected {len(own.tokens)} tags, got {len(own.tags)}")
        made.append(own)
    if not made:
        raise InputError("sentences: expected at least one with its tags, got none")
    return made


def _restored(arrays: dict[str, np.ndarray], header: dict[str, Any]) -> Tagger:
    """The tagger of a file's parts, each of which may be anything."""
    tokens: list[Any] = json.loads(arrays["vocabulary"].tobytes())
    tags: list[Any] = header["tags"]
    for name, strings in (("vocabulary", tokens), ("tags", tags)):
        if set(map(type, strings)) - {str} or len(set(strings)) != len(strings):
            raise FileFormatError(f"expected {name} of different strings, got something else")
    if header["unknown"] not in tokens:
        raise FileFormatError("expected the unknown symbol in the vocabulary, found none")
    if header["form"] not in FORMS or not isinstance(header["card"], dict):
        raise FileFormatError(f"expected one of the forms {', '.join(FORMS)} and a card, got something else")
    own = {name.removeprefix("model."): a for name, a in arrays.items() if name.startswith("model.")}
    model = Encoder.from_arrays(header["settings"], own)
    if model.design.head.name != "each" or (model.vocab_size, model.classes) != (len(tokens), len(tags)):
        raise FileFormatError(
            f"expected an encoder of {len(tokens)} tokens and {len(tags)} tags, got another"
        )
    steps = None
    if "steps.first" in arrays:
        steps = Steps(arrays["steps.first"], arrays["steps.follows"])
        shapes = steps.first.shape, steps.follows.shape
        if (
            shapes != ((len(tags),), (len(tags),) * 2)
            or np.isnan([steps.first.sum(), steps.follows.sum()]).any()
        ):
            raise FileFormatError("expected steps between the tags, got something else")
    codec = TagCodec(Vocabulary(tuple(tokens), header["unknown"]), tuple(tags))
    return Tagger(model, codec, steps, header["form"], header["card"])
