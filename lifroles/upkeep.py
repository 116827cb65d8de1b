"""Looking after stored runs: are they what was written, how do two of them differ, and what can go."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lifroles import folders, locks
from lifroles.errors import StoreError
from lifroles.folders import DONE
from lifroles.store import WEIGHTS, Record, Store, read

PROBES = "probes"


def problems(store: Store) -> list[str]:
    """Hash every file of every run and probe record again; return what is not as it was written, a sentence each."""
    found = []
    for place in store.places():
        try:
            record = read(place)
            # An archived run is whole without its weights; where they are, they have to be right.
            folders.read(place, [name for name in folders.hashes(place) if (place / name).exists() or name != WEIGHTS])
        except (OSError, ValueError) as error:
            found.append(f"The run in {place} cannot be read ({error}): delete the folder and run it again.")
        except StoreError as error:
            text = str(error)
            found.append(text if text.endswith(".") else f"{text}: delete the folder and run it again.")
        else:
            found += [f"{place}: {what}: restore it from version control." for what in _contradictions(record)]
        for probe in probe_folders(place):
            try:
                folders.read(probe)
            except (OSError, ValueError, StoreError) as error:
                found.append(f"The probe record in {probe} is damaged ({error}): delete it and probe the run again.")
    return found


def _contradictions(record: Record) -> Iterator[str]:
    """Yield what a record says twice, and differently: a change by hand seldom finds both places."""
    curves = {k: v for k, v in record.history.items() if k != "spike_rate"} | record.history.get("spike_rate", {})
    lengths = {len(curve) for curve in curves.values()}
    if len(lengths) > 1:
        yield "its curves have different lengths"
    accuracy = record.history["test_accuracy"]
    if accuracy:
        final = record.final
        if final.get("last_accuracy") != accuracy[-1] or final.get("best_accuracy") != max(accuracy):
            yield "its last or best accuracy is not the one of its curve"
    if record.status == "completed":
        epochs: Any = getattr(record.spec.protocol, "epochs", None)
        if len(accuracy) != epochs:
            yield f"it has {len(accuracy)} epochs, and its protocol {epochs}"


def changed_since_committed(folder: Path) -> list[Path]:
    """Return files below a folder of runs that were changed, or deleted, after they had been committed.

    A record is written once, so any later change to it is one by hand, even where the hashes fit. A run that was
    withdrawn as a whole is gone, and one that was replaced as a whole (:func:`supersede`), record and provenance
    in one commit, is another run's: neither was changed. Nothing is returned outside of a git checkout.
    """
    pattern = ["--", f":(glob){folder.name}/*/*/*/**"]
    # The second finds what is not committed yet, the first what has been.
    questions = (
        ["log", "--format=%x00", "--diff-filter=MD", "--name-only", "--no-renames"],
        ["diff", "HEAD", "--name-only", "--diff-filter=MD", "--no-renames"],
    )
    names: set[str] = set()
    for question in questions:
        try:
            done = subprocess.run(
                ["git", *question, "--relative", *pattern],
                cwd=folder.parent,
                capture_output=True,
                text=True,
                check=True,
            )
        except (OSError, subprocess.SubprocessError):
            return []
        for commit in done.stdout.split("\0"):
            touched = {Path(line) for line in commit.splitlines() if line}
            replaced = {p.parent for p in touched if {p.parent / name for name in _RUN} <= touched}
            names.update(str(p) for p in touched if not replaced & {p.parent, *p.parents})
    return sorted(path for name in names if (path := folder.parent / name).parent.is_dir())


_RUN = ("record.json", "provenance.json")


def supersede(record: Record, archive: Store) -> Path:
    """Put a run in the place of an archived one of the same spec that came out differently, and its probes with it.

    The archived folder goes only once the new one is whole.

    Raises:
        StoreError: the archived run was asked what the new one was not, or the folder cannot be written to.
    """
    place = archive.place(record.spec)
    if record.path is None:
        raise StoreError(f"The run {record.spec.path} was not read from a store.")
    lost = {one.name for one in probe_folders(place)} - {one.name for one in probe_folders(record.path)}
    if lost:
        raise StoreError(
            f"The archived run {record.spec.path} was asked {sorted(lost)[0]}, and the one that is to replace it was "
            f"not{f' (nor {len(lost) - 1} more)' if len(lost) > 1 else ''}: probe it first."
        )
    before = _before(place)
    try:
        place.rename(before)
        try:
            archive.write(record)
            copy_probes(record.path, place)
        except BaseException:
            shutil.rmtree(place, ignore_errors=True)
            before.rename(place)
            raise
        shutil.rmtree(before)
    except OSError as error:
        raise StoreError(f"{place} cannot be replaced ({error.strerror}): free or unlock the folder.") from error
    return place


def _before(place: Path) -> Path:
    """Return where a run lies while another is put in its place."""
    return place.with_name(f".{place.name}.before")


def undo_half_replaced(place: Path) -> bool:
    """Bring back the run that a killed process was replacing; return whether there was one.

    A run that has been replaced as a whole stays so, and what it replaced goes.

    Raises:
        StoreError: the folder cannot be written to.
    """
    before = _before(place)
    if not before.is_dir():
        return False
    had = {one.name for one in probe_folders(before)}
    # The last step, deleting, begins when all that it was asked stands in the new place.
    whole = (place / DONE).is_file() and had <= {one.name for one in probe_folders(place)}
    try:
        if whole:
            shutil.rmtree(before)
        else:
            shutil.rmtree(place, ignore_errors=True)
            before.rename(place)
    except OSError as error:
        raise StoreError(f"{place} cannot be brought back ({error.strerror}): free or unlock the folder.") from error
    return not whole


def probe_folders(run: Path) -> list[Path]:
    """Return the folders of the probe records beside a run."""
    return sorted(done.parent for done in run.glob(f"{PROBES}/*/{DONE}") if not done.parent.name.startswith("."))


def copy_probes(run: Path, target: Path) -> int:
    """Copy the probe records of a run to another copy of it; return how many were not there.

    Raises:
        StoreError: one is damaged, or cannot be written.
    """
    new = 0
    for probe in probe_folders(run):
        try:
            new += folders.write(target / PROBES / probe.name, folders.read(probe))
        except (OSError, ValueError) as error:
            raise StoreError(f"The probe record {probe} cannot be copied to {target} ({error}).") from error
    return new


def differences(a: Record, b: Record) -> list[tuple[str, object, object]]:
    """Return the fields of spec, outcome and provenance in which two runs differ, with the value of each.

    A field that one of them lacks is ``None`` there. Curves are summed up in ``final``.
    """

    def flat(record: Record) -> dict[str, object]:
        parts = {
            "spec": record.spec.model_dump(mode="json"),
            "outcome": {"status": record.status, "reason": record.reason, **record.final},
            "provenance": record.provenance,
        }
        return dict(_leaves(parts))

    one, other = flat(a), flat(b)
    return [(k, one.get(k), other.get(k)) for k in dict.fromkeys((*one, *other)) if one.get(k) != other.get(k)]


def _leaves(value: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, object]]:
    for name, inner in value.items():
        if isinstance(inner, Mapping):
            yield from _leaves(inner, f"{prefix}{name}.")
        else:
            yield prefix + name, inner


@dataclass(frozen=True)
class Left:
    """Something that may be removed: where it is, why, and its size in bytes."""

    path: Path
    why: str
    size: int


def removable(root: Path, *, failed: bool = False, unfinished: bool = False) -> list[Left]:
    """Return what may be removed from a folder of runs.

    That is what killed processes left of runs that are done since, and half written folders. What a process is working
    on is never part of it.

    Arguments:
        root: the folder.
        failed: also runs that failed.
        unfinished: also the checkpoints of runs that are not done.
    """
    found = []
    for path in sorted(root.glob("*/*/.*")):
        run, _, kind = path.name.removeprefix(".").partition(".")
        if not run.startswith("seed") or locks.is_held(path.with_name(f".{run}.lock")):
            continue
        done = (path.parent / run / DONE).is_file()
        if done:
            found.append(Left(path, "left by a process that was killed after the run was done", _size(path)))
        elif kind.endswith("part"):
            found.append(Left(path, "half written", _size(path)))
        elif unfinished:
            found.append(Left(path, "of a run that is not done", _size(path)))
    if failed:
        store = Store(root)
        runs = [record for record in store.all() if record.status == "failed" and record.path is not None]
        found += [Left(r.path, f"failed: {r.reason}", _size(r.path)) for r in runs if r.path is not None]
    return found


def _size(path: Path) -> int:
    files = [path] if path.is_file() else [p for p in path.rglob("*") if p.is_file()]
    return sum(p.stat().st_size for p in files)
