"""Recordings as N-MNIST keeps them: 40 bits an event, one ``.bin`` file a recording, all of a split in one zip archive.

An event is five bytes: x, y, then polarity (top bit) and 23 bits of microseconds, the highest first. The archive is
not compressed and has its publisher's layout, ``Train/<label>/<name>.bin``, so that whatever reads N-MNIST reads it,
packed or unpacked, and 70,000 recordings are two files. Its comment, a line of JSON, says how it was made.

A split is made in parts, each kept as it is finished, and put together when all are there. What is killed leaves
parts, never half an archive; the next call goes on with them.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import tempfile
import zipfile
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from lifroles.errors import DataError, SpecError
from lifroles.standins.camera import Array, Events

Progress = Callable[[int, int], object]
"""Called with the number of recordings that are done and the number of all."""

LAST = (1 << 23) - 1
"""The latest time that fits, µs."""


def pack(events: Events) -> bytes:
    """Return the events as 40-bit records.

    Raises:
        SpecError: a time does not fit into 23 bits.
    """
    if len(events) and not (events.t.min() >= 0 and events.t.max() <= LAST):
        raise SpecError(f"events lie at {events.t.min()} to {events.t.max()} µs: 0 to {LAST} fit into a record.")
    t = events.t.astype(np.uint32)
    columns = (events.x, events.y, (t >> 16) | (events.p.astype(np.uint32) << 7), t >> 8 & 255, t & 255)
    return np.stack([column.astype(np.uint8) for column in columns], axis=1).tobytes()


def unpack(raw: bytes, where: str) -> Events:
    """Return the events of a recording.

    Arguments:
        where: what is read, for the message.

    Raises:
        DataError: it is cut short.
    """
    if len(raw) % 5:
        raise DataError(f"{where} is no whole number of events: delete the archive and make it again.")
    table = np.frombuffer(raw, np.uint8).reshape(-1, 5).astype(np.int32)
    t = (table[:, 2] & 127) << 16 | table[:, 3] << 8 | table[:, 4]
    return Events(t, table[:, 0].astype(np.uint8), table[:, 1].astype(np.uint8), table[:, 2] > 127)


def read(path: Path) -> Iterator[tuple[str, Events]]:
    """Yield every recording's name in the archive and its events, in order.

    Raises:
        DataError: the archive is missing or damaged.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            for name in archive.namelist():
                yield name, unpack(archive.read(name), f"{path}:{name}")
    except (OSError, zipfile.BadZipFile, EOFError) as error:
        raise DataError(f"{path} cannot be read ({error}): make it again.") from error


@dataclass(frozen=True, slots=True)
class Split:
    """What is to be made: the recordings of one archive.

    Arguments:
        name: of the split, ``Train`` or ``Test``; the archive is this in small letters.
        names: of the recordings in the archive.
        make: returns the events of recording i, the same whatever else is made; called from several threads.
        origin: everything that decides the content, as JSON can write it.
    """

    name: str
    names: Sequence[str]
    make: Callable[[int], Events]
    origin: Mapping[str, Any]

    @property
    def comment(self) -> bytes:
        """The archive's comment."""
        return json.dumps({**self.origin, "split": self.name, "recordings": len(self.names)}, sort_keys=True).encode()

    @property
    def file(self) -> str:
        return f"{self.name.lower()}.zip"


@contextmanager
def _alone(folder: Path) -> Generator[None]:
    """Hold the folder; another process that wants to write there waits."""
    folder.mkdir(parents=True, exist_ok=True)
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


@contextmanager
def _replacing(path: Path) -> Generator[Any]:
    """Yield a file that becomes ``path`` if all goes well."""
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".tmp", dir=path.parent)
    try:
        with os.fdopen(handle, "w+b") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.chmod(name, 0o644)
        os.replace(name, path)
    except BaseException:
        os.unlink(name)
        raise


