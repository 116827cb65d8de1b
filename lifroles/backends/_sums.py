"""The loops of the ``cpu`` backend for weighted sums by themselves: of a sequence of events, and of a layer's spikes.

Blocks, packed weights and the order of a sum are those of :mod:`lifroles.backends._rows`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from lifroles.backends._lanes import (
    WIDTH,
    bits_ge,
    choose_bits,
    fence,
    load,
    load_first,
    lowest_bit,
    spread,
    store,
    store_first,
    will_read,
    will_write,
)
from lifroles.backends._rows import clear, gather, mix, put, scatter, take
from lifroles.compiled import compiled, inlined

WORD = 64
"""Bits of a word in which it stands which neurons fired: two blocks' halves."""


@compiled
def product(
    indptr: Any, indices: Any, values: Any, weight: Any, bias: Any, out: Any, zero: Any, steps: int, batch: int,
    neurons: int, inputs: int, block: int, low: int, high: int,
) -> None:  # fmt: skip
    """Write the weighted sums of the samples from ``low`` to ``high``, for one block of neurons, to ``[T, B, N]``."""
    nothing, start = spread(zero), load(bias, block * WIDTH)
    left = neurons - block * WIDTH
    for b in range(low, high):
        for t in range(steps):
            row = np.uintp(b * steps + t)
            begin, end = indptr[row], indptr[row + np.uintp(1)]
            total = gather(start, nothing, weight, block * inputs * WIDTH, indices, values, begin, end)
            put(out, (t * batch + b) * neurons + block * WIDTH, total, left, False)


@compiled
def product_backward(
    g: Any, g_stride: int, starts: Any, rows: Any, values: Any, g_weight: Any, g_bias: Any, zero: Any, steps: int,
    batch: int, neurons: int, inputs: int, group: int, block: int, low: int, high: int,
) -> None:  # fmt: skip
    """Write dL/dW (packed) and dL/db of one block that the groups of samples from ``low`` to ``high`` give."""
    nothing = spread(zero)
    left = neurons - block * WIDTH
    local = np.empty(group * steps * WIDTH, g.dtype)
    slope = nothing
    clear(g_weight, block * inputs * WIDTH, inputs, nothing)
    for q in range(low, high):
        first = q * group
        last = min(first + group, batch)
        for t in range(steps):
            for b in range(first, last):
                lane = t * g_stride + b * neurons + block * WIDTH
                d = take(g, lane, left)
                store(local, ((b - first) * steps + t) * WIDTH, d)
                slope = slope + d
        scatter(starts, rows, values, local, WIDTH, 0, g_weight, block, nothing, inputs, q)
    store(g_bias, block * WIDTH, slope)


