"""What ``python -m benchmarks.attacks`` has measured: an attack on many recordings at once, and one by one."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from IPython.display import Markdown

from lifroles import records
from lifroles.figures import Display, card
from lifroles.paths import results_dir
from lifroles.prose import counted
from lifroles.speed.words import milliseconds, times
from lifroles.tables import Table

COMMAND = "python -m benchmarks.attacks"
"""Makes the record again; the digest of a trained run on N-MNIST follows."""

ROWS = {
    "seconds_loop": "one by one, with SpikingJelly's nodes and torch's operations",
    "seconds_one_by_one": "one by one",
    "seconds_batch": "in one batch",
    "seconds_product": "of that: the gradient through the first layer, a matrix product",
    "seconds_draws": "of that: the random numbers",
}


def path() -> Path:
    """Return where the record lies."""
    return results_dir() / "speed" / "attack.json"


def read() -> Mapping[str, Any] | None:
    """Return the record; ``None`` where none was made, since it needs a run with its weights.

    Raises:
        StoreError: it is damaged.
    """
    return records.read(path(), COMMAND) if path().exists() else None


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


def made(record: Mapping[str, Any]) -> Display:
    """Return the provenance card of the table."""
    p = record["provenance"]
    where = (
        f"From results/speed/attack.json: {record['case']['run']}, {p['processor']}, "
        f"{counted(p['threads'], 'thread')}, commit {str(p['commit'] or 'unknown')[:7]}."
    )
    return card(f"{COMMAND} {record['case']['run'].rsplit('-', 1)[-1]}", [], "Speed of an attack", where)


def shown() -> list[Any]:
    """Return what the page on speed shows of it."""
    record = read()
    if record is None:
        return [Markdown(f"**Not measured**: `{COMMAND} DIGEST` does it, for a run on N-MNIST that has its weights.")]
    return [Markdown(verdict(record)), table(record), made(record)]
