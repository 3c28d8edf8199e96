"""The lecture's first experiment beside its baselines, over seeds, and what models recover of made-up
ratings.

    python benchmarks/series_lecture.py [--seeds N] [-o FOLDER] [--quick] [--json]

mse/{model}/{k}-steps     on t > 600 of x = sin(0.01 t) + N(0, 0.2^2); the median over seeds, all of them in
`seeds` mse/{model}/roll-out      400 steps from the end of training mse/interpolation, ../extrapolation,
../in-order, ../shuffled   one step ahead film/{part}/{model}       ratings with known parts: how much of
the drop after the scandal a model's own one-step
                          prediction has taken over a year later, the season's correlation with the truth

-o: the picture, as SVG and PNG.
"""

import argparse
import json
import statistics
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from chainrule.core import rollout
from chainrule.files import write_text, written_aside
from chainrule.models.series import deseasoned, scaled
from chainrule.recipes.film_ratings import YEAR, film_ratings
from chainrule.recipes.lecture_series import (
    NOISE,
    TRAINING,
    Result,
    interpolation,
    lecture,
    noisy_sine,
    shuffled,
)
from chainrule.recipes.series_models import Fit, autoregression, chain, smoothing
from chainrule.report import png, svg
from chainrule.report.series import k_step_figure

Row = dict[str, Any]


def row(name: str, values: list[float], unit: str = "squared error") -> Row:
    return {"name": name, "value": statistics.median(values), "unit": unit, "seeds": values}


def of_lecture(runs: list[dict[str, Result]]) -> Iterator[Row]:
    for model in runs[0]:
        for k in runs[0][model].at:
            yield row(f"mse/{model}/{k}-steps", [float(run[model].at[k] or 0) for run in runs])
        rollouts = [run[model].rollout for run in runs]
        known = [value for value in rollouts if value is not None]
        if known:
            yield row(f"mse/{model}/roll-out", known)


def of_pairs(seeds: int) -> Iterator[Row]:
    for experiment in (interpolation, shuffled):
        runs = [experiment(seed) for seed in range(seeds)]
        for name in runs[0]:
            yield row(f"mse/{name.replace(' ', '-')}", [run[name] for run in runs])


def of_films(seeds: int) -> Iterator[Row]:
    """The level a model holds before and a year after the scandal, against the drop that was put in; and the
    season that its forecast of the next year has."""

    def with_means(values: np.ndarray) -> Any:
        return deseasoned(values, YEAR)

    fits: dict[str, Fit] = {
        "level-season": smoothing("none", YEAR),
        "ar": chain(scaled, fit=autoregression(26)),
        "ar-seasonal-means": chain(with_means, scaled, fit=autoregression(26)),
    }
    for name, fit in fits.items():
        drops: list[float] = []
        seasons: list[float] = []
        for seed in range(seeds):
            truth = film_ratings(np.random.default_rng(seed))
            model = fit(truth.ratings)
            predicted, state = model.follow(model.start(1), truth.ratings[None])
            level = (predicted.mean[0] - truth.season).tolist()
            before, after = slice(4 * YEAR - 26, 4 * YEAR), slice(5 * YEAR - 26, 5 * YEAR)
            drops.append(statistics.fmean(level[before]) - statistics.fmean(level[after]))
            path = np.array([items[0] for items in future(model, state, YEAR)])
            wave = path - np.linspace(path[0], path[-1], YEAR)
            seasons.append(float(np.corrcoef(wave, truth.season[:YEAR])[0, 1]))
        yield row(f"film/scandal/{name}", drops, "drop, of 0.6")
        yield row(f"film/season/{name}", seasons, "correlation with the truth")


def future(model: Any, state: Any, h: int) -> Iterator[np.ndarray]:
    return (items for items, _ in rollout(model, state, h, lambda next: next.mean))


def picture(runs: list[dict[str, Result]], folder: Path) -> None:
    names = ("MLP 4-10-1", "last value", "training mean", "linear AR(4)", "linear AR(64)", "GRU 16")
    errors = {n: {k: [float(run[n].at[k] or 0) for run in runs] for k in runs[0][n].at} for n in names}
    paths = {n: path for n in names if (path := runs[0][n].path) is not None}
    figure = k_step_figure(noisy_sine(np.random.default_rng(0)), TRAINING, paths, errors, NOISE**2)
    folder.mkdir(parents=True, exist_ok=True)
    write_text(folder / "series.svg", svg(figure))
    with written_aside(folder / "series.png") as file:
        file.write(png(figure))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("-o", type=Path, help="a folder for the picture")
    parser.add_argument("--quick", action="store_true", help="1 seed")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    seeds = 1 if options.quick else options.seeds
    runs = [lecture(seed) for seed in range(seeds)]
    parts: list[Callable[[], Iterator[Row]]] = [
        lambda: of_lecture(runs), lambda: of_pairs(seeds), lambda: of_films(seeds),
    ]  # fmt: skip
    made = [each for part in parts for each in part()]
    if options.o:
        picture(runs, options.o)
    if options.json:
        print(json.dumps(made, indent=2))
        return
    for each in made:
        spread = f"{min(each['seeds']):.3f} .. {max(each['seeds']):.3f}"
        print(f"{each['name']:36} {each['value']:8.3f} {each['unit']}  ({spread})")


if __name__ == "__main__":
    main()
