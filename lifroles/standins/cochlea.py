"""An inner ear: sound to the spikes of 700 channels, by the model that made SHD and SSC.

The model is that of Cramer, Stradmann, Schemmel and Zenke (2020), The Heidelberg Spiking Data Sets, IEEE TNNLS, with
the parameters of its authors' program, lauscher 1.0.1. Three stages, all in steps of two samples of the audio:

1. **Basilar membrane** (Sieroka, Dosch and Rupp 2006), a linear filter for each place c on the membrane. With the
   stiffness S = c0 exp(-alpha c) - a, the damping R = r0 exp(-alpha c / 2), the impedance ξ = S - m ω² - i ω R and the
   wave number g = ω sqrt(rho / (h ξ)), the velocity that a sound of angular frequency ω causes at c is

       V(ω, c) = 2 ω / ξ(c) · P(c) / P(0) · Z(ω)        P = sqrt(G / g) · H0(G)        G(c) = 2 g(0) / alpha + ∫ g dc

   with the Hankel function H0 of the first kind and the impedance Z(ω) of the ear's entrance. Here the integral is
   taken in closed form, ∫ g dc = 2 ω / alpha · sqrt(rho / (h A)) · arcsin((2 A y + i B) / sqrt(4 A c0 - B²)), from
   1 to y = exp(alpha c / 2), with A = a + m ω² and B = ω r0. The sound is brought to a root mean square of 0.3, a
   Hann window is laid over the whole of it, and only the positive frequencies are kept: what remains is real at half
   of the audio's rate.
2. **Hair cell** (Meddis 1986, 1988): free transmitter q, in the cleft c, being reprocessed w; the probability that a
   site of release fires in one step is p = h c dt.
3. **Bushy cell**: 40 sites, each silent for 1 ms after it fired, drive one leaky integrate-and-fire neuron with an
   exponential synapse; its spikes are the channel's.

lauscher computes each channel step by step in Python, in minutes a word. Here the filter is an inverse FFT of many
channels at once, and stages 2 and 3 are one compiled loop over time, for many channels side by side. Up to rounding
the first two stages are the same (``tests/standins/test_cochlea.py``). The third is random: a site that fires with
probability p in a step is, equally, one that waits until -log(1 - p), summed over the steps, exceeds an exponential
random number, and of n sites the first fires when n times that sum does. So numbers are drawn for the sites that
fire and not, as in lauscher, for all of them at every step; the distribution is the same.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from threading import Lock
from typing import Any

import numpy as np

from lifroles.errors import DataError
from lifroles.standins import _cochlea_loops as loops

Array = np.ndarray[Any, Any]

CHANNELS = 700
"""Channels of SHD and SSC, the first at the base of the membrane (22.5 kHz), the last at its apex (100 Hz)."""

LOWEST_RATE = 16_000
"""The lowest sample rate, in Hz, that the hair cell's time step can bear; it is that of SSC's audio."""

# Basilar membrane: lauscher's names and values (CGS units).
_ALPHA, _APEX = 3.0, 3.5
_RHO, _H, _M = 1.0, 0.1, 0.05
_C0, _A = 1e9, 3500.0
_R0 = 0.15 * math.sqrt(_C0 * _M)

# Hair cell (1/s, but for A and B) and bushy cell (s; the weight is that of one site).
_MAKE, _RELEASE, _LOSS, _RETURN, _REPROCESS = 5.05, 2000.0, 2500.0, 6580.0, 66.3
_HAIR_A, _HAIR_B, _HAIR_H = 5.0, 300.0, 50_000.0
SITES = 40
_TAU_MEM, _TAU_SYN, _TAU_REFRAC = 1e-3, 5e-4, 1e-3
_WEIGHT = 13e3 / SITES

LONGEST = 10.0
"""The longest sound, in seconds: the filters of longer ones would fill the memory."""

_LEVEL = 0.3  # root mean square that every sound is brought to
_KNOTS, _BEND = 800, 30.0  # the filters are kept at this many frequencies, spaced evenly in log(f + 30 Hz)
_NEGLIGIBLE = 1e-7  # of a filter's peak: what lies beyond, above its resonance, is left out


def places(channels: int) -> Array:
    """Return where on the membrane each channel lies, ``[channels]``, 0 at the base to 3.5 at the apex."""
    return np.linspace(0.0, _APEX, channels)


def transfer(frequency: Array, place: float) -> Array:
    """Return the membrane's velocity ``V`` at a place for a unit sound of each frequency (Hz), complex."""
    from scipy import special

    omega = 2 * np.pi * np.asarray(frequency, np.float64)
    a, b = _A + _M * omega**2, omega * _R0
    scale = np.sqrt(4 * a * _C0 - b**2)

    def impedance(y: float) -> Array:
        return _C0 / y**2 - _A - _M * omega**2 - 1j * b / y

    def wave(y: float) -> Array:
        return omega * np.sqrt(_RHO / (_H * impedance(y)))

    def phase(y: float) -> Array:
        return np.arcsin((2 * a * y + 1j * b) / scale)

    def pressure(g: Array, y: float) -> Array:
        return np.sqrt(g / wave(y)) * special.hankel1(0, g)

    y = math.exp(_ALPHA * place / 2)
    base = 2 * wave(1.0) / _ALPHA
    here = base + 2 * omega / _ALPHA * np.sqrt(_RHO / (_H * a)) * (phase(y) - phase(1.0))
    x = 2 * omega / _ALPHA * math.sqrt(2 / (_H * _C0))
    entrance = math.sqrt(2 * _C0 / _H) * (1j * special.j0(x) + special.y0(x)) / (special.j1(x) - 1j * special.y1(x))
    return 2 * omega / impedance(y) * pressure(here, y) / pressure(base, 1.0) * entrance


