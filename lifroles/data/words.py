"""Spoken words as spikes: HDF5 files of the layout of SHD and SSC."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from lifroles.data.camera import MEND
from lifroles.data.files import nature_of
from lifroles.errors import DataError

Array = np.ndarray[Any, Any]

DIGITS = (
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine",
    "null", "eins", "zwei", "drei", "vier", "fünf", "sechs", "sieben", "acht", "neun",
)  # fmt: skip
"""SHD's 20 classes in its order: English, then German."""

COMMANDS = (
    "yes", "no", "up", "down", "left", "right", "on", "off", "stop", "go",
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine",
    "bed", "bird", "cat", "dog", "happy", "house", "marvin", "sheila", "tree", "wow",
    "backward", "forward", "follow", "learn", "visual",
)  # fmt: skip
"""The 35 words of Speech Commands v0.02."""


@dataclass(frozen=True, slots=True, eq=False)
class Spikes:
    """One spoken word: seconds and channels of its spikes, its label and its speaker."""

    t: Array
    unit: Array
    label: int
    speaker: int


@dataclass(frozen=True, slots=True)
class WordFile:
    """What an HDF5 file of SHD's layout says of itself: labels and speakers ``[S]``, and the words' names."""

    path: Path
    labels: Array
    speakers: Array
    words: tuple[str, ...]


_WORD_PARTS = ("spikes/times", "spikes/units", "labels", "extra/keys", "extra/speaker")


def _open_hdf5(path: Path) -> Any:
    import h5py  # slow to import, and needed for these files only

    try:
        return h5py.File(path, "r")
    except OSError as error:
        raise DataError(f"{path} is no whole HDF5 file ({nature_of(path)}): {MEND}.") from error


def open_words(path: Path, classes: int) -> WordFile:
    """Return a file's labels, speakers and words.

    Raises:
        DataError: it is missing, no HDF5 file, lacks a group, or a label is not below ``classes``.
    """
    if not path.is_file():
        raise DataError(f"{path} is missing: fetch it, or choose another source.")
    with _open_hdf5(path) as file:
        for part in _WORD_PARTS:
            if part not in file:
                raise DataError(f"{path} has no {part!r}, as every file of this layout has: {MEND}.")
        try:
            labels = file["labels"][:].astype(np.int64)
            speakers = file["extra/speaker"][:].astype(np.int64)
            words = tuple(k.decode() if isinstance(k, bytes) else str(k) for k in file["extra/keys"][:])
            sizes = {len(labels), len(speakers), len(file["spikes/times"]), len(file["spikes/units"])}
        except (OSError, UnicodeDecodeError) as error:
            raise DataError(f"{path} cannot be read to its end ({error}): {MEND}.") from error
    if len(sizes) != 1 or not len(labels):
        raise DataError(
            f"{path} has {sorted(sizes)} spike trains, labels and speakers: there is one each a word; {MEND}."
        )
    if int(labels.min()) < 0 or int(labels.max()) >= classes:
        wrong = int(labels.max()) if int(labels.max()) >= classes else int(labels.min())
        sample = int(np.flatnonzero(labels == wrong)[0])
        raise DataError(f"{path} gives word {sample} the label {wrong}: there are {classes}, from 0; {MEND}.")
    return WordFile(path, labels, speakers, words)


def read_words(words: WordFile, channels: int = 700, trusted: bool = False, chunk: int = 128) -> Iterator[Spikes]:
    """Yield every word's spikes.

    Raises:
        DataError: a word has no spike, times and channels that do not match, a channel that does not exist, a time
            that is no time, or times that do not ascend.
    """
    with _open_hdf5(words.path) as file:
        for low in range(0, len(words.labels), chunk):
            try:
                times, units = (file[part][low : low + chunk] for part in _WORD_PARTS[:2])
            except OSError as error:
                raise DataError(f"{words.path} cannot be read from word {low} on ({error}): {MEND}.") from error
            for i, (t, unit) in enumerate(zip(times, units, strict=True), low):
                where = f"{words.path}, word {i},"
                if len(t) != len(unit):
                    raise DataError(f"{where} has {len(t)} times and {len(unit)} channels: {MEND}.")
                if not len(t) and not trusted:
                    raise DataError(f"{where} holds no spike: {MEND}.")
                if len(unit) and (int(unit.max()) >= channels or int(unit.min()) < 0):
                    raise DataError(f"{where} has a spike on channel {int(unit.max())}: there are {channels}; {MEND}.")
                if not np.isfinite(t).all() or (t < 0).any():
                    raise DataError(f"{where} has a spike at a time that is negative or no number: {MEND}.")
                if not trusted and (t[1:] < t[:-1]).any():
                    raise DataError(f"{where} is not in order of time: {MEND}.")
                yield Spikes(t, unit, int(words.labels[i]), int(words.speakers[i]))
