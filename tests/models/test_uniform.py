"""The bar for all others."""

import numpy as np
import pytest

from chainrule.core import InputError
from chainrule.models.uniform import Uniform


@pytest.mark.parametrize("size", [1, 2, 28, 50_000])
def test_every_token_has_probability_one_in_v(size: int) -> None:
    model = Uniform(size)
    assert model.vocab_size == size
    state = model.advance(model.start(3), np.zeros(3, np.int64))
    np.testing.assert_allclose(np.exp(model.predict(state)), np.full((3, size), 1 / size))
    log_probs, _ = model.score(model.start(2), np.full((2, 5), size - 1))
    np.testing.assert_array_equal(log_probs, np.full((2, 5), -np.log(size)))


def test_ids_that_do_not_exist_are_refused() -> None:
    model = Uniform(3)
    with pytest.raises(InputError, match=r"expected ids in 0\.\.2, got 3 at row 1, step 2"):
        model.score(model.start(2), np.array([[0, 1, 2], [0, 1, 3]]))
    with pytest.raises(InputError, match=r"expected ids in 0\.\.2, got -1 at row 1"):
        model.advance(model.start(2), np.array([0, -1]))
