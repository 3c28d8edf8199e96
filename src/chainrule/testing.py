"""The conformance suite: the laws that every model keeps, of tokens or of values, a user's own among them.

    from chainrule.testing import check_series_model, check_token_model
    check_token_model(MyModel(...))

Every check is a function of a model and a random generator that raises AssertionError with a sentence.

Shape letters: B batch, T time, V vocabulary.
"""

import copy
from collections.abc import Callable
from typing import Any

import numpy as np

from chainrule.core import Normal, SeriesModel, TokenModel, leaves, take_rows

Model = TokenModel[Any]
Check = Callable[[Model, np.random.Generator, float], None]
SeriesCheck = Callable[[SeriesModel[Any], np.random.Generator, float], None]


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


def check_series_model(
    model: SeriesModel[Any],
    *,
    seed: int = 0,
    tolerance: float = 1e-9,
    level: float = 0.0,
    size: float = 1.0,
) -> None:
    """Run every check of a model of real values. level, size: of the values that it is handed."""
    for check in SERIES_CHECKS:
        check(_At(model, level, size), np.random.default_rng(seed), tolerance)


class _At(SeriesModel[Any]):
    """The model, for values of mean 0 and deviation 1 where it wants others."""

    def __init__(self, model: SeriesModel[Any], level: float, size: float) -> None:
        self.model, self.level, self.size = model, level, size

    def start(self, batch: int) -> Any:
        return self.model.start(batch)

    def predict(self, state: Any) -> Normal:
        made = self.model.predict(state)
        return Normal((made.mean - self.level) / self.size, made.scale / self.size)

    def advance(self, state: Any, items: np.ndarray) -> Any:
        return self.model.advance(state, items * self.size + self.level)

    def follow(self, state: Any, values: np.ndarray) -> tuple[Normal, Any]:
        made, after = self.model.follow(state, values * self.size + self.level)
        return Normal((made.mean - self.level) / self.size, made.scale / self.size), after


def check_predictions_are_normal(model: SeriesModel[Any], rng: np.random.Generator, tolerance: float) -> None:
    """Mean and scale are finite float64, the scale above 0, from the very start on."""
    del tolerance
    state = model.start(3)
    for step in range(6):
        for part in model.predict(state):
            _require(part.dtype == np.float64, "predict: expected float64", part.dtype, step)
            _require(part.shape == (3,), "predict: expected [B]", part.shape, step)
            _require(np.isfinite(part).all(), "predict: expected finite numbers", part, step)
        scale = model.predict(state).scale
        _require((scale > 0).all(), "predict: expected a scale above 0", scale, step)
        state = model.advance(state, rng.normal(size=3))


def check_series_state_is_a_value(
    model: SeriesModel[Any], rng: np.random.Generator, tolerance: float
) -> None:
    """No method changes the state that it is handed, and axis 0 of every leaf is the batch."""
    values = rng.normal(size=(2, 30))
    _, state = model.follow(model.start(2), values)
    kept, before = copy.deepcopy(state), model.predict(state)
    for name, call in (
        ("predict", lambda: model.predict(state)),
        ("advance", lambda: model.advance(state, values[:, 0])),
        ("follow", lambda: model.follow(state, values)),
    ):
        call()
        same = all(_same(a, b) for a, b in zip(leaves(state), leaves(kept), strict=True))
        _require(same, f"state: expected it unchanged after {name}", "another", 30)
    for leaf in leaves(state):
        _require(leaf.shape[0] == 2, "state: expected axis 0 of every leaf to be the batch", leaf.shape, 30)
    turned = model.predict(take_rows(state, np.array([1, 0])))
    _require(_near(turned, Normal(*(part[::-1] for part in before)), tolerance), "take_rows", "others", 30)


def check_follow_is_the_loop(model: SeriesModel[Any], rng: np.random.Generator, tolerance: float) -> None:
    """`follow` says what predict and advance say, whatever the chunks, and ends in the same state."""
    values = rng.normal(size=(3, 40))
    slow, looped = SeriesModel.follow(model, model.start(3), values)
    for cuts in ([], [0, 1, 2, 17], list(range(40))):
        state, pieces = model.start(3), []
        for piece in np.split(values, cuts, axis=1):
            made, state = model.follow(state, piece)
            pieces.append(made)
        fast = Normal(*(np.concatenate(parts, axis=1) for parts in zip(*pieces, strict=True)))
        _require(_near(fast, slow, tolerance), f"follow: expected the loop's, cut at {cuts}", "others", 0)
        same = _near(model.predict(state), model.predict(looped), tolerance)
        _require(same, "follow: expected to end in the loop's state", "another", 40)


def check_series_rows_and_future(model: SeriesModel[Any], rng: np.random.Generator, tolerance: float) -> None:
    """A row does not depend on its neighbours, nor a prediction on what comes later."""
    values = rng.normal(size=(4, 30))
    together, _ = model.follow(model.start(4), values)
    for row in range(4):
        alone, _ = model.follow(model.start(1), values[row : row + 1])
        own = Normal(*(part[row : row + 1] for part in together))
        _require(_near(alone, own, tolerance), f"follow: expected row {row} to be the same alone", "", 0)
    changed = values.copy()
    changed[:, 20:] += 1
    second, _ = model.follow(model.start(4), changed)
    first, again = (Normal(*(part[:, :21] for part in made)) for made in (together, second))
    _require(_near(first, again, tolerance), "follow: expected the past not to see the future", "", 20)


def check_nothing_to_follow(model: SeriesModel[Any], rng: np.random.Generator, tolerance: float) -> None:
    """T = 0 and B = 0 are fine; what is no finite number is refused."""
    made, state = model.follow(model.start(2), np.empty((2, 0)))
    _require(made.mean.shape == (2, 0), "follow: expected [2, 0] for no values", made.mean.shape, 0)
    same = _near(model.predict(state), model.predict(model.start(2)), tolerance)
    _require(same, "follow: expected the state to stay at the start", "another", 0)
    empty, _ = model.follow(model.start(0), rng.normal(size=(0, 3)))
    _require(empty.mean.shape == (0, 3), "follow: expected [0, 3] for no rows", empty.mean.shape, 0)
    for wrong in (np.nan, np.inf):
        _require(_refuses(model.advance, model.start(1), np.array([wrong])), "advance: refuse", wrong, 0)
        _require(_refuses(model.follow, model.start(1), np.array([[0, wrong]])), "follow: refuse", wrong, 1)


SERIES_CHECKS: tuple[SeriesCheck, ...] = (
    check_predictions_are_normal,
    check_series_state_is_a_value,
    check_follow_is_the_loop,
    check_series_rows_and_future,
    check_nothing_to_follow,
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


def _same(a: np.ndarray, b: np.ndarray) -> bool:
    """NaN stands for what was not seen yet."""
    return np.array_equal(a, b, equal_nan=True)


def _near(a: Normal, b: Normal, tolerance: float) -> bool:
    return all(np.allclose(x, y, rtol=tolerance, atol=tolerance) for x, y in zip(a, b, strict=True))
