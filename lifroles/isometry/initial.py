"""Block dynamical isometry of networks as they are drawn: every depth, normalisation and seed, on the same images."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from lifroles import provenance, records
from lifroles.benchmarks import Batch
from lifroles.paths import results_dir
from lifroles.probes.isometry import IsometryParameters, first, isometry
from lifroles.resnet import SpikingResNet
from lifroles.spec import RunSpec
from lifroles.study import DEPTHS, NORMS

COMMAND = "python -m lifroles.isometry"
"""Makes the record again."""

SEEDS = (0, 1, 2)
CHANNELS = 0.125
"""As the archived runs."""

SAMPLES = 8
MEMORYLESS = "complete_leakage"
"""The neuron for which Zheng et al. derive their result, k_tau = 0; measured at the least depth."""

Record = Mapping[str, Any]


def path() -> Path:
    """Return where the record lies."""
    return results_dir() / "isometry" / "initial.json"


def read() -> dict[str, Any]:
    """Return the record.

    Raises:
        StoreError: it is not there, or damaged.
    """
    return records.read(path(), COMMAND)


def specs(source: str) -> list[RunSpec]:
    """Return the runs whose networks are looked at before they train."""
    cases = [("baseline", depth) for depth in DEPTHS] + [(MEMORYLESS, DEPTHS[0])]
    return [
        RunSpec.of(
            "cifar10", variant, seed, source, network=f"resnet{depth}", norm=norm, channels=CHANNELS,
            train_samples=SAMPLES, test_samples=SAMPLES,
        )
        for variant, depth in cases
        for norm in NORMS
        for seed in SEEDS
    ]  # fmt: skip


def measure(spec: RunSpec, batch: Batch[Tensor], p: IsometryParameters) -> dict[str, Any]:
    """Return what a run's network does to a batch before its first step, as an entry of the record."""
    with torch.random.fork_rng():
        torch.manual_seed(spec.seed)  # as training draws it
        network = spec.network("reference")
    assert isinstance(network, SpikingResNet)
    found: dict[str, dict[str, float]] = {}
    for (metric, key), value in isometry(spec, network, batch, p).items():
        found.setdefault(metric, {})[key] = float(f"{value:.4g}")
    protocol: Any = spec.protocol
    return {
        "variant": spec.variant_name,
        "depth": int(protocol.network.removeprefix("resnet")),
        "norm": protocol.norm,
        "seed": spec.seed,
        **found,
    }


def make(source: str, vectors: int = 1) -> dict[str, Any]:
    """Return the record.

    Raises:
        DataError: the images are missing or damaged.
    """
    origin = provenance.describe(threads=torch.get_num_threads(), device="cpu", backend="reference")
    asked = specs(source)
    p = IsometryParameters(samples=SAMPLES, vectors=vectors, seed=0)
    # All of them on the same images, which take longer to check than to look at.
    batch = first(asked[0], SAMPLES)
    cases = [measure(spec, batch, p) for spec in asked]
    return {"provenance": origin, "source": source, "channels": CHANNELS, "parameters": p.model_dump(), "cases": cases}


def write(record: Record) -> None:
    """Write the record.

    Raises:
        StoreError: it cannot be written.
    """
    records.write(record, path())
