"""Which networks section 4.3 attacks, how, and at what cost, on the recordings that all of them get right."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType
from typing import Any

import numpy as np

from lifroles.claims.attacked import Array, Attacks, numbers, on_common, values
from lifroles.generalisation import networks
from lifroles.generalisation.networks import Networks, Questions, Say, Shown
from lifroles.parameters import RobustnessParameters
from lifroles.probes.attack import ATTACKS, TRANSFERRED
from lifroles.probes.record import find
from lifroles.robustness.sweep import Sweep
from lifroles.statistics import Interval
from lifroles.store import Record, Store

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


@dataclass(frozen=True, slots=True)
class Transfer:
    """Recordings made against one network and given to another.

    Arguments:
        attack: how they were made, one of :data:`.attack.TRANSFERRED`.
        made: the model that they were made against.
        met: the model that they were given to.
        seed: of both networks.
        fooled: share of the recordings that ``met`` gets right and that fool it.
        chance: the same of as many flips in random places.
        flips: mean number of flips.
    """

    attack: str
    made: str
    met: str
    seed: int
    fooled: float
    chance: float
    flips: float


@dataclass(frozen=True)
class Study(Shown):
    """Everything section 4.3 shows.

    Arguments:
        rows: the models of the page.
        sweep: those that differ in k_tau alone.
    """

    parameters: RobustnessParameters
    rows: tuple[Networks, ...]
    sweep: Sweep

    @property
    def models(self) -> Sequence[Networks]:
        return self.rows

    @cached_property
    def attacked(self) -> Attacks:
        """Every attack on the models of the page, on the :attr:`common` recordings."""
        return on_common(self.records, self.parameters.attacks, self.parameters.limits)

    @property
    def common(self) -> dict[int, int]:
        """How many recordings all networks of a seed get right and were attacked on, by seed."""
        return {key[2]: len(found[0].samples) for key, found in self.attacked.items()}

    def values(self, model: str, attack: str, what: str) -> dict[int, float]:
        """Return a measure by network seed: the mean over attack seeds; see :meth:`Attacked.measure`."""
        return values(self.attacked, model, attack, what)

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

    @cached_property
    def transfers(self) -> Sequence[Transfer]:
        """What was made against one network of the page and given to another of the same seed."""
        of = {run.spec.digest: (row.model, run.seed) for row in self.rows for run in row.records}
        asked = {attack: {"attack": "liang", "smooth": None, **ATTACKS[attack]} for attack in TRANSFERRED}
        found: dict[tuple[str, str, str, int], Transfer] = {}
        for (attack, made), run in itertools.product(asked.items(), self.records):
            model, seed = of[run.spec.digest]
            # several records of a run name other networks each
            for record in find(run, "transfer", made):
                for (what, digest), fooled in record.numbers.items():
                    if what == "fooled" and of.get(digest, ("", -1))[1] == seed:
                        chance, flips = record.numbers["chance", digest], record.numbers["flips", "all"]
                        pair = attack, model, of[digest][0], seed
                        found.setdefault(pair, Transfer(*pair, fooled, chance, flips))
        return tuple(found.values())

    def transfer(self, model: str, other: str, attack: str = "liang", what: str = "fooled") -> Interval | None:
        """Return how many recordings that fool a model fool another of the same seed, mean over seeds, or ``None``.

        Arguments:
            model: what the recordings were made against.
            other: what meets them.
            attack: how they were made, one of :data:`.attack.TRANSFERRED`.
            what: ``fooled``, ``chance`` or ``flips``, see :class:`Transfer`.
        """
        wanted = attack, model, other
        return networks.interval([getattr(t, what) for t in self.transfers if (t.attack, t.made, t.met) == wanted])

    def numbers(self, run: Record, probe: str, parameters: Mapping[str, Any]) -> Mapping[tuple[str, str], float]:
        """Return what a probe found; of an attack the means over its seeds on the :attr:`common` recordings."""
        if probe != "attack":
            return super().numbers(run, probe, parameters)
        return numbers(self.attacked, run, parameters)


def collect(p: RobustnessParameters, say: Say = print, store: Store | None = None) -> Study:
    """Return the runs that the page shows, with the answers beside them.

    See :func:`lifroles.generalisation.networks.collect`.
    """
    asked = ONCE if p.profile == "smoke" else ASKED
    attacks = tuple({**changes, **p.limits} for changes in asked["attack"])
    known = networks.collect(p, {**asked, "attack": attacks}, say, store)
    rows = tuple(Networks(model, networks.of_model(known, model)) for model in p.models)
    return Study(p, rows, Sweep.of(known, p.attacks, p.limits))
