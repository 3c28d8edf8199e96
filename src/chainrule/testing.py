"""The conformance suite: the laws that every token model keeps, a user's own among them.

    from chainrule.testing import check_token_model
    check_token_model(MyModel(...))

Every check is a function of a model and a random generator that raises AssertionError with a sentence.

Shape letters: B batch, T time, V vocabulary.
"""

import copy
from collections.abc import Callable
from typing import Any

import numpy as np

from chainrule.core import TokenModel, leaves, take_rows

Model = TokenModel[Any]
Check = Callable[[Model, np.random.Generator, float], None]


def check_token_model(
    model: Model,
    *,
    seed: int = 0,
    tolerance: float = 1e-6,
    reload: Callable[[Model], Model] | None = None,
) -> None:
    """Run every check. tolerance: in nats; 1e-4 suits a network in float32.

    reload: saves a model and loads it again; where given, the two must give the same numbers, exactly.
    """
    for check in CHECKS:
        check(model, np.random.default_rng(seed), tolerance)
    if reload is not None:
        check_reload(model, reload(model), np.random.default_rng(seed))


def check_normalised(model: Model, rng: np.random.Generator, tolerance: float) -> None:
    """Each predicted row sums to 1, in float64, from the very start on."""
    state = model.start(3)
    for step in range(6):
        log_probs = model.predict(state)
        _require(log_probs.dtype == np.float64, "predict: expected float64", log_probs.dtype, step)
        _require(log_probs.shape == (3, model.vocab_size), "predict: expected [B, V]", log_probs.shape, step)
        sums = np.exp(log_probs).sum(axis=1)
        _require(np.allclose(sums, 1, atol=tolerance), "predict: expected rows that sum to 1", sums, step)
        state = model.advance(state, _tokens(model, rng, 3, 1)[:, 0])


def check_state_is_a_value(model: Model, rng: np.random.Generator, tolerance: float) -> None:
    """No method changes the state it is handed; the same call gives the same numbers again."""
    del tolerance
    tokens = _tokens(model, rng, 2, 5)
    _, state = model.score(model.start(2), tokens)
    kept = copy.deepcopy(state)
    before = model.predict(state)
    for name, call in (
        ("predict", lambda: model.predict(state)),
        ("advance", lambda: model.advance(state, (tokens[:, -1] + 1) % model.vocab_size)),
        ("score", lambda: model.score(state, (tokens + 1) % model.vocab_size)),
    ):
        call()
        same = all(np.array_equal(a, b) for a, b in zip(leaves(state), leaves(kept), strict=True))
        _require(same, f"state: expected it unchanged after {name}", "another", 5)
    _require(np.array_equal(before, model.predict(state)), "predict: expected the same twice", "not", 5)


def check_axis_0_is_the_batch(model: Model, rng: np.random.Generator, tolerance: float) -> None:
    """Every leaf of a state has the batch as its first axis, so rows can be taken and reordered."""
    tokens = _tokens(model, rng, 4, 3)
    _, state = model.score(model.start(4), tokens)
    for leaf in leaves(state):
        _require(leaf.shape[0] == 4, "state: expected axis 0 of every leaf to be the batch", leaf.shape, 3)
    rows = np.array([2, 0])
    picked, whole = model.predict(take_rows(state, rows)), model.predict(state)[rows]
    _require(_close(picked, whole, tolerance), "take_rows: expected the rows' own predictions", "others", 3)


def check_score_is_the_loop(model: Model, rng: np.random.Generator, tolerance: float) -> None:
    """`score` says what predict and advance say, one token at a time, and ends in the same state."""
    tokens = _tokens(model, rng, 3, 12)
    fast, after = model.score(model.start(3), tokens)
    slow, looped = TokenModel.score(model, model.start(3), tokens)
    _require(fast.dtype == np.float64, "score: expected float64", fast.dtype, 0)
    apart = f"{fast.tolist()} against {slow.tolist()}"
    _require(_close(fast, slow, tolerance), "score: expected what the loop says", apart, 0)
    same = _close(model.predict(after), model.predict(looped), tolerance)
    _require(same, "score: expected to end in the loop's state", "another", 12)


