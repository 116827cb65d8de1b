"""The loops of the ``cpu`` backend for weighted sums by themselves: of a sequence of events, and of a layer's spikes.

Blocks, packed weights and the order of a sum are those of :mod:`lifroles.backends._rows`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from lifroles.backends._lanes import (
    WIDTH,
    bits_ge,
    fence,
    fma,
    load,
    load_first,
    spread,
    store,
    store_first,
    stream,
    will_read,
    will_write,
)
from lifroles.backends._rows import gather, list_bits, scatter
from lifroles.compiled import compiled


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
            lane = (t * batch + b) * neurons + block * WIDTH
            if left >= WIDTH:
                store(out, lane, total)
            else:
                store_first(out, lane, total, left)


@compiled
def product_backward(
    g: Any, g_stride: int, starts: Any, rows: Any, values: Any, g_weight: Any, g_bias: Any, zero: Any, steps: int,
    batch: int, neurons: int, inputs: int, group: int, block: int, low: int, high: int,
) -> None:  # fmt: skip
    """Add to dL/dW (packed) and dL/db of one block what the groups of samples from ``low`` to ``high`` give."""
    nothing = spread(zero)
    left = neurons - block * WIDTH
    local = np.empty(group * steps * WIDTH, g.dtype)
    slope = load(g_bias, block * WIDTH)
    for q in range(low, high):
        first = q * group
        last = min(first + group, batch)
        for t in range(steps):
            for b in range(first, last):
                lane = t * g_stride + b * neurons + block * WIDTH
                d = load(g, lane) if left >= WIDTH else load_first(g, lane, left)
                store(local, ((b - first) * steps + t) * WIDTH, d)
                slope = slope + d
        scatter(starts, rows, values, local, WIDTH, 0, g_weight, block, nothing, inputs, q)
    store(g_bias, block * WIDTH, slope)


@compiled
def spikes_product(
    o: Any, weight: Any, bias: Any, out: Any, steps: int, batch: int, inputs: int, outputs: int, low: int, high: int
) -> None:
    """Write the weighted sums of a layer's spikes for the samples from ``low`` to ``high``.

    Arguments:
        o: the spikes, ``[B, T, inputs]``.
        weight: packed.
        bias: filled up to whole blocks.
        out: written, ``[T, B, outputs]``.
    """
    one, zero = spread(out.dtype.type(1)), spread(out.dtype.type(0))
    no_values = out[:0]
    fired = np.zeros(inputs + WIDTH, np.int32)
    for b in range(low, high):
        for t in range(steps):
            row = (b * steps + t) * inputs
            count = 0
            for first in range(0, inputs, WIDTH):
                left = inputs - first
                spike = load(o, row + first) if left >= WIDTH else load_first(o, row + first, left)
                count = list_bits(bits_ge(spike, one), first, fired, count)
            for first in range(0, outputs, WIDTH):
                total = gather(load(bias, first), zero, weight, first * inputs, fired, no_values, 0, count)
                place = (t * batch + b) * outputs + first
                will_write(out, place + batch * outputs)
                # What is written past a row's end is overwritten by the next samples, if they are ours; masks are slow.
                if place + WIDTH <= (t * batch + high) * outputs:
                    store(out, place, total)
                else:
                    store_first(out, place, total, outputs - first)


@compiled
def spikes_product_backward(
    o: Any, g: Any, weight: Any, g_o: Any, g_weight: Any, g_bias: Any, streamed: bool, steps: int, batch: int,
    inputs: int, outputs: int, low: int, high: int,
) -> None:  # fmt: skip
    """Write dL/do of the samples from ``low`` to ``high``; add to dL/dW and dL/db.

    Arguments:
        o: the spikes, ``[B, T, inputs]``.
        g: dL/d(sums), ``[T, B, outputs]``.
        weight: as it is, ``[outputs, inputs]``.
        g_o: written, ``[B, T, inputs]`` (empty: not wanted).
        g_weight: packed as ``[blocks of out, in, 32]``.
        g_bias: whole blocks.
        streamed: whether dL/do is written past the cache.
    """
    one, zero = spread(g.dtype.type(1)), spread(g.dtype.type(0))
    fired = np.zeros(inputs + WIDTH, np.int32)
    for b in range(low, high):
        for t in range(steps):
            row, row_g = (b * steps + t) * inputs, (t * batch + b) * outputs
            count = 0
            for first in range(0, inputs, WIDTH):
                left = inputs - first
                spike = load(o, row + first) if left >= WIDTH else load_first(o, row + first, left)
                count = list_bits(bits_ge(spike, one), first, fired, count)
                if g_o.shape[0] > 0:
                    even, odd = zero, zero
                    for c in range(0, outputs - 1, 2):
                        at, at_odd = c * inputs + first, (c + 1) * inputs + first
                        if left >= WIDTH:
                            even = fma(spread(g[row_g + c]), load(weight, at), even)
                            odd = fma(spread(g[row_g + c + 1]), load(weight, at_odd), odd)
                        else:
                            even = fma(spread(g[row_g + c]), load_first(weight, at, left), even)
                            odd = fma(spread(g[row_g + c + 1]), load_first(weight, at_odd, left), odd)
                    if outputs % 2 == 1:
                        at = (outputs - 1) * inputs + first
                        w = load(weight, at) if left >= WIDTH else load_first(weight, at, left)
                        even = fma(spread(g[row_g + outputs - 1]), w, even)
                    if left >= WIDTH and streamed:
                        stream(g_o, row + first, even + odd)
                    elif left >= WIDTH:
                        store(g_o, row + first, even + odd)
                    else:
                        store_first(g_o, row + first, even + odd, left)
            for first in range(0, outputs, WIDTH):
                place = row_g + first
                will_read(g, place + batch * outputs)
                # Lanes past the end of the row hold the next one's, and add to neurons that there are not.
                d = load(g, place) if place + WIDTH <= g.shape[0] else load_first(g, place, outputs - first)
                store(g_bias, first, load(g_bias, first) + d)
                for n in range(count):
                    to = first * inputs + fired[n] * WIDTH
                    store(g_weight, to, load(g_weight, to) + d)
    fence()
