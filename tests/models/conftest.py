"""What the tests of several models share."""

from collections.abc import Callable

import numpy as np
import pytest

Difference = Callable[[Callable[[], float], np.ndarray], np.ndarray]


@pytest.fixture(scope="session")
def central_differences() -> Difference:
    """(f(x + e) - f(x - e)) / 2 e in every entry of an array that f reads, which is changed and put back."""

    def differences(f: Callable[[], float], x: np.ndarray, e: float = 1e-5) -> np.ndarray:
        assert x.dtype == np.float64
        out = np.empty_like(x)
        for place in np.ndindex(*x.shape):
            kept = x[place]
            x[place] = kept + e
            above = f()
            x[place] = kept - e
            out[place] = (above - f()) / (2 * e)
            x[place] = kept
        return out

    return differences
