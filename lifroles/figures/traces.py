"""Figures of sections 2 and 3: input, membrane potential and spikes over time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from lifroles.figures.style import COLOURS, INK, colour, figure, short, style
from lifroles.prose import counted
from lifroles.traces import Trace
from lifroles.variant import VARIANT_LABELS

STEP = "time (steps)"


def _ticks(ax: Axes, spikes: np.ndarray, row_colours: Sequence[str], *, size: float = 0.7) -> None:
    """Draw spikes ``[T, N]`` as vertical ticks, the first neuron at the top."""
    for i, c in enumerate(row_colours):
        steps = np.flatnonzero(spikes[:, i])
        ax.vlines(steps, -i - size / 2, -i + size / 2, color=c, linewidth=1.8)
    ax.set_ylim(-len(row_colours) + 1 - 0.7, 0.7)
    ax.spines["left"].set_visible(False)
    ax.set_yticks([])


def _threshold(ax: Axes, u_th: float) -> None:
    ax.axhline(u_th, color=INK, linewidth=1, linestyle=(0, (1, 1.5)), alpha=0.8, zorder=1)


def _potential(ax: Axes, trace: Trace, c: str, neuron: int = 0) -> None:
    """Draw u with a ring at every step at which the neuron fires."""
    u, steps = trace.u[:, neuron], np.flatnonzero(trace.o[:, neuron])
    ax.plot(u, color=c)
    ax.plot(steps, u[steps], "o", color=c, markersize=4.5)
    ax.yaxis.set_major_locator(MaxNLocator(3))


def _steps(ax: Axes, T: int) -> None:
    ax.set_xlim(-0.8, T - 0.2)
    ax.xaxis.set_major_locator(MaxNLocator(6, integer=True))


def integration(trace: Trace) -> Figure:
    """Fig. 1(a): input spikes, the current they make, the membrane potential, and the spikes it fires."""
    assert trace.spikes_in is not None
    channels = trace.spikes_in.shape[1]
    with style():
        fig, (inputs, current, potential, output) = figure(
            4,
            400,
            "Four traces over time: input spikes, the input current, the membrane potential with its threshold, "
            "and the output spikes.",
            ratios=(1.1, 0.9, 1.6, 0.4),
            sharex=True,
        )
        _ticks(inputs, trace.spikes_in, [INK] * channels)
        inputs.set_title(f"input spikes, {channels} channels")
        steps = np.flatnonzero(trace.x[:, 0])
        current.vlines(steps, 0, trace.x[steps, 0], color=INK)
        current.axhline(0, color=INK, linewidth=0.8)
        current.set_title("input current x(t)")
        current.yaxis.set_major_locator(MaxNLocator(2))
        _potential(potential, trace, COLOURS["baseline"])
        _threshold(potential, trace.u_th)
        potential.set_title("membrane potential u(t); dotted: threshold; dots: it fires")
        _ticks(output, trace.o, [COLOURS["baseline"]])
        output.set_title("output spikes o(t)")
        output.set_xlabel(STEP)
        _steps(output, len(trace.x))
        return fig


def leak(traces: Sequence[Trace]) -> Figure:
    """Fig. 1(c): the potential after one input, for several leakage coefficients."""
    # The coefficients are not variants of one run: full leakage, normal and none have those variants' colours.
    colours = {0.0: COLOURS["complete_leakage"], 1.0: COLOURS["no_leakage"]}
    with style():
        fig, (ax,) = figure(1, 215, "The membrane potential after one input decays the faster, the smaller k_tau is.")
        for trace in traces:
            k = float(trace.variant.leak)
            u = trace.u[:, 0]
            ax.plot(u, color=colours.get(k, COLOURS["baseline"]), marker="o", markersize=3.5)
            # One step after the input the curves are furthest apart; the lowest is named below the others.
            at = int(u.argmax()) + 1
            place = (4, 4) if k else (0, -14)
            ax.annotate(f"kτ = {k:g}", (at, u[at]), xytext=place, textcoords="offset points", fontsize=10)
        _threshold(ax, traces[0].u_th)
        ax.set_title("membrane potential u(t); dotted: threshold")
        ax.set_ylabel("u(t)")
        ax.set_xlabel(STEP)
        ax.set_ylim(-0.25 * traces[0].u_th, 1.15 * traces[0].u_th)
        _steps(ax, len(traces[0].x))
        return fig


def reset(traces: Mapping[str, Trace]) -> Figure:
    """Fig. 1(d): the same constant input with and without reset."""
    names = {"hard": ("with reset", COLOURS["baseline"]), "none": ("without reset", COLOURS["no_reset"])}
    with style():
        fig, axes = figure(
            2,
            260,
            "Membrane potential under a constant input, with reset above and without below.",
            sharex=True,
            sharey=True,
        )
        for ax, (kind, trace) in zip(axes, traces.items(), strict=True):
            label, c = names[kind]
            _potential(ax, trace, c)
            _threshold(ax, trace.u_th)
            ax.set_title(f"{label}: {counted(trace.spikes, 'spike')}")
            ax.set_ylabel("u(t)")
        axes[0].set_ylim(bottom=0)
        axes[-1].set_xlabel(STEP)
        _steps(axes[-1], len(traces["hard"].x))
        return fig


def recurrence(traces: Mapping[str, Trace]) -> Figure:
    """Fig. 1(e): one spike in a ring of neurons, without and with its recurrent weights."""
    names = {"feed-forward": COLOURS["baseline"], "recurrent": COLOURS["recurrent"]}
    with style():
        fig, axes = figure(
            2, 250, "Spikes of the neurons of a ring, without recurrent weights above and with them below.", sharex=True
        )
        for ax, (kind, trace) in zip(axes, traces.items(), strict=True):
            n = trace.o.shape[1]
            _ticks(ax, trace.o, [names[kind]] * n)
            ax.set_yticks([-i for i in range(n)], [f"neuron {i + 1}" for i in range(n)])
            ax.tick_params(axis="y", length=0)
            ax.set_title(
                {"feed-forward": "without recurrent weights", "recurrent": "each neuron excites the next"}[kind]
            )
        axes[-1].set_xlabel(STEP)
        _steps(axes[-1], len(traces["recurrent"].x))
        return fig


def variants(traces: Mapping[str, Trace], neuron: int = 0) -> Figure:
    """Fig. 2: u and o of one neuron for every variant, over the baseline's u."""
    baseline = traces["baseline"]
    with style():
        fig, axes = figure(
            len(traces),
            92 * len(traces) + 30,
            "Membrane potential and spikes of one neuron for every variant on the same input: "
            + ", ".join(VARIANT_LABELS.get(name, name).lower() for name in traces)
            + ".",
            sharex=True,
        )
        for ax, (name, trace) in zip(axes, traces.items(), strict=True):
            if name != "baseline":
                ax.plot(baseline.u[:, neuron], color=COLOURS["baseline"], linewidth=1, alpha=0.7)
            _potential(ax, trace, colour(name), neuron)
            _threshold(ax, trace.u_th)
            low, high = ax.get_ylim()
            # The spikes stand in a strip of their own above the potential.
            top = high + 0.3 * (high - low)
            steps = np.flatnonzero(trace.o[:, neuron])
            ax.vlines(steps, high + 0.08 * (high - low), top, color=colour(name), linewidth=1.8)
            ax.set_ylim(low, top)
            title = VARIANT_LABELS.get(name, short(name))
            ax.set_title(f"{title}: {counted(len(steps), 'spike')}", fontsize=10.5)
            ax.set_ylabel("u(t)")
        axes[-1].set_xlabel(STEP)
        _steps(axes[-1], len(baseline.x))
        return fig
