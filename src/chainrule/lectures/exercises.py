"""Exercises with an answer that can be checked: a choice, or a number that the reader types."""

import math
import re
from collections.abc import Mapping
from typing import NamedTuple

NUMBER = re.compile(r"[-+]?\d*\.?\d+(?:e[-+]?\d+)?", re.IGNORECASE)


class Verdict(NamedTuple):
    """right: None as long as there is no answer. why: what to say about it."""

    right: bool | None
    why: str


def check_choice(given: str | None, right: str, why: Mapping[str, str]) -> Verdict:
    """why: what is to be said of each choice."""
    return Verdict(None, "") if given is None else Verdict(given == right, why[given])


def check_number(
    given: str, right: float, *, why: str, hint: str, unreadable: str, tolerance: float = 0.01
) -> Verdict:
    """A number as people write it, a fraction or a percentage too, held to within a share of the right one.

    why: said to a right answer; hint: to a wrong one; unreadable: to what is no number.
    """
    if not given.strip():
        return Verdict(None, "")
    value = read_number(given)
    if value is None:
        return Verdict(False, unreadable)
    close = value == right or abs(value - right) <= tolerance * max(abs(right), 1e-9)
    return Verdict(close, why if close else hint)


def read_number(text: str) -> float | None:
    """`4`, `0,25`, `1,000`, `1/4`, `25 %`, `∞`, `inf`; None for anything else."""
    text = text.strip().replace(" ", "").replace("，", ",").replace("％", "%")
    if text.lower() in ("∞", "inf", "infinity", "无穷", "无穷大"):
        return math.inf
    if re.fullmatch(r"[-+]?\d{1,3}(,\d{3})+(\.\d*)?", text):
        text = text.replace(",", "")
    text = text.replace(",", ".")
    share = text.endswith("%")
    parts = text.removesuffix("%").split("/")
    if len(parts) > 2 or not all(NUMBER.fullmatch(part) for part in parts):
        return None
    numbers = [float(part) for part in parts]
    if len(numbers) == 2 and numbers[1] == 0:
        return None
    value = numbers[0] / numbers[1] if len(numbers) == 2 else numbers[0]
    return value / 100 if share else value
