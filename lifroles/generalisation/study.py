"""Which runs of N-MNIST section 4.2 shows, and what was asked of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np

from lifroles import paper
from lifroles.baselines import BASELINES
from lifroles.benchmarks.nmnist import SIDE
from lifroles.generalisation import networks
from lifroles.generalisation.networks import Networks, Questions, Say, Shown
from lifroles.paper import Reported
from lifroles.parameters import GeneralisationParameters
from lifroles.probes import samples
from lifroles.probes.record import find
from lifroles.probes.resolution import key
from lifroles.spec import RunSpec
from lifroles.statistics import mean_interval
from lifroles.store import Store

Array = np.ndarray[Any, Any]

TRAINED = 3
"""The step length in ms that every network of this section was trained with."""

REAL = "subset"
"""The recordings of the published set that are at hand."""

ASKED: Questions = MappingProxyType(
    dict.fromkeys(("resolution", "gradients", "landscape", "curvature", "features"), ({},))
)
"""What the page is made of."""


@dataclass(frozen=True)
class Row(Networks):
    """One model of Table 7, and what the paper reports for it by step length."""

    reported: Mapping[int, Reported]

    def accuracies(
        self, dt: int, kept: str = "steps", frames: str = "binary", source: str | None = None
    ) -> dict[int, float]:
        """Return the test accuracy at a step length by seed, for the runs that were asked."""
        cell = key(kept, frames, dt)
        found = {}
        for record in self.records:
            for probe in find(record, "resolution", {"source": source}):
                if ("accuracy", cell) in probe.numbers:
                    found[record.seed] = probe.numbers["accuracy", cell]
        return found

    def accuracy(self, dt: int, kept: str = "steps", frames: str = "binary", source: str | None = None) -> Any:
        """Return the mean of :meth:`accuracies` with its interval, or ``None`` where nothing was measured."""
        values = list(self.accuracies(dt, kept, frames, source).values())
        return mean_interval(values) if values else None

    def change(self, dt: int, kept: str = "steps", frames: str = "binary", source: str | None = None) -> Any:
        """Return by how much the accuracy differs from that at 3 ms, paired by seed, or ``None``."""
        there, here = (self.accuracies(one, kept, frames, source) for one in (dt, TRAINED))
        pairs = [there[seed] - here[seed] for seed in there if seed in here]
        return mean_interval(pairs) if pairs else None

    def curve(self, probe: str, metric: str) -> dict[int, float]:
        """Return a metric whose keys are ``t=1`` or ``lag=0``: its mean over runs by that number."""
        found: dict[int, list[float]] = {}
        for record in self.probes(probe):
            for name, value in record.metric(metric).items():
                found.setdefault(int(name.partition("=")[2]), []).append(value)
        return {at: float(np.mean(values)) for at, values in sorted(found.items())}

    def rises(self, radius: float) -> list[float]:
        """Return the mean rise of the loss at a radius, one number a run: the mean over pairs of directions."""
        means = []
        for record in self.probes("landscape"):
            ends = f"/radius={radius:g}"
            values = [v for k, v in record.metric("rise").items() if k.endswith(ends)]
            if values:
                means.append(float(np.mean(values)))
        return means


@dataclass(frozen=True)
class Plane:
    """The loss ``[n, n]`` in a plane around the trained weights of one run, at the coordinates ``line`` ``[n]``."""

    model: str
    seed: int
    pair: int
    line: Array
    loss: Array


@dataclass(frozen=True)
class Study(Shown):
    """Everything section 4.2 shows. ``controls`` are the cells without spikes, read as a mean over time."""

    parameters: GeneralisationParameters
    rows: tuple[Row, ...]
    controls: tuple[Row, ...]

    @property
    def models(self) -> Sequence[Networks]:
        return self.rows

    def row(self, model: str) -> Row | None:
        """Return the row of a model, if it is shown."""
        return next((row for row in self.rows if row.model == model), None)

    @property
    def reading(self) -> str:
        """What stays as trained in the reading of Table 7 that lies nearer to the paper: ``duration`` or ``steps``."""
        gaps = {kept: gap[0] for kept in ("steps", "duration") if (gap := self.distance(kept)) is not None}
        return min(gaps, key=gaps.__getitem__, default="steps")

    def distance(self, kept: str, spiking: bool | None = None) -> tuple[float, int] | None:
        """Return how far the accuracies lie from the paper's, mean absolute difference, and of how many cells.

        Only cells of other step lengths than the one trained with count.

        Arguments:
            kept: what stays as trained, ``"steps"`` or ``"duration"``.
            spiking: the spiking networks alone, or the others alone; all where ``None``.
        """
        gaps = [
            abs(found.mean - reported.value)
            for row in self.rows
            for dt, reported in row.reported.items()
            if spiking in (None, row.model not in BASELINES)
            and dt != TRAINED
            and (found := row.accuracy(dt, kept)) is not None
        ]
        return (float(np.mean(gaps)), len(gaps)) if gaps else None


def collect(p: GeneralisationParameters, say: Say = print, store: Store | None = None) -> Study:
    """Return the runs that the page shows, with the answers beside them (see :func:`.networks.collect`)."""
    known = networks.collect(p, ASKED, say, store)

    def row(model: str) -> Row:
        return Row(model, networks.of_model(known, model), paper.TABLE7.get(model, MappingProxyType({})))

    controls = tuple(row(name) for name in BASELINES if name.endswith("_mean") and name[: -len("_mean")] in p.models)
    return Study(p, tuple(row(model) for model in p.models), controls)


def frames(p: GeneralisationParameters) -> dict[int, np.ndarray]:
    """Return one recording of the simulated camera as frames ``[15, 2, 34, 34]`` by step length in ms (Fig. 5)."""
    count = p.digit + 1
    spec = RunSpec.of("nmnist", "baseline", 0, "saccades-5k", train_samples=1, test_samples=count)
    shown = {}
    for dt in paper.TABLE7_DTS:
        part = samples.part(spec, "Test", dt=float(dt), values="counts")
        (batch,) = samples.batches(part, np.array([p.digit]))()
        x = batch.inputs if not hasattr(batch.inputs, "dense") else batch.inputs.dense()
        shown[dt] = x[:, 0].numpy().reshape(-1, 2, SIDE, SIDE)
    return shown
