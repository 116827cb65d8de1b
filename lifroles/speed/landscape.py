"""What ``python -m benchmarks.landscapes`` has measured: points of a loss landscape a second."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lifroles.claims.quantities import MODEL_LABELS, named
from lifroles.prose import counted, listed
from lifroles.speed.measured import Measured
from lifroles.speed.words import times
from lifroles.tables import Table


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


MEASURED = Measured(
    "landscape",
    "Speed of a loss landscape",
    "python -m benchmarks.landscapes",
    lambda record: [case["run"] for case in record["cases"]],
    verdict,
    table,
)

shown = MEASURED.shown
"""Return what the page on speed shows of it."""
