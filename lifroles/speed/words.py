"""The record in words: numbers with their units, captions, and where ours stands."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from lifroles.figures import Display, card
from lifroles.prose import NBSP, counted, listed
from lifroles.speed.record import COMMAND, LIBRARIES, OURS, Record, layers, networks, series, size, slope, standing

SMALL = 100_000
"""Neuron steps of a layer below which the fixed cost of a call counts."""


def milliseconds(seconds: float) -> str:
    """Return a time with three digits: ``"8.31 ms"``."""
    value = 1e3 * seconds
    digits = max(0, 2 - int(np.floor(np.log10(value)))) if value > 0 else 2
    return f"{value:,.{digits}f}{NBSP}ms"


def times(ratio: float) -> str:
    """Return a ratio with two digits: ``"4.2×"``, ``"12×"``."""
    return f"{ratio:.1f}×" if ratio < 9.95 else f"{ratio:,.0f}×"


def verdict(record: Record) -> str:
    """Return where ours stands, workload by workload, as a Markdown list."""
    lines = []
    for workload in [*networks(record, "training"), *networks(record, "inference")]:
        s = standing(workload)
        memory = "" if s.memory is None else f", with {s.memory:.2f} of its peak memory"
        best = (
            ""
            if s.peer == s.library
            else f"{times(s.library_faster)} as fast as the fastest library ({s.library}) and "
        )
        lines.append(
            f"- **{workload['title']}**, {workload['mode']}: {milliseconds(s.seconds)}, {best}{times(s.faster)} as "
            f"fast as the fastest of all others ({s.peer}){memory}; {times(s.above_floor)} the floor.{dense(workload)}"
        )
    long = [layer for layer in layers(record) if layer["T"] >= 64]
    if long:
        faster = [standing(layer).faster for layer in long]
        above = [standing(layer).above_floor for layer in long]
        lines.append(
            f"- **Neurons alone**, {len(long)} sizes of 64 steps and more: {times(min(faster))} to "
            f"{times(max(faster))} as fast as the fastest of all others; {times(min(above))} to {times(max(above))} "
            "the floor."
        )
        memory = record["groups"]["c"]["found"]["memory"]["peak bytes"]
        peers = {name: value for name, value in memory.items() if name != OURS}
        least = min(peers, key=peers.__getitem__)
        lines.append(
            f"- **Memory of neurons alone**: {memory[OURS] / 1e6:,.0f}{NBSP}MB, where the most sparing other "
            f"({least}) takes {peers[least] / 1e6:,.0f}{NBSP}MB."
        )
        powers = exponents(record)
        grows = [f"{name} to the power {exponent:.2f}" for name, exponent in powers.items()]
        below = ""
        if max(powers.values()) < 0.9:
            below = " Less than 1, because a call and the state that it begins with cost as much as some steps more."
        lines.append(f"- **Cost**: from {SMALL:,} neuron steps on it grows as {listed(grows)}.{below}")
    return "\n".join(lines)


def dense(workload: Record) -> str:
    """Return what is left of the advantage where ours, too, multiplies matrices that are mostly zero."""
    found = {name: one["median"] for name, one in workload["candidates"].items()}
    own = found.get(f"{OURS}, dense input")
    libraries = [seconds for name, seconds in found.items() if name.startswith(LIBRARIES)]
    if own is None or not libraries:
        return ""
    return f" On the dense input that the libraries take, ours is {times(min(libraries) / own)} as fast as theirs."


def exponents(record: Record) -> dict[str, float]:
    """Return the power of T, B and N that our time grows with, in layers where a call's fixed cost is small."""
    found = {}
    for name, along in series(record).items():
        large = [layer for layer in along if size(layer) >= SMALL]
        found[name] = slope(large if len(large) > 1 else along, name)
    return found


def _groups(every: Sequence[Record]) -> list[tuple[str, Record]]:
    return [pair for record in every for pair in sorted(record["groups"].items())]


