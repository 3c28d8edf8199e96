"""The readable twin of `native/simd/mixing.c`: the same integers, on the same memory, one bit at a time.

See `mixing.py` for the equations. A file that the compiled loops coded opens with these, too, at 500 bytes a
second.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import numpy as np

from chainrule.kernels.interval import LAST, Interval

Array = np.ndarray
CONTEXTS, INPUTS, SYMBOLS, RING, MATCHES, MATCHED = 14, 48, 1 << 16, 1 << 22, 1 << 20, 6
LONGEST = 65535  # length of a match or a word that is told from longer ones
LIMIT, HEAVIEST, ONE, WORD = 2047, 524287, 65536, 0xFFFFFFFF
SETS = (256, 2048, 4096, 2048, 1024, 256)
FIRSTS = tuple(int(sum(SETS[:k])) for k in range(len(SETS)))
KNOTS = (  # 65536 / (1 + exp(-x / 2)) for x = -16..16; between them straight lines
    *(22, 36, 60, 98, 162, 267, 439, 720, 1179, 1921, 3108, 4971, 7812, 11955, 17625, 24743, 32768),
    *(40793, 47911, 53581, 57724, 60565, 62428, 63615, 64357, 64816, 65097, 65269, 65374, 65438, 65476),
    *(65500, 65514),
)
NODE = np.dtype([("history", "<u2"), ("direct", "<u2")])
BUCKET = np.dtype([("check", "<u2"), ("uses", "<u2"), ("nodes", NODE, 15)])


@cache
def layout() -> np.dtype[Any]:
    """What stands where in a mix, before its buckets."""
    return np.dtype(
        [
            *((name, "<i8") for name in ("position", "line", "line_before", "match")),
            *(
                (name, "<i4")
                for name in ("vocab_size", "depth", "table_bits", "length", "word_length", "more")
            ),
            *((name, "<u4") for name in ("part", "word", "word_before", "word_before_that", "opened")),
            ("units", "<u4", 8),
            ("kinds", "<u4", SYMBOLS),
            ("ring", "<u2", RING),
            ("matches", "<u4", MATCHES),
            ("maps", "<u4", (CONTEXTS, 8192)),
            ("match_maps", "<u4", 64),
            ("order1", "<u4", SYMBOLS),
            ("weights", "<i4", (sum(SETS), INPUTS)),
            ("final", "<i4", (128, 8)),
            ("refine1", "<u4", (SYMBOLS, 33)),
            ("refine2", "<u4", (SYMBOLS, 33)),
            ("follow1", "<u4", SYMBOLS),
            ("follow2", "<u4", SYMBOLS),
            ("stretch", "<i2", 4096),
            ("squash", "<i4", 4096),
            ("share", "<i4", 1024),
            ("pad", "u1", 20),
        ],
        align=True,
    )


def fields(mix: Array) -> Any:
    """The parts of a mix by name, each a view."""
    return mix[: layout().itemsize].view(layout())[0]


def buckets(mix: Array) -> Array:
    """The hash table, as a view."""
    return mix[layout().itemsize :].view(BUCKET)


def start(mix: Array, table_bits: int, kinds: Array) -> None:
    """Fill memory that is all zero with the mix that has read nothing."""
    m = fields(mix)
    m["vocab_size"], m["table_bits"] = len(kinds), table_bits
    m["depth"] = max(1, (len(kinds) - 1).bit_length())
    m["kinds"][: len(kinds)] = kinds
    at, past = np.divmod(np.arange(4096), 128)
    knots = np.array(KNOTS)
    m["squash"][:] = (knots[at] * (128 - past) + knots[at + 1] * past + 64) >> 7
    inverse = np.searchsorted(m["squash"], np.arange(4096) * 16 + 8)  # the first x whose probability it is
    m["stretch"][:] = np.clip(np.minimum(inverse, 4095) - 2048, -LIMIT, LIMIT)
    m["share"][:] = 10 * ONE // (10 * np.arange(1024) + 16)
    zeros, ones = np.arange(8192) & 63, np.arange(8192) >> 6 & 63
    m["maps"][:] = 4194303 * (10 * ones + 4) // (10 * (zeros + ones) + 8) << 10
    m["match_maps"][:] = m["order1"][:] = 1 << 31
    m["weights"][:] = ONE * 18 // 100
    m["final"][:, : len(SETS)] = ONE // len(SETS)
    m["refine1"][:] = m["refine2"][:] = (
        m["squash"][np.minimum(np.arange(33) * 128, 4095)].astype(np.int64) << 16
    )


def mixed(x: int) -> int:
    """A hash of 32 bits, one to one."""
    x = (x ^ x >> 16) * 0x7FEB352D & WORD
    x = (x ^ x >> 15) * 0x846CA68B & WORD
    return x ^ x >> 16


def contexts(m: Any) -> list[int]:
    """What the next symbol may depend on, hashed. A unit is a symbol or, in UTF-8, a character's bytes."""
    u, part = [int(unit) for unit in m["units"]], int(m["part"])
    word, before, before_that = int(m["word"]), int(m["word_before"]), int(m["word_before_that"])
    salt = part * 7919
    orders = [mixed(part * 0x9E3779B1 + 77 & WORD)]
    for o in range(1, 6):
        orders.append(mixed(orders[-1] * 31 + u[o - 1] + o * 0x1000193 & WORD))
    seventh = orders[-1]
    for o in (6, 7):
        seventh = mixed(seventh * 31 + u[o - 1] + o & WORD)
    followed = int(m["follow1"][mixed(u[0]) >> 16])
    followed_pair = int(m["follow2"][_pair(u)])
    column, above = int(m["position"] - m["line"]), 0
    over = int(m["line_before"]) + column
    if m["line"] > 0 and over < m["line"] and m["position"] - over < RING:
        above = int(m["ring"][over % RING])
    words = (
        word * 3 + 0x51,
        word * 5 + before * 0x2F0B4C47 + 0x52,
        word * 5 + before_that * 0x2F0B4C47 + 0x59,
        before * 9 + u[0] * 0x85EBCA6B + 0x54,
    )
    others = (
        u[0] * 0x9E3779B1 + followed * 0x85EBCA6B + 0x57,
        u[0] * 0x9E3779B1 + u[1] * 31 + followed_pair * 0x85EBCA6B + 0x58,
        above * 65536 + _back(m, 1) + salt * 2 + 0x5A11,
    )
    hashes = [*orders, seventh, *(mixed(h + salt & WORD) for h in (*words, *others))]
    return [h + i * 0x3C6EF372 & WORD for i, h in enumerate(hashes)]


