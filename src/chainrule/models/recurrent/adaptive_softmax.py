"""The output layer: a softmax over all ids, or over a head of frequent ones and clusters of the rest.

    log p(v) = log softmax(h W + b)_v                                     for v in the head
    log p(v) = log softmax(h W + b)_{cluster of v} + log softmax(h P_k W_k + b_k)_v   for v in cluster k

With `cutoffs` (c_1, .., c_K) the head holds the ids below c_1 and one entry for each cluster; cluster k holds
the ids from c_k up to c_{k+1}, or V. Its vectors are projected down to H / 4^k first: rare words have less to
say (Grave 2017, whose clusters have no biases; here they start at the words' frequencies). Each softmax sums
to 1, so all ids together do: perplexity and coding stay valid. A label costs the head and one cluster, which
is little where ids are sorted by frequency, as a counted vocabulary's are; right it is in any order.

Without cutoffs all ids are in the head, and this is the plain softmax. Its weight may be the transposed
embedding (Press & Wolf 2017; Inan 2017).

Shape letters: N rows, H hidden, D projected width, C classes of one softmax, K clusters, V vocabulary.
"""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Float64, Integer

from chainrule.kernels.gemm import matmul
from chainrule.kernels.softmax import label_log_probs, log_softmax, softmax_layer

Array = np.ndarray
Parameters = Mapping[str, Float[Array, "..."]]
Gradients = dict[str, Float[Array, "..."]]
SHRINK = 4


class Tail(NamedTuple):
    """A cluster of rare ids: first .. first + C - 1."""

    name: str
    first: int
    project: Float[Array, "H D"]
    weight: Float[Array, "D C"]
    bias: Float[Array, " C"]

    @property
    def end(self) -> int:
        return self.first + len(self.bias)


class Loss(NamedTuple):
    """Summed nats of the labels; gradients of their mean, by the vectors and by name."""

    nats: float
    d_vectors: Float[Array, "N H"]
    gradients: Gradients


def output_shapes(
    hidden: int, vocab_size: int, *, tied: bool = False, cutoffs: Sequence[int] = ()
) -> dict[str, tuple[int, ...]]:
    """The name and shape of every parameter of the output layer."""
    known = cutoffs[0] if cutoffs else vocab_size
    head = known + len(cutoffs)
    shapes: dict[str, tuple[int, ...]] = {} if tied else {"output.weight": (hidden, head)}
    shapes["output.bias"] = (head,)
    for k, (first, end) in enumerate(pairwise((*cutoffs, vocab_size)), start=1):
        width = max(1, hidden // SHRINK**k)
        shapes |= {
            f"tail{k}.project": (hidden, width),
            f"tail{k}.weight": (width, end - first),
            f"tail{k}.bias": (end - first,),
        }
    return shapes


def head_weight(parameters: Parameters) -> Float[Array, "H C"]:
    """A matrix of its own, or the transposed embedding where there is none."""
    return parameters["output.weight"] if "output.weight" in parameters else parameters["embedding"].T


def tails(parameters: Parameters) -> list[Tail]:
    """The clusters, in the order of their ids."""
    found: list[Tail] = []
    count = 0
    while f"tail{count + 1}.bias" in parameters:
        count += 1
    first = len(parameters["output.bias"]) - count
    for k in range(1, count + 1):
        name = f"tail{k}"
        arrays = (parameters[f"{name}.{part}"] for part in ("project", "weight", "bias"))
        found.append(Tail(name, first, *arrays))
        first = found[-1].end
    return found


def count_ids(parameters: Parameters) -> int:
    """V."""
    clusters = tails(parameters)
    return clusters[-1].end if clusters else len(parameters["output.bias"])


def log_probs(parameters: Parameters, vectors: Float[Array, "N H"]) -> Float64[Array, "N V"]:
    """log p of every id."""
    head = log_softmax(matmul(vectors, head_weight(parameters)) + parameters["output.bias"])
    clusters = tails(parameters)
    if not clusters:
        return head
    known = clusters[0].first
    out = np.empty((len(vectors), clusters[-1].end))
    out[:, :known] = head[:, :known]
    for k, tail in enumerate(clusters):
        inside = log_softmax(matmul(matmul(vectors, tail.project), tail.weight) + tail.bias)
        out[:, tail.first : tail.end] = head[:, known + k, None] + inside
    return out


def at_labels(
    parameters: Parameters, vectors: Float[Array, "N H"], labels: Integer[Array, " N"]
) -> Float64[Array, " N"]:
    """log p of the labels alone: the head, and the one cluster that each lies in."""
    clusters = tails(parameters)
    classes = head_classes(clusters, labels)
    out = label_log_probs(vectors, head_weight(parameters), parameters["output.bias"], classes)
    for tail in clusters:
        rows = np.flatnonzero((labels >= tail.first) & (labels < tail.end))
        projected = matmul(vectors[rows], tail.project)
        out[rows] += label_log_probs(projected, tail.weight, tail.bias, labels[rows] - tail.first)
    return out


def head_classes(clusters: list[Tail], labels: Integer[Array, " N"]) -> Integer[Array, " N"]:
    """Where the head looks for each label: at the id itself or at the entry of its cluster."""
    if not clusters:
        return labels
    known = clusters[0].first
    cluster = np.searchsorted([tail.first for tail in clusters], labels, side="right") - 1
    return np.where(labels < known, labels, known + cluster)


def loss(
    parameters: Parameters,
    vectors: Float[Array, "N H"],
    labels: Integer[Array, " N"],
    predictions: int | None = None,
) -> Loss:
    """Forwards and back; predictions: what the gradients are a mean over, the labels where it is left out."""
    predictions = len(labels) if predictions is None else predictions
    clusters, weight = tails(parameters), head_weight(parameters)
    classes = head_classes(clusters, labels)
    nats, d_vectors, d_weight, d_bias = softmax_layer(
        vectors, weight, parameters["output.bias"], classes, predictions
    )
    gradients: Gradients = {"output.bias": d_bias}
    if "output.weight" in parameters:
        gradients["output.weight"] = d_weight
    else:
        gradients["embedding"] = d_weight.T
    for tail in clusters:
        rows = np.flatnonzero((labels >= tail.first) & (labels < tail.end))
        read = vectors[rows]
        more, d_projected, d_weight, d_bias = softmax_layer(
            matmul(read, tail.project), tail.weight, tail.bias, labels[rows] - tail.first, predictions
        )
        nats += more
        d_vectors[rows] += matmul(d_projected, tail.project.T)
        gradients[f"{tail.name}.project"] = matmul(read.T, d_projected)
        gradients |= {f"{tail.name}.weight": d_weight, f"{tail.name}.bias": d_bias}
    return Loss(nats, d_vectors, gradients)


def biases_by_frequency(
    parameters: Parameters, counts: Integer[Array, " V"]
) -> dict[str, Float64[Array, " C"]]:
    """The output biases with which a network that says nothing gives each id its share of `counts`."""
    shares = np.log(counts / counts.sum())
    clusters = tails(parameters)
    if not clusters:
        return {"output.bias": shares}
    inside = {tail.name: np.logaddexp.reduce(shares[tail.first : tail.end]) for tail in clusters}
    known = shares[: clusters[0].first]
    return {
        "output.bias": np.concatenate([known, list(inside.values())]),
        **{f"{t.name}.bias": shares[t.first : t.end] - inside[t.name] for t in clusters},
    }
