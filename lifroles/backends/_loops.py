"""The loops of the ``cpu`` backend, compiled by Numba when first asked for and kept on disk.

:mod:`lifroles.backends.cpu` gives the equations. Here ``[B, N]`` is one row of M = B·N lanes. A block of lanes goes
through all its steps before the next block starts, so that its state stays in cache while x, u and o stream by.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

BLOCK = 4096
"""Lanes of a block.

A block's state is one array, with the coefficients, the carried value and the gradient of the coefficients at fixed
distances: a compiler that knows these distances can tell that the loops may be vectorised. It gives up on arrays of
which any two may overlap as soon as there are more than a few.
"""
FORWARD_ROWS, BACKWARD_ROWS = 2, 3

Loop = Callable[..., None]


def _compile(function: Callable[..., None]) -> Loop:
    import numba

    try:
        return numba.njit(nogil=True, cache=True)(function)
    except RuntimeError:  # neither beside the source nor in the user's cache folder can anything be written
        return numba.njit(nogil=True)(function)


@cache
def forward(hard: bool, soft: bool, fires: bool, recurrent: bool) -> Loop:
    """Return ``loop(x, x_stride, c, k, u, u_stride, o, state, state_stride, u_th, start, stop)``.

    It advances all lanes from step ``start`` to ``stop``. Arrays are flat; a stride is the distance between two
    steps, 0 where there is one row only, or between two blocks' states, 0 where they may share one.

    Arguments:
        hard: the reset is hard.
        soft: the reset is soft.
        fires: whether there are spikes; without, ``o`` is not touched.
        recurrent: whether ``u`` holds V o(t-1) beforehand.
    """

    def loop(
        x: Any, x_stride: int, c: Any, k: Any, u: Any, u_stride: int, o: Any, state: Any, state_stride: int, u_th: Any,
        start: int, stop: int,
    ) -> None:  # fmt: skip
        one = x.dtype.type(1)
        zero = x.dtype.type(0)
        lanes = c.shape[0]
        neurons = k.shape[0]
        for low in range(0, lanes, BLOCK):
            high = min(low + BLOCK, lanes)
            offset = low // BLOCK * state_stride
            coefficient = state[offset : offset + BLOCK]
            carried = state[offset + BLOCK : offset + 2 * BLOCK]
            if start == 0:
                neuron = low % neurons
                for j in range(high - low):
                    coefficient[j] = k[neuron]
                    neuron += 1
                    if neuron == neurons:
                        neuron = 0
                    carried[j] = c[low + j]
            for t in range(start, stop):
                x_t = x[t * x_stride + low : t * x_stride + high]
                u_t = u[t * u_stride + low : t * u_stride + high]
                o_t = o[t * lanes + low : t * lanes + high]
                for j in range(high - low):
                    v = carried[j] + x_t[j]
                    if recurrent:
                        v = v + u_t[j]
                    u_t[j] = v
                    if fires:
                        spike = one if v - u_th >= zero else zero
                        o_t[j] = spike
                        if hard:
                            v = v * (one - spike)
                        if soft:
                            v = v - u_th * spike
                    carried[j] = coefficient[j] * v

    return _compile(loop)


@cache
def backward(
    hard: bool, soft: bool, fires: bool, recurrent: bool, through_reset: bool, learns: bool, has_gu: bool
) -> Loop:
    """Return ``loop(u, go, go_stride, gu, gu_stride, go_last, gu_last, k, g, g_k, state, state_stride, u_th, alpha,
    half, start, stop, steps)``.

    It goes from step ``stop - 1`` down to ``start`` and writes dL/du(t) to ``g``.

    Arguments:
        hard: the reset is hard.
        soft: the reset is soft.
        fires: whether there are spikes; without, ``go`` is not read.
        recurrent: whether ``g`` holds Vᵀ dL/du(t+1) beforehand.
        through_reset: whether the gradient flows through the spike inside the reset.
        learns: whether to add to ``g_k`` ``[N]``, float64, the gradient of the coefficients (of steps 1 and later).
        has_gu: whether a gradient comes in through u as well.
    """

    def loop(
        u: Any, go: Any, go_stride: int, gu: Any, gu_stride: int, go_last: Any, gu_last: Any, k: Any, g: Any, g_k: Any,
        state: Any, state_stride: int, u_th: Any, alpha: Any, half: Any, start: int, stop: int, steps: int,
    ) -> None:  # fmt: skip
        one = u.dtype.type(1)
        zero = u.dtype.type(0)
        lanes = gu_last.shape[0]
        neurons = k.shape[0]
        for low in range(0, lanes, BLOCK):
            high = min(low + BLOCK, lanes)
            offset = low // BLOCK * state_stride
            coefficient = state[offset : offset + BLOCK]
            carried = state[offset + BLOCK : offset + 2 * BLOCK]
            g_coefficient = state[offset + 2 * BLOCK : offset + 3 * BLOCK]
            top = stop
            if stop == steps:
                # Nothing follows the last step: its spikes and potentials are reached from outside only.
                top = stop - 1
                neuron = low % neurons
                for j in range(high - low):
                    coefficient[j] = k[neuron]
                    neuron += 1
                    if neuron == neurons:
                        neuron = 0
                    v = u[top * lanes + low + j]
                    d = gu_last[low + j]
                    if has_gu:
                        d = d + gu[top * gu_stride + low + j]
                    if fires:
                        height = alpha if abs(v - u_th) < half else zero
                        d = height * (go[top * go_stride + low + j] + go_last[low + j]) + d
                    g[top * lanes + low + j] = d
                    carried[j] = d
                    g_coefficient[j] = zero
            for t in range(top - 1, start - 1, -1):
                u_t = u[t * lanes + low : t * lanes + high]
                g_t = g[t * lanes + low : t * lanes + high]
                go_t = go[t * go_stride + low : t * go_stride + high]
                gu_t = gu[t * gu_stride + low : t * gu_stride + high]
                for j in range(high - low):
                    v = u_t[j]
                    after = carried[j]
                    kept = v
                    d = coefficient[j] * after
                    if fires:
                        x = v - u_th
                        spike = one if x >= zero else zero
                        height = alpha if abs(x) < half else zero
                        d_spike = go_t[j]
                        if recurrent:
                            d_spike = d_spike + g_t[j]
                        if hard:
                            kept = v * (one - spike)
                            if through_reset:
                                d_spike = d_spike - d * v
                            d = d * (one - spike)
                        if soft:
                            kept = v - u_th * spike
                            if through_reset:
                                d_spike = d_spike - d * u_th
                        d = height * d_spike + d
                    if has_gu:
                        d = d + gu_t[j]
                    if learns:
                        g_coefficient[j] += after * kept
                    g_t[j] = d
                    carried[j] = d
            if learns and start == 0:
                neuron = low % neurons
                for j in range(high - low):
                    g_k[neuron] += g_coefficient[j]
                    neuron += 1
                    if neuron == neurons:
                        neuron = 0

    return _compile(loop)