def _pair(units: list[int]) -> int:
    return mixed(units[0] * 31 + units[1] * 0x85EBCA6B & WORD) >> 16


def _back(m: Any, n: int) -> int:
    return int(m["ring"][(m["position"] - n) % RING]) if m["position"] >= n else 0


def _small(m: Any, symbol: int) -> int:
    """A symbol in eight bits."""
    return symbol if m["vocab_size"] <= 256 else mixed(symbol) >> 24


@dataclass
class Bit:
    """What a bit was predicted from, for what it teaches."""

    inputs: Array
    nodes: list[Array]
    rows: list[int]
    outs: list[int]
    length_at: int
    order1_at: int
    final_at: int
    mixed: int
    refine_at: tuple[int, int]
    nearer: int
    probability: int  # of 65536, that it is 1


@dataclass
class Symbol:
    """A symbol under way: nothing is learned before its end, so what is new in the table is kept apart."""

    mix: Array
    m: Any = field(init=False)
    hashes: list[int] = field(init=False)
    found: list[list[tuple[int, int, Array]]] = field(init=False, default_factory=list)

    def __post_init__(self) -> None:
        self.m = fields(self.mix)
        self.hashes = contexts(self.m)

    def look_up(self, node: int) -> None:
        """The buckets of the four bits after a node: where, check, the bucket itself or a new one."""
        table, bits, quarter = buckets(self.mix), int(self.m["table_bits"]), []
        for context in self.hashes:
            key = mixed(context + node * 0x9E3779B1 & WORD)
            check, slot = key >> 16 | 1, (key * 2654435761 & WORD) >> 32 - bits
            places = [slot ^ k for k in range(4) if table[slot ^ k]["check"] == check]
            quarter.append((slot, check, table[places[0]] if places else np.zeros(1, BUCKET)[0]))
        self.found.append(quarter)

    def settle(self) -> None:
        """Count the uses; what is new goes to a free place, or to that of the least used of four."""
        table = buckets(self.mix)
        for quarter in self.found:
            for _, _, bucket in quarter:
                bucket["uses"] = min(int(bucket["uses"]) + 1, 65535)
        for quarter in self.found:
            for slot, check, bucket in quarter:
                if bucket["check"] == 0:
                    place = min((slot ^ k for k in range(4)), key=lambda at: table[at]["uses"])
                    table[place] = bucket
                    table[place]["check"] = check

    def predict(self, node: int, at: int) -> Bit:
        """The bit at a node of depth `at`."""
        m, stretch, low_bits = self.m, self.m["stretch"], at & 3
        place = (node & (1 << low_bits) - 1) + (1 << low_bits) - 1
        inputs, seen, nodes = np.zeros(INPUTS, np.int64), 0, []
        for i, (_, _, bucket) in enumerate(self.found[at >> 2]):
            n = bucket["nodes"][place : place + 1]
            nodes.append(n)
            history, direct = int(n["history"][0]), int(n["direct"][0])
            if history:
                p, sure = int(m["maps"][i, history]) >> 16, not (history & 63 and history >> 6 & 63)
                inputs[3 * i : 3 * i + 3] = (
                    stretch[p >> 4],
                    p - ONE // 2 >> (4 if sure else 6),
                    stretch[direct >> 4],
                )
                seen = i if i < 7 else seen
        length, length_at = 0, -1
        depth, own = int(m["depth"]), 3 * CONTEXTS
        expected = int(m["ring"][m["match"] % RING]) if m["length"] else 0
        if m["length"] and (expected | 1 << depth) >> depth - at == node:
            long = int(m["length"])
            length = 1 + long // 4 if long < 16 else 6 if long < 32 else 7
            step = (
                long if long < 16 else 16 + (long - 16) // 4 if long < 32 else min(20 + (long - 32) // 8, 24)
            )
            length_at = step * 2 + (expected >> depth - 1 - at & 1)
            p = int(m["match_maps"][length_at]) >> 16
            inputs[own : own + 2] = stretch[p >> 4], p - ONE // 2 >> 4
        last, before, third = (_small(m, _back(m, n)) for n in (1, 2, 3))
        top = node if node < 256 else mixed(node) >> 24
        p = int(m["order1"][last * 256 + top]) >> 16
        inputs[own + 2 : own + 5] = stretch[p >> 4], p - ONE // 2 >> 5, 256
        picked = (
            top,
            length * 256 + top,
            at * 256 + last,
            (seen * 16 + min(int(m["word_length"]), 15)) * 16 + at,
            ((last >> 5) * 8 + (before >> 5)) * 16 + at,
            (third >> 4) * 16 + at,
        )
        rows = [first + own for first, own in zip(FIRSTS, picked, strict=True)]
        outs = [_within(int((inputs * m["weights"][row] >> 8).sum()) >> 8) for row in rows]
        final_at = length * 16 + at
        x = (
            _within(sum(out * int(w) >> 8 for out, w in zip(outs, m["final"][final_at], strict=False)) >> 8)
            + 2048
        )
        low, past, mid = x >> 7, x & 127, int(m["squash"][x])
        pair = mixed(last * 0x9E3779B1 + before * 0x85EBCA6B + node & WORD) >> 16
        refine_at = (last * 256 + top, pair)
        one, two = (
            int(r[low] >> 16) * (128 - past) + int(r[low + 1] >> 16) * past >> 7
            for r in (m["refine1"][refine_at[0]], m["refine2"][refine_at[1]])
        )
        out = min(max(mid + one + 2 * two >> 2, 16), ONE - 16)
        nearer = low + (past > 64)
        return Bit(
            inputs, nodes, rows, outs, length_at, last * 256 + top, final_at, mid, refine_at, nearer, out
        )


