"""What a block can be: its bytes as they are, coded by a mix that learns bytes, or as a model's tokens.

    TOKENS  tokens, bytes of unknown spellings, CRC-32 of the text [4], spellings, range-coded tokens

A tokeniser keeps a text or it does not: what does not come back exactly is coded as bytes, and the spelling
of every unknown symbol goes beside the tokens. Encoder and decoder learn the same things in the same order,
so there is one object a stream.
"""

import struct
import zlib
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Integer

from chainrule.core import FileFormatError, InputError, RunError, TokenModel
from chainrule.data.codec import Codec
from chainrule.tasks.compression.behind import Job, at_once
from chainrule.tasks.compression.coder import decode, encode
from chainrule.tasks.compression.container import MIXED, STORED, TOKENS, Block, read_varint, varint

Array = np.ndarray
LANE = 4096  # tokens: the shortest lane


@runtime_checkable
class ByteCoder(Protocol):
    """Codes bytes by what it learned from those before; `learn`: of bytes that were coded otherwise."""

    def encode(self, data: bytes) -> bytes: ...
    def decode(self, payload: bytes, count: int) -> bytes: ...
    def learn(self, data: bytes) -> None: ...


@runtime_checkable
class Blocks(Protocol):
    """One side of a stream."""

    def encode(self, data: bytes) -> Block: ...
    def decode(self, block: Block) -> bytes: ...


class ByteBlocks:
    """Blocks of any bytes."""

    def __init__(self, mix: ByteCoder) -> None:
        self._mix = mix

    def encode(self, data: bytes) -> Block:
        """As it is where it would not shrink; the mix has learned it by then."""
        payload = self._mix.encode(data)
        small = len(payload) < len(data)
        return Block(MIXED if small else STORED, len(data), payload if small else data)

    def decode(self, block: Block) -> bytes:
        if block.kind == STORED:
            self._mix.learn(block.payload)
            return block.payload
        if block.kind != MIXED:
            raise FileFormatError(f"block: expected one that was coded without a model, got {block.kind}")
        data = self._mix.decode(block.payload, block.count)
        if len(data) != block.count:
            raise FileFormatError(f"block: expected {block.count} bytes, got {len(data)}")
        return data


class Promise(NamedTuple):
    """What a model said of the tokens that it coded, and what came of it.

    nats: their surprisal. payload: bytes of range-coded tokens. unknown: tokens that are spelled beside, in
    `spelled` bytes. text: bytes that all of it stands for; other blocks are the mix's.
    """

    tokens: int = 0
    nats: float = 0.0
    payload: int = 0
    unknown: int = 0
    spelled: int = 0
    text: int = 0

    def plus(self, more: "Promise") -> "Promise":
        return Promise(
            self.tokens + more.tokens,
            self.nats + more.nats,
            self.payload + more.payload,
            self.unknown + more.unknown,
            self.spelled + more.spelled,
            self.text + more.text,
        )


