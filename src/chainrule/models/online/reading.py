"""What a recurrent network shows to whoever stands beside it: the vectors that its softmax sees.

    p(x_{t+1}) = softmax(u_t W_q + b_q),   u_t = what the top layer hands to the output

Shape letters: B batch, T time, H hidden.
"""

from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Float64, Integer

from chainrule.core import check_tokens
from chainrule.models.recurrent.adaptive_softmax import at_labels, count_ids
from chainrule.models.recurrent.between import hand_up
from chainrule.models.recurrent.cell import flat
from chainrule.models.recurrent.network import (
    Architecture,
    LayerStates,
    Parameters,
    before_labels,
    layer_weights,
    run,
)

Array = np.ndarray


class Read(NamedTuple):
    """log_probs: of each token given those before it. vectors: what each was predicted from. state: after the
    last."""

    log_probs: Float64[Array, "B T"]
    vectors: Float[Array, "B T H"]
    state: Any


def read(
    arch: Architecture, parameters: Parameters, state: LayerStates, tokens: Integer[Array, "B T"]
) -> Read:
    """One pass over all steps, as `RecurrentModel.score`, that keeps the vectors."""
    check_tokens(tokens, count_ids(parameters))
    if not tokens.size:
        vectors = np.empty((*tokens.shape, arch.hidden), parameters["output.bias"].dtype)
        return Read(np.empty(tokens.shape), vectors, state)
    passes = run(arch, parameters, tokens, state)
    before = before_labels(arch, state, passes[-1].hidden, 0, tokens.shape[1])
    vectors = hand_up(layer_weights(parameters, arch.layers - 1), before).vectors
    found = at_labels(parameters, flat(vectors), tokens.T.ravel())
    after = tuple(made.state for made in passes)
    return Read(found.reshape(tokens.T.shape).T, np.swapaxes(vectors, 0, 1), after)


def vectors_of(arch: Architecture, parameters: Parameters, state: LayerStates) -> Float[Array, "B H"]:
    """What the next token is predicted from."""
    hidden = arch.cell.output(state[-1])[None]
    return hand_up(layer_weights(parameters, arch.layers - 1), hidden).vectors[0]
