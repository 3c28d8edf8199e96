"""Softmax and its cross-entropy, shifted by the maximum so that exp cannot overflow.

    log p_v = o_v - log sum_u exp o_u,      d(-log p_y)/d o_v = p_v - [v = y]

Shape letters: N rows, V vocabulary.
"""

from ctypes import c_double, c_int

import numpy as np
from jaxtyping import Float, Float64, Integer

from chainrule.kernels.native import (
    as_ids,
    call_simd,
    check_memory,
    cores,
    fast,
    fast_in_order,
    in_threads,
    strided,
)

Array = np.ndarray
BLOCK = 1 << 20  # numbers in flight at once: a block of logits stays in the cache
FEWEST = 64  # rows that are worth a thread
WIDE_BLOCK = 1 << 22  # where each block adds to all of a weight's gradient


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
    compiled = fast(hidden, weight, bias)
    some = max(FEWEST, -(-len(labels) // cores())) if compiled else max(1, BLOCK // weight.shape[1])
    part = _log_probs_native if compiled else _log_probs_numpy

    def one(at: int) -> None:
        rows = slice(at, at + some)
        out[rows] = part(hidden[rows], weight, bias, labels[rows])

    in_threads(one, [(at,) for at in range(0, len(labels), some)])
    return out


def _log_probs_native(hidden: Array, weight: Array, bias: Array, labels: Array) -> Array:
    hidden = np.ascontiguousarray(hidden)
    out = np.empty(len(labels))
    given = hidden, *strided(weight), bias, as_ids(labels), out
    check_memory(call_simd("label_log_probs", *hidden.shape, len(bias), *given, returns=c_int))
    return out


def _log_probs_numpy(hidden: Array, weight: Array, bias: Array, labels: Array) -> Array:
    logits = hidden @ weight
    logits += bias
    logits -= logits.max(axis=1, keepdims=True)
    chosen = np.take_along_axis(logits, labels[:, None], axis=1)[:, 0]
    total = np.exp(logits, out=logits).sum(axis=1)
    return chosen.astype(np.float64) - np.log(total.astype(np.float64))


def cross_entropy(
    logits: Float[Array, "N V"], labels: Integer[Array, " N"], predictions: int | None = None
) -> tuple[float, Float[Array, "N V"]]:
    """Summed nats of the labels and the gradient of their *mean* by the logits, which it overwrites.

    predictions: what the mean is over, where the labels are a part of a batch.
    """
    share = 1 / max(len(labels) if predictions is None else predictions, 1)
    if fast_in_order(logits):
        nats = call_simd("cross_entropy", *logits.shape, logits, as_ids(labels), share, returns=c_double)
        return nats, logits
    rows = np.arange(len(labels))
    logits -= logits.max(axis=1, keepdims=True)
    chosen = logits[rows, labels].astype(np.float64)
    np.exp(logits, out=logits)
    total = logits.sum(axis=1, keepdims=True)
    nats = float(np.log(total, dtype=np.float64).sum() - chosen.sum())
    logits *= logits.dtype.type(share) / total
    logits[rows, labels] -= logits.dtype.type(share)
    return nats, logits


def softmax_layer(
    vectors: Float[Array, "N D"],
    weight: Float[Array, "D V"],
    bias: Float[Array, " V"],
    labels: Integer[Array, " N"],
    predictions: int,
) -> tuple[float, Float[Array, "N D"], Float[Array, "D V"], Float[Array, " V"]]:
    """Nats of softmax(vectors W + b) at the labels, and the gradients of nats / predictions by the vectors,
    the weight and the bias; in blocks of rows, so that N x V is never held whole where V is large."""
    layer = _layer_native if fast(vectors, weight, bias) else _layer_numpy
    return layer(vectors, weight, bias, labels, predictions)


def _layer_native(
    vectors: Array, weight: Array, bias: Array, labels: Array, predictions: int
) -> tuple[float, Array, Array, Array]:
    vectors = np.ascontiguousarray(vectors)
    nats = np.empty(1)
    made = tuple(np.empty(shape, np.float32) for shape in (vectors.shape, weight.shape, bias.shape))
    sizes = *vectors.shape, len(bias)
    given = vectors, *strided(weight), bias, as_ids(labels), 1 / max(predictions, 1)
    check_memory(call_simd("softmax_layer", *sizes, *given, nats, *made, returns=c_int))
    d_vectors, d_weight, d_bias = made
    return float(nats[0]), d_vectors, d_weight, d_bias


def _layer_numpy(
    vectors: Array, weight: Array, bias: Array, labels: Array, predictions: int
) -> tuple[float, Array, Array, Array]:
    nats, d_vectors = 0.0, np.empty_like(vectors)
    d_weight, d_bias = np.zeros(weight.shape, weight.dtype), np.zeros_like(bias)
    rows = max(1, WIDE_BLOCK // weight.shape[1])
    for at in range(0, len(labels), rows):
        block = vectors[at : at + rows]
        logits = block @ weight
        logits += bias
        more, d_logits = cross_entropy(logits, labels[at : at + rows], predictions)
        nats += more
        d_vectors[at : at + rows] = d_logits @ weight.T
        d_weight += block.T @ d_logits
        d_bias += d_logits.sum(axis=0)
    return nats, d_vectors, d_weight, d_bias