class TokenBlocks:
    """Blocks of text, by a model whose state is carried from one to the next; of all else, by the mix.

    lanes: in how many stretches side by side the tokens of a large block are coded, each beginning where the
    block before it ended: a step of eight rows takes a network little longer than a step of one. A model that
    learns as it reads should have one. made_on: what the model's numbers were computed on, for the message
    when they are others here. check: runs what reads a coded block back.
    """

    def __init__(
        self,
        model: TokenModel[Any],
        codec: Codec,
        mix: ByteCoder,
        made_on: str = "",
        *,
        lanes: int = 1,
        check: Callable[[Job], None] = at_once,
    ) -> None:
        self._model, self._codec, self._bytes, self._made_on = model, codec, ByteBlocks(mix), made_on
        self._lanes, self._check = lanes, check
        self._mix, self._state, self._decoded = mix, model.start(1), model.start(1)
        self.promise = Promise()

    def encode(self, data: bytes) -> Block:
        """Raises InputError where the text does not come back from a tokeniser that is known to lose
        something, and what the check does.
        """
        read = self._tokens(data)
        if read is None:
            return self._bytes.encode(data)
        ids, spellings = read
        coded = encode(self._model, self._state, ids, self._lanes_of(len(ids)))
        spelled = b"".join(varint(len(s)) + s for s in (token.encode() for token in spellings))
        head = varint(len(ids)) + varint(len(spelled)) + struct.pack("<I", zlib.crc32(data))
        if len(head) + 5 + len(spelled) + len(coded.payload) >= len(data):  # before the mix learns from it
            return self._bytes.encode(data)
        self._check(lambda: self._read_back(ids, coded.payload))
        self._state, side = coded.state, self._spell(spelled)
        said = Promise(len(ids), coded.nats, len(coded.payload), len(spellings), len(side), len(data))
        self.promise = self.promise.plus(said)
        return Block(TOKENS, len(data), head + side + coded.payload)

    def _read_back(self, ids: Integer[Array, " T"], payload: bytes) -> None:
        """Decoded by a state that only decoding has led to; raises RunError where others come out."""
        back, self._decoded = decode(self._model, self._decoded, payload, len(ids), self._lanes_of(len(ids)))
        if not np.array_equal(back, ids):
            raise RunError("the model gave other numbers when its code was read back: it cannot be used")

    def decode(self, block: Block) -> bytes:
        """Raises RunError where other bytes come out than went in: the block is whole, the numbers differ."""
        if block.kind != TOKENS:
            return self._bytes.decode(block)
        payload = block.payload
        count, at = read_varint(payload, 0)
        size, at = read_varint(payload, at)
        if count > block.count + 1 or size > 4 * block.count or len(payload) < at + 4:
            raise FileFormatError(
                f"block: expected tokens of {block.count} bytes, got {count} and {size} bytes"
            )
        (crc,) = struct.unpack_from("<I", payload, at)
        spelled, at = self._spelled(payload, at + 4, size)
        try:
            ids, self._decoded = decode(
                self._model, self._decoded, payload[at:], count, self._lanes_of(count)
            )
            data = self._text(ids, _spellings(spelled)).encode()
        except ValueError:  # of the codec, which is handed anything, or of the coder
            data = b""
        if len(data) != block.count or zlib.crc32(data) != crc:
            raise RunError(
                f"the model gives other numbers here than where the file was made, which was {self._made_on}"
            )
        return data

    def _lanes_of(self, tokens: int) -> int:
        """As many as are long: the beginning of each is read without what stands before it."""
        return max(1, min(self._lanes, tokens // LANE))

    def _tokens(self, data: bytes) -> tuple[Integer[Array, " T"], Sequence[str]] | None:
        """The ids of a text, and how the unknown ones are spelled; None where they would not give it back."""
        try:
            text = data.decode()
            tokens = self._codec.split(text)
            if self._codec.sentences and text and not text.endswith("\n"):
                tokens = tokens[:-1]  # the line may go on in the next block
            ids = self._codec.vocabulary.encode(tokens)
            unknown = self._codec.vocabulary.unknown_id
            missing = [] if unknown is None else np.flatnonzero(ids == unknown).tolist()
            spellings = [tokens[i] for i in missing]
            if self._text(ids, spellings) == text:
                return ids, spellings
        except ValueError:  # not UTF-8, or of a codec that does not take all text
            pass
        if self._codec.loses:
            raise InputError(
                f"compress: expected a tokeniser that keeps the text (characters, bytes, bpe), got "
                f"{self._codec.tokenizer.name} without {self._codec.loses}"
            )
        return None

    def _text(self, ids: Integer[Array, " T"], spellings: Sequence[str]) -> str:
        """The text of some ids, each unknown one spelled; raises ValueError unless all spellings are used."""
        codec, vocabulary = self._codec, self._codec.vocabulary
        tokens = vocabulary.decode(ids)
        if vocabulary.unknown_id is not None:
            for at, spelling in zip(np.flatnonzero(ids == vocabulary.unknown_id), spellings, strict=True):
                tokens[at] = spelling
        elif spellings:
            raise ValueError("expected no spellings where nothing is unknown")
        if not codec.sentences:
            return codec.tokenizer.join(tokens)
        lines: list[list[str]] = [[]]
        for i, token in zip(ids.tolist(), tokens, strict=True):
            if i == codec.end_id:
                lines.append([])
            else:
                lines[-1].append(token)
        return "\n".join(map(codec.tokenizer.join, lines))

    def _spell(self, spelled: bytes) -> bytes:
        """The spellings by the mix, or as they are, and which of the two."""
        if not spelled:
            return b""
        payload = self._mix.encode(spelled)
        return (
            varint(len(payload)) + payload if len(payload) < len(spelled) else varint(len(spelled)) + spelled
        )

    def _spelled(self, payload: bytes, at: int, size: int) -> tuple[bytes, int]:
        """The spellings, `size` bytes, and where they end in the payload."""
        if not size:
            return b"", at
        length, at = read_varint(payload, at)
        side = payload[at : at + length]
        if len(side) < length or length > size:
            raise FileFormatError(f"block: expected {size} bytes of spellings at most, got {length}")
        if length < size:
            return self._mix.decode(side, size), at + length
        self._mix.learn(side)
        return side, at + length


def _spellings(spelled: bytes) -> list[str]:
    found: list[str] = []
    at = 0
    while at < len(spelled):
        length, at = read_varint(spelled, at)
        found.append(spelled[at : at + length].decode())
        at += length
    return found
