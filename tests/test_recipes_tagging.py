"""Recipes of taggers: fewer sentences, more passes."""

from chainrule.recipes.tagging import MOST, RECIPE, recipe_for


def test_few_sentences_are_read_more_often() -> None:
    assert recipe_for(10_000) == RECIPE
    assert recipe_for(100).epochs == 16
    assert recipe_for(1).epochs == MOST
    assert recipe_for(100).batch == 4
    assert recipe_for(100, epochs=3, seed=2).epochs == 3
