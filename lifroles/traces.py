"""Small layers run live, step by step: the traces behind sections 2 and 3."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from lifroles.neuron import VariantLIF
from lifroles.prose import counted, listed
from lifroles.variant import NORMAL_LEAK, PAPER_VARIANTS, VARIANT_LABELS, Variant

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Trace:
    """What a layer of N neurons did over T steps.

    ``x``, ``u`` and ``o`` are the input current, the membrane potential before the reset acts, and the
    spikes, each ``[T, N]``; ``spikes_in`` ``[T, channels]`` are the input spikes behind ``x``, if any.
    Potentials and currents have the unit of the threshold ``u_th``.
    """

    name: str
    variant: Variant
    x: Array
    u: Array
    o: Array
    u_th: float
    spikes_in: Array | None = None

    @property
    def spikes(self) -> int:
        """The number of spikes of all neurons."""
        return int(self.o.sum())

    @property
    def peak(self) -> float:
        """The highest membrane potential of any neuron."""
        return float(self.u.max())

    @property
    def rate(self) -> float:
        """Spikes per neuron and step."""
        return float(self.o.mean())


def run(
    variant: Variant,
    x: Array,
    u_th: float,
    *,
    name: str = "",
    recurrent_weight: Array | None = None,
    spikes_in: Array | None = None,
) -> Trace:
    """Run one layer of :class:`~lifroles.neuron.VariantLIF` from rest on the input currents ``x`` ``[T, N]``.

    Arguments:
        variant: what the neurons are made of.
        x: input currents.
        u_th: firing threshold.
        name: what to call the trace.
        recurrent_weight: ``[N, N]``, row i the weights into neuron i; used where the variant is recurrent.
        spikes_in: the input spikes to keep with the trace.
    """
    node = VariantLIF(x.shape[1], variant, u_th=u_th, store_v_seq=True).double()
    with torch.no_grad():
        if node.recurrent_weight is not None and recurrent_weight is not None:
            node.recurrent_weight.copy_(torch.from_numpy(recurrent_weight))
        o = node(torch.from_numpy(np.ascontiguousarray(x, dtype=np.float64)).unsqueeze(1))
    return Trace(name, variant, x, node.v_seq[:, 0].numpy(), o[:, 0].numpy(), u_th, spikes_in)


def integration(T: int, k_tau: float, u_th: float, seed: int, channels: int = 4) -> Trace:
    """Return one neuron that sums weighted spikes of a few input channels: Fig. 1(a).

    A channel spikes at a step with probability 0.2; its weight is drawn between a fifth and three
    quarters of the threshold, so that one input alone never fires the neuron and a few together do.
    """
    rng = np.random.default_rng(seed)
    spikes_in = (rng.random((T, channels)) < 0.2).astype(np.float64)
    weights = u_th * rng.uniform(0.2, 0.75, channels)
    x = (spikes_in @ weights)[:, None]
    return run(Variant(leak=k_tau), x, u_th, name="baseline", spikes_in=spikes_in)


def pulse(k_taus: Sequence[float], u_th: float, T: int = 12, at: int = 2) -> list[Trace]:
    """Return one neuron for each leakage coefficient after a single input below the threshold: Fig. 1(c)."""
    x = np.zeros((T, 1))
    x[at] = 0.9 * u_th
    return [run(Variant(leak=k), x, u_th, name=f"k_tau = {k:g}") for k in k_taus]


def drive(k_tau: float, u_th: float, T: int = 30) -> dict[str, Trace]:
    """Return one neuron with and one without reset under the same constant input: Fig. 1(d).

    The input is too weak to reach the threshold at once, and strong enough to reach it in the end.
    """
    x = np.full((T, 1), u_th * (1 - 0.8 * k_tau))
    return {reset: run(Variant(leak=k_tau, reset=reset), x, u_th, name=reset) for reset in ("hard", "none")}


def ring(k_tau: float, u_th: float, T: int = 20, neurons: int = 3, at: int = 2) -> dict[str, Trace]:
    """Return a ring of neurons, each of which excites the next, with and without its recurrent weights: Fig. 1(e).

    One input spike reaches the first neuron. Row i of the weights leads into neuron i.
    """
    x = np.zeros((T, neurons))
    x[at, 0] = 1.2 * u_th
    weight = 1.2 * u_th * np.roll(np.eye(neurons), 1, axis=0)
    variants = {"feed-forward": Variant(leak=k_tau), "recurrent": Variant(leak=k_tau, recurrent=True)}
    return {name: run(v, x, u_th, name=name, recurrent_weight=weight) for name, v in variants.items()}


def all_variants(T: int, k_tau: float, u_th: float, features: int, seed: int, channels: int = 10) -> dict[str, Trace]:
    """Return every variant of the paper on one input and with one set of recurrent weights: Fig. 2.

    A channel spikes at a step with probability 0.15; a weight is uniform between -0.1 and 0.6 of the
    threshold, and a recurrent weight between -0.6 and 0.6 of it, divided by the square root of N.

    Arguments:
        T: steps.
        k_tau: the coefficient where leakage is normal.
        u_th: firing threshold.
        features: neurons N.
        seed: of the input and of all weights.
        channels: input channels.
    """
    rng = np.random.default_rng(seed)
    spikes_in = (rng.random((T, channels)) < 0.15).astype(np.float64)
    x = spikes_in @ (u_th * rng.uniform(-0.1, 0.6, (channels, features)))
    weight = u_th * rng.uniform(-1.2, 1.2, (features, features)) / np.sqrt(features)
    traces = {}
    for name, variant in PAPER_VARIANTS.items():
        if variant.leak == NORMAL_LEAK:
            variant = replace(variant, leak=k_tau)
        traces[name] = run(variant, x, u_th, name=name, recurrent_weight=weight, spikes_in=spikes_in)
    return traces


def finding(trace: Trace, baseline: Trace) -> str:
    """Return in one sentence what a variant does on its input, compared with the baseline on the same."""
    spikes = counted(trace.spikes, "spike")
    peak = f"the membrane potential peaks at {trace.peak / trace.u_th:.2g} thresholds"
    if trace.name == baseline.name:
        return f"{spikes}; {peak}."
    if np.array_equal(trace.u, baseline.u):
        return f"{spikes}; here it is the baseline, step by step."
    more = trace.spikes - baseline.spikes
    change = f"{abs(more)} {'more' if more > 0 else 'fewer'} than" if more else "as many as"
    return f"{spikes}, {change} the baseline; {peak}."


def findings(traces: Mapping[str, Trace]) -> str:
    """Return a Markdown list with one sentence a variant."""
    return "\n".join(
        f"- **{VARIANT_LABELS.get(name, name)}** ({trace.variant.describe()}): {finding(trace, traces['baseline'])}"
        for name, trace in traces.items()
    )


def busiest(traces: Mapping[str, Trace]) -> int:
    """Return the neuron that fires most in the baseline, the first of equals: the one worth drawing."""
    return int(traces["baseline"].o.sum(0).argmax())


def integration_words(trace: Trace) -> str:
    """Return what the neuron of :func:`integration` did."""
    received = 0 if trace.spikes_in is None else int(trace.spikes_in.sum())
    return (
        f"Of {counted(received, 'input spike')} in {counted(len(trace.x), 'step')} the neuron makes "
        f"{counted(trace.spikes, 'spike')}: it fires only where inputs come close together. After each spike the next "
        "step starts again from zero, plus the input that arrives then."
    )


def pulse_words(traces: Sequence[Trace]) -> str:
    """Return how long the input of :func:`pulse` is kept, for each coefficient."""
    parts = []
    for trace in traces:
        u = trace.u[:, 0]
        after = u[int(u.argmax()) + 1 :]
        kept = int((after >= 0.1 * u.max()).sum())
        length = "to the end" if kept == len(after) else f"for {counted(kept, 'step')}"
        parts.append(f"{length} with {trace.name.replace('k_tau', 'kτ')}")
    return f"After one input the potential stays above a tenth of its peak {listed(parts)}."


def drive_words(traces: Mapping[str, Trace]) -> str:
    """Return how often the neurons of :func:`drive` fire."""
    hard, none = traces["hard"], traces["none"]
    return (
        f"Under one constant input the neuron with reset fires {counted(hard.spikes, 'time')} in "
        f"{counted(len(hard.x), 'step')}, the one without {counted(none.spikes, 'time')}: once it has reached the "
        "threshold, nothing takes it down again while the input lasts."
    )


def ring_words(traces: Mapping[str, Trace]) -> str:
    """Return what one input spike does to the ring of :func:`ring`."""
    alone, ring = traces["feed-forward"], traces["recurrent"]
    n, steps = ring.o.shape[1], np.flatnonzero(ring.o.sum(1))
    lasts = "until the last step" if len(steps) and steps[-1] == len(ring.o) - 1 else "for a while"
    return (
        f"One input spike makes {counted(alone.spikes, 'spike')} without recurrent weights. With them it travels "
        f"around the {n} neurons, one step from each to the next, {lasts}: {counted(ring.spikes, 'spike')} in all."
    )


def variants_words(traces: Mapping[str, Trace]) -> str:
    """Return the finding of the figure of all variants: where the neuron shown fires most and least."""
    neuron, baseline = busiest(traces), traces["baseline"]
    counts = {name: int(trace.o[:, neuron].sum()) for name, trace in traces.items()}
    most, least = max(counts, key=counts.__getitem__), min(counts, key=counts.__getitem__)
    return (
        f"One of {counted(baseline.o.shape[1], 'neuron')} (number {neuron + 1}, the baseline's busiest) on one "
        f"input of {counted(len(baseline.x), 'step')}: {counted(counts[most], 'spike')} "
        f"in the variant '{VARIANT_LABELS[most].lower()}', {counted(counts[least], 'spike')} in "
        f"'{VARIANT_LABELS[least].lower()}'. Line: "
        "u(t); dots and ticks: spikes; dotted: threshold; pale grey: the baseline's u(t)."
    )
