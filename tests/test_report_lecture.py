"""Pictures of the lecture's claims: what is in them, and that odd numbers do not spoil them."""

import math
import re
from xml.etree import ElementTree

import numpy as np
import pytest

from chainrule.core import InputError
from chainrule.report import (
    clipping_figure,
    flow_figure,
    partition_figure,
    png,
    svg,
    validation_figure,
)

RNG = np.random.default_rng(0)
FALLING = 0.5 ** np.arange(20) * RNG.uniform(0.5, 2, (3, 1))
CURVES = {"rnn": ([0.1, 0.5, 1.0], [2.0, 1.7, 1.6]), "lstm": ([0.2, 1.0], [1.9, 1.5])}


def figures():
    flow = {"before training": {"rnn": FALLING, "lstm": FALLING**0.1}}
    flow["after"] = {cell: norms**2 for cell, norms in flow["before training"].items()}
    runs = {"clipped at 0.25": FALLING + 1, "not clipped": 2 / FALLING}
    measures = {
        "held out (bits per character)": {"random": np.array([2.0, 2.1]), "sequential": np.array([1.9, 1.8])},
        "different trigrams (share)": {"random": np.array([0.5, 0.6]), "sequential": np.array([0.4, 0.5])},
    }
    return {
        "flow": flow_figure(flow),
        "clipping": clipping_figure(runs, runs, 4.8),
        "partition": partition_figure(measures),
        "validation": validation_figure(CURVES, "nats per character"),
    }


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("flow", ["before training", "after", "rnn", "lstm", "k (steps back from the loss)"]),
        ("clipping", ["clipped at 0.25", "not clipped", "guessing", "training loss (bits per token)"]),
        ("partition", ["random", "sequential", "held out (bits per character)", "2.050", "0.450"]),
        ("validation", ["rnn", "lstm", "training time (minutes)", "(nats per character)"]),
    ],
)
def test_everything_stands_in_its_figure_with_its_unit(name, words):
    text = svg(figures()[name])
    said = " ".join(ElementTree.fromstring(text).itertext())
    assert [word for word in words if word not in said] == []
    assert "currentColor" in text
    assert not re.search(r"<style|<image|<script", text)


def test_a_figure_made_again_is_the_same():
    for name, figure in figures().items():
        assert svg(figure) == svg(figures()[name])
    assert png(figures()["flow"]) == png(figures()["flow"])


def test_lines_are_told_apart_by_more_than_their_colour():
    axes = figures()["flow"].axes[0]
    assert len({line.get_linestyle() for line in axes.lines}) == 2
    partition = figures()["partition"].axes[0]
    markers = {line.get_marker() for line in partition.lines} - {"None"}
    assert len(markers) == 2


def test_the_line_is_the_median_and_the_band_all_seeds():
    axes = flow_figure({"": {"rnn": np.array([[1.0, 2.0], [3.0, 4.0], [100.0, 5.0]])}}).axes[0]
    np.testing.assert_array_equal(axes.lines[0].get_xydata(), [[0, 3], [1, 4]])
    band = axes.collections[0].get_paths()[0].get_extents()
    assert (band.ymin, band.ymax) == (1, 100)


def test_what_is_not_finite_is_left_out_and_what_exploded_ends_at_the_edge():
    run = np.array([[1.0, 1e30, math.inf, math.nan], [1.0, 2.0, math.nan, math.nan]])
    axes = clipping_figure({"a": run}, {"a": run}, 4.8).axes[0]
    xs, ys = axes.lines[0].get_data()
    assert xs.tolist() == [1, 2, 3]  # infinity at the edge, nan nowhere
    assert ys.max() <= 1e6
    assert svg(clipping_figure({"a": run * math.nan}, {"a": run * math.nan}, 4.8))


def test_a_gradient_that_vanished_altogether_leaves_the_picture():
    figure = flow_figure({"": {"rnn": np.array([[1.0, 1e-40, 0.0]])}})
    assert figure.axes[0].get_ylim()[0] == 1e-12
    assert figure.axes[0].lines[0].get_xdata().tolist() == [0, 1]
    assert svg(figure)


def test_ticks_are_plain_numbers():
    said = " ".join(ElementTree.fromstring(svg(figures()["flow"])).itertext())
    assert "mathdefault" not in said
    assert " 0.01 " in re.sub(r"\s+", " ", said)


@pytest.mark.parametrize(
    "figure",
    [flow_figure, partition_figure, lambda x: clipping_figure(x, x, 1.0), lambda x: validation_figure(x, "")],
)
def test_nothing_to_show_is_refused(figure):
    with pytest.raises(InputError, match="expected something to show, got nothing"):
        figure({})
