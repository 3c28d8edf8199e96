"""Was this text trained on? Hashes of windows of 50 characters tell."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chainrule.data import overlap
from chainrule.data.overlap import KEEP, WINDOW, Fingerprint, window_hashes

# st.text() never draws halves of surrogate pairs, which a Python string may hold
ANY_CHARACTER = st.characters() | st.characters(categories=["Cs"]) | st.sampled_from("\r\n\0 \ufeff")
ANY_STRING = st.lists(ANY_CHARACTER).map("".join)


def random_text(length: int, seed: int) -> str:
    letters = np.frombuffer(b"abcdefghijklmnopqrstuvwxyz ", dtype=np.uint8)
    return np.random.default_rng(seed).choice(letters, length).tobytes().decode()


@given(st.lists(ANY_CHARACTER, min_size=WINDOW, max_size=WINDOW).map("".join), ANY_STRING, ANY_STRING)
def test_a_window_has_one_hash_wherever_it_stands(window: str, before: str, after: str) -> None:
    alone = window_hashes(window)
    assert alone.shape == (1,)
    assert window_hashes(before + window + after)[len(before)] == alone[0]


@given(st.integers(0, 49), st.characters())
def test_another_character_anywhere_is_another_hash(place: int, other: str) -> None:
    window = random_text(WINDOW, 1)
    changed = window[:place] + other + window[place + 1 :]
    assert (window_hashes(window)[0] == window_hashes(changed)[0]) == (window == changed)


def test_the_order_within_a_window_counts() -> None:
    window = random_text(WINDOW, 2)
    assert len({int(window_hashes(text)[0]) for text in (window, window[::-1], window[1:] + window[0])}) == 3
    assert window_hashes("\0" * 50)[0] != window_hashes("\0" * 49 + "\1")[0]


def test_as_many_hashes_as_windows_all_different() -> None:
    text = random_text(20_000, 3)
    hashes = window_hashes(text)
    assert len(hashes) == len(text) - WINDOW + 1
    assert len(np.unique(hashes)) == len(hashes)


@pytest.mark.parametrize("bits", [1, 4, 10])
def test_low_bits_are_even_so_that_a_share_of_windows_is_a_share(bits: int) -> None:
    hashes = window_hashes(random_text(100_000, 4))
    kept = (hashes % np.uint64(1 << bits) == 0).mean()
    assert kept == pytest.approx(2.0**-bits, rel=0.4)


@pytest.mark.parametrize("length", [WINDOW, 1000, 200_000])
def test_a_text_overlaps_itself_whole(length: int) -> None:
    text = random_text(length, 5)
    assert Fingerprint.of(text).share(text) == 1.0


@pytest.mark.parametrize("length", [1000, 200_000])
def test_a_stranger_does_not_overlap(length: int) -> None:
    assert Fingerprint.of(random_text(length, 6)).share(random_text(length, 7)) == 0.0


@pytest.mark.parametrize(("length", "tolerance"), [(2000, 0.03), (200_000, 0.03)])
@pytest.mark.parametrize("share", [0.25, 0.5, 0.9])
def test_a_text_that_is_partly_the_training_text(length: int, tolerance: float, share: float) -> None:
    train = random_text(length, 8)
    seen = round(share * length)
    mixed = train[-seen:] + random_text(length - seen, 9)
    assert Fingerprint.of(train).share(mixed) == pytest.approx(share, abs=tolerance)


def test_a_part_of_a_long_training_text_is_found_anywhere_in_it() -> None:
    train = random_text(300_000, 10)
    fingerprint = Fingerprint.of(train)
    assert fingerprint.share(train[123_456:133_456]) == 1.0


@pytest.mark.parametrize("text", ["", "short", "x" * (WINDOW - 1)])
def test_of_a_short_text_none_can_tell(text: str) -> None:
    assert window_hashes(text).shape == (0,)
    assert Fingerprint.of(random_text(500, 11)).share(text) is None


def test_a_short_training_text_overlaps_nothing() -> None:
    fingerprint = Fingerprint.of("short")
    assert len(fingerprint.hashes) == 0
    assert fingerprint.share(random_text(500, 12)) == 0.0
    assert fingerprint.share("short") is None


def test_of_a_short_part_of_a_long_text_none_may_tell() -> None:
    train = random_text(400_000, 13)
    fingerprint = Fingerprint.of(train)
    shares = [fingerprint.share(train[at : at + WINDOW]) for at in range(0, 6400, 64)]
    assert set(shares) == {None, 1.0}


def test_the_modulus_grows_with_the_text() -> None:
    sizes = [KEEP // 2, 2 * KEEP, 8 * KEEP]
    prints = [Fingerprint.of(random_text(size, 14)) for size in sizes]
    assert prints[0].modulus == 1
    assert 1 < prints[1].modulus < prints[2].modulus
    for size, fingerprint in zip(sizes, prints, strict=True):
        assert len(fingerprint.hashes) <= KEEP
        assert len(fingerprint.hashes) > size / fingerprint.modulus * 0.8
        assert (np.diff(fingerprint.hashes.astype(object)) > 0).all()


def test_the_parts_of_a_book_are_strangers(shared_data: Path) -> None:
    text = (shared_data / "timemachine.txt").read_text(encoding="utf-8")
    cut = int(0.9 * len(text))
    fingerprint = Fingerprint.of(text[:cut])
    assert fingerprint.share(text[cut:]) == pytest.approx(0, abs=0.01)
    assert fingerprint.share(text[:20_000]) == 1.0


def test_of_a_text_that_nobody_has_none_can_tell() -> None:
    for text in ("", "short", random_text(500, 15)):
        assert Fingerprint.unknown().share(text) is None


@pytest.mark.parametrize("length", [0, 1, WINDOW - 1, WINDOW, WINDOW + 1, 63, 64, 65, 500, 513])
@pytest.mark.parametrize("piece", [1, 7, 64, 1000])
def test_a_text_in_pieces_is_the_text_in_one(
    length: int, piece: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = random_text(length, 16)
    whole, hashes = Fingerprint.of(text), window_hashes(text)
    monkeypatch.setattr(overlap, "PIECE", piece)
    assert np.array_equal(window_hashes(text), hashes)
    assert np.array_equal(Fingerprint.of(text).hashes, whole.hashes)
    assert Fingerprint.of(text).modulus == whole.modulus


def test_pieces_keep_the_same_share_of_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    text = random_text(3 * KEEP, 17)
    whole = Fingerprint.of(text)
    assert whole.modulus > 1
    monkeypatch.setattr(overlap, "PIECE", 10_000)
    assert np.array_equal(Fingerprint.of(text).hashes, whole.hashes)
    assert whole.share(text) == 1.0
