"""Text by a model: any bytes come back, whatever the tokeniser keeps, and nothing else comes out."""

import io
from threading import Event
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.simple import Deflate, Fixed

from chainrule.core import FileFormatError, InputError, RunError, TokenModel
from chainrule.data.codec import Codec
from chainrule.tasks.compression import (
    Behind,
    ByteBlocks,
    Reader,
    TokenBlocks,
    Writer,
    encode,
    read_stream,
    streams,
    write_stream,
)
from chainrule.tasks.compression.container import BLOCK, MIXED, STORED, TOKENS, Block, varint


class Turning(Fixed):
    """Another distribution now and then: what is read while the state is wrong is wrong."""

    def predict(self, state: np.ndarray) -> np.ndarray:
        probs = np.exp(self.log_probs) + 0.001 * np.roll(np.arange(self.vocab_size), state[0] // 50)
        return np.log(probs / probs.sum())[None]


ENGLISH = "The Time Traveller smiled round at us.\nThen, still smiling faintly, he walked slowly out.\n" * 2


def speaks(
    tokenizer: str = "characters", text: str = ENGLISH, **options: Any
) -> tuple[TokenModel[Any], Codec]:
    """A model that gives every token what it had in the text, and a little to those it had not."""
    codec, ids = Codec.fit_encode(text, tokenizer, **options)
    probs = np.bincount(ids, minlength=codec.vocab_size) + 0.01
    return Fixed(np.log(probs / probs.sum())), codec


def round_trip(data: bytes, model: TokenModel[Any], codec: Codec) -> tuple[TokenBlocks, list[Block]]:
    """What the blocks are, if they come back."""
    target, coder = io.BytesIO(), TokenBlocks(model, codec, Deflate(), "a machine")
    write_stream(io.BytesIO(data), Writer(target), coder, whole=True)
    file = target.getvalue()
    out, parts, reader = io.BytesIO(), [], Reader(io.BytesIO(file))
    read_stream(reader, out, TokenBlocks(model, codec, Deflate(), "a machine"))
    assert out.getvalue() == data
    again = Reader(io.BytesIO(file))
    while isinstance(part := again.next(), Block):
        parts.append(part)
    return coder, parts


@pytest.mark.parametrize(
    ("tokenizer", "options"),
    [
        ("characters", {}),
        ("characters", {"sentences": True}),
        ("bytes", {}),
        ("bytes", {"sentences": True}),
        ("bpe", {"bpe_size": 300}),
        ("bpe", {"bpe_size": 300, "sentences": True}),
        ("characters", {"min_freq": 4}),
    ],
)
@pytest.mark.parametrize("end", ["", "\n", "\n\n", "smiling", "\r\n", "Zoë 樓 \U0001f600\n"])
def test_text_comes_back_whatever_its_tokens(tokenizer: str, options: dict[str, Any], end: str) -> None:
    coder, blocks = round_trip((ENGLISH + end).encode(), *speaks(tokenizer, **options))
    assert [block.kind for block in blocks] == [TOKENS]
    assert coder.promise.text == len((ENGLISH + end).encode())


def test_what_the_model_promised_is_what_its_tokens_take() -> None:
    model, codec = speaks()
    coder, _ = round_trip(ENGLISH.encode(), model, codec)
    promise = coder.promise
    ids = codec.encode(ENGLISH)
    log_probs, _ = model.score(model.start(1), ids[None])
    assert promise.nats == pytest.approx(-log_probs.sum(), rel=1e-9)
    assert promise.tokens == len(ids)
    assert promise.payload == len(encode(model, model.start(1), ids).payload)


def test_unknown_symbols_are_spelled_beside() -> None:
    text = ENGLISH + "Zoë and Zoë, 樓 and 樓\n"
    coder, blocks = round_trip(text.encode(), *speaks())
    assert [block.kind for block in blocks] == [TOKENS]
    assert coder.promise.unknown == 6  # Z ë Z ë 樓 樓
    assert 0 < coder.promise.spelled <= 1 + 6 + 12


def test_spellings_that_are_stored_are_learned() -> None:
    symbols = "".join(map(chr, np.random.default_rng(0).choice(np.arange(0x4E00, 0x9F00), 6, replace=False)))
    there, back = (TokenBlocks(*speaks(), Deflate()) for _ in range(2))
    data = (ENGLISH + symbols).encode()
    first, second = there.encode(data), there.encode(data)
    assert (first.kind, second.kind) == (TOKENS, TOKENS)
    assert len(second.payload) < len(first.payload) - 12
    assert there.promise.unknown == 12
    assert back.decode(first) == back.decode(second) == data


def test_a_text_that_the_model_does_not_know_is_coded_without_it() -> None:
    _, blocks = round_trip("可是他們在那裏呢我不知道。".encode() * 9, *speaks())
    assert [block.kind for block in blocks] == [MIXED]


def test_bytes_that_are_no_text_are_coded_without_the_model() -> None:
    noise = np.random.default_rng(0).bytes(1000)
    assert [block.kind for block in round_trip(noise, *speaks())[1]] == [STORED]
    coder, blocks = round_trip(b"\xff" + ENGLISH.encode(), *speaks())
    assert [block.kind for block in blocks] == [MIXED]
    assert coder.promise.text == 0


def test_blocks_of_all_kinds_in_one_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "BLOCK", 120)
    text, noise = ENGLISH.encode(), np.random.default_rng(0).bytes(240)
    data = text[:120] + b"\xff" * 120 + noise + text[:120] + "樓é".encode()
    model, codec = speaks()
    kinds = [block.kind for block in round_trip(data, Turning(model.predict(model.start(1))[0]), codec)[1]]
    assert kinds == [TOKENS, MIXED, STORED, STORED, TOKENS, STORED]


