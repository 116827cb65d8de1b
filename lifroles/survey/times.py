"""What data cost: to make the stand-ins, to bin events, and to feed a training epoch."""

from __future__ import annotations

import os
import resource
import tempfile
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from lifroles.benchmarks import BENCHMARKS
from lifroles.spec import RunSpec
from lifroles.study import SCALES
from lifroles.training import train

SMOKE: dict[str, dict[str, int]] = {
    name: {field: count for field, count in scale.changes.items() if field.endswith("_samples")}
    for name, scale in SCALES["smoke"].items()
    if name in ("shd", "ssc", "nmnist", "dvs_gesture", "cifar10")
}
"""Stand-ins at smoke scale: the benchmark's default source with so many samples."""

LOADED = (
    RunSpec.of("xor", "baseline", epochs=2),
    RunSpec.of("shd", "baseline", source="regenerated", train_samples=2048, test_samples=256, epochs=2),
    RunSpec.of("ssc", "baseline", source="speech", train_samples=700, valid_samples=35, test_samples=175, epochs=2),
    RunSpec.of("nmnist", "baseline", source="subset", epochs=2),
    RunSpec.of("dvs_gesture", "baseline", source="gestures", epochs=2),
    RunSpec.of("mnist", "baseline", source="official", train_samples=10240, test_samples=1000, epochs=2),
    RunSpec.of("cifar10", "baseline", source="jpeg", network="mlp", train_samples=10240, test_samples=1000, epochs=2),
    RunSpec.of("poker", "baseline", epochs=20),
)
"""Short runs with the paper's protocol: which share of them is spent on waiting for data."""


def make() -> dict[str, Any]:
    """Return what was measured.

    Raises:
        DataError: a data set is missing or damaged.
    """
    for name in SMOKE:  # compile and import before anything is measured
        with _emptied_cache():
            _prepare(name, dict.fromkeys(SMOKE[name], len(BENCHMARKS[name].groups)))
    return {"prepared": prepared(), "binned": binned(), "loader": loader()}


def prepared() -> dict[str, Any]:
    """Return what it takes to make every stand-in at smoke scale and to bin it, from an empty cache."""
    found = {}
    for name, sizes in SMOKE.items():
        with _emptied_cache():
            found[name] = _measured(lambda name=name, sizes=sizes: _prepare(name, sizes))
        facts = BENCHMARKS[name].facts
        found[name] |= {
            "source": BENCHMARKS[name].default_source,
            "samples": sum(sizes.values()),
            "of": sum(facts.samples.values()),
        }
    return found


def _prepare(name: str, sizes: dict[str, int]) -> None:
    changes: dict[str, Any] = dict(sizes)
    spec = RunSpec.of(name, "baseline", **changes)
    spec.task.load(spec.protocol, spec.source)


def binned() -> dict[str, Any]:
    """Return what it takes to bin all of SHD's words at 1 ms, their checksums known."""
    spec = RunSpec.of("shd", "baseline", source="regenerated")
    checksums = Path(os.environ.get("LIFROLES_CACHE", ""))
    spec.task.load(spec.protocol, spec.source)
    with _emptied_cache(keep=checksums):
        found = _measured(lambda: spec.task.load(spec.protocol, spec.source))
    return found | {"source": spec.source, "samples": sum(spec.task.facts.samples.values()), "dt": 1.0}


def loader() -> dict[str, Any]:
    """Return which share of short runs is spent on waiting for batches, their data prepared."""
    found = {}
    for spec in LOADED:
        spec.task.load(spec.protocol, spec.source)
        record = train(spec)
        wall, waited = record.provenance["wall_seconds"], record.provenance["loader_seconds"]
        found[spec.benchmark] = {
            "source": spec.source,
            "epochs": record.epochs,
            "changes": spec.changes(),
            "seconds": wall,
            "loader seconds": waited,
            "share": waited / wall,
        }
    return found


def _measured(work: Callable[[], object]) -> dict[str, float]:
    """Return the seconds that some work takes by the clock, and on all processors together, its children's included."""
    started, before = time.perf_counter(), _processor_seconds()
    work()
    return {
        "seconds": round(time.perf_counter() - started, 2),
        "processor seconds": round(_processor_seconds() - before, 2),
    }


def _processor_seconds() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


@contextmanager
def _emptied_cache(keep: Path | None = None) -> Generator[None]:
    """Let the cache folder be an empty one; ``keep`` is a cache whose checksums of files are taken over."""
    before = os.environ.get("LIFROLES_CACHE")
    with tempfile.TemporaryDirectory() as folder:
        if keep is not None and (keep / "checksums").is_dir():
            (Path(folder) / "checksums").symlink_to(keep / "checksums")
        os.environ["LIFROLES_CACHE"] = folder
        try:
            yield
        finally:
            if before is None:
                del os.environ["LIFROLES_CACHE"]
            else:
                os.environ["LIFROLES_CACHE"] = before
