"""What the page shows of networks before training and of trained runs, by network, normalisation and seed."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from lifroles.isometry.initial import MEMORYLESS, Record
from lifroles.paths import results_dir
from lifroles.probes.record import ProbeRecord, find
from lifroles.store import Record as Run
from lifroles.store import Store
from lifroles.study import DEPTHS, NORMS, SCALES, SHORT

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
    """Return a metric by network's title and normalisation, a row a seed; what is missing is left out.

    A gradient is relative to the last block's, and NaN where none comes back.
    """

    def row(case: Case) -> list[float]:
        values = case.row(metric)
        if metric != "gradient":
            return values
        return [v / values[-1] if values[-1] else math.nan for v in values]

    def of(depth: int) -> dict[str, list[list[float]]]:
        return {norm: [row(case) for case in cases[key]] for norm in NORMS if (key := (variant, depth, norm)) in cases}

    return {title(depth): of(depth) for depth in DEPTHS}


def title(depth: int, variant: str = VARIANT) -> str:
    """Return a network's name."""
    return f"ResNet-{depth}" + (", k_tau = 0" if variant == MEMORYLESS else "")


@dataclass(frozen=True)
class Trained:
    """A trained run and what its network does to gradients."""

    run: Run
    depth: int
    norm: str
    probe: ProbeRecord | None

    @property
    def epochs(self) -> int:
        """How long it was trained."""
        return self.run.spec.protocol.model_dump()["epochs"]

    @property
    def case(self) -> Case | None:
        """What the probe found, if it was asked."""
        if self.probe is None:
            return None
        names = ("gradient", "isometry", "spread", "rate")
        return Case(self.run.seed, {name: self.probe.metric(name) for name in names})


def trained(store: Store | None = None) -> list[Trained]:
    """Return the archived runs of the baseline at the archive's scale, by epochs, depth, normalisation and seed.

    Raises:
        StoreError: a record is damaged.
    """
    scale = SCALES["archive"][BENCHMARK]
    schedules = (dict(scale.changes), {**scale.changes, **SHORT})
    depths = {f"resnet{depth}": depth for depth in DEPTHS}
    found: list[Trained] = []
    for run in (store or Store(results_dir())).find(benchmark=BENCHMARK, source=scale.source, status="completed"):
        changes: dict[str, Any] = dict(run.spec.changes())
        norm = changes.pop("norm", NORMS[0])
        network = changes.pop("network", f"resnet{DEPTHS[0]}")
        if run.variant_name == VARIANT and changes in schedules and network in depths:
            asked = find(run, "isometry")
            found.append(Trained(run, depths[network], norm, asked[0] if asked else None))
    return sorted(found, key=lambda one: (one.epochs, one.depth, NORMS.index(one.norm), one.run.seed))


def alike(runs: Sequence[Trained]) -> Cases:
    """Return what was found in the runs of all depths that were trained for the same few epochs."""
    found: dict[tuple[str, int, str], list[Case]] = {}
    for one in runs:
        if one.epochs == SHORT["epochs"] and one.case is not None:
            found.setdefault((VARIANT, one.depth, one.norm), []).append(one.case)
    return found
