"""Which runs section 4.1 shows: chosen from the archive, or trained, as the profile says."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import torch

from lifroles import benchmarks, paper, training
from lifroles.errors import StoreError
from lifroles.paper import Reported
from lifroles.parameters import AccuracyParameters
from lifroles.paths import results_dir, runs_dir
from lifroles.prose import counted, listed, percent
from lifroles.spec import RunSpec
from lifroles.statistics import Interval, mean_interval
from lifroles.store import Record, Store
from lifroles.study import DELAY_EPOCHS, DELAYS, SCALES

Say = Callable[[str], None]


@dataclass(frozen=True)
class Cell:
    """One variant on one benchmark: its runs by seed, and what the paper reports."""

    benchmark: str
    variant: str
    records: tuple[Record, ...]
    failed: tuple[Record, ...]
    reported: Reported | None

    def values(self, which: str) -> list[float]:
        """Return one number a seed: ``last_accuracy`` or ``best_accuracy``, in [0, 1]."""
        return [float(record.final[which]) for record in self.records]

    @property
    def last(self) -> Interval | None:
        """The accuracy after the last epoch, or ``None`` where nothing was run."""
        return mean_interval(self.values("last_accuracy")) if self.records else None

    @property
    def best(self) -> Interval | None:
        """The accuracy at each run's best epoch by test accuracy, which is optimistic."""
        return mean_interval(self.values("best_accuracy")) if self.records else None

    def rates(self, layer: str) -> list[float]:
        """Return a layer's spikes per neuron and step after the last epoch, one number a seed."""
        return [float(r.final["spike_rate"][layer]) for r in self.records if layer in r.final["spike_rate"]]

    def rate(self, layer: str) -> Interval | None:
        """Return the mean of :meth:`rates` with its interval, or ``None`` where nothing was run."""
        return mean_interval(rates) if (rates := self.rates(layer)) else None


@dataclass(frozen=True)
class Delay:
    """One setting of the delay sweep: what it changes in the XOR protocol, and its runs of ``DELAY_EPOCHS`` epochs."""

    changes: Mapping[str, Any]
    records: tuple[Record, ...]

    @property
    def label(self) -> str:
        """The setting in words."""
        rest = {k: v for k, v in self.changes.items() if k not in ("T", "epochs", "iterations", "test_samples")}
        words = []
        if "leak_init_low" in rest:
            words.append(f"leak from U({rest.pop('leak_init_low'):g}, {rest.pop('leak_init_high'):g})")
        names = {"u_th": "threshold {:g}", "bias": "no bias"}
        words += [names.get(k, k + " {}").format(v) for k, v in rest.items()]
        return f"T = {self.changes['T']}" + "".join(f", {word}" for word in words)

    def accuracies(self) -> list[float]:
        """Return the accuracy after ``DELAY_EPOCHS`` epochs, one number a seed."""
        return [float(r.history["test_accuracy"][:DELAY_EPOCHS][-1]) for r in self.records]

    def rates(self) -> list[float]:
        """Return the hidden layer's spikes per neuron and step after as many epochs, one number a seed."""
        return [float(r.history["spike_rate"]["hidden1"][:DELAY_EPOCHS][-1]) for r in self.records]


