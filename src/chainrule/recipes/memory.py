"""How much memory the training of a network takes, said before it starts.

    bytes = 4 (weights x copies + B T (2 G + 6 H) L + logits in flight x blocks)

Shape letters: B batch, T time, H hidden, G gates times H, L layers.
"""

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import cast

from chainrule.core import InputError
from chainrule.models.ngram.memory import memory_here
from chainrule.models.recurrent import make_cell
from chainrule.models.recurrent.network import Architecture, check_architecture, parameter_shapes
from chainrule.recipes.choice import GATES
from chainrule.recipes.engines import world_size
from chainrule.recipes.recipe import Recipe

COPIES = 8  # weights, gradients of two blocks of rows, Adam's averages, last good, best, the model validated
IN_FLIGHT = 1 << 22  # logits: larger batches are taken in blocks
NUMBER = 4  # bytes
OWN = 200_000_000  # bytes: the program itself, and what validation takes


def memory_needed(recipe: Recipe, tokens: int, vocab_size: int) -> int:
    """Bytes, roughly, of a recipe without blanks."""
    hidden, embedding = cast(int, recipe.hidden), cast(int, recipe.embedding)
    batch, steps = cast(int, recipe.batch), cast(int, recipe.steps)
    rows = max(1, min(batch, (tokens - 1) // max(steps, 1)))  # a text fills so many at most
    read = rows * steps
    if recipe.kind == "window":
        width = recipe.window * embedding
        weights = (vocab_size + 1) * embedding + width * hidden + hidden * vocab_size
        kept = read * (2 * width + 3 * hidden + 2 * vocab_size)
    else:
        weights = sum(
            math.prod(shape)
            for shape in parameter_shapes(_architecture(recipe, vocab_size), vocab_size).values()
        )
        wide = (2 * GATES[recipe.kind] + 6) * hidden
        kept = read * (recipe.layers * wide + 3 * embedding) + 3 * min(read * vocab_size, IN_FLIGHT)
    if recipe.engine == "torch":  # which holds logits and one-hot vectors of all steps at once
        kept += read * vocab_size * (4 if embedding else 7)
    copies, ranks = COPIES + 2 * bool(recipe.average), world_size()
    return NUMBER * (weights * copies * ranks + kept + 3 * tokens * ranks) + OWN * ranks


def _architecture(recipe: Recipe, vocab_size: int) -> Architecture:
    hidden, embedding = cast(int, recipe.hidden), cast(int, recipe.embedding)
    arch = Architecture(
        make_cell(recipe.kind),
        recipe.layers,
        hidden,
        embedding,
        recipe.tied,
        recipe.layer_norm,
        tuple(recipe.cutoffs or ()),
    )
    return check_architecture(arch, vocab_size)


def memory_free() -> int | None:
    """Bytes that are free, or would be made free, on this machine; None where it does not say."""
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:"))
    except (OSError, ValueError, IndexError, StopIteration):
        return memory_here()


def check_memory(recipe: Recipe, tokens: int, vocab_size: int) -> None:
    """Raises InputError when training would take more than is free, and names options that would make it fit.

    `recipe` has no blanks.
    """
    needed, free = memory_needed(recipe, tokens, vocab_size), memory_free()
    if free is None or needed <= free:
        return

    def largest(name: str) -> int | None:
        def fits(value: int) -> bool:
            changed = replace(recipe, **{name: value})
            if recipe.tied and name == "hidden":
                changed = replace(changed, embedding=value)
            return memory_needed(changed, tokens, vocab_size) <= free

        return _largest(fits, getattr(recipe, name))

    found = {name: largest(name) for name in ("batch", "steps", "hidden")}
    fitting = [f"--{name} {value}" for name, value in found.items() if value]
    *others, last = fitting or ["a smaller vocabulary"]
    raise InputError(
        f"memory: training may take {needed / 1e9:,.1f} GB, {free / 1e9:,.1f} GB are free: "
        f"{', '.join(others)}{' or ' if others else ''}{last} would fit"
    )


def _largest(fits: Callable[[int], bool], below: int) -> int | None:
    """The largest power of two below a value that fits; None where not even 1 does."""
    value = 1 << (max(below - 1, 0).bit_length() - 1) if below > 1 else 0
    while value and not fits(value):
        value //= 2
    return value or None