def _within(x: int) -> int:
    return min(max(x, -LIMIT), LIMIT)


def _moved(m: Any, number: int, bit: int, limit: int) -> int:
    """A map's probability of 22 bits a step nearer to the bit, and its count of 10."""
    n, p = number & 1023, number >> 10
    p += ((((1 << 22) - 1) * bit - p) * int(m["share"][n])) >> 16
    return p << 10 | min(n + 1, limit)


def learn_bit(m: Any, b: Bit, bit: int) -> None:
    """What a bit teaches."""
    rate, missed = 8 + 4_000_000 // (50_000 + int(m["position"])), bit * ONE - b.mixed
    for k, (row, out) in enumerate(zip(b.rows, b.outs, strict=True)):
        heavier = int(m["final"][b.final_at, k]) + (out * missed * 4 + (1 << 19) >> 20)
        m["final"][b.final_at, k] = min(max(heavier, -HEAVIEST), HEAVIEST)
        step = (bit * ONE - int(m["squash"][out + 2048])) * rate >> 6
        moved = m["weights"][row] + (b.inputs * step + 32768 >> 16)
        m["weights"][row] = np.clip(moved, -HEAVIEST, HEAVIEST)
    for i, n in enumerate(b.nodes):
        history, direct = int(n["history"][0]), int(n["direct"][0])
        if history:
            m["maps"][i, history] = _moved(m, int(m["maps"][i, history]), bit, 1023)
            count, p = direct & 15, direct & 0xFFF0
            p = min(max(p + ((65535 * bit - p) * int(m["share"][count + 1]) >> 16), 64), 65472)
            n["direct"] = p & 0xFFF0 | min(count + 1, 15)
        else:
            n["direct"] = 49152 if bit else 16384
        counts = [history & 63, history >> 6 & 63]
        counts[bit] = min(counts[bit] + 1, 60)
        counts[1 - bit] = min(counts[1 - bit], 3)  # what is long ago counts for little once it changed
        n["history"] = counts[0] | counts[1] << 6 | bit << 12
    if b.length_at >= 0:
        m["match_maps"][b.length_at] = _moved(m, int(m["match_maps"][b.length_at]), bit, 1023)
    m["order1"][b.order1_at] = _moved(m, int(m["order1"][b.order1_at]), bit, 255)
    for name, at in zip(("refine1", "refine2"), b.refine_at, strict=True):
        now = int(m[name][at, b.nearer])
        m[name][at, b.nearer] = now + ((65535 * bit << 16) - now >> 6)