def origin(*every: Record) -> str:
    """Return on what all this was measured, as Markdown: one line for groups that were measured alike."""
    groups: dict[str, list[str]] = {}
    for name, group in _groups(every):
        p = group["provenance"]
        versions = {k: v for k, v in p["versions"].items() if v is not None}
        facts = (
            f"{p['processor']}, {counted(p['threads'], 'thread')}, {counted(p['rounds'], 'round')}; "
            f"{group['rates']['operations a second'] / 1e9:.0f} GFLOP/s, "
            f"{group['rates']['bytes a second'] / 1e9:.0f} GB/s; "
            f"commit {str(p['commit'] or 'unknown')[:7]}{' with local changes' if p['dirty'] else ''}; "
            + ", ".join(f"{package} {value}" for package, value in versions.items())
            + ("; **a trial run at toy sizes, not a measurement**" if p["quick"] else "")
        )
        groups.setdefault(facts, []).append(name)
    return "\n".join(
        f"- {'Groups' if len(names) > 1 else 'Group'} {listed(names)}: {facts}." for facts, names in groups.items()
    )


def behind(record: Record) -> str:
    """Return where the numbers of a figure come from."""
    p = record["groups"]["c"]["provenance"]
    return (
        f"From results/speed/kernels.json, which {COMMAND} makes: {p['processor']}, {counted(p['threads'], 'thread')}, "
        f"the median of {p['rounds']} interleaved samples, commit {str(p['commit'] or 'unknown')[:7]}, "
        f"{p['started'][:10]}."
    )


def made(*every: Record) -> Display:
    """Return the provenance card of a table."""
    processors = dict.fromkeys(group["provenance"]["processor"] for _, group in _groups(every))
    on = listed([str(processor) for processor in processors])
    files = "kernels.json" + " and kernels-*.json beside it" * (len(every) > 1)
    where = f"From results/speed/{files}, measured on {on}. Each group's processor, commit and versions: below, "
    return card(COMMAND, [], "Measured times", f"{where}under 'Measured on'.")


def times_caption(record: Record) -> str:
    """Return what the figure of times shows."""
    largest = max(series(record)["B"], key=size)
    s = standing(largest)
    least = min(series(record)["B"], key=size)
    small = standing(least)
    return (
        f"A layer of {largest['B'] * largest['N']:,} neurons takes {milliseconds(s.seconds)} for {largest['T']} steps "
        f"forward and backward, {times(s.above_floor)} the floor (dashed); the fastest other, {s.peer}, takes "
        f"{times(s.faster)} as long. With {least['B'] * least['N']:,} neurons the calls themselves count, and it is "
        f"{times(small.faster)}. Median of {largest['candidates'][OURS]['n']} samples each."
    )


def linear_caption(record: Record) -> str:
    """Return what the figure of costs by step shows."""
    found = [layer for one in series(record).values() for layer in one]
    large = [layer for layer in found if size(layer) >= SMALL] or found
    cost = [1e9 * layer["candidates"][OURS]["median"] / size(layer) for layer in large]
    return (
        f"In layers of {min(map(size, large)):,} neuron steps and more, one costs between {min(cost):.2g} and "
        f"{max(cost):.2g} ns forward and backward, whichever size grows; in smaller ones the fixed cost of a call is "
        f"spread over fewer steps. n = {len(found)} layers."
    )


def ratios_caption(record: Record) -> str:
    """Return what the figure of ratios shows."""
    found = layers(record, "B")
    long = [standing(layer) for layer in found if layer["T"] >= 64]
    ten = sum(s.faster >= 10 for s in long)
    two = sum(s.above_floor <= 2 for s in long)
    return (
        f"Of the {len(long)} layers of 64 steps and more that are drawn, {ten} are ten times as fast as the fastest "
        f"other, and {two} take at most twice the floor. Lines: steps T, the thicker the more."
    )


def left_out(record: Record) -> str:
    """Return which layers were not run."""
    found = record["groups"]["c"]["found"]
    if not found["left out"]:
        return "No size was left out."
    return (
        f"Layers of more than {found['most']:,} neuron steps were left out "
        f"({counted(len(found['left out']), 'size')}): the graph of a plain loop over time takes more memory than "
        "there is."
    )
