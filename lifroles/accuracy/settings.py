"""Runs that change one choice of the protocol: which they are, and their numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from lifroles import benchmarks
from lifroles.probes.record import find
from lifroles.store import Record

SILENT = 0.001
"""A layer counts as silent below so many spikes per neuron and step."""

LEARNED = 0.03
"""An accuracy counts as learned from so far above chance on, as in the ledger of claims."""


@dataclass(frozen=True)
class Setting:
    """Runs that differ in seed alone.

    Arguments:
        label: what is special about them.
        benchmark, variant, source: as in :class:`~lifroles.spec.RunSpec`.
        changes: what they change in the full protocol.
        epochs: the epoch whose numbers are shown; a longer run with the same schedule is cut there.
    """

    label: str
    benchmark: str
    variant: str
    source: str
    changes: Mapping[str, Any]
    epochs: int

    def records(self, known: Sequence[Record]) -> list[Record]:
        """Return its completed runs among those known, by seed; of a seed the one that was trained longest."""
        wanted = {k: v for k, v in self.changes.items() if k != "epochs"}
        found: dict[int, Record] = {}
        for record in known:
            spec = record.spec
            same = (spec.benchmark, record.variant_name, spec.source) == (self.benchmark, self.variant, self.source)
            if not same or record.status != "completed" or record.epochs < self.epochs:
                continue
            if {k: v for k, v in spec.changes().items() if k != "epochs"} != wanted:
                continue
            if spec.seed not in found or record.epochs > found[spec.seed].epochs:
                found[spec.seed] = record
        return [found[seed] for seed in sorted(found)]


@dataclass(frozen=True)
class Outcome:
    """A setting with its runs; each property is one number a seed, after the setting's epochs."""

    setting: Setting
    records: Sequence[Record]

    def _at(self, series: str) -> list[float]:
        return [float(r.history[series][self.setting.epochs - 1]) for r in self.records]

    @property
    def test(self) -> list[float]:
        return self._at("test_accuracy")

    @property
    def train(self) -> list[float]:
        return self._at("train_accuracy")

    @property
    def rate(self) -> list[float]:
        """Spikes per neuron and step of the first hidden layer."""
        return [float(r.history["spike_rate"]["hidden1"][self.setting.epochs - 1]) for r in self.records]

    @property
    def silent_classes(self) -> list[int]:
        """Class units that never fire on the test set after the last epoch; of the seeds whose rates were asked."""
        answers = [find(r, "rates") for r in self.records]
        return [int((some[0].array("rate_output") == 0).sum()) for some in answers if some]

    @property
    def by_seed(self) -> dict[int, float]:
        return dict(zip((r.seed for r in self.records), self.test, strict=True))

    @property
    def mean(self) -> float:
        return fmean(self.test)

    @property
    def learned(self) -> bool:
        return self.mean > benchmarks.get(self.setting.benchmark).chance + LEARNED
