"""Sounds to a file of spikes in SHD's own layout, on all processors, and never half of it.

    spikes/times    a list of times (s) a sample, float16
    spikes/units    a list of channels a sample, uint16
    labels          one a sample, uint16; extra/keys says what each number means
    extra/speaker   one a sample, uint16
    extra/meta_info/...   what is known of each speaker

Long files are made in parts, which are kept beside the file under a hidden name until it is whole: a process that is
killed is taken up again where it stopped. One process at a time makes a file; others wait for it.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import zipfile
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from lifroles.errors import DataError
from lifroles.standins.cochlea import hear

Array = np.ndarray[Any, Any]
Progress = Callable[[int], None]
"""Called with the number of samples that have become ready since the last call."""

PART = 32
"""Samples a part: seconds of work."""
VERSION = 1
"""Raised whenever the same recipe would give other spikes."""


@dataclass(frozen=True, slots=True, eq=False)
class Sound:
    """One sample of audio ``[samples]``, its rate in Hz and the seed of its spikes."""

    audio: Array
    rate: int
    seed: int


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """Everything that a file of spikes is to hold, but for the spikes.

    Arguments:
        labels: ``[samples]``.
        speakers: ``[samples]``.
        keys: what each label means.
        recipe: what the spikes depend on; kept in the file, and compared with an older one's.
        sounds: called with two numbers, returns the samples from the first to before the second.
        speaker_info: columns of ``extra/meta_info``, one entry a speaker each.
    """

    labels: Sequence[int]
    speakers: Sequence[int]
    keys: Sequence[str]
    recipe: Mapping[str, Any]
    sounds: Callable[[int, int], list[Sound]]
    speaker_info: Mapping[str, Sequence[float] | Sequence[str]] = field(default_factory=dict)

    @property
    def text(self) -> str:
        """The recipe as it stands in the file, in its attribute ``recipe``."""
        whole = {"version": VERSION, "samples": len(self.labels), **self.recipe}
        return json.dumps(whole, sort_keys=True, ensure_ascii=False)


def recipe(path: Path) -> str | None:
    """Return the recipe of a file that :func:`make` wrote; ``None`` where there is none, or another file."""
    import h5py

    try:
        with h5py.File(path) as file:
            text = file.attrs.get("recipe")
    except OSError:
        return None
    return text if isinstance(text, str) else None


def make(path: Path, plan: Plan, *, progress: Progress | None = None, workers: int | None = None) -> None:
    """Write the file of this plan; one that is there already is left as it is.

    Arguments:
        path: the file; parts lie beside it while it is being made.
        plan: what is to be in it.
        progress: told of every part.
        workers: threads; all processors if not given.

    Raises:
        DataError: a sound cannot be made or heard, or nothing can be written there. Parts that are ready are kept.
    """
    from filelock import FileLock

    if not len(plan.labels):
        raise DataError(f"{path.name} would hold no sample: give 1 or more.")
    digest = hashlib.sha256(f"{PART} {plan.text}".encode()).hexdigest()[:16]
    parts = path.with_name(f".{path.name}.{digest}.parts")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(path.with_name(f".{path.name}.lock")):
            if recipe(path) == plan.text:
                if progress is not None:
                    progress(len(plan.labels))
                return
            parts.mkdir(exist_ok=True)
            try:
                _make_parts(parts, plan, progress, workers or os.cpu_count() or 1)
                _assemble(path, parts, plan)
            finally:
                _tidy(parts)
            # Those of other recipes too: whoever wanted this file does not want them any more.
            for folder in path.parent.glob(f".{path.name}.*.parts"):
                shutil.rmtree(folder, ignore_errors=True)
    except OSError as error:
        raise DataError(
            f"{path} cannot be written ({error.strerror or error}): free or unlock its folder, or choose another."
        ) from error


def _tidy(parts: Path) -> None:
    """Delete what is not a whole part, and the folder if nothing is left."""
    for partial in (*parts.glob("*.part"), *parts.glob("*.h5")):
        partial.unlink(missing_ok=True)
    if not any(parts.iterdir()):
        parts.rmdir()


def _names(parts: Path, samples: int) -> dict[int, Path]:
    return {start: parts / f"{start:08d}.npz" for start in range(0, samples, PART)}


def _make_parts(parts: Path, plan: Plan, progress: Progress | None, workers: int) -> None:
    samples = len(plan.labels)
    missing: list[tuple[int, Path]] = []
    for start, name in _names(parts, samples).items():
        if not name.is_file():
            missing.append((start, name))
        elif progress is not None:
            progress(min(PART, samples - start))

    def work(start: int, name: Path) -> int:
        sounds = plan.sounds(start, min(start + PART, samples))
        heard = [hear(sound.audio, sound.rate, seed=sound.seed) for sound in sounds]
        partial = name.with_suffix(f".{os.getpid()}.part")
        with open(partial, "wb") as file:
            np.savez(
                file,
                counts=np.array([len(one.times) for one in heard]),
                times=np.concatenate([one.times for one in heard]).astype(np.float16),
                units=np.concatenate([one.units for one in heard]).astype(np.uint16),
            )
        os.replace(partial, name)
        return len(sounds)

    with ThreadPoolExecutor(max(1, min(workers, len(missing))), thread_name_prefix="lifroles-ear") as pool:
        waiting = {pool.submit(work, *one) for one in missing}
        try:
            while waiting:
                done, waiting = wait(waiting, timeout=0.5, return_when=FIRST_EXCEPTION)
                for one in done:
                    count = one.result()
                    if progress is not None:
                        progress(count)
        finally:
            # After an error, or where the user stops it, what has not begun is not begun.
            for one in waiting:
                one.cancel()


def _assemble(path: Path, parts: Path, plan: Plan) -> None:
    import h5py

    samples = len(plan.labels)
    partial = parts / "whole.h5"
    with h5py.File(partial, "w") as file:
        times = file.create_dataset("spikes/times", (samples,), h5py.vlen_dtype(np.float16))
        units = file.create_dataset("spikes/units", (samples,), h5py.vlen_dtype(np.uint16))
        for start, name in _names(parts, samples).items():
            try:
                with open(name, "rb") as source, np.load(source) as part:
                    counts, all_times, all_units = part["counts"], part["times"], part["units"]
            except (ValueError, KeyError, zipfile.BadZipFile) as error:
                name.unlink()
                raise DataError(f"{name} was damaged and has been deleted: run the same command again.") from error
            ends = np.cumsum(counts)
            for i, (low, high) in enumerate(zip(ends - counts, ends, strict=True)):
                times[start + i] = all_times[low:high]
                units[start + i] = all_units[low:high]
        file["labels"] = np.asarray(plan.labels, np.uint16)
        file["extra/keys"] = np.array([key.encode() for key in plan.keys])
        file["extra/speaker"] = np.asarray(plan.speakers, np.uint16)
        for name, column in plan.speaker_info.items():
            file[f"extra/meta_info/{name}"] = np.array([c.encode() if isinstance(c, str) else c for c in column])
        file.attrs["recipe"] = plan.text
    with open(partial, "rb+") as whole:
        os.fsync(whole.fileno())
    os.replace(partial, path)
