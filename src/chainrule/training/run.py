"""Where a training run stands, as one value: all that must be kept so that it can go on as if never stopped.

    run = place in the data, random states, weights and what was derived of them, figures so far

`pack` makes plain arrays and facts of it, which a file can hold; `unpack` puts them back where they were.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, NamedTuple, TypeVar, cast

import numpy as np
from jaxtyping import Float

from chainrule.core import FileFormatError, InputError, Learner, leaves
from chainrule.training.optimizers import Optimizer, OptimizerState
from chainrule.training.schedules import Plateau

Array = np.ndarray
Weights = dict[str, Float[Array, "..."]]
Model = TypeVar("Model")
LN2 = math.log(2)


class Point(NamedTuple):
    """One row of the log. epoch: epochs done. nats: mean training loss per token since the row before.

    valid: nats per token on the validation part, nan without one. norm: mean gradient norm before clipping.
    """

    epoch: float
    step: int
    seconds: float
    tokens: int
    nats: float
    valid: float
    norm: float
    rate: float


class Density(NamedTuple):
    """Tokens per character of the training part and of the validation part: 1 where tokens are characters."""

    train: float = 1.0
    valid: float = 1.0


class Progress(NamedTuple):
    """Where a run stands: the share that is done, 0 to 1, and its last figures.

    nats, valid: per token, in the step just taken and at the last validation. norm: of that step's gradient.
    tokens_per_second: of late, without the time that validation takes. left: seconds, if all goes on as it
    went so far. density: of the parts, set by whoever knows their text. nan: not known.
    """

    done: float
    epoch: int
    nats: float
    valid: float
    norm: float = math.nan
    tokens_per_second: float = math.nan
    left: float = math.nan
    density: Density = Density()

    @property
    def train_bits(self) -> float:
        """Bits per character in training."""
        return self.nats / LN2 * self.density.train

    @property
    def valid_bits(self) -> float:
        """Bits per character on the validation part."""
        return self.valid / LN2 * self.density.valid


@dataclass(frozen=True)
class Training(Generic[Model]):
    """What a run gave. stopped: why it ended (finished, early, time, interrupted, diverged)."""

    model: Model
    history: tuple[Point, ...]
    stopped: str
    advice: str | None = None

    @property
    def seconds(self) -> float:
        return self.history[-1].seconds if self.history else 0.0

    @property
    def tokens(self) -> int:
        """Tokens trained on, counted as often as they were read."""
        return self.history[-1].tokens if self.history else 0


class Limits(NamedTuple):
    """How long to train. patience: validations in a row without a better one before it stops.

    seconds: a limit of time, None for none.
    """

    epochs: int = 10
    patience: int = 3
    seconds: float | None = None

    def check(self) -> None:
        """Raises InputError for limits that allow nothing."""
        if self.epochs < 1:
            raise InputError(f"epochs: expected at least 1, got {self.epochs}")
        if self.patience < 1:
            raise InputError(f"patience: expected at least 1, got {self.patience}")
        if self.seconds is not None and not self.seconds > 0:
            raise InputError(f"seconds: expected more than 0, got {self.seconds}")


class Since(NamedTuple):
    """Sums over the steps since the last row of the log."""

    steps: int = 0
    nats: float = 0.0
    tokens: int = 0
    norm: float = 0.0

    def and_step(self, nats: float, tokens: int, norm: float) -> "Since":
        return Since(self.steps + 1, self.nats + nats, self.tokens + tokens, self.norm + norm)


@dataclass
class Run:
    """All that changes while a run goes on, but for the weights and what learner and optimiser remember.

    epoch, index: epochs done, and batches done of the next. share: the same as one number. seconds: of time
    used. validated: the share of the time limit that was over at the last validation. usual: training nats
    per token, a running mean. worse: epochs since the best validation. draws: the state of the generator of
    batches when the epoch began. state: of the rows, None at the start of an epoch. good: the last weights
    whose loss was as usual; best: those that validated best; average: the moving average.
    """

    plateau: Plateau | None = None
    epoch: int = 0
    index: int = 0
    share: float = 0.0
    step: int = 0
    tokens: int = 0
    seconds: float = 0.0
    validated: float = 0.0
    usual: float = math.nan
    best_valid: float = math.inf
    worse: int = 0
    since: Since = field(default_factory=Since)
    history: list[Point] = field(default_factory=list[Point])
    draws: dict[str, Any] | None = None
    state: Any = None
    good: Weights = field(default_factory=Weights)
    best: Weights = field(default_factory=Weights)
    average: Weights = field(default_factory=Weights)


NUMBERS: Mapping[str, type] = {
    "epoch": int,
    "index": int,
    "share": float,
    "step": int,
    "tokens": int,
    "seconds": float,
    "validated": float,
    "usual": float,
    "best_valid": float,
    "worse": int,
}
COPIES = ("good", "best", "average")


class Snapshot(NamedTuple):
    """A run at rest between two steps: arrays by name, and facts as JSON has them. The arrays are those of
    the run itself, so that to take one costs nothing: it is to be written before the next step."""

    arrays: Mapping[str, Array]
    facts: Mapping[str, Any]


def pack(run: Run, learner: Learner[Any, Any], optimizer: Optimizer) -> Snapshot:
    """The run with its weights and everything that learner and optimiser would otherwise forget."""
    memory = optimizer.state()
    rows = [] if run.state is None else list(leaves(run.state))
    groups: dict[str, Mapping[str, Array]] = {
        "weights": learner.parameters,
        "optimizer": memory.arrays,
        "state": {str(i): leaf for i, leaf in enumerate(rows)},
        **{copy: getattr(run, copy) for copy in COPIES},
    }
    generator = getattr(learner, "rng", None)
    facts = {
        **{name: getattr(run, name) for name in NUMBERS},
        "since": list(run.since),
        "history": [list(point) for point in run.history],
        "plateau": None if run.plateau is None else list(run.plateau),
        "draws": run.draws,
        "rows": len(rows[0]) if rows else 0,
        "optimizer": memory.steps,
        "learner": None if generator is None else generator.bit_generator.state,
        "workers": getattr(learner, "workers", None),
    }
    arrays = {f"{group}/{name}": array for group, own in groups.items() for name, array in own.items()}
    return Snapshot(arrays, facts)


def history_of(snapshot: Snapshot) -> tuple[Point, ...]:
    """The rows of the log of a run that was cut off; raises FileFormatError where they are none."""
    try:
        return tuple(Point(*row) for row in snapshot.facts["history"])
    except (KeyError, TypeError) as error:
        raise FileFormatError(f"checkpoint: its description is damaged ({error!r})") from error


def steps_of(snapshot: Snapshot) -> int:
    """How many steps it had taken; raises FileFormatError where it does not say."""
    try:
        return int(snapshot.facts["step"])
    except (KeyError, TypeError, ValueError) as error:
        raise FileFormatError(f"checkpoint: its description is damaged ({error!r})") from error


def unpack(snapshot: Snapshot, learner: Learner[Any, Any], optimizer: Optimizer) -> Run:
    """The run, with weights and memories put back into learner and optimiser (of the same making).

    Raises FileFormatError for arrays and facts that are no such run.
    """
    try:
        return _unpacked(snapshot, learner, optimizer)
    except FileFormatError:
        raise
    except (KeyError, TypeError, ValueError, AttributeError, IndexError, OverflowError) as error:
        raise FileFormatError(f"checkpoint: its description is damaged ({error!r})") from error


def _unpacked(snapshot: Snapshot, learner: Learner[Any, Any], optimizer: Optimizer) -> Run:
    facts, parameters = snapshot.facts, learner.parameters
    groups: dict[str, dict[str, Array]] = {}
    for name, array in snapshot.arrays.items():
        group, _, own = name.partition("/")
        groups.setdefault(group, {})[own] = array
    _check_like(groups["weights"], parameters)
    memory = groups.get("optimizer", {})
    for name, array in memory.items():
        _check_like({name: array}, {name: parameters[name.partition("/")[2]]})
    plateau = facts["plateau"]
    numbers: dict[str, Any] = {name: kind(facts[name]) for name, kind in NUMBERS.items()}
    run = Run(
        **numbers,
        good=_copied(groups, "good", parameters),
        best=_copied(groups, "best", parameters),
        average=_copied(groups, "average", parameters),
        since=Since(*facts["since"]),
        history=[Point(*row) for row in facts["history"]],
        plateau=None if plateau is None else Plateau(*plateau),
        draws=facts["draws"],
        state=_rows(learner, facts["rows"], groups.get("state", {})),
    )
    put(learner, groups["weights"])
    optimizer.restore(OptimizerState(int(facts["optimizer"]), memory))
    if facts["workers"] is not None and hasattr(learner, "workers"):
        cast(Any, learner).workers = int(facts["workers"])  # a gradient is their sum, in their order
    return run


def _copied(groups: Mapping[str, dict[str, Array]], name: str, parameters: Mapping[str, Array]) -> Weights:
    """A copy of the weights, which a run need not have."""
    if name in groups:
        _check_like(groups[name], parameters)
    return {own: array.copy() for own, array in groups.get(name, {}).items()}


def _rows(learner: Learner[Any, Any], rows: int, found: Mapping[str, Array]) -> Any:
    """The state of the rows, of the same build as a new one."""
    if not rows:
        return None
    like = learner.start(rows)
    arrays = [found[str(i)] for i in range(len(found))]
    _check_like(dict(enumerate(arrays)), dict(enumerate(leaves(like))))
    return _built(like, iter(arrays))


def _built(like: Any, arrays: Iterable[Array]) -> Any:
    if isinstance(like, np.ndarray):
        return next(iter(arrays)).copy()
    kind, parts = cast(Any, type(like)), [_built(part, arrays) for part in like]
    return kind(*parts) if hasattr(kind, "_fields") else kind(parts)


def _check_like(found: Mapping[Any, Array], expected: Mapping[Any, Array]) -> None:
    for name in found.keys() | expected.keys():
        if name not in found or name not in expected:
            raise FileFormatError(
                f"checkpoint: the array {name!r} is {'not expected' if name in found else 'missing'}"
            )
        shapes, kinds = (expected[name].shape, found[name].shape), (expected[name].dtype, found[name].dtype)
        if shapes[0] != shapes[1] or kinds[0] != kinds[1]:
            raise FileFormatError(
                f"checkpoint: {name!r}: expected {kinds[0]} {shapes[0]}, got {kinds[1]} {shapes[1]}"
            )


def put_back(generator: np.random.Generator | None, state: Any) -> None:
    """Set a generator, where there is one, to a state that was kept of it; raises FileFormatError."""
    if generator is None or state is None:
        return
    try:
        generator.bit_generator.state = state
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise FileFormatError(f"checkpoint: its random state is damaged ({error!r})") from error


def put(learner: Learner[Any, Any], weights: Mapping[str, Array]) -> None:
    """Write the weights into the learner's own arrays."""
    for name, array in weights.items():
        learner.parameters[name][...] = array


def copy_into(copy: Weights, weights: Mapping[str, Array]) -> None:
    """Write the weights into a copy of them, which may be empty as yet."""
    for name, array in weights.items():
        if name in copy:
            np.copyto(copy[name], array)
        else:
            copy[name] = array.copy()
