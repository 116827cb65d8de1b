"""Run directories: written whole or not at all, verified when read, found by what they are.

A run directory (:mod:`lifroles.folders`) holds ``spec.json``, ``record.json``, ``provenance.json`` and, in the store
that training writes to, the trained weights as ``weights.safetensors``. The archive does without the weights: a record
is whole without them.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from pydantic import ValidationError

from lifroles import __version__, folders, locks
from lifroles.benchmarks import Network
from lifroles.errors import LifrolesError, StoreError
from lifroles.folders import DONE
from lifroles.spec import RunSpec

FILES = ("spec.json", "record.json", "provenance.json")
WEIGHTS = "weights.safetensors"


@dataclass(frozen=True)
class Record:
    """What a run left: spec, outcome, curves and provenance.

    ``status`` is ``"completed"`` or ``"failed"`` (then ``reason`` says why). ``history`` maps
    ``train_loss``, ``train_accuracy``, ``test_loss`` and ``test_accuracy`` to one number an epoch, and
    ``spike_rate`` to such a list for each spiking layer. ``final`` sums up; accuracies lie in [0, 1].

    ``path`` is the run's directory, of a record that was read from one. ``weights`` are the trained weights of a
    record that was not written yet, as the bytes of a safetensors file; :meth:`load_network` reads them from either.
    """

    spec: RunSpec
    status: str
    reason: str | None
    history: dict[str, Any]
    final: dict[str, Any]
    provenance: dict[str, Any]
    path: Path | None = None
    weights: bytes | None = field(default=None, compare=False, repr=False)

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

    @property
    def fields(self) -> dict[str, object]:
        """What a run can be looked for by: its spec's fields, those of variant and protocol among them, and status."""
        spec = self.spec.model_dump(mode="json")
        return {
            **spec["protocol"],
            **spec["variant"],
            **{name: spec[name] for name in ("benchmark", "seed", "source")},
            "variant": self.variant_name,
            "digest": self.spec.digest,
            "status": self.status,
        }

    @property
    def has_weights(self) -> bool:
        """Whether the trained weights are at hand; not so for archived runs, and for those that failed."""
        return self.weights is not None or (self.path is not None and (self.path / WEIGHTS).is_file())

    def load_network(self, backend: str = "auto") -> Network:
        """Return the trained network of this run, in evaluation mode and in main memory.

        Arguments:
            backend: the neuron's backend; the record's own is ``provenance["backend"]``.

        Raises:
            StoreError: the run failed, the weights are not there, or they are not what the run wrote.
        """
        if self.status != "completed":
            raise StoreError(f"The run {self.spec.path} failed ({self.reason}): it has no trained network.")
        if not self.has_weights:
            raise StoreError(
                f"The weights of {self.spec.path} are not here, because archived runs are kept without: "
                f"train it with `{self.spec.command()}`, or copy its folder from where it was trained into the folder "
                "of runs."
            )
        data = self.weights
        try:
            if data is None:
                assert self.path is not None
                data = folders.read(self.path, [WEIGHTS])[WEIGHTS]
            with torch.random.fork_rng(devices=[]):
                network = self.spec.network(backend)
            network.load_state_dict(safetensors.torch.load(data))
        except (OSError, ValueError, RuntimeError, StoreError, safetensors.SafetensorError) as error:
            what = str(error).splitlines()[0]
            raise StoreError(
                f"The weights of {self.spec.path} cannot be used ({what}): delete {self.path} and train it again with "
                f"`{self.spec.command()}`."
            ) from error
        return network.eval()


