"""Which runs of N-MNIST section 4.2 shows, and what was asked of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np

from lifroles import paper, probes, training
from lifroles.baselines import BASELINE_LABELS, BASELINES
from lifroles.benchmarks.nmnist import SIDE
from lifroles.paper import Reported
from lifroles.parameters import GeneralisationParameters
from lifroles.paths import results_dir, runs_dir
from lifroles.probes import samples
from lifroles.probes.record import ProbeRecord, find
from lifroles.probes.resolution import key
from lifroles.spec import RunSpec
from lifroles.statistics import Interval, mean_interval
from lifroles.store import Record, Store
from lifroles.study import SCALES
from lifroles.variant import VARIANT_LABELS

Say = Callable[[str], None]

TRAINED = 3
"""The step length in ms that every network of this section was trained with."""

REAL = "subset"
"""The recordings of the published set that are at hand."""

SOURCES: Mapping[str, str] = MappingProxyType({"archive": "saccades", "smoke": "saccades-5k", "paper": "official"})
"""The data source of each profile's runs."""

TOY: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {
        "resolution": {"frames": ["binary"]},
        "gradients": {"samples": 50},
        "landscape": {"seeds": [0], "grid": 5, "angles": 4, "samples": 50},
        "features": {"each": 10, "seeds": [0, 1], "moved": [10.0]},
    }
)
"""What the smoke profile changes in each probe."""

LABELS: Mapping[str, str] = MappingProxyType({**VARIANT_LABELS, **BASELINE_LABELS})


@dataclass(frozen=True)
class Row:
    """One model of Table 7: its runs by seed, and what the paper reports for it by step length."""

    model: str
    records: tuple[Record, ...]
    reported: Mapping[int, Reported]

    def probes(self, name: str, **parameters: object) -> list[ProbeRecord]:
        """Return one record of a probe a run, for the runs that have one with these parameters."""
        found = (find(record, name, parameters) for record in self.records)
        return [some[0] for some in found if some]

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
class Study:
    """Everything section 4.2 shows. ``controls`` are the cells without spikes, read as a mean over time."""

    parameters: GeneralisationParameters
    source: str
    rows: tuple[Row, ...]
    controls: tuple[Row, ...]

    @property
    def records(self) -> list[Record]:
        """The runs of the rows of Table 7."""
        return [record for row in self.rows for record in row.records]

    def row(self, model: str) -> Row | None:
        """Return the row of a model, if it is shown."""
        return next((row for row in self.rows if row.model == model), None)

    def distance(self, kept: str) -> tuple[float, int] | None:
        """Return how far the accuracies lie from the paper's, mean absolute difference, and of how many cells.

        Only cells of other step lengths than the one trained with count.
        """
        gaps = [
            abs(found.mean - reported.value)
            for row in self.rows
            for dt, reported in row.reported.items()
            if dt != TRAINED and (found := row.accuracy(dt, kept)) is not None
        ]
        return (float(np.mean(gaps)), len(gaps)) if gaps else None


def interval(values: Sequence[float]) -> Interval | None:
    """Return a mean with its interval, or ``None`` for no values."""
    return mean_interval(values) if values else None


def collect(p: GeneralisationParameters, say: Say = print, store: Store | None = None) -> Study:
    """Return the runs that the page shows, with the answers beside them.

    The archive is only read, and what it lacks is a gap of the page. The other profiles train what their store has
    not, and ask each run every question.

    Arguments:
        p: the page's parameters.
        say: told what is being trained and asked, line by line.
        store: where to look, and to write to, in place of the profile's own.

    Raises:
        StoreError: a run or an answer is damaged.
        DataError: data to train on are missing.
    """
    source = SOURCES[p.profile]
    if p.profile == "archive":
        known = [r for r in (store or Store(results_dir())).find(benchmark="nmnist", source=source, status="completed")]
        known = [r for r in known if not r.spec.changes() and (p.seeds is None or r.seed in p.seeds)]
    else:
        known = _asked(p, source, store or Store(runs_dir()), say)

    def row(model: str) -> Row:
        runs = sorted((r for r in known if r.variant_name == model), key=lambda r: r.seed)
        return Row(model, tuple(runs), paper.TABLE7.get(model, MappingProxyType({})))

    controls = tuple(row(name) for name in BASELINES if name.endswith("_mean") and name[: -len("_mean")] in p.models)
    return Study(p, source, tuple(row(model) for model in p.models), controls)


def _asked(p: GeneralisationParameters, source: str, store: Store, say: Say) -> list[Record]:
    """Train every model with every seed, and ask each run every question."""
    smoke = p.profile == "smoke"
    scale = SCALES["smoke" if smoke else "paper"]["nmnist"]
    done = []
    for seed in range(scale.seeds) if p.seeds is None else p.seeds:
        for model in p.models:
            spec = RunSpec.of("nmnist", model, seed, source, **scale.changes)
            say(f"{model} seed {seed}: {'in the store' if store.get(spec, weights=True) else 'training'}")
            record = training.run(spec, store, weights=True)
            if record.status != "completed":
                say(f"  failed: {record.reason}")
                continue
            done.append(record)
            for name in ("resolution", "gradients", "landscape", "features"):
                probes.ask(probes.get(name), record, **(TOY[name] if smoke else {}))
    return done


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
