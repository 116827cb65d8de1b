"""What ``python -m benchmarks.kernels`` has measured, and where ours stands in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from lifroles import records
from lifroles.paths import results_dir

COMMAND = "python -m benchmarks.kernels"
"""Makes the record again; ``--only`` makes a part of it."""

OURS = "lifroles"
LIBRARIES = ("SpikingJelly", "snnTorch", "Norse")

Record = Mapping[str, Any]


def path() -> Path:
    """Return where the record lies."""
    return results_dir() / "speed" / "kernels.json"


def read() -> dict[str, Any]:
    """Return the record.

    Raises:
        StoreError: it is not there, or damaged.
    """
    return records.read(path(), COMMAND)


def elsewhere() -> list[dict[str, Any]]:
    """Return the records of other processors or times, which ``--out results/speed/kernels-NAME.json`` makes, by name.

    Raises:
        StoreError: one is damaged.
    """
    return [records.read(other, COMMAND) for other in sorted(path().parent.glob("kernels-*.json"))]


@dataclass(frozen=True, slots=True)
class Standing:
    """Where ours stands in one workload.

    Arguments:
        seconds: our median.
        peer: the fastest candidate that is not ours, whatever input it takes.
        faster: how many times as fast as it we are.
        library: the fastest of the three libraries.
        library_faster: how many times as fast as that.
        above_floor: our time over the floor.
        memory: our peak over the fastest peer's, each with its input; ``None`` where it was not measured.
    """

    seconds: float
    peer: str
    faster: float
    library: str
    library_faster: float
    above_floor: float
    memory: float | None


def standing(workload: Record) -> Standing:
    """Return where ours stands in a network or a layer of the record."""
    candidates: Mapping[str, Any] = workload["candidates"]
    ours = candidates[OURS]["median"]
    others = [name for name in candidates if not name.startswith(OURS)]
    peer = min(others, key=lambda name: candidates[name]["median"])
    libraries = [name for name in others if name.startswith(LIBRARIES)]
    library = min(libraries, key=lambda name: candidates[name]["median"])
    memory = None
    if "peak bytes" in candidates[OURS]:
        memory = _held(candidates[OURS]) / _held(candidates[peer])
    return Standing(
        ours,
        peer,
        candidates[peer]["median"] / ours,
        library,
        candidates[library]["median"] / ours,
        ours / workload["floor"]["seconds"],
        memory,
    )


def _held(candidate: Record) -> int:
    return candidate["peak bytes"] + candidate.get("input bytes", 0)


def networks(record: Record, mode: str, *, kept: bool = False) -> list[Record]:
    """Return the networks of the record.

    Arguments:
        record: the record.
        mode: ``"training"`` or ``"inference"``.
        kept: those measured with memory kept by the C library.
    """
    names = ("a", "b") if mode == "training" else ("d",)
    groups = [record["groups"].get(name + " kept" * kept) for name in names]
    return [workload for group in groups if group for workload in group["found"]]


def layers(record: Record, series: str | None = None) -> list[Record]:
    """Return the layers of the record, all or those of one series."""
    group = record["groups"].get("c")
    found = group["found"]["layers"] if group else []
    return [layer for layer in found if series is None or layer["series"] == series]


def size(layer: Record) -> int:
    """Return T · B · N."""
    return layer["T"] * layer["B"] * layer["N"]


def slope(found: Sequence[Record], along: str) -> float:
    """Return the exponent of our time as a function of one size, by least squares of the logarithms.

    Arguments:
        found: layers that differ in that size alone.
        along: ``"T"``, ``"B"`` or ``"N"``.
    """
    sizes = np.log([layer[along] for layer in found])
    seconds = np.log([layer["candidates"][OURS]["median"] for layer in found])
    return float(np.polyfit(sizes, seconds, 1)[0])


def series(record: Record) -> dict[str, list[Record]]:
    """Return the layers along each size: T at the middle B · N, B and N at T = 64."""
    by_batch = layers(record, "B")
    middle = sorted({layer["B"] for layer in by_batch})
    batch = middle[min(2, len(middle) - 1)]
    steps = 64
    return {
        "T": [layer for layer in by_batch if layer["B"] == batch],
        "B": [layer for layer in by_batch if layer["T"] == steps],
        "N": layers(record, "N"),
    }