class Store:
    """The runs below one or more folders; new ones are written to the first.

    Arguments:
        roots: folders; those that do not exist count as empty.
    """

    def __init__(self, *roots: Path) -> None:
        self.roots = roots

    def place(self, spec: RunSpec) -> Path:
        """Return the folder that a run is written to."""
        return self.roots[0] / spec.path

    def is_unfinished(self, spec: RunSpec) -> bool:
        """Tell whether a process that has written this run was killed before it had cleared up."""
        place = self.place(spec)
        return (place / DONE).is_file() and next(place.parent.glob(f".{place.name}.*"), None) is not None

    @contextmanager
    def claim(self, spec: RunSpec, waiting: Callable[[], None] = lambda: None) -> Generator[Path]:
        """Keep other processes from making a run, and yield the folder for what it needs until it is written.

        Look again whether the run is there: whoever held the claim before may have written it.

        Arguments:
            spec: the run.
            waiting: called once if another process has claimed it.

        Raises:
            StoreError: the folder of runs cannot be written to, or has no locks (see :mod:`lifroles.locks`).
        """
        place = self.place(spec)
        with locks.only_one(place.with_name(f".{place.name}.lock"), waiting):
            folders.clear_partial(place)
            yield place.with_name(f".{place.name}.work")

    def write(self, record: Record) -> Path:
        """Write a run directory and return it; a run that is already there is left as it is.

        The weights are written where the record holds them; one that was read from a store does not.

        Raises:
            StoreError: the folder cannot be written to (read-only, full); nothing is left behind.
        """
        place = self.place(record.spec)
        contents = {
            "spec.json": folders.dump(record.spec.model_dump(mode="json")),
            "record.json": folders.dump({k: getattr(record, k) for k in ("status", "reason", "history", "final")}),
            "provenance.json": folders.dump(record.provenance),
        }
        if record.weights is not None:
            contents[WEIGHTS] = record.weights
        try:
            folders.write(place, contents)
        except OSError as error:
            raise StoreError(
                f"The run cannot be written to {place} ({error.strerror}): "
                "free or unlock the folder, or set LIFROLES_RUNS to another."
            ) from error
        return place

    def places(self) -> Iterator[Path]:
        """Yield the directory of every run, in every folder, without reading it."""
        for root in self.roots:
            for done in sorted(root.glob(f"*/*/*/{DONE}")):
                if not done.parent.name.startswith("."):
                    yield done.parent

    def get(self, spec: RunSpec, *, weights: bool = False) -> Record | None:
        """Return the record of this very spec, or ``None``.

        Arguments:
            weights: count only a record that has its weights, or that failed and has none.

        Raises:
            StoreError: it is there but damaged.
        """
        for root in self.roots:
            if (root / spec.path / DONE).is_file():
                record = read(root / spec.path)
                if not weights or record.has_weights or record.status != "completed":
                    return record
        return None

    def network(self, spec: RunSpec, backend: str = "auto") -> Network:
        """Return the trained network of a run, in evaluation mode and in main memory.

        It is looked for in every folder of the store: one may have the record alone, another the weights.

        Arguments:
            spec: the run.
            backend: the neuron's backend.

        Raises:
            StoreError: there is no such run, it failed, or its weights are not here or damaged; the message has the
                command that trains it.
        """
        record = self.get(spec, weights=True) or self.get(spec)
        if record is None:
            raise StoreError(f"There is no run {spec.path}: train it with `{spec.command()}`.")
        return record.load_network(backend)

    def all(self) -> list[Record]:
        """Return every run, each once, by benchmark, variant and seed.

        Raises:
            StoreError: one of them is damaged.
        """
        found: dict[str, Record] = {}
        for place in self.places():
            record = read(place)
            found.setdefault(record.spec.digest, record)
        return sorted(found.values(), key=lambda r: (r.spec.benchmark, r.variant_name, r.seed, r.spec.digest))

    def find(self, **wanted: object) -> list[Record]:
        """Return the runs whose fields equal ``wanted``.

        The names are those of :attr:`Record.fields`, and ``variant`` may also be a
        :class:`~lifroles.variant.Variant`. A list or tuple of values means any of them.
        """
        return [record for record in self.all() if all(_matches(record, k, v) for k, v in wanted.items())]


def _matches(record: Record, name: str, wanted: object) -> bool:
    if isinstance(wanted, list | tuple):
        return any(_matches(record, name, one) for one in wanted)
    fields = record.fields
    if name not in fields:
        return False
    return wanted == fields[name] or (name == "variant" and wanted == record.spec.variant)


def read(place: Path) -> Record:
    """Return the record in a run directory, after verifying every file but the weights.

    Raises:
        StoreError: a file is missing, does not have the hash that ``DONE`` says, or cannot be understood.
    """
    mend = "restore it from version control, or delete the folder and run it again"
    try:
        contents: dict[str, Any] = {name: json.loads(data) for name, data in folders.read(place, FILES).items()}
    except StoreError as error:
        raise StoreError(f"{error}: {mend}.") from error
    except (OSError, ValueError) as error:
        raise StoreError(f"The run in {place} cannot be read ({error}): {mend}.") from error
    provenance = contents["provenance.json"]
    try:
        spec = RunSpec.model_validate(contents["spec.json"])
        record = Record(spec=spec, path=place, provenance=provenance, **contents["record.json"])
    except (ValueError, TypeError, AttributeError, LifrolesError) as error:
        what = _first(error)
        raise StoreError(f"The run in {place} cannot be read ({what}): {_writer(provenance)}{mend}.") from error
    if place.name != Path(spec.path).name:
        added = sorted(set(spec.model_dump()["protocol"]) - set(contents["spec.json"]["protocol"]))
        if added:
            raise StoreError(
                f"The run in {place} says nothing of {', '.join(added)}: {_writer(provenance)}delete the folder and "
                "run it again."
            )
        raise StoreError(f"The run in {place} is not the one its name says ({spec.path}): {mend}.")
    return record


def _first(error: Exception) -> str:
    """Return an error as one line; of a validation error what is wrong first."""
    if isinstance(error, ValidationError):
        first = error.errors()[0]
        return f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
    return str(error).splitlines()[0]


def _writer(provenance: Any) -> str:
    """Return which version wrote a record that this one cannot read; nothing where that is this one."""
    versions = provenance.get("versions", {}) if isinstance(provenance, dict) else {}
    version = versions.get("lifroles") if isinstance(versions, dict) else None
    if version in (None, __version__):
        return ""
    return f"it was written by lifroles {version} and this is {__version__}; use that version, or "
