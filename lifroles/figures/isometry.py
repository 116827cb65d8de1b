"""What a residual network does to gradients and spikes, block by block."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter

from lifroles.figures.style import CHANCE, INK, figure, spread, style

NAMES: Mapping[str, str] = {"tdbn": "tdBN", "bn": "ordinary", "none": "none"}
"""The normalisations' names in figures, where room is short."""

_LINES: Mapping[str, tuple[Any, float]] = {"tdbn": ("-", 2.2), "bn": ((0, (5, 2)), 1.5), "none": ((0, (1, 1.4)), 1.5)}
"""Line and width of each: ink, because colours are the variants'."""

Seeds = Mapping[str, Sequence[Sequence[float]]]
"""By normalisation: a row of values a seed."""


def by_block(
    panels: Mapping[str, Seeds], axis: str, description: str, *, ideal: float | None = None, empty: str = "no value"
) -> Figure:
    """Return a logarithmic panel a network: the geometric mean over seeds by block, and every seed as points.

    What is 0 or no number has no place on such a scale and is left out.

    Arguments:
        panels: values by network and normalisation.
        axis: what they are.
        description: for those who cannot see it.
        ideal: a value that is marked by a line.
        empty: what a panel says in which there is nothing to draw.
    """
    with style():
        fig, axes = figure(len(panels), 40 + 180 * len(panels), description)
        for ax, (title, found) in zip(axes, panels.items(), strict=True):
            ax.set_yscale("log")
            starts = {}
            for norm, rows in found.items():
                values = np.array(rows, dtype=float)
                values[~(values > 0)] = np.nan
                blocks = np.arange(1, values.shape[1] + 1)
                line, width = _LINES[norm]
                mean = np.exp(np.log(values).mean(0))
                if np.isnan(mean).all():
                    continue
                ax.plot(blocks, mean, color=INK, linestyle=line, linewidth=width)
                ax.plot(blocks, values.T, color=INK, linestyle="none", marker="o", markersize=2.5, alpha=0.45)
                starts[norm] = float(mean[~np.isnan(mean)][0])
            last = max((len(rows[0]) for rows in found.values()), default=2)
            if ideal is not None:
                ax.plot([1, last], [ideal, ideal], **CHANCE)
            ax.set_xlim(left=1 - 0.24 * (last - 1))
            ax.set_xticks(range(1, last + 1, 1 if last < 10 else 3))
            ax.yaxis.set_major_locator(LogLocator(10, numticks=7))
            ax.yaxis.set_minor_formatter(NullFormatter())
            ax.set_title(title)
            ax.set_ylabel(axis)
            if starts:
                _name(ax, starts)
            else:
                ax.text(0.5, 0.5, empty, transform=ax.transAxes, ha="center", va="center")
        axes[-1].set_xlabel("block")
        return fig


def _name(ax: Axes, starts: Mapping[str, float]) -> None:
    """Write the names where the lines begin."""
    heights = [ax.transData.transform((1, y))[1] for y in starts.values()]
    low, high = ax.transData.transform([(1, y) for y in ax.get_ylim()])[:, 1]
    for norm, place in zip(starts, spread(heights, 0.12 * (high - low), low, high), strict=True):
        y = ax.transData.inverted().transform((0, place))[1]
        ax.annotate(NAMES[norm], (1, y), xytext=(-7, 0), textcoords="offset points", ha="right", va="center")


def rates(found: Mapping[str, Mapping[str, tuple[Sequence[float], Sequence[float]]]]) -> Figure:
    """Return spikes per neuron and step by block: a row a normalisation, a column a network.

    Arguments:
        found: by normalisation and network, the rates at the end of each block and inside it.
    """
    networks = list(dict.fromkeys(network for columns in found.values() for network in columns))
    with style():
        fig, axes = figure(
            len(found), 60 + 125 * len(found),
            "Spike rates by block, at the blocks' ends and inside them, for every normalisation and depth.",
            len(networks), sharey=True,
        )  # fmt: skip
        for i, (norm, columns) in enumerate(found.items()):
            for j, network in enumerate(networks):
                ax = axes[i * len(networks) + j]
                ends, inside = columns.get(network, ((), ()))
                blocks = np.arange(1, len(ends) + 1)
                ax.plot(blocks, ends, color=INK, marker="o", markersize=3)
                ax.plot(blocks, inside, color=INK, marker="o", markersize=3, markerfacecolor="none", linestyle=":")
                ax.set_ylim(0, 0.9)
                ax.xaxis.set_major_locator(MaxNLocator(4, integer=True))
                if i == 0:
                    ax.set_title(network)
                if j == 0:
                    ax.set_ylabel(f"{NAMES[norm]}\nspikes per step")
                if i == len(found) - 1:
                    ax.set_xlabel("block")
        return fig