_lock = Lock()  # threads that need the same filters or loops make them once


@lru_cache(maxsize=4)
def _knots(channels: int, top: float) -> tuple[Array, Array, float, float]:
    """Return log V at the knots ``[channels, knots]``, each channel's highest frequency, and the knots' grid."""
    low, high = math.log(1.0 + _BEND), math.log(top + _BEND)
    step = (high - low) / (_KNOTS - 1)
    frequency = np.exp(low + step * np.arange(_KNOTS)) - _BEND
    logs = np.zeros((channels, _KNOTS), np.complex128)
    ends = np.empty(channels)
    for channel, place in enumerate(places(channels)):
        v = transfer(frequency, place)
        size = np.abs(v)
        ends[channel] = frequency[np.flatnonzero(size > _NEGLIGIBLE * size.max())[-1]]
        logs[channel] = np.log(size) + 1j * np.unwrap(np.angle(v))
    return logs, ends, low, step


@lru_cache(maxsize=8)
def _filters(channels: int, rate: int, steps: int) -> tuple[Array, Array]:
    """Return the transfer functions for ``steps`` frequencies: channel i's are ``values[start[i]:start[i + 1]]``."""
    top = float(rate // 2)
    logs, ends, low, step = _knots(channels, top)
    # lauscher's frequencies: from 1 Hz to half the rate, both included.
    spacing = (top - 1.0) / (steps - 1)
    counts = np.minimum(np.ceil((ends - 1.0) / spacing).astype(np.int64) + 1, steps)
    # The last block is filled up with channels that hear nothing.
    start = np.concatenate([[0], np.cumsum(counts), np.full(-channels % loops.BLOCK, counts.sum())])
    values = np.empty(start[-1], np.complex64)
    loops.interpolate()(logs, low, step, spacing, _BEND, start, values)
    return values, start


def fft() -> Any:
    """Return ``scipy.fft``, which is slow to import and whose types are those of its dispatcher."""
    import scipy.fft

    return scipy.fft


def _steps(samples: int) -> int:
    """Return how many time steps to compute for so many samples: one of few numbers, so that filters serve again."""
    needed = samples // 2 + 1
    # Four numbers an octave: nine per cent of the inverse FFTs is wasted on average.
    rung = math.ceil(4 * math.log2(max(needed, 64)))
    return fft().next_fast_len(max(needed, round(2 ** (rung / 4))), real=True)


def prepared(audio: Array) -> Array:
    """Return a sound at a root mean square of 0.3 under a Hann window, float64; silence stays silence.

    Raises:
        DataError: it has fewer than two samples, more than one dimension, or a sample that is no number.
    """
    audio = np.array(audio, np.float64)
    if audio.ndim != 1 or len(audio) < 2:
        raise DataError(f"the audio has shape {list(audio.shape)}: give one dimension of two samples or more.")
    if not np.isfinite(audio).all():
        raise DataError("the audio has samples that are no finite numbers: record or convert it again.")
    level = math.sqrt(np.mean(audio**2))
    if level:
        audio *= _LEVEL / level
    half = len(audio) // 2
    ramp = np.hanning(2 * half)[:half]
    audio[:half] *= ramp
    audio[len(audio) - half :] *= ramp[::-1]
    return audio


@dataclass(frozen=True, slots=True, eq=False)
class Heard:
    """What an ear made of a sound.

    Arguments:
        times: of the spikes in seconds, float32, ascending.
        units: the channel of each, int64; within one time step ascending.
        step: seconds a time step.
        membrane: velocity of the basilar membrane ``[channels, steps]``, float32, if asked for.
        release: probability that a site of a hair cell fires in one step ``[channels, steps]``, if asked for.
    """

    times: Array
    units: Array
    step: float
    membrane: Array | None = None
    release: Array | None = None


def hear(
    audio: Array, rate: int, *, channels: int = CHANNELS, seed: int = 0, keep: bool = False, padded: bool = True
) -> Heard:
    """Return the spikes that a sound causes, and on request what lies between.

    The same sound and seed give the same spikes on the same kind of processor; on another, the last bits of an FFT
    may differ and a few spikes with them.

    Arguments:
        audio: mono sound ``[samples]`` at any level.
        rate: its samples a second. Time steps are two samples, so that SHD's 48 kHz gives 24 steps a millisecond.
        channels: places on the membrane, evenly spaced from base to apex.
        seed: of the random releases.
        keep: whether to return membrane velocities and release probabilities as well.
        padded: whether zeros may be added to the end (up to a fifth, for speed); they are not listened to.

    Raises:
        DataError: the audio is empty, not finite or longer than ten seconds, or its rate is below 16 kHz.
    """
    if rate < LOWEST_RATE:
        raise DataError(f"the audio has {rate} samples a second: resample it to {LOWEST_RATE} or more.")
    if len(audio) > LONGEST * rate:
        raise DataError(f"the audio lasts {len(audio) / rate:.0f} s: cut it into words of {LONGEST:.0f} s at most.")
    if channels < 1:
        raise DataError(f"channels is {channels}: give 1 or more.")
    sound = prepared(audio)
    needed = len(sound) // 2 + 1
    steps = _steps(len(sound)) if padded else needed
    # As in lauscher, the audio's even length N gives N / 2 + 1 frequencies and as many steps of time.
    spectrum = fft().fft(sound, max(2 * (steps - 1), len(sound)))[:steps].astype(np.complex64)
    with _lock:
        values, start = _filters(channels, rate, steps)
        filtered, run = loops.filtered(), loops.hear(keep)

    fs = rate // 2
    dt = 1.0 / fs
    refractory = math.ceil(_TAU_REFRAC * fs)
    constants = np.array(
        [
            _MAKE * dt, _RELEASE * dt, (_LOSS + _RETURN) * dt, _RETURN * dt, _REPROCESS * dt, _HAIR_A, _HAIR_B,
            _HAIR_H * dt, math.exp(-dt / _TAU_MEM), math.exp(-dt / _TAU_SYN), _WEIGHT * dt,
        ],
        np.float32,
    )  # fmt: skip
    size = loops.BLOCK
    blocks = -(-channels // size)
    half = np.empty((size, steps // 2 + 1), np.complex64)
    times = np.empty((blocks, size, needed // refractory + 2), np.int32)
    counts = np.zeros((blocks, size), np.int64)
    membrane = np.empty((blocks * size, steps), np.float32) if keep else None
    release = np.empty((blocks * size, steps if keep else 0), np.float32)
    tile, spiked = np.empty((2, loops.TILE, size), np.float32)
    for block in range(blocks):
        filtered(spectrum, values, start, block * size, half)
        velocity = fft().irfft(half, steps, axis=1)
        if membrane is not None:
            membrane[block * size : (block + 1) * size] = velocity
        draws = np.random.SeedSequence(seed, spawn_key=(block,)).generate_state(4, np.uint64)
        run(
            velocity, needed, constants, refractory, np.zeros((refractory, size), np.float32), _rest(draws[:2], size),
            tile, spiked, draws[2:], times[block], counts[block], release[block * size : (block + 1) * size],
        )  # fmt: skip
    count = counts.ravel()[:channels]
    at = np.concatenate([row[:n] for row, n in zip(times.reshape(blocks * size, -1), count, strict=False)])
    unit = np.repeat(np.arange(channels), count)
    order = np.argsort(at, kind="stable")
    return Heard(
        (at[order] * dt).astype(np.float32),
        unit[order],
        dt,
        membrane[:channels, :needed] if membrane is not None else None,
        release[:channels, :needed] if keep else None,
    )


def _rest(draws: Array, size: int) -> Array:
    """Return the state of a block of channels in silence, with the first waits of its sites drawn."""
    drive = _RELEASE * _HAIR_A / (_HAIR_A + _HAIR_B)
    cleft = _MAKE * drive / (_LOSS * drive + _MAKE * (_LOSS + _RETURN))
    state = np.zeros((loops.ROWS, size), np.float32)
    state[0], state[1], state[2] = cleft * (_LOSS + _RETURN) / drive, cleft, cleft * _RETURN / _REPROCESS
    state[6] = np.random.Generator(np.random.PCG64(draws)).standard_exponential(size)
    state[8] = SITES
    return state.ravel()


def spikes(audio: Array, rate: int, *, channels: int = CHANNELS, seed: int = 0) -> tuple[Array, Array]:
    """Return the times (s, float32, ascending) and channels (int64) of the spikes that a sound causes.

    Arguments and errors as for :func:`hear`.
    """
    heard = hear(audio, rate, channels=channels, seed=seed)
    return heard.times, heard.units
