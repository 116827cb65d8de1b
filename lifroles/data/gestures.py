"""DVS128 Gesture in its two published forms: the camera's own files with tables of labels, and tonic's cut recordings.

The camera's files hold one session each, all gestures of one person under one light; the tables say when each gesture
began and ended. Cut by these tables they give 1,176 training and 288 test recordings, as in SpikingJelly, whose rule is
followed here. tonic distributes 1,077 and 264, one file each, with times in whole milliseconds.
"""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from lifroles.data.camera import MEND, Events, check, decode_bin
from lifroles.data.files import nature, nature_of
from lifroles.errors import DataError

Array = np.ndarray[Any, Any]

SIDE = 128
NAMES = (
    "hand clapping", "right hand wave", "left hand wave", "right arm clockwise", "right arm counter-clockwise",
    "left arm clockwise", "left arm counter-clockwise", "arm roll", "air drums", "air guitar", "other",
)  # fmt: skip

_PACKET = np.dtype(
    [("type", "<u2"), ("source", "<u2"), ("size", "<u4"), ("offset", "<u4"), ("overflow", "<u4"), ("capacity", "<u4"),
     ("number", "<u4"), ("valid", "<u4")]
)  # fmt: skip
_POLARITY_EVENTS = 1


@dataclass(frozen=True, slots=True, eq=False)
class Gesture:
    """One recording: its events, label (0 to 10), the person's number and where it was read."""

    events: Events
    label: int
    user: int
    where: str


