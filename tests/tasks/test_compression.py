"""Codes as long as the surprisal says, that come back exactly; files that are damaged anywhere and say so."""

import io
import struct
import zlib
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.simple import Deflate, Fixed

from chainrule.core import FileFormatError, InputError, RunError, TokenModel, leaves
from chainrule.models.mixture import LinearMixture, LogisticMixture, OnlineMixture
from chainrule.models.ngram import MaximumLikelihood, NgramModel, WittenBell, count_ngrams
from chainrule.models.recurrent import RecurrentLearner
from chainrule.models.uniform import Uniform
from chainrule.tasks.compression import (
    ByteBlocks,
    Details,
    Reader,
    Writer,
    decode,
    encode,
    frequencies,
    read_stream,
    write_stream,
)
from chainrule.tasks.compression.coder import LARGEST, WHOLE
from chainrule.tasks.compression.container import BLOCK, read_varint, varint

V = 7
TRAIN = np.random.default_rng(0).integers(0, V, 400) * np.random.default_rng(1).integers(0, 2, 400)
READ = np.random.default_rng(2).integers(0, V, 120) * np.random.default_rng(3).integers(0, 2, 120)


def counted(order: int = 3) -> TokenModel[Any]:
    return NgramModel(count_ngrams([TRAIN], V, order=order), WittenBell())


def network(dtype: Any = np.float64) -> TokenModel[Any]:
    rng = np.random.default_rng(0)
    return RecurrentLearner(V, cell="gru", layers=1, hidden=8, rng=rng, dtype=dtype).model()


MODELS = {
    "uniform": lambda: Uniform(V),
    "n-gram": counted,
    "network": network,
    "network in single precision": lambda: network(np.float32),
    "mixture": lambda: LinearMixture.fit((counted(), network()), READ),
    "online mixture": lambda: OnlineMixture((counted(1), counted(), network())),
    "logistic mixture": lambda: LogisticMixture((counted(), Uniform(V))),
}


@st.composite
def distributions(draw: st.DrawFn, least: int = 2, most: int = 40) -> np.ndarray:
    """Log-probabilities, some of them very small, some -inf."""
    size = draw(st.integers(least, most))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    weights = rng.random(size) ** draw(st.sampled_from([0.5, 1, 8, 60]))
    weights[1:][rng.random(size - 1) < draw(st.sampled_from([0, 0.5]))] = 0
    weights[0] += 1e-9
    with np.errstate(divide="ignore"):
        return np.log(weights / weights.sum())


# --- probabilities as integers -----------------------------------------------------------------------------


@given(distributions())
def test_frequencies_sum_to_the_whole_and_leave_nothing_out(log_probs: np.ndarray) -> None:
    shares = frequencies(log_probs)
    probs, size = np.exp(log_probs), len(log_probs)
    assert shares.sum() == WHOLE
    assert shares.min() >= 1
    assert (shares >= np.floor(probs / probs.sum() * (WHOLE - size) * (1 - 1e-12))).all()
    at = shares.argmax()  # only the likeliest has more than rounding up gives
    assert (np.delete(shares, at) <= np.delete(probs, at) / probs.sum() * WHOLE + 1).all()


@pytest.mark.parametrize(
    ("log_probs", "message"),
    [
        ([], "expected 1 to 4,194,304 symbols to code, got 0"),
        ([np.nan, 0.0], "expected probabilities that sum to 1, got a sum of nan"),
        ([-1.0, -1.0], "expected probabilities that sum to 1, got a sum of 0.73"),
        ([0.0, 800.0], "got a sum of inf"),
        ([-np.inf, -np.inf], "got a sum of 0.0"),
    ],
)
def test_what_is_no_distribution_is_not_coded(log_probs: list[float], message: str) -> None:
    with pytest.raises(InputError, match=message):
        frequencies(np.array(log_probs))


@given(st.lists(distributions(least=5, most=5), min_size=1, max_size=4))
def test_rows_have_the_frequencies_that_each_has_alone(rows: list[np.ndarray]) -> None:
    np.testing.assert_array_equal(frequencies(np.stack(rows)), np.stack([*map(frequencies, rows)]))


def test_too_large_a_vocabulary() -> None:
    with pytest.raises(InputError, match="got 4,194,305"):
        frequencies(np.full(LARGEST + 1, -np.log(LARGEST + 1)))
    assert frequencies(np.full(LARGEST, -np.log(LARGEST))).tolist()[:2] == [4, 4]


# --- the coder ---------------------------------------------------------------------------------------------


