"""What ``python -m benchmarks.attacks`` has measured: an attack on many recordings at once, and one by one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lifroles.speed.measured import Measured
from lifroles.speed.words import milliseconds, times
from lifroles.tables import Table

ROWS = {
    "seconds_loop": "one by one, with SpikingJelly's nodes and torch's operations",
    "seconds_one_by_one": "one by one",
    "seconds_batch": "in one batch",
    "seconds_product": "of that: the gradient through the first layer, a matrix product",
    "seconds_draws": "of that: the random numbers",
}


def table(record: Mapping[str, Any]) -> Table:
    """Return the time that a recording costs at each iteration."""
    case = record["case"]
    caption = (
        f"The attack of Liang et al. on N-MNIST, {case['recordings']} recordings, 1 thread: time a recording and "
        f"iteration, median of {case['rounds']} rounds."
    )
    return Table(caption, ("The recordings", "Time"), [(label, milliseconds(case[key])) for key, label in ROWS.items()])


def verdict(record: Mapping[str, Any]) -> str:
    """Return, as Markdown, how much a batch gains, and what bounds it."""
    case = record["case"]
    fixed = case["seconds_product"] + case["seconds_draws"]
    bound = case["seconds_one_by_one"] / fixed
    reached = "it is reached" if case["gain"] >= record["wanted"] else "it is not reached"
    why = (
        f" What a batch cannot save, the product and the random numbers, takes {milliseconds(fixed)}: on this "
        f"processor no batch could be more than {times(bound)} as fast."
        if case["gain"] < record["wanted"]
        else ""
    )
    return (
        f"A batch of {case['recordings']} is attacked {times(case['gain'])} as fast as one recording after the other. "
        f"The goal was {times(record['wanted'])}: {reached}.{why} Both find the same flips. Against a loop over "
        f"recordings that is written with SpikingJelly's nodes and torch's own operations it is "
        f"{times(case['gain_loop'])} as fast."
    )


MEASURED = Measured(
    "attack",
    "Speed of an attack",
    "python -m benchmarks.attacks",
    lambda record: [record["case"]["run"]],
    verdict,
    table,
)

shown = MEASURED.shown
"""Return what the page on speed shows of it."""