def read_aedat(path: Path) -> Events:
    """Return the polarity events of an AEDAT 3.1 file, in their order in the file, unchecked.

    Raises:
        DataError: it is no such file, or is cut short.
    """
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror}): {MEND}.") from error
    if not raw.startswith(b"#!AER-DAT3"):
        raise DataError(f"{path} is no AEDAT 3 file ({nature(raw)}): {MEND}.")
    at = 0
    while raw[at : at + 1] == b"#":
        end = raw.find(b"\n", at)
        at = len(raw) if end < 0 else end + 1
    parts: list[tuple[Array, Array]] = []
    while at < len(raw):
        if at + _PACKET.itemsize > len(raw):
            raise DataError(f"{path} ends inside a packet's header: it is cut short; {MEND}.")
        head = np.frombuffer(raw, _PACKET, 1, at)[0]
        at += _PACKET.itemsize
        length = int(head["capacity"]) * int(head["size"])
        if at + length > len(raw):
            raise DataError(f"{path} ends inside a packet of {int(head['capacity'])} events: it is cut short; {MEND}.")
        if head["type"] == _POLARITY_EVENTS:
            words = np.frombuffer(raw, "<u4", length // 4, at).reshape(-1, int(head["size"]) // 4)
            parts.append((words[:, 0], words[:, 1].astype(np.int64) | int(head["overflow"]) << 31))
        at += length
    address = np.concatenate([np.zeros(0, np.uint32), *(a for a, _ in parts)]).astype(np.int64)
    t = np.concatenate([np.zeros(0, np.int64), *(b for _, b in parts)])
    return Events(t, address >> 17 & 0x7FFF, address >> 2 & 0x7FFF, address >> 1 & 1)


def read_session(path: Path, trusted: bool = False) -> Iterator[Gesture]:
    """Yield the gestures of one session: ``userNN_light.aedat`` with ``userNN_light_labels.csv`` beside it.

    Raises:
        DataError: a file is damaged or missing, a label is none of 1 to 11, or see :func:`~lifroles.data.camera.check`.
    """
    table = path.with_name(f"{path.stem}_labels.csv")
    user = _user(path.stem, str(path))
    try:
        rows = np.loadtxt(table, dtype=np.int64, delimiter=",", skiprows=1, ndmin=2)
    except (OSError, ValueError) as error:
        raise DataError(f"{table} is no table of class, start and end ({error}): {MEND}.") from error
    whole = read_aedat(path)
    for number, (label, start, end) in enumerate(rows):
        where = f"{path}, gesture {number},"
        if not 1 <= label <= len(NAMES):
            raise DataError(f"{table} gives gesture {number} the class {label}: there are 1 to {len(NAMES)}; {MEND}.")
        chosen = (whole.t >= start) & (whole.t < end)
        events = Events(whole.t[chosen] - start, whole.x[chosen], whole.y[chosen], whole.p[chosen])
        yield Gesture(check(events, SIDE, where, trusted), int(label) - 1, user, where)


def _user(name: str, where: str) -> int:
    match = re.match(r"user(\d+)_", name)
    if match is None:
        raise DataError(f"{where} is not named by its person and light, such as user01_led: {MEND}.")
    return int(match[1])


def sessions(folder: Path, split: str) -> list[Path]:
    """Return the sessions of ``train`` or ``test`` in the order of the publisher's list.

    Raises:
        DataError: the list is missing or names none.
    """
    listing = folder / f"trials_to_{split}.txt"
    try:
        names = [line.strip() for line in listing.read_text(encoding="utf-8").splitlines()]
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{listing} cannot be read ({error}): {MEND}.") from error
    paths = [folder / name for name in names if name]
    if not paths or any(path.suffix != ".aedat" for path in paths):
        raise DataError(f"{listing} is no list of AEDAT files ({nature_of(listing)}): {MEND}.")
    return paths


def cut_recordings(folder: Path) -> list[Path]:
    """Return tonic's recordings ``userNN_light/K.npy`` by person, light and class.

    Raises:
        DataError: there is none, or one's name is no class from 0 to 10.
    """
    paths = list(folder.glob("*/*.npy"))
    if not paths:
        raise DataError(f"{folder} holds no recording userNN_light/<class>.npy: {MEND}.")
    for path in paths:
        if not (path.stem.isdecimal() and int(path.stem) < len(NAMES)):
            raise DataError(
                f"{path} has the label {path.stem!r}, which is no class from 0 to {len(NAMES) - 1}: {MEND}."
            )
    return sorted(paths, key=lambda p: (_user(p.parent.name, str(p)), p.parent.name, int(p.stem)))


def read_cut(path: Path, trusted: bool = False) -> Gesture:
    """Return one of tonic's recordings: an array ``[events, 4]`` of x, y, polarity and milliseconds.

    Raises:
        DataError: it is no such array, or see :func:`~lifroles.data.camera.check`.
    """
    where = str(path)
    table = read_table(path)
    t = table[:, 3].astype(np.int64) * 1000
    events = Events(t, *(table[:, i].astype(np.int64) for i in range(3)))
    return Gesture(check(events, SIDE, where, trusted), int(path.stem), _user(path.parent.name, where), where)


def read(place: Path, split: str, trusted: bool = False) -> Iterator[Gesture]:
    """Yield the recordings of ``train`` or ``test``.

    Arguments:
        place: a folder of the camera's own files, tonic's folder of the split, or the stand-in's archive of it.

    Raises:
        DataError: one is damaged.
    """
    if place.suffix == ".zip":
        yield from _read_archive(place, split.capitalize())
    elif (place / f"trials_to_{split}.txt").is_file():
        for path in sessions(place, split):
            yield from read_session(path, trusted)
    else:
        for path in cut_recordings(place):
            yield read_cut(path, trusted)


_BIN = re.compile(r"(Train|Test)/(\d+)/(\d+)-\d+\.bin")


def _read_archive(path: Path, split: str) -> Iterator[Gesture]:
    """Yield an archive's recordings ``Train/<label>/<person>-<trial>.bin``, in its order, kept as N-MNIST's are."""
    try:
        with zipfile.ZipFile(path) as archive:
            for name in archive.namelist():
                where = f"{path}:{name}"
                match = _BIN.fullmatch(name)
                if match is None or match[1] != split or int(match[2]) >= len(NAMES):
                    raise DataError(f"{where} is no recording of {split} and no class from 0 to 10: {MEND}.")
                events = decode_bin(archive.read(name), where, SIDE)
                yield Gesture(events, int(match[2]), int(match[3]), where)
    except (OSError, zipfile.BadZipFile, EOFError) as error:
        raise DataError(f"{path} cannot be read ({nature_of(path)}; {error}): {MEND}.") from error


def read_table(path: Path) -> Array:
    """Return an array of four columns from a ``.npy`` file.

    Raises:
        DataError: it is none.
    """
    try:
        table = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise DataError(f"{path} is no array ({nature_of(path)}): {MEND}.") from error
    if table.ndim != 2 or table.shape[1] != 4:
        raise DataError(f"{path} has shape {list(table.shape)}: an event has four numbers; {MEND}.")
    return table
