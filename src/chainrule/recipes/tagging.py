"""A tagger from tagged sentences: vocabulary, tags, the recurrent network, and the baselines beside it."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from jaxtyping import Float64, Integer

from chainrule.core import InputError
from chainrule.data.bucketing import pad
from chainrule.data.tagged import Sentence
from chainrule.data.vocabulary import Vocabulary
from chainrule.models.encoder import Encoder
from chainrule.models.hmm import HiddenMarkov, fit_hidden_markov, viterbi
from chainrule.recipes.encoding import EncoderRecipe, FittedEncoder, Report, fit_encoder
from chainrule.tasks.tagging import has_spans

Array = np.ndarray
Ids = Integer[Array, " _"]
TagIds = Callable[[Sequence[Ids]], list[Ids]]
RECIPE = EncoderRecipe(head="each", dropout=0.3, epochs=8, batch=16, rate=4e-3, patience=3)
FEW = 1000  # sentences, below which batches are smaller
STEPS = 400  # of the optimiser: with few sentences more passes, up to MOST
MOST = 40
UNSEEN_STEP = -1e4  # nats: worse than any label, better than no path at all


def recipe_for(sentences: int, **settings: Any) -> EncoderRecipe:
    """How to train on so many sentences, where `settings` do not say: the fewer, the more passes."""
    batch = RECIPE.batch if sentences >= FEW else RECIPE.batch // 4
    epochs = min(MOST, max(RECIPE.epochs, -(-STEPS * batch // max(sentences, 1))))
    return replace(RECIPE, **({"batch": batch, "epochs": epochs} | settings))


@dataclass(frozen=True, eq=False)
class Steps:
    """What may begin a sentence [C], and which tag may follow which [C, C]: 0, or UNSEEN_STEP."""

    first: Float64[Array, " C"]
    follows: Float64[Array, "C C"]


@dataclass(frozen=True, eq=False)
class TagCodec:
    """Sentences as ids: tokens by the vocabulary, tags by their place in `tags`, the most frequent first."""

    vocabulary: Vocabulary
    tags: tuple[str, ...]

    @classmethod
    def fit(cls, sentences: Sequence[Sentence], min_freq: int) -> "TagCodec":
        """From the training part; raises InputError for fewer than two tags.

        A token seen less often than `min_freq` is unknown, so that training sees what an unknown one is like.
        """
        counts = Counter(tag for sentence in sentences for tag in sentence.tags)
        if len(counts) < 2:
            raise InputError(f"tags: expected at least 2 different ones, got {', '.join(counts) or 'none'}")
        tags = tuple(tag for _, tag in sorted((-count, tag) for tag, count in counts.items()))
        tokens = Counter(token for sentence in sentences for token in sentence.tokens)
        unknown = "<unk>"
        while unknown in tokens:
            unknown = f"<{unknown}>"
        return cls(Vocabulary.of(tokens, min_freq=min_freq, unknown=unknown), tags)

    def ids(self, sentences: Sequence[Sentence]) -> list[Ids]:
        return [self.vocabulary.encode(sentence.tokens).astype(np.int64) for sentence in sentences]

    def tag_ids(self, sentences: Sequence[Sentence]) -> list[Ids]:
        place = {tag: at for at, tag in enumerate(self.tags)}
        return [np.array([place[tag] for tag in sentence.tags], np.int64) for sentence in sentences]

    def names(self, found: Sequence[Ids]) -> list[list[str]]:
        return [[self.tags[i] for i in own.tolist()] for own in found]


def fit_network(
    sentences: Sequence[Sentence], codec: TagCodec, recipe: EncoderRecipe, report: Report | None = None
) -> FittedEncoder:
    """The recurrent network, one label a token."""
    return fit_encoder(
        codec.ids(sentences),
        codec.tag_ids(sentences),
        vocab_size=len(codec.vocabulary),
        classes=len(codec.tags),
        recipe=replace(recipe, head="each"),
        report=report,
    )


def seen_steps(sentences: Sequence[Sentence], codec: TagCodec) -> Steps | None:
    """Which tags followed one another in training; None where tags are no places: then any may."""
    if not has_spans(codec.tags):
        return None
    classes = len(codec.tags)
    first, follows = np.full(classes, UNSEEN_STEP), np.full((classes, classes), UNSEEN_STEP)
    for own in codec.tag_ids(sentences):
        first[own[:1]] = 0
        follows[own[:-1], own[1:]] = 0
    return Steps(first, follows)


def by_network(encoder: Encoder, steps: Steps | None, sentences: Sequence[Ids]) -> list[Ids]:
    """The likeliest tag of every token; of spans the likeliest sequence of steps that training has seen."""
    if not sentences:
        return []
    log_probs = encoder.predict(*pad(sentences))
    own = [rows[: len(ids)] for rows, ids in zip(log_probs, sentences, strict=True)]
    if steps is None:
        return [rows.argmax(axis=-1) for rows in own]
    return [viterbi(steps.first, steps.follows, rows) for rows in own]


def most_frequent(sentences: Sequence[Ids], tags: Sequence[Ids], vocab_size: int) -> TagIds:
    """The most frequent tag of each token by itself; of an unknown one, that of the rare tokens."""
    counts = np.zeros((vocab_size, max(int(own.max(initial=0)) for own in tags) + 1), np.int64)
    for ids, own in zip(sentences, tags, strict=True):
        np.add.at(counts, (ids, own), 1)
    best = counts.argmax(axis=1)
    return lambda others: [best[ids] for ids in others]


def baselines(sentences: Sequence[Sentence], codec: TagCodec) -> dict[str, TagIds]:
    """By name, what the network is held against; counted on the same sentences, over the same vocabulary."""
    ids, tags = codec.ids(sentences), codec.tag_ids(sentences)
    markov: HiddenMarkov = fit_hidden_markov(ids, tags, len(codec.vocabulary), len(codec.tags))
    return {
        "most frequent tag": lambda others: [np.zeros(len(own), np.int64) for own in others],
        "most frequent tag of the token": most_frequent(ids, tags, len(codec.vocabulary)),
        "hidden Markov model": lambda others: [markov.tags(own) for own in others],
    }
