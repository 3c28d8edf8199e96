"""Several opinions on the class as one, log-linearly, which also sets their scale right.

    log p(c | x) = a_c + sum_m w_m s_m(x, c) - log Z

s_m is what member m says for class c, in nats up to what all classes share. The weights are the maximum
likelihood's on texts that the members were not trained on (stacking: Wolpert 1992), a little less far from 0;
of one member w is the temperature's reciprocal (Guo et al. 2017).

Shape letters: M members, N texts, K classes.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, Integer

from chainrule.core import InputError
from chainrule.tasks.classification.bayes import posterior

Array = np.ndarray
STEPS = 100
RIDGE = 1.0  # nats: what a weight of 1 costs, of members whose opinions have a spread of 1


@dataclass(frozen=True, eq=False)
class Pool:
    """weights of the members, and offsets of the classes."""

    weights: Float64[Array, " M"]
    offsets: Float64[Array, " K"]

    def joint(self, opinions: Float64[Array, "M *N K"]) -> Float64[Array, "*N K"]:
        """What it says for each class, up to what all classes share."""
        return np.tensordot(self.weights, opinions, axes=1) + self.offsets

    def log_probs(self, opinions: Float64[Array, "M *N K"]) -> Float64[Array, "*N K"]:
        """log p(c | x), normalised."""
        return posterior(self.joint(opinions))


def fit_pool(opinions: Float64[Array, "M N K"], labels: Integer[Array, " N"], ridge: float = RIDGE) -> Pool:
    """Weights and offsets under which the labels are likeliest, by Newton's method with halved steps.

    Raises InputError for opinions that are not finite, or for no texts.
    """
    members, texts, classes = opinions.shape
    if not texts or not np.isfinite(opinions).all():
        raise InputError("pool: expected finite opinions on at least one text")
    centred = opinions - opinions.mean(axis=2, keepdims=True)
    spread = centred.std(axis=(1, 2))
    spread[spread == 0] = 1.0
    columns = np.zeros((texts, classes, members + classes - 1))  # one offset is 0: only differences count
    columns[:, :, :members] = np.moveaxis(centred / spread[:, None, None], 0, 2)
    columns[:, np.arange(1, classes), members + np.arange(classes - 1)] = 1.0
    penalty = np.concatenate([np.full(members, ridge), np.full(classes - 1, 1e-6)])
    picked = columns[np.arange(texts), labels].sum(axis=0)
    x = np.zeros(members + classes - 1)

    def cost(x: Array) -> float:
        log_probs = posterior(columns @ x)
        return float(0.5 * penalty @ x**2 - log_probs[np.arange(texts), labels].sum())

    for _ in range(STEPS):
        probs = np.exp(posterior(columns @ x))
        expected = np.einsum("nk,nkj->nj", probs, columns)
        gradient = penalty * x - picked + expected.sum(axis=0)
        if np.abs(gradient).max() < 1e-6 * texts:
            break
        second = np.einsum("nk,nki,nkj->ij", probs, columns, columns, optimize=True) - expected.T @ expected
        step = -np.linalg.solve(second + np.diag(penalty), gradient)
        before, t = cost(x), 1.0
        while cost(x + t * step) > before and t > 1e-8:
            t /= 2
        x = x + t * step
    return Pool(x[:members] / spread, np.concatenate([[0.0], x[members:]]))
