"""Networks: the blanks of their recipes, the learner that a recipe describes, and its training."""

import hashlib
import math
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from functools import partial
from importlib.metadata import version
from typing import Any, cast

import numpy as np
from jaxtyping import Integer
from threadpoolctl import threadpool_limits

from chainrule.core import Batch, InputError, Learner, TokenModel
from chainrule.data.dataset import Dataset, Part
from chainrule.data.partition import check_length, random_batches, sequential_batches
from chainrule.models.recurrent import RecurrentLearner
from chainrule.models.window import WindowLearner
from chainrule.recipes.choice import GATES, choose
from chainrule.recipes.engines import engine_of
from chainrule.recipes.memory import check_memory
from chainrule.recipes.recipe import OPTIMIZERS, SCHEDULES, FitResult, Recipe, check_settings
from chainrule.tasks.evaluation import mean_nats_in_rows
from chainrule.training import (
    SGD,
    Adam,
    AdamW,
    Checkpoints,
    Limits,
    Optimizer,
    Plateau,
    Point,
    Progress,
    Sweep,
    constant,
    cosine,
    read_checkpoint,
    sweep_rates,
    train,
)
from chainrule.training.averaging import check_decay
from chainrule.training.checkpoints import discard, sweep_aside
from chainrule.training.finder import HIGH
from chainrule.training.loop import check_clip
from chainrule.training.records import JsonLines, Record, RunFiles, TensorBoard
from chainrule.training.run import Density, Snapshot, history_of, steps_of
from chainrule.training.schedules import check_warmup

Tokens = Integer[np.ndarray, " _"]
WARMUP = 0.05
AVERAGE = 0.998
DECAY = 0.01
RATE_SGD = 1.0
HIGHEST_SGD = 1000.0  # of a sweep: descent bears higher rates than Adam
WHERE = ("device", "compiled")  # a run may go on elsewhere


def filled(recipe: Recipe, data: Dataset) -> tuple[Recipe, str | None]:
    """The recipe of a network without blanks; and what was chosen for it, and why, where it had some."""
    tokens, vocab_size = len(data.train.ids), data.codec.vocab_size
    known = {name: getattr(recipe, name) for name in ("kind", "layers", "hidden", "epochs")}
    choice = choose(tokens, vocab_size, recipe.seconds, **known)
    chosen = choice._asdict()
    why = chosen.pop("why")
    if recipe.optimizer == "sgd":
        chosen["rate"] = RATE_SGD
    if recipe.engine == "torch":
        chosen["cutoffs"] = ()
    if recipe.tied:
        chosen |= {"embedding": choice.hidden if recipe.hidden is None else recipe.hidden, "cutoffs": ()}
    if recipe.weight_decay and recipe.optimizer != "adamw":
        raise InputError(f"weight decay: expected the optimizer adamw, got {recipe.optimizer}")
    chosen = {name: value for name, value in chosen.items() if getattr(recipe, name) is None}
    rest = {
        "schedule": "constant" if recipe.optimizer == "sgd" else "cosine",
        "weight_decay": DECAY if recipe.optimizer == "adamw" else 0.0,
        "warmup": WARMUP,
        "average": 0.0 if recipe.optimizer == "sgd" else AVERAGE,
    }
    rest = {name: value for name, value in rest.items() if getattr(recipe, name) is None}
    told = [f"{name} {value}" for name, value in chosen.items() if _worth_telling(name, value, recipe)]
    return replace(recipe, **chosen, **rest), f"chosen: {', '.join(told)} ({why})" if told else None


def _worth_telling(name: str, value: Any, recipe: Recipe) -> bool:
    if name == "epochs":
        return recipe.seconds is None
    return name not in ("cutoffs", "dropout") or bool(value)