@dataclass(frozen=True)
class Study:
    """Everything section 4.1 shows, by benchmark and variant."""

    parameters: AccuracyParameters
    cells: Mapping[tuple[str, str], Cell]
    delays: tuple[Delay, ...]

    def row(self, benchmark: str) -> list[Cell]:
        """Return a benchmark's cells in the order of the variants.

        A variant that the paper does not report for this benchmark and that was not run is no gap: it is left out.
        """
        cells = [self.cells[benchmark, variant] for variant in self.parameters.variants]
        return [cell for cell in cells if cell.reported or cell.records or cell.failed] or cells

    def records(self, benchmark: str) -> list[Record]:
        """Return the runs behind a benchmark's numbers."""
        return [record for cell in self.row(benchmark) for record in cell.records]

    def source(self, benchmark: str) -> str:
        """Return the data source of a benchmark on this page."""
        return source(self.parameters, benchmark)

    def effect(self, benchmark: str, variant: str) -> Interval | None:
        """Return by how much a variant's last accuracy differs from the baseline's, paired by seed.

        ``None`` where the two have no seed in common: the same seed gives both the same feed-forward weights.
        """
        own, base = self.cells.get((benchmark, variant)), self.cells.get((benchmark, "baseline"))
        if own is None or base is None:
            return None
        normal = {r.seed: float(r.final["last_accuracy"]) for r in base.records}
        pairs = [float(r.final["last_accuracy"]) - normal[r.seed] for r in own.records if r.seed in normal]
        return mean_interval(pairs) if pairs else None


def source(p: AccuracyParameters, benchmark: str) -> str:
    """Return the data source that a benchmark's runs have under these parameters."""
    if len(benchmarks.get(benchmark).sources) > 1 and p.source is not None:
        return p.source
    return SCALES["smoke" if p.profile == "smoke" else "paper"][benchmark].source


def scale(p: AccuracyParameters, benchmark: str) -> dict[str, Any]:
    """Return what these parameters change in a benchmark's protocol; nothing is the full protocol."""
    changes = {} if p.profile == "archive" else dict(SCALES[p.profile][benchmark].changes)
    if p.epochs is not None:
        changes["epochs"] = p.epochs
    return changes


def changes_in_words(record: Record) -> str:
    """Return a run's scale: ``"full protocol"``, or which of its choices differ from it."""
    changes = record.spec.changes()
    return ", ".join(f"{k} = {v}" for k, v in changes.items()) or "full protocol"


def collect(p: AccuracyParameters, say: Say = print, store: Store | None = None) -> Study:
    """Return the runs that the page shows.

    The archive is only read. The other profiles ask their store for each run and train those that it has not.

    Arguments:
        p: the page's parameters.
        say: told what is being trained, line by line.
        store: where to look, and to write to, in place of the profile's own.

    Raises:
        StoreError: the archive holds no run that the parameters ask for; the message says what it holds.
        DataError: data to train on are missing.
    """
    if p.profile == "archive":
        return _archived(p, store or Store(results_dir()))
    store = store or Store(runs_dir())
    cells = {}
    for benchmark in p.benchmarks:
        seeds = p.seeds if p.seeds is not None else tuple(range(SCALES[p.profile][benchmark].seeds))
        for variant in p.variants:
            specs = [
                RunSpec.of(benchmark, variant, seed, source(p, benchmark), **scale(p, benchmark)) for seed in seeds
            ]
            cells[benchmark, variant] = _cell(benchmark, variant, [_train(spec, store, say) for spec in specs])
    delays = []
    if "xor" in p.benchmarks and "baseline" in p.variants:
        base = scale(p, "xor")
        epochs = min(DELAY_EPOCHS, base.get("epochs", DELAY_EPOCHS))
        for setting in DELAYS:
            spec = RunSpec.of("xor", "baseline", 0, **{**base, "epochs": epochs, **setting})
            delays.append(Delay(setting, (_train(spec, store, say),)))
    return Study(p, MappingProxyType(cells), _with_shortest(cells, delays))


def _archived(p: AccuracyParameters, store: Store) -> Study:
    everything = store.all()
    cells = {}
    for benchmark in p.benchmarks:
        full = [r for r in everything if r.spec.benchmark == benchmark and not r.spec.changes()]
        wanted = [r for r in full if r.spec.source == source(p, benchmark) and (p.seeds is None or r.seed in p.seeds)]
        for variant in p.variants:
            cells[benchmark, variant] = _cell(benchmark, variant, [r for r in wanted if r.variant_name == variant])
    if not any(cell.records or cell.failed for cell in cells.values()):
        raise StoreError(_nothing(p, everything))
    delays: list[Delay] = []
    if "xor" in p.benchmarks and "baseline" in p.variants:
        runs = [r for r in everything if r.spec.benchmark == "xor" and r.variant_name == "baseline"]
        for setting in DELAYS:
            spec = {"epochs": DELAY_EPOCHS, **setting}
            found = [r for r in runs if r.spec.changes() == spec and r.status == "completed"]
            delays.append(Delay(setting, tuple(r for r in found if p.seeds is None or r.seed in p.seeds)))
    return Study(p, MappingProxyType(cells), _with_shortest(cells, delays))


