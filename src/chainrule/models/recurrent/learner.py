"""A recurrent network in training: forwards over a batch, backwards through time, by hand.

    L = mean over predictions of -log p(x_t | x_<t)

The state that a batch starts from is a constant to it: there the graph is cut (truncated backpropagation
through time, Werbos 1990).

Shape letters: B batch, T time, V vocabulary, D input width, H hidden, G = gates times H.
"""

from typing import Any

import numpy as np
from jaxtyping import Float, Integer

from chainrule.core import Batch, InputError, Step, check_tokens, reset_rows
from chainrule.kernels.scatter import sum_rows_by_id
from chainrule.kernels.softmax import cross_entropy
from chainrule.models.recurrent.cell import Forward, flat, uniform
from chainrule.models.recurrent.network import (
    Architecture,
    LayerStates,
    RecurrentModel,
    layer_weights,
    make_cell,
    run,
    start_states,
)

Array = np.ndarray
ONE_HOT_SCALE = 0.7


class RecurrentLearner:
    """Parameters that a loop may step, and their gradients."""

    def __init__(
        self,
        vocab_size: int,
        *,
        cell: str = "lstm",
        layers: int = 1,
        hidden: int = 256,
        embedding: int = 0,
        rng: np.random.Generator,
        dtype: Any = np.float32,
    ) -> None:
        for name, value, least in (("layers", layers, 1), ("hidden", hidden, 1), ("embedding", embedding, 0)):
            if value < least:
                raise InputError(f"{name}: expected at least {least}, got {value}")
        self.arch = Architecture(make_cell(cell), layers, hidden, embedding)
        self.vocab_size, self.dtype = vocab_size, dtype
        self.parameters: dict[str, Float[Array, "..."]] = {}
        if embedding:
            self.parameters["embedding"] = rng.normal(0, 1, (vocab_size, embedding)).astype(dtype)
        width = embedding or vocab_size
        for l in range(layers):
            gates = self.arch.cell.gates * hidden
            self.parameters[f"layer{l}.input"] = (
                uniform(rng, (width, gates), hidden, dtype)
                if l or embedding
                # a one-hot vector picks a single row: scaled for H inputs it would start out unheard
                else rng.normal(0, ONE_HOT_SCALE, (width, gates)).astype(dtype)
            )
            self.parameters[f"layer{l}.bias"] = self.arch.cell.bias(hidden, dtype)
            own = self.arch.cell.weights(hidden, rng, dtype)
            self.parameters |= {f"layer{l}.{name}": array for name, array in own.items()}
            width = hidden
        self.parameters["output.weight"] = uniform(rng, (hidden, vocab_size), hidden, dtype)
        self.parameters["output.bias"] = np.zeros(vocab_size, dtype)

    def start(self, batch: int) -> LayerStates:
        return start_states(self.arch, batch, self.dtype)

    def gradients(self, batch: Batch, state: LayerStates) -> Step[LayerStates]:
        """Read X, predict Y, go back."""
        items = check_tokens(batch.items, self.vocab_size)
        state = reset_rows(state, batch.fresh, self.start(len(items)))
        passes = run(self.arch, self.parameters, batch.read, state)
        # label j is predicted by the vector after items 0..j-1: for j = 0 by the one handed in
        first = self.arch.cell.output(state[-1])[None]
        vectors = np.concatenate([first, passes[-1].hidden])
        predicting = flat(vectors[batch.given : items.shape[1]])
        logits = predicting @ self.parameters["output.weight"] + self.parameters["output.bias"]
        nats, d_logits = cross_entropy(logits, batch.labels.T.ravel())
        gradients = {"output.weight": predicting.T @ d_logits, "output.bias": d_logits.sum(axis=0)}
        d_vectors = np.zeros_like(vectors)
        d_predicting = d_logits @ self.parameters["output.weight"].T
        d_vectors[batch.given : items.shape[1]] = d_predicting.reshape(-1, *first.shape[1:])
        d_hidden = d_vectors[1:]  # the vector handed in is a constant: here the graph is cut
        gradients |= self._through_layers(d_hidden, passes, batch.read)
        return Step(nats, batch.labels.size, gradients, tuple(p.state for p in passes))

    def _through_layers(
        self, d_hidden: Float[Array, "T B H"], passes: list[Forward], read: Integer[Array, "B T"]
    ) -> dict[str, Float[Array, "..."]]:
        """From the top layer to the input."""
        gradients: dict[str, Float[Array, "..."]] = {}
        ids = read.T.ravel()
        for l in reversed(range(self.arch.layers)):
            weights = layer_weights(self.parameters, l)
            back = self.arch.cell.backward(weights, d_hidden, passes[l].tape)
            rows = flat(back.d_input)
            gradients |= {f"layer{l}.{name}": gradient for name, gradient in back.weights.items()}
            gradients[f"layer{l}.bias"] = rows.sum(axis=0)
            if l:
                gradients[f"layer{l}.input"] = flat(passes[l - 1].hidden).T @ rows
                d_hidden = (rows @ weights["input"].T).reshape(passes[l - 1].hidden.shape)
            elif self.arch.embedding:
                gradients["layer0.input"] = self.parameters["embedding"][ids].T @ rows
                d_embedded = rows @ weights["input"].T
                gradients["embedding"] = sum_rows_by_id(ids, d_embedded, self.vocab_size)
            else:
                gradients["layer0.input"] = sum_rows_by_id(ids, rows, self.vocab_size)
        return gradients

    def model(self) -> RecurrentModel:
        copies = {name: array.copy() for name, array in self.parameters.items()}
        return RecurrentModel(self.arch, copies)