def end_symbol(m: Any, symbol: int) -> None:
    """Move on: the match, the line, the unit, the word."""
    kind = int(m["kinds"][symbol])
    if m["length"] and m["ring"][m["match"] % RING] == symbol:
        m["length"] = min(int(m["length"]) + 1, LONGEST)
        m["match"] += 1
    else:
        m["length"] = 0
    m["ring"][m["position"] % RING] = symbol
    m["position"] += 1
    if m["position"] >= MATCHED:
        _find_match(m)
    if m["more"]:
        m["part"] = int(m["part"]) << 8 & WORD | symbol
        m["more"] -= 1
    else:
        m["part"], m["opened"], m["more"] = symbol, kind, kind & 3
    if not m["more"]:
        _end_unit(m, int(m["opened"]))
    if kind >> 4 & 1:
        m["line_before"], m["line"] = m["line"], m["position"]


def _find_match(m: Any) -> None:
    """Where the last symbols stood before."""
    key, position = 0, int(m["position"])
    for n in range(1, MATCHED + 1):
        key = (key + _back(m, n) + 1) * 0x2F0B4C47 & WORD
    last = int(m["matches"][key >> 12])
    start = position - (position - last & WORD)
    if not m["length"] and last and position - start < RING - 64:
        same = 0
        while same < 60 and start > same and m["ring"][(start - same - 1) % RING] == _back(m, same + 1):
            same += 1
        m["length"], m["match"] = same if same >= MATCHED - 1 else 0, start
    m["matches"][key >> 12] = position & WORD


