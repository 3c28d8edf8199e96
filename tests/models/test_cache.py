"""A unigram cache beside a model: the laws, the formula, and what it is good for."""

import numpy as np
import pytest

from chainrule.core import InputError
from chainrule.models.ngram import count_ngrams, estimate
from chainrule.models.online import UnigramCache
from chainrule.testing import check_token_model

TEXT = np.random.default_rng(0).integers(0, 7, 200)


@pytest.mark.parametrize("end", [None, 2])
@pytest.mark.parametrize("size", [1, 3, 500])
def test_it_keeps_the_laws(size: int, end: int | None) -> None:
    model = estimate(count_ngrams([TEXT], 7, 2, end=end), "witten-bell").model
    check_token_model(UnigramCache(model, size, 0.3))


def test_it_is_the_mixture_by_hand() -> None:
    model = estimate(count_ngrams([TEXT], 7, 2), "witten-bell").model
    cached = UnigramCache(model, 3, 0.25)
    tokens = np.array([[5, 1, 1, 4]])
    _, state = cached.score(cached.start(1), tokens)
    _, own = model.score(model.start(1), tokens)
    shares = np.array([0, 2, 0, 0, 1, 0, 0]) / 3  # of 1 1 4
    expected = 0.75 * np.exp(model.predict(own)[0]) + 0.25 * shares
    np.testing.assert_allclose(np.exp(cached.predict(state)[0]), expected, rtol=1e-12)


@pytest.mark.parametrize(("size", "weight"), [(0, 0.1), (5, 0.0), (5, 1.0), (5, float("nan"))])
def test_a_cache_of_nothing_is_refused(size: int, weight: float) -> None:
    model = estimate(count_ngrams([TEXT], 7, 2), "witten-bell").model
    with pytest.raises(InputError, match="cache: expected a weight between 0 and 1"):
        UnigramCache(model, size, weight)
