"""The vectors of the cpu backend's loops do what NumPy does, lane by lane and bit by bit, with infinities as well."""

import platform
import re

import numba
import numpy as np
import plain_lanes
import pytest

from lifroles.backends import _lanes, _rows
from lifroles.backends._lanes import (
    WIDTH,
    bits_ge,
    choose_bits,
    choose_ge,
    choose_inside,
    fence,
    fma,
    load,
    load_first,
    lowest_bit,
    spread,
    store,
    store_first,
    stream,
    will_read,
    will_write,
)

SPECIAL = [0.0, -0.0, 1.0, -1.0, 0.5, -0.5, 1e-42, 1e30, -1e30, np.inf, -np.inf, np.nan]


def test_every_function_has_its_likeness_in_numpy():
    likenesses = {function.__name__ for function in plain_lanes.FUNCTIONS}
    assert likenesses == {name for name, value in vars(_lanes).items() if hasattr(value, "_defn")}


def calculate(a, b, c, out, bits, number, at, count):
    """Write a row of `out` for each operation; in Python or compiled."""
    x, y, z = load(a, at), load(b, at), load(c, at)
    store(out, 0 * WIDTH, x + y)
    store(out, 1 * WIDTH, x - y)
    store(out, 2 * WIDTH, x * y)
    store(out, 3 * WIDTH, choose_ge(x, y, z, x))
    store(out, 4 * WIDTH, choose_inside(x, y, z, y))
    store(out, 5 * WIDTH, spread(number))
    store(out, 6 * WIDTH, load_first(a, at, count))
    store_first(out, 7 * WIDTH, x, count)
    bits[0] = bits_ge(x, y)


def plain(function):
    """Return the function with NumPy's likenesses in the place of the compiled functions."""
    names = {likeness.__name__: likeness for likeness in plain_lanes.FUNCTIONS}
    return type(function)(function.__code__, {**function.__globals__, **names})


compiled = numba.njit(calculate)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("count", [1, 5, 31, 32])
@pytest.mark.parametrize("at", [0, 3])
def test_they_give_the_same_bits_as_numpy(dtype, count, at):
    rng = np.random.default_rng(count)
    a, b, c = rng.choice([*SPECIAL, *rng.standard_normal(12)], (3, WIDTH + at)).astype(dtype)
    results = []
    for run in (compiled, plain(calculate)):
        out, bits = np.full(8 * WIDTH, 7, dtype), np.zeros(1, np.uint64)
        with np.errstate(all="ignore"):
            run(a, b, c, out, bits, dtype(0.3), at, count)
        results.append((out.reshape(8, WIDTH), bits))
    (found, bits), (expected, expected_bits) = results
    # Of what is no number the sign says nothing.
    same = np.isnan(found) & np.isnan(expected) | (found.view(f"u{out.itemsize}") == expected.view(f"u{out.itemsize}"))
    assert same.all(), np.flatnonzero(~same.all(1))
    assert bits == expected_bits
    assert (found[7, count:] == 7).all()
    assert (a[at:] >= b[at:]).tolist() == [bool(int(bits[0]) >> lane & 1) for lane in range(WIDTH)]


@numba.njit
def multiply_and_add(a, b, c, out):
    store(out, 0, fma(load(a, 0), load(b, 0), load(c, 0)))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_multiplication_and_an_addition_in_one_are_rounded_at_most_twice(dtype):
    rng = np.random.default_rng(0)
    a, b, c = rng.standard_normal((3, WIDTH)).astype(dtype)
    out = np.zeros(WIDTH, dtype)
    multiply_and_add(a, b, c, out)
    exact = a.astype(np.longdouble) * b + c
    assert np.all((out == exact.astype(dtype)) | (out == plain_lanes.fma(a, b, c)))
    assert np.abs(out).max() > 0.1


@numba.njit
def choose(bits, a, b, out):
    store(out, 0, choose_bits(bits, load(a, 0), load(b, 0)))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_bits_choose_lane_by_lane(dtype):
    a, b = np.arange(WIDTH, dtype=dtype), -1 - np.arange(WIDTH, dtype=dtype)
    out = np.zeros(WIDTH, dtype)
    for bits in (0, 1, 1 << 31, 0b1011 << 13, (1 << WIDTH) - 1):
        choose(np.uint32(bits), a, b, out)
        assert out.tolist() == [lane if bits >> lane & 1 else -1 - lane for lane in range(WIDTH)]
        assert np.array_equal(plain_lanes.choose_bits(np.uint32(bits), a, b), out)


@numba.njit
def lowest(bits):
    return lowest_bit(bits)


@pytest.mark.parametrize("place", [0, 1, 31, 63])
def test_the_lowest_bit_is_the_first_that_is_set(place):
    bits = np.uint64(1) << np.uint64(place)
    assert lowest(bits) == plain_lanes.lowest_bit(bits) == place
    assert lowest(bits | np.uint64(1) << np.uint64(63)) == place


@numba.njit
def pass_the_cache(a, b, at):
    stream(b, at, load(a, at))
    fence()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_what_goes_past_the_cache_arrives(dtype):
    a = np.random.default_rng(0).normal(size=96).astype(dtype)
    b = _rows.zeros(96, np.empty(0, dtype))  # begins at a line of the cache
    pass_the_cache(a, b, 32)
    assert np.array_equal(b, np.pad(a[32:64], 32))
    if platform.machine() in ("x86_64", "AMD64"):
        code = pass_the_cache.inspect_asm(pass_the_cache.signatures[-1])
        assert re.search(r"\bv?movnt\w+", code) and re.search(r"\bmfence\b|\block\s+or", code)


@numba.njit
def announce(a, at):
    will_read(a, at)
    will_write(a, at)


def test_fetching_ahead_changes_nothing_and_may_go_past_the_end():
    a = np.arange(64.0)
    for at in (0, -1000, 64, 1 << 40):
        announce(a, at)
    assert a.tolist() == list(range(64))


@numba.njit
def load_from(a):
    return lowest_bit(bits_ge(load(a, 0), load(a, 0)))


def test_an_array_with_gaps_is_refused():
    with pytest.raises(TypeError, match="is not in one piece: give a contiguous array"):
        load_from(np.zeros(128)[::2])


def test_a_place_outside_is_refused_by_the_likeness():
    a = np.zeros(WIDTH)
    for call in (
        lambda: plain_lanes.load(a, 1),
        lambda: plain_lanes.load(a, -1),
        lambda: plain_lanes.store(a, 1, a),
        lambda: plain_lanes.load_first(a, 30, 3),
        lambda: plain_lanes.store_first(a, 30, a, 3),
    ):
        with pytest.raises(IndexError):
            call()


@pytest.mark.parametrize(("dtype", "lines"), [(np.float32, 2), (np.float64, 4)])
def test_every_line_of_a_vector_is_fetched_once_for_reading_and_once_for_writing(dtype, lines):
    announce(np.zeros(WIDTH, dtype), 0)
    code = announce.inspect_llvm((numba.typeof(np.zeros(WIDTH, dtype)), numba.typeof(0)))
    for write in (0, 1):
        fetches = re.findall(rf"call void @llvm\.prefetch\.p0\([^)]*?(%\S+), i32 {write}, i32 3, i32 1\)", code)
        assert len(set(fetches)) == lines
    offsets = {int(n) for n in re.findall(r"getelementptr (?:inbounds )?i8, [^\n]*, i64 (\d+)", code)}
    assert {64 * line for line in range(1, lines)} <= offsets
