"""Which model predicts this text best, and is the difference more than chance?

Every candidate is fitted on one training part and scored for one held-out part. Beside each row stands the
difference to the row before with a 95 % interval from a moving-block bootstrap (Kuensch 1989) of the paired
differences: neighbouring tokens are not independent, so blocks of them are drawn, not single ones. Blocks
run on from the end to the beginning (Politis & Romano 1992), so that every token is drawn as often.

Shape letters: T held-out tokens.
"""

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float64

from chainrule.core import InputError, TokenModel
from chainrule.tasks.evaluation import LN2, Evaluation, finite_or_name

Array = np.ndarray


# what is known of a stretch of training text, which is cut by tokens and not by characters
PER_TOKEN = ("tokens", "unknown", "silent", "nats", "perplexity", "bits_per_token")


class CurvePoint(NamedTuple):
    """A point of a learning curve: nats per token in training and on the validation part."""

    seconds: float
    epoch: float
    train: float
    valid: float


class Fitted(NamedTuple):
    """A fitted model: what its state is, its size and the unit of it, tokens read in fitting, the curve.

    note: what a reader of the table should know, such as why training stopped."""

    model: TokenModel[Any]
    state: str
    size: int
    unit: str
    tokens: int
    curve: tuple[CurvePoint, ...] = ()
    name: str | None = None
    note: str | None = None


class Candidate(NamedTuple):
    """A model to be fitted. fit: takes the seconds it may use and whom to tell the share that is done.

    timed: whether it uses up what time it gets (a network), or takes what it needs (a count).
    """

    name: str
    fit: Callable[[float, Callable[[float], None]], Fitted]
    timed: bool = False


class Interval(NamedTuple):
    """A mean difference and its 95 % interval."""

    mean: float
    low: float
    high: float


class Scored(NamedTuple):
    """An evaluation, and the surprisal of each token in nats that it sums."""

    report: Evaluation
    nats: Float64[Array, " T"]


@dataclass(frozen=True, eq=False)
class Row:
    """One line of the table. train: the evaluation of a stretch of the training text as long as the held-out
    one. difference: bits per character less those of the row before; negative is better. None
    for the first row, and for the first that learned as it read: the two kinds are not compared."""

    name: str
    fitted: Fitted
    seconds: float
    train: Evaluation
    held_out: Evaluation
    surprisal: Float64[Array, " T"]
    difference: Interval | None
    sample: str

    @property
    def tokens_per_second(self) -> float:
        return self.fitted.tokens / self.seconds if self.seconds > 0 else math.inf

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "model": self.name,
            "state": self.fitted.state,
            "size": self.fitted.size,
            "size_unit": self.fitted.unit,
            "seconds": self.seconds,
            "tokens_per_second": finite_or_name(self.tokens_per_second),
            "train": {name: value for name, value in self.train.as_dict().items() if name in PER_TOKEN},
            "held_out": self.held_out.as_dict(),
            "difference": None if self.difference is None else self.difference._asdict(),
            "curve": [{k: finite_or_name(v) for k, v in p._asdict().items()} for p in self.fitted.curve],
            "note": self.fitted.note,
            "sample": self.sample,
        }


def compare(
    candidates: Sequence[Candidate],
    *,
    budget: float,
    evaluate_train: Callable[[TokenModel[Any]], Scored],
    evaluate_held_out: Callable[[TokenModel[Any]], Scored],
    draw_sample: Callable[[TokenModel[Any]], str],
    rng: np.random.Generator,
    report: Callable[[str, float], None] | None = None,
) -> Iterator[Row]:
    """Fit, evaluate and sample from one candidate after the other; a row as soon as it is done.

    budget: seconds for fitting all of them; what the counted ones leave is shared evenly by the timed.
    report: told the candidate's name and the share of its fitting that is done.
    """
    if not (budget > 0 and math.isfinite(budget)):
        raise InputError(f"budget: expected a positive number of seconds, got {budget}")
    untimed = 0.0
    before: Scored | None = None
    timed = max(sum(candidate.timed for candidate in candidates), 1)
    for candidate in candidates:
        allowance = max(budget - untimed, 0.05 * budget) / timed
        tell = _teller(report, candidate.name)
        started = time.monotonic()
        fitted = candidate.fit(allowance, tell)
        seconds = time.monotonic() - started
        untimed += 0.0 if candidate.timed else seconds
        held_out = evaluate_held_out(fitted.model)
        difference = None
        if before is not None and before.report.online == held_out.report.online:
            scale = len(held_out.nats) / max(held_out.report.counts.characters, 1) / LN2
            with np.errstate(invalid="ignore"):
                difference = block_bootstrap((held_out.nats - before.nats) * scale, rng)
        before = held_out
        yield Row(
            name=fitted.name or candidate.name,
            fitted=fitted,
            seconds=seconds,
            train=evaluate_train(fitted.model).report,
            held_out=held_out.report,
            surprisal=held_out.nats,
            difference=difference,
            sample=draw_sample(fitted.model),
        )


def block_bootstrap(
    values: Float64[Array, " T"], rng: np.random.Generator, *, block: int | None = None, draws: int = 2000
) -> Interval | None:
    """The mean of a sequence with its 95 % interval, by drawing blocks (of sqrt T, unless given) anew.

    None where a value is not finite, or there are none.
    """
    if not len(values) or not np.isfinite(values).all():
        return None
    block = max(1, min(len(values), block or round(math.sqrt(len(values)))))
    sums = np.concatenate([np.zeros(1), np.cumsum(np.concatenate([values, values[: block - 1]]))])
    block_sums = sums[block:] - sums[:-block]
    count = math.ceil(len(values) / block)
    means = np.array([rng.choice(block_sums, count).sum() / (count * block) for _ in range(draws)])
    low, high = np.quantile(means, [0.025, 0.975])
    return Interval(float(values.mean()), float(low), float(high))


def _teller(report: Callable[[str, float], None] | None, name: str) -> Callable[[float], None]:
    def tell(done: float) -> None:
        if report:
            report(name, done)

    return tell
