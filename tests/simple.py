"""Stand-ins that are quick and easily seen through: a coder of bytes, a model of one distribution."""

import zlib
from collections.abc import Sequence

import numpy as np

from chainrule.core import FileFormatError, TokenModel


class Deflate:
    """A `ByteCoder` that learns as it goes: deflate, with what it read as its dictionary."""

    def __init__(self) -> None:
        self._read = b""

    def encode(self, data: bytes) -> bytes:
        maker = zlib.compressobj(9, zlib.DEFLATED, -15, zdict=self._read)
        payload = maker.compress(data) + maker.flush()
        self.learn(data)
        return payload

    def decode(self, payload: bytes, count: int) -> bytes:
        try:
            data = zlib.decompressobj(-15, zdict=self._read).decompress(payload, count + 1)
        except zlib.error as error:
            raise FileFormatError(f"deflate: {error}") from error
        self.learn(data)
        return data

    def learn(self, data: bytes) -> None:
        self._read = (self._read + data)[-32768:]


class Fixed(TokenModel[np.ndarray]):
    """One distribution, whatever was read; its state counts."""

    def __init__(self, log_probs: Sequence[float] | np.ndarray) -> None:
        self.log_probs = np.array(log_probs, np.float64)

    @property
    def vocab_size(self) -> int:
        return len(self.log_probs)

    def start(self, batch: int) -> np.ndarray:
        return np.zeros(batch, np.int64)

    def predict(self, state: np.ndarray) -> np.ndarray:
        return np.tile(self.log_probs, (len(state), 1))

    def advance(self, state: np.ndarray, items: np.ndarray) -> np.ndarray:
        return state + 1
