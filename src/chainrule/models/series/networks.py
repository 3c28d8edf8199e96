"""Networks of real values: the last tau of them or a learned state goes in, a Gaussian comes out (Bishop
1994).

    window     h = relu(W [x_{t-tau}; ..; x_{t-1}] + b)           recurrent   h_t = cell(x_t, h_{t-1})
    x_t ~ N(w'h + c, s^2),   loss = ((x_t - mean) / s)^2 / 2 + log s

With a constant s the loss is the squared error, and s is what is left of it after training. Values are
scaled before they come here (`Transformed`), so that zeros, which the state begins with, are their mean.

Shape letters: B batch, T time, N windows, tau window, H hidden, G = gates times H.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float64

from chainrule.core import InputError, Normal, SeriesModel, Step, check_values
from chainrule.models.recurrent.cell import Cell, uniform
from chainrule.models.recurrent.network import make_cell

Array = np.ndarray
Parameters = Mapping[str, Array]
Past = Float64[Array, "B tau"]


@dataclass(frozen=True, eq=False)
class WindowNetwork(SeriesModel[Past]):
    """hidden.* [tau, H], output.* [H, 1], or [H, 2] with the logarithm of the scale; scale: where it is
    constant."""

    parameters: Parameters
    scale: float = 1.0

    @property
    def window(self) -> int:
        return len(self.parameters["hidden.weight"])

    def start(self, batch: int) -> Past:
        return np.zeros((batch, self.window))

    def predict(self, state: Past) -> Normal:
        return head(self.parameters, _hidden(self.parameters, state), self.scale)

    def advance(self, state: Past, items: Float64[Array, " B"]) -> Past:
        return np.concatenate([state[:, 1:], check_values(items)[:, None]], axis=1)

    def follow(self, state: Past, values: Float64[Array, "B T"]) -> tuple[Normal, Past]:
        """All windows as rows of one product."""
        line = np.concatenate([state, check_values(values)], axis=1)
        windows = np.lib.stride_tricks.sliding_window_view(line, self.window, axis=1)
        rows = windows[:, :-1].reshape(values.size, self.window)
        made = head(self.parameters, _hidden(self.parameters, rows), self.scale)
        shaped = Normal(made.mean.reshape(values.shape), made.scale.reshape(values.shape))
        return shaped, windows[:, -1].copy()


@dataclass(frozen=True, eq=False)
class RecurrentNetwork(SeriesModel[Any]):
    """One layer of a cell: input [1, G], bias [G], its recurrent weights, and output.* as above."""

    cell: Cell
    parameters: Parameters
    scale: float = 1.0

    def start(self, batch: int) -> Any:
        return self.cell.start(batch, len(self.parameters["output.weight"]), np.float64)

    def predict(self, state: Any) -> Normal:
        return head(self.parameters, self.cell.output(state), self.scale)

    def advance(self, state: Any, items: Float64[Array, " B"]) -> Any:
        return run(self.cell, self.parameters, check_values(items)[:, None], state).state

    def follow(self, state: Any, values: Float64[Array, "B T"]) -> tuple[Normal, Any]:
        """One pass over all steps."""
        check_values(values)
        if not values.shape[1]:
            return Normal(np.empty(values.shape), np.empty(values.shape)), state
        made = run(self.cell, self.parameters, values, state)
        before = np.concatenate([self.cell.output(state)[None], made.hidden[:-1]])
        normal = head(self.parameters, before, self.scale)
        return Normal(normal.mean.T.copy(), normal.scale.T.copy()), made.state


def head(parameters: Parameters, hidden: Array, scale: float) -> Normal:
    """Mean and scale from the hidden vectors [.., H]."""
    out = hidden @ parameters["output.weight"] + parameters["output.bias"]
    if out.shape[-1] == 1:
        return Normal(out[..., 0], np.full(out.shape[:-1], scale))
    return Normal(out[..., 0], np.exp(np.clip(out[..., 1], -12, 12)))


def back_through_head(
    parameters: Parameters, hidden: Array, targets: Array
) -> tuple[float, dict[str, Array], Array]:
    """The summed loss, the gradients of its mean by the output's parameters, and by the hidden vectors."""
    made, count = head(parameters, hidden, 1.0), max(targets.size, 1)
    z = (made.mean - targets) / made.scale
    loss = float(0.5 * np.sum(z**2) + np.sum(np.log(made.scale)))
    d_out = np.stack([z / made.scale, 1 - z**2], axis=-1)[..., : len(parameters["output.bias"])] / count
    rows, sums = hidden.reshape(-1, hidden.shape[-1]), d_out.reshape(-1, d_out.shape[-1])
    gradients = {"output.weight": rows.T @ sums, "output.bias": sums.sum(axis=0)}
    return loss, gradients, d_out @ parameters["output.weight"].T


