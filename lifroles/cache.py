"""Binned recordings on disk: written once, checked when opened, read through a memory map.

A prepared set is a folder of plain arrays and, written last, ``manifest.json`` with the type, length and SHA-256 of
each. It is put together under a temporary name beside its place and moved there, by one process at a time. Its name
is the hash of everything that its content depends on, so nothing in it is ever out of date.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from functools import cache, lru_cache
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock

from lifroles.compiled import compiled
from lifroles.errors import DataError
from lifroles.events import Binning, Rows, bin_events
from lifroles.paths import cache_dir
from lifroles.sparse import SparseSequence, index_type

Array = np.ndarray[Any, Any]
Progress = Callable[[int, int], None]
"""Called with the number of samples done and their number."""

FORMAT = 1
"""Raised whenever the same key would give another content."""

MANIFEST = "manifest.json"
_CHUNK = 64  # recordings a thread bins at a time


@dataclass(frozen=True, slots=True, eq=False)
class Recording:
    """One labelled sample: times and channels of its events ``[events]``, and numbers kept beside the label."""

    t: Array
    channel: Array
    label: int
    extra: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Prepared:
    """Binned recordings, in a memory map.

    Arguments:
        folder: where it lies.
        steps, channels: T and N.
        lengths: entries of every step of every sample ``[S, T]``.
        offsets: where each sample begins in ``indices``, and where the last one ends ``[S + 1]``.
        indices: channels ``[entries]``.
        counts: events behind each entry ``[entries]``, or ``None``.
        labels: ``[S]``, int64.
        extra: further numbers of each sample ``[S]``, such as the speaker.
        events: events that the recordings had before any was dropped or merged.
        digest: SHA-256 of the content.
    """

    folder: Path
    steps: int
    channels: int
    lengths: Array
    offsets: Array
    indices: Array
    counts: Array | None
    labels: Array
    extra: Mapping[str, Array]
    events: int
    digest: str

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def density(self) -> float:
        """Share of the entries of ``[T, S, N]`` that are not zero."""
        return len(self.indices) / max(len(self) * self.steps * self.channels, 1)

    def batch(self, samples: Array) -> SparseSequence:
        """Return these samples ``[B]``, in this order, as a sequence ``[T, B, N]``."""
        samples = np.ascontiguousarray(samples, np.int64)
        if len(samples) and not (int(samples.min()) >= 0 and int(samples.max()) < len(self)):
            raise DataError(f"{self.folder.name} has {len(self)} samples, numbered from 0: {samples.max()} is none.")
        sizes = self.offsets[samples + 1] - self.offsets[samples]
        indptr = np.empty(len(samples) * self.steps + 1, np.int64)
        indices = np.empty(int(sizes.sum()), self.indices.dtype)
        values = np.empty(0 if self.counts is None else len(indices), np.float32)
        counts = np.empty(0, np.uint8) if self.counts is None else self.counts
        _gather_loop()(samples, self.offsets, self.lengths, self.indices, counts, indptr, indices, values)
        return SparseSequence(
            (self.steps, len(samples), self.channels), indptr, indices, None if self.counts is None else values
        )


@cache
def _gather_loop() -> Callable[..., None]:
    def loop(
        samples: Any, offsets: Any, lengths: Any, from_indices: Any, from_counts: Any, indptr: Any, indices: Any,
        values: Any,
    ) -> None:  # fmt: skip
        steps = lengths.shape[1]
        at = 0
        row = 0
        indptr[0] = 0
        for sample in samples:
            low, high = offsets[sample], offsets[sample + 1]
            total = at
            for s in range(steps):
                total += lengths[sample, s]
                row += 1
                indptr[row] = total
            for i in range(low, high):
                indices[at + i - low] = from_indices[i]
            if values.shape[0]:
                for i in range(low, high):
                    values[at + i - low] = from_counts[i]
            at += high - low

    return compiled(loop)


class _Writer:
    """The arrays of a folder, each appended to its own file and hashed on the way."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.files: dict[str, Any] = {}
        self.hashes: dict[str, Any] = {}
        self.kinds: dict[str, tuple[str, int]] = {}

    def append(self, name: str, array: Array) -> None:
        array = np.ascontiguousarray(array)
        if name not in self.files:
            self.files[name] = open(self.folder / f"{name}.bin", "wb")  # noqa: SIM115 - closed in `close`
            self.hashes[name] = hashlib.sha256()
            self.kinds[name] = (array.dtype.str, 0)
        kind, length = self.kinds[name]
        self.files[name].write(array.data)
        self.hashes[name].update(array.data)
        self.kinds[name] = (kind, length + array.size)

    def close(self) -> None:
        for file in self.files.values():
            file.flush()
            os.fsync(file.fileno())
            file.close()

    def manifest(self) -> dict[str, Any]:
        return {
            name: {"dtype": dtype, "length": length, "sha256": self.hashes[name].hexdigest()}
            for name, (dtype, length) in sorted(self.kinds.items())
        }


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


@contextmanager
def assembled(place: Path, done: str) -> Generator[Path | None]:
    """Yield a temporary folder that becomes ``place`` if all goes well, or ``None`` where ``place`` is there.

    One process at a time: another one waits, and then finds it there. What a killed one left is cleared away.

    Arguments:
        place: the folder wanted.
        done: name of the file in it that is written last.

    Raises:
        DataError: nothing can be written there.
    """
    partial: Path | None = None
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(place.parent / f".{place.name}.lock"):
            if (place / done).is_file():
                yield None
                return
            for left in place.parent.glob(f".{place.name}.*.part"):
                shutil.rmtree(left, ignore_errors=True)
            partial = Path(tempfile.mkdtemp(prefix=f".{place.name}.", suffix=".part", dir=place.parent))
            partial.chmod(0o755)
            yield partial
            if place.exists():
                shutil.rmtree(place)
            os.rename(partial, place)
    except OSError as error:
        raise DataError(
            f"{place} cannot be written ({error.strerror or error}): free or unlock the folder, or set "
            "LIFROLES_CACHE to another."
        ) from error
    finally:
        if partial is not None:
            shutil.rmtree(partial, ignore_errors=True)


