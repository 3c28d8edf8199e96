"""Which model for this text, how big, and how it is trained; and the ladder of models that `compare` climbs.

A recipe is a value. What it leaves open (None) is chosen from the size of the text, or, for n-grams, on the
validation part; the filled-in recipe comes back with the model.
"""

from chainrule.recipes.choice import Choice, choose
from chainrule.recipes.comparing import compare_models, evaluate_part, ladder
from chainrule.recipes.engines import check_device, follows, world_size
from chainrule.recipes.fitting import check, fit
from chainrule.recipes.networks import affordable, filled, find_rate
from chainrule.recipes.recipe import (
    COUNTED,
    ENGINES,
    HIGHEST_ORDER,
    KINDS,
    NETWORKS,
    OPTIMIZERS,
    RECURRENT,
    SCHEDULES,
    SMOOTHINGS,
    FitResult,
    Recipe,
)

__all__ = [
    "COUNTED",
    "ENGINES",
    "HIGHEST_ORDER",
    "KINDS",
    "NETWORKS",
    "OPTIMIZERS",
    "RECURRENT",
    "SCHEDULES",
    "SMOOTHINGS",
    "Choice",
    "FitResult",
    "Recipe",
    "affordable",
    "check",
    "check_device",
    "choose",
    "compare_models",
    "evaluate_part",
    "filled",
    "find_rate",
    "fit",
    "follows",
    "ladder",
    "world_size",
]
