"""How hard the stand-ins are: what simple classifiers and a small training of the baseline get right on each."""

from __future__ import annotations

from typing import Any

import numpy as np

from lifroles.benchmarks import shd, ssc, words
from lifroles.benchmarks.cifar10 import CifarData
from lifroles.benchmarks.recordings import EventData, Part
from lifroles.data import registry
from lifroles.spec import RunSpec
from lifroles.standins.likeness import binned, simple_classifiers
from lifroles.training import train

Array = np.ndarray[Any, Any]

SPECS = {
    "shd": RunSpec.of("shd", "baseline", source="speech", train_samples=1120, test_samples=200, dt=4.0, epochs=30,
                      batch_size=64, readout="mean_membrane"),
    "ssc": RunSpec.of("ssc", "baseline", source="speech", train_samples=700, valid_samples=35, test_samples=175,
                      dt=4.0, epochs=40, batch_size=64),
    "nmnist": RunSpec.of("nmnist", "baseline", source="saccades-5k", epochs=20, batch_size=64, lr=1e-3),
    "dvs_gesture": RunSpec.of("dvs_gesture", "baseline", source="gestures", epochs=15, batch_size=32),
    "cifar10": RunSpec.of("cifar10", "baseline", source="shapes", network="mlp", epochs=20, batch_size=50, lr=1e-3),
}  # fmt: skip
"""The runs: smaller sets, coarser steps and smaller batches than the paper's, to see whether there is anything to
learn and not how much the paper's training would learn. They were picked by trying: so few updates leave the summed
softmax that SHD is read with near chance, and a higher learning rate silences the output neurons for the gestures."""

SEEN = {
    "words": "spikes in 14 bins of 100 ms by 70 groups of channels",
    "events": "events of each pixel and polarity in the time that the benchmark uses",
    "images": "pixels",
}
"""What the simple classifiers see."""


def make(names: list[str] | None = None) -> dict[str, Any]:
    """Return a row for every stand-in, or for those that are named.

    Raises:
        DataError: a stand-in cannot be made.
    """
    return {name: row(spec) for name, spec in SPECS.items() if names is None or name in names}


def row(spec: RunSpec) -> dict[str, Any]:
    """Return what was learnt on one stand-in."""
    task, protocol = spec.task, spec.protocol
    data = task.load(protocol, spec.source)
    seen, sets = _features(spec, data)
    simple = simple_classifiers(*sets)
    record = train(spec)
    return {
        "source": spec.source,
        "train": len(sets[0][1]),
        "test": len(sets[1][1]),
        "chance": task.chance,
        "seen": SEEN[seen],
        "simple": simple,
        "snn": record.final["last_accuracy"],
        "changes": spec.changes(),
        "data": data.digest,
        "seconds": record.provenance["wall_seconds"],
        "loader seconds": record.provenance["loader_seconds"],
    }


def _features(spec: RunSpec, data: Any) -> tuple[str, tuple[tuple[Array, Array], tuple[Array, Array]]]:
    """Return which features the simple classifiers see, and those of the training and the test samples."""
    protocol: Any = spec.protocol
    if spec.benchmark in ("shd", "ssc"):
        module = {"shd": shd, "ssc": ssc}[spec.benchmark]
        found = words.locate(
            registry.get(spec.benchmark), spec.source, module.SIZES, module.CLASSES, lambda: module.speech(protocol)
        )
        return "words", (binned(found["train"].path), binned(found["test"].path))
    if isinstance(data, EventData):
        return "events", (_sums(data.train), _sums(data.test))
    assert isinstance(data, CifarData)
    train, test = (
        (x.numpy().astype(np.float32) / 255, y.numpy()) for x, y in (data.sets[s] for s in ("train", "test"))
    )
    return "images", (train, test)


def _sums(part: Part) -> tuple[Array, Array]:
    """Return the square roots of each sample's inputs added up over time ``[S, N]``, and the labels."""
    rows = []
    for low in range(0, len(part.samples), 256):
        inputs = part.batch(np.arange(low, min(low + 256, len(part.samples)))).inputs
        dense = inputs if hasattr(inputs, "sum") else inputs.dense()
        rows.append(dense.sum(0).numpy())
    return np.sqrt(np.concatenate(rows)), part.labels
