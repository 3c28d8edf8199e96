"""What a file says of its model besides the numbers: where it came from and how good it was, as JSON."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from importlib.metadata import version
from typing import Any

from chainrule.data.dataset import Dataset, Part
from chainrule.recipes.mixing import Weighed
from chainrule.recipes.recipe import FitResult, Recipe
from chainrule.tasks.evaluation import Evaluation, finite_or_name

CARD = {"chainrule", "corpus", "recipe", "split", "held_out", "overlap", "training"}
Card = dict[str, Any]


def extent(part: Part) -> dict[str, int]:
    """How long a part is."""
    return {"characters": len(part.text), "tokens": len(part.ids)}


def fitted_card(
    name: str, data: Dataset, fitted: FitResult, held_out: Evaluation | None, overlap: float | None
) -> Card:
    """Of a model that was fitted here."""
    training = fitted.training
    return {
        "chainrule": version("chainrule"),
        "corpus": name,
        "recipe": asdict(fitted.recipe),
        "split": {"train": extent(data.train), "valid": extent(data.valid), "test": extent(data.test)},
        "held_out": None if held_out is None else held_out.as_dict(),
        "overlap": overlap,
        "discounts": [asdict(discounts) for discounts in fitted.discounts],
        "training": training
        and {
            "stopped": training.stopped,
            "advice": training.advice,
            "seconds": training.seconds,
            "log": [{k: finite_or_name(v) for k, v in point._asdict().items()} for point in training.history],
        },
    }


def mixture_card(
    cards: Sequence[Mapping[str, Any]],
    weighed: Weighed,
    split: Mapping[str, Part],
    held_out: Evaluation | None,
    overlap: float | None,
) -> Card:
    """Of a mixture of models that have cards. split: the parts that weights and figures are of."""
    weights = weighed.model.weights[0].tolist()
    members = [
        {
            "weight": weight,
            "valid_bits_per_character": finite_or_name(bits),
            "recipe": card["recipe"],
            "corpus": card["corpus"],
            "members": card.get("members", []),
        }
        for weight, bits, card in zip(weights, weighed.members, cards, strict=True)
    ]
    return {
        **dict.fromkeys(CARD, None),
        "chainrule": version("chainrule"),
        "corpus": ", ".join(dict.fromkeys(str(card["corpus"]) for card in cards)),
        "recipe": {"kind": "mixture"},
        "valid_bits_per_character": finite_or_name(weighed.together),
        "split": {name: extent(part) for name, part in split.items()},
        "held_out": None if held_out is None else held_out.as_dict(),
        "overlap": overlap,
        "discounts": [],
        "members": members,
    }


def imported_card(name: str, order: int | None) -> Card:
    """Of an n-gram model that others made, of whose training nothing is known."""
    nothing = {"characters": 0, "tokens": 0}
    return {
        **dict.fromkeys(CARD, None),
        "chainrule": version("chainrule"),
        "corpus": name,
        "recipe": asdict(Recipe("ngram", order=order, smoothing="imported")),
        "split": {"train": nothing, "valid": nothing, "test": nothing},
        "discounts": [],
    }