def read_by_hand(payload: bytes, shares: np.ndarray, count: int) -> list[int]:
    """The decoder of a range coder in whole numbers of any size: the twin of constriction's."""
    words = list(struct.unpack(f"<{len(payload) // 4}I", payload)) + [0] * (2 * count + 2)
    edges, found = np.cumsum(shares), []
    point, low, width, at = (words[0] << 32) + words[1], 0, (1 << 64) - 1, 2
    for _ in range(count):
        unit = width >> 24
        token = int(np.searchsorted(edges, (point - low) // unit, side="right"))
        found.append(token)
        low += unit * int(edges[token] - shares[token])
        width = unit * int(shares[token])
        if width < 1 << 32:
            point, low, width, at = (point << 32) + words[at], low << 32, width << 32, at + 1
    return found


@given(distributions(), st.integers(0, 60), st.integers(0, 1000))
def test_the_code_is_that_of_the_frequencies(log_probs: np.ndarray, count: int, seed: int) -> None:
    """Read with the shares that `frequencies` says, and as long as they say."""
    model, shares = Fixed(log_probs), frequencies(log_probs)
    tokens = np.random.default_rng(seed).integers(0, len(log_probs), count)
    coded = encode(model, model.start(1), tokens)
    assert read_by_hand(coded.payload, shares, count) == tokens.tolist()
    bits = -np.log2(shares[tokens] / WHOLE).sum()
    assert bits - 1 <= 8 * len(coded.payload) <= bits + 64
    assert coded.state == count


@given(distributions(most=6))
def test_every_edge_is_where_the_frequencies_have_it(log_probs: np.ndarray) -> None:
    shares, model = frequencies(log_probs), Fixed(log_probs)
    unit = (1 << 64) - 1 >> 24

    def first(point: int) -> int:
        return int(
            decode(model, model.start(1), struct.pack("<2I", point >> 32, point & 0xFFFFFFFF), 1)[0][0]
        )

    for token, edge in enumerate(np.cumsum(shares)[:-1].tolist()):
        assert first(edge * unit - 1) == token
        assert first(edge * unit) == token + 1


@pytest.mark.parametrize("name", MODELS)
def test_the_code_is_as_long_as_the_surprisal(name: str) -> None:
    model, n = MODELS[name](), len(READ)
    coded = encode(model, model.start(1), READ)
    log_probs, _ = model.score(model.start(1), READ[None])
    bits = -log_probs.sum() / np.log(2)
    assert coded.nats / np.log(2) == pytest.approx(bits, rel=1e-5)
    assert 8 * len(coded.payload) <= bits * 1.001 + 1.45 * n * V / 2**24 + 64
    tokens, _ = decode(model, model.start(1), coded.payload, n)
    np.testing.assert_array_equal(tokens, READ)


@pytest.mark.parametrize("name", MODELS)
def test_the_state_goes_on_from_one_stream_to_the_next(name: str) -> None:
    model = MODELS[name]()
    there, back, nats = model.start(1), model.start(1), 0.0
    read = READ[:50]
    for piece in np.split(read, [1, 1, 20]):
        coded = encode(model, there, piece)
        tokens, back = decode(model, back, coded.payload, len(piece))
        np.testing.assert_array_equal(tokens, piece)
        there, nats = coded.state, nats + coded.nats
    assert nats == pytest.approx(encode(model, model.start(1), read).nats, rel=1e-12)


@pytest.mark.parametrize("name", MODELS)
@given(lanes=st.integers(1, 9), count=st.integers(0, 60))
def test_lanes_come_back_and_each_begins_with_the_state(name: str, lanes: int, count: int) -> None:
    """What is said of every lane is what is said of it alone; the rest goes on from the last."""
    model = MODELS[name]()
    _, state = model.score(model.start(1), READ[None, -20:])
    coded = encode(model, state, READ[:count], lanes)
    tokens, after = decode(model, state, coded.payload, count, lanes)
    np.testing.assert_array_equal(tokens, READ[:count])
    for there, back in zip(leaves(coded.state), leaves(after), strict=True):
        np.testing.assert_array_equal(there, back)
    long = count // lanes
    ends = [*range(long, lanes * long, long), count] if long else [count]
    said = [model.score(state, part[None])[0].sum() for part in np.split(READ[:count], ends[:-1])]
    assert coded.nats == pytest.approx(-sum(said), rel=1e-4, abs=1e-9)


def test_what_a_model_rules_out_can_be_coded() -> None:
    model = NgramModel(count_ngrams([np.zeros(50, np.int64)], 3, order=2), MaximumLikelihood())
    tokens = np.array([0, 0, 2, 1, 0])
    coded = encode(model, model.start(1), tokens)
    assert coded.nats == np.inf
    np.testing.assert_array_equal(decode(model, model.start(1), coded.payload, 5)[0], tokens)


def test_a_vocabulary_of_one_takes_no_bits() -> None:
    coded = encode(Uniform(1), Uniform(1).start(1), np.zeros(500, np.int64))
    assert len(coded.payload) <= 4
    tokens, _ = decode(Uniform(1), Uniform(1).start(1), coded.payload, 500)
    assert not tokens.any()


@given(st.binary(max_size=40), st.sampled_from(["uniform", "n-gram"]))
def test_garbage_is_decoded_to_something_or_refused(payload: bytes, name: str) -> None:
    model = MODELS[name]()
    try:
        tokens, _ = decode(model, model.start(1), payload, 20)
    except FileFormatError:
        return
    assert ((tokens >= 0) & (tokens < V)).all()


def test_a_number_that_no_encoder_leaves_is_refused() -> None:
    """The point stands in what the division into 2^24ths leaves over."""
    with pytest.raises(FileFormatError, match="expected a stream of this model"):
        decode(Uniform(V), Uniform(V).start(1), b"\xff" * 12, 5)


def test_the_symbol_that_a_vocabulary_of_one_lacks_is_refused() -> None:
    """constriction has no code for one symbol: beside it stands another, which nobody sends."""
    point = (WHOLE - 1) * ((1 << 64) - 1 >> 24)
    with pytest.raises(FileFormatError, match="expected ids below 1, got 1"):
        decode(Uniform(1), Uniform(1).start(1), struct.pack("<2I", point >> 32, point & 0xFFFFFFFF), 1)


def test_ids_that_there_are_not() -> None:
    with pytest.raises(InputError, match=r"expected ids in 0..6, got 7"):
        encode(Uniform(V), Uniform(V).start(1), np.array([0, 7]))


# --- the file ----------------------------------------------------------------------------------------------

DETAILS = Details("0.1.0", "ab" * 32, False, True, "characters", "step, float64", "a machine")


def packed(data: bytes) -> bytes:
    """A file without a model."""
    target = io.BytesIO()
    writer = Writer(target)
    writer.header(None)
    write_stream(io.BytesIO(data), writer, ByteBlocks(Deflate()))
    assert writer.size == len(target.getvalue())
    return target.getvalue()


def unpacked(file: bytes) -> bytes:
    target, reader = io.BytesIO(), Reader(io.BytesIO(file))
    assert reader.header() is None
    read_stream(reader, target, ByteBlocks(Deflate()))
    reader.finish()
    assert reader.size == len(file)
    return target.getvalue()


TEXT = b"the time traveller, for so it will be convenient to speak of him, was expounding. " * 3
NOISE = np.random.default_rng(0).bytes(BLOCK)
FILES = {
    "empty": b"",
    "one byte": b"x",
    "text": TEXT,
    "zeros": bytes(1_000_000),
    "random": np.random.default_rng(0).bytes(200_000),
    "random, and its end again": NOISE + NOISE[-20_000:],  # stored, and learned
    "a block": bytes(range(256)) * 256,
    "a block and a byte": bytes(range(256)) * 256 + b"!",
}


@pytest.mark.parametrize("name", FILES)
def test_bytes_come_back(name: str) -> None:
    assert unpacked(packed(FILES[name])) == FILES[name]


@given(st.binary(max_size=300))
def test_any_bytes_come_back(data: bytes) -> None:
    assert unpacked(packed(data)) == data


def test_sizes() -> None:
    assert len(packed(FILES["zeros"])) < 2000
    assert len(packed(FILES["random"])) < 1.001 * len(FILES["random"])
    assert len(packed(NOISE + NOISE[-20_000:])) < BLOCK + 1000
    assert len(packed(b"x")) < 40


@pytest.mark.parametrize("name", ["empty", "one byte", "text"])
def test_every_flipped_bit_is_found(name: str) -> None:
    file = packed(FILES[name])
    for at in range(len(file)):
        for bit in range(8):
            damaged = bytearray(file)
            damaged[at] ^= 1 << bit
            with pytest.raises(FileFormatError):
                unpacked(bytes(damaged))


@pytest.mark.parametrize("name", ["empty", "one byte", "text"])
def test_every_cut_is_found(name: str) -> None:
    file = packed(FILES[name])
    for length in range(len(file)):
        with pytest.raises(FileFormatError, match=r"cut short|got an empty one|something else"):
            unpacked(file[:length])


def test_what_follows_is_found() -> None:
    with pytest.raises(FileFormatError, match="expected the end of the file at"):
        unpacked(packed(TEXT) + b"\0")


def test_blocks_in_another_order_are_found() -> None:
    """Each is as it was written; a check is of all that stands before it."""
    header, blocks = packed(b"")[:11], packed(np.random.default_rng(0).bytes(2 * BLOCK))[11:]
    size = BLOCK + 11  # kind, two lengths of three bytes, check
    assert unpacked(header + blocks)
    with pytest.raises(FileFormatError, match="CRC"):
        unpacked(header + blocks[size : 2 * size] + blocks[:size] + blocks[2 * size :])


@pytest.mark.parametrize(
    ("file", "message"),
    [
        (b"", "expected a file that chainrule compress wrote, got an empty one"),
        (b"\x1f\x8b\x08\x00 and more", "got a gzip file"),
        (b"a text", "got something else"),
        (b"\x89CR\r\n\x01\x01\x00", "got something else"),
        (b"\x89CR\n\x02\x01\x00", "expected file format 1, got 2: made by another version"),
        (b"\x89CR\n\x01\x02\x81\x80\x04", "expected a length up to 65,536"),
    ],
)
def test_other_files(file: bytes, message: str) -> None:
    with pytest.raises(FileFormatError, match=message):
        unpacked(file)


def sealed(*parts: bytes) -> bytes:
    """Parts with checks that are right: what only somebody who means it writes."""
    file, crc = b"", 0
    for part in parts:
        crc = zlib.crc32(part, crc)
        file += part + struct.pack("<I", crc)
    return file


HEAD = b"\x89CR\n\x01\x01\x00"


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ((b"\x89CR\n\x01\x03\x00",), "expected coder 1 or 2, got 3"),
        ((b"\x89CR\n\x01\x01\x02{}",), "expected coder 1 or 2, got 1 with 2 bytes"),
        ((b"\x89CR\n\x01\x02\x02{}",), "header: expected chainrule, model"),
        ((b"\x89CR\n\x01\x02\x02[]",), "header: expected chainrule, model"),
        ((b"\x89CR\n\x01\x02\x02{{",), "expected JSON in its header"),
        ((HEAD, b"\x04\x01\x01x"), "expected a kind of block"),
        ((HEAD, b"\x01\x00\x00"), "takes fewer bytes than it stands for, 0"),
        ((HEAD, b"\x01\x02\x01x"), "takes fewer bytes than it stands for, 2"),
        ((HEAD, b"\x02\x01\x01x"), "takes fewer bytes than it stands for, 1"),
        ((HEAD, b"\x02\x01\x02xx"), "expected a length up to 1"),
        ((HEAD, b"\x01\x81\x80\x04"), "expected a length up to 65,536"),
        ((HEAD, b"\x02\x09\x03\xff\xff\xff"), "deflate"),
        ((HEAD, b"\x02\x09\x03abc"), "block: expected 9 bytes, got 0"),
        ((HEAD, b"\x03\x09\x03abc"), "coded without a model"),
        ((HEAD, b"\x01\x01\x01x", b"\x00\x02" + struct.pack("<I", zlib.crc32(b"x"))), "expected 2 bytes"),
        ((HEAD, b"\x01\x01\x01x", b"\x00\x01abcd"), "expected 1 bytes with CRC 64636261 to come out"),
        ((HEAD, b"\x00" + b"\xff" * 12), "expected a length up to"),
    ],
)
def test_files_that_are_damaged_with_care(parts: tuple[bytes, ...], message: str) -> None:
    with pytest.raises(FileFormatError, match=message):
        unpacked(sealed(*parts))


