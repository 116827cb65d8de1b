"""Recordings of event cameras: what each event has to be, and the publishers' ways to write it down."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from lifroles.data.files import nature
from lifroles.errors import DataError

Array = np.ndarray[Any, Any]

MEND = "delete it and fetch it again"


@dataclass(frozen=True, slots=True, eq=False)
class Events:
    """Events of a camera, ``[events]`` each: microseconds, column, row, polarity (0 or 1)."""

    t: Array
    x: Array
    y: Array
    p: Array


def check(events: Events, side: int, where: str, trusted: bool = False) -> Events:
    """Return the events unchanged.

    Arguments:
        side: pixels along each side of the sensor.
        where: the file, for messages.
        trusted: the file is the published one by its checksum, so that its order is what its publisher made.

    Raises:
        DataError: there is none, one lies outside the sensor, a polarity is not 0 or 1, a time is negative, or
            times do not ascend.
    """
    if not len(events.t):
        raise DataError(f"{where} holds no event: {MEND}.")
    for name, values in (("x", events.x), ("y", events.y)):
        low, high = int(values.min()), int(values.max())
        if low < 0 or high >= side:
            wrong = low if low < 0 else high
            raise DataError(f"{where} has an event at {name} = {wrong}, outside the {side} × {side} pixels: {MEND}.")
    if int(events.p.min()) < 0 or int(events.p.max()) > 1:
        wrong = int(events.p.min()) if int(events.p.min()) < 0 else int(events.p.max())
        raise DataError(f"{where} has an event of polarity {wrong}: it is 0 or 1; {MEND}.")
    if int(events.t.min()) < 0:
        raise DataError(f"{where} has an event at {int(events.t.min())} µs, before the recording began: {MEND}.")
    if not trusted and (np.diff(events.t) < 0).any():
        first = int(np.flatnonzero(np.diff(events.t) < 0)[0])
        raise DataError(f"{where} is not in order of time (event {first + 1} is earlier than event {first}): {MEND}.")
    return events


def decode_bin(raw: bytes, where: str, side: int = 34, trusted: bool = False) -> Events:
    """Return the events of an N-MNIST recording: five bytes each, x, y, and polarity with 23 bits of microseconds.

    An event at y = 240 is no event; it says that the clock ran over, and 8,192 µs are added from there on, as in the
    publishers' own reader (and tonic's, which reads files only; the published recordings come in an archive).

    Raises:
        DataError: the length is no multiple of five, or see :func:`check`.
    """
    if len(raw) % 5:
        raise DataError(f"{where} is no whole number of events ({nature(raw)}): {MEND}.")
    table = np.frombuffer(raw, np.uint8).reshape(-1, 5).astype(np.int64)
    t = (table[:, 2] & 127) << 16 | table[:, 3] << 8 | table[:, 4]
    over = table[:, 1] == 240
    if over.any():
        t = (t + np.cumsum(over) * (1 << 13))[~over]
        table = table[~over]
    return check(Events(t, table[:, 0], table[:, 1], table[:, 2] >> 7), side, where, trusted)
