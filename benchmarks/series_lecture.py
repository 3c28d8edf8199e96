"""The lecture's first experiment beside its baselines, over seeds, and what models recover of made-up
ratings.

    python benchmarks/series_lecture.py [--seeds N] [-o FOLDER] [--quick] [--json]

mse/{model}/{k}-steps       on t > 600 of x = sin(0.01 t) + N(0, 0.2^2); the median over seeds, all in `seeds`
mse/{model}/roll-out        400 steps from the end of training
mse/interpolation, ../extrapolation, ../in-order, ../shuffled       one step ahead
film/{part}/{model}         ratings with known parts: what share of the rise after a prize, of its fading,
                            and of the drop after a scandal one-step predictions have taken over, how many
                            weeks after it, and the correlation of the season with the truth

-o: the picture, as SVG and PNG.
"""

import argparse
import json
import statistics
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from chainrule.files import write_text, written_aside
from chainrule.recipes.film_ratings import Recovered, film_models, film_ratings, recovered
from chainrule.recipes.lecture_series import (
    NOISE,
    TRAINING,
    Result,
    interpolation,
    lecture,
    noisy_sine,
    shuffled,
)
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
    """What each model recovers of the effects that were put into made-up ratings."""
    truths = [film_ratings(np.random.default_rng(seed)) for seed in range(seeds)]
    for model, fit in film_models().items():
        found = [recovered(fit(truth.ratings), truth) for truth in truths]
        for part in Recovered._fields:
            unit = {"weeks": "weeks", "season": "correlation"}.get(part, "share of the truth")
            yield row(f"film/{part}/{model}", [getattr(each, part) for each in found], unit)


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