def test_the_details_come_back() -> None:
    target = io.BytesIO()
    Writer(target).header(DETAILS)
    assert Reader(io.BytesIO(target.getvalue())).header() == DETAILS


@given(st.integers(0, 2**62))
def test_varints_come_back(value: int) -> None:
    data = varint(value)
    assert read_varint(b"x" + data + b"y", 1) == (value, 1 + len(data))
    with pytest.raises(FileFormatError):
        read_varint(data[:-1], 0)


def test_a_source_that_cannot_be_read() -> None:
    class Broken(io.RawIOBase):
        def read(self, size: int = -1) -> bytes:
            raise OSError(5, "Input/output error")

    with pytest.raises(RunError, match="input: cannot be read: Input/output error"):
        write_stream(Broken(), Writer(io.BytesIO()), ByteBlocks(Deflate()))


def test_a_pipe_hands_out_what_it_has() -> None:
    class Drops(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            return super().read(1 if size else 0)

    target, reader = io.BytesIO(), Reader(Drops(packed(TEXT)))
    reader.header()
    read_stream(reader, target, ByteBlocks(Deflate()))
    assert target.getvalue() == TEXT


@pytest.mark.parametrize("said", ["\x1b[31mred", "two\nlines", "long" * 100])
def test_what_a_header_says_can_be_shown_in_a_terminal(said: str) -> None:
    target = io.BytesIO()
    Writer(target).header(replace(DETAILS, tokenizer=said))
    with pytest.raises(FileFormatError, match="printable characters"):
        Reader(io.BytesIO(target.getvalue())).header()
