"""The compiled loops, where they could be compiled at install: one library of C functions over plain arrays.

CHAINRULE_NATIVE=0 in the environment leaves it alone; the NumPy twins then do the same work, slower.
"""

import ctypes
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

Array = np.ndarray
VERSION = 6  # of the functions' arguments, as native/grams.c has it


@cache
def library() -> ctypes.CDLL | None:
    """The library, or None where there is none."""
    path = Path(__file__).with_name("_native.so")
    if os.environ.get("CHAINRULE_NATIVE", "1") == "0" or not path.exists():
        return None
    try:
        found = ctypes.CDLL(str(path))
        return found if found["chainrule_version"]() == VERSION else None
    except (OSError, AttributeError):  # built for another machine, or from other sources
        return None


def call(name: str, *arguments: Any, returns: Any = None) -> Any:
    """A function of the library. Arrays go as their addresses, int as int64, float as
    float32; other types say so."""
    found = library()
    if found is None:
        raise RuntimeError("compiled kernels: expected a library, found none")
    function = found["chainrule_" + name]  # a new object each time, so threads do not share its types
    function.restype = returns
    return function(*map(_plain, arguments))


@cache
def instructions() -> str:
    """The set of instructions whose build of native/simd runs here; "" without a library."""
    found = library()
    if found is None:
        return ""
    runs = ("plain", "avx2", "avx512")[: found["chainrule_instructions"]() + 1]
    asked = os.environ.get("CHAINRULE_INSTRUCTIONS")  # a lesser one on purpose
    return asked if asked in runs else runs[-1]


@cache
def keep_memory() -> None:
    """From now on memory that is freed stays with the process, for whoever needs the same again and again."""
    if library() is not None:
        call("keep_memory")


def call_simd(name: str, *arguments: Any, returns: Any = None) -> Any:
    """A function of native/simd, as it was built for this processor."""
    return call(f"{name}_{instructions()}", *arguments, returns=returns)


def fast(*arrays: Array) -> bool:
    """Whether the loops of native/simd can work on these: single precision, and they were compiled."""
    return all(array.dtype == np.float32 for array in arrays) and bool(instructions())


def fast_in_rows(state: Array, *weights: Array) -> bool:
    """Whether the loops of native/simd for few rows in double precision can: the recurrent weight comes last,
    in single precision."""
    *doubles, recurrent = state, *weights
    wide = all(array.dtype == np.float64 for array in doubles) and recurrent.dtype == np.float32
    return wide and bool(instructions())


def fast_in_order(*arrays: Array) -> bool:
    """The same for loops that are not told of strides."""
    return fast(*arrays) and all(array.flags.c_contiguous for array in arrays)


def strided(matrix: Array) -> tuple[ctypes.c_void_p, int, int]:
    """A matrix of floats for loops that are told of strides: where it begins, and how far apart its rows and
    its columns are."""
    down, across = matrix.strides
    return ctypes.c_void_p(matrix.ctypes.data), down // 4, across // 4


def as_ids(ids: Array) -> Array:
    """As the loops read them."""
    return np.ascontiguousarray(ids, np.int64)


def _plain(value: Any) -> Any:
    match value:
        case np.ndarray():
            if not value.flags.c_contiguous:
                raise ValueError("compiled kernels: expected arrays in C order")
            return ctypes.c_void_p(value.ctypes.data)
        case int():
            return ctypes.c_int64(value)
        case float():
            return ctypes.c_float(value)
        case None:
            return ctypes.c_void_p(None)
        case _:
            return value


def cores() -> int:
    """How many threads are worth starting: ctypes lets go of the interpreter during a call."""
    return min(8, len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1)


def in_threads(work: Callable[..., Any], tasks: Sequence[tuple[Any, ...]]) -> list[Any]:
    """work(*task) for every task, a thread a core; results in order, the first error raised."""
    if len(tasks) < 2 or cores() < 2:
        return [work(*task) for task in tasks]
    with ThreadPoolExecutor(cores()) as pool:
        return [future.result() for future in [pool.submit(work, *task) for task in tasks]]


def check_memory(status: int) -> None:
    """Raises MemoryError when a compiled function ran out of it."""
    if status:
        raise MemoryError("compiled kernels: not enough memory")
