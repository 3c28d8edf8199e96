"""A comparison in words: numbers as they are read, who won, and whether that can be chance.

bits saved per character = sum_t (log2 p_better - log2 p_worse) / characters
"""

import math
from collections.abc import Sequence

import numpy as np

from chainrule.tasks.comparison import Interval, Row, block_bootstrap
from chainrule.tasks.evaluation import LN2


def number(x: float, digits: int = 2) -> str:
    """A number to be read: `3.42`, `12,345`, `∞`, and `–` for none; floats from a billion on as `1.2e+09`."""
    if math.isnan(x):
        return "–"
    if math.isinf(x):
        return "∞" if x > 0 else "−∞"
    huge = isinstance(x, float) and abs(x) >= 1e9
    text = f"{x:.1e}" if huge else f"{x:,.{digits}f}"
    if text.startswith("-"):  # what rounds to zero is written without a sign
        return "−" + text[1:] if text.strip("-0.,") else text[1:]
    return text


def interval(difference: Interval | None, digits: int = 2) -> str:
    """`−0.19 [−0.21, −0.17]`; `–` where there is none."""
    if difference is None:
        return "–"
    mean, low, high = (number(x, digits) for x in difference)
    return f"{mean} [{low}, {high}]"


def is_trained(row: Row) -> bool:
    """Whether the row's model is a network, trained by gradients, and not counted."""
    return row.fitted.unit == "parameters" and row.fitted.size > 0


def is_counted(row: Row) -> bool:
    """Whether the row's model knows counts and nothing else; mixtures have members of both kinds."""
    return row.fitted.unit == "n-grams" or not row.fitted.size


def best(rows: Sequence[Row], trained: bool) -> Row | None:
    """The network (trained) or counted model that predicts the held-out text best; None without any."""
    those = [row for row in rows if (is_trained if trained else is_counted)(row)]
    return min(those, key=lambda row: row.held_out.nats, default=None)


def saving(better: Row, worse: Row) -> Interval | None:
    """Bits per character that the first saves over the second, with the 95 % interval of the bootstrap.

    None where one of them is infinite.
    """
    scale = 1 / LN2 / max(better.held_out.counts.characters, 1)
    with np.errstate(invalid="ignore"):
        bits = (worse.surprisal - better.surprisal) * scale * len(better.surprisal)
    return block_bootstrap(bits, np.random.default_rng(0))  # its own seed: the page is the same every time


def summary(rows: Sequence[Row]) -> str:
    """The outcome in one sentence: which model is best on held-out text, and whether that can be chance."""
    winner = min(rows, key=lambda row: row.held_out.nats)
    held_out, vocab_size = winner.held_out, winner.fitted.model.vocab_size
    uniform = math.log2(vocab_size) * held_out.tokens / max(held_out.counts.characters, 1)
    said = (
        f"{winner.name} predicts the held-out text best: {number(held_out.bits_per_character)} bits per "
        f"character and perplexity {number(held_out.perplexity)}, where guessing uniformly over |V| = "
        f"{number(vocab_size, 0)} tokens gives {number(uniform)} bits and {number(vocab_size, 0)}"
    )
    other = best(rows, not is_trained(winner))
    if other is None:
        return said + "."
    saved, bits = saving(winner, other), other.held_out.bits_per_character - held_out.bits_per_character
    kind = "counted model" if is_trained(winner) else "network"
    said += f"; it beats the best {kind}, {other.name}, by {number(bits)} bits per character"
    if saved is None:
        return said + "."
    between = f"the 95 % interval, {number(saved.low)} to {number(saved.high)},"
    if saved.low > 0 or saved.high < 0:
        return f"{said}, and {between} excludes zero."
    return f"{said}, but {between} includes zero: this text cannot tell them apart."


def trap(rows: Sequence[Row]) -> str | None:
    """What judging by training perplexity would have led to; None if it would have picked the same model."""
    winner = min(rows, key=lambda row: row.held_out.nats)
    fooled = min(rows, key=lambda row: row.train.nats / max(row.train.tokens, 1))
    if fooled is winner:
        return None
    return (
        f"Judged on the text that it was trained on, {fooled.name} would have won: perplexity "
        f"{number(fooled.train.perplexity)} there, but {number(fooled.held_out.perplexity)} on held-out text."
    )
