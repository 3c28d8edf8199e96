"""A trained network in PyTorch as a language model: the same states, files and numbers as from scratch.

States are NumPy arrays [B, H], as the other engine's: what one has read the other can go on from.

Shape letters: B batch, T time, V vocabulary, H hidden.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Any, ParamSpec, TypeVar

import numpy as np
import torch
from jaxtyping import Float64, Integer
from torch import Tensor

from chainrule.core import InputError, TokenModel, check_tokens
from chainrule.models.concise.device import enough_memory, find_device
from chainrule.models.concise.network import LAYERS, Network, States, top
from chainrule.models.concise.weights import network_of, to_scratch
from chainrule.models.recurrent.lstm import LstmState
from chainrule.models.recurrent.model import RecurrentModel
from chainrule.models.recurrent.network import Architecture, LayerStates, start_states

Array = np.ndarray
IN_FLIGHT = 1 << 22  # logits held at once


Result = TypeVar("Result")
Arguments = ParamSpec("Arguments")


def in_single(compute: Callable[Arguments, Result]) -> Callable[Arguments, Result]:
    """Without a graph, and in full single precision: cuDNN's layers take TF32, three digits, unless told."""

    @wraps(compute)
    def computed(*arguments: Arguments.args, **named: Arguments.kwargs) -> Result:
        single = torch.backends.cudnn.flags(enabled=True, allow_tf32=False)
        with torch.inference_mode(), single, enough_memory():
            return compute(*arguments, **named)

    return computed


@dataclass(frozen=True, eq=False)
class TorchRecurrent(TokenModel[LayerStates]):
    """A network that learns no more. Made by `from_scratch`, or by a `TorchLearner`."""

    network: Network

    @classmethod
    def from_scratch(cls, model: RecurrentModel, device: str = "cpu") -> "TorchRecurrent":
        """The same network in torch; raises InputError for one that has no twin there."""
        check_twin(model.arch)
        network = network_of(model.arch, model.parameters, find_device(device))
        return cls(network.eval().requires_grad_(False))

    def to_scratch(self) -> RecurrentModel:
        """The same network from scratch."""
        arch = self.network.arch
        return RecurrentModel(arch, to_scratch(arch, self.network.state_dict()))

    @property
    def vocab_size(self) -> int:
        return self.network.vocab_size

    @property
    def device(self) -> torch.device:
        return self.network.output.bias.device

    def start(self, batch: int) -> LayerStates:
        return start_states(self.network.arch, batch, numpy_type(self._dtype))

    @in_single
    def advance(self, state: LayerStates, items: Integer[Array, " B"]) -> LayerStates:
        check_tokens(items, self.vocab_size)
        _, after = self.network.read(self._ids(items[:, None]), to_torch(state, self.device))
        return to_numpy(after, self._dtype)

    @in_single
    def predict(self, state: LayerStates) -> Float64[Array, "B V"]:
        logits = self.network.output(top(to_torch(state, self.device))[0])
        return torch.log_softmax(logits.double(), 1).cpu().numpy()

    @in_single
    def score(
        self, state: LayerStates, tokens: Integer[Array, "B T"]
    ) -> tuple[Float64[Array, "B T"], LayerStates]:
        """Many steps at once, as many as their logits may take memory."""
        check_tokens(tokens, self.vocab_size)
        batch, steps = tokens.shape
        if not tokens.size:
            return np.empty(tokens.shape), state
        found, states = [], to_torch(state, self.device)
        span = max(1, IN_FLIGHT // (batch * self.vocab_size))
        for at in range(0, steps, span):
            ids = self._ids(tokens[:, at : at + span])
            logits, states = self.network(ids, states)
            log_probs = torch.log_softmax(logits.double(), 2)
            found.append(log_probs.gather(2, ids[..., None])[..., 0].T)
        return torch.cat(found, 1).cpu().numpy(), to_numpy(states, self._dtype)

    @property
    def _dtype(self) -> torch.dtype:
        return self.network.output.bias.dtype

    def _ids(self, tokens: Integer[Array, "B T"]) -> Tensor:
        return as_ids(tokens, self.device)


def check_twin(arch: Architecture) -> None:
    """Raises InputError for what the network in torch does not have."""
    if arch.cell.name not in LAYERS:
        raise InputError(f"engine torch: expected the cell {', '.join(LAYERS)}, got {arch.cell.name}")
    for name in ("layer_norm", "cutoffs"):
        if getattr(arch, name):
            raise InputError(f"engine torch: expected a network without {name}, got {getattr(arch, name)}")


def as_ids(tokens: Integer[Array, "B T"], device: torch.device) -> Tensor:
    """Ids [T, B] on a device, as a copy."""
    return torch.from_numpy(np.array(tokens.T, np.int64, order="C")).to(device)


def numpy_type(dtype: torch.dtype) -> Any:
    """float32 or float64, as NumPy has it."""
    return torch.empty(0, dtype=dtype).numpy().dtype


def to_torch(state: LayerStates, device: torch.device) -> States:
    """Of each layer its vectors [B, H] as torch wants them, [1, B, H]."""

    def tensor(vectors: Array) -> Tensor:
        return torch.from_numpy(np.array(vectors, order="C"))[None].to(device)  # torch wants it writable

    return tuple(tuple(map(tensor, s)) if isinstance(s, tuple) else tensor(s) for s in state)


def to_numpy(states: States, dtype: torch.dtype) -> LayerStates:
    """And back, with the graph cut, in the precision of the weights whatever they were computed in."""

    def array(vectors: Tensor) -> Array:
        return vectors.detach()[0].to("cpu", dtype).numpy()

    return tuple(LstmState(*map(array, s)) if isinstance(s, tuple) else array(s) for s in states)
