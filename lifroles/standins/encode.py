"""Recordings of words to spikes: any folder of WAV or FLAC files to a file in SHD's own layout.

What a recording's word and speaker are is read from its name:

    <word>/<speaker>_nohash_<number>.wav                                    Speech Commands
    .../lang-<language>_speaker-<number>_trial-<number>_digit-<digit>.flac  Heidelberg Digits
    <word>/<anything>.wav                                                   any other; the speaker is not known

So the real audio, where a user has it, becomes a set like SHD or SSC; and words of one's own become a test of them.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from lifroles.data.words import COMMANDS, DIGITS
from lifroles.errors import DataError
from lifroles.standins import spikefile
from lifroles.standins.cochlea import LOWEST_RATE
from lifroles.standins.spikefile import Plan, Sound

Array = np.ndarray[Any, Any]

SUFFIXES = (".wav", ".flac")
UNKNOWN = "unknown"
"""The speaker of a recording whose name does not say."""

_DIGIT = re.compile(r"lang-(english|german)_speaker-(\d+)_trial-\d+_digit-(\d)")
_COMMAND = re.compile(r"(.+)_nohash_\d+")


@dataclass(frozen=True, slots=True)
class Recording:
    """One file and what its name says."""

    path: Path
    word: str
    speaker: str


def named(path: Path) -> Recording:
    """Return what a recording's name says."""
    if match := _DIGIT.fullmatch(path.stem):
        return Recording(path, DIGITS[int(match[3]) + (10 if match[1] == "german" else 0)], match[2])
    if match := _COMMAND.fullmatch(path.stem):
        return Recording(path, path.parent.name, match[1])
    return Recording(path, path.parent.name, UNKNOWN)


def recordings(folder: Path, only: Sequence[str] | None = None) -> list[Recording]:
    """Return the recordings below a folder, by name.

    Arguments:
        folder: where they lie, at any depth; folders whose name begins with ``_`` or ``.`` are left out, as is Speech
            Commands' ``_background_noise_``.
        only: names of files relative to the folder, such as the lines of Speech Commands' ``testing_list.txt``.

    Raises:
        DataError: there is none, or one of ``only`` is missing.
    """
    if not folder.is_dir():
        raise DataError(f"{folder} is not a folder: give the folder of the recordings.")
    if only is None:
        paths = [
            path
            for path in sorted(folder.rglob("*"))
            if path.suffix.lower() in SUFFIXES
            and path.is_file()
            and not any(part[0] in "._" for part in path.relative_to(folder).parts)
        ]
    else:
        paths = [folder / name for name in only]
        for path in paths:
            if not path.is_file():
                raise DataError(f"{path} is listed but not there: fetch it, or take it off the list.")
    if not paths:
        raise DataError(f"{folder} holds no recording ({' or '.join(SUFFIXES)}): give the folder of the recordings.")
    return [named(path) for path in paths]


def _opened(path: Path, rate: int | None) -> Any:
    """Return an open sound file whose header is in order.

    Raises:
        DataError: see :func:`read`.
    """
    try:
        import soundfile
    except ImportError as error:
        raise DataError(
            "recordings are read with soundfile, which is not installed: install it with pip install "
            "'lifroles[standins]'."
        ) from error
    try:
        file = soundfile.SoundFile(path)
    except (OSError, RuntimeError) as error:  # libsndfile's own errors are RuntimeErrors
        raise DataError(f"{path} cannot be read as audio ({error}): record or fetch it again.") from error
    if file.frames < 2:
        file.close()
        raise DataError(f"{path} is empty: record or fetch it again.")
    wanted = file.samplerate if rate is None else rate
    if wanted < LOWEST_RATE:
        file.close()
        raise DataError(
            f"{path} has {file.samplerate} samples a second, and the cochlea model needs {LOWEST_RATE} or more: give "
            "a rate to resample it to."
        )
    return file


def read(path: Path, rate: int | None = None) -> tuple[Array, int]:
    """Return a recording as mono samples, float64, and their rate in Hz.

    Arguments:
        path: a WAV or FLAC file; the channels of a stereo one are averaged.
        rate: to bring it to; its own if not given.

    Raises:
        DataError: it cannot be read, is empty, or its rate is too low for the cochlea model.
    """
    with _opened(path, rate) as file:
        own = int(file.samplerate)
        try:
            samples = file.read(always_2d=True)
        except RuntimeError as error:
            raise DataError(f"{path} cannot be read as audio ({error}): record or fetch it again.") from error
    if len(samples) < file.frames or not np.isfinite(samples).all():
        raise DataError(f"{path} is cut short or holds no numbers: record or fetch it again.")
    audio = samples.mean(1)
    if rate is None or rate == own:
        return audio, own
    from scipy import signal

    common = math.gcd(rate, own)
    return signal.resample_poly(audio, rate // common, own // common), rate


def _sounds(found: Sequence[Recording], rate: int | None, seed: int, start: int, stop: int) -> list[Sound]:
    result = []
    for i in range(start, stop):
        audio, own = read(found[i].path, rate)
        key = np.random.SeedSequence(seed, spawn_key=(i,))
        result.append(Sound(audio, own, int(key.generate_state(1, np.uint64)[0])))
    return result


def _labels(words: set[str]) -> tuple[str, ...]:
    """Return the words in the order of their labels: SHD's or SSC's where all are among theirs, else by alphabet."""
    for vocabulary in (DIGITS, COMMANDS):
        if words <= set(vocabulary):
            return vocabulary
    return tuple(sorted(words))


def encode(
    folder: Path,
    target: Path,
    *,
    only: Sequence[str] | None = None,
    rate: int | None = None,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
    workers: int | None = None,
) -> Plan:
    """Write the spikes of all recordings below a folder; return what the file holds.

    Nothing is written unless every recording can be read. A file of the same recordings and settings is left as it
    is; what a killed process left is used.

    Arguments:
        folder: of the recordings, named as this module says.
        target: the HDF5 file, in SHD's layout.
        only: see :func:`recordings`.
        rate: samples a second that every recording is brought to; its own if not given. The model's time step is two
            samples, so recordings of one set should have one rate.
        seed: of the spikes.
        progress: called with the recordings that are ready and their number.
        workers: threads; all processors if not given.

    Raises:
        DataError: there is no recording, one cannot be read, or the file cannot be written.
    """
    found = recordings(folder, only)
    keys = _labels({one.word for one in found})
    speakers = sorted({one.speaker for one in found})
    number = {speaker: i for i, speaker in enumerate(speakers)}
    content = hashlib.sha256()
    for one in found:
        _opened(one.path, rate).close()
        content.update(f"{one.path.relative_to(folder)}\0{one.word}\0{one.speaker}\0".encode())
        content.update(hashlib.sha256(one.path.read_bytes()).digest())
    plan = Plan(
        labels=[keys.index(one.word) for one in found],
        speakers=[number[one.speaker] for one in found],
        keys=keys,
        recipe={"source": "encoded recordings", "sha256": content.hexdigest(), "rate": rate, "seed": seed},
        sounds=partial(_sounds, found, rate, seed),
        speaker_info={"name": speakers},
    )
    done = 0

    def told(more: int) -> None:
        nonlocal done
        done += more
        if progress is not None:
            progress(done, len(found))

    spikefile.make(target, plan, progress=told, workers=workers)
    return plan
