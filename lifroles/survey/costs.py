"""What the page on data says about time: making, binning and loading."""

from __future__ import annotations

from IPython.display import Markdown

from lifroles.benchmarks import BENCHMARKS
from lifroles.figures import card
from lifroles.prose import NBSP, listed, percent
from lifroles.survey.record import COMMAND, Record
from lifroles.survey.text import behind, measured, minutes
from lifroles.tables import Table

AIM = 0.05
"""Share of a training's time that it may wait for data."""


def _prepared_table(record: Record) -> Table:
    """Return what it takes to make and to bin data."""
    found = record["times"]["found"]
    rows = []
    for name, one in found["prepared"].items():
        each = one["processor seconds"] / one["samples"]
        rows.append(
            (
                f"{BENCHMARKS[name].title}: {one['source']}",
                f"{one['samples']:,}",
                f"{one['processor seconds']:.1f}{NBSP}s",
                f"{1000 * each:.3g}{NBSP}ms",
                f"{one['of']:,}: {minutes(each * one['of'])}",
            )
        )
    one = found["binned"]
    each = one["processor seconds"] / one["samples"]
    rows.append(
        (
            f"SHD: {one['source']}, binned at {one['dt']:g} ms",
            f"{one['samples']:,}",
            f"{one['processor seconds']:.1f}{NBSP}s",
            f"{1000 * each:.3g}{NBSP}ms",
            "–",
        )
    )
    title = "Making and binning data, in seconds of processor time; processors share the work"
    return Table(title, ("Data", "Samples", "Takes", "Each", "The whole set at this rate"), rows)


def _prepared_words(record: Record) -> Markdown:
    """Return the time of all stand-ins at smoke scale."""
    one = record["times"]["found"]
    total = sum(found["processor seconds"] for found in one["prepared"].values())
    clock = sum(found["seconds"] for found in one["prepared"].values())
    spoken = one["prepared"]["shd"]
    return Markdown(
        f"All stand-ins at smoke scale take {clock:.0f}{NBSP}s by the clock and {total:.0f}{NBSP}s of processor time, "
        f"a spoken digit {spoken['processor seconds'] / spoken['samples']:.2f}{NBSP}s, and all of SHD's words are "
        f"binned in {one['binned']['seconds']:.0f}{NBSP}s by the clock. It is done once: what is prepared stays in the "
        "cache folder."
    )


def _loader_table(record: Record) -> Table:
    """Return which share of training is spent on waiting for data."""
    rows = []
    for name, one in record["times"]["found"]["loader"].items():
        shown = {k: v for k, v in one["changes"].items() if k != "epochs"}
        changes = ", ".join(f"{field} {value:,}" for field, value in shown.items())
        rows.append(
            (
                f"{BENCHMARKS[name].title}: {one['source']}",
                changes or "–",
                f"{one['seconds'] / one['epochs']:.1f}{NBSP}s",
                percent(one["share"]),
            )
        )
    return Table(
        "Waiting for batches, as a share of a training run",
        ("Data", "Changed protocol", "An epoch", "Share of the loader"),
        rows,
    )


def _loader_words(record: Record) -> Markdown:
    """Return how many runs wait for data longer than is aimed at."""
    found = record["times"]["found"]["loader"]
    slow = [f"{BENCHMARKS[name].title} ({percent(one['share'])})" for name, one in found.items() if one["share"] > AIM]
    said = f"The aim is that no training waits for data for more than {percent(AIM, 0)} of its time. "
    said += f"Above that: {listed(slow)}." if slow else "None of these does."
    return Markdown(f"{said} CIFAR10's network is the fully connected one here.")


@measured("times")
def times(record: Record) -> list[object]:
    """Return what data cost."""
    origin = card(f"{COMMAND} times", [], "What data cost", behind(record, "times"))
    return [_prepared_words(record), _prepared_table(record), _loader_words(record), _loader_table(record), origin]
