"""A simulated event camera: every pixel reports, with its time, that the logarithm of its light changed enough.

The model is that of ESIM (Rebecq, Gehrig and Scaramuzza 2018), with the imperfections of v2e (Hu, Liu and Delbruck
2021). The log intensity l of a pixel passes a first-order low pass (the photoreceptor) and is compared with a
reference r:

    l - r >= +C_on: an ON event        l - r <= -C_off: an OFF event

After an event the pixel is held in reset for its refractory time; then r is set to l, and it watches again. Between
two frames l is a straight line, so that an event's time is a crossing and not a frame's time. C_on, C_off and the
refractory time differ from pixel to pixel (mismatch, drawn once for a sensor) and the thresholds a little from event
to event; and now and then a pixel fires for no reason.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import numpy as np

from lifroles.errors import SpecError

Array = np.ndarray[Any, Any]

SMALLEST = 0.1
"""A pixel's threshold and refractory time are at least this share of the sensor's, whatever the draw."""
DRAWS = 8191
"""Draws of the thresholds' jitter in one piece of film; they are used in turn."""


@dataclass(frozen=True, slots=True, eq=False)
class Events:
    """A recording: ``t`` in µs, int32, ascending; ``x`` (column) and ``y`` (row), uint8; ``p``, bool: True is ON.

    Raises:
        SpecError: the four arrays do not have one length.
    """

    t: Array
    x: Array
    y: Array
    p: Array

    def __post_init__(self) -> None:
        if not (self.t.ndim == 1 and self.t.shape == self.x.shape == self.y.shape == self.p.shape):
            shapes = ", ".join(f"{name} {list(getattr(self, name).shape)}" for name in ("t", "x", "y", "p"))
            raise SpecError(f"t, x, y and p of events need one length each, the same: these are {shapes}.")

    def __len__(self) -> int:
        return len(self.t)


@dataclass(frozen=True, kw_only=True, slots=True)
class Camera:
    """What all pixels of a sensor have in common.

    Arguments:
        on: contrast threshold C_on, in units of the natural logarithm of intensity.
        off: contrast threshold C_off, above 0 as well.
        mismatch: standard deviation of the pixels' thresholds, as a share of the threshold.
        jitter: standard deviation of one pixel's threshold from event to event, as a share of the threshold.
        refractory: time in reset after an event, µs.
        refractory_mismatch: standard deviation of the pixels' refractory times, as a share of it.
        lag: time constant of the photoreceptor, µs.
        noise_on: ON events a second that a pixel fires for no reason.
        noise_off: OFF events a second that a pixel fires for no reason.

    Raises:
        SpecError: a number is out of range.
    """

    on: float
    off: float
    mismatch: float = 0.0
    jitter: float = 0.0
    refractory: float = 0.0
    refractory_mismatch: float = 0.0
    lag: float = 0.0
    noise_on: float = 0.0
    noise_off: float = 0.0

    def __post_init__(self) -> None:
        for name in self.__slots__:
            value = getattr(self, name)
            low = 0 if name not in ("on", "off") else 1e-6
            if not (math.isfinite(value) and value >= low):
                raise SpecError(f"the camera's {name} is {value}: give a number of at least {low:g}.")


def _spread(rng: np.random.Generator, mean: float, share: float, size: int) -> Array:
    return mean * np.maximum(1 + share * rng.standard_normal(size), SMALLEST)


@dataclass(frozen=True, slots=True, eq=False)
class Sensor:
    """One piece of hardware: a camera whose pixels have got their mismatch.

    Arguments:
        camera: what the pixels have in common.
        shape: rows and columns, at most 256 each.
        seed: what the mismatch is drawn from.

    Raises:
        SpecError: the shape does not fit the events' uint8 addresses.
    """

    camera: Camera
    shape: tuple[int, int]
    seed: np.random.SeedSequence
    pixels: Array = field(init=False)
    """C_on, C_off and refractory time (µs) of every pixel, ``[3, rows · columns]``."""

    def __post_init__(self) -> None:
        rows, columns = self.shape
        if not (1 <= rows <= 256 and 1 <= columns <= 256):
            raise SpecError(f"the sensor has {rows} x {columns} pixels: give 1 to 256 each way.")
        rng, camera = np.random.default_rng(self.seed), self.camera
        values = np.stack(
            [
                _spread(rng, camera.on, camera.mismatch, rows * columns),
                _spread(rng, camera.off, camera.mismatch, rows * columns),
                _spread(rng, camera.refractory, camera.refractory_mismatch, rows * columns),
            ]
        )
        object.__setattr__(self, "pixels", values)

    def watch(self, frames: Array, step: int, rng: np.random.Generator) -> Events:
        """Return what the sensor reports of a whole film.

        Arguments:
            frames: log intensity ``[F, rows, columns]``, float32; frame f is what stands there at ``f · step``.
            step: µs between two frames.
            rng: what decides noise and jitter.
        """
        exposure = Exposure(self, frames[0], rng)
        exposure.add(frames[1:], step)
        return exposure.events()


