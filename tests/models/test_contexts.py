"""Context mixing as a token model: the laws, histories that fork, and what it has read before."""

import copy
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from chainrule.core import FileFormatError, InputError, join_rows, take_rows
from chainrule.kernels import mixing
from chainrule.models.contexts import ByteMixing, ContextMixing
from chainrule.testing import check_token_model

SMALL = 10  # bits of the table


@pytest.mark.parametrize("vocab", [1, 2, 28, 300])
def test_the_laws_hold(vocab: int) -> None:
    check_token_model(ContextMixing(vocab, table_bits=SMALL))


def test_the_laws_hold_for_one_that_has_read() -> None:
    check_token_model(ContextMixing(5, read=np.tile(np.arange(5), 20), table_bits=SMALL))


def test_it_learns_what_repeats_and_starts_afresh() -> None:
    model, line = ContextMixing(10, table_bits=SMALL), np.tile(np.arange(10), 30)[None]
    first, _ = model.score(model.start(1), line)
    assert -first[0, :10].mean() > np.log(10) - 0.3
    assert -first[0, -10:].mean() < 0.05
    again, _ = model.score(model.start(1), line)
    assert np.array_equal(first, again)


def test_going_on_from_an_old_state_is_another_history() -> None:
    model = ContextMixing(6, table_bits=SMALL)
    _, fork = model.score(model.start(1), np.array([[1, 2, 3, 1, 2]]))
    ahead = model.predict(fork)
    _, one = model.score(fork, np.array([[3, 1, 2, 3]]))
    _, other = model.score(fork, np.array([[5, 5, 5, 5]]))
    assert np.array_equal(model.predict(fork), ahead)
    for tail, state in (([3, 1, 2, 3], one), ([5, 5, 5, 5], other)):
        _, straight = model.score(model.start(1), np.array([[1, 2, 3, 1, 2, *tail]]))
        assert np.array_equal(model.predict(state), model.predict(straight))


def test_rows_that_share_a_past_part_ways() -> None:
    model = ContextMixing(6, table_bits=SMALL)
    _, state = model.score(model.start(1), np.array([[1, 2, 1, 2]]))
    both = join_rows([state, take_rows(copy.deepcopy(state), np.array([0]))])
    after = model.advance(both, np.array([1, 4]))
    for row, token in enumerate((1, 4)):
        _, alone = model.score(model.start(1), np.array([[1, 2, 1, 2, token]]))
        assert np.array_equal(model.predict(after)[row], model.predict(alone)[0])


@pytest.mark.parametrize("piece", [7, 1 << 18])
def test_what_it_has_read_comes_before_every_text(piece: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chainrule.models.contexts.model.PIECE", piece)
    rng = np.random.default_rng(0)
    before, text = rng.integers(0, 6, 50), rng.integers(0, 6, 20)
    plain, told = ContextMixing(6, table_bits=SMALL), ContextMixing(6, read=before, table_bits=SMALL)
    whole, _ = plain.score(plain.start(1), np.concatenate([before, text])[None])
    after, _ = told.score(told.start(1), text[None])
    assert np.array_equal(after[0], whole[0, 50:])
    again, _ = told.score(told.start(2), np.stack([text, text[::-1]]))
    assert np.array_equal(again[0], after[0])


def test_it_is_stored_as_what_it_has_read() -> None:
    kinds = np.array([4, 4, 0], np.uint32)
    told = ContextMixing(3, kinds, np.array([0, 2, 1, 0]), table_bits=SMALL)
    again = ContextMixing.from_arrays(*told.to_arrays())
    assert np.array_equal(again.predict(again.start(1)), told.predict(told.start(1)))


@pytest.mark.parametrize(
    ("settings", "arrays"),
    [
        ({}, {"read": np.array([0, 3], np.int32)}),
        ({}, {"read": np.array([-1], np.int32)}),
        ({}, {"read": np.array([0.0])}),
        ({}, {"kinds": np.zeros(2, np.uint32)}),
        ({}, {"kinds": np.full(3, 1 << 31, np.uint32)}),
        ({"table_bits": 40}, {}),
        ({"table_bits": -1}, {}),
    ],
)
def test_a_strangers_arrays_are_looked_at(settings: dict[str, int], arrays: dict[str, np.ndarray]) -> None:
    made, own = ContextMixing(3, read=np.array([0, 1]), table_bits=SMALL).to_arrays()
    with pytest.raises(FileFormatError, match="expected kinds of ids"):
        ContextMixing.from_arrays({**made, **settings}, {**own, **arrays})


@pytest.mark.parametrize("vocab", [0, 65537])
def test_a_vocabulary_that_does_not_fit_is_refused(vocab: int) -> None:
    with pytest.raises(InputError, match=r"expected 1\.\.65536 ids, got"):
        ContextMixing(vocab)


def test_kinds_of_other_ids_are_refused() -> None:
    with pytest.raises(InputError, match=r"expected kinds of 6 ids as uint32, got uint32 \(5,\)"):
        ContextMixing(6, np.zeros(5, np.uint32))


def test_what_is_interrupted_while_it_learns_is_read_again(monkeypatch: pytest.MonkeyPatch) -> None:
    model, text = ContextMixing(6, table_bits=SMALL), np.array([[1, 2, 3, 1, 2, 3, 1, 2]])
    _, state = model.score(model.start(1), text)
    ahead, learn = model.predict(state), mixing.learn

    def interrupted(mix: np.ndarray, ids: np.ndarray) -> np.ndarray:
        learn(mix, ids)
        raise KeyboardInterrupt

    monkeypatch.setattr(mixing, "learn", interrupted)
    with pytest.raises(KeyboardInterrupt):
        model.score(state, text)
    monkeypatch.undo()
    assert np.array_equal(model.predict(state), ahead)


def test_threads_that_go_on_from_one_state_part_ways() -> None:
    model, rng = ContextMixing(6, table_bits=SMALL), np.random.default_rng(0)
    _, state = model.score(model.start(1), rng.integers(0, 6, (1, 500)))
    texts = [rng.integers(0, 6, (1, 3000)) for _ in range(4)]
    apart = [float(model.score(state, text)[0].sum()) for text in texts]
    with ThreadPoolExecutor(4) as threads:
        beside = list(threads.map(lambda text: float(model.score(state, text)[0].sum()), texts))
    assert beside == apart


def test_bytes_learned_elsewhere_are_known() -> None:
    plain, told = ByteMixing(12), ByteMixing(12)
    told.learn(b"the time machine " * 3)
    assert len(told.encode(b"the time machine")) < len(plain.encode(b"the time machine"))
