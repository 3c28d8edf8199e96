"""Matrix products in the calling thread, where the libraries of NumPy would wake threads of their own.

    C = A B

Two threads of a BLAS wait for each other at every product: beside a busy process they lose most of their
speed. Here rows of a batch go to threads that meet once a step, and each takes its products by itself.

Shape letters: M rows, K inner, N columns.
"""

from ctypes import c_int

import numpy as np
from jaxtyping import Float

from chainrule.kernels.native import address, call_simd, check_memory, instructions

Array = np.ndarray


def fast(*arrays: Array) -> bool:
    """Whether the compiled loops can work on these: single precision, and they were compiled."""
    return all(array.dtype == np.float32 for array in arrays) and bool(instructions())


def matmul(a: Float[Array, "M K"], b: Float[Array, "K N"]) -> Float[Array, "M N"]:
    """A B, of any strides: transposed views cost nothing more."""
    return _native(a, b) if fast(a, b) else a @ b


def _native(a: Float[Array, "M K"], b: Float[Array, "K N"]) -> Float[Array, "M N"]:
    (m, k), n = a.shape, b.shape[1]
    c = np.empty((m, n), np.float32)
    left, right = (address(a), *in_floats(a)), (address(b), *in_floats(b))
    check_memory(call_simd("sgemm", m, n, k, *left, *right, c, 0, returns=c_int))
    return c


def in_floats(a: Float[Array, "M K"]) -> tuple[int, int]:
    """How far apart rows and columns are, as the compiled loops count."""
    return a.strides[0] // 4, a.strides[1] // 4
