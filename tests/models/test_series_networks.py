"""Networks of real values: gradients, the laws, and that they learn from one series and from many."""

from typing import Any

import numpy as np
import pytest

from chainrule import testing
from chainrule.core import InputError
from chainrule.models.series.networks import (
    RecurrentNetworkLearner,
    WindowNetworkLearner,
    head,
)
from chainrule.recipes.series_networks import (
    Training,
    fit_network,
    recurrent_network,
    window_network,
    windows_of,
)

CELLS = ("rnn", "gru", "lstm")


def learner(kind: str, learned_scale: bool) -> Any:
    rng = np.random.default_rng(1)
    if kind == "window":
        made: Any = WindowNetworkLearner(window=3, hidden=5, learned_scale=learned_scale, rng=rng)
    else:
        made = RecurrentNetworkLearner(cell=kind, hidden=4, span=6, learned_scale=learned_scale, rng=rng)
    for array in made.parameters.values():
        array += rng.normal(0, 0.2, array.shape)
    return made


@pytest.mark.parametrize("learned_scale", [False, True], ids=["constant", "learned"])
@pytest.mark.parametrize("kind", ["window", *CELLS])
def test_gradients_are_central_differences(kind: str, learned_scale: bool) -> None:
    made = learner(kind, learned_scale)
    values = np.random.default_rng(4).normal(size=(4, made.span))  # no unit within 1e-5 of relu's kink
    step = made.gradients(values)
    assert step.gradients.keys() == made.parameters.keys()
    for name, array in made.parameters.items():
        for at in np.ndindex(array.shape):
            kept = array[at]
            losses = []
            for change in (1e-5, -1e-5):
                array[at] = kept + change
                again = made.gradients(values)
                losses.append(again.nats / again.count)
            array[at] = kept
            assert step.gradients[name][at] == pytest.approx((losses[0] - losses[1]) / 2e-5, abs=1e-7), name


@pytest.mark.parametrize("learned_scale", [False, True], ids=["constant", "learned"])
@pytest.mark.parametrize("kind", ["window", *CELLS])
def test_the_laws_of_the_interface(kind: str, learned_scale: bool) -> None:
    testing.check_series_model(learner(kind, learned_scale).model())


@pytest.mark.parametrize("kind", ["window", *CELLS])
def test_the_loss_is_the_models_own_score(kind: str) -> None:
    """With a learned scale, nats are minus the log-density, less its constant."""
    made = learner(kind, True)
    values = np.random.default_rng(3).normal(size=(3, made.span))
    model, step = made.model(), made.gradients(values)
    log_p, _ = model.score(model.start(3), values)
    predicted = log_p[:, made.span - 1 :] if kind == "window" else log_p
    constant = 0.5 * np.log(2 * np.pi) * step.count
    assert step.nats == pytest.approx(-predicted.sum() - constant)


def test_a_head_of_one_column_has_the_scale_it_is_given() -> None:
    made = head({"output.weight": np.ones((2, 1)), "output.bias": np.ones(1)}, np.ones((3, 2)), 0.5)
    assert made.mean.tolist() == [3, 3, 3]
    assert made.scale.tolist() == [0.5] * 3


@pytest.mark.parametrize(
    "make", [window_network(4, 8), recurrent_network("gru", 8, 12), recurrent_network("lstm", 8, 12)]
)
def test_one_network_learns_from_many_series_each_in_its_own_scale(make: Any) -> None:
    """Sines of other heights and levels: in their own scales they are one."""
    rng = np.random.default_rng(0)
    series = [
        level + size * (np.sin(0.5 * np.arange(80)) + rng.normal(0, 0.02, 80))
        for level, size in ((0, 1), (100, 10), (-5, 0.1))
    ]
    models = fit_network(series, make, Training(epochs=12, rate=0.02, seeds=(0, 1)))
    for model, values in zip(models, series, strict=True):
        made, _ = model.follow(model.start(1), values[None])
        error = ((values - made.mean[0])[20:] ** 2).mean()
        assert error < 0.2 * values.var()


def test_a_seed_is_a_network() -> None:
    values = np.sin(np.arange(60.0))
    how = Training(epochs=2, seeds=(3,))
    first, again = (fit_network([values], window_network(3, 4), how)[0] for _ in range(2))
    other = fit_network([values], window_network(3, 4), how._replace(seeds=(4,)))[0]
    path = [m.follow(m.start(1), values[None])[0].mean for m in (first, again, other)]
    np.testing.assert_array_equal(path[0], path[1])
    assert not np.allclose(path[0], path[2])


def test_what_cannot_be_is_refused() -> None:
    rng = np.random.default_rng(0)
    with pytest.raises(InputError, match="window: expected at least 1, got 0"):
        WindowNetworkLearner(window=0, rng=rng)
    with pytest.raises(InputError, match="hidden: expected at least 1, got 0"):
        RecurrentNetworkLearner(hidden=0, rng=rng)
    with pytest.raises(InputError, match="cell: expected"):
        RecurrentNetworkLearner(cell="none", rng=rng)
    with pytest.raises(InputError, match="expected at least 5 values for one window, got 3"):
        windows_of([np.zeros(3), np.zeros(2)], 5)
