"""Training a run: from its spec to its record, through as many interruptions as it takes."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import torch

from lifroles import backends, folders, provenance
from lifroles.checkpoint import Checkpoints
from lifroles.errors import SpecError, StoreError
from lifroles.spec import RunSpec
from lifroles.store import Record, Store
from lifroles.trainer import Evaluation, Failed, Trainer, evaluate

__all__ = ["Evaluation", "Progress", "Replay", "Trainer", "evaluate", "replay", "run", "train"]

Progress = Callable[[int, int, dict[str, float]], None]
"""Called after every epoch with the epoch (from 1), their number, and the epoch's metrics."""


def _place(device: str, backend: str) -> str:
    """Return the backend for a device: on a GPU the kernels that CuPy compiles, unless another is asked for.

    Raises:
        SpecError: there is no such device or backend here.
    """
    if device not in ("cpu", "cuda"):
        raise SpecError(f"device is {device!r}: give cpu or cuda.")
    if device == "cuda" and not torch.cuda.is_available():
        raise SpecError("device is 'cuda', but torch finds no CUDA device here: give cpu.")
    if device == "cuda" and backend == "auto":
        backend = "cuda"
    backends.select(backend)
    return backend


def _begin(spec: RunSpec, backend: str, device: str, checkpoints: Checkpoints | None) -> tuple[Trainer, dict[str, Any]]:
    """Return a trainer at its last checkpoint, and what that knows of the time before; else at the beginning."""
    found = checkpoints.load() if checkpoints is not None else None
    if found is not None:
        trainer = Trainer(spec, backend, device)
        try:
            if trainer.resume(found):
                return trainer, dict(found.state)
        except (KeyError, RuntimeError, ValueError):
            pass  # of another version's network: what it has loaded so far must not be used
    return Trainer(spec, backend, device), {}


def train(
    spec: RunSpec,
    *,
    epochs: int | None = None,
    progress: Progress | None = None,
    backend: str = "auto",
    device: str = "cpu",
    checkpoints: Checkpoints | None = None,
) -> Record:
    """Train a run and return its record, without writing anything but checkpoints.

    On one machine and processor, with as many threads, the same spec gives the same numbers, bit for bit, however
    often it is interrupted. A run that cannot go on (see :class:`~lifroles.trainer.Failed`), or whose network cannot be
    what the spec says, gives a record that has ``failed``.

    Arguments:
        spec: what to train.
        epochs: stop after so many (for a replay); the spec's own number otherwise.
        progress: called after every epoch.
        backend: the neuron's backend.
        device: ``"cpu"`` or ``"cuda"``; there the backend is ``"cuda"`` unless another is given.
        checkpoints: where to keep one after every epoch, and to go on from.

    Raises:
        DataError: the data are missing or damaged.
        SpecError: the device or the backend is not to be had.
        StoreError: a checkpoint cannot be written.
    """
    backend = _place(device, backend)
    protocol: Any = spec.protocol
    wanted = protocol.epochs if epochs is None else min(epochs, protocol.epochs)
    now = {"threads": torch.get_num_threads(), "device": device}
    start = time.perf_counter()
    try:
        trainer, before = _begin(spec, backend, device, checkpoints)
    except SpecError as error:
        origin = provenance.describe(**now, backend=backend) | {"source": spec.source, "wall_seconds": 0.0}
        return Record(spec, "failed", f"impossible: {error}", {"test_accuracy": []}, {}, origin)
    names = {module.backend for module in trainer.network.modules() if hasattr(module, "backend")}
    origin = provenance.describe(**now, backend=", ".join(sorted(map(str, names))))
    origin |= {"data_sha256": trainer.data.digest, "source": spec.source}
    if before:
        origin = provenance.resumed(before["origin"], origin, trainer.epoch)

    def seconds() -> float:
        return round(before.get("seconds", 0.0) + time.perf_counter() - start, 3)

    status, reason = "completed", None
    try:
        while trainer.epoch < wanted:
            metrics = trainer.run_epoch()
            if checkpoints is not None:
                point = trainer.checkpoint()
                checkpoints.save(replace(point, state={**point.state, "origin": origin, "seconds": seconds()}))
            if progress is not None:
                progress(trainer.epoch, wanted, metrics)
    except Failed as error:
        status, reason = "failed", str(error)
    origin |= {"wall_seconds": seconds(), "loader_seconds": round(trainer.waited, 3)}
    final = trainer.final() if trainer.history["test_accuracy"] else {}
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
    device: str = "cpu",
    weights: bool = False,
    waiting: Callable[[], None] = lambda: None,
) -> Record:
    """Return the run from the store; train it and write it there first if it is not yet in it.

    A run that was interrupted goes on after its last whole epoch. Of several processes that ask for the same run one
    trains, and the others wait for it.

    Arguments:
        weights: train it also where the store has only a record without weights, as the archive does.
        waiting: called once if another process is at it.

    Others are as in :func:`train`.

    Raises:
        DataError: the data are missing or damaged.
        SpecError: the device or the backend is not to be had.
        StoreError: the stored run is damaged, or the new one cannot be written.
    """
    found = store.get(spec, weights=weights)
    if found is not None and not store.is_unfinished(spec):
        return found
    _place(device, backend)
    with store.claim(spec, waiting) as workshop:
        checkpoints = Checkpoints(workshop)
        record = store.get(spec, weights=weights)
        if record is None:
            if store.place(spec).exists():
                raise StoreError(
                    f"{store.place(spec)} is there without {'its weights' if weights else 'being whole'}: delete it "
                    "and run it again."
                )
            record = train(spec, progress=progress, backend=backend, device=device, checkpoints=checkpoints)
            record = replace(record, path=store.write(record), weights=None)
        checkpoints.clear()
        return record


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
