"""The default forecast: every candidate is held against the end of the training part, the best are averaged.

    x_{T+j} = sum_k w_k x^k_{T+j},   w_k = a / E_k,   over the fifteen k with the least E_k,
    E_k = the mean absolute error of k on the held-out part, the latest origins first

One setting for all series. The held-out errors of the same average are its split-conformal intervals.
Forecasts together beat the best of them more often than not (Bates & Granger 1969; Petropoulos & Svetunkov
2020).

Shape letters: T time, H horizon, O origins, K members, N draws.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float64

from chainrule.core import ChainruleError, InputError, SeriesModel, check_values
from chainrule.models.series import seasonal_naive
from chainrule.recipes.series_models import Fit, candidates
from chainrule.tasks.forecasting import (
    conformal_radii,
    mean_path,
    places,
    simulate,
    states_at,
    targets_at,
)

Array = np.ndarray
Model = SeriesModel[Any]
KEPT = 15
ORIGINS = 40
HALF_LIFE = 10  # origins: how soon an error counts half
LARGEST = 1e100
FEWEST = 4  # values: less is no series to learn from


class Member(NamedTuple):
    """A model, its state after the training values, its held-out mean absolute error, and its say in the
    average."""

    name: str
    model: Model
    state: Any
    error: float
    weight: float = 1.0


@dataclass(frozen=True, eq=False)
class Fitted:
    """What forecasts one series. errors: of held-out forecasts 1..H steps on, from O origins; or empty.
    levels: of values above 0, how high those forecasts were on average; else empty."""

    members: tuple[Member, ...]
    errors: Float64[Array, "O H"]
    levels: Float64[Array, " _"] = field(default_factory=lambda: np.empty(0))

    def mean(self, h: int) -> Float64[Array, " H"]:
        """The average of the recursive forecasts; with one member, its own."""
        weights = np.array([member.weight for member in self.members])
        return weights @ np.stack([mean_path(m.model, m.state, h)[0] for m in self.members])

    def reading(self, values: Float64[Array, " T"]) -> "Fitted":
        """The same models after other values, with nothing learned anew."""
        end = [len(values)]
        members = [member._replace(state=states_at(member.model, values, end)) for member in self.members]
        return Fitted(tuple(members), self.errors, self.levels)

    def radii(self, h: int, level: float) -> Float64[Array, " H"]:
        """Half the width of the split-conformal interval, of the errors as they are or of their share of the
        level, whichever is wider: what grows is missed by more. Beyond the horizon of the held-out forecasts
        it grows with the root of the distance."""
        if not self.errors.size:
            raise InputError("interval: expected held-out errors, got too few values to hold some out")
        known = conformal_radii(self.errors, level)
        if len(self.levels):
            now = float(self.mean(len(known)).mean())
            known = np.maximum(known, now * conformal_radii(self.errors / self.levels[:, None], level))
        steps = np.arange(1, h + 1)
        grown = np.sqrt(np.maximum(steps / len(known), 1.0))
        return known[np.minimum(steps, len(known)) - 1] * grown

    def draws(self, h: int, count: int) -> Float64[Array, "N H"]:
        """The mean and the held-out errors around it, both ways; no chance in it."""
        ladder = (np.arange(count) + 0.5) / count * 100
        apart = np.stack([self.radii(h, float(abs(2 * q - 100))) for q in ladder])
        return self.mean(h) + np.sign(ladder - 50)[:, None] * apart

    def simulated(self, h: int, count: int, rng: np.random.Generator) -> Float64[Array, "N H"]:
        """Futures drawn from the members' own predictions, from each as many."""
        each = -(-count // len(self.members))
        return np.concatenate([simulate(m.model, m.state, h, each, rng)[0] for m in self.members])


def held_out_cutoffs(length: int, period: int, horizon: int) -> list[int]:
    """Where the candidates are tried: at the end of the training part, at most a third of it."""
    last = min(max(4 * horizon, 3 * period), length // 3)
    return [int(cutoff) for cutoff in places(length, ORIGINS, last)] if last else []


def fit_default(values: Float64[Array, " T"], period: int, horizon: int) -> Fitted:
    """The average of the best candidates."""
    check_length(values)
    return fit_average(values, candidates(values, period), period, horizon)


def check_length(values: Float64[Array, " T"]) -> None:
    """Raises InputError for too few values, or any that is not finite or too large to square."""
    if len(check_values(values)) < FEWEST:
        raise InputError(f"expected at least {FEWEST} values to learn from, got {len(values)}")
    if np.abs(values).max() > LARGEST:
        raise InputError(f"expected values up to {LARGEST:g} in size, got {np.abs(values).max():g}")


def fit_average(values: Float64[Array, " T"], fits: Mapping[str, Fit], period: int, horizon: int) -> Fitted:
    """Each is fitted without the end of the training part and tried on it; the best are fitted on all of
    it."""
    cutoffs = held_out_cutoffs(len(values), period, horizon)
    targets = targets_at(values, cutoffs, horizon)
    paths = {
        name: path
        for name, fit in fits.items()
        if (path := _tried(fit, values, cutoffs, horizon)) is not None
    }
    sizes = {name: _mean_size(targets - path) for name, path in paths.items()}
    order = sorted(sizes, key=lambda name: sizes[name])[:KEPT]
    models = {name: model for name in order if (model := _fitted(fits[name], values)) is not None}
    if not models:
        return _fallback(values, fits)
    weights = _weights(np.array([sizes[name] for name in models]))
    path = np.tensordot(weights, np.stack([paths[name] for name in models]), axes=1)
    levels = path.mean(axis=1) if values.min() > 0 else np.empty(0)
    levels = levels if (levels > 0).all() else np.empty(0)
    end = [len(values)]
    members = tuple(
        Member(name, model, states_at(model, values, end), sizes[name], float(weight))
        for (name, model), weight in zip(models.items(), weights, strict=True)
    )
    return Fitted(members, targets - path, levels)


def _weights(sizes: Float64[Array, " K"]) -> Float64[Array, " K"]:
    """In inverse proportion to the errors, and 1 in all; those without an error share it."""
    inverse = (sizes == 0).astype(np.float64) if (sizes == 0).any() else sizes.min() / sizes
    return inverse / inverse.sum()


def _tried(
    fit: Fit, values: Float64[Array, " T"], cutoffs: list[int], horizon: int
) -> Float64[Array, "O H"] | None:
    """What it forecasts of the held-out end, knowing of it in the fit nothing, in the state what came
    before."""
    if not cutoffs or (model := _fitted(fit, values[: cutoffs[0]])) is None:
        return None
    with np.errstate(over="ignore", invalid="ignore"):
        path = mean_path(model, states_at(model, values, cutoffs), horizon)
    return path if np.isfinite(path).all() else None


def _fitted(fit: Fit, values: Float64[Array, " T"]) -> Model | None:
    """None where the values are too few, or too strange, for this model; there are others."""
    try:
        return fit(values)
    except (ChainruleError, np.linalg.LinAlgError):
        return None


def _fallback(values: Float64[Array, " T"], fits: Mapping[str, Fit]) -> Fitted:
    """Too few values to hold some out: the one that was asked for, or the last value."""
    name, model = "naive", None
    if len(fits) == 1:
        name, fit = next(iter(fits.items()))
        model = _fitted(fit, values)
    if model is None:
        name, model = "naive", seasonal_naive(values, 1)
    member = Member(name, model, states_at(model, values, [len(values)]), float("nan"))
    return Fitted((member,), np.empty((0, 0)))


def _mean_size(errors: Float64[Array, "O H"]) -> float:
    """Every step of the horizon counts the same, however many origins it has; of the origins, the later ones
    more."""
    say = 0.5 ** (np.arange(len(errors))[::-1, None] / HALF_LIFE) * ~np.isnan(errors)
    sums, known = np.nansum(say * np.abs(errors), axis=0), say.sum(axis=0) > 0
    return float((sums[known] / say.sum(axis=0)[known]).mean())
