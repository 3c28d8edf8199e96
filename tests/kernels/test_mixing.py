"""The mix of contexts: compiled loops against their readable twin, bit for bit, and round trips."""

import lzma
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chainrule.kernels import mixing, mixing_python
from chainrule.kernels.native import instructions, library
from chainrule.models.contexts import byte_kinds

TEXT = "Er aß die Äpfel, die Birnen.\nEr aß die Äpfel nicht.\n天地玄黃，宇宙洪荒。天地玄黃，宇宙\n".encode()
BITS = 8  # of the table: so few buckets that they are fought over

needs_compiled = pytest.mark.skipif(library() is None, reason="no compiled loops to compare with")


def new_python(kinds: np.ndarray, bits: int = BITS) -> np.ndarray:
    mix = np.zeros_like(mixing.new_mix(kinds, bits))
    mixing_python.start(mix, bits, kinds)
    return mix


def differing(one: np.ndarray, other: np.ndarray) -> list[str]:
    """The names of what two mixes have not learned alike."""
    a, b = mixing_python.fields(one), mixing_python.fields(other)
    names = [name for name in mixing_python.layout().names if not np.array_equal(a[name], b[name])]
    same = np.array_equal(mixing_python.buckets(one), mixing_python.buckets(other))
    return names + ([] if same else ["table"])


@needs_compiled
def test_bytes_are_coded_and_learned_as_the_twin_does() -> None:
    compiled, readable = mixing.new_mix(byte_kinds(), BITS), new_python(byte_kinds())
    assert differing(compiled, readable) == []
    coded = mixing.encode(compiled, TEXT)
    assert mixing_python.encode(readable, TEXT) == coded
    assert differing(compiled, readable) == []
    assert len(coded) < len(TEXT) * 0.8
    opened = new_python(byte_kinds())
    assert mixing_python.decode(opened, coded, 40) == TEXT[:40]


@needs_compiled
@pytest.mark.parametrize("size", [2, 28, 300, 5000])
def test_symbols_of_any_number_are_learned_as_the_twin_does(size: int) -> None:
    rng = np.random.default_rng(0)
    kinds = rng.integers(0, 1 << 5, size, dtype=np.uint32) & ~np.uint32(3)
    ids = np.tile(rng.integers(0, size, 12), 4)
    compiled, readable = mixing.new_mix(kinds, BITS), new_python(kinds)
    probs = np.empty((len(ids), mixing.depth(compiled)), np.int32)
    mixing_python.learn(readable, ids.astype(np.int32), probs)
    assert np.array_equal(mixing.learn(compiled, ids), probs)
    assert differing(compiled, readable) == []
    if size <= 300:
        nodes = np.zeros(1 << mixing.depth(compiled), np.int32)
        mixing_python.predict(readable, nodes)
        assert np.array_equal(mixing.predict(compiled), nodes)
        assert differing(compiled, readable) == []


@needs_compiled
@pytest.mark.parametrize("known", ["plain", "avx2", "avx512"])
def test_every_set_of_instructions_writes_the_same(known: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if known not in ("plain", "avx2", "avx512")[: ("plain", "avx2", "avx512").index(instructions()) + 1]:
        pytest.skip(f"this processor lacks {known}")
    expected = mixing.encode(mixing.new_mix(byte_kinds(), BITS), TEXT * 5)
    monkeypatch.setattr("chainrule.kernels.native.instructions", lambda: known)
    assert mixing.encode(mixing.new_mix(byte_kinds(), BITS), TEXT * 5) == expected


@needs_compiled
def test_a_match_or_a_word_that_never_ends_is_no_longer_than_the_longest() -> None:
    """A file of zeros: counted on, the length of the match would be negative after 2 GB."""
    kinds = np.full(4, 1 << mixing.CLASS, np.uint32)
    compiled, readable = mixing.new_mix(kinds, BITS), new_python(kinds)
    for mix in (compiled, readable):
        mixing_python.fields(mix)["length"] = mixing_python.fields(mix)["word_length"] = (
            mixing_python.LONGEST - 3
        )
    ids = np.zeros(20, np.int32)
    mixing.learn(compiled, ids)
    mixing_python.learn(readable, ids, np.empty((20, 2), np.int32))
    assert differing(compiled, readable) == []
    for name in ("length", "word_length"):
        assert mixing_python.fields(compiled)[name] == mixing_python.LONGEST


def test_what_a_bit_was_predicted_with_is_what_it_costs() -> None:
    """predict before, learn after: the same probability, though learning moves everything."""
    mix, ids = mixing.new_mix(np.zeros(11, np.uint32), BITS), [3, 10, 3, 3, 10, 0, 3, 10]
    for symbol in ids:
        nodes, node = mixing.predict(mix), 1
        probs = mixing.learn(mix, np.array([symbol]))[0]
        for at, known in enumerate(probs.tolist()):
            bit = symbol >> 3 - at & 1
            if known:
                assert known == (nodes[node] if bit else mixing.ONE - nodes[node])
            else:
                assert (bit, nodes[node]) == (0, 0)
            node = node << 1 | bit


@settings(max_examples=30)
@given(st.lists(st.binary(max_size=300) | st.just(b"ab" * 100), max_size=4))
def test_what_is_coded_comes_back(stretches: list[bytes]) -> None:
    if library() is None:
        stretches = [stretch[:20] for stretch in stretches]
    writer, reader = mixing.new_mix(byte_kinds(), BITS), mixing.new_mix(byte_kinds(), BITS)
    for stretch in stretches:
        assert mixing.decode(reader, mixing.encode(writer, stretch), len(stretch)) == stretch


@given(st.binary(max_size=40))
def test_any_payload_gives_some_bytes(payload: bytes) -> None:
    assert len(mixing.decode(mixing.new_mix(byte_kinds(), BITS), payload, 20)) == 20


@needs_compiled
def test_zeros_cost_next_to_nothing_and_noise_no_more_than_itself() -> None:
    assert len(mixing.encode(mixing.new_mix(byte_kinds(), 16), bytes(100_000))) < 150
    noise = np.random.default_rng(0).bytes(50_000)
    assert len(mixing.encode(mixing.new_mix(byte_kinds(), 16), noise)) < 1.03 * len(noise)


@needs_compiled
def test_a_real_book_is_smaller_than_xz_makes_it_by_a_fifth(shared_data: Path) -> None:
    book = (shared_data / "tinyshakespeare.txt").read_bytes()[:300_000]
    coded = mixing.encode(mixing.new_mix(byte_kinds(), 20), book)
    assert len(coded) < 0.8 * len(lzma.compress(book, preset=9))
    assert mixing.decode(mixing.new_mix(byte_kinds(), 20), coded, len(book)) == book
