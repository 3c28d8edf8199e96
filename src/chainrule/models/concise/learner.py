"""A network in PyTorch in training: gradients by autograd, for the same loop, optimisers and checkpoints.

    L = mean over predictions of -log p(x_t | x_<t)

Parameters and gradients are NumPy arrays under torch's names. On a processor they are the memory of torch's
own tensors; for a CUDA device they are on the host, and go there and back once a step, so that one loop and
one optimiser serve every engine.

Shape letters: B batch, T time, V vocabulary.
"""

from copy import deepcopy
from typing import cast

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from chainrule.core import Batch, InputError, Step, check_tokens, reset_rows
from chainrule.models.concise.device import enough_memory, find_device
from chainrule.models.concise.model import TorchRecurrent, as_ids, check_twin, to_numpy, to_torch
from chainrule.models.concise.network import Masks
from chainrule.models.concise.weights import network_of, to_scratch
from chainrule.models.recurrent import dropout
from chainrule.models.recurrent.learner import RecurrentLearner, draw_masks
from chainrule.models.recurrent.network import LayerStates, start_states

Array = np.ndarray


class TorchLearner:
    """Goes on in torch from where a learner from scratch stands, with copies of its weights and random state.

    device: cpu, cuda or auto, see `find_device`. On CUDA the layers take their products in TF32, as cuDNN has
    it, and the output layer in bfloat16 (autocast). module: what is called in the place of the network, where
    something stands around it (DistributedDataParallel, torch.compile).
    Raises InputError for settings that the network in torch does not have, and a device that is not there.
    """

    def __init__(self, begun: RecurrentLearner, *, device: str = "cpu") -> None:
        check_twin(begun.arch)
        for name, rate in (("embedding_dropout", begun.rates.words), ("weight_dropout", begun.rates.weights)):
            if rate:
                raise InputError(f"engine torch: expected a network without {name}, got {rate}")
        self.arch, self.rates, self.vocab_size = begun.arch, begun.rates, begun.vocab_size
        self.rng, self.dtype = deepcopy(begun.rng), begun.dtype
        self.device = find_device(device)
        self.network = network_of(begun.arch, begun.parameters, self.device)
        self.module: nn.Module = self.network
        self.parameters = {name: on_host(tensor) for name, tensor in self._tensors()}

    def start(self, batch: int) -> LayerStates:
        return start_states(self.arch, batch, self.dtype)

    def gradients(self, batch: Batch, state: LayerStates) -> Step[LayerStates]:
        """Draw the masks, then go forwards and back."""
        state = reset_rows(state, batch.fresh, self.start(len(batch.items)))
        return self.backpropagate(batch, state, self.draw_masks(len(batch.items)), batch.labels.size)

    def draw_masks(self, batch: int) -> dropout.Masks:
        """The masks that the learner from scratch would draw."""
        return draw_masks(self.arch, self.rates, self.vocab_size, batch, self.rng, self.dtype)

    def backpropagate(
        self, batch: Batch, state: LayerStates, masks: dropout.Masks, predictions: float
    ) -> Step[LayerStates]:
        """Read X, predict Y, go back. predictions: what the gradients are a mean over."""
        check_tokens(batch.items, self.vocab_size)
        if not batch.labels.size:
            raise InputError("batch: expected at least one prediction, got none")
        read, labels = as_ids(batch.read, self.device), as_ids(batch.labels, self.device)
        self._refresh()
        self.network.zero_grad()
        dtype, cuda = self.network.output.bias.dtype, self.device.type == "cuda"
        before, kept = to_torch(state, self.device), self._masks(masks)
        with enough_memory():
            with torch.autocast(self.device.type, torch.bfloat16, enabled=cuda):
                logits, after = self.module(read, before, batch.given, kept)
            logits = logits.flatten(0, 1).to(dtype)
            loss = functional.cross_entropy(logits, labels.flatten(), reduction="sum")
            (loss / predictions).backward()
        gradients = {name: on_host(cast(Tensor, tensor.grad)) for name, tensor in self._tensors()}
        return Step(loss.item(), batch.labels.size, gradients, to_numpy(after, dtype))

    def model(self) -> TorchRecurrent:
        self._refresh()
        copy = network_of(self.arch, to_scratch(self.arch, self.network.state_dict()), self.device)
        return TorchRecurrent(copy.eval().requires_grad_(False))

    def _tensors(self) -> list[tuple[str, nn.Parameter]]:
        """What is trained, by torch's names; a tied weight once."""
        return [(name, tensor) for name, tensor in self.network.named_parameters() if tensor.requires_grad]

    @torch.no_grad()
    def _refresh(self) -> None:
        """Bring the weights that were stepped to where they are used."""
        if self.device.type != "cpu":
            for name, tensor in self._tensors():
                tensor.copy_(torch.from_numpy(self.parameters[name]), non_blocking=True)

    def _masks(self, masks: dropout.Masks) -> Masks:
        tensors = (masks.embedded, masks.upward)
        return Masks(*(None if t is None else torch.from_numpy(t).to(self.device) for t in tensors))


def on_host(tensor: Tensor) -> Float[Array, "..."]:
    """The numbers of a tensor: its own memory, or a pinned copy of what lies on a device."""
    if tensor.device.type == "cpu":
        return tensor.detach().numpy()
    return torch.empty_like(tensor, device="cpu", pin_memory=True).copy_(tensor.detach()).numpy()
