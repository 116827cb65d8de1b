"""Probe records: what a question asked of a trained run found, kept beside the run.

A record lies in ``<run directory>/probes/<probe>-<digest>/`` (:mod:`lifroles.folders`) and holds ``spec.json`` (probe,
version, run and parameters, whose hash is the digest), ``record.json`` (``numbers``: a list of ``metric``, ``key``,
``value``), ``provenance.json`` and, where a figure needs more than numbers, ``arrays.npz``.
"""

from __future__ import annotations

import io
import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, ValidationError

from lifroles import folders
from lifroles.errors import SpecError, StoreError
from lifroles.folders import DONE
from lifroles.spec import RunSpec, content_digest, reason
from lifroles.store import Record

FILES = ("spec.json", "record.json", "provenance.json")
ARRAYS = "arrays.npz"
FOLDER = "probes"

Array = np.ndarray[Any, Any]


class ProbeParameters(BaseModel):
    """Every choice that decides a probe's numbers, apart from the run."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


@dataclass(frozen=True)
class Findings:
    """What a probe found: numbers by (metric, key), and small arrays by name."""

    numbers: Mapping[tuple[str, str], float]
    arrays: Mapping[str, Array] = field(default_factory=dict)


class Parts:
    """What a long measurement has found so far, kept on disk until its record is whole: a killed one goes on there.

    Arguments:
        folder: where the parts are kept; ``None``: nowhere.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder
        self.left = 0
        """How many parts were there from an interrupted measurement."""

    def get(self, name: str, find: Callable[[], Mapping[str, Array]]) -> Mapping[str, Array]:
        """Return a part: what an interrupted measurement has left of this name, else what ``find`` returns.

        Raises:
            StoreError: it cannot be kept (read-only, full); the parts before it are.
        """
        if self.folder is None:
            return find()
        place = self.folder / name
        try:
            with np.load(io.BytesIO(folders.read(place)[ARRAYS]), allow_pickle=False) as arrays:
                found = dict(arrays)
            self.left += 1
            return found
        except (OSError, ValueError, KeyError, StoreError):
            shutil.rmtree(place, ignore_errors=True)  # damaged: find it again
        found = find()
        try:
            folders.write(place, {ARRAYS: packed(found)})
        except OSError as error:
            raise StoreError(
                f"What was measured cannot be kept in {place} ({error.strerror}): free or unlock the folder and ask "
                "again; it goes on from the part before."
            ) from error
        return found

    def clear(self) -> None:
        """Remove all parts; what is left where that fails does no harm."""
        if self.folder is not None:
            shutil.rmtree(self.folder, ignore_errors=True)


@dataclass(frozen=True)
class Probe:
    """One question asked of a trained run.

    Arguments:
        name: as in ``lifroles probe NAME``.
        version: raised whenever the same parameters would give other numbers.
        question: in a sentence.
        parameters: what can be chosen.
        measure: the answer for a run's spec, its trained network and the parameters; the same each time it is called.
        covers: whether the question makes sense for a run.
        needs: other runs whose weights the answer takes, for a run's spec and the parameters.
        in_parts: whether ``measure`` takes :class:`Parts` as well, to go on where it was killed.
    """

    name: str
    version: int
    question: str
    parameters: type[Any]
    measure: Callable[..., Findings]
    covers: Callable[[RunSpec], bool]
    asked: tuple[Mapping[str, Any], ...] = ({},)
    """The changes of its parameters with which ``lifroles probe all`` asks it, one after the other."""
    needs: Callable[[RunSpec, Any], Sequence[RunSpec]] = lambda spec, parameters: ()
    in_parts: bool = False


class ProbeSpec(BaseModel):
    """What decides a probe record's numbers. Two with the same content have the same :attr:`digest`."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    format: Literal[1] = 1
    probe: str
    version: int
    run: str
    parameters: dict[str, Any]

    @property
    def digest(self) -> str:
        """The content's hash: 12 hexadecimal digits of SHA-256 over the canonical JSON."""
        return content_digest(self)

    @property
    def path(self) -> str:
        """The record's folder below its run's."""
        return f"{FOLDER}/{self.probe}-{self.digest}"

    @classmethod
    def of(cls, probe: Probe, run: RunSpec, **changes: object) -> ProbeSpec:
        """Return the spec of a probe of a run, with the probe's own parameters but for ``changes``.

        Raises:
            SpecError: the probe has no such parameter, or a value cannot be, in one sentence.
        """
        if not probe.covers(run):
            raise SpecError(f"The probe {probe.name} does not cover {run.path}: {probe.question}")
        return cls(
            probe=probe.name,
            version=probe.version,
            run=run.digest,
            parameters=choose(probe, changes).model_dump(mode="json"),
        )