def learn(
    recipe: Recipe,
    data: Dataset,
    report: Callable[[Progress], None] | None,
    note: Callable[[str], None] | None,
    files: RunFiles,
) -> FitResult:
    """Train the network of a recipe, blanks or none; files: what it leaves, and goes on from."""
    recipe, chosen = filled(recipe, data)
    _check(recipe, data)
    made_of = fingerprint(recipe, data)
    snapshot = _cut_off(files, made_of)
    # generators apart: what one draws changes nothing in what another does
    weights, partition, dropout = np.random.default_rng(recipe.seed).spawn(3)
    learner = _learner(recipe, data, weights, dropout)
    optimizer, density = _optimizer(recipe), Density(*map(_density, (data.train, data.valid)))

    def show(progress: Progress) -> None:
        if report:
            report(progress._replace(density=density))

    stands: dict[str, Any] = {"step": 0 if snapshot is None else steps_of(snapshot), "made_of": made_of}
    with (
        engine_of(recipe, learner, note, **stands) as engine,
        threadpool_limits(_blas_threads(recipe, learner)),
    ):
        own = files if engine.leads else RunFiles()
        records = _records(own, recipe, density, snapshot)
        if note and chosen:
            note(chosen)
        if own.checkpoint and snapshot is None:
            discard(own.checkpoint)  # of another run

        def log(point: Point) -> None:
            for record in records:
                record(point)

        validate = _validation(data)
        training = train(
            engine.learner,
            partial(_partition(recipe), data.train.ids, recipe.batch, recipe.steps, partition),
            optimizer,
            limits=_limits(recipe),
            theta=recipe.clip,
            schedule=_schedule(recipe),
            plateau=Plateau() if recipe.schedule == "plateau" else None,
            average=cast(float, recipe.average),
            validate=validate and engine.agreed(validate),
            report=show,
            log=log,
            keep=Checkpoints(own.checkpoint, made_of, every=own.every) if own.checkpoint else None,
            rng=partition,
            resume=snapshot,
            clock=engine.clock,
        )
    return FitResult(training.model, recipe, training)


def find_rate(recipe: Recipe, data: Dataset, report: Callable[[float], None] | None = None) -> Sweep:
    """A sweep over learning rates for a network of this recipe, on fresh weights.

    report: told the share that is done.
    """
    check_settings(recipe)
    recipe, _ = filled(recipe, data)
    _check(recipe, data)
    weights, partition, dropout = np.random.default_rng(recipe.seed).spawn(3)
    learner = _learner(recipe, data, weights, dropout)
    batches = partial(_partition(recipe), data.train.ids, recipe.batch, recipe.steps, partition)

    def endless() -> Iterator[Batch]:
        while True:
            yield from batches()

    high = HIGHEST_SGD if recipe.optimizer == "sgd" else HIGH
    with engine_of(recipe, learner) as engine, threadpool_limits(_blas_threads(recipe, learner)):
        return sweep_rates(
            engine.learner, endless(), _optimizer(recipe), high=high, theta=recipe.clip, report=report
        )


def _check(recipe: Recipe, data: Dataset) -> None:
    """Raises InputError for what has no meaning, before anything large is made."""
    for name, value in (("batch", recipe.batch), ("steps", recipe.steps), ("hidden", recipe.hidden)):
        if cast(int, value) < 1:
            raise InputError(f"{name}: expected at least 1, got {value}")
    check_length(data.train.ids, cast(int, recipe.steps))
    _limits(recipe).check()
    check_clip(recipe.clip)
    check_decay(cast(float, recipe.average))
    for part in (_partition, _optimizer, _schedule):
        part(recipe)
    check_memory(recipe, len(data.train.ids), data.codec.vocab_size)


def _cut_off(files: RunFiles, made_of: dict[str, Any]) -> Snapshot | None:
    """The run to go on with, if there is one; what a run that was killed left beside it goes."""
    if files.checkpoint is None:
        return None
    sweep_aside(files.checkpoint)
    if not files.resume or not files.checkpoint.exists():
        return None
    return read_checkpoint(files.checkpoint, made_of)


def fingerprint(recipe: Recipe, data: Dataset) -> dict[str, Any]:
    """All that decides what a run gives; texts by their digests."""
    codec = data.codec

    def digest(value: bytes) -> str:
        return hashlib.sha256(value).hexdigest()

    return {
        "tokeniser": codec.tokenizer.name,
        "training text": digest(data.train.text.encode("utf-8", "surrogatepass")),
        "validation text": digest(data.valid.text.encode("utf-8", "surrogatepass")),
        "vocabulary": digest("\0".join(codec.vocabulary.tokens).encode("utf-8", "surrogatepass")),
        "division into training tokens": digest(data.train.ids.tobytes()),
        "division into validation tokens": digest(data.valid.ids.tobytes()),
        **{name: value for name, value in asdict(recipe).items() if name not in WHERE},
        "chainrule": version("chainrule"),
    }


