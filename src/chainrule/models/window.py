"""A Markov window: a network reads the last tau tokens and forgets the rest (Bengio 2003).

    x = [C(x_{t-tau}); ..; C(x_{t-1})],   h = tanh(x W_1 + b_1),   p(x_t) = softmax(h W_2 + b_2)

The state is the last tau tokens; places before the first token hold a padding symbol with an embedding of
its own, so that p(x_1) exists.

Shape letters: B batch, T time, V vocabulary, tau window, D embedding, H hidden, N = B T predictions.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float, Float64, Integer

from chainrule.core import (
    Batch,
    FileFormatError,
    InputError,
    Step,
    TokenModel,
    check_tokens,
    check_weights,
    reset_rows,
)
from chainrule.kernels.gemm import matmul
from chainrule.kernels.linear import by_vectors
from chainrule.kernels.scatter import sum_rows_by_id
from chainrule.kernels.softmax import label_log_probs, log_softmax, softmax_layer
from chainrule.models.rows import RowThreads, workers_for

Array = np.ndarray
Window = Integer[Array, "B tau"]
Parameters = Mapping[str, Float[Array, "..."]]


def start_window(batch: int, window: int, vocab_size: int) -> Window:
    """All places hold the padding symbol, whose id is V."""
    return np.full((batch, window), vocab_size, dtype=np.int64)


def windows_before(state: Window, tokens: Integer[Array, "B T"]) -> Integer[Array, "B T_plus_1 tau"]:
    """The tau tokens before each token of `tokens`, and after the last of them."""
    line = np.concatenate([state, tokens.astype(np.int64)], axis=1)
    return np.lib.stride_tricks.sliding_window_view(line, state.shape[1], axis=1)


def hidden_layer(
    parameters: Parameters, windows: Integer[Array, "N tau"]
) -> tuple[Float[Array, "N tauD"], Float[Array, "N H"]]:
    """The embedded windows and what the hidden layer makes of them."""
    width = windows.shape[1] * parameters["embedding"].shape[1]
    embedded = parameters["embedding"][windows].reshape(len(windows), width)
    sums = matmul(embedded, parameters["hidden.weight"])
    sums += parameters["hidden.bias"]
    return embedded, np.tanh(sums, out=sums)


@dataclass(frozen=True, eq=False)
class WindowModel(TokenModel[Window]):
    """The trained network: embedding [V + 1, D], hidden.* [tau D, H], output.* [H, V]."""

    parameters: Parameters
    window: int

    @property
    def vocab_size(self) -> int:
        return self.parameters["output.bias"].shape[0]

    def start(self, batch: int) -> Window:
        return start_window(batch, self.window, self.vocab_size)

    def advance(self, state: Window, items: Integer[Array, " B"]) -> Window:
        check_tokens(items, self.vocab_size)
        return np.concatenate([state[:, 1:], items[:, None].astype(np.int64)], axis=1)

    def predict(self, state: Window) -> Float64[Array, "B V"]:
        _, hidden = hidden_layer(self.parameters, state)
        return log_softmax(hidden @ self.parameters["output.weight"] + self.parameters["output.bias"])

    def score(self, state: Window, tokens: Integer[Array, "B T"]) -> tuple[Float64[Array, "B T"], Window]:
        """All windows as rows of one product."""
        check_tokens(tokens, self.vocab_size)
        windows = windows_before(state, tokens)
        _, hidden = hidden_layer(self.parameters, windows[:, :-1].reshape(tokens.size, self.window))
        log_probs = label_log_probs(
            hidden, self.parameters["output.weight"], self.parameters["output.bias"], tokens.ravel()
        )
        return log_probs.reshape(tokens.shape), windows[:, -1].copy()

    def to_arrays(self) -> tuple[dict[str, Any], dict[str, Array]]:
        """What a file keeps: settings and parameters."""
        return {"window": self.window}, dict(self.parameters)

    @classmethod
    def from_arrays(cls, settings: dict[str, Any], arrays: dict[str, Array]) -> "WindowModel":
        try:
            embedding, weight = arrays["embedding"], arrays["hidden.weight"]
            output, bias = arrays["output.weight"], arrays["output.bias"]
            hidden_bias = arrays["hidden.bias"]
        except KeyError as error:
            raise FileFormatError(f"window model: the array {error} is missing") from error
        check_weights(arrays)
        window, (padded, width) = int(settings["window"]), embedding.shape
        hidden, vocab_size = output.shape
        expected = ((window * width, hidden), (hidden,), (vocab_size,), vocab_size + 1)
        if (weight.shape, hidden_bias.shape, bias.shape, padded) != expected:
            raise FileFormatError("window model: the shapes of its arrays do not fit together")
        return cls(arrays, window)


class WindowLearner:
    """A window network in training; every position of a batch is a row, so time needs no loop."""

    def __init__(
        self,
        vocab_size: int,
        *,
        window: int = 8,
        embedding: int = 32,
        hidden: int = 256,
        rng: np.random.Generator,
        dtype: Any = np.float32,
    ) -> None:
        for name, value in (("window", window), ("embedding", embedding), ("hidden", hidden)):
            if value < 1:
                raise InputError(f"{name}: expected at least 1, got {value}")
        self.vocab_size, self.window = vocab_size, window
        self.workers, self._threads = workers_for(dtype), RowThreads()
        fan_in = window * embedding
        self.parameters: dict[str, Float[Array, "..."]] = {
            "embedding": rng.normal(0, 0.5, (vocab_size + 1, embedding)).astype(dtype),
            "hidden.weight": rng.normal(0, fan_in**-0.5, (fan_in, hidden)).astype(dtype),
            "hidden.bias": np.zeros(hidden, dtype),
            "output.weight": rng.normal(0, hidden**-0.5, (hidden, vocab_size)).astype(dtype),
            "output.bias": np.zeros(vocab_size, dtype),
        }

    def start(self, batch: int) -> Window:
        return start_window(batch, self.window, self.vocab_size)

    def gradients(self, batch: Batch, state: Window) -> Step[Window]:
        """Backwards through the two layers, by hand."""
        items = check_tokens(batch.items, self.vocab_size)
        state = reset_rows(state, batch.fresh, self.start(len(items)))
        windows = windows_before(state, items)
        after = windows[:, batch.read.shape[1]].copy()

        def work(rows: slice) -> Step[Window]:
            labels = batch.labels[rows].ravel()
            read = windows[rows, batch.given : -1].reshape(len(labels), self.window)
            nats, gradients = backpropagate(self.parameters, read, labels, batch.labels.size)
            return Step(nats, len(labels), gradients, after[rows])

        return self._threads.run(work, len(items), self.workers)

    def model(self) -> WindowModel:
        return WindowModel({name: array.copy() for name, array in self.parameters.items()}, self.window)


def backpropagate(
    parameters: Parameters,
    read: Integer[Array, "N tau"],
    labels: Integer[Array, " N"],
    predictions: int,
) -> tuple[float, dict[str, Float[Array, "..."]]]:
    """Nats of the labels, and the gradients of nats / predictions."""
    p = parameters
    embedded, hidden = hidden_layer(p, read)
    nats, d_hidden, d_output, d_output_bias = softmax_layer(
        hidden, p["output.weight"], p["output.bias"], labels, predictions
    )
    d_hidden *= 1 - hidden * hidden
    d_weight, d_bias, d_embedded = by_vectors(embedded, p["hidden.weight"], d_hidden)
    d_words = d_embedded.reshape(read.size, p["embedding"].shape[1])
    return nats, {
        "embedding": sum_rows_by_id(read.ravel(), d_words, len(p["embedding"])),
        "hidden.weight": d_weight,
        "hidden.bias": d_bias,
        "output.weight": d_output,
        "output.bias": d_output_bias,
    }
