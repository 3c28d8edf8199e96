"""The next value is a weighted sum of earlier ones (Yule 1927), the weights by least squares.

    x_t = c + sum_k w_k x_{t - lag_k} + e_t,   e_t ~ N(0, scale^2)

The state is the last values, NaN where none was seen yet: there the prediction is the marginal distribution.
Lags (m,) with weight 1 is the seasonal naive forecast, (1,) the last value, no lags at all the mean.

Shape letters: B batch, T time, K lags, L the longest lag.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64

from chainrule.core import InputError, Normal, SeriesModel, check_values

Array = np.ndarray
Past = Float64[Array, "B L"]
LEAST = 1e-9  # of the values' size: a series that is predicted without error has a scale all the same


def least_scale(values: Float64[Array, "*shape"]) -> float:
    """A scale above 0 for values that do not vary."""
    return LEAST * max(1.0, float(np.abs(values).max(initial=0.0)))


def marginal(series: Sequence[Float64[Array, " _"]]) -> tuple[float, float]:
    """Mean and scale of all values, whatever came before them."""
    values = np.concatenate(series)
    return float(values.mean()), max(float(values.std()), least_scale(values))


@dataclass(frozen=True, eq=False)
class Autoregression(SeriesModel[Past]):
    """lags: rising. marginal: mean and scale before the longest lag was seen."""

    lags: tuple[int, ...]
    weights: Float64[Array, " K"]
    intercept: float
    scale: float
    marginal: tuple[float, float]

    @property
    def longest(self) -> int:
        return max(self.lags, default=0)

    def start(self, batch: int) -> Past:
        return np.full((batch, self.longest), np.nan)

    def predict(self, state: Past) -> Normal:
        return self._of(state[:, [self.longest - lag for lag in self.lags]])

    def advance(self, state: Past, items: Float64[Array, " B"]) -> Past:
        check_values(items)
        return np.concatenate([state, items[:, None]], axis=1)[:, 1:] if self.longest else state

    def follow(self, state: Past, values: Float64[Array, "B T"]) -> tuple[Normal, Past]:
        """All steps as rows of one product."""
        line, steps = np.concatenate([state, check_values(values)], axis=1), values.shape[1]
        columns = [line[:, self.longest - lag :][:, :steps] for lag in self.lags]
        stacked = np.stack(columns, axis=-1) if columns else np.empty((*values.shape, 0))
        return self._of(stacked), line[:, steps:].copy()

    def _of(self, columns: Float64[Array, "*shape K"]) -> Normal:
        """One prediction from the values at the lags."""
        mean = (columns * self.weights).sum(axis=-1) + self.intercept
        unseen = np.isnan(mean)
        scale = np.where(unseen, self.marginal[1], self.scale)
        return Normal(np.where(unseen, self.marginal[0], mean), scale)


def regressors(
    values: Float64[Array, " T"], lags: tuple[int, ...], first: int
) -> tuple[Float64[Array, "N K1"], Float64[Array, " N"]]:
    """Rows (1, x_{t - lag_1}, ..) and the x_t that they predict, from t = first on."""
    targets = values[first:]
    columns = [np.ones(len(targets)), *(values[first - lag : len(values) - lag] for lag in lags)]
    return np.stack(columns, axis=1), targets


def fit_autoregression(
    series: Sequence[Float64[Array, " _"]],
    lags: tuple[int, ...],
) -> Autoregression:
    """Least squares over all series.

    Raises InputError where there are not more values to predict than weights.
    """
    longest = max(lags, default=0)
    if any(lag < 1 for lag in lags) or len(set(lags)) != len(lags):
        raise InputError(f"lags: expected different numbers of at least 1, got {lags}")
    pairs = [regressors(values, lags, longest) for values in series if len(values) > longest]
    rows = sum(len(targets) for _, targets in pairs)
    if rows <= len(lags) + 1:
        raise InputError(
            f"series: expected more than {longest + len(lags) + 1} values for {len(lags)} lags up to "
            f"{longest}, got {sum(map(len, series))}"
        )
    design = np.concatenate([design for design, _ in pairs])
    targets = np.concatenate([targets for _, targets in pairs])
    weights = least_squares(design, targets)
    errors = targets - design @ weights
    freedom = max(rows - len(weights), 1)
    scale = max(float(np.sqrt(errors @ errors / freedom)), least_scale(targets))
    return Autoregression(lags, weights[1:].copy(), float(weights[0]), scale, marginal(series))


def least_squares(
    design: Float64[Array, "N K1"],
    targets: Float64[Array, " N"],
) -> Float64[Array, " K1"]:
    """Weights of centred columns; the first column is the constant."""
    centre, middle = design[:, 1:].mean(axis=0), float(targets.mean())
    columns = design[:, 1:] - centre
    weights = np.linalg.lstsq(columns, targets - middle, rcond=1e-10)[0]
    return np.concatenate([[middle - centre @ weights], weights])


def choose_lags(values: Float64[Array, " T"], most: int, seasonal: tuple[int, ...] = ()) -> Autoregression:
    """Lags 1..p and the seasonal ones, p by the corrected criterion of Akaike (Hurvich & Tsai 1989).

    AICc = n log(SSE / n) + 2 k + 2 k (k + 1) / (n - k - 1), all orders over the same n values.
    """
    longest = max((most, *seasonal))
    best, chosen = np.inf, ()
    for order in range(most + 1):
        lags = tuple(sorted({*range(1, order + 1), *seasonal}))
        design, targets = regressors(values, lags, longest)
        n, k = len(targets), len(lags) + 2
        if n <= k + 2:
            break
        errors = targets - design @ least_squares(design, targets)
        square = max(float(errors @ errors) / n, least_scale(targets) ** 2)
        criterion = n * np.log(square) + 2 * k + 2 * k * (k + 1) / (n - k - 1)
        if criterion < best - 1e-9:
            best, chosen = criterion, lags
    return fit_autoregression([values], chosen)


def seasonal_naive(values: Float64[Array, " T"], period: int) -> Autoregression:
    """What was seen one period ago; period 1: the last value."""
    if len(values) <= period:
        raise InputError(f"series: expected more than {period} values for a period, got {len(values)}")
    changes = values[period:] - values[:-period]
    scale = max(float(np.sqrt(np.mean(changes**2))), least_scale(values))
    return Autoregression((period,), np.ones(1), 0.0, scale, marginal([values]))
