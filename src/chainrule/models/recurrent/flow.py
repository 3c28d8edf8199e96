"""How far an error reaches back: the gradient of the last prediction by the states before it.

    L_T = -log p(x_T | x_<T),     g_k = | dL_T / dH_{T-k} |,     k = 0 .. T-1

From one step to the one before, the gradient is multiplied by a Jacobian; where their products shrink, what
was long ago cannot be learned (Bengio 1994, Hochreiter 1991). A gate that is open lets it pass.

Shape letters: L layers, B batch, T time, H hidden, V vocabulary.
"""

from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Float64, Integer

from chainrule.core import Batch, InputError, check_tokens, leaves, reset_rows
from chainrule.models.recurrent.adaptive_softmax import loss
from chainrule.models.recurrent.backpropagation import through_layers
from chainrule.models.recurrent.between import hand_down, hand_up
from chainrule.models.recurrent.cell import flat
from chainrule.models.recurrent.learner import RecurrentLearner
from chainrule.models.recurrent.network import LayerStates, layer_weights, run

Array = np.ndarray


class Flow(NamedTuple):
    """Norms over the hidden units, averaged over the rows, of every layer at k = 0, 1, ... steps back.

    hidden: by H alone, with what else the state holds (the LSTM's C) left as it is. state: by all of it.
    """

    hidden: Float64[Array, "L T"]
    state: Float64[Array, "L T"]


def gradient_norms(learner: RecurrentLearner, batch: Batch, state: LayerStates) -> Flow:
    """How the loss of the last label of each row depends on the states that led to it.

    The state after each step is taken as a start of its own, and the error brought back to it: T passes
    over ever longer tails, for a picture and not for training. Nothing is dropped out. Raises InputError
    without a step to read.
    """
    items = check_tokens(batch.items, learner.vocab_size)
    if items.shape[1] < 2:
        raise InputError(f"gradient norms: expected rows of at least 2 tokens, got {items.shape[1]}")
    read, labels = items[:, :-1], items[:, -1]
    states = [reset_rows(state, batch.fresh, learner.start(len(items)))]
    for t in range(read.shape[1]):
        passes = run(learner.arch, learner.parameters, read[:, t : t + 1], states[-1])
        states.append(tuple(p.state for p in passes))
    d_last = _by_last_vector(learner, states[-1], labels)
    hidden, whole = np.zeros((2, learner.arch.layers, read.shape[1]))
    hidden[-1, 0] = whole[-1, 0] = _norm([d_last])  # of the layers below, the last vector is not used
    for k in range(1, read.shape[1]):
        # states[t] is what was read of t tokens
        after = read.shape[1] - k
        d_states = _back_through(learner, d_last, read[:, after:], states[after])
        hidden[:, k] = [_norm([learner.arch.cell.output(d_state)]) for d_state in d_states]
        whole[:, k] = [_norm(list(leaves(d_state))) for d_state in d_states]
    return Flow(hidden, whole)


def _by_last_vector(
    learner: RecurrentLearner, state: LayerStates, labels: Integer[Array, " B"]
) -> Float[Array, "B H"]:
    """dL/dH_T of the top layer, where each row has a loss of its own."""
    weights = layer_weights(learner.parameters, learner.arch.layers - 1)
    handed = hand_up(weights, learner.arch.cell.output(state[-1])[None])
    d_vectors = loss(learner.parameters, flat(handed.vectors), labels, predictions=1).d_vectors
    return hand_down(weights, d_vectors[None], handed)[0][0]


def _back_through(
    learner: RecurrentLearner, d_last: Float[Array, "B H"], read: Integer[Array, "B T"], state: LayerStates
) -> list[Any]:
    """The gradient by the state of every layer, from which `read` led to the last vector."""
    passes = run(learner.arch, learner.parameters, read, state)
    d_hidden = np.zeros_like(passes[-1].hidden)
    d_hidden[-1] = d_last
    return through_layers(learner.arch, learner.parameters, d_hidden, passes, read).d_states


def _norm(parts: list[Float[Array, "B H"]]) -> float:
    """The Euclidean norm of each row over all parts, averaged over the rows."""
    squares = np.sum([np.square(part, dtype=np.float64).sum(axis=1) for part in parts], axis=0)
    return float(np.sqrt(squares).mean())
