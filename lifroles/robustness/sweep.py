"""The leakage coefficient in small steps: networks of section 4.3 that differ in k_tau alone."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from scipy import stats

from lifroles import prose
from lifroles.claims.attacked import Attacked, corruption, on_common, values
from lifroles.generalisation.networks import NOT_RUN
from lifroles.store import Record

FEWEST = 4
"""Values of k_tau that make a sweep."""

Strength = tuple[str, float]
"""A corruption and how strong it is."""

STRENGTHS: Mapping[str, Strength] = {
    "clean": ("noise", 0.0),
    "3% noise": ("noise", 0.03),
    "half lost": ("drop", 0.5),
}
"""What the figure shows of corruptions, by its label."""


@dataclass(frozen=True)
class Sweep:
    """Feed-forward networks with hard reset, by k_tau, ascending; every value has the same seeds.

    Arguments:
        runs: by k_tau.
        attacks: those that are shown.
        limits: what they have to have been made with, see :func:`on_common`.
    """

    runs: Mapping[float, tuple[Record, ...]]
    attacks: Sequence[str]
    limits: Mapping[str, int]

    @classmethod
    def of(cls, records: Iterable[Record], attacks: Sequence[str], limits: Mapping[str, int]) -> Sweep:
        """Take from all runs those that belong to the sweep, of the seeds that every value of k_tau has."""
        found: dict[float, dict[int, Record]] = {}
        for run in records:
            variant: Any = run.spec.variant
            plain = getattr(variant, "reset", None) == "hard" and not variant.recurrent
            if plain and isinstance(variant.leak, float):
                found.setdefault(variant.leak, {})[run.seed] = run
        seeds = sorted(set.intersection(*map(set, found.values()))) if found else []
        runs = {k: tuple(found[k][seed] for seed in seeds) for k in sorted(found)} if seeds else {}
        return cls(runs, attacks, limits)

    @property
    def records(self) -> list[Record]:
        """All runs."""
        return [run for runs in self.runs.values() for run in runs]

    @cached_property
    def attacked(self) -> Mapping[tuple[str, str, int], list[Attacked]]:
        """The attacks on the recordings that all networks of the sweep get right; see :func:`on_common`."""
        return on_common(self.records, self.attacks, self.limits)

    def flips(self, attack: str) -> dict[float, float]:
        """Return the mean number of flips by k_tau, where the attack was made."""
        found = {k: values(self.attacked, runs[0].variant_name, attack, "flips") for k, runs in self.runs.items()}
        return {k: statistics.fmean(some.values()) for k, some in found.items() if some}

    def accuracy(self, kind: str, strength: float) -> dict[float, float]:
        """Return the accuracy on corrupted recordings by k_tau, where it was measured; strength 0: on clean ones."""
        found = {k: corruption(runs, kind).get(strength) for k, runs in self.runs.items()}
        return {k: statistics.fmean(some.values()) for k, some in found.items() if some}


def caption(sweep: Sweep) -> str:
    """Return what the sweep shows, or that it was not run."""
    if len(sweep.runs) < FEWEST:
        return f"Sweep of k_tau: {NOT_RUN} beyond the paper's own values."
    some = next(iter(sweep.runs.values()))
    seeds = f"seed{'s' if len(some) > 1 else ''} {prose.listed(str(run.seed) for run in some)}"
    said = [f"Feed-forward networks with hard reset at {len(sweep.runs)} values of k_tau ({seeds})."]
    for label, (kind, strength) in STRENGTHS.items():
        said += _found(sweep.accuracy(kind, strength), f"Accuracy ({label})", lambda v: prose.percent(v))
    for attack in sweep.attacks:
        said += _found(sweep.flips(attack), f"Flips ({attack})", lambda v: f"{v:,.0f}")
    return " ".join(said)


def _found(by_k: Mapping[float, float], what: str, show: Any) -> list[str]:
    """Return the ends of a curve, and whether it rises or falls with k_tau."""
    if len(by_k) < FEWEST:
        return []
    low, high = min(by_k, key=by_k.__getitem__), max(by_k, key=by_k.__getitem__)
    if by_k[low] == by_k[high]:
        return [f"{what}: {show(by_k[low])} at every value."]
    rank = float(np.asarray(stats.spearmanr(list(by_k), list(by_k.values())))[0])
    sign = "\N{MINUS SIGN}" if rank < 0 else ""
    return [
        f"{what}: {show(by_k[low])} at {low:g} to {show(by_k[high])} at {high:g}, rank correlation with k_tau "
        f"{sign}{abs(rank):.2f}."
    ]
