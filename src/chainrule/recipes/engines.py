"""What computes a recurrent network: chainrule's own loops, or PyTorch, in one process or several."""

import os
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any, NamedTuple

from chainrule.core import InputError, Learner, TokenModel
from chainrule.models.recurrent import RecurrentLearner
from chainrule.recipes.recipe import ENGINES, IN_TORCH, Recipe

AnyLearner = Learner[Any, TokenModel[Any]]
Figure = Callable[[Any], float]


class Engine(NamedTuple):
    """What a run is driven by. leads: whether it is this process that writes files. clock: seconds. agreed: a
    figure of a model, the same in every process. same: raises RunError where they are at different steps."""

    learner: AnyLearner
    leads: bool = True
    clock: Callable[[], float] = time.monotonic
    agreed: Callable[[Figure], Figure] = lambda figure: figure
    same: Callable[[int], None] = lambda _: None


def processes() -> int:
    """How many processes torchrun started, as the environment says; 1 without it."""
    return _number("WORLD_SIZE", 1)


def follows() -> bool:
    """Whether this is one of several processes, and another writes and tells."""
    return processes() > 1 and _number("RANK", 0) > 0


def _number(name: str, otherwise: int) -> int:
    told = os.environ.get(name, "")
    return int(told) if told.isascii() and told.isdecimal() else otherwise


def check_engine(recipe: Recipe) -> None:
    """Raises InputError for an engine that does not compute such a recipe."""
    if recipe.engine not in ENGINES:
        raise InputError(f"engine: expected one of {', '.join(ENGINES)}, got {recipe.engine!r}")
    if recipe.engine == "torch" and recipe.kind not in IN_TORCH:
        raise InputError(f"engine torch: expected one of {', '.join(IN_TORCH)}, got {recipe.kind}")
    if recipe.engine == "scratch" and (recipe.device is not None or recipe.compiled):
        option = "compiled" if recipe.device is None else f"device {recipe.device}"
        raise InputError(f"{option}: expected the engine torch, got scratch")


@contextmanager
def engine_of(
    recipe: Recipe, learner: AnyLearner, note: Callable[[str], None] | None = None
) -> Generator[Engine]:
    """The engine of a recipe, going on from a learner as it starts out.

    Raises InputError for what the engine does not have, RunError when other processes cannot be reached.
    """
    if recipe.engine == "scratch" or not isinstance(learner, RecurrentLearner):
        yield Engine(learner)
        return
    from chainrule.models.concise import TorchLearner, find_device
    from chainrule.models.concise.compiling import compile_if_faster
    from chainrule.models.concise.processes import sharing

    device = recipe.device or "auto"
    if processes() > 1 and find_device(device).type == "cuda":
        device = f"cuda:{_number('LOCAL_RANK', 0)}"
    twin = TorchLearner(learner, device=device)
    if recipe.compiled:
        said = compile_if_faster(twin, recipe.batch or 1, recipe.steps or 1)
        if note:
            note(said)
    if processes() == 1:
        yield Engine(twin)
        return
    with sharing(twin) as shared:
        yield Engine(shared, shared.processes.rank == 0, shared.clock, shared.agreed, shared.same)
