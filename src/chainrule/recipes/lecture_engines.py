"""The same network in both engines, side by side: from scratch, and in PyTorch.

Shape letters: N tokens, T time, V vocabulary.
"""

from importlib import import_module
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float64, Integer

from chainrule.core import InputError, TokenModel
from chainrule.data.partition import sequential_batches
from chainrule.models.recurrent import RecurrentLearner
from chainrule.training import SGD, Limits, train

Array = np.ndarray


class Engines(NamedTuple):
    """What each engine expects after every token of a text, by networks that began with the same weights and
    took the same training steps; weights: by array, how far those of the engines are apart in the end."""

    scratch: Float64[Array, "T V"]
    torch: Float64[Array, "T V"]
    weights: dict[str, float]

    @property
    def differences(self) -> Float64[Array, " T"]:
        """The largest difference of log-probabilities, in nats, after each token."""
        return np.abs(self.scratch - self.torch).max(axis=1)


def in_both_engines(
    ids: Integer[Array, " N"],
    read: Integer[Array, " T"],
    vocab_size: int,
    cell: str,
    *,
    hidden: int = 32,
    epochs: int = 1,
    seed: int = 0,
) -> Engines:
    """Train on ids in both, then read a text step by step. Raises InputError where there is no PyTorch."""
    from chainrule.models.concise import TorchLearner

    ours = RecurrentLearner(vocab_size, cell=cell, hidden=hidden, rng=np.random.default_rng(seed))
    theirs = TorchLearner(ours)
    batches = list(sequential_batches(ids, 16, 32, np.random.default_rng(seed)))
    scratch = train(ours, lambda: batches, SGD(1.0), limits=Limits(epochs)).model
    torch = train(theirs, lambda: batches, SGD(1.0), limits=Limits(epochs)).model
    converted = torch.to_scratch().parameters
    weights = {name: float(np.abs(own - converted[name]).max()) for name, own in scratch.parameters.items()}
    return Engines(_expected(scratch, read), _expected(torch, read), weights)


def _expected(model: TokenModel[Any], ids: Integer[Array, " T"]) -> Float64[Array, "T V"]:
    state = model.start(1)
    rows: list[Float64[Array, " V"]] = []
    for token in ids:
        state = model.advance(state, token[None])
        rows.append(model.predict(state)[0])
    return np.array(rows)


def without_torch() -> str | None:
    """What is missing for the engine torch, and how to install it; None where it is there."""
    try:
        import_module("chainrule.models.concise")
    except InputError as error:
        return str(error)
    return None


def torch_network() -> type:
    """The network's class in PyTorch. Raises InputError where there is none."""
    from chainrule.models.concise import Network

    return Network
