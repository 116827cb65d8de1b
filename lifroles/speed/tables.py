"""The record as tables."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from IPython.display import Markdown

from lifroles.prose import NBSP, listed
from lifroles.speed.record import OURS, Record, Standing, layers, networks, standing
from lifroles.speed.words import exponents, milliseconds, times
from lifroles.tables import Table

Row = tuple[str, ...]


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


def kept_table(*every: Record) -> Table | Markdown:
    """Return the times of training where the C library keeps freed memory, or that they were not measured.

    Those of the first record that has them; the title says which processor and which commit's kernels.
    """
    for record in every:
        if networks(record, "training", kept=True):
            on = record["groups"]["a kept"]["provenance"]
            table = time_table(record, "training", kept=True)
            where = f"On {on['processor']}, kernels of commit {str(on['commit'] or 'unknown')[:7]}"
            return replace(table, caption=f"{table.caption}. {where}")
    return Markdown("Not measured: `python -m benchmarks.kernels --only a,b --keep-memory` does it.")


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


def processors_table(*every: Record) -> Table:
    """Return where ours stands in every network, in every record: of a processor, and of another time."""
    found = [
        (f"{work['title']}, {work['mode']}", group["provenance"], work)
        for record in every
        for name, group in record["groups"].items()
        if name in ("a", "b", "d")
        for work in group["found"]
    ]
    rows = []
    for title in dict.fromkeys(title for title, *_ in found):
        for on, s in [(on, standing(work)) for of, on, work in found if of == title]:
            rows.append((
                title, on["processor"], str(on["commit"] or "unknown")[:7], milliseconds(s.seconds),
                f"{times(s.faster)} ({s.peer})", f"{times(s.library_faster)} ({s.library})", times(s.above_floor),
            ))  # fmt: skip
    title = "Every measurement: our time, how many times as fast as others it is, and how many times the floor"
    return Table(title, ("", "Processor", "Commit", "Ours", "Fastest other", "Fastest library", "Floor"), rows)


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


def goals_table(record: Record) -> Table:
    """Return each goal with what was found and whether it is met."""

    def met(found: str, reached: bool) -> str:
        return f"{found}: {'yes' if reached else 'no'}"

    works = networks(record, "training")
    standings = [standing(work) for work in works]
    long = [standing(layer) for layer in layers(record) if layer["T"] >= 64]

    def row(goal: str, value: Callable[[Standing], float], reached: Callable[[float], bool], alone: str = "") -> Row:
        cells = [met(times(value(s)), reached(value(s))) for s in standings]
        count = sum(reached(value(s)) for s in long)
        return goal, *cells, alone or met(f"{count} of {len(long)} sizes", count == len(long))

    alone = record["groups"]["c"]["found"]["memory"]["peak bytes"]
    share = alone[OURS] / min(value for name, value in alone.items() if name != OURS)
    slopes = exponents(record)
    linear = all(0.9 <= exponent <= 1.1 for exponent in slopes.values())
    rows = [
        row("ten times as fast as the fastest other", lambda s: s.faster, lambda x: x >= 10),
        row("at least five times", lambda s: s.faster, lambda x: x >= 5),
        row("at most twice the floor", lambda s: s.above_floor, lambda x: x <= 2),
        (
            "at most half the memory of the fastest other (neurons: of the most sparing)",
            *(met(f"{s.memory:.2f}", s.memory <= 0.5) if s.memory is not None else "" for s in standings),
            met(f"{share:.2f}", share <= 0.5),
        ),
        (
            "cost proportional to T, B and N",
            *("" for _ in works),
            met("powers " + listed([f"{exponent:.2f}" for exponent in slopes.values()]), linear),
        ),
    ]
    title = "The goals, and whether they are met"
    return Table(title, ("", *(w["title"] for w in works), "neurons alone, T ≥ 64"), rows)


def profile_table(record: Record) -> Table:
    """Return where the time of our own training step goes."""
    found = record["groups"]["g"]["found"]["profiles"]
    rows = [
        (
            name,
            *(f"{milliseconds(w['parts'][name])} ({100 * w['parts'][name] / w['total']:.0f}{NBSP}%)" for w in found),
        )
        for name in found[0]["parts"]
    ]
    rows.append(("all", *(milliseconds(w["total"]) for w in found)))
    rows.append(("sums over the input alone, forward and backward", *(milliseconds(w["reads"]) for w in found)))
    title = (
        "Our training step from inside: time by the clock, of what several threads share the mean over them. Measured "
        "apart from the times above, so the sums differ"
    )
    return Table(title, ("", *(w["title"] for w in found)), rows)


def density_table(record: Record) -> Table:
    """Return the times of sums over events and of a matrix product by the input's density."""
    found = record["groups"]["g"]["found"]["densities"]
    rows = [
        (
            f"{100 * one[0]['density']:g}{NBSP}%",
            *(milliseconds(layer[kind]["median"]) for layer in one for kind in ("events", "matrix")),
        )
        for one in zip(*(work["densities"] for work in found), strict=True)
    ]
    heads = [f"{work['title']}: {kind}" for work in found for kind in ("events", "matrix product")]
    title = "Weighted sums and their weights' gradient, by the share of the input that is not zero"
    return Table(title, ("Density", *heads), rows)
