"""Time and memory: interleaved rounds in one process, and one fresh process for each candidate's memory."""

from __future__ import annotations

import contextlib
import ctypes
import json
import math
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from lifroles.paths import project_root

SHORTEST = 0.02
"""Seconds that one sample takes at least: what is shorter is repeated, and the time divided."""


def rounds(calls: Mapping[str, Callable[[], None]], count: int) -> dict[str, list[float]]:
    """Return the seconds of each call, ``count`` of each.

    In every round each candidate has its turn, and who begins changes from round to round, so that a disturbance of the
    machine does not fall on one of them. One call of each goes before: it compiles, and fills the caches.
    """
    repeats = {}
    for name, call in calls.items():
        call()
        start = time.perf_counter()
        call()
        repeats[name] = max(1, math.ceil(SHORTEST / max(time.perf_counter() - start, 1e-7)))
    names, seconds = list(calls), {name: [] for name in calls}
    for i in range(count):
        for name in names[i % len(names) :] + names[: i % len(names)]:
            start = time.perf_counter()
            for _ in range(repeats[name]):
                calls[name]()
            seconds[name].append((time.perf_counter() - start) / repeats[name])
    return seconds


def summary(seconds: list[float]) -> dict[str, Any]:
    """Return the median of a candidate's samples with the fastest and the slowest, in seconds."""
    return {
        "median": _digits(statistics.median(seconds)),
        "fastest": _digits(min(seconds)),
        "slowest": _digits(max(seconds)),
        "n": len(seconds),
    }


def _digits(value: float) -> float:
    return float(f"{value:.4g}")


def keep_memory() -> None:
    """Make the C library keep freed memory instead of giving it back, so that no page is cleared twice."""
    library = ctypes.CDLL(None)
    trim_threshold, mmap_threshold = -1, -3  # malloc.h
    for name, value in ((mmap_threshold, 1 << 30), (trim_threshold, 2**31 - 1)):
        if not library.mallopt(name, value):
            raise OSError("the C library does not take mallopt; leave --keep-memory out.")


def peak_of(call: Callable[[], None]) -> int:
    """Return by how many bytes the resident memory rises in two calls above where it stands before them.

    Two, because what the first leaves behind stands beside what the second takes. Linux's high-water mark is set back
    before; where that is not allowed, the mark since the process began is taken.
    """
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")
    before = _status("VmRSS")
    call()
    call()
    peak = _status("VmHWM") or 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return max(peak - before, 0)


def _status(field: str) -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(field + ":"):
            return 1024 * int(line.split()[1])
    return 0


options: list[str] = []
"""What every child is started with: the threads and the treatment of memory of its parent."""


def child(
    arguments: list[str], environment: Mapping[str, str] | None = None, module: str = "benchmarks.kernels"
) -> Any:
    """Run this benchmark, or another one, in a fresh process and return the JSON that it prints last."""
    done = subprocess.run(
        [sys.executable, "-m", module, *options, *arguments],
        cwd=project_root(),
        env={**os.environ, **(environment or {})},
        capture_output=True,
        text=True,
    )
    if done.returncode:
        raise RuntimeError(f"a process of its own failed ({' '.join(arguments)}):\n{done.stderr.strip()[-2000:]}")
    return json.loads(done.stdout.strip().splitlines()[-1])


_IMPORTS = {
    "lifroles": "import lifroles",
    "lifroles with its neuron": "from lifroles import VariantLIF",
    "torch": "import torch",
    "SpikingJelly": "from spikingjelly.activation_based import neuron",
    "snnTorch": "import snntorch",
    "Norse": "from norse.torch.functional import lif_box",
}


def imports(count: int) -> dict[str, dict[str, Any]]:
    """Return how long each import takes in a fresh Python, its start-up left out."""
    seconds: dict[str, list[float]] = {name: [] for name in _IMPORTS}
    for _ in range(count):
        for name, statement in _IMPORTS.items():
            code = f"import time; start = time.perf_counter(); {statement}; print(time.perf_counter() - start)"
            command = [sys.executable, "-W", "ignore", "-c", code]
            done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=project_root())
            seconds[name].append(float(done.stdout.strip().splitlines()[-1]))
    return {name: summary(values) for name, values in seconds.items()}


def first_steps(arguments: list[str], count: int) -> dict[str, dict[str, Any]]:
    """Return the time of the first training step after import: with nothing compiled yet, and with all of it kept."""
    seconds: dict[str, list[float]] = {"nothing compiled": [], "compiled before": []}
    for _ in range(count):
        with tempfile.TemporaryDirectory() as cache:
            for values in seconds.values():
                values.append(child(arguments, {"NUMBA_CACHE_DIR": cache})["first step"])
    return {name: summary(values) for name, values in seconds.items()}
