"""What ``python -m benchmarks.resnet`` has measured: a spiking ResNet-18, ours and SpikingJelly's."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from IPython.display import Markdown

from lifroles import records
from lifroles.benchmarks.cifar10 import Cifar10, Cifar10Protocol
from lifroles.figures import Display, card
from lifroles.paper import TABLE6
from lifroles.paths import results_dir
from lifroles.prose import NBSP, counted, listed, percent, points
from lifroles.speed.record import OURS
from lifroles.speed.words import milliseconds, times
from lifroles.study import SCALES
from lifroles.tables import Table
from lifroles.variant import TABLE6_VARIANTS

Record = Mapping[str, Any]
Column = tuple[str, Mapping[str, float], Callable[[float], str]]
"""A heading, a number a candidate, and how it is written."""

LIBRARY = "SpikingJelly"
LAST = f"{LIBRARY}, channels last"
TIMED = {
    "steps": "Training step",
    "inference": "Forward pass in evaluation",
    "narrow": "Training step, an eighth of the channels",
}
"""The groups that are times, and their columns' headings."""

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


def medians(record: Record, key: str) -> dict[str, float]:
    """Return the median time of every candidate in one of the timed groups."""
    found = record["groups"][key]["found"]
    return {name: one["median"] for name, one in found.get("candidates", found).items()}


def step_table(record: Record) -> Table:
    """Return time and memory of every candidate, with its ratio to ours."""
    groups = record["groups"]
    columns: list[Column] = [
        (heading, medians(record, key), milliseconds) for key, heading in TIMED.items() if key in groups
    ]
    if "memory" in groups:
        columns.append(("Peak memory of a training step", groups["memory"]["found"], _megabytes))
    rows = [
        (name, *(say(found[name]) + (f" ({times(found[name] / found[OURS])})" * (name != OURS))
                 for _, found, say in columns))
        for name in medians(record, "steps")
    ]  # fmt: skip
    size = groups["steps"]["size"]
    caption = (
        f"ResNet-18 with tdBN, {size['T']} time steps, {size['batch']} images at the published width"
        + (f", {groups['narrow']['size']['batch']} in the narrow network" if "narrow" in groups else "")
        + f"; medians of {groups['steps']['provenance']['rounds']}. In brackets: how many times ours"
    )
    return Table(caption, ("", *(what for what, _, _ in columns)), rows)


def _megabytes(value: float) -> str:
    return f"{value / 1e6:,.0f}{NBSP}MB"


def epoch_table(record: Record) -> Table | Markdown:
    """Return accuracy and time of one epoch of every candidate, by seed, or that they were not measured."""
    if "epoch" not in record["groups"]:
        return Markdown(f"Accuracy after one epoch was not measured: `{COMMAND} --only epoch` does it.")
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
        f"One epoch of {train:,} images (source {found['source']}) at {found['channels']:g} times the channels, "
        f"batches of {found['batch']}, and accuracy on {test:,}; one number a seed, from the same weights"
    )
    return Table(caption, ("", "Test accuracy", "Time of the epoch"), rows)


def ratio(record: Record, key: str, other: str = LIBRARY) -> float:
    """Return how many times ours SpikingJelly's network takes, in one of the timed groups."""
    found = medians(record, key)
    return found[other] / found[OURS]


def _loaded(record: Record) -> str:
    """Return that the machine had other work while a training step was timed, where it had."""
    p = record["groups"]["steps"]["provenance"]
    if p.get("load", 0) <= p["threads"]:
        return ""
    return (
        f" The machine had other work (load {p['load']:g} on {counted(p['threads'], 'thread')}): the ratios are of "
        "candidates that took turns, and the times themselves are upper bounds."
    )


