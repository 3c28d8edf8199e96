"""Arithmetic coding: a message as one number, in about as many bits as the model's surprisal.

    interval_t = the share of interval_{t-1} that belongs to x_t, p(x_t | x_<t) of it wide
    bits       = -log2 of the last width, rounded up = -sum_t log2 p(x_t | x_<t), and a word

Rissanen & Langdon (1979); the range coder is of `constriction` (Bamler 2022), in words of 32 bits. A share is
a whole number of 2^24ths, at least one, so that whatever happens can be coded and both sides cut alike.

Shape letters: B batch, L lanes, T time, V vocabulary.
"""

from typing import Any, NamedTuple

import constriction
import numpy as np
from jaxtyping import Float64, Int64, Integer

from chainrule.core import FileFormatError, InputError, TokenModel, check_tokens, rollout, take_rows

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


def frequencies(log_probs: Float64[Array, "*B V"]) -> Int64[Array, "*B V"]:
    """Probabilities as whole numbers that are at least 1 and sum to 2^24; the likeliest has what rounding
    leaves over.

    The only place where a float becomes part of a code: k >= p (2^24 - V), so that a token costs at most
    1.45 V / 2^24 bits more than its surprisal, for V up to 160,000. Raises InputError for a row that is no
    distribution and for too large a vocabulary.
    """
    size = log_probs.shape[-1]
    if not 1 <= size <= LARGEST:
        raise InputError(f"vocabulary: expected 1 to {LARGEST:,} symbols to code, got {size:,}")
    with np.errstate(over="ignore"):
        probs = np.exp(log_probs)
    totals = probs.sum(axis=-1, keepdims=True)
    off = np.abs(totals - 1)
    if not (off <= NORMALISED).all():  # nan too
        worst = float(totals.ravel()[off.argmax()])
        raise InputError(f"coding: expected probabilities that sum to 1, got a sum of {worst}")
    probs *= (WHOLE - size) / totals
    shares = probs.astype(np.int64) + 1  # towards zero: floor
    likeliest = shares.argmax(axis=-1, keepdims=True)
    left = WHOLE - shares.sum(axis=-1, keepdims=True)
    np.put_along_axis(shares, likeliest, np.take_along_axis(shares, likeliest, -1) + left, -1)
    return shares


def encode(model: TokenModel[Any], state: Any, tokens: Integer[Array, " T"], lanes: int = 1) -> Coded:
    """The tokens as one stream, from a state of one row.

    lanes: stretches that are coded side by side, a token of each in turn, every one beginning with `state`;
    the model steps through them as rows of a batch. Raises InputError for ids that there are not, and as
    `frequencies` does.
    """
    encoder, nats = stream.queue.RangeEncoder(), 0.0
    for stretches, rows in _side_by_side(check_tokens(tokens, model.vocab_size), lanes):
        state = take_rows(state, rows)
        for items in stretches.T:
            log_probs = model.predict(state)
            for token, distribution in zip(items.tolist(), _distributions(log_probs), strict=True):
                encoder.encode(token, distribution)
            nats -= float(log_probs[np.arange(len(items)), items].sum())
            state = model.advance(state, items)
    return Coded(encoder.get_compressed().astype(WORD).tobytes(), state, nats)


def decode(
    model: TokenModel[Any], state: Any, payload: bytes, count: int, lanes: int = 1
) -> tuple[Int64[Array, " T"], Any]:
    """The tokens that `encode` was given with this model, state and lanes, and the state after them.

    Of another payload something comes out all the same, or FileFormatError is raised.
    """
    if len(payload) % WORD.itemsize:
        raise FileFormatError(f"coded tokens: expected words of 4 bytes, got {len(payload)} bytes")
    decoder = stream.queue.RangeDecoder(np.frombuffer(payload, WORD).astype(np.uint32))

    def choose(log_probs: Float64[Array, "B V"]) -> Int64[Array, " B"]:
        try:
            items = [int(decoder.decode(distribution)) for distribution in _distributions(log_probs)]
        except AssertionError as error:  # no encoder leaves such a number
            raise FileFormatError("coded tokens: expected a stream of this model, got another") from error
        if max(items) >= model.vocab_size:
            raise FileFormatError(f"coded tokens: expected ids below {model.vocab_size}, got {max(items)}")
        return np.array(items)

    tokens = np.empty(count, np.int64)
    for stretches, rows in _side_by_side(tokens, lanes):
        state = take_rows(state, rows)
        for at, (items, after) in enumerate(rollout(model, state, stretches.shape[1], choose)):
            stretches[:, at], state = items, after
    return tokens, state


def _side_by_side(
    tokens: Integer[Array, " T"], lanes: int
) -> tuple[tuple[Integer[Array, "_ _"], Integer[Array, " _"]], ...]:
    """The tokens as rows, and each row's place in the state before: the lanes all begin with its only row;
    what is left, fewer tokens than lanes, goes on from the last of them."""
    whole = len(tokens) // lanes * lanes
    beginning = tokens[:whole].reshape(lanes, -1), np.zeros(lanes, np.int64)
    return beginning, (tokens[whole:][None], np.array([lanes - 1]))


def _distributions(log_probs: Float64[Array, "B V"]) -> list[Any]:
    """Those whose shares are exactly `frequencies`, a row each.

    constriction cuts at floor(c (2^24 - V) / (sum of all)) + i, c the sum of the first i: with every share
    less its 1, the fraction is 1, and the numbers are small enough to be exact in single precision.
    """
    shares = frequencies(log_probs)
    if shares.shape[1] == 1:  # which constriction has no code for
        shares = np.tile([WHOLE - 1, 1], (len(shares), 1))
    return [stream.model.Categorical(row, perfect=False) for row in (shares - 1).astype(np.float32)]
