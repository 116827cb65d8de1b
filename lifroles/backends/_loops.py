"""The loops of the ``cpu`` backend over layers without recurrence, where every neuron is on its own.

:mod:`lifroles.backends.cpu` gives the equations. Here ``[B, N]`` is one row of B·N lanes. A block of lanes goes through
all its steps before the next block starts, so that its state stays in cache while x, u and o stream by.

Arrays are flat and contiguous. A stride is the distance between two steps, 0 where there is one row only.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from lifroles.backends._lanes import (
    WIDTH,
    choose_ge,
    choose_inside,
    fence,
    load,
    load_first,
    spread,
    store,
    store_first,
    stream,
)
from lifroles.compiled import compiled

NONE, HARD, SOFT = 0, 1, 2
"""The resets, as the loops know them."""

BLOCK = 2048
"""Lanes of a block: state and coefficients are 16 KiB in float32, half of the smallest first-level cache."""


@compiled
def forward(
    x: Any, x_stride: int, c: Any, k: Any, u: Any, u_stride: int, o: Any, u_th: Any, reset: int, fires: bool,
    streamed: bool, steps: int, low: int, high: int,
) -> None:  # fmt: skip
    """Advance the lanes from ``low`` to ``high`` through all steps.

    Arguments:
        x: currents, one row a step.
        c: what the initial state contributes to the first step, one a lane.
        k: leakage coefficients, ``[N]`` or ``[1]``; lane j belongs to neuron j mod N.
        u: written: the potentials.
        o: written: the spikes (not without ``fires``).
        u_th: threshold.
        reset: one of the codes above.
        fires: whether there are spikes.
        streamed: whether u and o are written past the cache.
    """
    one, zero, threshold = spread(u.dtype.type(1)), spread(u.dtype.type(0)), spread(u_th)
    neurons = k.shape[0]
    lanes = c.shape[0]
    coefficient = np.zeros(BLOCK, c.dtype)
    carried = np.zeros(BLOCK, c.dtype)
    for first in range(low, high, BLOCK):
        last = min(first + BLOCK, high)
        neuron = first % neurons
        for j in range(last - first):
            coefficient[j] = k[neuron]
            neuron += 1
            if neuron == neurons:
                neuron = 0
            carried[j] = c[first + j]
        for t in range(steps):
            for j in range(0, last - first, WIDTH):
                left = last - first - j
                lane = first + j
                if left >= WIDTH:
                    v = load(carried, j) + load(x, t * x_stride + lane)
                    if streamed:
                        stream(u, t * u_stride + lane, v)
                    else:
                        store(u, t * u_stride + lane, v)
                else:
                    v = load(carried, j) + load_first(x, t * x_stride + lane, left)
                    store_first(u, t * u_stride + lane, v, left)
                if fires:
                    spike = choose_ge(v - threshold, zero, one, zero)
                    if left >= WIDTH and streamed:
                        stream(o, t * lanes + lane, spike)
                    elif left >= WIDTH:
                        store(o, t * lanes + lane, spike)
                    else:
                        store_first(o, t * lanes + lane, spike, left)
                    if reset == HARD:
                        v = v * (one - spike)
                    elif reset == SOFT:
                        v = v - threshold * spike
                store(carried, j, load(coefficient, j) * v)
    fence()


@compiled
def backward(
    u: Any, go: Any, go_stride: int, gu: Any, gu_stride: int, k: Any, g: Any, g_k: Any, u_th: Any, alpha: Any,
    half: Any, reset: int, fires: bool, across: bool, through_reset: bool, has_gu: bool, learns: bool,
    streamed: bool, steps: int, begin: int, end: int, lanes: int, low: int, high: int,
) -> None:  # fmt: skip
    """Go back through the steps from ``end`` - 1 to ``begin`` for the lanes from ``low`` to ``high``.

    Arguments:
        u: the potentials of all steps.
        go: dL/do from outside, one row a step.
        gu: dL/du from outside, one row a step (not read without ``has_gu``).
        k: leakage coefficients.
        g: dL/du(t) of all steps: written; beforehand, if ``across``, Vᵀ dL/du(t+1).
        g_k: dL/dk of every lane, of the steps t > 0: added to (not without ``learns``).
        u_th: threshold.
        alpha: height of the surrogate's rectangle.
        half: half its width.
        through_reset: whether the gradient flows through the spike inside the reset.
        streamed: whether g is written past the cache.
    """
    one, zero, threshold = spread(u.dtype.type(1)), spread(u.dtype.type(0)), spread(u_th)
    height, inside = spread(alpha), spread(half)
    neurons = k.shape[0]
    coefficient = np.zeros(BLOCK, u.dtype)
    carried = np.zeros(BLOCK, u.dtype)
    slope_k = np.zeros(BLOCK, u.dtype)
    for first in range(low, high, BLOCK):
        last = min(first + BLOCK, high)
        neuron = first % neurons
        for j in range(last - first):
            coefficient[j] = k[neuron]
            neuron += 1
            if neuron == neurons:
                neuron = 0
            slope_k[j] = 0
            if end < steps:
                carried[j] = g[end * lanes + first + j]
        for t in range(end - 1, begin - 1, -1):
            for j in range(0, last - first, WIDTH):
                left = last - first - j
                lane = first + j
                full = left >= WIDTH
                v = load(u, t * lanes + lane) if full else load_first(u, t * lanes + lane, left)
                d = zero
                kept = v
                after = load(carried, j)
                if t < steps - 1:
                    d = load(coefficient, j) * after
                if fires:
                    x = v - threshold
                    spike = choose_ge(x, zero, one, zero)
                    d_spike = load(go, t * go_stride + lane) if full else load_first(go, t * go_stride + lane, left)
                    # Nothing follows the last step: its spikes are reached from outside only.
                    if t < steps - 1:
                        if across:
                            d_spike = d_spike + (
                                load(g, t * lanes + lane) if full else load_first(g, t * lanes + lane, left)
                            )
                        if reset == HARD:
                            kept = v * (one - spike)
                            if through_reset:
                                d_spike = d_spike - d * v
                            d = d * (one - spike)
                        elif reset == SOFT:
                            kept = v - threshold * spike
                            if through_reset:
                                d_spike = d_spike - d * threshold
                    d = choose_inside(x, inside, height, zero) * d_spike + d
                if has_gu:
                    d = d + (load(gu, t * gu_stride + lane) if full else load_first(gu, t * gu_stride + lane, left))
                if learns and t < steps - 1:
                    store(slope_k, j, load(slope_k, j) + after * kept)
                if full and streamed:
                    stream(g, t * lanes + lane, d)
                elif full:
                    store(g, t * lanes + lane, d)
                else:
                    store_first(g, t * lanes + lane, d, left)
                store(carried, j, d)
        if learns:
            for j in range(last - first):
                g_k[first + j] += slope_k[j]
    fence()
