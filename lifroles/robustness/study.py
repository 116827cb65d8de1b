"""Which networks section 4.3 attacks, how, and at what cost, on the recordings that all of them get right."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType
from typing import Any

import numpy as np

from lifroles.generalisation import networks
from lifroles.generalisation.networks import Networks, Questions, Say, Shown
from lifroles.parameters import RobustnessParameters
from lifroles.probes.attack import PROBE
from lifroles.probes.record import ProbeRecord, choose, find
from lifroles.statistics import Interval
from lifroles.store import Record, Store

Array = np.ndarray[Any, Any]

ENTRIES = 15 * 2312
"""Entries of a recording: steps times channels."""

ATTACKS: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {
        "liang": {},
        "gradient": {"attack": "gradient"},
        "smooth": {"attack": "gradient", "smooth": 2.0},
        "chance": {"attack": "chance"},
        "fine": {"scale": 0.1},
        "threshold": {"penultimate_threshold": 1.0},
        "wide": {"attack": "gradient", "width": 0.5},
        "black_box": {"attack": "black_box"},
    }
)
"""Every attack by its name on the page, as the changes of the probe's parameters. Those after ``chance`` are variations
of the others that tell whether a network is robust or its attack weak."""

VARIATIONS = tuple(ATTACKS)[4:]

TRANSFERRED = ("liang", "smooth")
"""The attacks whose recordings are given to other networks than the one that they were made against."""

_LIMITS = frozenset({"samples", "each", "seed", "cap", "most", "queries"})
"""Parameters of an attack that do not make it another one."""

ASKED: Questions = MappingProxyType(
    {
        "attack": (
            {"attack": "gradient"},
            {"attack": "gradient", "smooth": 2.0},
            *({"attack": name, "seed": seed} for name in ("liang", "chance") for seed in range(3)),
        ),
        "attack_steps": ({},),
        "corruption": ({},),
    }
)
"""What the page is made of."""

ONCE: Questions = MappingProxyType(
    {name: tuple(changes for changes in asked if not changes.get("seed")) for name, asked in ASKED.items()}
)
"""The same with one seed of the attacks, for toy scale."""


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


@dataclass(frozen=True)
class Study(Shown):
    """Everything section 4.3 shows.

    Arguments:
        rows: the models of the page.
        sweep: runs that differ in k_tau alone (feed-forward, hard reset), by k_tau.
    """

    parameters: RobustnessParameters
    rows: tuple[Networks, ...]
    sweep: Mapping[float, tuple[Record, ...]]

    @property
    def models(self) -> Sequence[Networks]:
        return self.rows

    @cached_property
    def attacked(self) -> Mapping[tuple[str, str, int], list[Attacked]]:
        """Every attack by model, attack and network seed, one an attack seed, on the :attr:`common` samples."""
        everything: dict[tuple[str, str, int], list[Attacked]] = {}
        runs = [*self.records, *(run for runs in self.sweep.values() for run in runs)]
        for run in {run.spec.digest: run for run in runs}.values():
            for record in find(run, "attack"):
                name = kind(record)
                if name is not None and record.numbers["samples", "all"]:
                    everything.setdefault((run.variant_name, name, run.seed), []).append(Attacked.of(record))
        common = shared({key: found for key, found in everything.items() if key[1] in self.parameters.attacks})
        return {key: [one.only(common[key[2]]) for one in found] for key, found in everything.items()}

    @property
    def common(self) -> dict[int, int]:
        """How many recordings all networks of a seed get right and were attacked on, by seed."""
        return {key[2]: len(found[0].samples) for key, found in self.attacked.items()}

    def values(self, model: str, attack: str, what: str) -> dict[int, float]:
        """Return a measure by network seed: the mean over attack seeds; see :meth:`Attacked.measure`."""
        found = {}
        for (one, name, seed), attacked in self.attacked.items():
            if (one, name) == (model, attack):
                values = [value for a in attacked if (value := a.measure(what)) is not None]
                if values:
                    found[seed] = statistics.fmean(values)
        return found

    def value(self, model: str, attack: str, what: str) -> Interval | None:
        """Return the mean of :meth:`values` over network seeds with its interval, or ``None``."""
        return networks.interval(list(self.values(model, attack, what).values()))

    def ratio(self, model: str, other: str, attack: str) -> Interval | None:
        """Return how many times the flips of another model it takes, as a logarithm, paired by network seed.

        Of each seed only the recordings count on which both models were fooled: which ones fail is not by chance.
        """
        pairs = []
        for (one, name, seed), attacked in self.attacked.items():
            rest = self.attacked.get((other, attack, seed))
            if (one, name) != (model, attack) or not rest:
                continue
            mine, theirs = (np.stack([a.fooled_flips() for a in found]).mean(0) for found in (attacked, rest))
            both = np.isfinite(mine) & np.isfinite(theirs)
            if both.any():
                pairs.append(float(np.log(mine[both].mean() / theirs[both].mean())))
        return networks.interval(pairs)

    def in_time(self, model: str, attack: str) -> Array | None:
        """Return the share of all flips that fall on each time step ``[T]``, mean over networks, or ``None``."""
        shares = []
        for (one, name, _), attacked in self.attacked.items():
            if (one, name) == (model, attack):
                steps = sum(a.steps[a.success].sum(0) for a in attacked)
                if np.sum(steps):
                    shares.append(steps / np.sum(steps))
        return np.mean(shares, 0) if shares else None

    def transfer(self, model: str, other: str, attack: str = "liang", what: str = "fooled") -> Interval | None:
        """Return how many recordings that fool a model fool another of the same seed, mean over seeds, or ``None``.

        Arguments:
            model: what the recordings were made against.
            other: what meets them.
            attack: how they were made, one of :data:`TRANSFERRED`.
            what: ``fooled``, or ``chance``: by as many flips in random places.
        """
        made = {"attack": "liang", "smooth": None, **ATTACKS[attack]}
        digests = {run.spec.digest: run.seed for run in self.runs("nmnist", other)}
        found = [
            record.numbers[what, digest]
            for run in self.runs("nmnist", model)
            for record in find(run, "transfer", made)[:1]
            for digest, seed in digests.items()
            if seed == run.seed and (what, digest) in record.numbers
        ]
        return networks.interval(found)

    def corruption(self, records: Sequence[Record], kind: str) -> dict[float, dict[int, float]]:
        """Return the accuracy of runs by strength of a corruption, then by seed; strength 0 is the clean recording."""
        found: dict[float, dict[int, float]] = {}
        for run in records:
            for probe in find(run, "corruption")[:1]:
                for key, value in probe.metric("accuracy").items():
                    name, _, strength = key.partition("/")
                    if name in (kind, "none"):
                        found.setdefault(float(strength), {})[run.seed] = value
        return dict(sorted(found.items()))

    def numbers(self, run: Record, probe: str, parameters: Mapping[str, Any]) -> Mapping[tuple[str, str], float]:
        """Return what a probe found; of an attack the means over its seeds on the :attr:`common` recordings."""
        if probe != "attack":
            return super().numbers(run, probe, parameters)
        name = next((n for n, changes in ATTACKS.items() if _same(changes, parameters)), "")
        found = {what: self.values(run.variant_name, name, what).get(run.seed) for what in ("fraction", "flips", "l2")}
        return {(what, "all"): value for what, value in found.items() if value is not None}


def kind(record: ProbeRecord) -> str | None:
    """Return which of :data:`ATTACKS` a record is of, or ``None``."""
    return next((name for name, changes in ATTACKS.items() if _same(changes, record.spec.parameters)), None)


def _same(changes: Mapping[str, Any], parameters: Mapping[str, Any]) -> bool:
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


def collect(p: RobustnessParameters, say: Say = print, store: Store | None = None) -> Study:
    """Return the runs that the page shows, with the answers beside them.

    See :func:`lifroles.generalisation.networks.collect`.
    """
    known = networks.collect(p, ONCE if p.profile == "smoke" else ASKED, say, store)
    sweep: dict[float, list[Record]] = {}
    for run in known:
        variant: Any = run.spec.variant
        plain = getattr(variant, "reset", None) == "hard" and not variant.recurrent
        if plain and isinstance(variant.leak, float):
            sweep.setdefault(variant.leak, []).append(run)
    rows = tuple(Networks(model, networks.of_model(known, model)) for model in p.models)
    return Study(p, rows, {k: tuple(sweep[k]) for k in sorted(sweep)})
