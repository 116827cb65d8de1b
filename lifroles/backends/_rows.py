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
FAR = 16
"""The same for the potentials on the way back, where a step takes less time than one that sums over events."""
TILE = 16
"""Inputs whose weights are turned together: a line of the matrix."""


@compiled
def pack(weight: Any, row: int, column: int, neurons: int, inputs: int, packed: Any, low: int, high: int) -> None:
    """Write the blocks of neurons from ``low`` to ``high`` of a matrix to ``packed``; strides ``row``, ``column``."""
    for block in range(low, high):
        count = min(WIDTH, neurons - block * WIDTH)
        for i in range(inputs):
            # Unsigned, or every use of a place asks first whether it counts from the array's end.
            at, start = np.uintp((block * inputs + i) * WIDTH), np.uintp(block * WIDTH * row + i * column)
            if count == WIDTH:
                for n in range(WIDTH):
                    packed[at + np.uintp(n)] = weight[start + np.uintp(n * row)]
            else:
                for n in range(WIDTH):
                    packed[at + np.uintp(n)] = weight[start + np.uintp(n * row)] if n < count else 0


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
                    at = (block * inputs + i) * WIDTH + n - first
                    weight[np.uintp(n * inputs + i)] = packed[np.uintp(at)]


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
def mix(zero: Any, table: Any, base: int, by: Any, first: int, count: int) -> Any:
    """Return the sum of so many rows of a packed table from ``base`` on, each times its number in ``by``."""
    even, odd = zero, zero
    # Unsigned, as in `gather`.
    for n in range(0, count - 1, 2):
        even = fma(spread(by[np.uintp(first + n)]), load(table, base + n * WIDTH), even)
        odd = fma(spread(by[np.uintp(first + n + 1)]), load(table, base + (n + 1) * WIDTH), odd)
    if count % 2 == 1:
        n = count - 1
        even = fma(spread(by[np.uintp(first + n)]), load(table, base + n * WIDTH), even)
    return even + odd


@inlined
def list_bits(bits: Any, first: int, listed: Any, count: int) -> int:
    """Append the numbers, counted from ``first``, of the bits that are set to a list; return its new length."""
    while bits != 0:
        listed[count] = first + lowest_bit(bits)
        count += 1
        bits &= bits - np.uint64(1)
    return count


@inlined
def clear(array: Any, first: int, count: int, zero: Any) -> None:
    """Fill so many vectors from ``first`` on with 0."""
    for i in range(count):
        store(array, first + i * WIDTH, zero)


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


@inlined
def take(array: Any, lane: int, left: int) -> Any:
    """Return the block of neurons at ``lane``, of which there are ``left`` at most; 0 in the other lanes."""
    return load(array, lane) if left >= WIDTH else load_first(array, lane, left)


@inlined
def put(array: Any, lane: int, value: Any, left: int, streamed: bool) -> None:
    """Write the block of neurons at ``lane``, of which there are ``left`` at most."""
    if left < WIDTH:
        store_first(array, lane, value, left)
    elif streamed:
        stream(array, lane, value)
    else:
        store(array, lane, value)


@inlined
def fire(x: Any, zero: Any, left: int) -> Any:
    """Return as bits which of a block's neurons, of which there are ``left`` at most, are at or above x = 0."""
    bits = bits_ge(x, zero)
    if left < WIDTH:
        bits &= (np.uint64(1) << np.uint64(left)) - np.uint64(1)
    return bits


@inlined
def keep(v: Any, spike: Any, one: Any, threshold: Any, reset: int) -> Any:
    """Return what the reset leaves of a potential."""
    if reset == HARD:
        return v * (one - spike)
    if reset == SOFT:
        return v - threshold * spike
    return v