def write(
    folder: Path,
    splits: Sequence[Split],
    *,
    part: int,
    progress: Progress | None = None,
    workers: int | None = None,
) -> None:
    """Make the archives that are not yet there.

    Arguments:
        folder: where; it may hold other things, which are left as they are.
        splits: the archives.
        part: recordings that are kept together while their archive is not finished.
        progress: called after every recording.
        workers: threads; as many as there are processors otherwise.

    Raises:
        DataError: another archive of that name is there, or nothing can be written.
        SpecError: there are no workers.
    """
    if workers is not None and workers < 1:
        raise SpecError(f"workers is {workers}: give 1 or more.")
    total = sum(len(split.names) for split in splits)
    done = 0
    try:
        with _alone(folder), ThreadPoolExecutor(workers or len(os.sched_getaffinity(0))) as pool:
            for split in splits:
                _remove(folder, f".*{split.file}.*.tmp")  # left by a process that was killed
                if not _finished(folder / split.file, split):
                    for count in _parts(folder, split, part, pool):
                        if progress is not None:
                            progress(done + count, total)
                    _assemble(folder, split, part)
                done += len(split.names)
                if progress is not None:
                    progress(done, total)
    except OSError as error:
        raise DataError(
            f"{folder} cannot be written to ({error.strerror or error}): free or unlock it, or give another folder."
        ) from error


def _finished(path: Path, split: Split) -> bool:
    """Tell whether the archive is there.

    Raises:
        DataError: something else is there.
    """
    if not path.exists():
        return False
    try:
        with zipfile.ZipFile(path) as archive:
            if archive.comment == split.comment:
                return True
    except zipfile.BadZipFile:
        pass
    raise DataError(f"{path} is there already and is not what is to be made: move it away, or give another folder.")


def _remove(folder: Path, pattern: str) -> None:
    for path in folder.glob(pattern):
        path.unlink(missing_ok=True)


def _part(folder: Path, split: Split, low: int, high: int) -> Path:
    digest = hashlib.sha256(split.comment).hexdigest()[:16]
    return folder / f".{split.file}.{digest}.{low}-{high}.part"


def _load(path: Path) -> tuple[Array, bytes] | None:
    """Return a part's sizes and records, or ``None`` where it is not there or not whole."""
    try:
        with open(path, "rb") as file, np.load(file) as arrays:
            sizes, records = arrays["sizes"], arrays["records"].tobytes()
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None
    return (sizes, records) if sizes.sum() == len(records) else None


def _parts(folder: Path, split: Split, part: int, pool: ThreadPoolExecutor) -> Iterator[int]:
    """Make the parts that are not yet there; yield after each recording how many there are."""

    def one(i: int) -> bytes:
        return pack(split.make(i))

    try:
        for low in range(0, len(split.names), part):
            high = min(low + part, len(split.names))
            path = _part(folder, split, low, high)
            if _load(path) is None:
                raw = []
                for records in pool.map(one, range(low, high)):
                    raw.append(records)
                    yield low + len(raw)
                with _replacing(path) as file:
                    sizes = np.array([len(records) for records in raw], np.int64)
                    np.savez(file, sizes=sizes, records=np.frombuffer(b"".join(raw), np.uint8))
            yield high
    except BaseException:
        pool.shutdown(wait=True, cancel_futures=True)  # nothing goes on in the background
        raise


def _assemble(folder: Path, split: Split, part: int) -> None:
    """Put the parts together and remove them."""
    with _replacing(folder / split.file) as file, zipfile.ZipFile(file, "w") as archive:
        archive.comment = split.comment
        for first in range(0, len(split.names), part):
            names = split.names[first : first + part]
            path = _part(folder, split, first, first + len(names))
            found = _load(path)
            if found is None:
                raise DataError(f"{path} was damaged after it was written: call again, and it is made again.")
            sizes, records = found
            low = 0
            for name, size in zip(names, sizes, strict=True):
                entry = zipfile.ZipInfo(name)  # dated 1980, so that equal content gives equal bytes
                entry.create_system, entry.external_attr = 3, 0o100644 << 16
                archive.writestr(entry, records[low : low + size])
                low += size
    _remove(folder, f".{split.file}.*.part")
