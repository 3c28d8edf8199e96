"""Matrix products in the calling thread, where the libraries of NumPy would wake threads of their own.

    C = A B

Two threads of a BLAS wait for each other at every product: beside a busy process they lose most of their
speed. Here rows of a batch go to threads that meet once a step, and each takes its products by itself.

Shape letters: M rows, K inner, N columns.
"""

from ctypes import c_int

import numpy as np
from jaxtyping import Float

from chainrule.kernels.native import call_simd, check_memory, fast, strided

Array = np.ndarray


def matmul(a: Float[Array, "M K"], b: Float[Array, "K N"]) -> Float[Array, "M N"]:
    """A B, of any strides: transposed views cost nothing more."""
    return _native(a, b) if fast(a, b) else a @ b


def _native(a: Float[Array, "M K"], b: Float[Array, "K N"]) -> Float[Array, "M N"]:
    (m, k), n = a.shape, b.shape[1]
    c = np.empty((m, n), np.float32)
    check_memory(call_simd("sgemm", m, n, k, *strided(a), *strided(b), c, 0, returns=c_int))
    return c
