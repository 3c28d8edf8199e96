"""The pictures that the pages of the lecture add: what is in them, and that nothing is refused in words."""

import re
from xml.etree import ElementTree

import numpy as np
import pytest

from chainrule.core import InputError
from chainrule.report import (
    agreement_figure,
    batches_figure,
    bits_figure,
    branching_figure,
    context_figure,
    coverage_figure,
    engines_figure,
    order_figure,
    parameters_figure,
    step_figure,
    svg,
    trap_figure,
    unrolled_figure,
    vocabulary_figure,
)

HIDDEN = np.array([[0.5, -1.0], [1.0, 0.0]])


def figures():
    line = {"a": [1.0, 2.0], "b": [3.0, 1.5]}
    return {
        "vocabulary": vocabulary_figure((1, 2), [9, 4], {"held out": [0.1, 0.4]}),
        "batches": batches_figure({"random": [[(3, 4), (11, 4)]], "sequential": [[(0, 4), (8, 4)]]}, 20),
        "order": order_figure({"in order": np.arange(4.0), "shuffled": np.ones(4)}, 2),
        "coverage": coverage_figure((1, 2), (28.0, 784.0), (27, 400), (1.0, 0.9)),
        "agreement": agreement_figure((0, 1), {"2-gram": [1.0, 0.5], "GRU": [1.0, 1.0]}),
        "context": context_figure((0, 1), line),
        "parameters": parameters_figure((1, 2), {"RNN": [500.0, 500.0]}),
        "trap": trap_figure((1, 2), line, {"guessing": 28.0}),
        "step": step_figure([1.0, 2.0], 2.0, [0.1, 0.2], [1.0, 2.0]),
        "branching": branching_figure((0.1, 1.0), {"a": [10.0, 1.0]}, (0.5, 2.0), 28.0),
        "unrolled": unrolled_figure(["a", "活"], HIDDEN, ["b 50%", "c 20%"]),
        "engines": engines_figure(["a"], {"from scratch": [0.5], "by PyTorch": [0.5]}, [1e-7, 0.0]),
        "bits": bits_figure(["<", "在"], np.array([1.0, 3.0])),
    }


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("vocabulary", ["size of the vocabulary", "unknown (share of tokens)", "held out"]),
        ("batches", ["random", "sequential", "batch", "place in the text (tokens)", "2"]),
        ("order", ["in order", "shuffled"]),
        ("coverage", ["possible", "seen in training", "different n-grams"]),
        ("agreement", ["2-gram", "GRU", "guessing", "words between subject and verb"]),
        ("context", ["tokens of context that may be used", "held out (bits per token)"]),
        ("parameters", ["RNN", "numbers in the model"]),
        ("trap", ["guessing", "perplexity per token", "epochs"]),
        ("step", ["eta theta", "length of the step"]),
        ("branching", ["|V|", "here", "probability"]),
        ("unrolled", ["a", "活", "b 50%", "c 20%"]),
        ("engines", ["from scratch", "by PyTorch", "largest difference (nats)"]),
        ("bits", ["<", "在", "mean", "bits"]),
    ],
)
def test_everything_stands_in_its_figure(name, words):
    """Chinese has no glyphs in matplotlib's font, and no warning comes of it: the page around has them."""
    said = [text.strip() for text in ElementTree.fromstring(svg(figures()[name])).itertext() if text.strip()]
    assert [word for word in words if word not in said] == []


def test_rows_of_a_batch_are_told_apart_by_more_than_their_colour():
    bars = figures()["batches"].axes[0].patches
    assert len({bar.get_hatch() for bar in bars}) == len({bar.get_facecolor() for bar in bars}) == 2


def test_a_cell_of_the_unrolled_network_has_the_colour_of_its_value():
    cells = [patch for patch in figures()["unrolled"].axes[0].patches if patch.get_fill()]
    colours = [cell.get_facecolor() for cell in cells if cell.get_height() == 0.5]
    red, _, blue, _ = zip(*colours, strict=True)
    assert red[1] > blue[1]  # -1 is orange
    assert blue[2] > red[2]  # 1 is purple
    assert red[3] == pytest.approx(blue[3], abs=0.01)  # 0 is neither


@pytest.mark.slow
def test_a_figure_made_again_is_the_same():
    for name, figure in figures().items():
        assert svg(figure) == svg(figures()[name])
        assert not re.search(r"<style|<image|<script", svg(figure))


@pytest.mark.parametrize(
    "make",
    [
        lambda: vocabulary_figure([], [], {}),
        lambda: batches_figure({}, 10),
        lambda: order_figure({}, 1),
        lambda: coverage_figure([], [], [], []),
        lambda: agreement_figure([], {}),
        lambda: context_figure([], {}),
        lambda: parameters_figure([], {}),
        lambda: trap_figure([], {}, {}),
        lambda: step_figure([], 1.0, [], []),
        lambda: branching_figure([], {}, (0.5, 1.0), 2.0),
        lambda: engines_figure([], {}, []),
        lambda: bits_figure([], np.empty(0)),
    ],
)
def test_nothing_to_show_is_refused(make):
    with pytest.raises(InputError, match="expected something to show, got nothing"):
        make()


def test_tokens_and_states_must_belong_together():
    with pytest.raises(InputError, match="expected as many tokens as states, got 1 and 2"):
        unrolled_figure(["a"], HIDDEN, ["b"])
