"""One model over many series: each is scaled by its own mean and deviation, and all of them are learned from.

    z^i_t = (x^i_t - shift_i) / size_i,   one p(z_t | z_<t) for all i

Series too short to say anything alone say it together (Salinas et al. 2020; Montero-Manso & Hyndman 2021).
How far off it is, is measured on the last steps of all series at once, in units of their sizes.

Shape letters: T time, H horizon, B series of one length.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Float64

from chainrule.core import InputError, SeriesModel, take_rows
from chainrule.models.series import Scale, Transformed, fit_autoregression, scaled
from chainrule.models.series.transforms import State
from chainrule.recipes.forecasting import Fitted, Member, check_length
from chainrule.recipes.series_networks import NETWORKS, Training, fit_network, make_network
from chainrule.tasks.forecasting import mean_path

Array = np.ndarray
Many = Sequence[Float64[Array, " _"]]
Rows = list[tuple[int, Any, Float64[Array, " H"]]]
SHARED = ("shared-ar", *(f"shared-{name}" for name in NETWORKS))
STEPS = 12_000  # of an optimiser, about; epochs are as many as that makes
POOLED = 400  # held-out forecasts that intervals come from


def fit_shared(series: Many, name: str, period: int, horizon: int) -> list[Fitted]:
    """One for each series, the same model inside. Raises InputError for series that are too short."""
    for values in series:
        check_length(values)
    shortest = min(map(len, series))
    held = min(horizon, shortest // 3)
    before = [values[:-held] for values in series]
    scales = [scaled(values) for values in before]
    inner = _fit(before, scales, name, period)
    rows = _forecasts(inner, before, scales, held)
    errors = [scales[i].of(series[i][-held:]) - path for i, _, path in rows]
    kept = np.unique(np.linspace(0, len(errors) - 1, min(len(errors), POOLED)).round().astype(int))
    pooled = np.stack([errors[k] for k in kept])
    scales = [scaled(values) for values in series]
    inner = _fit(series, scales, name, period)
    made: list[Fitted | None] = [None] * len(series)
    error = float(np.abs(pooled).mean())
    for i, state, _ in _forecasts(inner, series, scales, 1):
        scale = scales[i]
        model = Transformed(scale, inner)
        member = Member(name, model, State(scale.memory(1), state), error * scale.size)
        made[i] = Fitted((member,), pooled * scale.size)
    return [each for each in made if each is not None]


def _fit(series: Many, scales: list[Scale], name: str, period: int) -> SeriesModel[Any]:
    shortest = min(map(len, series))
    z = [scale.of(values) for values, scale in zip(series, scales, strict=True)]
    if name == "shared-ar":
        return fit_autoregression(z, tuple(range(1, min(max(period + 1, 4), max(shortest // 2, 1)) + 1)))
    make = make_network(name.removeprefix("shared-"), period, shortest)
    span = make(np.random.default_rng(0)).span
    windows = sum(max(len(values) - span + 1, 0) for values in z)
    if not windows:
        raise InputError(f"{name}: expected a series of at least {span} values, got {max(map(len, z))}")
    batch = 64
    epochs = int(np.clip(STEPS * batch / windows / 16, 1, 60))
    made = fit_network(z, make, Training(epochs, batch))[0]
    assert isinstance(made, Transformed)
    return made.inner


def _forecasts(inner: SeriesModel[Any], series: Many, scales: list[Scale], h: int) -> Rows:
    """Place, inner state after the values, and h steps on, of each series; those of one length at once."""
    by_length: dict[int, list[int]] = {}
    for i, values in enumerate(series):
        by_length.setdefault(len(values), []).append(i)
    rows: Rows = []
    for places in by_length.values():
        z = np.stack([scales[i].of(series[i]) for i in places])
        _, state = inner.follow(inner.start(len(places)), z)
        paths = mean_path(inner, state, h)
        rows += [(i, take_rows(state, np.array([k])), paths[k]) for k, i in enumerate(places)]
    return rows
