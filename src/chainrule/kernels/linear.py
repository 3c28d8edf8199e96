"""A layer's input product backwards: what the gradient by X W + b says of W, of b and of X.

    dW = X^T dA,   db = sum_n dA_n,   dX = dA W^T

Where X is one-hot, given as ids, W is a table whose rows were picked, and dX is of no use.

Shape letters: N rows, D input width, V vocabulary, G columns of W.
"""

from ctypes import c_int

import numpy as np
from jaxtyping import Float, Integer

from chainrule.kernels.native import as_ids, call_simd, check_memory, fast_in_order
from chainrule.kernels.scatter import sum_rows_by_id

Array = np.ndarray


def by_ids(
    ids: Integer[Array, " N"], d_sums: Float[Array, "N G"], vocab_size: int
) -> tuple[Float[Array, "V G"], Float[Array, " G"]]:
    """dW and db of rows picked by id."""
    if not fast_in_order(d_sums):
        return sum_rows_by_id(ids, d_sums, vocab_size), d_sums.sum(axis=0)
    rows, gates = d_sums.shape
    made = np.empty((vocab_size, gates), np.float32), np.empty(gates, np.float32)
    call_simd("by_ids", rows, vocab_size, gates, as_ids(ids), d_sums, *made)
    return made


def by_vectors(
    vectors: Float[Array, "N D"], weight: Float[Array, "D G"], d_sums: Float[Array, "N G"]
) -> tuple[Float[Array, "D G"], Float[Array, " G"], Float[Array, "N D"]]:
    """dW, db and dX."""
    arrays = vectors, weight, d_sums
    if not fast_in_order(*arrays):
        return vectors.T @ d_sums, d_sums.sum(axis=0), d_sums @ weight.T
    rows, gates = d_sums.shape
    shapes = (weight.shape, (gates,), vectors.shape)
    d_weight, d_bias, d_vectors = (np.empty(shape, np.float32) for shape in shapes)
    sizes = rows, len(weight), gates
    check_memory(call_simd("by_vectors", *sizes, *arrays, d_weight, d_bias, d_vectors, returns=c_int))
    return d_weight, d_bias, d_vectors