class Exposure:
    """A recording in the making, to which a film can be shown in pieces.

    Arguments:
        sensor: what records.
        first: log intensity at time 0, ``[rows, columns]``, float32; the sensor has seen it for long.
        rng: what decides noise and jitter.
    """

    def __init__(self, sensor: Sensor, first: Array, rng: np.random.Generator) -> None:
        self.sensor, self.rng = sensor, rng
        self.time = 0
        size = sensor.pixels.shape[1]
        level = _checked(first[np.newaxis], sensor.shape)[0].astype(np.float64)
        # Where between its thresholds a pixel was left by what it saw before is anybody's guess.
        on, off, _ = sensor.pixels
        reference = level + on - (on + off) * rng.random(size)
        self._state = np.stack([level, reference + on, reference - off, np.zeros(size)])
        self._parts: list[Array] = []

    def add(self, frames: Array, step: int) -> None:
        """Show the next frames, ``[F, rows, columns]``, the first of them ``step`` µs after the last one before.

        Raises:
            SpecError: frames or step cannot be shown to this sensor.
        """
        if step < 1:
            raise SpecError(f"there are {step} µs between two frames: give at least 1.")
        camera = self.sensor.camera
        film = _checked(frames, self.sensor.shape)
        share = 1 - math.exp(-step / camera.lag) if camera.lag else 1.0
        rate = camera.noise_on + camera.noise_off
        noise = self.rng.random(self.rng.poisson(rate / 1e6 * step * film.size))
        noise.sort()
        part = _expose()(
            film, float(self.time), float(step), self._state, self.sensor.pixels, share,
            camera.jitter * self.rng.standard_normal(DRAWS if camera.jitter else 1),
            np.append(noise * film.size, np.inf), self.rng.random(len(noise)) * rate < camera.noise_on,
        )  # fmt: skip
        self.time += step * len(film)
        self._parts.append(part)

    def events(self) -> Events:
        """Return all events so far in the order of their times; of equal times, in the order of their pixels."""
        t, pixel, p = np.concatenate([np.zeros((3, 0), np.int32), *self._parts], axis=1)
        order = np.argsort(t, kind="stable")  # they come frame by frame, and within a frame pixel by pixel
        y, x = np.divmod(pixel[order], self.sensor.shape[1])
        return Events(t[order].astype(np.int32), x.astype(np.uint8), y.astype(np.uint8), p[order].astype(bool))


def _checked(frames: Array, shape: tuple[int, int]) -> Array:
    """Return frames as ``[F, rows · columns]``, float32, without gaps in memory."""
    if frames.ndim != 3 or frames.shape[1:] != shape:
        raise SpecError(f"the film is {list(frames.shape)}: this sensor needs [frames, {shape[0]}, {shape[1]}].")
    return np.ascontiguousarray(frames, np.float32).reshape(len(frames), -1)


@cache
def _expose() -> Callable[..., Any]:
    """Return ``loop(frames, time, step, state, pixels, share, jitter, noise, noise_p)``.

    It shows ``frames`` ``[F, N]`` to N pixels, changes ``state`` and returns the events' times, pixels and polarities.
    The rows of ``state`` are: log intensity behind the low pass; where it causes an ON and where an OFF event (both at
    minus infinity while the pixel is in reset); the time at which the reset ends. ``jitter`` are relative changes of
    the thresholds, used in turn; ``noise`` are the places of noise in the film, ascending: frame · N + pixel + share
    of the frame's time.
    """

    from lifroles.events import compiled  # needs torch

    def loop(
        frames: Any, time: float, step: float, state: Any, pixels: Any, share: float, jitter: Any, noise: Any,
        noise_p: Any,
    ) -> Any:  # fmt: skip
        level, high, low, ready = state[0], state[1], state[2], state[3]
        count = frames.shape[1]
        before = np.empty(count)
        busy = np.empty(count, np.uint8)
        size = 1024
        found = np.empty((3, size), np.int32)
        n = draw = k = 0
        for f in range(frames.shape[0]):
            begin = time + f * step
            end = begin + step
            # Most pixels have nothing to say at most times: a loop without branches finds those that may have.
            for i in range(count):
                a = level[i]
                b = a + share * (frames[f, i] - a)
                before[i] = a
                level[i] = b
                busy[i] = (b >= high[i]) | (b <= low[i])
            ahead = k
            while noise[ahead] < (f + 1) * count:
                busy[int(noise[ahead]) - f * count] = 1
                ahead += 1
            for i in range(count):
                if not busy[i]:
                    continue
                a, b = before[i], level[i]
                slope = (b - a) / step
                place = f * count + i
                now = begin
                while True:
                    if high[i] == -np.inf:
                        # In reset. What noise does to a pixel in reset is lost.
                        while noise[k] < place + 1 and begin + (noise[k] - place) * step < ready[i]:
                            k += 1
                        if ready[i] >= end:
                            break
                        now = max(now, ready[i])
                        reference = a + slope * (now - begin)
                        high[i] = reference + pixels[0, i] * max(1 + jitter[draw], SMALLEST)
                        low[i] = reference - pixels[1, i] * max(1 + jitter[draw - 1], SMALLEST)
                        draw = (draw + 2) % jitter.size
                    when = end
                    polarity = 0
                    if b >= high[i]:
                        polarity = 1
                        if slope > 0:
                            when = max(begin + (high[i] - a) / slope, now)
                    elif b <= low[i] and slope < 0:
                        when = max(begin + (low[i] - a) / slope, now)
                    if noise[k] < place + 1 and begin + (noise[k] - place) * step <= when:
                        when = begin + (noise[k] - place) * step
                        polarity = 1 if noise_p[k] else 0
                        k += 1
                    if when >= end:
                        break
                    if n == size:
                        size *= 2
                        more = np.empty((3, size), np.int32)
                        for j in range(n):  # a sliced assignment would take Numba eight seconds to compile
                            more[0, j], more[1, j], more[2, j] = found[0, j], found[1, j], found[2, j]
                        found = more
                    found[0, n], found[1, n], found[2, n] = int(when), i, polarity
                    n += 1
                    ready[i] = when + pixels[2, i]
                    high[i] = low[i] = -np.inf
        return found[:, :n]

    return compiled(loop)
