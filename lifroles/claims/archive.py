"""The numbers that claims are about, read from a store of runs and the probes beside them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

from lifroles import paths, probes
from lifroles.baselines import BASELINES
from lifroles.claims import attacked
from lifroles.probes.attack import MAIN
from lifroles.probes.record import ProbeRecord, ProbeSpec, find
from lifroles.spec import RunSpec
from lifroles.store import Record, Store
from lifroles.study import SCALES, Profile
from lifroles.variant import PAPER_VARIANTS


class Stored(ABC):
    """Evidence whose numbers are the records of probes beside its runs."""

    @abstractmethod
    def runs(self, benchmark: str, model: str) -> Sequence[Record]:
        """Return the runs of a model on a benchmark."""

    def numbers(self, run: Record, probe: str, parameters: Mapping[str, Any]) -> Mapping[tuple[str, str], float]:
        """Return what :meth:`probe`'s record holds, by metric and key; empty where there is none."""
        record = self.probe(run, probe, parameters)
        return record.numbers if record else {}

    def probe(self, run: Record, name: str, parameters: Mapping[str, Any]) -> ProbeRecord | None:
        """Return the record of a probe with these parameters beside a run; ``None`` where it was not asked.

        The probe's own values count for the parameters that are not given; where it was not asked with them, the
        first record (by name) that has the given ones is taken.
        """
        found = find(run, name, parameters)
        probe = probes.get(name)
        own = ProbeSpec.of(probe, run.spec, **parameters).digest if probe.covers(run.spec) else None
        return next((one for one in found if one.spec.digest == own), found[0] if found else None)


class Archive(Stored):
    """The runs of one profile of the study (see :data:`lifroles.study.SCALES`), one a model and seed.

    A run at any other scale is no evidence, so that what a claim compares was trained alike.

    Arguments:
        profile: whose scale the runs have.
        store: where to look; the profile's own where not given: ``archive`` reads the committed records.
    """

    def __init__(self, profile: Profile = "archive", store: Store | None = None) -> None:
        self.profile: Profile = profile
        if store is None:
            store = Store(paths.results_dir() if profile == "archive" else paths.runs_dir())
        self._completed = store.find(status="completed")
        self._runs: dict[tuple[str, str], list[Record]] = {}

    def runs(self, benchmark: str, model: str) -> Sequence[Record]:
        """Return the completed runs of a model on a benchmark at the profile's scale, by seed."""
        key = (benchmark, model)
        if key not in self._runs:
            scale = SCALES[self.profile][benchmark]
            known = [r for r in self._completed if r.spec.benchmark == benchmark and r.variant_name == model]
            wanted = {
                seed: RunSpec.of(benchmark, model, seed, scale.source, **scale.changes).digest
                for seed in {r.seed for r in known}
            }
            found = [record for record in known if record.spec.digest == wanted[record.seed]]
            self._runs[key] = sorted(found, key=lambda record: record.seed)
        return self._runs[key]

    def numbers(self, run: Record, probe: str, parameters: Mapping[str, Any]) -> Mapping[tuple[str, str], float]:
        """Return what a probe found; of an attack the means over its seeds on what all networks get right."""
        if probe != "attack":
            return super().numbers(run, probe, parameters)
        return attacked.numbers(self._attacked, run, parameters)

    @cached_property
    def _attacked(self) -> attacked.Attacks:
        models = (*PAPER_VARIANTS, *(name for name, cell in BASELINES.items() if cell.reading == "last"))
        return attacked.on_common([run for m in models for run in self.runs("nmnist", m)], MAIN)
