"""How many points of a loss landscape a second? ``python -m benchmarks.landscapes DIGEST [DIGEST ...]``.

A point is the mean loss of other weights on the same recordings of N-MNIST (Fig. 6). Ours sums the events of the first
layer three times for the whole plane, because its current is linear in the weights; point by point, the network is
given each point's weights and passes over the recordings. Both find the same losses, which is checked. Of the first run
the whole grid is measured, of the others some rows of it.
"""

from __future__ import annotations

import argparse
import copy
import os
import statistics
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.trained import on_nmnist
from lifroles import paths, provenance, records
from lifroles.benchmarks import Network
from lifroles.errors import SpecError
from lifroles.probes import samples
from lifroles.probes.landscape import CHUNK, Array, Direction, direction, losses, square
from lifroles.spec import RunSpec
from lifroles.store import Record

WANTED = 120.0
"""Seconds that a grid should take at most."""

GRID, RECORDINGS = 51, 2000
"""Points along each direction, and recordings."""

APART = 4
"""Points that are measured point by point: each takes as long as the next."""


@torch.no_grad()
def one_by_one(spec: RunSpec, network: Network, pair: tuple[Direction, Direction], points: Array, parts: Any) -> Array:
    """Return what :func:`lifroles.probes.landscape.losses` does, as one writes it: every point by itself."""
    moved: Any = copy.deepcopy(network)
    start = copy.deepcopy(network.state_dict())
    found = []
    for a, b in points.tolist():
        moved.load_state_dict({n: w + a * pair[0][n] + b * pair[1][n] if n in pair[0] else w for n, w in start.items()})
        total, count = 0.0, 0
        for batch in parts():
            loss = spec.task.loss(spec.protocol, moved(batch.inputs).output, batch.labels)
            total, count = total + float(loss) * len(batch.labels), count + len(batch.labels)
        found.append(total / count)
    return np.array(found)


def measure(run: Record, rows: int, rounds: int, whole: bool) -> dict[str, Any]:
    """Return the seconds that a point takes in the grid and by itself.

    Arguments:
        run: a trained run on N-MNIST with its weights.
        rows: rows of the grid that are timed, for the time of a point.
        rounds: how often; medians count.
        whole: whether to time the whole grid as well, once.

    Raises:
        SpecError: the two ways differ by more than rounding.
    """
    network = run.load_network()
    part = samples.part(run.spec, "Train")
    parts = samples.batches(part, samples.first(part, RECORDINGS), size=CHUNK)
    pair = direction(network, 0, 0), direction(network, 0, 1)
    grid = square(GRID)
    some, few = grid[: rows * GRID], grid[:APART]
    together, apart = [], []
    for i in range(rounds + 1):  # the first one is for warming up
        begin = time.perf_counter()
        ours = losses(run.spec, network, pair, some if i else few, parts)
        middle = time.perf_counter()
        theirs = one_by_one(run.spec, network, pair, few, parts)
        end = time.perf_counter()
        if not np.allclose(ours[:APART], theirs, rtol=1e-3):
            raise SpecError(f"The losses of {run.spec.path} are not those found point by point: do not time them.")
        if i:
            together.append((middle - begin) / len(some))
            apart.append((end - middle) / len(few))
    seconds = None
    if whole:
        begin = time.perf_counter()
        losses(run.spec, network, pair, grid, parts)
        seconds = time.perf_counter() - begin
    point, alone = statistics.median(together), statistics.median(apart)
    return {
        "run": run.spec.path,
        "variant": run.variant_name,
        "rows": rows,
        "seconds_point": point,
        "seconds_alone": alone,
        "seconds_grid": seconds,
        "gain": alone / point,
    }


def main() -> None:
    """Measure some runs and write the record."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("runs", nargs="+", help="digests of runs on N-MNIST in the folder of runs, or their beginnings")
    parser.add_argument("--rows", type=int, default=4, help="rows of the grid that are timed")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--out", type=Path, default=paths.results_dir() / "speed" / "landscape.json")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    cases = []
    for run in [on_nmnist(digest) for digest in options.runs]:
        case = measure(run, options.rows, options.rounds, whole=not cases)
        print(f"{case['run']}: {1 / case['seconds_point']:.1f} points a second, {case['gain']:.1f} times as many")
        cases.append(case)
    records.write(
        {
            "wanted": WANTED,
            "grid": GRID,
            "recordings": RECORDINGS,
            "rounds": options.rounds,
            "cases": cases,
            "provenance": provenance.describe(threads=options.threads, device="cpu", backend="auto"),
        },
        options.out,
    )


if __name__ == "__main__":
    main()
