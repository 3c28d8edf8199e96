"""What the lecture shows of a text as data: what a vocabulary leaves out, and what each batch reads."""

from collections.abc import Sequence

import numpy as np

from chainrule.data.codec import Codec
from chainrule.data.partition import random_batches, sequential_batches

PARTITIONS = {"random": random_batches, "sequential": sequential_batches}


def unknown_shares(
    train: str, held_out: str, tokenizer: str, least: Sequence[int]
) -> tuple[list[int], dict[str, list[float]]]:
    """For each least count the size of the vocabulary of the training text, and the share of tokens of each
    part that it does not know."""
    sizes: list[int] = []
    shares: dict[str, list[float]] = {"unknown, training": [], "unknown, held out": []}
    for count in least:
        codec = Codec.fit(train, tokenizer, min_freq=count, bpe_size=500)
        unknown = codec.vocabulary.unknown_id
        sizes.append(codec.vocab_size)
        for name, text in zip(shares, (train, held_out), strict=True):
            ids = codec.encode(text)
            shares[name].append(float(np.mean(ids == unknown)) if len(ids) and unknown is not None else 0.0)
    return sizes, shares


def windows_read(
    partition: str, tokens: int, batch: int, steps: int, seed: int
) -> list[list[tuple[int, int]]]:
    """For each batch of an epoch, of each of its rows the first token that is read and how many there are."""
    places = np.arange(tokens)
    batches = PARTITIONS[partition](places, batch, steps, np.random.default_rng(seed))
    return [[(int(row[0]), len(row)) for row in made.read] for made in batches]
