"""A forecast of each step ahead by a regression of its own: no prediction is fed back (Cox 1961).

    x_{t+j} = c_j + sum_k w_jk x_{t+1-k},   j = 1..H

It reads left to right but has no chain of one-step predictions, so it stands beside the models with a state.

Shape letters: T time, H horizon, tau window, O origins.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64

from chainrule.core import InputError
from chainrule.models.series.autoregression import least_scale, least_squares

Array = np.ndarray


@dataclass(frozen=True, eq=False)
class DirectAutoregression:
    """weights [H, 1 + tau], the constant first, then from the oldest value to the newest; scales [H]."""

    weights: Float64[Array, "H tau1"]
    scales: Float64[Array, " H"]

    @property
    def window(self) -> int:
        return self.weights.shape[1] - 1

    def forecast(self, windows: Float64[Array, "O tau"]) -> Float64[Array, "O H"]:
        """1..H steps on from each window of the last values."""
        return windows @ self.weights[:, 1:].T + self.weights[:, 0]


def fit_direct(values: Float64[Array, " T"], window: int, horizon: int) -> DirectAutoregression:
    """Least squares a step. Raises InputError for too few values."""
    if window < 1 or horizon < 1:
        raise InputError(f"direct: expected a window and a horizon of at least 1, got {window}, {horizon}")
    if len(values) < 2 * window + horizon + 2:
        raise InputError(
            f"direct: expected at least {2 * window + horizon + 2} values for a window of {window} and "
            f"{horizon} steps, got {len(values)}"
        )
    weights, scales = np.empty((horizon, window + 1)), np.empty(horizon)
    windows = np.lib.stride_tricks.sliding_window_view(values, window)
    for j in range(horizon):
        targets = values[window + j :]
        design = np.concatenate([np.ones((len(targets), 1)), windows[: len(targets)]], axis=1)
        weights[j] = least_squares(design, targets)
        scales[j] = max(float((targets - design @ weights[j]).std()), least_scale(values))
    return DirectAutoregression(weights, scales)