def choose(probe: Probe, changes: Mapping[str, object]) -> ProbeParameters:
    """Return a probe's parameters: its own but for ``changes``, whose lists may stand for tuples.

    Raises:
        SpecError: there is no such parameter, or a value cannot be.
    """
    unknown = sorted(set(changes) - set(probe.parameters.model_fields))
    if unknown:
        known = ", ".join(probe.parameters.model_fields)
        raise SpecError(f"The probe {probe.name} has no parameter {unknown[0]!r}: it has {known}.")
    try:
        return probe.parameters.model_validate_json(json.dumps(dict(changes)))
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(map(str, first["loc"]))
        raise SpecError(f"{name or probe.name} is {first['input']!r}: {reason(first)}.") from error


@dataclass(frozen=True)
class ProbeRecord:
    """What a probe of a run left. ``path`` is its folder."""

    spec: ProbeSpec
    numbers: Mapping[tuple[str, str], float]
    provenance: Mapping[str, Any]
    path: Path

    def metric(self, name: str) -> dict[str, float]:
        """Return the numbers of a metric by key."""
        return {key: value for (metric, key), value in self.numbers.items() if metric == name}

    def array(self, name: str) -> Array:
        """Return an array of the record.

        Raises:
            StoreError: it has none of this name, or its file is damaged.
        """
        mend = "restore it, or delete the folder and probe the run again"
        try:
            data = folders.read(self.path, [ARRAYS])[ARRAYS]
            with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
                return arrays[name]
        except StoreError as error:
            raise StoreError(f"{error}: {mend}.") from error
        except (OSError, ValueError, KeyError) as error:
            raise StoreError(f"{self.path} has no array {name} ({error}): {mend}.") from error


def packed(arrays: Mapping[str, Array]) -> bytes:
    """Return arrays by name as the contents of a file."""
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)  # pyright: ignore[reportArgumentType]
    return buffer.getvalue()


def write(run: Path, spec: ProbeSpec, findings: Findings, provenance: Mapping[str, Any]) -> ProbeRecord:
    """Write a probe record beside its run and return it; one that is there is left as it is.

    Raises:
        StoreError: the folder cannot be written to (read-only, full); nothing is left behind.
    """
    numbers = [{"metric": m, "key": k, "value": float(v)} for (m, k), v in findings.numbers.items()]
    place = run / spec.path
    try:
        contents = {
            "spec.json": folders.dump(spec.model_dump(mode="json")),
            "record.json": folders.dump({"numbers": numbers}),
            "provenance.json": folders.dump(dict(provenance)),
        }
    except ValueError as error:
        raise StoreError(f"The probe {spec.probe} of {run.name} found a number that is none ({error}).") from error
    if findings.arrays:
        contents[ARRAYS] = packed(findings.arrays)
    try:
        folders.write(place, contents)
    except OSError as error:
        raise StoreError(
            f"The probe record cannot be written to {place} ({error.strerror}): free or unlock the folder."
        ) from error
    return read(place)


def read(place: Path) -> ProbeRecord:
    """Return the record in a folder, after verifying every file but the arrays.

    Raises:
        StoreError: a file is missing, damaged, or does not belong there.
    """
    mend = "restore it from version control, or delete the folder and probe the run again"
    try:
        contents = folders.read(place, FILES)
        spec = ProbeSpec.model_validate_json(contents["spec.json"])
        found = json.loads(contents["record.json"])["numbers"]
        numbers = {(one["metric"], one["key"]): float(one["value"]) for one in found}
        provenance = json.loads(contents["provenance.json"])
    except StoreError as error:
        raise StoreError(f"{error}: {mend}.") from error
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise StoreError(f"The probe record in {place} cannot be read ({error}): {mend}.") from error
    if place.name != Path(spec.path).name:
        raise StoreError(f"The probe record in {place} is not the one its name says ({spec.path}): {mend}.")
    return ProbeRecord(spec, numbers, provenance, place)


def find(run: Record, probe: str = "*", parameters: Mapping[str, object] | None = None) -> list[ProbeRecord]:
    """Return the records of a probe beside a run, by digest.

    Arguments:
        run: a run that was read from a store.
        probe: the probe's name; all of them where it is ``"*"``.
        parameters: count only those that have these values.

    Raises:
        StoreError: one is damaged, or belongs to another run.
    """
    if run.path is None:
        return []
    found = []
    for done in sorted((run.path / FOLDER).glob(f"{probe}-*/{DONE}")):
        record = read(done.parent)
        if record.spec.run != run.spec.digest:
            raise StoreError(f"The probe record in {done.parent} is of another run ({record.spec.run}): delete it.")
        if all(record.spec.parameters.get(k) == v for k, v in (parameters or {}).items()):
            found.append(record)
    return found
