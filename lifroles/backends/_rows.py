"""The loops of the ``cpu`` backend that follow one sample after the other: recurrent layers, and input as events.

:mod:`lifroles.backends.cpu` gives the equations. The neurons of a layer are taken in blocks of 32 lanes; the last block
is filled up with neurons that have no weights. A weight matrix ``[out, in]`` is packed as ``[blocks of out, in, 32]``
(:func:`pack`), so that what one event adds to a block of neurons is one vector.

A sum over events takes them in order, in two halves that are added at the end (even and odd places in the list):
with one sum, every addition would wait for the one before.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from lifroles.backends._lanes import (
    LINE,
    WIDTH,
    bits_ge,
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
from lifroles.backends._loops import HARD, SOFT
from lifroles.compiled import compiled, inlined

AHEAD = 4
"""Steps ahead at which memory is fetched: it answers after the time that a few steps of one block take."""
TILE = 16
"""Inputs whose weights are turned together: a line of the matrix."""


@compiled
def pack(weight: Any, row: int, column: int, neurons: int, inputs: int, packed: Any, low: int, high: int) -> None:
    """Write the blocks of neurons from ``low`` to ``high`` of a matrix to ``packed``; strides ``row``, ``column``."""
    for block in range(low, high):
        first = block * WIDTH
        last = min(first + WIDTH, neurons)
        at = block * inputs * WIDTH
        for i in range(inputs):
            for n in range(first, last):
                packed[at + n - first] = weight[n * row + i * column]
            for n in range(last, first + WIDTH):
                packed[at + n - first] = 0
            at += WIDTH


@compiled
def unpack(packed: Any, parts: int, part: int, neurons: int, inputs: int, weight: Any, low: int, high: int) -> None:
    """Write the sum of ``parts`` packed matrices, ``part`` numbers apart, to a matrix ``[neurons, inputs]``."""
    for block in range(low, high):
        first = block * WIDTH
        last = min(first + WIDTH, neurons)
        for low_input in range(0, inputs, TILE):
            high_input = min(low_input + TILE, inputs)
            if parts > 1:
                for i in range(low_input, high_input):
                    at = (block * inputs + i) * WIDTH
                    total = load(packed, at)
                    for p in range(1, parts):
                        total = total + load(packed, p * part + at)
                    store(packed, at, total)
            for n in range(first, last):
                for i in range(low_input, high_input):
                    weight[n * inputs + i] = packed[(block * inputs + i) * WIDTH + n - first]


@compiled
def by_channel(
    indptr: Any, indices: Any, values: Any, starts: Any, rows: Any, ordered: Any, steps: int, batch: int, inputs: int,
    group: int, low: int, high: int,
) -> None:  # fmt: skip
    """Sort the events of each group of samples by channel, for the groups from ``low`` to ``high``.

    Arguments:
        starts: written: for each group, where each channel begins in ``rows``, ``[groups, inputs + 1]``.
        rows: written: row of each event within its group, ``(b - first of the group) · steps + t``.
        ordered: written: the events' values in that order (empty: all 1).
    """
    place = np.empty(inputs, np.int64)
    for q in range(low, high):
        first = np.uintp(q * group * steps)
        last = np.uintp(min((q + 1) * group, batch) * steps)
        for i in range(inputs):
            place[i] = 0
        for e in range(indptr[first], indptr[last]):
            place[indices[np.uintp(e)]] += 1
        at = np.int64(indptr[first])
        for i in range(inputs):
            starts[q * (inputs + 1) + i] = at
            count = place[i]
            place[i] = at
            at += count
        starts[q * (inputs + 1) + inputs] = at
        for r in range(first, last):
            for e in range(indptr[r], indptr[r + np.uintp(1)]):
                i = indices[np.uintp(e)]
                to = place[i]
                place[i] = to + 1
                rows[to] = r - first
                if ordered.shape[0] > 0:
                    ordered[to] = values[np.uintp(e)]


@compiled
def zeros(count: int, like: Any) -> Any:
    """Return an array of zeros that begins at a line of the cache, so that no vector of it lies in one line more."""
    raw = np.zeros(count + LINE // like.itemsize, like.dtype)
    start = (-raw.ctypes.data % LINE) // like.itemsize
    return raw[start : start + count]


@inlined
def gather(total: Any, zero: Any, table: Any, base: int, which: Any, values: Any, begin: int, end: int) -> Any:
    """Return ``total`` plus those rows of a packed table, counted from ``base`` on, that a list names."""
    # Unsigned, or every use of a place asks first whether it counts from the array's end.
    e, stop = np.uintp(begin), np.uintp(end)
    one, two = np.uintp(1), np.uintp(2)
    if values.shape[0] > 0:
        while e < stop:
            total = total + spread(values[e]) * load(table, base + np.intp(which[e]) * WIDTH)
            e += one
        return total
    other = zero
    while e + one < stop:
        total = total + load(table, base + np.intp(which[e]) * WIDTH)
        other = other + load(table, base + np.intp(which[e + one]) * WIDTH)
        e += two
    if e < stop:
        total = total + load(table, base + np.intp(which[e]) * WIDTH)
    return total + other


@inlined
def collect(
    total: Any, zero: Any, table: Any, width: int, place: int, which: Any, values: Any, begin: int, end: int
) -> Any:
    """Return ``total`` plus what stands at ``place`` in those rows of a table of this width that a list names."""
    e, stop = np.uintp(begin), np.uintp(end)
    one, two = np.uintp(1), np.uintp(2)
    if values.shape[0] > 0:
        while e < stop:
            total = total + spread(values[e]) * load(table, np.intp(which[e]) * width + place)
            e += one
        return total
    other = zero
    while e + one < stop:
        total = total + load(table, np.intp(which[e]) * width + place)
        other = other + load(table, np.intp(which[e + one]) * width + place)
        e += two
    if e < stop:
        total = total + load(table, np.intp(which[e]) * width + place)
    return total + other


@inlined
def list_bits(bits: Any, first: int, listed: Any, count: int) -> int:
    """Append the numbers, counted from ``first``, of the bits that are set to a list; return its new length."""
    while bits != 0:
        listed[count] = first + lowest_bit(bits)
        count += 1
        bits &= bits - np.uint64(1)
    return count


@inlined
def scatter(
    starts: Any, rows: Any, values: Any, local: Any, width: int, place: int, g_weight: Any, block: int, zero: Any,
    inputs: int, q: int,
) -> None:  # fmt: skip
    """Add to dL/dW of one block what group ``q``, whose dL/dx stand in ``local``, gives."""
    for i in range(inputs):
        entry = np.uintp(q * (inputs + 1) + i)
        begin, end = starts[entry], starts[entry + np.uintp(1)]
        if begin < end:
            to = (block * inputs + i) * WIDTH
            total = load(g_weight, to)
            store(g_weight, to, collect(total, zero, local, width, place, rows, values, begin, end))


@compiled
def forward(
    x: Any, x_step: int, x_sample: int, indptr: Any, indices: Any, values: Any, weight: Any, bias: Any, c: Any, k: Any,
    across: Any, u: Any, o: Any, step: int, sample: int, u_th: Any, reset: int, events: bool, recurrent: bool,
    streamed: bool, steps: int, neurons: int, inputs: int, first_block: int, last_block: int, low: int, high: int,
) -> None:  # fmt: skip
    """Advance the samples from ``low`` to ``high`` through all steps, for some blocks of neurons (all, if recurrent).

    Arguments:
        x: currents ``[T, B, N]`` (not read with ``events``), ``x_step`` and ``x_sample`` from row to row.
        indptr, indices, values: the input's events (see :class:`lifroles.sparse.SparseSequence`; no values: all 1).
        weight: packed, for the events.
        bias: one a neuron, filled up to whole blocks.
        c: what the initial state contributes to the first step, ``[B, N]``.
        k: leakage coefficients, filled up to whole blocks.
        across: V, packed (not read unless ``recurrent``).
        u, o: written, ``[T, B, N]``, ``step`` and ``sample`` from row to row.
        streamed: whether u is written past the cache, which o is read from.
    """
    one, zero, threshold = spread(u.dtype.type(1)), spread(u.dtype.type(0)), spread(u_th)
    no_values = values[:0]
    blocks = last_block - first_block
    carried = zeros(blocks * WIDTH, u)
    fired = np.zeros(blocks * WIDTH, np.int32)
    for b in range(low, high):
        count = 0
        for t in range(steps):
            at = t * step + b * sample
            event, stop = 0, 0
            if events:
                row = np.uintp(b * steps + t)
                event, stop = indptr[row], indptr[row + np.uintp(1)]
            for block in range(first_block, last_block):
                place = (block - first_block) * WIDTH
                left = neurons - block * WIDTH
                lane = at + block * WIDTH
                if not streamed:
                    will_write(u, lane + AHEAD * step)
                will_write(o, lane + AHEAD * step)
                before = load(carried, place)
                if t == 0:
                    lane_c = b * neurons + block * WIDTH
                    before = load(c, lane_c) if left >= WIDTH else load_first(c, lane_c, left)
                if events:
                    current = gather(
                        load(bias, block * WIDTH), zero, weight, block * inputs * WIDTH, indices, values, event, stop
                    )
                else:
                    lane_x = t * x_step + b * x_sample + block * WIDTH
                    will_read(x, lane_x + AHEAD * x_step)
                    current = load(x, lane_x) if left >= WIDTH else load_first(x, lane_x, left)
                v = before + current
                if recurrent and t > 0:
                    v = v + gather(zero, zero, across, block * neurons * WIDTH, fired, no_values, 0, count)
                spike = choose_ge(v - threshold, zero, one, zero)
                if left >= WIDTH:
                    if streamed:
                        stream(u, lane, v)
                    else:
                        store(u, lane, v)
                    store(o, lane, spike)
                else:
                    store_first(u, lane, v, left)
                    store_first(o, lane, spike, left)
                if reset == HARD:
                    v = v * (one - spike)
                elif reset == SOFT:
                    v = v - threshold * spike
                store(carried, place, load(k, block * WIDTH) * v)
            if recurrent:
                # Only now: until here the list of the step before was needed.
                count = 0
                for block in range(first_block, last_block):
                    left = neurons - block * WIDTH
                    lane = at + block * WIDTH
                    spike = load(o, lane) if left >= WIDTH else load_first(o, lane, left)
                    count = list_bits(bits_ge(spike, one), block * WIDTH, fired, count)
    fence()


@compiled
def backward(
    u: Any, step: int, sample: int, go: Any, go_step: int, go_sample: int, gu: Any, gu_step: int, gu_sample: int,
    k: Any, across: Any, g: Any, g_c: Any, g_k: Any, g_across: Any, starts: Any, rows: Any, values: Any, g_weight: Any,
    g_bias: Any, u_th: Any, alpha: Any, half: Any, reset: int, through_reset: bool, has_gu: bool, events: bool,
    recurrent: bool, steps: int, batch: int, neurons: int, inputs: int, group: int, first_block: int, last_block: int,
    low: int, high: int,
) -> None:  # fmt: skip
    """Go back through all steps for the groups of samples from ``low`` to ``high`` and some blocks (all, if recurrent).

    Arguments:
        u, go, gu: potentials, dL/do and dL/du from outside, each with what is from step to step and sample to sample.
        across: V packed the other way round, ``[blocks of in, out, 32]``.
        g: dL/du, written, laid out as u is (not with ``events``: there it is kept for one group at a time).
        g_c: written: dL/du of the first step, ``[B, N]``.
        g_k: dL/dk of the steps t > 0, added to, whole blocks.
        g_across: dL/dV, packed as ``[blocks of out, in, 32]``, added to (empty: not wanted).
        starts, rows, values: the events by channel (:func:`by_channel`).
        g_weight: dL/dW, packed, added to (empty: not wanted).
        g_bias: added to, whole blocks.
    """
    one, zero, threshold = spread(u.dtype.type(1)), spread(u.dtype.type(0)), spread(u_th)
    height, inside = spread(alpha), spread(half)
    blocks = last_block - first_block
    width = blocks * WIDTH
    kept_rows = group * steps if events else 1
    local = zeros(kept_rows * width, u)
    carried = zeros(width, u)
    ahead = zeros(width, u)
    fired = np.zeros(width, np.int32)
    for q in range(low, high):
        first = q * group
        last = min(first + group, batch)
        for b in range(first, last):
            for t in range(steps - 1, -1, -1):
                at = t * step + b * sample
                follows = t < steps - 1
                # Before this sample's first step comes the next one's last.
                next_u, next_go = -AHEAD * step, -AHEAD * go_step
                if t < AHEAD:
                    next_u, next_go = sample + steps * step + next_u, go_sample + steps * go_step + next_go
                if recurrent and follows:
                    for j in range(width):
                        ahead[j] = carried[j]
                    if g_across.shape[0] > 0:
                        count = 0
                        for block in range(blocks):
                            left = neurons - block * WIDTH
                            lane = at + block * WIDTH
                            if left >= WIDTH:
                                bits = bits_ge(load(u, lane) - threshold, zero)
                            else:
                                bits = bits_ge(load_first(u, lane, left) - threshold, zero)
                                bits &= (np.uint64(1) << np.uint64(left)) - np.uint64(1)
                            count = list_bits(bits, block * WIDTH, fired, count)
                        for block in range(blocks):
                            slope = load(ahead, block * WIDTH)
                            for n in range(count):
                                to = (block * neurons + fired[n]) * WIDTH
                                store(g_across, to, load(g_across, to) + slope)
                for block in range(first_block, last_block):
                    place = (block - first_block) * WIDTH
                    left = neurons - block * WIDTH
                    lane = at + block * WIDTH
                    full = left >= WIDTH
                    lane_go = t * go_step + b * go_sample + block * WIDTH
                    will_read(u, lane + next_u)
                    will_read(go, lane_go + next_go)
                    v = load(u, lane) if full else load_first(u, lane, left)
                    x = v - threshold
                    spike = choose_ge(x, zero, one, zero)
                    kept = v
                    d = zero
                    d_spike = load(go, lane_go) if full else load_first(go, lane_go, left)
                    if follows:
                        after = load(carried, place)
                        d = load(k, block * WIDTH) * after
                        if recurrent:
                            even, odd = zero, zero
                            table = block * neurons * WIDTH
                            for n in range(0, neurons - 1, 2):
                                even = fma(spread(ahead[n]), load(across, table + n * WIDTH), even)
                                odd = fma(spread(ahead[n + 1]), load(across, table + (n + 1) * WIDTH), odd)
                            if neurons % 2 == 1:
                                n = neurons - 1
                                even = fma(spread(ahead[n]), load(across, table + n * WIDTH), even)
                            d_spike = d_spike + (even + odd)
                        if reset == HARD:
                            kept = v * (one - spike)
                            if through_reset:
                                d_spike = d_spike - d * v
                            d = d * (one - spike)
                        elif reset == SOFT:
                            kept = v - threshold * spike
                            if through_reset:
                                d_spike = d_spike - d * threshold
                        store(g_k, block * WIDTH, load(g_k, block * WIDTH) + after * kept)
                    d = choose_inside(x, inside, height, zero) * d_spike + d
                    if has_gu:
                        lane_gu = t * gu_step + b * gu_sample + block * WIDTH
                        d = d + (load(gu, lane_gu) if full else load_first(gu, lane_gu, left))
                    store(carried, place, d)
                    if events:
                        store(local, ((b - first) * steps + t) * width + place, d)
                        store(g_bias, block * WIDTH, load(g_bias, block * WIDTH) + d)
                    elif full:
                        store(g, lane, d)
                    else:
                        store_first(g, lane, d, left)
            for block in range(first_block, last_block):
                left = neurons - block * WIDTH
                place = (block - first_block) * WIDTH
                lane = b * neurons + block * WIDTH
                if left >= WIDTH:
                    store(g_c, lane, load(carried, place))
                else:
                    store_first(g_c, lane, load(carried, place), left)
        if events and g_weight.shape[0] > 0:
            for block in range(first_block, last_block):
                place = (block - first_block) * WIDTH
                scatter(starts, rows, values, local, width, place, g_weight, block, zero, inputs, q)