def _records(files: RunFiles, recipe: Recipe, density: Density, snapshot: Snapshot | None) -> list[Record]:
    rows = () if snapshot is None else history_of(snapshot)
    made: list[Record] = []
    if files.tensorboard is not None:
        made.append(TensorBoard(files.tensorboard, density, rows[-1].step if rows else None))
    if files.log is not None:
        head = {"chainrule": version("chainrule"), "recipe": asdict(recipe)}
        made.append(JsonLines(files.log, head, rows, density))
    return made


def _density(part: Part) -> float:
    return len(part.ids) / len(part.text) if part.text else math.nan


def _validation(data: Dataset) -> Callable[[TokenModel[Any]], float] | None:
    if not len(data.valid.ids):
        return None
    return partial(mean_nats_in_rows, tokens=data.valid.ids[: affordable(data.codec.vocab_size)])


def _blas_threads(recipe: Recipe, learner: Learner[Any, Any]) -> int | None:
    """One where rows go to threads of our own, and for products so small that a second thread gives a tenth,
    and costs two thirds of the speed as soon as another process wants its core; None, as many as there are,
    for larger ones, and for torch, which knows best."""
    if recipe.kind == "window" or recipe.engine == "torch":
        return None
    rows, hidden = cast(int, recipe.batch), cast(int, recipe.hidden)
    small = rows * hidden * hidden * GATES[recipe.kind] <= 1 << 20
    return 1 if small or getattr(learner, "workers", 1) > 1 else None


def _learner(
    recipe: Recipe, data: Dataset, weights: np.random.Generator, dropout: np.random.Generator
) -> Learner[Any, TokenModel[Any]]:
    """The network as it starts out: what it does not know yet, it expects by frequency."""
    hidden, embedding = cast(int, recipe.hidden), cast(int, recipe.embedding)
    vocab_size = data.codec.vocab_size
    counts = np.bincount(data.train.ids, minlength=vocab_size) + 1
    if recipe.kind == "window":
        learner = WindowLearner(
            vocab_size, window=recipe.window, embedding=embedding, hidden=hidden, rng=weights
        )
        learner.parameters["output.bias"][...] = np.log(counts / counts.sum())
        return learner
    learner = RecurrentLearner(
        vocab_size,
        cell=recipe.kind,
        layers=recipe.layers,
        hidden=hidden,
        embedding=embedding,
        tied=recipe.tied,
        layer_norm=recipe.layer_norm,
        dropout=cast(float, recipe.dropout),
        embedding_dropout=recipe.embedding_dropout,
        weight_dropout=recipe.weight_dropout,
        cutoffs=tuple(recipe.cutoffs or ()),
        rng=weights,
    )
    learner.rng = dropout
    learner.expect(counts)
    return learner


def _limits(recipe: Recipe) -> Limits:
    return Limits(cast(int, recipe.epochs), recipe.patience, recipe.seconds)


def _partition(recipe: Recipe) -> Callable[..., Iterator[Batch]]:
    match recipe.partition:
        case "sequential":
            return sequential_batches
        case "random":
            return random_batches
        case _:
            raise InputError(f"partition: expected sequential or random, got {recipe.partition!r}")


def _optimizer(recipe: Recipe) -> Optimizer:
    """The optimiser of a recipe without blanks."""
    rate = cast(float, recipe.rate)
    match recipe.optimizer:
        case "adam":
            return Adam(rate)
        case "adamw":
            return AdamW(rate, decay=cast(float, recipe.weight_decay))
        case "sgd":
            return SGD(rate)
        case _:
            raise InputError(f"optimizer: expected one of {', '.join(OPTIMIZERS)}, got {recipe.optimizer!r}")


def _schedule(recipe: Recipe) -> Callable[[float], float]:
    warmup = check_warmup(cast(float, recipe.warmup))
    match recipe.schedule:
        case "cosine":
            return partial(cosine, warmup=warmup)
        case "constant" | "plateau":
            return constant
        case _:
            raise InputError(f"schedule: expected one of {', '.join(SCHEDULES)}, got {recipe.schedule!r}")


def affordable(vocab_size: int) -> int:
    """How many tokens to score for figures beside the held-out one: fewer, the larger the vocabulary."""
    return min(100_000, max(5_000, (1 << 29) // vocab_size))
