"""Which runs section 4.1 shows: chosen from the archive, or trained, as the profile says."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType
from typing import Any

import torch

from lifroles import benchmarks, paper, training
from lifroles.errors import StoreError
from lifroles.overview import changes_in_words, departure
from lifroles.paper import Reported
from lifroles.parameters import BENCHMARK_NAMES, AccuracyParameters
from lifroles.paths import results_dir, runs_dir
from lifroles.prose import counted, listed, percent
from lifroles.spec import RunSpec
from lifroles.statistics import Interval, mean_interval
from lifroles.store import Record, Store
from lifroles.study import DELAY_EPOCHS, DELAY_SEEDS, DELAYS, SCALES, Scale

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
    """Everything section 4.1 shows, by benchmark and variant. ``store`` has these runs and others."""

    parameters: AccuracyParameters
    cells: Mapping[tuple[str, str], Cell]
    delays: tuple[Delay, ...]
    store: Store

    @cached_property
    def known(self) -> list[Record]:
        """Every run of the store, also at other scales than the page's."""
        return self.store.all()

    def row(self, benchmark: str) -> list[Cell]:
        """Return a benchmark's cells in the order of the variants.

        A variant that the paper does not report for this benchmark and that was not run is no gap: it is left out.
        """
        cells = [self.cells[benchmark, variant] for variant in self.parameters.variants]
        return [cell for cell in cells if cell.reported or cell.records or cell.failed] or cells

    def records(self, benchmark: str) -> list[Record]:
        """Return the runs behind a benchmark's numbers."""
        return [record for cell in self.row(benchmark) for record in cell.records]

    def scale(self, benchmark: str) -> Scale:
        """Return the data source of a benchmark's runs on this page, and what they change in its protocol."""
        return scale(self.parameters, benchmark)

    def departure(self, benchmark: str) -> str:
        """Return what parts a benchmark's numbers here from the full protocol on the published data; empty if none."""
        return departure(benchmark, self.scale(benchmark))

    def accuracies(self, benchmark: str, variant: str) -> dict[int, float]:
        """Return a variant's accuracy after the last epoch by seed."""
        cell = self.cells.get((benchmark, variant))
        return {r.seed: float(r.final["last_accuracy"]) for r in cell.records} if cell else {}

    def effect(self, benchmark: str, variant: str) -> Interval | None:
        """Return by how much a variant's last accuracy differs from the baseline's, paired by seed.

        ``None`` where the two have no seed in common: the same seed gives both the same feed-forward weights.
        """
        own, base = self.accuracies(benchmark, variant), self.accuracies(benchmark, "baseline")
        pairs = [own[seed] - base[seed] for seed in sorted(own.keys() & base.keys())]
        return mean_interval(pairs) if pairs else None


def in_order(layers: Iterable[str]) -> list[str]:
    """Return the names of spiking layers in the order of the network: as they are numbered, ``output`` last."""
    return sorted(layers, key=lambda name: (name == "output", [int(n) for n in re.findall(r"\d+", name)]))


def scale(p: AccuracyParameters, benchmark: str) -> Scale:
    """Return the data source that a benchmark's runs have under these parameters, and the changes in its protocol."""
    own = SCALES[p.scale or p.profile][benchmark]
    source = p.source if p.source in benchmarks.get(benchmark).sources else own.source
    changes = {**own.changes, **({} if p.epochs is None else {"epochs": p.epochs})}
    return Scale(source, own.seeds, MappingProxyType(changes))


def trained(benchmark: str, variant: str) -> bool:
    """Return whether the page trains a variant on a benchmark: where Table 6 has it, and all on its first and last."""
    return benchmark in ("xor", "mnist") or paper.accuracy(benchmark, variant) is not None


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
        own = scale(p, benchmark)
        seeds = p.seeds if p.seeds is not None else tuple(range(own.seeds))
        for variant in p.variants:
            runs = seeds if trained(benchmark, variant) else ()
            specs = [RunSpec.of(benchmark, variant, seed, own.source, **own.changes) for seed in runs]
            cells[benchmark, variant] = _cell(benchmark, variant, [_train(spec, store, say) for spec in specs])
    delays = []
    if "xor" in p.benchmarks and "baseline" in p.variants:
        own = scale(p, "xor")
        seeds = (p.seeds if p.seeds is not None else tuple(range(own.seeds)))[:DELAY_SEEDS]
        epochs = min(DELAY_EPOCHS, own.changes.get("epochs", DELAY_EPOCHS))
        for setting in DELAYS:
            changes = {**own.changes, "epochs": epochs, **setting}
            specs = [RunSpec.of("xor", "baseline", seed, **changes) for seed in seeds]
            delays.append(Delay(setting, tuple(_train(spec, store, say) for spec in specs)))
    return Study(p, MappingProxyType(cells), _with_shortest(cells, delays), store)


def _archived(p: AccuracyParameters, store: Store) -> Study:
    everything = store.all()
    cells = {}
    for benchmark in p.benchmarks:
        own = scale(p, benchmark)
        runs = [r for r in everything if r.spec.benchmark == benchmark and r.spec.source == own.source]
        wanted = [r for r in runs if r.spec.changes() == own.changes and (p.seeds is None or r.seed in p.seeds)]
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
    return Study(p, MappingProxyType(cells), _with_shortest(cells, delays), store)


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
    asked = listed(f"{b} ({scale(p, b).source})" for b in p.benchmarks)
    held: dict[str, set[int]] = {}
    for r in records:
        if r.spec.benchmark in BENCHMARK_NAMES and r.spec.changes() == scale(p, r.spec.benchmark).changes:
            held.setdefault(f"{r.spec.benchmark} ({r.spec.source})", set()).add(r.seed)
    have = "; ".join(f"{name}: seeds {', '.join(map(str, sorted(found)))}" for name, found in sorted(held.items()))
    what = f"it holds {have}" if have else "it holds none: train with the profile smoke or paper"
    return f"The archive has no run of {asked}{seeds} for these variants; {what}."


def _train(spec: RunSpec, store: Store, say: Say) -> Record:
    name = f"{spec.benchmark} {spec.variant_name} seed {spec.seed}"
    if extra := {k: v for k, v in spec.changes().items() if k not in SCALES["smoke"][spec.benchmark].changes}:
        name += f" ({changes_in_words(spec.benchmark, extra)})"
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