def verdict(record: Record) -> Markdown:
    """Return whether the goal is met, and what stands in its way."""
    groups = record["groups"]
    inside = groups["inside"]["found"]
    parts, step, taken = inside["seconds"], ratio(record, "steps"), medians(record, "steps")
    rate = inside["operations"] / parts["convolution"]
    share, ideal = parts["convolution"] / parts["step"], inside["operations"] / inside["product rate"]
    lines = [
        f"- **A training step** of SpikingJelly's network takes {times(step)} as long as ours, a forward pass in "
        f"evaluation {times(ratio(record, 'inference'))}; with its images in channels-last order, which it does not "
        f"choose itself, {times(ratio(record, 'steps', LAST))} and {times(ratio(record, 'inference', LAST))}. This "
        f"book's goal was three times: {'it is met' if step >= 3 else '**it is not met**'}.{_loaded(record)}",
        f"- **What stands in its way is convolution**, which both leave to the same library: {percent(share, 0)} of "
        f"our step. It runs at {rate / 1e9:.0f} GFLOP/s, {percent(rate / inside['product rate'], 0)} of a large matrix "
        f"product's {inside['product rate'] / 1e9:.0f}. Were all the rest free, SpikingJelly's step would take "
        f"{times(taken[LIBRARY] / (share * taken[OURS]))} as long as ours; were convolution as "
        f"fast as that product as well, {times(taken[LIBRARY] / ideal)}.",
    ]
    if "narrow" in groups:
        lines.append(
            "- **In the narrow networks of the archived runs** the neurons weigh more: there SpikingJelly's step takes "
            f"{times(ratio(record, 'narrow'))} as long as ours."
        )
    if "epoch" in groups:
        lines.append(_equal(groups["epoch"]["found"]["candidates"]))
    if "precision" in groups:
        lines.append(_precision(groups["precision"]["found"]))
    return Markdown("\n".join(lines))


def _equal(found: Record) -> str:
    apart = [abs(a - b) for a, b in zip(found[OURS]["accuracy"], found[LIBRARY]["accuracy"], strict=True)]
    chance = Cifar10.chance
    most = max(max(one["accuracy"]) for one in found.values())
    said = (
        f" All are within {points(most - chance)} of chance, so that this is no evidence of equality; the check of "
        "spikes and gradients is."
        if most - chance < 0.05
        else ""
    )
    return (
        f"- **Accuracy after one epoch** differs by {listed([points(one) for one in apart])}, one number a seed. Both "
        "compute one function and begin with the same weights; sums are rounded otherwise, and a spike that comes of "
        f"it makes another network after some steps.{said}"
    )


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
    step, forward = (medians(record, key)[OURS] / size["batch"] for key in ("steps", "inference"))
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
        f"{size['batch']} images, where the protocol has {protocol.batch_size}. For those with a GPU, where none of "
        f"this was timed, it is one command:\n\n```bash\nlifroles train cifar10 {given} --seeds {numbers} "
        f"--source official --device cuda\n```"
    )


def made(record: Record) -> Display:
    """Return the provenance card of a table; each group's machine and versions stand at the end of the page."""
    places = {str(group["provenance"]["commit"] or "unknown")[:7] for group in record["groups"].values()}
    behind = f"From {path().relative_to(results_dir().parent).as_posix()}, commit {listed(sorted(places))}."
    return card(COMMAND, [], "Cost of a training step", behind)


def origin(record: Record) -> Markdown:
    """Return where each group was measured."""
    lines = [
        f"- `--only {key}`: {p['processor']}, {counted(p['threads'], 'thread')}, torch {p['versions']['torch']}, "
        f"load {p['load']:g} at the start, SpikingJelly {p['versions']['spikingjelly']}, commit "
        f"{str(p['commit'] or 'unknown')[:7]}"
        f"{' with local changes' if p['dirty'] else ''}, {p['started'][:10]}."
        for key, p in ((key, group["provenance"]) for key, group in record["groups"].items())
    ]
    return Markdown(f"`{COMMAND}` makes the record again.\n\n" + "\n".join(lines))
