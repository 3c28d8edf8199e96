"""Arithmetic coding: a message as one number, in about as many bits as the model's surprisal.

    interval_t = the share of interval_{t-1} that belongs to x_t, p(x_t | x_<t) of it wide
    bits       = -log2 of the last width, rounded up = -sum_t log2 p(x_t | x_<t), and a word

Rissanen & Langdon (1979); the range coder is of `constriction` (Bamler 2022), in words of 32 bits. A share is
a whole number of 2^24ths, at least one, so that whatever happens can be coded and both sides cut alike.

Shape letters: B batch (one row), T time, V vocabulary.
"""

from typing import Any, NamedTuple

import constriction
import numpy as np
from jaxtyping import Float64, Int64, Integer

from chainrule.core import FileFormatError, InputError, TokenModel, check_tokens, rollout

Array = np.ndarray
WHOLE = 1 << 24  # what the shares sum to: the most that constriction's models take
LARGEST = 1 << 22  # symbols, which take a quarter of the whole for being there
NORMALISED = 1e-4  # how far the sum of a row may be from 1: a network's softmax in float32 is within it
WORD = np.dtype("<u4")
stream: Any = constriction.stream  # pyright: ignore[reportAttributeAccessIssue]


class Coded(NamedTuple):
    """payload: a finished stream. state: the model's after the last token. nats: what the model made of them,
    infinite where one of them had probability zero, which costs 24 bits."""

    payload: bytes
    state: Any
    nats: float


def frequencies(log_probs: Float64[Array, " V"]) -> Int64[Array, " V"]:
    """Probabilities as whole numbers that are at least 1 and sum to 2^24; the likeliest has what rounding
    leaves over.

    The only place where a float becomes part of a code: k >= p (2^24 - V), so that a token costs at most
    1.45 V / 2^24 bits more than its surprisal, for V up to 160,000. Raises InputError for a row that is no
    distribution and for too large a vocabulary.
    """
    size = len(log_probs)
    if not 1 <= size <= LARGEST:
        raise InputError(f"vocabulary: expected 1 to {LARGEST:,} symbols to code, got {size:,}")
    with np.errstate(over="ignore"):
        probs = np.exp(log_probs)
    total = float(probs.sum())
    if not abs(total - 1) <= NORMALISED:  # nan too
        raise InputError(f"coding: expected probabilities that sum to 1, got a sum of {total}")
    probs *= (WHOLE - size) / total
    shares = probs.astype(np.int64) + 1  # towards zero: floor
    shares[shares.argmax()] += WHOLE - int(shares.sum())
    return shares


def encode(model: TokenModel[Any], state: Any, tokens: Integer[Array, " T"]) -> Coded:
    """The tokens as one stream, from a state of one row, which the model takes step by step.

    Raises InputError for ids that there are not, and as `frequencies` does.
    """
    encoder, nats = stream.queue.RangeEncoder(), 0.0
    for token in check_tokens(tokens, model.vocab_size):
        log_probs = model.predict(state)[0]
        encoder.encode(int(token), _distribution(log_probs))
        nats -= float(log_probs[token])
        state = model.advance(state, token[None])
    return Coded(encoder.get_compressed().astype(WORD).tobytes(), state, nats)


def decode(model: TokenModel[Any], state: Any, payload: bytes, count: int) -> tuple[Int64[Array, " T"], Any]:
    """The tokens that `encode` was given with this model and state, and the state after them.

    Of another payload something comes out all the same, or FileFormatError is raised.
    """
    if len(payload) % WORD.itemsize:
        raise FileFormatError(f"coded tokens: expected words of 4 bytes, got {len(payload)} bytes")
    decoder = stream.queue.RangeDecoder(np.frombuffer(payload, WORD).astype(np.uint32))

    def choose(log_probs: Float64[Array, "B V"]) -> Int64[Array, " B"]:
        try:
            token = int(decoder.decode(_distribution(log_probs[0])))
        except AssertionError as error:  # no encoder leaves such a number
            raise FileFormatError("coded tokens: expected a stream of this model, got another") from error
        if token >= model.vocab_size:
            raise FileFormatError(f"coded tokens: expected ids below {model.vocab_size}, got {token}")
        return np.array([token])

    tokens = np.empty(count, np.int64)
    for at, (token, after) in enumerate(rollout(model, state, count, choose)):
        tokens[at], state = token[0], after
    return tokens, state


def _distribution(log_probs: Float64[Array, " V"]) -> Any:
    """The distribution whose shares are exactly `frequencies`.

    constriction cuts at floor(c (2^24 - V) / (sum of all)) + i, c the sum of the first i: with every share
    less its 1, the fraction is 1, and the numbers are small enough to be exact in single precision.
    """
    shares = frequencies(log_probs)
    if len(shares) == 1:  # which constriction has no code for
        shares = np.array([WHOLE - 1, 1])
    return stream.model.Categorical((shares - 1).astype(np.float32), perfect=False)
