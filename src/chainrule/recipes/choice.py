"""How big a network for this text, and how it is trained, where nobody said.

A pure function of the size of the text, of its vocabulary and of the time there is. The numbers are from
runs that docs/LOG.md describes; the rule behind them: a text that is read often is learned by heart, so the
smaller it is (or the more time there is), the more dropout; units cost time by their square, and what a text
can teach them grows more slowly than it does.
"""

from typing import NamedTuple

SHORT = 60.0  # seconds: a run below it wants many small steps, and a higher rate (docs/LOG.md, 2026-11-24)
RATES_SHORT = {"window": 8e-3, "rnn": 4e-3, "gru": 8e-3, "lstm": 1.5e-2, "mingru": 8e-3, "minlstm": 8e-3}
RATES = {"rnn": 4e-3, "lstm": 1e-2}
RATE = (
    4e-3  # of the others, and of a large text: a higher one came to diverge there (docs/LOG.md, 2026-11-25)
)
LARGE = 4_000_000  # tokens
READ = 8_000_000  # tokens of all passes: a network of 512 units is then at its best (docs/LOG.md, 2026-11-26)
ENDLESS = 10_000  # epochs, where it is the time that is limited
ONE_HOT = 256  # tokens of the largest vocabulary that is read one-hot
LARGE_VOCABULARY = 12_000  # tokens from which the softmax is adaptive
OPERATIONS = 1e11  # multiply-adds, twice, in a second: what two cores reach in training
GATES = {"window": 1, "rnn": 1, "gru": 3, "lstm": 4, "mingru": 2, "minlstm": 3}


class Choice(NamedTuple):
    """Sizes and rates for a network, and a sentence that says why."""

    hidden: int
    embedding: int
    dropout: float
    cutoffs: tuple[int, ...]
    batch: int
    steps: int
    epochs: int
    rate: float
    why: str


def choose(
    tokens: int,
    vocab_size: int,
    seconds: float | None = None,
    *,
    kind: str = "lstm",
    layers: int = 1,
    hidden: int | None = None,
    epochs: int | None = None,
) -> Choice:
    """For a training text of so many tokens. seconds: the limit of time, None for none. kind: of network.

    hidden, epochs: where they are given, the rest is chosen to go with them.
    """
    embedding = 0 if vocab_size <= ONE_HOT and kind != "window" else 64
    if kind == "window" or tokens < 50_000 or (seconds is not None and seconds < SHORT):
        return _small(tokens, embedding, seconds, kind)
    units, usual, size = _by_size(tokens)
    if seconds is not None and seconds < 240 and units > 256:
        units, size = 256, "minutes are too few for more units"
    units = units if hidden is None else hidden
    passes = epochs or (usual if seconds is None else _passes(tokens, units, layers, seconds, kind))
    dropout = 0.5 if passes >= 20 else 0.35 if passes >= 6 else 0.1 if passes >= 3 else 0.0
    why = [f"{tokens:,} tokens to train on", *([size] if hidden is None else [])]
    if dropout:
        some = f"{'about ' * (seconds is not None)}{passes:.0f} passes"
        why.append(f"in {some} they would be learned by heart without dropout")
    return Choice(
        hidden=units,
        embedding=min(256, units) if embedding else 0,
        dropout=dropout,
        cutoffs=(2_000, 10_000) if vocab_size >= LARGE_VOCABULARY else (),
        batch=32,
        steps=128 if units > 256 else 64,
        epochs=usual if seconds is None else ENDLESS,
        rate=_rate(kind, tokens, units),
        why=", ".join(why),
    )


def _rate(kind: str, tokens: int, units: int) -> float:
    """The peak rate: what a text that is read often bears is too much for one that is read a few times."""
    if kind == "rnn" and units > 256:
        return 0.5 * RATES["rnn"]
    return RATE if tokens >= LARGE else RATES.get(kind, RATE)


def _by_size(tokens: int) -> tuple[int, int, str]:
    """Units, epochs, and why, where time is no matter."""
    if tokens < 500_000:
        return 256, 30, "too few for more units"
    passes = max(3, min(16, round(READ / tokens)))
    return 512, passes, "enough for 512 units" if tokens < LARGE else "so many that few passes suffice"


def _small(tokens: int, embedding: int, seconds: float | None, kind: str) -> Choice:
    """For a small text, a short run, or a network without a recurrence: no dropout, many small steps."""
    short = seconds is not None and seconds < SHORT
    small = (short and kind in ("gru", "lstm", "mingru", "minlstm")) or tokens < 50_000
    return Choice(
        hidden=128 if small else 256,
        embedding=embedding,
        dropout=0.0,
        cutoffs=(),
        batch=16 if short else 32,
        steps=32 if short else 64,
        epochs=20 if seconds is None else ENDLESS,
        rate=RATES_SHORT[kind] if short else RATE,
        why="a short run wants many small steps at a high rate"
        if short
        else f"{tokens:,} tokens to train on",
    )


def _passes(tokens: int, hidden: int, layers: int, seconds: float, kind: str) -> float:
    """How often the text can be read in the time, roughly: six operations a weight and token."""
    weights = max(1, GATES[kind] * hidden * hidden * (2 * layers - 1))
    return seconds * OPERATIONS / (6 * weights) / tokens