@inlined
def current(
    start: Any, zero: Any, x: Any, lane_x: int, x_step: int, left: int, events: bool, weight: Any, base: int,
    indices: Any, values: Any, begin: int, end: int,
) -> Any:  # fmt: skip
    """Return a block's current: ``start`` and the weights of the events, or what stands in ``x``."""
    if events:
        return gather(start, zero, weight, base, indices, values, begin, end)
    will_read(x, lane_x + AHEAD * x_step)
    return take(x, lane_x, left)


@inlined
def write(
    v: Any, spike: Any, left: int, u: Any, lane_u: int, u_step: int, streamed: bool, o: Any, lane: int, step: int,
    u_last: Any, o_last: Any, lane_last: int, ends: bool,
) -> None:  # fmt: skip
    """Write a block's potentials and spikes of one step."""
    if u.shape[0] > 0:
        if not streamed:
            will_write(u, lane_u + AHEAD * u_step)
        put(u, lane_u, v, left, streamed)
    if o.shape[0] > 0:
        will_write(o, lane + AHEAD * step)
        put(o, lane, spike, left, False)
    if ends:
        put(u_last, lane_last, v, left, False)
        put(o_last, lane_last, spike, left, False)


@compiled
def forward(
    x: Any, x_step: int, x_sample: int, indptr: Any, indices: Any, values: Any, weight: Any, bias: Any, c: Any,
    c_sample: int, k: Any, u: Any, u_start: int, u_step: int, u_sample: int, u_block: int, streamed: bool, o: Any,
    step: int, sample: int, u_last: Any, o_last: Any, fired: Any, halves: int, u_th: Any, reset: int, events: bool,
    steps: int, neurons: int, inputs: int, block: int, low: int, high: int,
) -> None:  # fmt: skip
    """Advance one block of neurons without recurrence through all steps of the samples from ``low`` to ``high``.

    Arguments:
        x: currents ``[T, B, N]`` (not read with ``events``), ``x_step`` and ``x_sample`` from row to row.
        indptr, indices, values: the input's events (see :class:`lifroles.sparse.SparseSequence`; no values: all 1).
        weight: packed, for the events.
        bias: one a neuron, filled up to whole blocks.
        c: what the initial state contributes to the first step, ``[B, N]``, ``c_sample`` from row to row.
        k: leakage coefficients, filled up to whole blocks.
        u: written: the potentials (empty: not wanted), as :class:`~lifroles.backends._layout.Kept` lays them out.
        o: written: the spikes, ``[T, B, N]``, ``step`` and ``sample`` from row to row (empty: not wanted).
        u_last, o_last: written, ``[B, N]``: the last step's.
        fired: written: one bit a neuron, for each sample and step ``halves`` words of 32 bits (empty: not wanted).
        streamed: whether u is written past the cache.
    """
    one, zero, threshold = spread(u.dtype.type(1)), spread(u.dtype.type(0)), spread(u_th)
    notes = fired.shape[0] > 0
    first = block * WIDTH
    left = neurons - first
    start, coefficient = load(bias, first), load(k, first)
    for b in range(low, high):
        carried = take(c, b * c_sample + first, left)
        for t in range(steps):
            row = np.uintp(b * steps + t)
            begin, end = 0, 0
            if events:
                begin, end = indptr[row], indptr[row + np.uintp(1)]
            v = carried + current(
                start, zero, x, t * x_step + b * x_sample + first, x_step, left, events, weight, first * inputs,
                indices, values, begin, end,
            )  # fmt: skip
            spike = choose_ge(v - threshold, zero, one, zero)
            if notes:
                fired[np.intp(row) * halves + block] = np.uint32(fire(v - threshold, zero, left))
            write(
                v, spike, left, u, u_start + t * u_step + b * u_sample + block * u_block, u_step, streamed, o,
                t * step + b * sample + first, step, u_last, o_last, b * neurons + first, t == steps - 1,
            )  # fmt: skip
            carried = coefficient * keep(v, spike, one, threshold, reset)
    fence()


