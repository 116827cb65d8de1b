"""How long a run is expected to take, told from the wall times that other runs recorded."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from lifroles import provenance
from lifroles.spec import RunSpec
from lifroles.store import Record

START_SECONDS = 5.0
"""From the start of a process to its first batch: imports, compiled loops, data. A typical value."""

_UNRELATED = frozenset({"epochs", "lr", "lr_leak", "lr_step", "lr_gamma", "test_samples", "valid_samples"})
"""Protocol fields that change an epoch's time not at all, or little."""


@dataclass(frozen=True)
class Expectation:
    """The expected wall time of a run, ``None`` where no record tells, and what it was told from."""

    seconds: float | None
    basis: str


class Durations:
    """What the recorded runs say of the time that others take.

    Arguments:
        records: finished runs. Those from a processor like this one's come first, where there are any.
        processor: this machine's processor, by its model name.
    """

    def __init__(self, records: Iterable[Record], processor: str | None = None) -> None:
        here = processor or provenance.processor()
        timed = [r for r in records if r.status == "completed" and r.epochs and r.provenance.get("wall_seconds")]
        own = [r for r in timed if r.provenance.get("processor") == here]
        self._records = own or timed
        self._where = "" if own or not timed else ", on another processor"

    def expect(self, spec: RunSpec) -> Expectation:
        """Return what a run is expected to take.

        Runs that differ only in seed and number of epochs tell most; then those of other models; then those of
        another size, scaled by samples times time steps.
        """
        protocol: Any = spec.protocol
        same = [r for r in self._records if _setting(r.spec) == _setting(spec)]
        own = [r for r in same if r.spec.variant == spec.variant]
        for found, words in ((own, "of the same model"), (same, "of other models")):
            if found:
                return self._expectation([_per_epoch(r) * protocol.epochs for r in found], words)
        size = _size(spec)
        scaled = [
            _per_epoch(r) * protocol.epochs * size / other
            for r in self._records
            if r.spec.benchmark == spec.benchmark and size and (other := _size(r.spec))
        ]
        if scaled:
            return self._expectation(scaled, "of another size, scaled")
        return Expectation(None, f"no run of {spec.benchmark} on {spec.source} data is recorded")

    def _expectation(self, seconds: Sequence[float], words: str) -> Expectation:
        mean = sum(seconds) / len(seconds)
        return Expectation(START_SECONDS + mean, f"recorded runs {words}{self._where}")


def _per_epoch(record: Record) -> float:
    return float(record.provenance["wall_seconds"]) / record.epochs


def _setting(spec: RunSpec) -> tuple[object, ...]:
    """Return what decides the work of an epoch, but for the model."""
    fields = sorted((k, v) for k, v in spec.changes().items() if k not in _UNRELATED)
    return spec.benchmark, spec.source, tuple(fields)


def _size(spec: RunSpec) -> float | None:
    """Return the samples of an epoch times the time steps, or ``None`` where the spec alone does not tell."""
    protocol: Any = spec.protocol
    if hasattr(protocol, "iterations"):
        samples = protocol.iterations * protocol.batch_size
    elif protocol.train_samples is not None:
        samples = protocol.train_samples
    elif spec.source == "official":
        samples = spec.task.facts.samples["train"]
    else:
        return None
    return samples * getattr(protocol, "steps", protocol.T)
