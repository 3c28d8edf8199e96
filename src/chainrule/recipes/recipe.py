"""What to train and how, as a value; and what comes of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from chainrule.core import InputError, TokenModel
from chainrule.models.ngram import ESTIMATED, Discounts
from chainrule.models.ngram.smoothing import COUNTED as BY_COUNTS
from chainrule.training import Training

COUNTED = ("uniform", "unigram", "bigram", "ngram")
RECURRENT = ("rnn", "gru", "lstm", "mingru", "minlstm")
NETWORKS = ("window", *RECURRENT)
ADAPTIVE = "contexts"
KINDS = (*COUNTED, ADAPTIVE, *NETWORKS)
SMOOTHINGS = tuple(dict.fromkeys((*BY_COUNTS, *ESTIMATED)))
OPTIMIZERS = ("adam", "adamw", "sgd")
SCHEDULES = ("cosine", "constant", "plateau")
ENGINES = ("scratch", "torch")
IN_TORCH = ("rnn", "gru", "lstm")
HIGHEST_ORDER = 10


@dataclass(frozen=True)
class Recipe:
    """What to train and how. kind: one of KINDS.

    order, smoothing, k: of n-grams (order and k None: the best on the validation part; without one, order 5
    and k 1). minimum: the count from which n-grams of each order are kept, for smoothings of ESTIMATED.
    hidden, layers, embedding, window: of networks (embedding 0: one-hot input). tied: the embedding is the
    output weight too. layer_norm, dropout, embedding_dropout, weight_dropout, cutoffs (of an adaptive
    softmax): see `RecurrentLearner`.
    batch, steps: rows and time steps of a batch. rate: learning rate. clip: of the gradient's norm.
    seconds: a limit of time, None for none. patience: validations without a better one before it stops.
    partition: sequential or random. optimizer: adam, adamw (with weight_decay) or sgd. schedule: cosine (with
    warmup, a share of the run), constant, or plateau (half the rate after an epoch that was no better).
    average: decay of the moving average of the weights that is handed back in their place, 0 for none; 0.998
    where it is left out, but for sgd.
    engine: scratch or torch, what computes a recurrent network. device: cpu, cuda, cuda:1 or auto; compiled:
    with torch.compile, where a trial shows that it is faster. Both are of the engine torch, and change only
    the last digits of what is computed (on CUDA: bfloat16).
    """

    kind: str = "lstm"
    order: int | None = None
    smoothing: str = "witten-bell"
    k: float | None = None
    minimum: Sequence[int] = ()
    hidden: int | None = None
    layers: int = 1
    embedding: int | None = None
    tied: bool = False
    layer_norm: bool = False
    dropout: float | None = None
    embedding_dropout: float = 0.0
    weight_dropout: float = 0.0
    cutoffs: Sequence[int] | None = None
    window: int = 8
    epochs: int | None = None
    seconds: float | None = None
    batch: int | None = None
    steps: int | None = None
    partition: str = "sequential"
    optimizer: str = "adam"
    weight_decay: float | None = None
    rate: float | None = None
    schedule: str | None = None
    warmup: float | None = None
    average: float | None = None
    clip: float = 1.0
    patience: int = 4
    seed: int = 0
    engine: str = "scratch"
    device: str | None = None
    compiled: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "minimum", tuple(self.minimum))  # JSON has lists only
        if self.cutoffs is not None:
            object.__setattr__(self, "cutoffs", tuple(self.cutoffs))


# settings that only some kinds have a use for. seed and seconds are for all: what is counted keeps to any
OF_NGRAMS = ("order", "smoothing", "k", "minimum")
OF_RECURRENT = ("layers", "tied", "layer_norm", "dropout", "embedding_dropout", "weight_dropout", "cutoffs")
OF_NETWORKS = (
    *("hidden", "embedding", "epochs", "batch", "steps", "partition", "optimizer", "weight_decay"),
    *("rate", "schedule", "warmup", "average", "clip", "patience"),
)
USES = (
    ("an n-gram model", ("ngram",), OF_NGRAMS),
    ("the window model", ("window",), ("window",)),
    ("a recurrent network", RECURRENT, OF_RECURRENT),
    ("a network", NETWORKS, OF_NETWORKS),
)


def check_settings(recipe: Recipe) -> None:
    """Raises InputError for a kind that there is not, for a seed below 0, and for a setting that such a model
    has no use for and that is not as it is usually."""
    if recipe.kind not in KINDS:
        raise InputError(f"model: expected one of {', '.join(KINDS)}, got {recipe.kind!r}")
    if recipe.seed < 0:
        raise InputError(f"seed: expected 0 or more, got {recipe.seed}")
    usual = Recipe()
    for expected, kinds, names in USES:
        if recipe.kind in kinds:
            continue
        for name in names:
            if getattr(recipe, name) not in (getattr(usual, name), 0, ()):
                raise InputError(f"{name.replace('_', ' ')}: expected {expected}, got {recipe.kind}")
    if recipe.k is not None and recipe.smoothing != "add-k":
        raise InputError(f"k: expected the smoothing add-k, got {recipe.smoothing}")


@dataclass(frozen=True)
class FitResult:
    """A model, the recipe with every blank filled in, and how training went (None for counted models).

    discounts: of each order, where the smoothing has them.
    """

    model: TokenModel[Any]
    recipe: Recipe
    training: Training[Any] | None = None
    discounts: tuple[Discounts, ...] = ()