@compiled
def forward_recurrent(
    x: Any, x_step: int, x_sample: int, indptr: Any, indices: Any, values: Any, weight: Any, bias: Any, c: Any,
    c_sample: int, k: Any, u: Any, u_start: int, u_step: int, u_sample: int, u_block: int, streamed: bool, o: Any,
    step: int, sample: int, u_last: Any, o_last: Any, fired: Any, halves: int, u_th: Any, reset: int, events: bool,
    steps: int, neurons: int, inputs: int, across: Any, low: int, high: int,
) -> None:  # fmt: skip
    """Advance a recurrent layer through all steps of the samples from ``low`` to ``high``; V is ``across``, packed.

    The other arguments are those of :func:`forward`.
    """
    one, zero, threshold = spread(u.dtype.type(1)), spread(u.dtype.type(0)), spread(u_th)
    notes = fired.shape[0] > 0
    no_values = values[:0]
    blocks = -(-neurons // WIDTH)
    carried = zeros(blocks * WIDTH, u)
    now = np.zeros(blocks, np.uint64)
    listed = np.zeros(blocks * WIDTH, np.int32)
    for b in range(low, high):
        count = 0
        for block in range(blocks):
            first = block * WIDTH
            store(carried, first, take(c, b * c_sample + first, neurons - first))
        for t in range(steps):
            row = np.uintp(b * steps + t)
            begin, end = 0, 0
            if events:
                begin, end = indptr[row], indptr[row + np.uintp(1)]
            for block in range(blocks):
                first = block * WIDTH
                left = neurons - first
                v = load(carried, first) + current(
                    load(bias, first), zero, x, t * x_step + b * x_sample + first, x_step, left, events, weight,
                    first * inputs, indices, values, begin, end,
                )  # fmt: skip
                v = v + gather(zero, zero, across, first * neurons, listed, no_values, 0, count)
                spike = choose_ge(v - threshold, zero, one, zero)
                now[block] = fire(v - threshold, zero, left)
                if notes:
                    fired[np.intp(row) * halves + block] = np.uint32(now[block])
                write(
                    v, spike, left, u, u_start + t * u_step + b * u_sample + block * u_block, u_step, streamed, o,
                    t * step + b * sample + first, step, u_last, o_last, b * neurons + first, t == steps - 1,
                )  # fmt: skip
                store(carried, first, load(k, first) * keep(v, spike, one, threshold, reset))
            # Only now: until here the list of the step before was needed.
            count = 0
            for block in range(blocks):
                count = list_bits(now[block], block * WIDTH, listed, count)
    fence()


@inlined
def back(
    v: Any, d_spike: Any, d: Any, follows: bool, one: Any, zero: Any, threshold: Any, height: Any, inside: Any,
    reset: int, through_reset: bool,
) -> Any:  # fmt: skip
    """Return dL/du of a block's step from its potential, dL/do and k times dL/du of the step that follows, if one does.

    What dL/du arrives from outside is not in it.
    """
    x = v - threshold
    if follows:
        spike = choose_ge(x, zero, one, zero)
        if reset == HARD:
            if through_reset:
                d_spike = d_spike - d * v
            d = d * (one - spike)
        elif reset == SOFT and through_reset:
            d_spike = d_spike - d * threshold
    return choose_inside(x, inside, height, zero) * d_spike + d


@inlined
def before(ahead: int, t: int, steps: int, step: int, sample: int) -> int:
    """Return how far away the step so many steps ahead lies; before a sample's first comes the next one's last."""
    return -ahead * step if t >= ahead else sample + (steps - ahead) * step


@compiled
def backward(
    u: Any, u_start: int, u_step: int, u_sample: int, u_block: int, go: Any, go_step: int, go_sample: int, gu: Any,
    gu_step: int, gu_sample: int, k: Any, onward: Any, g_onward: Any, g: Any, step: int, sample: int, g_c: Any,
    g_k: Any, starts: Any, rows: Any, values: Any, g_weight: Any, g_bias: Any, u_th: Any, alpha: Any, half: Any,
    reset: int, through_reset: bool, has_gu: bool, events: bool, steps: int, batch: int, neurons: int, inputs: int,
    outputs: int, group: int, block: int, low: int, high: int,
) -> None:  # fmt: skip
    """Go back through all steps of one block without recurrence, for the groups of samples from ``low`` to ``high``.

    Arguments:
        u: the potentials, as :class:`~lifroles.backends._layout.Kept` lays them out.
        go, gu: dL/do and dL/du from outside, each with what is from step to step and sample to sample.
        k: leakage coefficients, filled up to whole blocks.
        onward: the weights of the ``outputs`` weighted sums that follow, packed the other way round, ``[blocks of in,
            out, 32]`` (not read where there are none).
        g_onward: dL/d(those sums), ``[T, B, outputs]``.
        g: dL/du, written, ``[T, B, N]``, ``step`` and ``sample`` from row to row (not with ``events``: there it is
            kept for one group at a time).
        g_c: written: dL/du of the first step, ``[B, N]`` (empty: not wanted).
        g_k: written: dL/dk of the steps t > 0, whole blocks.
        starts, rows, values: the events by channel (:func:`by_channel`).
        g_weight: written: dL/dW, packed (empty: not wanted).
        g_bias: written, whole blocks.
    """
    one, zero, threshold = spread(u.dtype.type(1)), spread(u.dtype.type(0)), spread(u_th)
    height, inside = spread(alpha), spread(half)
    local = zeros(group * steps * WIDTH if events else 0, u)
    place = block * WIDTH
    left = neurons - place
    coefficient, slope_k, slope_bias = load(k, place), zero, zero
    if g_weight.shape[0] > 0:
        clear(g_weight, place * inputs, inputs, zero)
    for q in range(low, high):
        first = q * group
        last = min(first + group, batch)
        for b in range(first, last):
            after = zero
            for t in range(steps - 1, -1, -1):
                lane_u = u_start + t * u_step + b * u_sample + block * u_block
                lane_go = t * go_step + b * go_sample + place
                will_read(u, lane_u + before(FAR, t, steps, u_step, u_sample))
                will_read(go, lane_go + before(AHEAD, t, steps, go_step, go_sample))
                v, d_spike = take(u, lane_u, left), take(go, lane_go, left)
                d_spike = d_spike + mix(zero, onward, place * outputs, g_onward, (t * batch + b) * outputs, outputs)
                follows = t < steps - 1
                if follows:
                    spike = choose_ge(v - threshold, zero, one, zero)
                    slope_k = slope_k + after * keep(v, spike, one, threshold, reset)
                d = back(
                    v, d_spike, coefficient * after, follows, one, zero, threshold, height, inside, reset,
                    through_reset,
                )  # fmt: skip
                if has_gu:
                    d = d + take(gu, t * gu_step + b * gu_sample + place, left)
                if events:
                    store(local, ((b - first) * steps + t) * WIDTH, d)
                else:
                    put(g, t * step + b * sample + place, d, left, False)
                slope_bias = slope_bias + d
                after = d
            if g_c.shape[0] > 0:
                put(g_c, b * neurons + place, after, left, False)
        if g_weight.shape[0] > 0:
            scatter(starts, rows, values, local, WIDTH, 0, g_weight, block, zero, inputs, q)
    store(g_k, place, slope_k)
    store(g_bias, place, slope_bias)


@compiled
def backward_recurrent(
    u: Any, u_start: int, u_step: int, u_sample: int, u_block: int, go: Any, go_step: int, go_sample: int, gu: Any,
    gu_step: int, gu_sample: int, k: Any, across: Any, onward: Any, g_onward: Any, g: Any, step: int, sample: int,
    g_c: Any, g_k: Any, g_across: Any, starts: Any, rows: Any, values: Any, g_weight: Any, g_bias: Any, u_th: Any,
    alpha: Any, half: Any, reset: int, through_reset: bool, has_gu: bool, events: bool, steps: int, batch: int,
    neurons: int, inputs: int, outputs: int, group: int, low: int, high: int,
) -> None:  # fmt: skip
    """Go back through all steps of a recurrent layer, for the groups of samples from ``low`` to ``high``.

    Arguments:
        across: V packed the other way round, ``[blocks of in, out, 32]``.
        g_across: written: dL/dV, packed as ``[blocks of out, in, 32]`` (empty: not wanted).

    The other arguments are those of :func:`backward`.
    """
    one, zero, threshold = spread(u.dtype.type(1)), spread(u.dtype.type(0)), spread(u_th)
    height, inside = spread(alpha), spread(half)
    blocks = -(-neurons // WIDTH)
    width = blocks * WIDTH
    local = zeros(group * steps * width if events else 0, u)
    carried = zeros(width, u)
    ahead = zeros(width, u)
    fired = np.zeros(width, np.int32)
    clear(g_k, 0, blocks, zero)
    clear(g_bias, 0, blocks, zero)
    clear(g_weight, 0, g_weight.shape[0] // WIDTH, zero)
    clear(g_across, 0, g_across.shape[0] // WIDTH, zero)
    for q in range(low, high):
        first = q * group
        last = min(first + group, batch)
        for b in range(first, last):
            for t in range(steps - 1, -1, -1):
                at_u, at_go = u_start + t * u_step + b * u_sample, t * go_step + b * go_sample
                follows = t < steps - 1
                if follows:
                    for j in range(width):
                        ahead[j] = carried[j]
                    if g_across.shape[0] > 0:
                        count = 0
                        for block in range(blocks):
                            place = block * WIDTH
                            left = neurons - place
                            bits = fire(take(u, at_u + block * u_block, left) - threshold, zero, left)
                            count = list_bits(bits, place, fired, count)
                        for block in range(blocks):
                            slope = load(ahead, block * WIDTH)
                            for n in range(count):
                                to = (block * neurons + fired[n]) * WIDTH
                                store(g_across, to, load(g_across, to) + slope)
                for block in range(blocks):
                    place = block * WIDTH
                    left = neurons - place
                    will_read(u, at_u + block * u_block + before(FAR, t, steps, u_step, u_sample))
                    will_read(go, at_go + place + before(AHEAD, t, steps, go_step, go_sample))
                    v, d_spike = take(u, at_u + block * u_block, left), take(go, at_go + place, left)
                    at_onward = (t * batch + b) * outputs
                    d_spike = d_spike + mix(zero, onward, place * outputs, g_onward, at_onward, outputs)
                    d = zero
                    if follows:
                        d_spike = d_spike + mix(zero, across, place * neurons, ahead, 0, neurons)
                        after = load(carried, place)
                        spike = choose_ge(v - threshold, zero, one, zero)
                        store(g_k, place, load(g_k, place) + after * keep(v, spike, one, threshold, reset))
                        d = load(k, place) * after
                    d = back(v, d_spike, d, follows, one, zero, threshold, height, inside, reset, through_reset)
                    if has_gu:
                        d = d + take(gu, t * gu_step + b * gu_sample + place, left)
                    store(carried, place, d)
                    store(g_bias, place, load(g_bias, place) + d)
                    if events:
                        store(local, ((b - first) * steps + t) * width + place, d)
                    else:
                        put(g, t * step + b * sample + place, d, left, False)
            if g_c.shape[0] > 0:
                for block in range(blocks):
                    place = block * WIDTH
                    put(g_c, b * neurons + place, load(carried, place), neurons - place, False)
        if g_weight.shape[0] > 0:
            for block in range(blocks):
                scatter(starts, rows, values, local, width, block * WIDTH, g_weight, block, zero, inputs, q)
