"""What computes a recurrent network: chainrule's own loops, or PyTorch, in one process or several."""

import hashlib
import json
import os
import time
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple

from chainrule.core import InputError, Learner, TokenModel
from chainrule.models.recurrent import RecurrentLearner
from chainrule.recipes.recipe import ENGINES, IN_TORCH, Recipe

AnyLearner = Learner[Any, TokenModel[Any]]
Figure = Callable[[Any], float]


class Engine(NamedTuple):
    """What a run is driven by. leads: whether it is this process that writes files. clock: seconds. agreed: a
    figure of a model, the same in every process."""

    learner: AnyLearner
    leads: bool = True
    clock: Callable[[], float] = time.monotonic
    agreed: Callable[[Figure], Figure] = lambda figure: figure


def world_size() -> int:
    """How many processes torchrun (or who speaks as it does) started; 1 without it."""
    return _number("WORLD_SIZE", 1) if {"RANK", "MASTER_ADDR"} <= os.environ.keys() else 1


def follows() -> bool:
    """Whether this is one of several processes, and another writes and tells."""
    return world_size() > 1 and _number("RANK", 0) > 0


def _number(name: str, otherwise: int) -> int:
    told = os.environ.get(name, "")
    return int(told) if told.isascii() and told.isdecimal() else otherwise


def check_device(engine: str, device: str | None) -> None:
    """Raises InputError for an engine that there is not, and for a device of one that has none."""
    if engine not in ENGINES:
        raise InputError(f"engine: expected one of {', '.join(ENGINES)}, got {engine!r}")
    if engine == "scratch" and device is not None:
        raise InputError(f"device {device}: expected the engine torch, got scratch")


def check_engine(recipe: Recipe) -> None:
    """Raises InputError for an engine that does not compute such a recipe."""
    check_device(recipe.engine, recipe.device)
    if recipe.engine == "torch" and recipe.kind not in IN_TORCH:
        raise InputError(f"engine torch: expected one of {', '.join(IN_TORCH)}, got {recipe.kind}")
    if recipe.engine == "scratch" and recipe.compiled:
        raise InputError("compiled: expected the engine torch, got scratch")


@contextmanager
def engine_of(
    recipe: Recipe,
    learner: AnyLearner,
    note: Callable[[str], None] | None = None,
    *,
    step: int = 0,
    made_of: Mapping[str, Any] | None = None,
) -> Generator[Engine]:
    """The engine of a recipe, going on from a learner as it starts out. step, made_of: where the run stands
    and what it is made of, which several processes must agree about.

    Raises InputError for what the engine does not have, RunError when other processes cannot be reached.
    """
    if recipe.engine == "scratch" or not isinstance(learner, RecurrentLearner):
        yield Engine(learner)
        return
    from chainrule.models.concise import TorchLearner
    from chainrule.models.concise.compiling import compile_if_faster
    from chainrule.models.concise.processes import sharing

    ranks = world_size()
    twin = TorchLearner(learner, device=_device(recipe.device or "auto", ranks))
    rows, steps = max(1, (recipe.batch or 1) // ranks), recipe.steps or 1
    if ranks == 1:
        if recipe.compiled:
            _say(note, compile_if_faster(twin, rows, steps))
        yield Engine(twin)
        return
    with sharing(twin, step, _digest(made_of or {})) as shared:
        if recipe.compiled:
            _say(note, compile_if_faster(twin, rows, steps, shared.of_first))
        yield Engine(shared, shared.processes.rank == 0, shared.clock, shared.agreed)


def _device(name: str, ranks: int) -> str:
    """Several processes on a machine take a GPU each."""
    from chainrule.models.concise import find_device

    if ranks == 1 or find_device(name).type == "cpu":
        return name
    if ":" in name:
        raise InputError(f"device: expected cuda, of which each process takes its own, got {name}")
    return f"cuda:{_number('LOCAL_RANK', 0)}"


def _digest(made_of: Mapping[str, Any]) -> int:
    """48 bits, which a double holds."""
    told = json.dumps(made_of, sort_keys=True).encode()
    return int.from_bytes(hashlib.sha256(told).digest()[:6], "big")


def _say(note: Callable[[str], None] | None, sentence: str) -> None:
    if note:
        note(sentence)
