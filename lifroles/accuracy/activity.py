"""How often neurons fire, and what a sample costs: what the probe ``rates`` found in the runs of the page (Fig. 4)."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

import numpy as np

from lifroles import probes, prose
from lifroles.accuracy.study import Study
from lifroles.accuracy.words import label, named, title
from lifroles.probes.record import ProbeRecord, find
from lifroles.store import Record
from lifroles.tables import Download, Table

Array = np.ndarray[Any, Any]

NOT_ASKED = "not measured"
BINS = 25
"""Bars of a histogram of spike rates."""


def ask(study: Study) -> None:
    """Ask the probe of every run that has its weights, where the page trains; the archive is only read."""
    if study.parameters.profile == "archive":
        return
    probe = probes.get("rates")
    for name in study.parameters.benchmarks:
        for record in study.records(name):
            if record.has_weights and record.path is not None and probe.covers(record.spec):
                probes.ask(probe, record)


def answers(study: Study, benchmark: str, variant: str) -> list[tuple[Record, ProbeRecord]]:
    """Return the runs of a variant that were asked, each with the answer."""
    cell = study.cells.get((benchmark, variant))
    found = [(record, find(record, "rates")) for record in (cell.records if cell else ())]
    return [(record, some[0]) for record, some in found if some]


@dataclass(frozen=True)
class Histogram:
    """How the rates of a layer's neurons are distributed, of several seeds.

    Arguments:
        edges: of the bins, spikes per step, ``[bins + 1]``.
        shares: share of the neurons in each bin, ``[seeds, bins]``.
        means: mean rate of each seed.
        silent: share of the neurons of each seed that never fire.
    """

    edges: Array
    shares: Array
    means: Sequence[float]
    silent: Sequence[float]


def histograms(study: Study, benchmark: str, variants: Sequence[str], layer: str = "hidden1") -> dict[str, Histogram]:
    """Return the distribution of a layer's rates by variant, with the same bins; a variant not asked is left out."""
    rates = {v: [probe.array(f"rate_{layer}") for _, probe in answers(study, benchmark, v)] for v in variants}
    rates = {v: found for v, found in rates.items() if found}
    if not rates:
        return {}
    top = max(float(one.max()) for found in rates.values() for one in found)
    edges = np.linspace(0, max(top, 1e-6), BINS + 1)
    return {
        v: Histogram(
            edges,
            np.array([np.histogram(one, edges)[0] / len(one) for one in found]),
            [float(one.mean()) for one in found],
            [float((one == 0).mean()) for one in found],
        )
        for v, found in rates.items()
    }


def distribution_caption(found: Mapping[str, Histogram], name: str) -> str:
    """Return the finding of Fig. 4; ``name`` is the benchmark's, with its scale."""
    means = {v: fmean(h.means) for v, h in found.items()}
    text = f"{name}, hidden layer: "
    base, none = means.get("baseline"), means.get("no_reset")
    if base and none is not None:
        text += (
            f"without reset a neuron fires {none:.3f} times a step on average and with reset {base:.3f}, "
            f"{abs(none / base - 1):.0%} {'more' if none > base else 'less'}. "
        )
    else:
        text += "; ".join(f"{label(v).lower()} {mean:.3f} spikes per step" for v, mean in means.items()) + ". "
    silent = prose.listed(f"{prose.percent(fmean(h.silent))} ({label(v).lower()})" for v, h in found.items())
    seeds = prose.listed(f"{len(h.means)} ({label(v).lower()})" for v, h in found.items())
    return (
        f"{text}Neurons that never fire: {silent}. Bars: share of the neurons, mean over seeds, with the lowest and "
        f"highest seed; line: mean rate. Test set; seeds: {seeds}."
    )


