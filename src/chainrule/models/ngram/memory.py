"""How much memory counting takes at most, said before it starts."""

import os

from chainrule.core import InputError

A_TOKEN = (
    24  # bytes: the text, its positions in order, what neighbours share, and the sort of the largest bucket
)
AN_NGRAM = 36  # bytes: token, offset, count, link, position, probability in double and single, backoff


def memory_needed(tokens: int, vocab_size: int, order: int) -> int:
    """Bytes, at most: as if no n-gram above the first order came twice."""
    return tokens * A_TOKEN + (vocab_size + tokens * (order - 1)) * AN_NGRAM


def memory_here() -> int | None:
    """Bytes of memory that this machine has; None where it does not say."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return None


def check_memory(tokens: int, vocab_size: int, order: int) -> None:
    """Raises InputError when counting might take more than the machine has, and names an order that fits."""
    needed, here = memory_needed(tokens, vocab_size, order), memory_here()
    if here is None or needed <= here:
        return
    fits = max((n for n in range(1, order) if memory_needed(tokens, vocab_size, n) <= here), default=None)
    advice = f"order {fits} fits; prune what it gives" if fits else "a smaller text or vocabulary may fit"
    raise InputError(
        f"memory: {order}-grams of {tokens:,} tokens may take {needed / 1e9:,.1f} GB, "
        f"this machine has {here / 1e9:,.1f} GB: {advice}"
    )
