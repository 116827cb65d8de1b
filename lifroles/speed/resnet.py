"""What ``python -m benchmarks.resnet`` has measured: a spiking ResNet-18, ours and SpikingJelly's."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from statistics import median
from typing import Any

from IPython.display import Markdown

from lifroles import records
from lifroles.benchmarks.cifar10 import Cifar10, Cifar10Protocol
from lifroles.paper import TABLE6
from lifroles.paths import results_dir
from lifroles.prose import NBSP, counted, listed, percent, points
from lifroles.speed.record import OURS
from lifroles.speed.words import milliseconds, times
from lifroles.study import SCALES
from lifroles.tables import Table
from lifroles.variant import TABLE6_VARIANTS

Record = Mapping[str, Any]

COMMAND = "python -m benchmarks.resnet"
"""Makes the record again; ``--only`` makes a part of it."""


def path() -> Path:
    """Return where the record lies."""
    return results_dir() / "speed" / "resnet.json"


def read() -> dict[str, Any]:
    """Return the record.

    Raises:
        StoreError: it is not there, or damaged.
    """
    return records.read(path(), COMMAND)


def step_table(record: Record) -> Table:
    """Return time and memory of every candidate, with its ratio to ours."""
    groups = record["groups"]
    timed = [key for key in ("steps", "inference") if key in groups]
    found = {key: groups[key]["found"]["candidates"] if key == "steps" else groups[key]["found"] for key in timed}
    peaks = groups["memory"]["found"] if "memory" in groups else {}

    def cell(values: Mapping[str, float], name: str, text: str) -> str:
        return text if name == OURS else f"{text} ({times(values[name] / values[OURS])})"

    rows = []
    for name in found["steps"]:
        medians = [{n: one["median"] for n, one in found[key].items()} for key in timed]
        cells = [cell(values, name, milliseconds(values[name])) for values in medians]
        cells += [cell(peaks, name, f"{peaks[name] / 1e6:,.0f}{NBSP}MB")] if peaks else []
        rows.append((name, *cells))
    size, n = groups["steps"]["size"], found["steps"][OURS]["n"]
    columns = ("", *(groups[key]["what"] for key in timed), *([groups["memory"]["what"]] if peaks else []))
    caption = (
        f"ResNet-18 with tdBN at the published width, {size['batch']} images, {size['T']} time steps; medians of {n}. "
        "In brackets: how many times ours"
    )
    return Table(caption, columns, rows)


def epoch_table(record: Record) -> Table:
    """Return accuracy and time of one epoch of every candidate, by seed."""
    found = record["groups"]["epoch"]["found"]
    rows = [
        (
            name,
            listed([percent(value) for value in one["accuracy"]]),
            listed([f"{value:.1f}{NBSP}s" for value in one["seconds"]]),
        )
        for name, one in found["candidates"].items()
    ]
    train, test = found["samples"]
    caption = (
        f"One epoch of {train:,} images (source {found['source']}) at {found['channels']:g} times the channels, batches "
        f"of {found['batch']}, and accuracy on {test:,}; one number a seed, the same weights and images for both"
    )
    return Table(caption, ("", "Test accuracy", "Time of the epoch"), rows)


def ratio(record: Record, key: str, library: str) -> float:
    """Return how many times ours a candidate takes, in the group ``steps`` or ``inference``."""
    found = record["groups"][key]["found"]
    found = found["candidates"] if key == "steps" else found
    return found[library]["median"] / found[OURS]["median"]


def verdict(record: Record) -> Markdown:
    """Return whether the goal is met, and what stands in its way."""
    groups = record["groups"]
    inside, library = groups["inside"]["found"], "SpikingJelly"
    parts, step = inside["seconds"], ratio(record, "steps", library)
    rate = inside["operations"] / parts["convolution"]
    steps = groups["steps"]["found"]["candidates"]
    share, ideal = parts["convolution"] / parts["step"], inside["operations"] / inside["product rate"]
    epoch = groups["epoch"]["found"]["candidates"]
    faster = median(theirs / own for own, theirs in zip(epoch[OURS]["seconds"], epoch[library]["seconds"], strict=True))
    apart = median(
        abs(own - theirs) for own, theirs in zip(epoch[OURS]["accuracy"], epoch[library]["accuracy"], strict=True)
    )
    lines = [
        f"- **A training step** of SpikingJelly's network takes {times(step)} as long as ours, a forward pass in "
        f"evaluation {times(ratio(record, 'inference', library))}. The goal was three times: "
        f"{'it is met' if step >= 3 else '**it is not met**'}.",
        f"- **What stands in its way is convolution**, which both leave to the same library: {percent(share, 0)} of our "
        f"step. It runs at {rate / 1e9:.0f} GFLOP/s, {percent(rate / inside['product rate'], 0)} of a large matrix "
        f"product's {inside['product rate'] / 1e9:.0f}. Were all the rest free, SpikingJelly's step would take "
        f"{times(steps[library]['median'] / (share * steps[OURS]['median']))} as long as ours; were convolution as fast "
        f"as that product as well, {times(steps[library]['median'] / ideal)}.",
        f"- **In the narrow networks of the archived runs** the neurons weigh more: there an epoch of SpikingJelly's "
        f"takes {times(faster)} as long as ours, and the accuracies after it differ by "
        f"{points(apart)} in the median. Both compute one function; sums are rounded otherwise, and a spike that comes "
        "of it is another network after a few steps.",
    ]
    if "precision" in groups:
        lines.append(_precision(groups["precision"]["found"]))
    return Markdown("\n".join(lines))


def _precision(found: Record) -> str:
    slower = found["bfloat16"]["median"] / found["float32"]["median"]
    return (
        f"- **bfloat16** needs a processor with instructions for it. This one has none ({found['instructions']}): a "
        f"convolution of the first stage takes {slower:.1f} times as long as in float32. `--set precision=bfloat16` "
        "turns it on for the convolutions of a run where there are such (AMX, AVX-512 BF16, a GPU); neurons and "
        "normalisation stay in float32."
    )


def full(record: Record) -> Markdown:
    """Return how long the full protocol takes, from the measured step and forward pass."""
    protocol, facts = Cifar10Protocol(), Cifar10.facts.samples
    groups = record["groups"]
    size = groups["steps"]["size"]
    step = groups["steps"]["found"]["candidates"][OURS]["median"] / size["batch"]
    forward = groups["inference"]["found"][OURS]["median"] / size["batch"]
    hours = protocol.epochs * (facts["train"] * step + facts["test"] * forward) / 3600
    variants = [v for v in TABLE6_VARIANTS if TABLE6[v]["cifar10"] is not None]
    seeds = SCALES["paper"]["cifar10"].seeds
    given = " ".join(f"-v {variant}" for variant in variants)
    numbers = ",".join(map(str, range(seeds)))
    return Markdown(
        f"The full protocol is {protocol.epochs} epochs of {facts['train']:,} images at the published width. At the "
        f"measured {1e3 * step:.0f}{NBSP}ms an image, one run takes {hours / 24:.0f} days on this machine's "
        f"{counted(groups['steps']['provenance']['threads'], 'thread')}; Table 6's column of {len(variants)} variants "
        f"with {seeds} seeds each takes {hours * len(variants) * seeds / 24:.0f} days. It is computed from a step with "
        f"{size['batch']} images, where the protocol has {protocol.batch_size}. For those with a GPU, where none of this "
        f"was timed, it is one command:\n\n```bash\nlifroles train cifar10 {given} --seeds {numbers} --source official "
        f"--device cuda\n```"
    )


def origin(record: Record) -> Markdown:
    """Return where each group was measured."""
    lines = [
        f"- `--only {key}`: {p['processor']}, {counted(p['threads'], 'thread')}, torch {p['versions']['torch']}, "
        f"SpikingJelly {p['versions']['spikingjelly']}, commit {str(p['commit'] or 'unknown')[:7]}"
        f"{' with local changes' if p['dirty'] else ''}, {p['started'][:10]}."
        for key, p in ((key, group["provenance"]) for key, group in record["groups"].items())
    ]
    return Markdown(f"`{COMMAND}` makes the record again.\n\n" + "\n".join(lines))
