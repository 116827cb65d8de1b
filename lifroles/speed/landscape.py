"""What ``python -m benchmarks.landscapes`` has measured: points of a loss landscape a second."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from IPython.display import Markdown

from lifroles import records
from lifroles.claims.quantities import MODEL_LABELS, named
from lifroles.figures import Display, card
from lifroles.paths import results_dir
from lifroles.prose import counted, listed
from lifroles.speed.words import times
from lifroles.tables import Table

COMMAND = "python -m benchmarks.landscapes"
"""Makes the record again; digests of trained runs on N-MNIST follow."""


def path() -> Path:
    """Return where the record lies."""
    return results_dir() / "speed" / "landscape.json"


def read() -> Mapping[str, Any] | None:
    """Return the record; ``None`` where none was made, since it needs runs with their weights.

    Raises:
        StoreError: it is damaged.
    """
    return records.read(path(), COMMAND) if path().exists() else None


def table(record: Mapping[str, Any]) -> Table:
    """Return the points a second of every network, in the grid and one by one."""
    rows = []
    for case in record["cases"]:
        minutes = case["seconds_point"] * record["grid"] ** 2 / 60
        rows.append(
            (
                MODEL_LABELS[case["variant"]],
                f"{1 / case['seconds_alone']:.2f}",
                f"{1 / case['seconds_point']:.2f}",
                times(case["gain"]),
                f"{minutes:.1f} min",
            )
        )
    threads = counted(record["provenance"]["threads"], "thread")
    size, rounds = record["grid"], record["rounds"]
    caption = (
        f"Points of a loss landscape a second, on {record['recordings']:,} recordings of N-MNIST, {threads}, median of "
        f"{rounds} rounds; and what a grid of {size} by {size} points takes at that rate."
    )
    return Table(caption, ("Model", "Point by point", "The plane at once", "Ratio", "A grid"), rows)


def verdict(record: Mapping[str, Any]) -> str:
    """Return, as Markdown, whether a grid is as fast as it should be."""
    case, size = record["cases"][0], record["grid"]
    met = "it is reached" if case["seconds_grid"] <= record["wanted"] else "it is not reached"
    slow = [one for one in record["cases"] if one["seconds_point"] * size**2 > record["wanted"]]
    others = (
        f" A grid around {listed(named(one['variant']) for one in slow)} takes longer at the rates below: every point "
        "of it has recurrent weights of its own, so that their products are taken anew."
        if slow
        else ""
    )
    return (
        f"The whole grid of {size} by {size} points around {named(case['variant'])} took {case['seconds_grid']:.0f} s "
        f"on {record['recordings']:,} recordings. The goal was {record['wanted']:.0f} s: {met}.{others}"
    )


def made(record: Mapping[str, Any]) -> Display:
    """Return the provenance card of the table."""
    p = record["provenance"]
    runs = [case["run"] for case in record["cases"]]
    where = (
        f"From results/speed/landscape.json: {', '.join(runs)}; {p['processor']}, {counted(p['threads'], 'thread')}, "
        f"commit {str(p['commit'] or 'unknown')[:7]}."
    )
    digests = " ".join(run.rsplit("-", 1)[-1] for run in runs)
    return card(f"{COMMAND} {digests}", [], "Speed of a loss landscape", where)


def shown() -> list[Any]:
    """Return what the page on speed shows of it."""
    record = read()
    if record is None:
        return [Markdown(f"**Not measured**: `{COMMAND} DIGEST` does it, for runs on N-MNIST that have their weights.")]
    return [Markdown(verdict(record)), table(record), made(record)]
