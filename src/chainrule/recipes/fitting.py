"""From a recipe to a model, whatever its kind."""

from collections.abc import Callable
from dataclasses import replace

from chainrule.data.dataset import Dataset
from chainrule.models.uniform import Uniform
from chainrule.recipes.adaptive import read
from chainrule.recipes.counted import count
from chainrule.recipes.engines import check_engine
from chainrule.recipes.networks import learn
from chainrule.recipes.recipe import FitResult, Recipe, check_settings
from chainrule.training import Progress
from chainrule.training.records import RunFiles


def check(recipe: Recipe) -> None:
    """Raises InputError for what can be seen to have no meaning before there is a text."""
    check_engine(recipe)
    check_settings(recipe)


def fit(
    recipe: Recipe,
    data: Dataset,
    report: Callable[[Progress], None] | None = None,
    *,
    note: Callable[[str], None] | None = None,
    files: RunFiles = RunFiles(),  # noqa: B008 - an immutable value
) -> FitResult:
    """Fit the recipe's model on the training part of `data`; raises InputError for what has no meaning.

    report: told how far it is. note: told, once all was checked, what was chosen where a network's recipe
    left it open, and why. files: what a network's training leaves beside its model, and goes on from.
    """
    check(recipe)
    match recipe.kind:
        case "uniform":
            return FitResult(Uniform(data.codec.vocab_size), recipe)
        case "unigram" | "bigram":
            recipe = replace(recipe, order=1 if recipe.kind == "unigram" else 2, smoothing="add-k", k=1.0)
            return count(recipe, data, report)
        case "ngram":
            return count(recipe, data, report)
        case "contexts":
            return read(recipe, data)
        case _:
            return learn(recipe, data, report, note, files)
