"""The networks on N-MNIST that sections 4.2 and 4.3 look at: which runs a page shows, and what was asked of them."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lifroles import probes, prose, training
from lifroles.benchmarks.nmnist import NmnistProtocol
from lifroles.claims.archive import Stored
from lifroles.claims.quantities import MODEL_LABELS as LABELS
from lifroles.claims.quantities import named
from lifroles.parameters import NetworksParameters
from lifroles.paths import results_dir, runs_dir
from lifroles.probes.record import ProbeRecord, find
from lifroles.spec import RunSpec
from lifroles.statistics import Interval, mean_interval
from lifroles.store import Record, Store
from lifroles.study import SCALES, TOY, Scale
from lifroles.tables import Download

Say = Callable[[str], None]
Questions = Mapping[str, Sequence[Mapping[str, Any]]]
"""Probes by name, each with the parameters that it is asked with, one after the other."""

CELLS = ("lstm", "gru", "rnn")
"""The models without spikes."""

NOT_RUN = "not run"
NOT_ASKED = "not measured"


@dataclass(frozen=True)
class Networks:
    """The runs of one model, by seed."""

    model: str
    records: tuple[Record, ...]

    def probes(self, name: str, **parameters: object) -> list[ProbeRecord]:
        """Return one record of a probe a run, for the runs that have one with these parameters."""
        found = (find(record, name, parameters) for record in self.records)
        return [some[0] for some in found if some]


@dataclass(frozen=True)
class Shown(Stored):
    """What a page shows, and by that the evidence for the paper's claims (:class:`lifroles.claims.Evidence`)."""

    parameters: NetworksParameters

    @property
    @abstractmethod
    def models(self) -> Sequence[Networks]:
        """The models of the page, in its order."""

    @property
    def records(self) -> list[Record]:
        """The runs of all models."""
        return [record for one in self.models for record in one.records]

    def runs(self, benchmark: str, model: str) -> Sequence[Record]:
        """Return the runs of a model; there are none of another benchmark."""
        return [r for one in self.models if benchmark == "nmnist" and one.model == model for r in one.records]


def scale(p: NetworksParameters, benchmark: str = "nmnist") -> Scale:
    """Return how the profile trains a benchmark."""
    return SCALES[p.profile][benchmark]


def collect(
    p: NetworksParameters,
    questions: Questions,
    say: Say,
    store: Store | None,
    benchmark: str = "nmnist",
    models: Sequence[str] | None = None,
) -> list[Record]:
    """Return the runs that a page shows.

    The archive is only read, and what it lacks is a gap of the page. The other profiles train what their store has
    not, and ask each run every question.

    Arguments:
        p: the page's parameters.
        questions: what each run is asked, where runs are trained; at toy scale on top of :data:`lifroles.study.TOY`.
        say: told what is being trained, line by line.
        store: where to look, and to write to, in place of the profile's own.
        benchmark: which one.
        models: those that are trained (default: the page's own).

    Raises:
        StoreError: a run or an answer is damaged.
        DataError: data to train on are missing.
    """
    own = scale(p, benchmark)
    if p.profile == "archive":
        store = store or Store(results_dir())
        known = store.find(benchmark=benchmark, source=own.source, status="completed")
        return [r for r in known if r.spec.changes() == dict(own.changes) and (p.seeds is None or r.seed in p.seeds)]
    store = store or Store(runs_dir())
    toy = TOY if p.profile == "smoke" else {}
    done = []
    for seed in range(own.seeds) if p.seeds is None else p.seeds:
        for model in p.models if models is None else models:
            spec = RunSpec.of(benchmark, model, seed, own.source, **own.changes)
            say(f"{model} seed {seed}: {'in the store' if store.get(spec, weights=True) else 'training'}")
            record = training.run(spec, store, weights=True)
            if record.status != "completed":
                say(f"  failed: {record.reason}")
                continue
            done.append(record)
            for name, asked in questions.items():
                for changes in asked:
                    probes.ask(probes.get(name), record, **{**toy.get(name, {}), **changes})
    return done


def of_model(records: Sequence[Record], model: str) -> tuple[Record, ...]:
    """Return the runs of a model, by seed."""
    return tuple(sorted((r for r in records if r.variant_name == model), key=lambda r: r.seed))


def scale_note(shown: Shown, asked: Sequence[str]) -> str:
    """Return, as Markdown, which runs and answers a page shows, at which scale, and which are missing."""
    own = scale(shown.parameters)
    protocol = NmnistProtocol()
    changed = [f"{name} {value} instead of {getattr(protocol, name)}" for name, value in own.changes.items()]
    small = f"at a smaller scale than the protocol's ({prose.listed(changed)})" if changed else "of the full protocol"
    lead = {
        "archive": f"This page shows **archived runs {small}** and what was asked of them, and trains nothing.",
        "smoke": "**Every number on this page is from toy scale.** It shows that the code runs, and says nothing "
        "about the paper.",
        "paper": "This page shows runs **trained in place with the full protocol**.",
    }[shown.parameters.profile]
    have = [f"{named(m.model)} ({_seeds(m)})" for m in shown.models if m.records]
    missing = [LABELS[m.model] for m in shown.models if not m.records]
    lines = [lead, "", f"- Source `{own.source}`; trained: {prose.listed(have) or 'none yet'}."]
    if missing:
        lines.append(f"- **{NOT_RUN.capitalize()}**: {'; '.join(missing)}.")
    for probe in asked:
        n = sum(len(m.probes(probe)) for m in shown.models)
        lines.append(f"- Probe `{probe}`: {prose.counted(n, 'run') if n else NOT_ASKED}.")
    if own.source.startswith("saccades"):
        lines.append(
            "- The recordings are a **stand-in**: MNIST's images before a simulated event camera. "
            "What holds here need not hold on the published recordings."
        )
    return "\n".join(lines)


def download(shown: Shown, probe: str, metrics: Sequence[str]) -> Download:
    """Return what a probe found as a file: one row a run, metric and key."""
    rows = [
        (model.model, run.seed, metric, key, f"{value:.6g}", run.spec.digest, record.spec.digest)
        for model in shown.models
        for run in model.records
        for record in find(run, probe)
        for (metric, key), value in record.numbers.items()
        if metric in metrics
    ]
    return Download(probe, ("model", "seed", "metric", "key", "value", "run", "probe"), rows)


def interval(values: Sequence[float]) -> Interval | None:
    """Return a mean with its interval, or ``None`` for no values."""
    return mean_interval(values) if values else None


def _seeds(one: Networks) -> str:
    return prose.counted(len(one.records), "seed")
