"""A network as an ONNX graph, for programs that know neither chainrule nor PyTorch.

    step    ids [B]     states -> log_probs [B, V]     of the item after it, states
    chunk   ids [B, T]  states -> log_probs [B, T, V]  of the item after each of them, states

States go in by name, `hidden0` [B, H] and for an LSTM `cell0` [B, H] of each layer, and come out as
`hidden0_after`; before the first item they are zeros. B, and T of a chunk, are free.

Shape letters: B batch, T time, V vocabulary, H hidden.
"""

import io
import json
import warnings
from collections.abc import Mapping
from typing import Any, cast

import torch
from torch import Tensor, nn

from chainrule.core import InputError
from chainrule.models.concise.missing import NeedsExtra
from chainrule.models.concise.model import TorchRecurrent
from chainrule.models.concise.network import Network, States
from chainrule.models.recurrent.model import RecurrentModel

FORMS = ("step", "chunk")


class Graph(nn.Module):
    """What is exported: log-probabilities of the next item, and the states as a row of tensors [B, H]."""

    def __init__(self, network: Network, form: str) -> None:
        super().__init__()
        self.network, self.form = network, form

    def forward(self, ids: Tensor, *states: Tensor) -> tuple[Tensor, ...]:
        step = self.form == "step"
        vectors, after = self.network.read(ids[None] if step else ids.T, nested(self.network, states))
        log_probs = torch.log_softmax(self.network.output(vectors), 2)
        return (log_probs[0] if step else log_probs.transpose(0, 1), *row(after))


def nested(network: Network, states: tuple[Tensor, ...]) -> States:
    """As the network takes them: [1, B, H], in pairs for an LSTM."""
    tensors = tuple(tensor[None] for tensor in states)
    return tuple(zip(tensors[::2], tensors[1::2], strict=True)) if _in_pairs(network) else tensors


def row(states: States) -> list[Tensor]:
    """Every tensor [B, H] of a state, layer by layer."""
    return [tensor[0] for state in states for tensor in (state if isinstance(state, tuple) else (state,))]


def state_names(network: Network) -> list[str]:
    """hidden0, cell0, hidden1, .."""
    parts = ("hidden", "cell") if _in_pairs(network) else ("hidden",)
    return [f"{part}{l}" for l in range(network.arch.layers) for part in parts]


def _in_pairs(network: Network) -> bool:
    return network.arch.cell.name == "lstm"


def to_onnx(model: RecurrentModel, form: str = "step", metadata: Mapping[str, Any] | None = None) -> bytes:
    """The graph of a model as the bytes of an ONNX file. metadata: names and JSON values that it keeps.

    Raises InputError for a form that there is not and for a network that has no twin in PyTorch, NeedsExtra
    without the package onnx.
    """
    if form not in FORMS:
        raise InputError(f"form: expected one of {', '.join(FORMS)}, got {form!r}")
    try:
        import onnx
    except ImportError as error:
        raise NeedsExtra("export: needs onnx; pip install 'chainrule[onnx]'") from error
    network = TorchRecurrent.from_scratch(model).network
    names = state_names(network)
    after = [f"{name}_after" for name in names]
    axes = {0: "batch"} if form == "step" else {0: "batch", 1: "steps"}
    ids = torch.zeros([2, 3][: len(axes)], dtype=torch.int64)
    states = [torch.zeros(2, network.arch.hidden, dtype=network.output.bias.dtype) for _ in names]
    file = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the older of torch's exporters: the newer writes out every step,
        torch.onnx.export(  # for a number of steps that is fixed, where this has ONNX's own RNN, GRU, LSTM
            Graph(network, form).eval(),
            (ids, *states),
            cast(Any, file),
            input_names=["ids", *names],
            output_names=["log_probs", *after],
            dynamic_axes={"ids": axes, "log_probs": axes} | {name: {0: "batch"} for name in (*names, *after)},
            dynamo=False,
        )
    made = onnx.load_from_string(file.getvalue())
    told = {name: json.dumps(value) for name, value in (metadata or {}).items()}
    onnx.helper.set_model_props(made, told)
    return made.SerializeToString()
