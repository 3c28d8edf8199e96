"""Softmax and its cross-entropy, shifted by the maximum so that exp cannot overflow.

    log p_v = o_v - log sum_u exp o_u,      d(-log p_y)/d o_v = p_v - [v = y]

Shape letters: N rows, V vocabulary.
"""

import numpy as np
from jaxtyping import Float, Float64, Integer

Array = np.ndarray
BLOCK = 1 << 20  # numbers in flight at once: a block of logits stays in the cache


def log_softmax(logits: Float[Array, "*N V"]) -> Float64[Array, "*N V"]:
    """Log-probabilities in float64, whatever precision the logits came in."""
    shifted = logits.astype(np.float64)
    shifted -= shifted.max(axis=-1, keepdims=True)
    shifted -= np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
    return shifted


def label_log_probs(
    hidden: Float[Array, "N H"],
    weight: Float[Array, "H V"],
    bias: Float[Array, " V"],
    labels: Integer[Array, " N"],
) -> Float64[Array, " N"]:
    """log softmax(hidden W + b) at the labels, in blocks of rows so that N x V is never held whole.

    The exponentials are taken in the precision of the weights: over 33,000 words float64 takes three times
    as long, and what it adds is below what single-precision weights are good for.
    """
    out = np.empty(len(labels), dtype=np.float64)
    rows = max(1, BLOCK // weight.shape[1])
    for at in range(0, len(labels), rows):
        logits = hidden[at : at + rows] @ weight
        logits += bias
        logits -= logits.max(axis=1, keepdims=True)
        chosen = np.take_along_axis(logits, labels[at : at + rows, None], axis=1)[:, 0]
        total = np.exp(logits, out=logits).sum(axis=1)
        out[at : at + rows] = chosen.astype(np.float64) - np.log(total.astype(np.float64))
    return out


def cross_entropy(
    logits: Float[Array, "N V"], labels: Integer[Array, " N"]
) -> tuple[float, Float[Array, "N V"]]:
    """Summed nats of the labels and the gradient of their *mean* by the logits, which it overwrites."""
    rows = np.arange(len(labels))
    logits -= logits.max(axis=1, keepdims=True)
    chosen = logits[rows, labels].astype(np.float64)
    np.exp(logits, out=logits)
    total = logits.sum(axis=1, keepdims=True)
    nats = float(np.log(total, dtype=np.float64).sum() - chosen.sum())
    predictions = max(len(labels), 1)
    logits /= total * predictions
    logits[rows, labels] -= logits.dtype.type(1 / predictions)
    return nats, logits
