"""Dynamic evaluation: a recurrent network's weights follow what it reads (Mikolov 2010, Krause 2018).

    w <- w - rate sqrt(P) g / |g| + decay (w_0 - w)      after every K tokens, counted from the start
    g = gradient of the mean over the K tokens of -log p(x_t | x_<t), cut where the K begin

Each token is predicted by weights that were learned from tokens before it alone. Every step is of one length,
the root mean square of its numbers is `rate`: one rate then suits small and large networks and gradients that
are ten times apart, and nothing is kept but the weights. (Krause divides each weight's step by the root mean
square of its gradients in training, a text that a trained model no longer has.) Where the text is known
already and the gradient is short, so is the step. The decay draws back to what training found, w_0.

Shape letters: B batch, T time, V vocabulary, H hidden, K tokens of a stretch, P parameters, L layers.
"""

import math
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Float64, Int64, Integer

from chainrule.core import Batch, InputError, TokenModel, check_tokens, join_rows, take_rows
from chainrule.kernels.optimizer import square_sum
from chainrule.models.online.reading import Read, read, vectors_of
from chainrule.models.recurrent import RecurrentModel
from chainrule.models.recurrent.adaptive_softmax import log_probs
from chainrule.models.recurrent.backpropagation import backpropagate
from chainrule.models.recurrent.network import LayerStates, Parameters

Array = np.ndarray
EMPTY = -1
SHORT = 0.5  # of trained networks' gradients, which are 0.7 to 7 long on text that is new to them
BLOCK = 1 << 16  # weights that stay in the cache between two passes


class Followed(NamedTuple):
    """own: the network's state, after the last token. begun: the one at the beginning of the running stretch.
    stretch: its tokens so far, EMPTY behind them. weights: of each row all parameters, one after another."""

    own: LayerStates
    begun: LayerStates
    stretch: Int64[Array, "B K"]
    weights: Float[Array, "B P"]


