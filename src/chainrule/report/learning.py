"""Pictures of one network: how it learns, and what it holds while it reads.

Shape letters: T tokens, H hidden units.
"""

import warnings
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float

from chainrule.core import InputError
from chainrule.report.drawing import GREY, PALETTE, drawing, one_axes
from chainrule.report.surprisal import visible

if TYPE_CHECKING:
    import matplotlib.figure

Array = np.ndarray
LABELLED = 80  # tokens that still have room for their names


def learning_figure(
    seconds: Sequence[float],
    train: Sequence[float],
    valid: Sequence[float],
    baselines: Mapping[str, float],
    words: tuple[str, str, str, str] = (
        "seconds",
        "bits per character",
        "in training",
        "held out (validation)",
    ),
) -> "matplotlib.figure.Figure":
    """Bits per character in training and held out over seconds; nan is not drawn. Dotted: the baselines.

    words: of the two axes, then of the two curves.
    """
    with drawing():
        figure, axes = one_axes(3.0)
        axes.plot(seconds, train, "--", color=PALETTE[0], label=words[2], linewidth=1.2)
        known = np.isfinite(np.array(valid, dtype=np.float64))
        xs, ys = np.array(seconds)[known], np.array(valid)[known]
        changes = np.flatnonzero(np.diff(ys, prepend=np.inf)) if len(ys) else np.empty(0, np.int64)
        axes.plot(xs[changes], ys[changes], "-o", color=PALETTE[1], label=words[3], markersize=4)
        for (name, bits), dashes in zip(baselines.items(), (":", "-."), strict=False):
            axes.axhline(bits, color=GREY, linestyle=dashes, label=name)
        axes.set_xlabel(words[0])
        axes.set_ylabel(words[1])
        axes.set_xlim(left=0)
        axes.set_ylim(bottom=0)
        axes.legend(loc="upper left", bbox_to_anchor=(1.01, 1.02))
        return figure


def hidden_figure(
    tokens: Sequence[str], hidden: Float[Array, "T H"], label: str = "hidden unit"
) -> "matplotlib.figure.Figure":
    """What each unit holds after each token: orange above zero, purple below, grey near it."""
    if not len(tokens):
        raise InputError("figure: expected at least one token, got none")
    with drawing(), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing", UserWarning)  # the page around has it
        figure, axes = one_axes(4.2)
        most = max(float(np.abs(hidden).max()), 1e-9)
        image = axes.imshow(
            hidden.T, aspect="auto", cmap="PuOr_r", vmin=-most, vmax=most, interpolation="nearest"
        )
        axes.grid(visible=False)
        axes.set_ylabel(label)
        if len(tokens) <= LABELLED:
            shown = [visible(token).replace("\n", "↵").replace(" ", "␣") for token in tokens]
            axes.set_xticks(range(len(tokens)), shown, fontsize=8 if len(tokens) <= 50 else 6)
        figure.colorbar(image, ax=axes, pad=0.01)
        return figure