def _with_shortest(cells: Mapping[tuple[str, str], Cell], delays: Sequence[Delay]) -> tuple[Delay, ...]:
    """Put the page's own XOR runs before the longer delays: their first epochs are the shortest delay's."""
    if not delays:
        return ()
    own = cells["xor", "baseline"].records
    shortest: Any = own[0].spec.protocol if own else benchmarks.get("xor").protocol()
    return (Delay({"T": shortest.T}, own), *delays)


def _cell(benchmark: str, variant: str, records: Iterable[Record]) -> Cell:
    runs = sorted(records, key=lambda r: r.seed)
    done = tuple(r for r in runs if r.status == "completed")
    failed = tuple(r for r in runs if r.status != "completed")
    return Cell(benchmark, variant, done, failed, paper.accuracy(benchmark, variant))


def _nothing(p: AccuracyParameters, records: Sequence[Record]) -> str:
    """Say that the archive lacks what was asked for, and what it has."""
    seeds = "" if p.seeds is None else f" with {'seed' if len(p.seeds) == 1 else 'seeds'} {listed(map(str, p.seeds))}"
    asked = listed(f"{b} ({source(p, b)})" for b in p.benchmarks)
    held: dict[str, set[int]] = {}
    for r in records:
        if not r.spec.changes():
            held.setdefault(f"{r.spec.benchmark} ({r.spec.source})", set()).add(r.seed)
    have = "; ".join(f"{name}: seeds {', '.join(map(str, sorted(found)))}" for name, found in sorted(held.items()))
    what = f"it holds {have}" if have else "it holds none: train with the profile smoke or paper"
    return f"The archive has no run of {asked}{seeds} for these variants; {what}."


def _train(spec: RunSpec, store: Store, say: Say) -> Record:
    name = f"{spec.benchmark} {spec.variant_name} seed {spec.seed}"
    if extra := {k: v for k, v in spec.changes().items() if k not in SCALES["smoke"][spec.benchmark].changes}:
        name += " (" + ", ".join(f"{k} = {v}" for k, v in extra.items()) + ")"
    if (found := store.get(spec)) is not None:
        say(f"{name}: in the store")
        return found
    protocol: Any = spec.protocol
    say(f"{name}: training for {counted(protocol.epochs, 'epoch')}")

    def progress(epoch: int, epochs: int, metrics: dict[str, float]) -> None:
        if epoch % 10 == 0 and epoch < epochs:
            say(f"  epoch {epoch} of {epochs}: test accuracy {percent(metrics['test_accuracy'])}")

    start = time.perf_counter()
    record = training.run(spec, store, progress=progress)
    outcome = percent(record.final["last_accuracy"]) if record.status == "completed" else f"failed, {record.reason}"
    say(f"  {outcome} after {time.perf_counter() - start:.0f} s")
    return record


@contextmanager
def _threads(n: int) -> Generator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(n)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def replay(study: Study) -> training.Replay | None:
    """Train one epoch of a shown run again, on as many threads as it had, and compare it with what was stored.

    The run is the first of XOR, whose epochs are the shortest, or else the first of all; ``None`` if there is none.
    """
    order = sorted(study.parameters.benchmarks, key=lambda name: name != "xor")
    records = [record for benchmark in order for record in study.records(benchmark)]
    if not records:
        return None
    with _threads(int(records[0].provenance.get("threads") or 1)):
        return training.replay(records[0])