@dataclass(frozen=True, eq=False)
class DynamicEvaluation(TokenModel[Followed]):
    """model: what training found. rate: how far a step goes, its root mean square; 1.5e-4 suits LSTM and GRU,
    a third of it the other cells. every: K. decay: the share of the way back to the trained weights that each
    step goes."""

    model: RecurrentModel
    rate: float = 1.5e-4
    every: int = 20
    decay: float = 0.001

    def __post_init__(self) -> None:
        if not (0 < self.rate < math.inf and self.every >= 1 and 0 <= self.decay < 1):
            raise InputError(
                "dynamic evaluation: expected a rate above 0, steps every 1 or more tokens and a decay of at "
                f"least 0 and below 1, got {self.rate}, {self.every}, {self.decay}"
            )

    @cached_property
    def _trained(self) -> Float[Array, " P"]:
        """All parameters, one after another."""
        return np.concatenate([array.ravel() for array in self.model.parameters.values()])

    def _named(self, weights: Float[Array, " P"]) -> dict[str, Float[Array, "..."]]:
        """The parameters as views of a row of weights."""
        named: dict[str, Float[Array, "..."]] = {}
        at = 0
        for name, array in self.model.parameters.items():
            named[name] = weights[at : at + array.size].reshape(array.shape)
            at += array.size
        return named

    @property
    def vocab_size(self) -> int:
        return self.model.vocab_size

    def start(self, batch: int) -> Followed:
        own = self.model.start(batch)
        weights = np.broadcast_to(self._trained, (batch, len(self._trained)))  # no copies yet
        return Followed(own, own, np.full((batch, self.every), EMPTY, np.int64), weights)

    def predict(self, state: Followed) -> Float64[Array, "B V"]:
        out = np.empty((len(state.stretch), self.vocab_size))
        for row in range(len(out)):
            named = self._named(state.weights[row])
            out[row] = log_probs(named, self._vectors(state, row))[0]
        return out

    def settled(self, state: Followed) -> RecurrentModel:
        """The network with the weights that the one row of a state has learned; it learns no more."""
        named = self._named(state.weights[0])
        return RecurrentModel(self.model.arch, {name: array.copy() for name, array in named.items()})

    def vectors(self, state: Followed) -> Float[Array, "B H"]:
        """What the next token of each row is predicted from."""
        rows = [self._vectors(state, row) for row in range(len(state.stretch))]
        nothing = np.empty((0, self.model.arch.hidden), self._trained.dtype)
        return np.concatenate([nothing, *rows])

    def advance(self, state: Followed, items: Integer[Array, " B"]) -> Followed:
        return self.read(state, items[:, None]).state

    def score(self, state: Followed, tokens: Integer[Array, "B T"]) -> tuple[Float64[Array, "B T"], Followed]:
        """Stretch by stretch, row by row: no two rows have the same weights."""
        found = self.read(state, tokens)
        return found.log_probs, found.state

    def read(self, state: Followed, tokens: Integer[Array, "B T"]) -> Read:
        """As `score`, with the vectors that each token was predicted from."""
        check_tokens(tokens, self.vocab_size)
        if not tokens.size:
            vectors = np.empty((*tokens.shape, self.model.arch.hidden), self._trained.dtype)
            return Read(np.empty(tokens.shape), vectors, state)
        given = [state.weights[row : row + 1] for row in range(len(tokens))]
        rows: list[Read] = []
        for row, weights in enumerate(given):
            own, begun, stretch = take_rows((state.own, state.begun, state.stretch), np.array([row]))
            rows.append(self._read_row(Followed(own, begun, stretch, weights), tokens[row : row + 1]))
        if len(rows) == 1:
            return rows[0]
        after = [made.state for made in rows]
        if all(made.weights is weights for made, weights in zip(after, given, strict=True)):
            # no step was taken: the weights need not be copied
            small = join_rows([(made.own, made.begun, made.stretch) for made in after])
            state = Followed(*small, state.weights)
        else:
            state = join_rows(after)
        return Read(
            np.concatenate([made.log_probs for made in rows]),
            np.concatenate([made.vectors for made in rows]),
            state,
        )

    def _read_row(self, state: Followed, tokens: Integer[Array, "1 T"]) -> Read:
        """One row. What is handed in is its own, but the weights, which are copied before the first step."""
        own, begun, stretch, weights = state
        named, filled, at = self._named(weights[0]), int(np.count_nonzero(stretch != EMPTY)), 0
        found: list[Read] = []
        while at < tokens.shape[1]:
            some = min(self.every - filled, tokens.shape[1] - at)
            found.append(read(self.model.arch, named, own, tokens[:, at : at + some]))
            own = found[-1].state
            stretch[:, filled : filled + some] = tokens[:, at : at + some]
            at, filled = at + some, filled + some
            if filled == self.every:
                if weights is state.weights:
                    weights = weights.copy()
                    named = self._named(weights[0])
                self._step(weights[0], named, stretch, begun)
                begun, filled = own, 0
                stretch[...] = EMPTY
        return Read(
            np.concatenate([made.log_probs for made in found], axis=1),
            np.concatenate([made.vectors for made in found], axis=1),
            Followed(own, begun, stretch, weights),
        )

    def _step(
        self,
        weights: Float[Array, " P"],
        named: Parameters,
        stretch: Int64[Array, "1 K"],
        begun: LayerStates,
    ) -> None:
        """One step on a stretch, in place; `named` are views of the weights."""
        batch = Batch(stretch, np.zeros(1, np.bool_))
        gradients = backpropagate(self.model.arch, named, batch, begun).gradients
        norm = math.sqrt(sum(square_sum(gradient) for gradient in gradients.values()))
        length = self.rate * math.sqrt(len(weights)) / max(norm, SHORT)
        for name, array in named.items():
            gradients[name] *= length
            array -= gradients[name]
        if self.decay:
            for at in range(0, len(weights), BLOCK):
                block = weights[at : at + BLOCK]
                block += self.decay * (self._trained[at : at + BLOCK] - block)

    def _vectors(self, state: Followed, row: int) -> Float[Array, "1 H"]:
        own = take_rows(state.own, np.array([row]))
        return vectors_of(self.model.arch, self._named(state.weights[row]), own)
