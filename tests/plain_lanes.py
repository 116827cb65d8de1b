"""The vectors of `lifroles.backends._lanes` in plain NumPy: the loops of the cpu backend run with no compiler on them.

`tools/mutate.py` puts these functions in the place of the compiled ones (test_lanes.py shows that they give the same
bits), with Numba switched off. Other than compiled code they refuse to read or write outside an array.
"""

from typing import Any

import numpy as np

from lifroles.backends import _lanes
from lifroles.backends._lanes import WIDTH

Array = np.ndarray[Any, Any]


def _part(array: Array, index: int, count: int) -> Array:
    if not 0 <= index <= index + count <= len(array):
        raise IndexError(f"elements {index} to {index + count} of {len(array)}")
    return array[index : index + count]


def load(array: Array, index: int) -> Array:
    return _part(array, index, WIDTH).copy()


def load_first(array: Array, index: int, count: int) -> Array:
    vector = np.zeros(WIDTH, array.dtype)
    count = min(count, WIDTH)
    vector[:count] = _part(array, index, count)
    return vector


def store(array: Array, index: int, value: Array) -> None:
    _part(array, index, WIDTH)[:] = value


def store_first(array: Array, index: int, value: Array, count: int) -> None:
    count = min(count, WIDTH)
    _part(array, index, count)[:] = value[:count]


def stream(array: Array, index: int, value: Array) -> None:
    assert (array.ctypes.data + index * array.itemsize) % 64 == 0
    store(array, index, value)


def fence() -> None:
    pass


def will_read(array: Array, index: int) -> None:
    pass


def will_write(array: Array, index: int) -> None:
    pass


def spread(number: Any) -> Array:
    return np.full(WIDTH, number)


def fma(a: Array, b: Array, c: Array) -> Array:
    """Rounded twice, where a processor that can rounds once."""
    return a * b + c


def choose_ge(a: Array, b: Array, yes: Array, no: Array) -> Array:
    return np.where(a >= b, yes, no)


def choose_inside(a: Array, half: Array, yes: Array, no: Array) -> Array:
    return np.where(np.abs(a) < half, yes, no)


def bits_ge(a: Array, b: Array) -> np.uint64:
    return np.uint64(sum(1 << int(lane) for lane in np.flatnonzero(a >= b)))


def choose_bits(bits: Any, yes: Array, no: Array) -> Array:
    return np.where([int(bits) >> lane & 1 for lane in range(WIDTH)], yes, no)


def lowest_bit(bits: Any) -> int:
    return (int(bits) & -int(bits)).bit_length() - 1


FUNCTIONS = (
    load, load_first, store, store_first, stream, fence, will_read, will_write, spread, fma, choose_ge, choose_inside,
    bits_ge, choose_bits, lowest_bit,
)  # fmt: skip


def install() -> None:
    """Put these functions in the place of the compiled ones; to be called before any loop is imported."""
    np.seterr(all="ignore")  # compiled code does not warn of infinities either
    for function in FUNCTIONS:
        setattr(_lanes, function.__name__, function)
