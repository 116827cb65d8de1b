"""What claims are about: numbers that every seed of a study gives, and arithmetic with them."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, Protocol

from lifroles import benchmarks, paper
from lifroles.baselines import BASELINE_LABELS
from lifroles.prose import percent
from lifroles.store import Record
from lifroles.variant import VARIANT_LABELS

MODEL_LABELS: Mapping[str, str] = MappingProxyType({**VARIANT_LABELS, **BASELINE_LABELS})
"""Every model's name in the paper's tables."""

MINUS = "\N{MINUS SIGN}"

Seeds = dict[int, float]
"""One number a seed."""


class Evidence(Protocol):
    """Where a claim's numbers come from."""

    def runs(self, benchmark: str, model: str) -> Sequence[Record]:
        """Return the completed runs of a model on a benchmark at the study's scale, one a seed."""
        ...

    def numbers(self, run: Record, probe: str, parameters: Mapping[str, Any]) -> Mapping[tuple[str, str], float]:
        """Return what a probe of a run found, by metric and key; empty where there is no record."""
        ...


@dataclass(frozen=True)
class Quantity:
    """A number of every seed.

    Arguments:
        label: in words.
        values: what gives it, by seed; a seed without it is left out.
        sources: the benchmark and model of every run that it needs.
        share: whether it is an accuracy or a difference of accuracies, in [-1, 1].
        unit: of any other number, as it stands after it.
        counts: whether it is 1 or 0, so that its mean says of how many seeds something holds.
        reported: what the paper's tables have for it, where they do.
    """

    label: str
    values: Callable[[Evidence], Seeds]
    sources: frozenset[tuple[str, str]]
    share: bool = False
    unit: str = ""
    counts: bool = False
    reported: float | None = None

    def __sub__(self, other: Quantity) -> Quantity:
        """Return the difference, seed by seed: the same seed gives all variants the same feed-forward weights."""
        names = (f"({one.label})" if MINUS in one.label else one.label for one in (self, other))
        return combined(f" {MINUS} ".join(names), lambda a, b: a - b, self, other)

    def __abs__(self) -> Quantity:
        return combined(f"|{self.label}|", lambda value: abs(value), self)


def combined(label: str, how: Callable[..., float], *parts: Quantity) -> Quantity:
    """Return a quantity computed from others, for the seeds that all of them have."""

    def values(evidence: Evidence) -> Seeds:
        found = [part.values(evidence) for part in parts]
        common = sorted(set.intersection(*(set(one) for one in found)))
        return {seed: how(*(one[seed] for one in found)) for seed in common}

    sources = frozenset().union(*(part.sources for part in parts))
    units = {part.unit for part in parts}
    known = [part.reported for part in parts if part.reported is not None]
    return Quantity(
        label,
        values,
        sources,
        all(part.share for part in parts),
        units.pop() if len(units) == 1 else "",
        reported=how(*known) if len(known) == len(parts) else None,
    )


def mean(label: str, parts: Sequence[Quantity]) -> Quantity:
    """Return the mean of several quantities, seed by seed."""
    return combined(label, lambda *values: statistics.fmean(values), *parts)


def _of_runs(
    what: str, benchmark: str, model: str, get: Callable[[Record], float | None], *, share: bool = False
) -> Quantity:
    def values(evidence: Evidence) -> Seeds:
        found = {run.seed: get(run) for run in evidence.runs(benchmark, model)}
        return {seed: value for seed, value in found.items() if value is not None}

    label = f"{what}, {named(model)} ({benchmarks.get(benchmark).title})"
    return Quantity(label, values, frozenset({(benchmark, model)}), share)


def named(model: str) -> str:
    """Return a model's name in a sentence."""
    # A comma inside a name would part it in a list of names.
    name = MODEL_LABELS[model].replace(", with ", " but with ")
    return name if name.isupper() else name[0].lower() + name[1:]


