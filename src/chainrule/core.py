"""The interface: a model keeps a state that sums up everything seen; all else is written once over it.

    p(x_1..x_T) = prod_t p(x_t | x_<t),     state_t = advance(state_{t-1}, x_t)

What the state is, is the taxonomy of sequence models: nothing (unigram), the last n-1 tokens (n-gram),
the last tau tokens (window), a learned vector (recurrent network).

Shape letters: B batch, T time, V vocabulary, R rows chosen.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, NamedTuple, Protocol, TypeVar, cast, runtime_checkable

import numpy as np
from jaxtyping import Bool, Float, Float64, Integer

State = TypeVar("State")
Item = TypeVar("Item")
Prediction = TypeVar("Prediction")
Array = np.ndarray


class ChainruleError(Exception):
    """A sentence for the user: what was expected, what came, where."""


class InputError(ChainruleError, ValueError):
    """What was handed in cannot be used; other input would work (the command exits with 2)."""


class FileFormatError(InputError):
    """A file is not what it should be: foreign, damaged, or from a newer version."""


class RunError(ChainruleError, RuntimeError):
    """The input was fine, but the run could not do its work: disk, network, numbers (exit 1)."""


class SequenceModel(ABC, Generic[State, Item, Prediction]):
    """A model of sequences, read one item at a time; `predict` exists before anything was seen."""

    @abstractmethod
    def start(self, batch: int) -> State:
        """The state of `batch` rows before their first item."""

    @abstractmethod
    def predict(self, state: State) -> Prediction:
        """What the model expects of the next item."""

    @abstractmethod
    def advance(self, state: State, items: Item) -> State:
        """The state after one more item a row; the state handed in stays as it was."""


class TokenModel(SequenceModel[State, Integer[Array, " B"], Float64[Array, "B V"]], Generic[State]):
    """A model over ids 0..V-1: `predict` gives log-probabilities in nats, each row normalised."""

    @property
    @abstractmethod
    def vocab_size(self) -> int:
        """V, the number of ids."""

    def score(self, state: State, tokens: Integer[Array, "B T"]) -> tuple[Float64[Array, "B T"], State]:
        """Log-probability of every token given all before it in its row, and the state after the last.

        This loop is the definition. A model may override it to be faster, never to say something else.
        """
        tokens = check_tokens(tokens, self.vocab_size)
        log_probs = np.empty(tokens.shape, dtype=np.float64)
        rows = np.arange(tokens.shape[0])
        for t in range(tokens.shape[1]):
            log_probs[:, t] = self.predict(state)[rows, tokens[:, t]]
            state = self.advance(state, tokens[:, t])
        return log_probs, state


class Normal(NamedTuple):
    """N(mean, scale^2), one for each entry; scale is the standard deviation, above 0."""

    mean: Float64[Array, "*shape"]
    scale: Float64[Array, "*shape"]

    def log_density(self, values: Float64[Array, "*shape"]) -> Float64[Array, "*shape"]:
        """log p(x) = -((x - mean) / scale)^2 / 2 - log scale - log(2 pi) / 2, in nats."""
        deviations = (values - self.mean) / self.scale
        return -0.5 * deviations**2 - np.log(self.scale) - 0.5 * math.log(2 * math.pi)


class SeriesModel(SequenceModel[State, Float64[Array, " B"], Normal], Generic[State]):
    """A model of real values: `predict` gives the distribution of the next one, in the values' own unit."""

    def follow(self, state: State, values: Float64[Array, "B T"]) -> tuple[Normal, State]:
        """The prediction of every value [B, T] given all before it in its row, and the state after the last.

        This loop is the definition. A model may override it to be faster, never to say something else.
        """
        values = check_values(values)
        made = Normal(np.empty(values.shape), np.empty(values.shape))
        for t in range(values.shape[1]):
            made.mean[:, t], made.scale[:, t] = self.predict(state)
            state = self.advance(state, values[:, t])
        return made, state

    def score(self, state: State, values: Float64[Array, "B T"]) -> tuple[Float64[Array, "B T"], State]:
        """Log-density of every value given all before it in its row, and the state after the last."""
        predicted, state = self.follow(state, values)
        return predicted.log_density(values), state