def _binned(recordings: Iterable[Recording], binning: Binning) -> Iterator[tuple[Recording, Rows]]:
    """Yield every recording with its rows, in order; a few threads bin while this one reads."""
    threads = min(os.cpu_count() or 1, 4)
    source = iter(recordings)

    def work(part: list[Recording]) -> list[tuple[Recording, Rows]]:
        return [(one, bin_events(one.t, one.channel, binning)) for one in part]

    with ThreadPoolExecutor(threads) as pool:
        waiting = []
        while part := list(islice(source, _CHUNK)):
            waiting.append(pool.submit(work, part))
            if len(waiting) > 2 * threads:
                yield from waiting.pop(0).result()
        for future in waiting:
            yield from future.result()


def prepare(
    name: str,
    key: Mapping[str, Any],
    binning: Binning,
    recordings: Callable[[], Iterable[Recording]],
    total: int = 0,
    progress: Progress | None = None,
) -> Prepared:
    """Return the recordings binned, from the cache folder; bin them and keep them there first if need be.

    Arguments:
        name: what the folder's name begins with, for example ``shd-train``.
        key: what the content depends on beside the binning; the source's hash above all.
        binning: how events become steps.
        recordings: called to read them, in order, only where they are not in the cache.
        total: how many there are, for ``progress``.

    Raises:
        DataError: a recording is not what it should be (nothing is kept then), or nothing can be written.
    """
    whole = {"format": FORMAT, "name": name, "binning": asdict(binning), **key}
    place = cache_dir() / "events" / f"{name}-{_digest(whole)[:16]}"
    if (place / MANIFEST).is_file():
        try:
            return _open(place)
        except DataError:
            # What was prepared can be prepared again.
            (place / MANIFEST).unlink(missing_ok=True)
    with assembled(place, MANIFEST) as partial:
        if partial is not None:
            _write(partial, whole, binning, recordings(), total, progress)
    return _open(place)


def _write(
    folder: Path,
    key: Mapping[str, Any],
    binning: Binning,
    recordings: Iterable[Recording],
    total: int,
    progress: Progress | None,
) -> None:
    writer = _Writer(folder)
    narrow = np.uint16 if binning.channels < 1 << 16 else np.uint32
    try:
        writer.append("indices", np.empty(0, index_type(binning.channels)))
        writer.append("lengths", np.empty(0, narrow))
        labels: list[int] = []
        offsets = [0]
        extra: dict[str, list[int]] = {}
        events = 0
        for recording, rows in _binned(recordings, binning):
            writer.append("indices", rows.indices)
            writer.append("lengths", rows.lengths.astype(narrow))
            if rows.counts is not None:
                writer.append("counts", rows.counts)
            labels.append(recording.label)
            offsets.append(offsets[-1] + len(rows.indices))
            events += len(recording.t)
            for what, number in recording.extra.items():
                extra.setdefault(what, []).append(number)
            if progress is not None:
                progress(len(labels), total)
        writer.append("labels", np.array(labels, np.int64))
        writer.append("offsets", np.array(offsets, np.int64))
        for what, numbers in extra.items():
            writer.append(f"extra_{what}", np.array(numbers, np.int64))
    finally:
        writer.close()
    manifest = {"key": key, "arrays": writer.manifest(), "events": events}
    with open(folder / MANIFEST, "w", encoding="utf-8") as file:
        json.dump(manifest, file, indent=1, sort_keys=True)
        file.flush()
        os.fsync(file.fileno())


@lru_cache(maxsize=64)
def _open(place: Path) -> Prepared:
    """Return a prepared set after checking every array against its manifest.

    Raises:
        DataError: one is not what was written.
    """
    mend = f"delete {place} and it is prepared again"
    try:
        manifest = json.loads((place / MANIFEST).read_text(encoding="utf-8"))
        arrays: dict[str, Array] = {}
        for name, want in manifest["arrays"].items():
            path = place / f"{name}.bin"
            with open(path, "rb") as file:
                found = hashlib.file_digest(file, "sha256").hexdigest()
            if found != want["sha256"]:
                raise DataError(f"{path} is damaged (its SHA-256 is {found[:12]}...): {mend}.")
            # An empty file cannot be mapped.
            dtype = np.dtype(want["dtype"])
            arrays[name] = np.memmap(path, dtype, "r") if want["length"] else np.empty(0, dtype)
        binning = manifest["key"]["binning"]
        return Prepared(
            folder=place,
            steps=binning["steps"],
            channels=binning["channels"],
            lengths=arrays["lengths"].reshape(-1, binning["steps"]),
            offsets=np.array(arrays["offsets"]),
            indices=arrays["indices"],
            counts=arrays.get("counts"),
            labels=np.array(arrays["labels"]),
            extra={k.removeprefix("extra_"): np.array(v) for k, v in arrays.items() if k.startswith("extra_")},
            events=manifest["events"],
            digest=_digest(manifest["arrays"]),
        )
    except (OSError, ValueError, KeyError) as error:
        raise DataError(f"{place} cannot be read ({error}): {mend}.") from error