def run(cell: Cell, parameters: Parameters, values: Float64[Array, "B T"], state: Any) -> Any:
    """The cell over all steps."""
    inputs = values.T[..., None] * parameters["input"] + parameters["bias"]
    return cell.forward(own_weights(parameters), inputs, state)


def own_weights(parameters: Parameters) -> dict[str, Array]:
    outside = ("input", "bias", "output.weight", "output.bias")
    return {name: array for name, array in parameters.items() if name not in outside}


def _hidden(parameters: Parameters, windows: Float64[Array, "N tau"]) -> Float64[Array, "N H"]:
    return np.maximum(windows @ parameters["hidden.weight"] + parameters["hidden.bias"], 0.0)


class WindowNetworkLearner:
    """In training: values [N, tau + 1], the last of each row is predicted from the others."""

    def __init__(
        self, *, window: int = 4, hidden: int = 10, learned_scale: bool = False, rng: np.random.Generator
    ) -> None:
        _check_sizes(window=window, hidden=hidden)
        self.span = window + 1
        bound = (6 / (window + hidden)) ** 0.5  # Glorot & Bengio 2010
        self.parameters: dict[str, Array] = {
            "hidden.weight": rng.uniform(-bound, bound, (window, hidden)),
            "hidden.bias": uniform(rng, (hidden,), window, np.float64),
            **_first_head(hidden, learned_scale, rng),
        }

    def gradients(self, values: Float64[Array, "N tau1"]) -> Step[None]:
        p, windows = self.parameters, values[:, :-1]
        hidden = _hidden(p, windows)
        loss, gradients, d_hidden = back_through_head(p, hidden, values[:, -1])
        d_sums = d_hidden * (hidden > 0)
        gradients |= {"hidden.weight": windows.T @ d_sums, "hidden.bias": d_sums.sum(axis=0)}
        return Step(loss, len(values), gradients, None)

    def model(self, scale: float = 1.0) -> WindowNetwork:
        return WindowNetwork({name: array.copy() for name, array in self.parameters.items()}, scale)


class RecurrentNetworkLearner:
    """In training: values [B, T], each predicted from those before it in its row; rows begin with no past."""

    def __init__(
        self,
        *,
        cell: str = "gru",
        hidden: int = 16,
        span: int = 48,
        learned_scale: bool = False,
        rng: np.random.Generator,
    ) -> None:
        _check_sizes(hidden=hidden, span=span)
        self.cell, self.span, self.hidden = make_cell(cell), span, hidden
        self.parameters: dict[str, Array] = {
            "input": uniform(rng, (1, self.cell.gates * hidden), hidden, np.float64),
            "bias": self.cell.bias(hidden, np.float64),
            **self.cell.weights(hidden, rng, np.float64),
            **_first_head(hidden, learned_scale, rng),
        }

    def gradients(self, values: Float64[Array, "B T"]) -> Step[None]:
        p, cell = self.parameters, self.cell
        state = cell.start(len(values), self.hidden, np.float64)
        made = run(cell, p, values[:, :-1], state)
        before = np.concatenate([cell.output(state)[None], made.hidden])
        loss, gradients, d_before = back_through_head(p, before, np.ascontiguousarray(values.T))
        back = cell.backward(own_weights(p), np.ascontiguousarray(d_before[1:]), made.tape)
        gradients |= back.weights
        gradients["input"] = (values.T[:-1, :, None] * back.d_input).sum(axis=(0, 1))[None]
        gradients["bias"] = back.d_input.sum(axis=(0, 1))
        return Step(loss, values.size, gradients, None)

    def model(self, scale: float = 1.0) -> RecurrentNetwork:
        copies = {name: array.copy() for name, array in self.parameters.items()}
        return RecurrentNetwork(self.cell, copies, scale)


def _first_head(hidden: int, learned_scale: bool, rng: np.random.Generator) -> dict[str, Array]:
    columns = 2 if learned_scale else 1
    weight = uniform(rng, (hidden, columns), hidden, np.float64)
    return {"output.weight": weight, "output.bias": uniform(rng, (columns,), hidden, np.float64)}


def _check_sizes(**sizes: int) -> None:
    for name, size in sizes.items():
        if size < 1:
            raise InputError(f"{name}: expected at least 1, got {size}")
