"""The record as tables."""

from __future__ import annotations

from IPython.display import Markdown

from lifroles.prose import NBSP
from lifroles.speed.record import OURS, Record, networks
from lifroles.speed.words import milliseconds, times
from lifroles.tables import Table


def time_table(record: Record, mode: str, *, kept: bool = False) -> Table:
    """Return the time of every candidate in every network, with its ratio to ours, and the floor."""
    found = networks(record, mode, kept=kept)
    names = list(found[0]["candidates"])
    rows = [
        (
            name,
            *(
                milliseconds(w["candidates"][name]["median"])
                + (f" ({times(w['candidates'][name]['median'] / w['candidates'][OURS]['median'])})" * (name != OURS))
                for w in found
            ),
        )
        for name in names
    ]
    rows.append(("floor", *(milliseconds(w["floor"]["seconds"]) for w in found)))
    what = "One training step: forward, backward, Adam" if mode == "training" else "Forward alone, without gradient"
    where = "; freed memory is kept by the C library" if kept else ""
    return Table(f"{what}{where}. In brackets: how many times ours", ("", *(w["title"] for w in found)), rows)


def kept_table(record: Record) -> Table | Markdown:
    """Return the times of training where the C library keeps freed memory, or that they were not measured."""
    if not networks(record, "training", kept=True):
        return Markdown("Not measured: `python -m benchmarks.kernels --only a,b --keep-memory` does it.")
    return time_table(record, "training", kept=True)


def memory_table(record: Record) -> Table:
    """Return the peak memory of every candidate in every network's training step, and its input."""
    found = [w for w in networks(record, "training") if "peak bytes" in w["candidates"][OURS]]
    rows = [
        (
            name,
            *(
                f"{w['candidates'][name]['peak bytes'] / 1e6:,.0f} + "
                f"{w['candidates'][name]['input bytes'] / 1e6:,.0f}{NBSP}MB"
                for w in found
            ),
        )
        for name in found[0]["candidates"]
    ]
    title = "Peak memory of a training step, and of the input in the form that the candidate takes"
    return Table(title, ("", *(w["title"] for w in found)), rows)


def check_table(record: Record) -> Table:
    """Return how far the candidates' spikes and gradients are from ours."""
    found = networks(record, "training")
    names = [name for name in found[0]["candidates"] if name != OURS]

    def cell(one: Record) -> str:
        return f"{one['differing']:,}; " + (f"{one['gradient']:.0e}" if one["same gradient"] else "another")

    rows = [("neuron steps in all", *(f"{w['candidates'][names[0]]['of']:,}" for w in found))]
    rows += [(name, *(cell(w["candidates"][name]) for w in found)) for name in names]
    title = "Neuron steps at which a candidate spikes otherwise than ours; how far the first weights' gradient is"
    return Table(title, ("", *(w["title"] for w in found)), rows)


def startup_table(record: Record) -> Table:
    """Return the time of imports and of the first step."""
    found = record["groups"]["f"]["found"]
    rows = [(f"import: {name}", f"{one['median']:.2f} s") for name, one in found["imports"].items()]
    rows += [(f"first training step, {name}", f"{one['median']:.2f} s") for name, one in found["first step"].items()]
    return Table("What comes before the first step, and the first step itself", ("", "Median"), rows)


def variants_table(record: Record) -> Table:
    """Return every variant's layer: the reference backend against the compiled one."""
    resets = {"hard": "hard reset", "none": "no reset"}
    rows = [
        (
            f"{one['title']}, {resets[one['reset']]}{', recurrent' if one['recurrent'] else ''}",
            "×".join(map(str, one["shape"])),
            milliseconds(one["reference"]["median"]),
            milliseconds(one["cpu"]["median"]),
            times(one["reference"]["median"] / one["cpu"]["median"]),
        )
        for one in record["groups"]["e"]["found"]
    ]
    return Table("A layer forward and backward, by backend", ("Layer", "T × B × N", "reference", "cpu", "Ratio"), rows)
