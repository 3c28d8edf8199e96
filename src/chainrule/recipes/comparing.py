"""The ladder of models that `compare` climbs, from guessing to long short-term memory, and beyond."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, cast

import numpy as np

from chainrule.core import InputError, TokenModel
from chainrule.data.codec import Codec
from chainrule.data.dataset import Dataset, Part
from chainrule.data.partition import check_length
from chainrule.kernels.mixing import LARGEST
from chainrule.models.archive import describe_state, size
from chainrule.models.contexts import ContextMixing
from chainrule.models.mixture import LinearMixture
from chainrule.models.ngram import BackoffModel, NgramModel
from chainrule.models.recurrent import RecurrentModel
from chainrule.recipes.fitting import fit
from chainrule.recipes.networks import affordable, filled
from chainrule.recipes.online import learning, learns
from chainrule.recipes.recipe import ADAPTIVE, NETWORKS, Recipe
from chainrule.tasks.comparison import Candidate, CurvePoint, Fitted, Row, Scored, compare
from chainrule.tasks.evaluation import TextCounts, evaluate, surprisal
from chainrule.tasks.generation import Sampler, Sampling, generate

Tell = Callable[[float], None]
CHOOSING = 50_000  # validation tokens that weights and the members of a mixture are chosen on
WEIGHING = 20_000  # those that they are where the members learn
NAMES = {
    "witten-bell": "Witten-Bell",
    "absolute": "absolute-discounting",
    "kneser-ney": "Kneser-Ney",
    "modified-kneser-ney": "modified Kneser-Ney",
}


def ladder(data: Dataset, seed: int) -> list[Candidate]:
    """From guessing to long short-term memory, in the order of the lecture."""
    counted = [
        ("uniform", Recipe("uniform")),
        ("unigram", Recipe("unigram")),
        ("bigram", Recipe("bigram")),
        ("add-k", Recipe("ngram", smoothing="add-k")),
        ("Witten-Bell", Recipe("ngram", smoothing="witten-bell")),
    ]
    networks = [
        ("window MLP", Recipe("window", seed=seed)),
        ("RNN", Recipe("rnn", seed=seed)),
        ("GRU", Recipe("gru", seed=seed)),
        ("LSTM", Recipe("lstm", seed=seed)),
    ]
    return [
        *(Candidate(name, partial(_fit_candidate, recipe, data)) for name, recipe in counted),
        *(Candidate(name, partial(_fit_candidate, recipe, data), timed=True) for name, recipe in networks),
    ]


def together(data: Dataset, made: Sequence[Fitted]) -> list[Candidate]:
    """What follows the ladder: its best n-gram and its best recurrent network as one; and what learns while
    it reads, context mixing and all three. made: the models before, as they come to be."""

    def mixed(seconds: float, tell: Tell) -> Fitted:
        del seconds
        pair = best_pair(data, made)
        models = tuple(fitted.model for fitted in pair)
        model = LinearMixture.fit(models, data.valid.ids[:CHOOSING])
        tell(1.0)
        name = " + ".join(cast(str, fitted.name) for fitted in pair)
        return Fitted(model, describe_state(model), *size(model), 0, name=name)

    def adaptive(seconds: float, tell: Tell) -> Fitted:
        return _fit_candidate(Recipe(ADAPTIVE), data, seconds, tell)

    def everything(seconds: float, tell: Tell) -> Fitted:
        del seconds
        mixture = next(fitted.model for fitted in made if isinstance(fitted.model, LinearMixture))
        context_mixing = next(fitted.model for fitted in made if isinstance(fitted.model, ContextMixing))
        model = learning(mixture.models, context_mixing, data.valid.ids[:WEIGHING])
        tell(1.0)
        return Fitted(model, describe_state(model), *size(model), 0, name="all three")

    found = [Candidate("mixture", mixed)]
    if data.codec.vocab_size <= LARGEST:
        found += [Candidate("context mixing", adaptive), Candidate("all three", everything)]
    return found


def best_pair(data: Dataset, made: Sequence[Fitted]) -> tuple[Fitted, Fitted]:
    """The n-gram model and the recurrent network that predict the validation text best."""
    ids = data.valid.ids[:CHOOSING]
    counted = [fitted for fitted in made if isinstance(fitted.model, NgramModel | BackoffModel)]
    networks = [fitted for fitted in made if isinstance(fitted.model, RecurrentModel)]
    return (
        min(counted, key=lambda fitted: float(surprisal(fitted.model, ids).sum())),
        min(networks, key=lambda fitted: min((point.valid for point in fitted.curve), default=math.inf)),
    )


def _fit_candidate(recipe: Recipe, data: Dataset, seconds: float, tell: Tell) -> Fitted:
    timed = recipe.kind in NETWORKS
    fitted = fit(
        replace(recipe, seconds=seconds) if timed else recipe, data, lambda progress: tell(progress.done)
    )
    count, unit = size(fitted.model)
    name, curve, tokens, note = None, (), len(data.train.ids), None
    if recipe.kind == "ngram" and isinstance(fitted.model, NgramModel):
        name = f"{fitted.model.smoothing.name} {fitted.model.order}-gram"
    elif isinstance(fitted.model, BackoffModel):
        name = f"{NAMES[fitted.model.made_by]} {fitted.model.order}-gram"
    if fitted.training:
        if fitted.training.stopped == "interrupted":
            raise KeyboardInterrupt  # whoever presses Ctrl-C in a comparison wants it to end
        curve = tuple(CurvePoint(p.seconds, p.epoch, p.nats, p.valid) for p in fitted.training.history)
        tokens, note = fitted.training.tokens, fitted.training.advice
        if curve and curve[-1].epoch < 1:
            note = f"read {tokens:,} tokens, {curve[-1].epoch:.0%} of the training text: give it more time"
    return Fitted(fitted.model, describe_state(fitted.model), count, unit, tokens, curve, name, note)


def _kept(candidate: Candidate, made: list[Fitted]) -> Candidate:
    """The candidate, whose model is added to `made` when it is fitted."""

    def fitting(seconds: float, tell: Tell) -> Fitted:
        fitted = candidate.fit(seconds, tell)
        made.append(fitted._replace(name=fitted.name or candidate.name))
        return fitted

    return candidate._replace(fit=fitting)


def evaluate_part(model: TokenModel[Any], part: Part, codec: Codec, progress: Tell | None = None) -> Scored:
    """The evaluation of a stretch of text that `codec` encoded, read as one row."""
    nats = surprisal(model, part.ids, progress=progress)
    report = evaluate(
        nats,
        part.ids,
        TextCounts.of(part.text),
        model=model,
        tokenizer=codec.tokenizer.name,
        loses=codec.loses,
        unknown_id=codec.vocabulary.unknown_id,
    )
    return Scored(replace(report, online=learns(model)), nats)


def compare_models(
    data: Dataset,
    *,
    budget: float = 90.0,
    seed: int = 0,
    sample_length: int = 200,
    report: Callable[[str, float], None] | None = None,
) -> Iterator[Row]:
    """The ladder on a data set with a test part, and what its models are worth together: a row as soon as its
    model is done. Rows whose `held_out.online` is set are of models that learned as they read.

    Raises InputError when there is nothing to test or to validate on.
    """
    for name, part in (("validation", data.valid), ("test", data.test)):
        if not len(part.ids):
            raise InputError(f"{name} part: expected at least one token, got none; the text is too short")
    networks = Recipe(seconds=budget / 4)
    check_length(data.train.ids, cast(int, filled(networks, data)[0].steps))
    banned = () if data.codec.vocabulary.unknown_id is None else (data.codec.vocabulary.unknown_id,)
    prompt = data.test.ids[None, :20]
    if seed < 0:
        raise InputError(f"seed: expected 0 or more, got {seed}")
    draws = np.random.default_rng(seed)  # one stream for all, or unsure models would say the same

    trained_on = data.train.head(min(len(data.test.ids), affordable(data.codec.vocab_size)))
    scoring = None if report is None else partial(report, "scoring the held-out text")

    def draw_sample(model: TokenModel[Any]) -> str:
        choose = Sampler(Sampling(banned=banned), draws)
        ids = [int(tokens[0]) for tokens in generate(model, prompt, sample_length, choose)]
        return data.codec.decode(np.array(ids, dtype=np.int64))

    made: list[Fitted] = []
    return compare(
        [_kept(candidate, made) for candidate in (*ladder(data, seed), *together(data, made))],
        budget=budget,
        evaluate_train=lambda model: evaluate_part(model, trained_on, data.codec),
        evaluate_held_out=lambda model: evaluate_part(model, data.test, data.codec, scoring),
        draw_sample=draw_sample,
        rng=np.random.default_rng(seed),
        report=report,
    )