@runtime_checkable
class CanBeSilent(Protocol):
    """A model that may have nothing to say (0/0) and then predicts uniformly: it can tell where."""

    def silent(self, state: Any, tokens: Integer[Array, "B T"]) -> Bool[Array, "B T"]:
        """True where the prediction of that token was such a stopgap."""
        ...


@runtime_checkable
class CanRank(Protocol):
    """A model that finds the likeliest next tokens without looking at the whole vocabulary."""

    def top(self, state: Any, k: int) -> list[tuple[Integer[Array, " K"], Float64[Array, " K"]]]:
        """For each row the k likeliest next tokens, ties by their ids, and their log-probabilities."""
        ...


@runtime_checkable
class CanMatch(Protocol):
    """A model that knows how much of the past each of its predictions rests on."""

    def score_matched(
        self, state: Any, tokens: Integer[Array, "B T"]
    ) -> tuple[Float64[Array, "B T"], Integer[Array, "B T"]]:
        """As `score`, and the order of the n-gram that each token was found in."""
        ...


@runtime_checkable
class CanDraw(Protocol):
    """A model that draws a stretch of tokens at once, faster than step by step and no differently."""

    def can_draw(self, batch: int) -> bool:
        """Whether it can for so many rows."""
        ...

    def draw(
        self, state: Any, uniforms: Float64[Array, "B T"], temperature: float, banned: tuple[int, ...]
    ) -> tuple[Integer[Array, "B T"], Any]:
        """At each step the token whose share of p^(1/temperature), summed in the order of ids, holds the
        uniform number of 0..1; at temperature 0 the likeliest. And the state after the last. Banned ids have
        no share."""
        ...


class Batch(NamedTuple):
    """What a learner reads at once.

    items: ids [B, T]. fresh: rows [B] that begin anew, their state is reset first.
    given: the first so many items of each row are conditioned on and not predicted; 1 is the lecture's
    pair (X, Y), the items without the last and without the first. Where something is given, the last item
    of a row is predicted but not read: the next batch begins with it, and the state that a step returns
    stands before it.
    mask: True where there is an item, False where a shorter row was padded; None: everywhere. targets: a
    label for each row, or for each item, where it is not the items themselves that are predicted.
    """

    items: Integer[Array, "B T"]
    fresh: Bool[Array, " B"]
    given: int = 0
    mask: Bool[Array, "B T"] | None = None
    targets: Integer[Array, "B ..."] | None = None

    @property
    def read(self) -> Integer[Array, "B T_read"]:
        """The items that the state advances over: X."""
        return self.items[:, :-1] if self.given else self.items

    @property
    def labels(self) -> Integer[Array, "B T_labels"]:
        """The items that are predicted: Y. Label j comes from the state after items 0..j-1."""
        return self.items[:, self.given :]


@dataclass(frozen=True, eq=False)
class Step(Generic[State]):
    """One pass forwards and back: summed nats over `count` predictions, gradients of their mean, by name,
    and the state to carry on with, cut off from the graph."""

    nats: float
    count: int
    gradients: dict[str, Float[Array, "..."]]
    state: State


Model = TypeVar("Model", covariant=True)


@runtime_checkable
class Learner(Protocol[State, Model]):
    """A model in the making: mutable parameters, and the gradients that a training loop steps them by."""

    @property
    def parameters(self) -> Mapping[str, Float[Array, "..."]]: ...
    def start(self, batch: int) -> State: ...
    def gradients(self, batch: Batch, state: State) -> Step[State]: ...
    def model(self) -> Model:
        """An immutable model of the parameters as they are now."""
        ...


