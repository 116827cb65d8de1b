"""The compiled loops of :mod:`lifroles.standins.cochlea`, which gives the equations."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

BLOCK = 32
"""Channels side by side. The state of a block is one array with its rows at fixed distances (see ``ROWS``), because a
compiler vectorises loops over rows that it can tell apart."""
TILE = 64
ROWS = 12
# Rows of the state: transmitter, cleft, reprocessing; synapse, membrane, refractory steps; what is left of the
# exponential wait, and that before this step; sites that can fire; probability; sites that fire; the cell's spikes.
_Q, _C, _W, _I, _V, _R, _LEFT, _BEFORE, _AVAILABLE, _P, _SPIKES, _HAZARD = (row * BLOCK for row in range(ROWS))
_EXACT_ABOVE = 0.4  # from this probability on the series of the logarithm is not exact to single precision


def _compiled(function: Callable[..., None]) -> Callable[..., None]:
    import numba

    # Divisions that are checked for zero, as they are without the error model, are not vectorised.
    try:
        return numba.njit(nogil=True, cache=True, error_model="numpy")(function)
    except RuntimeError:  # neither beside the source nor in the user's cache folder can anything be written
        return numba.njit(nogil=True, error_model="numpy")(function)


@cache
def interpolate() -> Callable[..., None]:
    """Return ``loop(logs, origin, step, spacing, bend, start, values)``, which fills the filters' ``values``.

    ``logs`` holds the logarithm of each channel's transfer function at evenly spaced ``log(f + bend)``; between them
    it is Lagrange's polynomial through six of them.
    """

    def loop(logs: Any, origin: float, step: float, spacing: float, bend: float, start: Any, values: Any) -> None:
        knots = logs.shape[1]
        for channel in range(logs.shape[0]):
            row = logs[channel]
            for k in range(start[channel + 1] - start[channel]):
                x = (math.log(1.0 + k * spacing + bend) - origin) / step
                first = min(max(int(x) - 2, 0), knots - 6)
                t = x - first
                t1, t2, t3, t4, t5 = t - 1, t - 2, t - 3, t - 4, t - 5
                low, mid, top = t * t1, t2 * t3, t4 * t5
                total = (
                    (row[first + 5] * t4 - 5 * t5 * row[first + 4]) * (low * mid)
                    + (row[first + 3] * t2 - t3 * row[first + 2]) * (10 * low * top)
                    + (5 * t * row[first + 1] - t1 * row[first]) * (mid * top)
                ) / 120
                size = math.exp(total.real)
                values[start[channel] + k] = complex(size * math.cos(total.imag), size * math.sin(total.imag))

    return _compiled(loop)


@cache
def filtered() -> Callable[..., None]:
    """Return ``loop(spectrum, values, start, first, out)``: a block's half spectra, ready for a real inverse FFT.

    The real part of the inverse FFT of Z ``[L]`` is the real inverse FFT of (Z(k) + conj Z(L - k)) / 2 for
    k = 0 ... L / 2.
    """

    def loop(spectrum: Any, values: Any, start: Any, first: int, out: Any) -> None:
        steps = spectrum.shape[0]
        half = steps // 2
        for row in range(out.shape[0]):
            begin = start[first + row]
            count = start[first + row + 1] - begin
            line = out[row]
            line[:] = 0
            for k in range(min(count, half + 1)):
                line[k] = spectrum[k] * values[begin + k] * np.float32(0.5)
            for k in range(half + 1, count):
                line[steps - k] += np.conj(spectrum[k] * values[begin + k]) * np.float32(0.5)
            # These two frequencies are their own mirror images.
            line[0] *= np.float32(2)
            if steps % 2 == 0:
                line[half] *= np.float32(2)

    return _compiled(loop)


@cache
def hear(keep: bool) -> Callable[..., None]:
    """Return ``loop(signal, stop, constants, refractory, ring, state, tile, spiked, seed, times, counts,
    p)``.

    It takes a block's membrane velocities ``[BLOCK, L]`` through hair cells and bushy cells up to step ``stop`` and
    writes the steps at which each cell fires to ``times`` ``[BLOCK, most]``, their numbers to ``counts``.

    Arguments:
        keep: whether to write the release probabilities to ``p`` ``[BLOCK, L]``.
    """

    def loop(
        signal: Any, stop: int, constants: Any, refractory: int, ring: Any, state: Any, tile: Any, spiked: Any,
        seed: Any, times: Any, counts: Any, p: Any,
    ) -> None:  # fmt: skip
        zero, one, two = np.float32(0), np.float32(1), np.float32(2)
        third, fifth, seventh, ninth = np.float32(1 / 3), np.float32(1 / 5), np.float32(1 / 7), np.float32(1 / 9)
        make, release, lost, back, again = constants[0], constants[1], constants[2], constants[3], constants[4]
        hair_a, hair_b, hair_h = constants[5], constants[6], constants[7]
        keep_v, keep_i, weight = constants[8], constants[9], constants[10]
        silent = np.float32(refractory)
        exact = np.float32(_EXACT_ABOVE)
        s = state
        first, second = seed[0], seed[1]
        slot = 0
        for t0 in range(0, stop, TILE):
            size = min(TILE, stop - t0)
            for j in range(BLOCK):
                for i in range(size):
                    tile[i, j] = signal[j, t0 + i]
            for i in range(size):
                for j in range(BLOCK):
                    drive = tile[i, j] + hair_a
                    k = release * drive / (drive + hair_b) if drive > zero else zero
                    q, c, w = s[_Q + j], s[_C + j], s[_W + j]
                    made = make * (one - q) if q < one else zero
                    out = k * q
                    taken, returned = back * c, again * w
                    s[_Q + j] = max(q + made - out + returned, zero)
                    c = max(c + out - lost * c, zero)
                    s[_C + j] = c
                    s[_W + j] = max(w + taken - returned, zero)
                    chance = c * hair_h
                    s[_P + j] = chance
                    # -log(1 - p) = 2 artanh(p / (2 - p)), by its series
                    z = chance / (two - chance)
                    zz = z * z
                    hazard = two * z * (one + zz * (third + zz * (fifth + zz * (seventh + zz * ninth))))
                    s[_HAZARD + j] = hazard
                    available = s[_AVAILABLE + j] + ring[slot, j]
                    s[_AVAILABLE + j] = available
                    ring[slot, j] = zero
                    left = s[_LEFT + j]
                    s[_BEFORE + j] = left
                    left -= hazard * available
                    s[_LEFT + j] = left if chance <= exact else -one
                for j in range(BLOCK):
                    if s[_LEFT + j] < zero:
                        chance = s[_P + j]
                        available = s[_AVAILABLE + j]
                        left = s[_BEFORE + j]
                        n = zero
                        hazard = s[_HAZARD + j]
                        if chance > exact:
                            hazard = np.float32(-math.log1p(-chance)) if chance < one else np.float32(np.inf)
                        while available > zero and left < hazard * available:
                            hazard -= left / available
                            available -= one
                            n += one
                            # xoroshiro128+
                            mixed = first + second
                            second ^= first
                            first = (
                                ((first << np.uint64(24)) | (first >> np.uint64(40)))
                                ^ second
                                ^ (second << np.uint64(16))
                            )
                            second = (second << np.uint64(37)) | (second >> np.uint64(27))
                            left = np.float32(-math.log((np.float64(mixed >> np.uint64(11)) + 0.5) * 2.0**-53))
                        if available > zero:
                            left -= hazard * available
                        s[_LEFT + j] = left
                        s[_AVAILABLE + j] = available
                        ring[slot, j] = n
                for j in range(BLOCK):
                    current = s[_I + j] * keep_i + ring[slot, j]
                    s[_I + j] = current
                    v, r = s[_V + j], s[_R + j]
                    spike = r <= zero and v >= one
                    v = v * keep_v if r <= zero and not spike else zero
                    r = silent if spike else r
                    v += current * weight if r <= zero else zero
                    s[_V + j] = min(v, one)
                    s[_R + j] = r - one
                    spiked[i, j] = one if spike else zero
                    s[_SPIKES + j] += one if spike else zero
                slot += 1
                if slot == refractory:
                    slot = 0
                if keep:
                    for j in range(BLOCK):
                        p[j, t0 + i] = s[_P + j]
            for j in range(BLOCK):
                if s[_SPIKES + j] > zero:
                    s[_SPIKES + j] = zero
                    for i in range(size):
                        if spiked[i, j] > zero:
                            times[j, counts[j]] = t0 + i - 1
                            counts[j] += 1
        seed[0], seed[1] = first, second

    return _compiled(loop)
