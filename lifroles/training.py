"""Backpropagation through time, for every benchmark the same loop."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import safetensors.torch
import torch

from lifroles import benchmarks, folders, provenance
from lifroles.benchmarks import Batch, Data, Network
from lifroles.spec import RunSpec
from lifroles.store import Record, Store

Progress = Callable[[int, int, dict[str, float]], None]
"""Called after every epoch with the epoch (from 1), their number, and the epoch's metrics."""

SELECTION = "best epoch by test accuracy, as in the scripts of Zheng et al. 2024: optimistic; the last epoch is not"
VALIDATED = "selected_accuracy: test accuracy of the best epoch by validation accuracy"


class Diverged(Exception):
    """The loss is no longer a number."""


@dataclass(frozen=True)
class Evaluation:
    """Held-out loss and accuracy, accuracy of each group, and each layer's spikes per neuron and step."""

    loss: float
    accuracy: float
    groups: dict[str, float]
    rates: dict[str, float]


@torch.no_grad()
def evaluate(
    spec: RunSpec, network: Network, data: Data, batches: Callable[[], Iterator[Batch[Any]]] | None = None
) -> Evaluation:
    """Return how the network does on the held-out batches, or on those of ``batches``."""
    task, protocol = spec.task, spec.protocol
    samples, loss = 0, 0.0
    shares, groups = [], []
    rates: dict[str, float] = {}
    for batch in (batches or data.test_batches)():
        activity = network(batch.inputs)
        n = len(batch.labels)
        samples += n
        loss += float(task.loss(protocol, activity.output, batch.labels)) * n
        shares.append(task.correct(protocol, activity.output, batch.labels))
        groups.append(batch.groups)
        for layer, rate in activity.rates().items():
            rates[layer] = rates.get(layer, 0.0) + rate * n
    share, group = torch.cat(shares).double(), torch.cat(groups)
    by_group = {name: float(share[group == i].mean()) for i, name in enumerate(task.groups) if (group == i).any()}
    return Evaluation(loss / samples, float(share.mean()), by_group, {k: v / samples for k, v in rates.items()})


class Trainer:
    """One run in progress.

    Arguments:
        spec: what to train.
        backend: the neuron's backend.

    Raises:
        DataError: the data are missing or damaged.
    """

    def __init__(self, spec: RunSpec, backend: str = "auto") -> None:
        self.spec = spec
        self.data = spec.task.load(spec.protocol, spec.source)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(spec.seed)
            self.network = benchmarks.build(spec.task, spec.protocol, spec.variant, backend)
        protocol: Any = spec.protocol
        self.optimiser = torch.optim.Adam(spec.task.parameters(protocol, self.network), lr=protocol.lr)
        self.scheduler = torch.optim.lr_scheduler.StepLR(self.optimiser, protocol.lr_step, protocol.lr_gamma)
        self.epoch = 0
        self.history: dict[str, Any] = {
            key: [] for key in ("train_loss", "train_accuracy", "test_loss", "test_accuracy")
        }
        self.validation = self.data.validation
        if self.validation is not None:
            self.history |= {"valid_loss": [], "valid_accuracy": []}
        self.history["spike_rate"] = {}
        self.waited = 0.0
        self.groups: dict[str, float] = {}

    def run_epoch(self) -> dict[str, float]:
        """Train for one epoch, evaluate, and return the epoch's metrics.

        Training loss and accuracy are means over the epoch's batches, each before its update.

        Raises:
            Diverged: the loss is not finite.
        """
        task, protocol = self.spec.task, self.spec.protocol
        samples, total, correct = 0, 0.0, 0.0
        for batch in self._timed(self.data.train_batches(self.spec.seed, self.epoch)):
            output = self.network(batch.inputs).output
            loss = task.loss(protocol, output, batch.labels)
            value = loss.item()
            if not math.isfinite(value):
                raise Diverged(f"the training loss became {value} in epoch {self.epoch + 1}")
            self.optimiser.zero_grad(set_to_none=True)
            loss.backward()
            clip_norm = getattr(protocol, "clip_norm", None)
            if clip_norm is not None:
                torch.nn.utils.clip_grad_norm_(self.network.parameters(), clip_norm)
            self.optimiser.step()
            n = len(batch.labels)
            samples += n
            total += value * n
            correct += float(task.correct(protocol, output.detach(), batch.labels).sum())
        self.scheduler.step()
        self.epoch += 1
        test = evaluate(self.spec, self.network, self.data)
        self.groups = test.groups
        metrics = {
            "train_loss": total / samples,
            "train_accuracy": correct / samples,
            "test_loss": test.loss,
            "test_accuracy": test.accuracy,
        }
        if self.validation is not None:
            valid = evaluate(self.spec, self.network, self.data, self.validation)
            metrics |= {"valid_loss": valid.loss, "valid_accuracy": valid.accuracy}
        for key, value in metrics.items():
            self.history[key].append(value)
        for layer, rate in test.rates.items():
            self.history["spike_rate"].setdefault(layer, []).append(rate)
        return metrics

    def _timed(self, batches: Iterator[Batch[Any]]) -> Iterator[Batch[Any]]:
        """Yield the batches; ``waited`` grows by the seconds that each took to come."""
        while True:
            start = time.perf_counter()
            batch = next(batches, None)
            self.waited += time.perf_counter() - start
            if batch is None:
                return
            yield batch

    def weights(self) -> bytes:
        """Return the network's weights as the bytes of a safetensors file; the same weights give the same bytes."""
        return safetensors.torch.save({k: v.detach().cpu().contiguous() for k, v in self.network.state_dict().items()})

    def final(self) -> dict[str, Any]:
        """Return the summary of the epochs so far."""
        accuracy = self.history["test_accuracy"]
        best = max(range(len(accuracy)), key=accuracy.__getitem__)
        selected: dict[str, Any] = {}
        if self.validation is not None:
            valid = self.history["valid_accuracy"]
            epoch = max(range(len(valid)), key=valid.__getitem__)
            selected = {
                "selected_accuracy": accuracy[epoch],
                "selected_epoch": epoch + 1,
                "selected_by": VALIDATED,
            }
        return {
            **selected,
            "last_accuracy": accuracy[-1],
            "best_accuracy": accuracy[best],
            "best_epoch": best + 1,
            "selection": SELECTION,
            "group_accuracy": self.groups,
            "spike_rate": {layer: rates[-1] for layer, rates in self.history["spike_rate"].items()},
            "learned_leaks": self.network.learned_leaks(),
        }