def check_chunks(model: Model, rng: np.random.Generator, tolerance: float) -> None:
    """Cutting a sequence into chunks, empty ones too, changes nothing."""
    tokens = _tokens(model, rng, 2, 13)
    whole, _ = model.score(model.start(2), tokens)
    for cuts in ([4, 9], [1, 2, 3], [0, 0, 13], list(range(13))):
        state, pieces = model.start(2), []
        for piece in np.split(tokens, cuts, axis=1):
            log_probs, state = model.score(state, piece)
            pieces.append(log_probs)
        joined = np.concatenate(pieces, axis=1)
        _require(_close(whole, joined, tolerance), f"score: expected cuts at {cuts} to change nothing", "", 0)


def check_rows_are_independent(model: Model, rng: np.random.Generator, tolerance: float) -> None:
    """A row's numbers do not depend on its neighbours or on how many there are."""
    tokens = _tokens(model, rng, 5, 8)
    together, _ = model.score(model.start(5), tokens)
    for row in range(5):
        alone, _ = model.score(model.start(1), tokens[row : row + 1])
        same = _close(together[row], alone[0], tolerance)
        _require(same, f"score: expected row {row} to be the same alone", "another", 0)


def check_future_does_not_leak(model: Model, rng: np.random.Generator, tolerance: float) -> None:
    """Changing a token changes no log-probability of a token before it."""
    tokens = _tokens(model, rng, 1, 10)
    first, _ = model.score(model.start(1), tokens)
    changed = tokens.copy()
    changed[:, 6:] = (changed[:, 6:] + 1) % model.vocab_size
    second, _ = model.score(model.start(1), changed)
    same = _close(first[:, :6], second[:, :6], tolerance)
    _require(same, "score: expected the past not to depend on the future", "a leak", 6)


def check_nothing_to_score(model: Model, rng: np.random.Generator, tolerance: float) -> None:
    """T = 0 and B = 0 are fine."""
    tokens = _tokens(model, rng, 2, 0)
    log_probs, state = model.score(model.start(2), tokens)
    _require(log_probs.shape == (2, 0), "score: expected [2, 0] for no tokens", log_probs.shape, 0)
    same = _close(model.predict(state), model.predict(model.start(2)), tolerance)
    _require(same, "score: expected the state to stay at the start", "another", 0)
    empty, _ = model.score(model.start(0), tokens[:0])
    _require(empty.shape == (0, 0), "score: expected [0, 0] for no rows", empty.shape, 0)


def check_bad_ids_are_refused(model: Model, rng: np.random.Generator, tolerance: float) -> None:
    """An id outside 0..V-1 is an InputError (a ValueError), not a number or an IndexError."""
    del tolerance
    for wrong in (-1, model.vocab_size):
        tokens = _tokens(model, rng, 2, 3)
        tokens[1, 2] = wrong
        _require(_refuses(model.score, model.start(2), tokens), f"score: expected to refuse {wrong}", "no", 2)
        last = tokens[:, 2]
        _require(
            _refuses(model.advance, model.start(2), last), f"advance: expected to refuse {wrong}", "no", 2
        )


def check_reload(model: Model, again: Model, rng: np.random.Generator) -> None:
    """A saved and loaded model gives the same numbers to the last bit."""
    tokens = _tokens(model, rng, 2, 20)
    first, _ = model.score(model.start(2), tokens)
    second, _ = again.score(again.start(2), tokens)
    _require(np.array_equal(first, second), "load: expected the same numbers", "others", 0)


CHECKS: tuple[Check, ...] = (
    check_normalised,
    check_state_is_a_value,
    check_axis_0_is_the_batch,
    check_score_is_the_loop,
    check_chunks,
    check_rows_are_independent,
    check_future_does_not_leak,
    check_nothing_to_score,
    check_bad_ids_are_refused,
)


def _tokens(model: Model, rng: np.random.Generator, batch: int, steps: int) -> np.ndarray:
    return rng.integers(0, model.vocab_size, (batch, steps))


def _refuses(call: Callable[..., Any], *arguments: Any) -> bool:
    try:
        call(*arguments)
    except ValueError:
        return True
    return False


def _close(a: np.ndarray, b: np.ndarray, tolerance: float) -> bool:
    return np.allclose(a, b, rtol=0, atol=tolerance)  # equal infinities count as close


def _require(holds: bool | np.bool_, expected: str, got: object, step: int) -> None:
    if not holds:
        raise AssertionError(f"{expected}, got {got} at step {step}")
