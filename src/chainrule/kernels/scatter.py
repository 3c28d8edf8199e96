"""The transpose of a gather: rows added up by id, which is the gradient of a one-hot input product.

    out_v = sum over n with id_n = v of rows_n        (= onehot(ids)^T rows)

Shape letters: N rows, V vocabulary, D width.
"""

import numpy as np
from jaxtyping import Float, Integer

from chainrule.kernels.native import as_ids, call_simd, fast_in_order

Array = np.ndarray
ONE_HOT_LIMIT = 256  # below this width the product with a real one-hot matrix beats sorting


def sum_rows_by_id(
    ids: Integer[Array, " N"], rows: Float[Array, "N D"], vocab_size: int
) -> Float[Array, "V D"]:
    """Row v of the result is the sum of the rows whose id is v."""
    if fast_in_order(rows):
        out = np.empty((vocab_size, rows.shape[1]), np.float32)
        call_simd("sum_rows", len(ids), *out.shape, as_ids(ids), rows, out)
        return out
    if vocab_size <= ONE_HOT_LIMIT:
        one_hot = np.zeros((len(ids), vocab_size), dtype=rows.dtype)
        one_hot[np.arange(len(ids)), ids] = 1
        return one_hot.T @ rows
    out = np.zeros((vocab_size, rows.shape[1]), dtype=rows.dtype)
    order = np.argsort(ids, kind="stable")
    present, first = np.unique(ids[order], return_index=True)
    out[present] = np.add.reduceat(rows[order], first, axis=0)
    return out