def _end_unit(m: Any, kind: int) -> None:
    """The words and the units before are one further back."""
    unit, units, folded = int(m["part"]), [int(u) for u in m["units"]], kind >> 8
    for name, at in (("follow1", mixed(units[0]) >> 16), ("follow2", _pair(units))):
        m[name][at] = int(m[name][at]) << 16 & WORD | mixed(unit) >> 16
    m["units"][:] = [unit, *units[:-1]]
    m["part"] = 0
    word = int(m["word"])
    if kind >> 2 & 3 == 1:
        m["word"] = mixed(word * 0x2F0B4C47 + (folded or unit) & WORD)
        m["word_length"] = min(int(m["word_length"]) + 1, LONGEST)
    elif word or kind >> 2 & 3 == 2:
        m["word_before_that"], m["word_before"] = m["word_before"], word or unit
        m["word"] = m["word_length"] = 0


def both(m: Any, node: int, at: int) -> bool:
    """Whether a bit of 1 is possible at a node: there are symbols below it."""
    depth = int(m["depth"])
    return ((node << 1 | 1) << depth - 1 - at) - (1 << depth) < int(m["vocab_size"])


def walk(mix: Array, choose: Callable[[int, int], int]) -> tuple[int, list[int]]:
    """One symbol, bit by bit: choose(probability of 1, depth) -> bit. Also the probabilities of its bits."""
    s = Symbol(mix)
    m, node, taught = s.m, 1, list[tuple[Bit, int]]()
    depth, probs = int(m["depth"]), list[int]()
    for at in range(depth):
        if at & 3 == 0:
            s.look_up(node)
        bit, probability = 0, 0
        if both(m, node, at):
            b = s.predict(node, at)
            bit = choose(b.probability, at)
            probability = b.probability if bit else ONE - b.probability
            taught.append((b, bit))
        probs.append(probability)
        node = node << 1 | bit
    for b, bit in taught:
        learn_bit(m, b, bit)
    s.settle()
    end_symbol(m, node - (1 << depth))
    return node - (1 << depth), probs


def learn(mix: Array, ids: Array, probs: Array) -> None:
    """See `mixing.learn`."""
    depth = int(fields(mix)["depth"])
    for t, symbol in enumerate(ids.tolist()):

        def known(one: int, at: int, symbol: int = symbol) -> int:
            del one
            return symbol >> depth - 1 - at & 1

        probs[t] = walk(mix, known)[1]


def predict(mix: Array, probs: Array) -> None:
    """See `mixing.predict`."""
    m = fields(mix)
    for root_at in range(0, int(m["depth"]), 4):
        for root in range(1 << root_at, 2 << root_at):
            s = Symbol(mix)
            s.found = [[]] * (root_at // 4)
            s.look_up(root)
            for at in range(root_at, min(root_at + 4, int(m["depth"]))):
                for node in range(root << at - root_at, root + 1 << at - root_at):
                    if both(m, node, at):
                        probs[node] = s.predict(node, at).probability


def encode(mix: Array, data: bytes) -> bytes:
    """See `mixing.encode`."""
    interval, out = Interval(), bytearray()
    for symbol in data:

        def choose(one: int, at: int, symbol: int = symbol) -> int:
            bit = symbol >> 7 - at & 1
            out.extend(interval.narrow(interval.middle(one), bit))
            return bit

        walk(mix, choose)
    for size in range(1, 9) if interval.low else ():  # as few bytes as name a number in it, 0 after them
        rest = LAST >> 8 * size
        number = interval.low + rest & ~rest
        if number <= interval.high and number <= LAST:
            return bytes(out) + number.to_bytes(8, "big")[:size]
    return bytes(out)


def decode(mix: Array, payload: bytes, count: int) -> bytes:
    """See `mixing.decode`."""
    interval, code, rest = Interval(), int.from_bytes(payload[:8].ljust(8, b"\0"), "big"), iter(payload[8:])

    def choose(one: int, at: int) -> int:
        nonlocal code
        del at
        middle = interval.middle(one)
        bit = int(code <= middle)
        for _ in interval.narrow(middle, bit):
            code = code << 8 & LAST | next(rest, 0)
        return bit

    return bytes(walk(mix, choose)[0] for _ in range(count))
