"""What the page shows of networks before training and of trained runs, by network, normalisation and seed."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from lifroles.isometry.initial import DEPTHS, MEMORYLESS, NORMS, Record
from lifroles.paths import results_dir
from lifroles.probes.record import ProbeRecord, find
from lifroles.store import Record as Run
from lifroles.store import Store
from lifroles.study import SCALES

BENCHMARK, VARIANT = "cifar10", "baseline"


@dataclass(frozen=True)
class Case:
    """One network: by metric, its values in the order of the blocks, or of the layers."""

    seed: int
    metrics: Mapping[str, Mapping[str, float]]

    def row(self, metric: str) -> list[float]:
        """Return a metric's values in order."""
        return list(self.metrics[metric].values())

    @property
    def growth(self) -> float:
        """By what factor the gradient grows from the end of a block to its beginning, geometric mean over blocks.

        NaN where no gradient comes back.
        """
        return self.whole ** (1 / (len(self.row("gradient")) - 1))

    @property
    def whole(self) -> float:
        """By what factor it grows over all blocks; NaN where none comes back."""
        gradient = self.row("gradient")
        return gradient[0] / gradient[-1] if gradient[-1] else math.nan

    def rates(self) -> tuple[list[float], list[float]]:
        """Return spikes per neuron and step at the end of each block, and inside it on average."""
        blocks: dict[str, list[float]] = {}
        for layer, rate in self.metrics["rate"].items():
            if layer.startswith("block"):
                blocks.setdefault(layer.partition(".")[0], []).append(rate)
        return [rates[-1] for rates in blocks.values()], [float(np.mean(rates[:-1])) for rates in blocks.values()]


Cases = Mapping[tuple[str, int, str], Sequence[Case]]
"""By variant, depth and normalisation: one network a seed."""


def initial(record: Record) -> Cases:
    """Return the networks of the record."""
    found: dict[tuple[str, int, str], list[Case]] = {}
    for one in record["cases"]:
        metrics = {name: one[name] for name in ("gradient", "isometry", "spread", "rate")}
        found.setdefault((one["variant"], one["depth"], one["norm"]), []).append(Case(one["seed"], metrics))
    return found


def rows(cases: Cases, metric: str, variant: str = VARIANT) -> dict[str, dict[str, list[list[float]]]]:
    """Return a metric by network's title and normalisation, a row a seed; a gradient relative to the last block's."""

    def row(case: Case) -> list[float]:
        values = case.row(metric)
        return [v / values[-1] for v in values] if metric == "gradient" else values

    return {
        title(depth): {norm: [row(case) for case in cases[variant, depth, norm]] for norm in NORMS} for depth in DEPTHS
    }


def title(depth: int, variant: str = VARIANT) -> str:
    """Return a network's name."""
    return f"ResNet-{depth}" + (", k_tau = 0" if variant == MEMORYLESS else "")


@dataclass(frozen=True)
class Trained:
    """A trained run and what its network does to gradients."""

    run: Run
    norm: str
    probe: ProbeRecord | None

    @property
    def case(self) -> Case | None:
        """What the probe found, if it was asked."""
        if self.probe is None:
            return None
        names = ("gradient", "isometry", "spread", "rate")
        return Case(self.run.seed, {name: self.probe.metric(name) for name in names})


def trained(store: Store | None = None) -> list[Trained]:
    """Return the archived runs of the baseline at the archive's scale, by normalisation and seed.

    Raises:
        StoreError: a record is damaged.
    """
    scale = SCALES["archive"][BENCHMARK]
    found: list[Trained] = []
    for run in (store or Store(results_dir())).find(benchmark=BENCHMARK, source=scale.source, status="completed"):
        changes: dict[str, Any] = dict(run.spec.changes())
        norm = changes.pop("norm", NORMS[0])
        if run.variant_name == VARIANT and changes == dict(scale.changes):
            asked = find(run, "isometry")
            found.append(Trained(run, norm, asked[0] if asked else None))
    return sorted(found, key=lambda one: (NORMS.index(one.norm), one.run.seed))