def train(
    spec: RunSpec, *, epochs: int | None = None, progress: Progress | None = None, backend: str = "auto"
) -> Record:
    """Train a run from scratch and return its record, without writing anything.

    On one machine the same spec gives the same numbers, bit for bit.

    Arguments:
        spec: what to train.
        epochs: stop after so many (for a replay); the spec's own number otherwise.
        progress: called after every epoch.
        backend: the neuron's backend.

    Raises:
        DataError: the data are missing or damaged.
    """
    protocol: Any = spec.protocol
    wanted = protocol.epochs if epochs is None else min(epochs, protocol.epochs)
    trainer = Trainer(spec, backend)
    names = {module.backend for module in trainer.network.modules() if hasattr(module, "backend")}
    origin = provenance.describe(
        threads=torch.get_num_threads(), device="cpu", backend=", ".join(sorted(map(str, names)))
    )
    start = time.perf_counter()
    status, reason = "completed", None
    try:
        while trainer.epoch < wanted:
            metrics = trainer.run_epoch()
            if progress is not None:
                progress(trainer.epoch, wanted, metrics)
    except Diverged as error:
        status, reason = "failed", str(error)
    origin["wall_seconds"] = round(time.perf_counter() - start, 3)
    origin["loader_seconds"] = round(trainer.waited, 3)
    origin["data_sha256"] = trainer.data.digest
    origin["source"] = spec.source
    final = trainer.final() if trainer.epoch else {}
    weights = None
    if status == "completed":
        weights = trainer.weights()
        final["weights_sha256"] = folders.sha256(weights)
    return Record(spec, status, reason, trainer.history, final, origin, weights=weights)


def run(
    spec: RunSpec,
    store: Store,
    *,
    progress: Progress | None = None,
    backend: str = "auto",
    weights: bool = False,
) -> Record:
    """Return the run from the store; train it and write it there first if it is not yet in it.

    Arguments:
        weights: train it also where the store has only a record without weights, as the archive does.

    Raises:
        DataError: the data are missing or damaged.
        StoreError: the stored run is damaged, or the new one cannot be written.
    """
    found = store.get(spec, weights=weights)
    if found is not None:
        return found
    record = train(spec, progress=progress, backend=backend)
    return replace(record, path=store.write(record), weights=None)


@dataclass(frozen=True)
class Replay:
    """A stored run's first epochs, trained again here.

    ``difference`` is the largest absolute difference between any two metrics (losses, accuracies, spike
    rates), and ``identical`` whether all are equal bit for bit.
    """

    record: Record
    epochs: int
    identical: bool
    difference: float
    seconds: float


def _numbers(history: dict[str, Any], epochs: int) -> list[float]:
    curves = [history[k] for k in sorted(history) if k != "spike_rate"]
    curves += [history["spike_rate"][layer] for layer in sorted(history["spike_rate"])]
    return [value for curve in curves for value in curve[:epochs]]


def replay(record: Record, epochs: int = 1) -> Replay:
    """Train the first epochs of a stored run again and compare them with what was stored.

    The neuron's backend is the one that the record names, because another one sums in another order.

    Raises:
        DataError: the data are missing or damaged.
    """
    epochs = min(epochs, record.epochs)
    again = train(record.spec, epochs=epochs, backend=record.provenance.get("backend", "auto"))
    old, new = _numbers(record.history, epochs), _numbers(again.history, epochs)
    difference = max((abs(a - b) for a, b in zip(old, new, strict=True)), default=0.0)
    return Replay(record, epochs, old == new, difference, again.provenance["wall_seconds"])
