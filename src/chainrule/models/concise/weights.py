"""Weights there and back: the same numbers under torch's names, matrices transposed.

    layer0.input [D, G]      layers.0.weight_ih_l0 [G, D]    layer0.bias            layers.0.bias_ih_l0
    layer0.recurrent [H, G]  layers.0.weight_hh_l0 [G, H]    layer0.candidate_bias  layers.0.bias_hh_l0[2H:]
    embedding [V, D]         embedding.weight                output.weight [H, V]   output.weight [V, H]

The gates stand in the same order on both sides (R Z N, I F G O). A tied output weight is left out from
scratch, and stands under both names in torch.

Shape letters: V vocabulary, D input width, H hidden, G = gates times H.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from chainrule.models.concise.network import Network
from chainrule.models.recurrent.network import Architecture

Arrays = Mapping[str, Float[np.ndarray, "..."]]
PAIRS = {"input": "weight_ih_l0", "recurrent": "weight_hh_l0", "bias": "bias_ih_l0"}
SECOND, CANDIDATE = "bias_hh_l0", "candidate_bias"


def from_scratch(arch: Architecture, parameters: Arrays) -> dict[str, Tensor]:
    """The state dict of a `Network`; its tensors are copies."""
    made: dict[str, Any] = {}
    for name, array in parameters.items():
        layer, _, own = name.partition(".")
        if layer.startswith("layer"):
            prefix = f"layers.{layer[5:]}."
            if own == CANDIDATE:
                made[prefix + SECOND] = np.concatenate([np.zeros(2 * len(array), array.dtype), array])
            else:
                made[prefix + PAIRS[own]] = array.T
                if own == "bias":
                    made.setdefault(prefix + SECOND, np.zeros_like(array))
        elif name == "embedding":
            made["embedding.weight"] = array
        else:
            made[name] = array.T
    if arch.tied and "embedding" in parameters:
        made["output.weight"] = made["embedding.weight"]
    return {name: torch.from_numpy(np.array(array, order="C")) for name, array in made.items()}


def to_scratch(
    arch: Architecture, tensors: Mapping[str, Tensor] | Arrays
) -> dict[str, Float[np.ndarray, "..."]]:
    """What `from_scratch` was given, as copies: of parameters, or of their gradients by the same names."""
    made: dict[str, Float[np.ndarray, "..."]] = {}
    owns = {theirs: ours for ours, theirs in PAIRS.items()}
    for name, tensor in tensors.items():
        array = torch.as_tensor(tensor).detach().to("cpu", copy=True).numpy()
        kind, *rest = name.split(".")
        if kind == "layers" and rest[1] == SECOND:
            if arch.cell.name == "gru":
                made[f"layer{rest[0]}.{CANDIDATE}"] = array[2 * arch.hidden :].copy()
        elif kind == "layers":
            made[f"layer{rest[0]}.{owns[rest[1]]}"] = np.ascontiguousarray(array.T)
        elif kind == "embedding":
            made["embedding"] = array
        elif name != "output.weight" or not arch.tied:
            made[name] = np.ascontiguousarray(array.T)
    return made


def network_of(arch: Architecture, parameters: Arrays, device: torch.device) -> Network:
    """The network with these weights, on a device."""
    tensors = from_scratch(arch, parameters)
    with torch.random.fork_rng(devices=[]):  # what torch draws for its first weights is overwritten
        network = Network(arch, len(parameters["output.bias"])).to(tensors["output.bias"].dtype)
    network.load_state_dict(tensors)
    return network.to(device)
