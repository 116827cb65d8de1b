"""Attacks on a network, sample by sample, and how they are compared: on the recordings that all networks get right."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from lifroles.probes.attack import ATTACKS, PROBE
from lifroles.probes.record import ProbeRecord, choose, find
from lifroles.store import Record

Array = np.ndarray[Any, Any]
Attacks = Mapping[tuple[str, str, int], list["Attacked"]]
"""By model, attack and network seed, one for each seed of the attack."""

ENTRIES = 15 * 2312
"""Entries of a recording: steps times channels."""

_LIMITS = frozenset({"samples", "each", "seed", "cap", "most", "queries"})
"""Parameters of an attack that do not make it another one."""


@dataclass(frozen=True)
class Attacked:
    """One attack on one network, sample by sample ``[S]``.

    Arguments:
        samples: positions in the test set, all of them classified correctly before.
        success: whether the network was fooled.
        flips, insertions: entries changed, and spikes added among them.
        iterations, vanished: steps of the attack, and those that found no gradient.
        steps: the flips of each time step ``[S, T]``.
    """

    samples: Array
    labels: Array
    success: Array
    flips: Array
    insertions: Array
    iterations: Array
    vanished: Array
    steps: Array

    @classmethod
    def of(cls, record: ProbeRecord) -> Attacked:
        """Read the arrays of a record of the attack probe."""
        return cls(**{name: record.array(name) for name in cls.__dataclass_fields__})

    def only(self, samples: Array) -> Attacked:
        """Return the attack on these samples alone."""
        mine = np.isin(self.samples, samples)
        return Attacked(**{name: getattr(self, name)[mine] for name in self.__dataclass_fields__})

    def fooled_flips(self) -> Array:
        """Return the flips of each sample, infinite where the network was not fooled ``[S]``."""
        return np.where(self.success, self.flips.astype(float), np.inf)

    def measure(self, what: str) -> float | None:
        """Return a number; ``None`` where there is no sample, or none was fooled and it is a mean over those that were.

        ``success``: share of samples fooled; ``vanished``: share of a sample's iterations without a gradient, mean
        over samples; ``iterations``: mean. Over successes: ``flips``, ``fraction`` (of entries, the mean squared
        change), ``l2`` and ``inserted`` (share of the flips), means.
        """
        if not self.success.size:
            return None
        if what == "success":
            return float(self.success.mean())
        if what == "vanished":
            # A recording that is never fooled has many more iterations, so each counts alike.
            return float((self.vanished / np.maximum(self.iterations, 1)).mean())
        if what == "iterations":
            return float(self.iterations.mean())
        flips = self.flips[self.success].astype(float)
        if not flips.size:
            return None
        if what == "inserted":
            return float(self.insertions[self.success].sum() / flips.sum()) if flips.any() else None
        return float({"flips": flips, "fraction": flips / ENTRIES, "l2": np.sqrt(flips)}[what].mean())


def kind(record: ProbeRecord) -> str | None:
    """Return which of :data:`ATTACKS` a record is of, or ``None``."""
    return next((name for name, changes in ATTACKS.items() if same(changes, record.spec.parameters)), None)


def same(changes: Mapping[str, Any], parameters: Mapping[str, Any]) -> bool:
    """Return whether a record's parameters are those of an attack, but for its recordings, its seed and its limits."""
    own = choose(PROBE, {}).model_dump(mode="json")
    return all(
        parameters.get(name, value) == changes.get(name, value) for name, value in own.items() if name not in _LIMITS
    )


def shared(everything: Mapping[tuple[str, str, int], Sequence[Attacked]]) -> dict[int, Array]:
    """Return by network seed the recordings that were attacked in every network of that seed."""
    found: dict[int, Array] = {}
    for (_, _, seed), attacked in everything.items():
        for one in attacked:
            found[seed] = np.intersect1d(found[seed], one.samples) if seed in found else one.samples
    return found


def on_common(runs: Iterable[Record], attacks: Sequence[str], limits: Mapping[str, int] | None = None) -> Attacks:
    """Return the attacks on runs, of each seed on the recordings that were attacked in all of its networks.

    Arguments:
        attacks: whose recordings count, by their names in :data:`ATTACKS`.
        limits: parameters that an attack has to have been made with.
    """
    everything: dict[tuple[str, str, int], list[Attacked]] = {}
    for run in {run.spec.digest: run for run in runs}.values():
        for record in find(run, "attack", limits):
            name = kind(record)
            if name is not None and record.numbers["samples", "all"]:
                everything.setdefault((run.variant_name, name, run.seed), []).append(Attacked.of(record))
    # Of a seed that met other attacks alone, the recordings that those share.
    common = shared(everything) | shared({key: found for key, found in everything.items() if key[1] in attacks})
    return {key: [one.only(common[key[2]]) for one in found] for key, found in everything.items()}


def values(attacked: Attacks, model: str, attack: str, what: str) -> dict[int, float]:
    """Return a measure by network seed: the mean over attack seeds; see :meth:`Attacked.measure`."""
    found = {}
    for (one, name, seed), some in attacked.items():
        if (one, name) == (model, attack):
            measured = [value for a in some if (value := a.measure(what)) is not None]
            if measured:
                found[seed] = statistics.fmean(measured)
    return found


def numbers(attacked: Attacks, run: Record, parameters: Mapping[str, Any]) -> dict[tuple[str, str], float]:
    """Return what an attack cost on a run, by metric and key ``all``: means over the seeds of the attack."""
    name = next((n for n, changes in ATTACKS.items() if same(changes, parameters)), "")
    found = {what: values(attacked, run.variant_name, name, what).get(run.seed) for what in ("fraction", "flips", "l2")}
    return {(what, "all"): value for what, value in found.items() if value is not None}


def corruption(records: Sequence[Record], kind: str) -> dict[float, dict[int, float]]:
    """Return the accuracy of runs by strength of a corruption, then by seed; strength 0 is the clean recording."""
    found: dict[float, dict[int, float]] = {}
    for run in records:
        for probe in find(run, "corruption")[:1]:
            for key, value in probe.metric("accuracy").items():
                name, _, strength = key.partition("/")
                if name in (kind, "none"):
                    found.setdefault(float(strength), {})[run.seed] = value
    return dict(sorted(found.items()))
