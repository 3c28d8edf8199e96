"""A recurrent network in PyTorch: the concise answer to `chainrule.models.recurrent`, the same equations.

    u^0_t = onehot(x_t) or its embedding,   h^l_t, state_l = layer_l(u^{l-1}_t, state_l),   u^l_t = m^l h^l_t
    p(x_{t+1}) = softmax(u^L_t W_q + b_q)

The backward pass is not here: autograd makes it of this one. torch keeps two biases, b_i and b_h, where the
equations have one: the second stays zero, but for the GRU's candidate, which needs it.

Shape letters: B batch, T time, V vocabulary, D input width, H hidden, L layers.
"""

from typing import Any, NamedTuple, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from chainrule.models.recurrent.network import Architecture

LAYERS = {"rnn": nn.RNN, "gru": nn.GRU, "lstm": nn.LSTM}
States = tuple[Any, ...]  # of each layer: H [1, B, H], for an LSTM (H, C)


class Masks(NamedTuple):
    """What one batch is multiplied by, the same at all its steps: embedded [B, D], upward [L, B, H]."""

    embedded: Tensor | None = None
    upward: Tensor | None = None


class Network(nn.Module):
    """From ids to logits, with the state handed in and out."""

    def __init__(self, arch: Architecture, vocab_size: int) -> None:
        super().__init__()
        self.arch, self.vocab_size = arch, vocab_size
        self.embedding = nn.Embedding(vocab_size, arch.embedding) if arch.embedding else None
        widths = [arch.embedding or vocab_size, *[arch.hidden] * (arch.layers - 1)]
        self.layers = nn.ModuleList(LAYERS[arch.cell.name](width, arch.hidden) for width in widths)
        self.output = nn.Linear(arch.hidden, vocab_size)
        if arch.tied and self.embedding is not None:
            self.output.weight = self.embedding.weight
        for layer in self.layers:
            drop_second_bias(layer)

    def read(self, ids: Tensor, states: States, masks: Masks = Masks()) -> tuple[Tensor, States]:  # noqa: B008
        """The top layer's vectors [T, B, H] after each of the ids [T, B], and the state after the last."""
        if self.embedding is None:
            vectors = functional.one_hot(ids, self.vocab_size).to(self.output.bias.dtype)
        else:
            vectors = self.embedding(ids)
        if masks.embedded is not None:
            vectors = vectors * masks.embedded
        after: list[Any] = []
        for l, layer in enumerate(self.layers):
            if l and masks.upward is not None:
                vectors = vectors * masks.upward[l - 1]
            vectors, state = layer(vectors, states[l])
            after.append(state)
        return vectors, tuple(after)

    def forward(
        self,
        ids: Tensor,
        states: States,
        given: int = 0,
        masks: Masks = Masks(),  # noqa: B008
    ) -> tuple[Tensor, States]:
        """Logits [., B, V] of each item after the first `given`, and the state after all ids [T, B].

        With given = 0 the first are those of the state handed in, and the vector after the last id is of no
        use yet; else the last item is none of the ids, and is predicted from the vector after all of them.
        """
        with torch.autocast(ids.device.type, enabled=False):  # it would take cuDNN's layers to float16
            vectors, after = self.read(ids, states, masks)
        before = vectors[given - 1 :] if given else torch.cat([top(states), vectors[:-1]])
        if masks.upward is not None:
            before = before * masks.upward[-1]
        return self.output(before), after


def top(states: States) -> Tensor:
    """The vector [1, B, H] that predicts the next item."""
    return states[-1][0] if isinstance(states[-1], tuple) else states[-1]


def drop_second_bias(layer: nn.Module) -> None:
    """Zero, and no gradient: what is left of it belongs to a GRU's candidate (columns in the order R Z N)."""
    recurrent = cast(nn.RNNBase, layer)
    second, gates = cast(nn.Parameter, recurrent.bias_hh_l0), 2 * recurrent.hidden_size
    with torch.no_grad():
        second.zero_()
    if not isinstance(layer, nn.GRU):
        second.requires_grad_(False)
        return

    def of_candidate(gradient: Tensor) -> Tensor:
        return torch.cat([torch.zeros_like(gradient[:gates]), gradient[gates:]])

    second.register_hook(of_candidate)