@pytest.mark.parametrize("before", range(5))
@pytest.mark.parametrize("character", ["a", "é", "樓", "\U0001f600"])
def test_a_block_ends_between_characters(before: int, character: str) -> None:
    """Wherever the edge falls, the blocks beside it are text."""
    data, found = b"a" * before + (character * (BLOCK + 20)).encode(), list[bytes]()
    blocks = ByteBlocks(Deflate())
    write_stream(io.BytesIO(data), Writer(io.BytesIO()), blocks, whole=True, see=found.append)
    assert b"".join(found) == data
    assert "".join(block.decode() for block in found) == data.decode()
    assert all(BLOCK - 3 <= len(block) <= BLOCK for block in found[:-1])


def test_what_only_looks_like_a_character_is_not_waited_for() -> None:
    for tail in (b"\x80" * 5, b"\xff", b"\xc3", b"a\xf0\x9f\x98"):
        data, found = b"a" * (BLOCK - len(tail)) + tail, list[bytes]()
        write_stream(
            io.BytesIO(data), Writer(io.BytesIO()), ByteBlocks(Deflate()), whole=True, see=found.append
        )
        assert b"".join(found) == data


@pytest.mark.parametrize(
    ("tokenizer", "options", "loses"),
    [
        ("words", {}, "words without white space"),
        ("space", {}, "space without white space"),
        ("characters", {"clean": True}, "characters without all but letters"),
    ],
)
def test_a_tokeniser_that_loses_something_is_refused(
    tokenizer: str, options: dict[str, Any], loses: str
) -> None:
    with pytest.raises(InputError, match=f"expected a tokeniser that keeps the text .* got .*{loses}"):
        round_trip(ENGLISH.encode(), *speaks(tokenizer, **options))


def test_a_text_that_is_clean_comes_back_from_a_codec_that_cleans() -> None:
    clean = "the time traveller smiled round at us " * 4
    _, blocks = round_trip(clean.encode(), *speaks(clean=True))
    assert [block.kind for block in blocks] == [TOKENS]


def test_reserved_words_in_a_text_of_sentences() -> None:
    text = "</s> " * 30
    _, blocks = round_trip(text.encode(), *speaks("bytes", ENGLISH + text, sentences=True))
    assert [block.kind for block in blocks] == [TOKENS]  # its bytes are words, not the word


def test_a_model_that_gives_other_numbers_is_found_out() -> None:
    """By one part in a million: what comes out is not let through."""
    model, codec = speaks()
    log_probs = model.predict(model.start(1))[0]
    other = Fixed(log_probs + 1e-6 * np.resize([1, -1], len(log_probs)))
    target = io.BytesIO()
    write_stream(io.BytesIO(ENGLISH.encode()), Writer(target), TokenBlocks(model, codec, Deflate()))
    out = io.BytesIO()
    with pytest.raises(
        RunError, match="other numbers here than where the file was made, which was a machine"
    ):
        read_stream(
            Reader(io.BytesIO(target.getvalue())), out, TokenBlocks(other, codec, Deflate(), "a machine")
        )
    assert out.getvalue() == b""


def test_a_model_that_is_not_the_same_twice_is_found_out_while_coding() -> None:
    class Moody(Fixed):
        calls = 0

        def predict(self, state: np.ndarray) -> np.ndarray:
            self.calls += 1
            return np.roll(super().predict(state), self.calls // 50, axis=1)

    _, codec = speaks()
    probs = np.arange(1.0, codec.vocab_size + 1)
    moody = Moody(np.log(probs / probs.sum()))
    with pytest.raises(RunError, match="gave other numbers when its code was read back"):
        TokenBlocks(moody, codec, Deflate()).encode(ENGLISH.encode())
    with pytest.raises(RunError, match="gave other numbers when its code was read back"), Behind() as behind:
        TokenBlocks(moody, codec, Deflate(), check=behind).encode(ENGLISH.encode())


def test_jobs_run_behind_in_their_order_and_hand_on_what_they_raise() -> None:
    """The first waits for what is done after it was given: at once, it would never end."""
    given, done = Event(), list[int]()

    def fail() -> None:
        raise InputError("expected another number, got 2")

    with Behind() as behind:
        behind(lambda: done.append(int(given.wait(timeout=60))))
        given.set()
        behind(lambda: done.append(2))
    assert done == [1, 2]
    with pytest.raises(InputError, match="got 2"), Behind() as behind:
        behind(fail)
    left = KeyError("by another error")
    behind = Behind()
    behind(fail)
    behind.__exit__(KeyError, left, None)  # what ended it is what is told


@pytest.mark.parametrize(("tokens", "spelled"), [(12, 0), (1 << 60, 0), (3, 41), (3, 1 << 60)])
def test_a_block_of_more_than_it_can_hold_is_refused(tokens: int, spelled: int) -> None:
    coder = TokenBlocks(*SPEAKER, Deflate(), "a machine")
    with pytest.raises(FileFormatError, match="expected tokens of 10 bytes, got"):
        coder.decode(Block(TOKENS, 10, varint(tokens) + varint(spelled) + bytes(4)))


@given(st.binary(max_size=60), st.integers(1, 200))
@settings(max_examples=100)
def test_a_block_of_anything_is_refused(payload: bytes, count: int) -> None:
    """In a file whose checks are right."""
    coder = TokenBlocks(*SPEAKER, Deflate(), "a machine")
    with pytest.raises((FileFormatError, RunError)):
        coder.decode(Block(TOKENS, count, payload))


SPEAKER = speaks(min_freq=4)