def accuracy(benchmark: str, model: str) -> Quantity:
    """Return the test accuracy after the last epoch, in [0, 1]; the paper's is that of Table 6."""
    found = _of_runs("accuracy", benchmark, model, lambda r: float(r.final["last_accuracy"]), share=True)
    reported = paper.TABLE6[model].get(benchmark) if model in paper.TABLE6 else None
    return replace(found, reported=reported and reported.value)


def solved(benchmark: str, model: str, above: float = 0.99, *, ever: bool = False) -> Quantity:
    """Return whether a run ends above an accuracy (1) or not (0); its mean is the share of the seeds that do.

    Arguments:
        ever: whether any epoch counts, and not the last alone.
    """
    found = _of_runs(
        f"seeds that {'are once' if ever else 'end'} above {percent(above, 0)}",
        benchmark,
        model,
        lambda r: float(r.final["best_accuracy" if ever else "last_accuracy"] > above),
    )
    return replace(found, counts=True)


def trained(benchmark: str, model: str) -> Quantity:
    """Return the training accuracy of the last epoch, in [0, 1]."""
    return _of_runs("training accuracy", benchmark, model, lambda r: float(r.history["train_accuracy"][-1]), share=True)


def train_loss(benchmark: str, model: str) -> Quantity:
    """Return the training loss of the last epoch."""
    return _of_runs("training loss", benchmark, model, lambda r: float(r.history["train_loss"][-1]))


def overfitting(benchmark: str, model: str) -> Quantity:
    """Return by how much the training accuracy of the last epoch is above the test accuracy."""
    return _of_runs(
        "training less test accuracy",
        benchmark,
        model,
        lambda r: float(r.history["train_accuracy"][-1] - r.history["test_accuracy"][-1]),
        share=True,
    )


def rate(benchmark: str, model: str, layer: str = "hidden1") -> Quantity:
    """Return a layer's spikes per neuron and step after the last epoch."""
    found = _of_runs("spikes per neuron and step", benchmark, model, lambda r: r.final.get("spike_rate", {}).get(layer))
    return replace(found, unit="spikes per step")


def probed(model: str, probe: str, metric: str, keys: Iterable[str] | str, **parameters: Any) -> Quantity:
    """Return a number that a probe of the N-MNIST runs found; the mean where there are several keys."""
    wanted = [keys] if isinstance(keys, str) else list(keys)

    def values(evidence: Evidence) -> Seeds:
        found = {}
        for run in evidence.runs("nmnist", model):
            numbers = evidence.numbers(run, probe, parameters)
            if all((metric, key) in numbers for key in wanted):
                found[run.seed] = statistics.fmean(numbers[metric, key] for key in wanted)
        return found

    label = f"{probe}: {metric}, {named(model)}"
    if len(wanted) == 1:
        label += f", {wanted[0]}"
    return Quantity(label, values, frozenset({("nmnist", model)}), metric == "accuracy")


def drop(model: str, dt: float, kept: str = "steps") -> Quantity:
    """Return the accuracy on N-MNIST at the trained step length, 3 ms, less that at another (Table 7).

    Arguments:
        dt: ms.
        kept: what stays as trained, ``"steps"`` or ``"duration"``.
    """
    trained, other = (
        replace(
            probed(model, "resolution", "accuracy", f"{kept}/binary/{ms:g}"),
            reported=paper.TABLE7[model][int(ms)].value if ms in paper.TABLE7_DTS else None,
        )
        for ms in (3.0, dt)
    )
    reading = f"{dt:g} ms" if kept == "steps" else f"{dt:g} ms ({kept} kept)"
    return combined(f"accuracy lost at {reading}, {named(model)}", lambda a, b: a - b, trained, other)


def spread(benchmark: str, models: Sequence[str]) -> Quantity:
    """Return the mean distance of a benchmark's other models from its first, in accuracy."""
    base, *others = models
    distances = [abs(accuracy(benchmark, model) - accuracy(benchmark, base)) for model in others]
    return mean(f"influence ({benchmarks.get(benchmark).title})", distances)