def histogram_download(found: Mapping[str, Histogram]) -> Download:
    """Return the bars of Fig. 4."""
    columns = ("variant", "rate_from", "rate_to", "share_mean", "share_lowest_seed", "share_highest_seed")
    rows = [
        (v, f"{low:.6f}", f"{high:.6f}", *(f"{end:.6f}" for end in (seeds.mean(), seeds.min(), seeds.max())))
        for v, h in found.items()
        for low, high, seeds in zip(h.edges[:-1], h.edges[1:], h.shares.T, strict=True)
    ]
    return Download("spike_rate_distribution", columns, rows)


@dataclass(frozen=True)
class Cost:
    """What a sample costs a variant, means over ``n`` seeds.

    Arguments:
        rates, silent: spikes per neuron and step, and the share of neurons that never fire, by layer.
        forward, recurrent: accumulates a sample through the weights between layers, and of layers onto themselves.
        multiplies: multiply-accumulates a sample.
        dense: operations a sample if every input and weight counted.
    """

    n: int
    rates: Mapping[str, float]
    silent: Mapping[str, float]
    forward: float
    recurrent: float
    multiplies: float
    dense: float

    @property
    def operations(self) -> float:
        """All synaptic operations of a sample."""
        return self.forward + self.recurrent + self.multiplies


def cost(study: Study, benchmark: str, variant: str) -> Cost | None:
    """Return what a sample costs a variant, or ``None`` where no run was asked."""
    found = [probe for _, probe in answers(study, benchmark, variant)]
    if not found:
        return None

    def total(metric: str) -> float:
        return fmean(math.fsum(one.metric(metric).values()) for one in found)

    def by_layer(metric: str) -> dict[str, float]:
        return {layer: fmean(one.metric(metric)[layer] for one in found) for layer in found[0].metric(metric)}

    totals = (total(metric) for metric in ("accumulates", "recurrent", "multiplies", "dense"))
    return Cost(len(found), by_layer("rate"), by_layer("silent"), *totals)


def cost_table(study: Study, benchmark: str) -> Table | None:
    """Return rates and operations of every variant on a benchmark; ``None`` where no run was asked."""
    found = {cell.variant: cost(study, benchmark, cell.variant) for cell in study.row(benchmark)}
    if not any(found.values()):
        return None
    rows = []
    for variant, one in found.items():
        if one is None:
            rows.append((label(variant), "0", NOT_ASKED, *["–"] * 5))
            continue
        rates = "; ".join(f"{layer} {rate:.3f}" for layer, rate in one.rates.items())
        idle = "; ".join(f"{layer} {prose.percent(share)}" for layer, share in one.silent.items())
        operations = (f"{value:,.0f}" for value in (one.forward + one.recurrent, one.recurrent, one.multiplies))
        rows.append((label(variant), str(one.n), rates, idle, *operations, prose.percent(one.operations / one.dense)))
    caption = f"{named(study, benchmark)}: spike rates and synaptic operations on the test set, means over n seeds."
    columns = (
        "Variant",
        "n",
        "Spikes per neuron and step",
        "Neurons that never fire",
        "Accumulates a sample",
        "of them recurrent",
        "Multiply-accumulates",
        "Share of a dense network's",
    )
    return Table(caption, columns, rows, download=Download(f"operations_{benchmark}", columns, rows))


def cost_words(study: Study) -> str:
    """Return, as Markdown, how many more or fewer operations each variant needs than the baseline."""
    lines = []
    for name in study.parameters.benchmarks:
        found = {v: one for v in study.parameters.variants if (one := cost(study, name, v)) is not None}
        base = found.pop("baseline", None)
        if base is None or not base.operations or not found:
            continue
        said = [
            f"{label(v).lower()} {prose.signed_points(one.operations / base.operations - 1, 0)} %"
            for v, one in found.items()
        ]
        lines.append(f"- {title(name)}: {prose.listed(said)}.")
    if not lines:
        return f"Operations: {NOT_ASKED}."
    return "\n".join(["Operations a sample, against the baseline:", "", *lines])