@compiled
def note(o: Any, fired: Any, halves: int, inputs: int, low: int, high: int) -> None:
    """Write which neurons fired, one bit each, for the rows of spikes from ``low`` to ``high``.

    Arguments:
        o: the spikes, ``[rows, inputs]``.
        fired: written, ``halves`` words of 32 bits a row.
    """
    one = spread(o.dtype.type(1))
    for row in range(low, high):
        for block in range(-(-inputs // WIDTH)):
            spike = take(o, row * inputs + block * WIDTH, inputs - block * WIDTH)
            fired[row * halves + block] = np.uint32(bits_ge(spike, one))


@compiled
def spikes(fired: Any, halves: int, o: Any, streamed: bool, inputs: int, low: int, high: int) -> None:
    """Write the rows of spikes from ``low`` to ``high`` as numbers: the reverse of :func:`note`.

    Arguments:
        fired: which neurons fired, one bit each, ``halves`` words of 32 bits a row.
        o: written, ``[rows, inputs]``.
        streamed: whether it is written past the cache.
    """
    one, zero = spread(o.dtype.type(1)), spread(o.dtype.type(0))
    for row in range(low, high):
        for block in range(-(-inputs // WIDTH)):
            spike = choose_bits(fired[row * halves + block], one, zero)
            put(o, row * inputs + block * WIDTH, spike, inputs - block * WIDTH, streamed)
    fence()


@inlined
def gather_fired(total: Any, zero: Any, table: Any, base: int, fired: Any, first: int, words: int) -> Any:
    """Return ``total`` plus the rows of a packed table, from ``base`` on, of the neurons whose bits are set."""
    other = zero
    for word in range(words):
        bits = fired[first + word]
        at = base + word * WORD * WIDTH
        while bits != 0:
            # In turn: with one sum, every addition would wait for the one before.
            total, other = other, total + load(table, at + lowest_bit(bits) * WIDTH)
            bits &= bits - np.uint64(1)
    return total + other


@compiled
def spikes_product(
    fired: Any, words: int, weight: Any, bias: Any, out: Any, steps: int, batch: int, inputs: int, outputs: int,
    low: int, high: int,
) -> None:  # fmt: skip
    """Write the weighted sums of a layer's spikes for the samples from ``low`` to ``high``.

    Arguments:
        fired: which neurons fired, ``words`` of 64 bits a row, ``[B, T]`` rows.
        weight: packed.
        bias: filled up to whole blocks.
        out: written, ``[T, B, outputs]``.
    """
    zero = spread(out.dtype.type(0))
    for b in range(low, high):
        for t in range(steps):
            row = (b * steps + t) * words
            for first in range(0, outputs, WIDTH):
                total = gather_fired(load(bias, first), zero, weight, first * inputs, fired, row, words)
                place = (t * batch + b) * outputs + first
                will_write(out, place + batch * outputs)
                # What is written past a row's end is overwritten by the next samples, if they are ours; masks are slow.
                if place + WIDTH <= (t * batch + high) * outputs:
                    store(out, place, total)
                else:
                    store_first(out, place, total, outputs - first)


@compiled
def spikes_product_backward(
    fired: Any, words: int, g: Any, weight: Any, g_o: Any, g_weight: Any, g_bias: Any, streamed: bool, steps: int,
    batch: int, inputs: int, outputs: int, low: int, high: int,
) -> None:  # fmt: skip
    """Write dL/do of the samples from ``low`` to ``high``, and what they give to dL/dW and dL/db.

    Arguments:
        fired: which neurons fired, ``words`` of 64 bits a row, ``[B, T]`` rows.
        g: dL/d(sums), ``[T, B, outputs]``.
        weight: packed the other way round, ``[blocks of in, out, 32]`` (not read without dL/do).
        g_o: written, ``[B, T, inputs]`` (empty: not wanted).
        g_weight: written: packed as ``[blocks of out, in, 32]``.
        g_bias: written: whole blocks.
        streamed: whether dL/do is written past the cache.
    """
    zero = spread(g.dtype.type(0))
    clear(g_weight, 0, g_weight.shape[0] // WIDTH, zero)
    clear(g_bias, 0, g_bias.shape[0] // WIDTH, zero)
    for b in range(low, high):
        for t in range(steps):
            row, row_g = b * steps + t, (t * batch + b) * outputs
            if g_o.shape[0] > 0:
                for first in range(0, inputs, WIDTH):
                    slope = mix(zero, weight, first * outputs, g, row_g, outputs)
                    put(g_o, row * inputs + first, slope, inputs - first, streamed)
            for first in range(0, outputs, WIDTH):
                place = row_g + first
                will_read(g, place + batch * outputs)
                # Lanes past the end of the row hold the next one's, and add to neurons that there are not.
                d = load(g, place) if place + WIDTH <= g.shape[0] else load_first(g, place, outputs - first)
                store(g_bias, first, load(g_bias, first) + d)
                for word in range(words):
                    bits = fired[row * words + word]
                    at = first * inputs + word * WORD * WIDTH
                    while bits != 0:
                        to = at + lowest_bit(bits) * WIDTH
                        store(g_weight, to, load(g_weight, to) + d)
                        bits &= bits - np.uint64(1)
    fence()
