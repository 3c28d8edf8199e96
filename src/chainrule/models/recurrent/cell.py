"""What a recurrent cell is to the network around it: an input product comes in, hidden vectors go out.

The product X W_x + b of all steps is taken outside, at once; a cell adds what depends on its own past.

Shape letters: T time, B batch, H hidden, G = gates times H.
"""

from typing import Any, NamedTuple, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float, Integer

Array = np.ndarray
Weights = dict[str, Float[Array, "..."]]


class Gathered(NamedTuple):
    """Input products that are rows of a table: of one-hot vectors, table[ids] without writing it out."""

    table: Float[Array, "V G"]
    ids: Integer[Array, "T B"]


Inputs = Float[Array, "T B G"] | Gathered


class Forward(NamedTuple):
    """hidden: the output of each step [T, B, H]. state: after the last. tape: what `backward` needs."""

    hidden: Float[Array, "T B H"]
    state: Any
    tape: Any


class Backward(NamedTuple):
    """d_input: gradient by the input product. weights: by the cell's own weights. d_state: by the state
    that was handed in."""

    d_input: Float[Array, "T B G"]
    weights: Weights
    d_state: Any


@runtime_checkable
class Cell(Protocol):
    """One layer's recurrence; a value without parameters of its own."""

    @property
    def name(self) -> str: ...
    @property
    def gates(self) -> int: ...
    def shapes(self, hidden: int) -> dict[str, tuple[int, ...]]:
        """The name and shape of each recurrent weight."""
        ...

    def weights(self, hidden: int, rng: np.random.Generator, dtype: Any) -> Weights:
        """Fresh recurrent weights."""
        ...

    def bias(self, hidden: int, dtype: Any) -> Float[Array, " G"]:
        """The input bias to begin with."""
        ...

    def start(self, batch: int, hidden: int, dtype: Any) -> Any: ...
    def output(self, state: Any) -> Float[Array, "B H"]:
        """The part of the state that the next layer sees."""
        ...

    def forward(self, weights: Weights, inputs: Inputs, state: Any) -> Forward: ...
    def backward(self, weights: Weights, d_hidden: Float[Array, "T B H"], tape: Any) -> Backward:
        """The tape is used up: its arrays may become those of the result."""
        ...


def written_out(inputs: Inputs) -> Float[Array, "T B G"]:
    """One row a step."""
    return inputs.table[inputs.ids] if isinstance(inputs, Gathered) else inputs


def table_and_ids(inputs: Inputs) -> tuple[Float[Array, "..."], Integer[Array, "T B"] | None]:
    """As the compiled loops take them."""
    return (inputs.table, inputs.ids) if isinstance(inputs, Gathered) else (inputs, None)


def uniform(rng: np.random.Generator, shape: tuple[int, ...], width: int, dtype: Any) -> Float[Array, "..."]:
    """U(-1/sqrt(width), 1/sqrt(width)), as torch starts its recurrent layers."""
    return rng.uniform(-(width**-0.5), width**-0.5, shape).astype(dtype)


def sigmoid_(x: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """1 / (1 + exp(-x)) in place; by tanh, which does not overflow."""
    x *= x.dtype.type(0.5)
    np.tanh(x, out=x)
    x += 1
    x *= x.dtype.type(0.5)
    return x


def flat(x: Float[Array, "T B K"]) -> Float[Array, "TB K"]:
    """All steps as rows of one matrix: a weight's gradient is then a single product."""
    return x.reshape(-1, x.shape[-1])
