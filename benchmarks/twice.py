"""How far apart do two machines end? ``python -m benchmarks.twice FOLDER [FOLDER]``: compares two folders of runs.

The runs that both hold, of the same specification, from other processors: the archive as it was before a run was
replaced (``git worktree add before COMMIT``, then ``before/results``) and the archive, or a folder of runs of your own.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np

from lifroles import pool, provenance, records
from lifroles.paths import results_dir
from lifroles.store import Record, Store


def compare(before: Record, after: Record) -> dict[str, Any]:
    """Return what two runs of one specification share: accuracies as shares, epochs from 1."""
    one, other = (np.array(run.history["test_accuracy"]) for run in (before, after))
    loss, later = (np.array(run.history["train_loss"]) for run in (before, after))
    apart = np.flatnonzero((one != other) | (loss != later))
    return {
        "path": after.spec.path,
        "processors": [run.provenance["processor"] for run in (before, after)],
        "commits": [run.provenance["commit"] for run in (before, after)],
        "last": [float(one[-1]), float(other[-1])],
        "most": float(np.abs(one - other).max()),
        "same_epochs": int(apart[0]) if apart.size else len(one),
        "epochs": len(one),
    }


def twice(before: Store, after: Store) -> list[dict[str, Any]]:
    """Return :func:`compare` of every completed run that both hold, from two processors."""
    found = []
    for run in after.find(status="completed"):
        known = before.get(run.spec)
        if known and known.status == run.status and known.provenance["processor"] != run.provenance["processor"]:
            found.append(compare(known, run))
    return found


def main() -> None:
    """Write the record."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.twice", description=__doc__)
    parser.add_argument("before", type=Path, help="a folder of runs")
    parser.add_argument("after", type=Path, nargs="?", default=results_dir(), help="another; the archive")
    arguments = parser.parse_args()
    found = twice(Store(arguments.before), Store(arguments.after))
    if not found:
        raise SystemExit(f"{arguments.before} and {arguments.after} share no run from two processors.")
    origin = provenance.describe(threads=1, device="cpu", backend="auto") | {"side_by_side": pool.cores()}
    place = results_dir() / "reproducibility" / "twice.json"
    records.write({"runs": found, "provenance": origin}, place)
    print(f"{len(found)} runs, the last epoch's accuracies at most {_most(found):.4f} apart -> {place}")


def _most(found: list[dict[str, Any]]) -> float:
    return max(abs(run["last"][0] - run["last"][1]) for run in found)


if __name__ == "__main__":
    main()
