"""Figures of the page on other libraries: their nodes on one input, and their surrogates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from lifroles.figures.style import COLOURS, INK, figure, style
from lifroles.libraries.rows import LIBRARIES, Row
from lifroles.prose import counted
from lifroles.traces import Trace

DASHES: Mapping[str, Any] = {
    "lifroles": "-",
    "spikingjelly": (0, (6, 2)),
    "snntorch": (0, (3, 2)),
    "norse": (0, (1, 1)),
}
"""A library is ink, dashed in its own way: colours are the variants'."""


def nodes(rows: Sequence[Row], recorded: Mapping[str, Any], ours: Mapping[str, Trace]) -> Figure:
    """Potential and spikes of each library's node, over u of the variant of ours that is meant by the same words.

    Arguments:
        rows: the rows whose nodes are drawn, one a panel.
        recorded: the record's traces.
        ours: our trace on the same current, by the row's name.
    """
    with style():
        fig, axes = figure(
            len(rows),
            100 * len(rows) + 40,
            "Membrane potential and spikes of "
            + ", ".join(f"{LIBRARIES[row.library]} {row.node}" for row in rows)
            + " on the same current, each over the potential of ours.",
            sharex=True,
            sharey=True,
        )
        highest = max(float(trace.u.max()) for trace in ours.values())
        for ax, row in zip(axes, rows, strict=True):
            node, trace = recorded["nodes"][row.name], ours[row.name]
            ax.plot(trace.u[:, 0], color=COLOURS["baseline"], linewidth=3.5, alpha=0.6)
            ax.plot(node["u"], color=INK, linewidth=1.3)
            ax.axhline(trace.u_th, color=INK, linewidth=1, linestyle=(0, (1, 1.5)), alpha=0.8, zorder=1)
            # Spikes stand above: theirs in the upper strip, ours below them.
            for spikes, low, high, c, width in (
                (np.asarray(node["o"]), 1.32, 1.5, INK, 1.6),
                (trace.o[:, 0], 1.1, 1.28, COLOURS["baseline"], 3.0),
            ):
                ax.vlines(np.flatnonzero(spikes), low * highest, high * highest, color=c, linewidth=width)
            ax.set_title(_title(row, node["o"]), fontsize=10)
            ax.set_ylim(-0.32 * highest, 1.55 * highest)
            ax.yaxis.set_major_locator(MaxNLocator(3))
        axes[-1].set_xlabel("time (steps)")
        axes[-1].set_xlim(-0.8, len(recorded["x"]) - 0.2)
        return fig


def _title(row: Row, spikes: Sequence[int]) -> str:
    # The arguments are in the table; here there is room for the name and the one that matters.
    short = row.node.replace("lif_box_feed_forward_step, dt · tau_mem_inv = 1 − k_tau", "lif_box_feed_forward_step")
    short = short.replace("tau=1/(1−k_tau)", "tau").replace("beta=k_tau", "beta").replace(", v_reset=0.0", "")
    return f"{LIBRARIES[row.library]} {short}: {counted(sum(spikes), 'spike')}"


def surrogates(x: Sequence[float], recorded: Mapping[str, Sequence[float]]) -> Figure:
    """Return the derivative that each library passes back, by the distance from the threshold."""
    names = {"lifroles": "lifroles, this book", **{name: f"{title}'s default" for name, title in LIBRARIES.items()}}
    with style():
        fig, (ax,) = figure(
            1,
            250,
            "The surrogate derivative of a spike by distance from the threshold, for lifroles and the defaults of "
            + ", ".join(LIBRARIES.values())
            + ".",
        )
        for name, values in recorded.items():
            # The rectangle's sides are upright; the others are smooth.
            how: dict[str, Any] = (
                {"drawstyle": "steps-mid", "linewidth": 2.2} if name == "lifroles" else {"linewidth": 1.5}
            )
            ax.plot(x, values, color=INK, linestyle=DASHES[name], **how)
        ax.set_ylim(0, 2.3)
        ax.legend(
            ax.get_lines(), [names[name] for name in recorded], frameon=False, fontsize=10, ncols=2, handlelength=2.6,
            loc="lower center", bbox_to_anchor=(0.5, 1.0), borderaxespad=0.1,
        )  # fmt: skip
        ax.set_ylabel("do/du passed back")
        ax.set_xlabel("u − u_th")
        return fig