def rollout(
    model: SequenceModel[State, Item, Prediction],
    state: State,
    steps: int,
    choose: Callable[[Prediction], Item],
) -> Iterator[tuple[Item, State]]:
    """Predict, choose, advance, `steps` times: generation, decoding and k-step forecasting in one loop."""
    for _ in range(steps):
        item = choose(model.predict(state))
        state = model.advance(state, item)
        yield item, state


def leaves(state: Any) -> Iterator[Array]:
    """Every array of a state (an array or a tuple of states), in order."""
    if isinstance(state, np.ndarray):
        yield state
    else:
        for part in cast(tuple[Any, ...], state):
            yield from leaves(part)


def take_rows(state: State, rows: Integer[Array, " R"] | Bool[Array, " B"]) -> State:
    """The state of some rows, in the order asked for: beams, reordering, dropping finished rows."""
    if isinstance(state, np.ndarray):
        return cast(State, state[rows])
    parts = [take_rows(part, rows) for part in cast(tuple[Any, ...], state)]
    return _rebuilt(state, parts)


def join_rows(states: Sequence[State]) -> State:
    """The state of all rows from those of blocks of them, in order: the way back from `take_rows`."""
    if isinstance(states[0], np.ndarray):
        return cast(State, np.concatenate(cast(Any, states)))
    parts = [join_rows(part) for part in zip(*cast(Any, states), strict=True)]
    return _rebuilt(states[0], parts)


def reset_rows(state: State, fresh: Bool[Array, " B"], start: State) -> State:
    """`state` with the rows marked fresh taken from `start`."""
    if isinstance(state, np.ndarray):
        mask = fresh.reshape(-1, *[1] * (state.ndim - 1))
        return cast(State, np.where(mask, cast(Array, start), state))
    pairs = zip(cast(tuple[Any, ...], state), cast(tuple[Any, ...], start), strict=True)
    return _rebuilt(state, [reset_rows(old, fresh, new) for old, new in pairs])


def _rebuilt(like: State, parts: list[Any]) -> State:
    kind = cast(Any, type(like))
    return kind(*parts) if hasattr(kind, "_fields") else kind(parts)


def check_tokens(tokens: Integer[Array, "*shape"], vocab_size: int) -> Integer[Array, "*shape"]:
    """`tokens`, or an InputError that names the first id outside 0..V-1 and where it stands."""
    if not np.issubdtype(tokens.dtype, np.integer):
        raise InputError(f"tokens: expected integer ids, got {tokens.dtype}")
    if tokens.size and (tokens.min() < 0 or tokens.max() >= vocab_size):
        where = tuple(int(i) for i in np.argwhere((tokens < 0) | (tokens >= vocab_size))[0])
        place = ", ".join(f"{axis} {i}" for axis, i in zip(("row", "step"), where, strict=False)) or "row 0"
        raise InputError(f"tokens: expected ids in 0..{vocab_size - 1}, got {tokens[where]} at {place}")
    return tokens


def check_values(values: Float64[Array, "*shape"]) -> Float64[Array, "*shape"]:
    """`values`, or an InputError that names the first that is no finite number and where it stands."""
    if not np.isfinite(values).all():
        where = tuple(int(i) for i in np.argwhere(~np.isfinite(values))[0])
        place = ", ".join(f"{axis} {i}" for axis, i in zip(("row", "step"), where, strict=False))
        raise InputError(f"values: expected finite numbers, got {values[where]} at {place}")
    return values


def check_weights(arrays: Mapping[str, Array]) -> None:
    """Raises FileFormatError unless every array of a network holds finite numbers of one precision."""
    kinds = {array.dtype for array in arrays.values()}
    if len(kinds) != 1 or not kinds <= {np.dtype(np.float32), np.dtype(np.float64)}:
        raise FileFormatError(f"network model: expected float32 or float64, got {sorted(map(str, kinds))}")
    for name, array in arrays.items():
        if not np.isfinite(array).all():
            raise FileFormatError(f"network model: expected finite numbers, got others in {name!r}")
