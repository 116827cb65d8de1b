"""The trained runs that some benchmarks need with their weights."""

from __future__ import annotations

from lifroles import paths
from lifroles.store import Record, Store


def on_nmnist(digest: str) -> Record:
    """Return the run on N-MNIST in the folder of runs whose digest begins so.

    Raises:
        SystemExit: there is none, or several.
    """
    runs = [run for run in Store(paths.runs_dir()).find(benchmark="nmnist") if run.spec.digest.startswith(digest)]
    if len(runs) != 1:
        raise SystemExit(f"{len(runs)} runs on N-MNIST have a digest that begins with {digest}: name one.")
    return runs[0]
