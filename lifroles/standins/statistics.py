"""How recordings of an event camera are described, so that a stand-in can be laid beside what it stands for."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from lifroles.errors import DataError
from lifroles.standins.camera import Array, Events
from lifroles.standins.saccades import SACCADES, SIDE

RATE_STEP = 5
"""Width of a bin of ``Statistics.rate``, ms."""
INTERVALS = np.logspace(-1, 2.5, 36)
"""Limits of the bins of ``Statistics.intervals``, ms: ten to a factor of ten."""
PER_PIXEL = 40
"""The bins of ``Statistics.per_pixel`` are 0 to this many events; the last one also holds what is more."""


@dataclass(frozen=True, slots=True, eq=False)
class Statistics:
    """S recordings in numbers.

    Arguments:
        events: of each recording ``[S]``.
        saccades: of each recording in each of the three saccades ``[S, 3]``.
        on: share of ON events ``[S]``.
        spread: standard deviation of x and of y ``[S, 2]``, pixels.
        duration: time of the last event ``[S]``, ms.
        density: share of ones in binary frames of the recording's beginning, pixels and polarities apart ``[S]``.
        rate: mean over recordings of events a ms, OFF and ON ``[2, bins]``, bins of ``RATE_STEP``.
        intervals: mean number a recording of times between two successive events of a pixel, of opposite and of the
            same polarity ``[2, 35]``, by ``INTERVALS``.
        per_pixel: mean number a recording of pixels with 0, 1, ... events ``[PER_PIXEL + 1]``.
    """

    events: Array
    saccades: Array
    on: Array
    spread: Array
    duration: Array
    density: Array
    rate: Array
    intervals: Array
    per_pixel: Array

    def rows(self) -> dict[str, Array]:
        """Return what a table shows, each ``[S]``, by its name."""
        return {
            "events": self.events,
            **{f"events in saccade {i + 1}": self.saccades[:, i] for i in range(3)},
            "share of ON events (%)": 100 * self.on,
            "spread of x (pixels)": self.spread[:, 0],
            "spread of y (pixels)": self.spread[:, 1],
            "last event (ms)": self.duration,
            "ones in 15 binary frames of 3 ms (%)": 100 * self.density,
        }


def _intervals(events: Events, pixel: Array) -> tuple[Array, Array]:
    """Return the times between successive events of a pixel, ms, and whether the two have one polarity."""
    order = np.lexsort((events.t, pixel))
    t, p, where = events.t[order], events.p[order], pixel[order]
    inside = where[1:] == where[:-1]
    return np.diff(t)[inside] / 1000, (p[1:] == p[:-1])[inside]


def measure(recordings: Iterable[Events], *, dt: float = 3.0, T: int = 15, side: int = SIDE) -> Statistics:
    """Return the statistics of recordings with N-MNIST's three saccades.

    Arguments:
        recordings: the real ones, or a stand-in's.
        dt: length of a binary frame, ms (section 4.2.1).
        T: number of frames.
        side: pixels each way.

    Raises:
        DataError: there is no recording, or one without an event.
    """
    # The last saccade of a late recording ends late.
    limits = (*SACCADES[:-1], np.inf)
    columns: list[tuple[float, ...]] = []
    edges = np.arange(0, 351, RATE_STEP)
    rate = np.zeros((2, len(edges) - 1))
    intervals, per_pixel = np.zeros((2, len(INTERVALS) - 1)), np.zeros(PER_PIXEL + 1)
    for number, events in enumerate(recordings):
        if not len(events):
            raise DataError(f"recording {number} (from 0) has no event.")
        ms = events.t / 1000
        pixel = events.y.astype(np.int64) * side + events.x
        early = ms < T * dt
        ones = np.unique(((ms[early] // dt).astype(np.int64) * 2 + events.p[early]) * side**2 + pixel[early])
        columns.append(
            (
                len(ms), *np.histogram(ms, limits)[0], events.p.mean(), events.x.std(), events.y.std(), ms[-1],
                len(ones) / (T * 2 * side**2),
            )
        )  # fmt: skip
        for polarity in (0, 1):
            rate[polarity] += np.histogram(ms[events.p == polarity], edges)[0]
        between, same = _intervals(events, pixel)
        for kind in (0, 1):
            intervals[kind] += np.histogram(between[same == kind], INTERVALS)[0]
        counts = np.bincount(pixel, minlength=side**2)
        per_pixel += np.bincount(np.minimum(counts, PER_PIXEL), minlength=PER_PIXEL + 1)
    if not columns:
        raise DataError("there are no recordings to measure.")
    table, n = np.array(columns), len(columns)
    return Statistics(
        events=table[:, 0],
        saccades=table[:, 1:4],
        on=table[:, 4],
        spread=table[:, 5:7],
        duration=table[:, 7],
        density=table[:, 8],
        rate=rate / n / RATE_STEP,
        intervals=intervals / n,
        per_pixel=per_pixel / n,
    )


def images(recordings: Sequence[Events], side: int = SIDE) -> Array:
    """Return each recording's events added up over time, ``[S, 2, side, side]``: OFF, then ON."""
    found = np.zeros((len(recordings), 2, side, side))
    for image, events in zip(found, recordings, strict=True):
        np.add.at(image, (events.p.astype(np.int64), events.y, events.x), 1)
    return found


def resemblance(first: Sequence[Events], second: Sequence[Events]) -> Array:
    """Return the correlation of every image of ``first`` with every image of ``second``, ``[S, R]``; see ``images``.

    The diagonal compares pairs, such as a recording and the stand-in for it, made from the same digit.

    Raises:
        DataError: a recording has no event.
    """
    flat = []
    for recordings in (first, second):
        if not all(map(len, recordings)):
            raise DataError("a recording without an event resembles nothing: leave it out.")
        image = images(recordings).reshape(len(recordings), -1)
        image -= image.mean(1, keepdims=True)
        flat.append(image / np.linalg.norm(image, axis=1, keepdims=True))
    return flat[0] @ flat[1].T
