"""What was done to the runs, and what was left of them: the records behind the appendix on reproducibility."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lifroles import records
from lifroles.paths import results_dir
from lifroles.prose import counted, listed
from lifroles.tables import Table

KILLS = "python tests/kill_runs.py"
STACKED = "python -m benchmarks.stacked"

_WRITES = {
    "os.mkdir": "making a folder",
    "os.chmod": "setting a folder's permissions",
    "open": "opening a file to write",
    "write": "half way through writing a file",
    "fsync": "forcing a file or folder to the disk",
    "os.rename": "moving a folder into place",
    "os.remove": "removing a file",
    "os.rmdir": "removing a folder",
}


def kills() -> dict[str, Any]:
    """Return what killing runs has found.

    Raises:
        StoreError: it was never recorded, or the record is damaged.
    """
    return records.read(results_dir() / "reproducibility" / "kills.json", KILLS)


def stacked() -> dict[str, Any]:
    """Return what training several seeds in one process at once would save.

    Raises:
        StoreError: it was never recorded, or the record is damaged.
    """
    return records.read(results_dir() / "reproducibility" / "stacked.json", STACKED)


def kills_words(record: Mapping[str, Any]) -> str:
    """Return the finding of the kill test in a sentence or two."""
    lost, differing = record["lost"], record["differing"]
    found = (
        "none was lost, and none differed in a single bit from the one that nobody interrupted"
        if not (lost or differing)
        else f"{counted(lost, 'run')} lost, {differing} different from the one that nobody interrupted"
    )
    runs = listed(f"{run['path'].rsplit('/', 1)[0]} ({counted(run['epochs'], 'epoch')})" for run in record["runs"])
    return (
        f"{counted(record['kills'], 'kill')} by SIGKILL, {record['at_writes']} of them at each single moment at which "
        f"the run writes and {record['at_random']} at any moment, in {counted(record['compared'], 'run')} that were "
        f"started again until they ended: {found}. The runs: {runs}."
    )


def kills_table(record: Mapping[str, Any]) -> Table:
    """Return at what each kill struck."""
    rows = [(_WRITES[kind], str(number)) for kind, number in record["writes"].items()]
    rows.append(("any moment, at random", str(record["at_random"])))
    return Table("Where the runs were killed, and how often", ("Just before, or in", "Kills"), rows)


def stacked_words(record: Mapping[str, Any]) -> str:
    """Return what stacking seeds would gain."""
    best = max(case["gain"] for case in record["cases"])
    built = "so it is built" if best >= record["wanted"] else "so it is not built, and seeds run side by side instead"
    parts = listed(
        f"{case['gain']:.2f} times as fast for {case['seeds']} seeds of {case['run'].rsplit('/', 1)[0]}"
        for case in record["cases"]
    )
    return (
        f"Seeds that are trained at once, as one batch through stacked weights, could at most be {parts}: that is the "
        "time of so many training steps over the time of one step on a batch so many times as large, the least that "
        f"a stacked step has to compute. The goal was {record['wanted']:.1f} times, {built}."
    )


def origin_words(record: Mapping[str, Any]) -> str:
    """Return what a record was measured on."""
    origin = record["provenance"]
    versions = origin["versions"]
    commit = (origin.get("commit") or "unknown")[:8]
    return (
        f"Measured on {origin['processor']}, {counted(origin['threads'], 'thread')}, Python {versions['python']}, "
        f"PyTorch {versions['torch']}, at commit {commit}."
    )
