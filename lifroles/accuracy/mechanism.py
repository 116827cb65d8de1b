"""What lies behind the accuracies of section 4.1, in words: pattern pairs, spike rates, delays and learned leaks."""

from __future__ import annotations

import math
from statistics import median
from typing import Any

from lifroles import benchmarks, prose
from lifroles.accuracy.study import Delay, Study, in_order
from lifroles.accuracy.words import NOT_RUN, label, named, seeds_a_variant, title
from lifroles.statistics import mean_interval
from lifroles.store import Record
from lifroles.study import DELAY_EPOCHS

SOLVED = 0.9
"""A pattern pair counts as solved from this accuracy on."""

SILENT = 0.001
"""A layer counts as silent below so many spikes per neuron and step."""

ABOVE_CHANCE = 0.05
"""An accuracy counts as above chance from this difference on."""


def groups_caption(study: Study) -> str:
    """Return the finding of the XOR figure by pattern pair."""
    cells = [c for c in study.row("xor") if c.records]
    three = {c.variant: sum(_solved(r) == 3 for r in c.records) for c in cells}
    four = {c.variant: sum(_solved(r) == 4 for r in c.records) for c in cells}
    runs = sum(len(c.records) for c in cells)

    def which(found: dict[str, int]) -> str:
        return prose.listed(f"{label(v).lower()} {k}" for v, k in found.items() if k)

    parts = [
        f"{sum(found.values())} of {prose.counted(runs, 'run')} solve {pairs} of the four pattern pairs"
        + (f" ({which(found)})" if sum(found.values()) else "")
        for pairs, found in (("exactly three", three), ("all", four))
    ]
    return (
        f"{'; '.join(parts)}. A pair counts as solved from {prose.percent(SOLVED, 0)}; a network that solves three "
        "pairs and fails the fourth has an accuracy near three quarters. Points: every seed, last epoch."
    )


def _solved(record: Record) -> int:
    return sum(accuracy >= SOLVED for accuracy in record.final["group_accuracy"].values())


def rates_caption(study: Study, benchmark: str) -> str:
    """Return the finding of the spike-rate figure: the first spiking layer, with and without reset."""
    first = in_order({layer for r in study.records(benchmark) for layer in r.final["spike_rate"]})[:1]
    rates = {c.variant: c.rates(layer) for c in study.row(benchmark) for layer in first if c.records}
    means = {v: math.fsum(r) / len(r) for v, r in rates.items() if r}
    if not means:
        return f"{title(benchmark)}: {NOT_RUN}."
    text = f"{named(study, benchmark)}, first spiking layer: "
    if "baseline" in means and "no_reset" in means:
        without, normal = round(means["no_reset"], 3), round(means["baseline"], 3)
        often = "as often" if without == normal else "more often" if without > normal else "less often"
        text += f"without reset a neuron fires {often} ({without:.3f} against {normal:.3f} spikes per step)"
    else:
        text += f"{min(means.values()):.3f} to {max(means.values()):.3f} spikes per neuron and step"
    return f"{text}; {seeds_a_variant(study, benchmark)}, last epoch."


def delay_words(study: Study) -> str:
    """Return, as Markdown, at which delays the hidden layer falls silent and what brings it back."""
    run = [d for d in study.delays if d.records]
    missing = [d.label for d in study.delays if not d.records]
    chance = benchmarks.get("xor").chance
    plain = [d for d in run if set(d.changes) == {"T"}]
    shortest, *_ = study.delays  # the page's own runs
    longer = [d for d in plain if d is not shortest]
    mended = [d for d in run if set(d.changes) != {"T"}]

    def state(delay: Delay) -> str:
        silent = sum(rate < SILENT for rate in delay.rates())
        n, accuracy = len(delay.records), mean_interval(delay.accuracies())
        fires = "is silent" if silent == n else "fires" if not silent else f"is silent in {silent} of {n} runs"
        above = "above chance" if accuracy.mean - chance > ABOVE_CHANCE else "at chance"
        rates = sorted(delay.rates())
        often = f"{rates[0]:.4f}" if n == 1 else f"{rates[0]:.4f} to {rates[-1]:.4f}"
        return (
            f"**{delay.label}**: the hidden layer {fires} ({often} spikes per neuron and step), accuracy "
            f"{prose.interval(accuracy)}, {above}."
        )

    lines = [f"- {state(d)}" for d in [*plain, *mended]] + [f"- **{name}**: {NOT_RUN}." for name in missing]
    if mended:
        awake = [d.label for d in mended if all(rate >= SILENT for rate in d.rates())]
        learns = [d.label for d in mended if math.fsum(d.accuracies()) / len(d.records) - chance > ABOVE_CHANCE]
        if any(rate < SILENT for d in plain for rate in d.rates()):
            makes = "make" if len(awake) > 1 else "makes"
            woken = prose.listed(f"({name})" for name in awake) or "none"
            fires = f"Of the changes tried, {woken} {makes} the layer fire"
        elif not longer:
            fires = "No longer delay was run without a change"
        else:
            rates = [rate for d in longer for rate in d.rates()]
            usual = shortest.rates()
            fires = (
                "Without a change the layer is silent at no delay by the limit below, but at the longer ones it fires "
                f"{min(rates):.4f} to {max(rates):.4f} spikes per neuron and step"
                + (f", where it fires {min(usual):.4f} to {max(usual):.4f} at the shortest" if usual else "")
            )
        above = prose.listed(f"({name})" for name in learns)
        lines += ["", fires + (f"; above chance: {above}." if learns else "; none of the changes gets above chance.")]
    lines += [
        "",
        f"Accuracies are means over seeds with their 95 % t-interval. A layer counts as silent below {SILENT:g} spikes "
        f"per neuron and step, an accuracy as above chance from {prose.points(ABOVE_CHANCE, 0)} on.",
    ]
    return "\n".join(lines)


def delay_caption(study: Study) -> str:
    """Return what the delay figure shows, and of how many runs."""
    runs = sum(len(d.records) for d in study.delays)
    epochs = min([DELAY_EPOCHS, *(r.epochs for d in study.delays for r in d.records)])
    silent = sum(rate < SILENT for d in study.delays for rate in d.rates())
    return (
        f"Baseline on delayed XOR after {prose.counted(epochs, 'epoch')}: the hidden layer is silent in {silent} of "
        f"{prose.counted(runs, 'run')}. T is the length of the sequence in steps; below, one change at a time. "
        "Points: every seed; dashed: chance."
    )


def leaks_caption(study: Study, benchmark: str = "xor") -> str:
    """Return the finding of the figure of learned leaks: where they end, and where they began."""
    leaks = [k for c in study.row(benchmark) for r in c.records for k in r.final["learned_leaks"].get("hidden1", ())]
    if not leaks:
        return f"{title(benchmark)}: no leak was learned in these runs."
    low, high = initial_leaks(study, benchmark)
    outside = sum(not low <= k <= high for k in leaks)
    return (
        f"{title(benchmark)}, learned leakage coefficients after the last epoch: the hidden layers' median is "
        f"{median(leaks):.2f}, and {outside} of {len(leaks)} neurons left the range they began in "
        f"(shaded, {low:.2f} to {high:.2f}). Points: every neuron of every seed."
    )


def initial_leaks(study: Study, benchmark: str = "xor") -> tuple[float, float]:
    """Return the range that learnable leaks are drawn from."""
    runs = study.records(benchmark)
    protocol: Any = runs[0].spec.protocol if runs else benchmarks.get(benchmark).protocol()
    low, high = (1 / (1 + math.exp(-w)) for w in (protocol.leak_init_low, protocol.leak_init_high))
    return low, high
