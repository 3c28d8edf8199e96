"""Random backoff models as tries, and the dictionary that each stands for."""

from collections import Counter
from typing import NamedTuple

import numpy as np
from hypothesis import strategies as st

from chainrule.kernels.backoff import ABSENT, LevelArrays, Table, table

Ngram = tuple[int, ...]


class Trie(NamedTuple):
    """A model of any numbers (it need not be normalised), as arrays and as dictionaries."""

    levels: tuple[LevelArrays, ...]
    vocab_size: int
    end: int | None
    log_probs: dict[Ngram, float]
    backoffs: dict[Ngram, float]

    @property
    def table(self) -> Table:
        return table(self.levels, self.vocab_size, self.end)

    @property
    def order(self) -> int:
        return len(self.levels)

    def context(self, before: list[int]) -> Ngram:
        """What conditions after all that was read: n - 1 tokens at most, none from before the sentence."""
        if self.end is not None:
            since = max((i + 1 for i, token in enumerate(before) if token == self.end), default=0)
            before = [self.vocab_size, *before[since:]]
        return tuple(before[max(0, len(before) - self.order + 1) :])

    def find(self, context: Ngram, token: int) -> tuple[float, int]:
        """The definition word for word: log p(token | context), and the order of the n-gram found."""
        if (*context, token) in self.log_probs:
            return self.log_probs[*context, token], len(context) + 1
        log_prob, order = self.find(context[1:], token)
        return self.backoffs.get(context, 0.0) + log_prob, order

    def history(self, before: list[int]) -> np.ndarray:
        context = self.context(before)
        return np.array([ABSENT] * (self.order - 1 - len(context)) + list(context), np.int32)


def make_trie(seed: int, vocab_size: int, order: int, end: int | None, coded: bool = False) -> Trie:
    """Each listed n-gram has a listed context; its shorter ends may be missing, as in a pruned model.

    Log-probabilities are few different numbers, so that there are ties, and some are -inf.
    """
    rng = np.random.default_rng(seed)
    alphabet = vocab_size + (end is not None)
    probs, backs = _few(rng), _few(rng)
    log_probs: dict[Ngram, float] = {}
    backoffs: dict[Ngram, float] = {}
    levels: list[LevelArrays] = []
    below: list[Ngram] = [()]
    for k in range(1, order + 1):
        share = 1.0 if k == 1 else rng.random()
        ngrams = [
            (*context, token)
            for context in below
            for token in range(alphabet if k == 1 else vocab_size)
            if rng.random() < share and not (end is not None and end in context)
        ]
        prob_codes, backoff_codes = rng.integers(256, size=(2, len(ngrams))).astype(np.uint8)
        log_probs |= dict(zip(ngrams, probs[prob_codes].tolist(), strict=True))
        if k < order:
            backoffs |= dict(zip(ngrams, backs[backoff_codes].tolist(), strict=True))
        children = Counter(ngram[:-1] for ngram in ngrams)
        tokens = np.array([ngram[-1] for ngram in ngrams], np.int32)
        first = np.cumsum([0, *(children[context] for context in below)]).astype(np.uint32)
        columns = (probs, backs, prob_codes, backoff_codes)
        if not coded:
            columns = (probs[prob_codes], backs[backoff_codes], None, None)
        if k == order:
            columns = (columns[0], None, columns[2], None)
        levels.append(LevelArrays(tokens, first, *columns))
        below = ngrams
    return Trie(tuple(levels), vocab_size, end, log_probs, backoffs)


def _few(rng: np.random.Generator) -> np.ndarray:
    """256 values among six."""
    values = (-rng.integers(0, 6, 256) / 3).astype(np.float32)
    values[rng.random(256) < 0.1] = -np.inf
    return values


@st.composite
def tries(draw: st.DrawFn) -> Trie:
    vocab_size = draw(st.integers(1, 5))
    end = draw(st.none() | st.integers(0, vocab_size - 1))
    return make_trie(
        draw(st.integers(0, 2**32 - 1)), vocab_size, draw(st.integers(1, 5)), end, draw(st.booleans())
    )
