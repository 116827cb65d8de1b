"""Run directories: written whole or not at all, verified when read, found by what they are.

A run directory holds ``spec.json``, ``record.json``, ``provenance.json`` and, written last, ``DONE`` with the
SHA-256 of each. It is put together under a temporary name beside its place and moved there.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from lifroles.errors import LifrolesError, StoreError
from lifroles.spec import RunSpec

FILES = ("spec.json", "record.json", "provenance.json")
DONE = "DONE"


@dataclass(frozen=True)
class Record:
    """What a run left: spec, outcome, curves and provenance.

    ``status`` is ``"completed"`` or ``"failed"`` (then ``reason`` says why). ``history`` maps
    ``train_loss``, ``train_accuracy``, ``test_loss`` and ``test_accuracy`` to one number an epoch, and
    ``spike_rate`` to such a list for each spiking layer. ``final`` sums up; accuracies lie in [0, 1].
    """

    spec: RunSpec
    status: str
    reason: str | None
    history: dict[str, Any]
    final: dict[str, Any]
    provenance: dict[str, Any]
    path: Path | None = None

    @property
    def variant_name(self) -> str:
        return self.spec.variant_name

    @property
    def seed(self) -> int:
        return self.spec.seed

    @cached_property
    def epochs(self) -> int:
        """Epochs that were trained."""
        return len(self.history["test_accuracy"])


def _dump(value: Any) -> bytes:
    return (json.dumps(value, indent=1, sort_keys=True, allow_nan=False) + "\n").encode()


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


class Store:
    """The runs below one or more folders; new ones are written to the first.

    Arguments:
        roots: folders; those that do not exist count as empty.
    """

    def __init__(self, *roots: Path) -> None:
        self.roots = roots

    def write(self, record: Record) -> Path:
        """Write a run directory and return it; a run that is already there is left as it is.

        Raises:
            StoreError: the folder cannot be written to (read-only, full); nothing is left behind.
        """
        place = self.roots[0] / record.spec.path
        if (place / DONE).is_file():
            return place
        contents = {
            "spec.json": _dump(record.spec.model_dump(mode="json")),
            "record.json": _dump(
                {k: getattr(record, k) for k in ("status", "reason", "history", "final")},
            ),
            "provenance.json": _dump(record.provenance),
        }
        contents[DONE] = _dump({name: _sha256(data) for name, data in contents.items()})
        partial: Path | None = None
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
            partial = Path(tempfile.mkdtemp(prefix=f".{place.name}.", dir=place.parent))
            partial.chmod(0o755)
            for name, data in contents.items():
                with open(partial / name, "wb") as file:
                    file.write(data)
                    file.flush()
                    os.fsync(file.fileno())
            try:
                os.rename(partial, place)
            except OSError:
                # Another process finished the same run first. Same spec, same numbers: keep its copy.
                if not (place / DONE).is_file():
                    raise
                shutil.rmtree(partial)
        except OSError as error:
            if partial is not None:
                shutil.rmtree(partial, ignore_errors=True)
            raise StoreError(
                f"The run cannot be written to {place} ({error.strerror}): "
                "free or unlock the folder, or set LIFROLES_RUNS to another."
            ) from error
        return place

    def _places(self) -> Iterator[Path]:
        for root in self.roots:
            for done in sorted(root.glob(f"*/*/*/{DONE}")):
                if not done.parent.name.startswith("."):
                    yield done.parent

    def get(self, spec: RunSpec) -> Record | None:
        """Return the record of this very spec, or ``None``.

        Raises:
            StoreError: it is there but damaged.
        """
        for root in self.roots:
            if (root / spec.path / DONE).is_file():
                return read(root / spec.path)
        return None

    def all(self) -> list[Record]:
        """Return every run, each once, by benchmark, variant and seed.

        Raises:
            StoreError: one of them is damaged.
        """
        found: dict[str, Record] = {}
        for place in self._places():
            record = read(place)
            found.setdefault(record.spec.digest, record)
        return sorted(found.values(), key=lambda r: (r.spec.benchmark, r.variant_name, r.seed, r.spec.digest))

    def find(self, **wanted: object) -> list[Record]:
        """Return the runs whose fields equal ``wanted``.

        A name is looked for among ``benchmark``, ``variant`` (the paper's name, or a
        :class:`~lifroles.variant.Variant`), ``seed``, ``source``, ``status`` and the protocol's fields. A list
        or tuple of values means any of them.
        """
        return [record for record in self.all() if all(_matches(record, k, v) for k, v in wanted.items())]


def _matches(record: Record, name: str, wanted: object) -> bool:
    if isinstance(wanted, list | tuple):
        return any(_matches(record, name, one) for one in wanted)
    if name == "variant":
        return wanted in (record.variant_name, record.spec.variant)
    for holder in (record, record.spec, record.spec.protocol):
        if hasattr(holder, name):
            return getattr(holder, name) == wanted
    return False


def read(place: Path) -> Record:
    """Return the record in a run directory, after verifying every file.

    Raises:
        StoreError: a file is missing, does not have the hash that ``DONE`` says, or cannot be understood.
    """
    mend = "restore it from version control, or delete the folder and run it again"
    try:
        hashes = json.loads((place / DONE).read_bytes())
        contents: dict[str, Any] = {}
        for name in FILES:
            data = (place / name).read_bytes()
            if _sha256(data) != hashes.get(name):
                raise StoreError(f"{place / name} is not what its run wrote: {mend}.")
            contents[name] = json.loads(data)
        spec = RunSpec.model_validate(contents["spec.json"])
    except StoreError:
        raise
    except (OSError, ValueError, LifrolesError) as error:
        raise StoreError(f"The run in {place} cannot be read ({error}): {mend}.") from error
    if place.name != Path(spec.path).name:
        raise StoreError(f"The run in {place} is not the one its name says ({spec.path}): {mend}.")
    return Record(spec=spec, path=place, provenance=contents["provenance.json"], **contents["record.json"])
