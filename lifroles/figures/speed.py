"""Figures of the page on speed: time by size, cost by step, and the distance to the fastest peer and to the floor."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter

from lifroles import speed
from lifroles.figures.style import CHANCE, INK, figure, spread, style
from lifroles.speed.record import Record

STYLES: Mapping[str, tuple[Any, str, float]] = {
    "lifroles": ("-", "o", 2.4),
    "torch loop": ((0, (6, 2)), "s", 1.3),
    "SpikingJelly": ((0, (4, 2)), "^", 1.3),
    "SpikingJelly, operator": ((0, (4, 1, 1, 1)), "v", 1.3),
    "snnTorch": ((0, (2, 2)), "D", 1.3),
    "snnTorch, delayed": ((0, (2, 1)), "d", 1.3),
    "Norse": ((0, (1, 1)), "x", 1.3),
}
"""Line, marker and width of each candidate: ink, because colours are the variants'."""


def _log(ax: Axes, axis: str) -> None:
    getattr(ax, f"set_{axis}scale")("log")
    side = getattr(ax, f"{axis}axis")
    side.set_major_locator(LogLocator(10, numticks=12))
    side.set_minor_formatter(NullFormatter())


def times(record: Record) -> Figure:
    """Time of one layer by the number of neurons, forward and backward, of every candidate, over the floor."""
    found = sorted(speed.series(record)["B"], key=speed.size)
    neurons = [layer["B"] * layer["N"] for layer in found]
    with style():
        fig, (ax,) = figure(
            1, 330, "Time of a layer forward and backward by number of neurons, for every candidate, with the floor."
        )
        _log(ax, "x")
        _log(ax, "y")
        ends: dict[str, float] = {}
        for name in found[0]["candidates"]:
            line, marker, width = STYLES[name]
            values = [1e3 * layer["candidates"][name]["median"] for layer in found]
            ax.plot(neurons, values, color=INK, linestyle=line, marker=marker, markersize=4, linewidth=width)
            ends[name] = values[-1]
        floor = [1e3 * layer["floor"]["seconds"] for layer in found]
        ax.plot(neurons, floor, **{**CHANCE, "linewidth": 1.4})
        ends["floor"] = floor[-1]
        low, high = ax.get_ylim()
        # Labels stand at the lines' ends, in the scale of the axes.
        heights = [ax.transData.transform((neurons[-1], value))[1] for value in ends.values()]
        span = ax.transData.transform([(neurons[-1], low), (neurons[-1], high)])[:, 1]
        places = spread(heights, 0.062 * (span[1] - span[0]), *span)
        for name, place in zip(ends, places, strict=True):
            y = ax.transData.inverted().transform((0, place))[1]
            ax.annotate(
                name, (neurons[-1], y), xytext=(7, 0), textcoords="offset points", va="center", fontsize=9.5,
                fontweight="bold" if name == speed.OURS else "normal", annotation_clip=False,
            )  # fmt: skip
        ax.set_title(f"one layer, T = {found[0]['T']}, forward and backward", fontsize=10.5)
        ax.set_ylabel("time (ms)")
        ax.set_xlabel("neurons, B · N")
        return fig


def linear(record: Record) -> Figure:
    """Our time for a neuron step, along T, B and N: where it is flat, cost is linear."""
    along = speed.series(record)
    markers = {"T": "o", "B": "s", "N": "^"}
    dashes = {"T": "-", "B": (0, (4, 2)), "N": (0, (1, 1))}
    with style():
        fig, (ax,) = figure(1, 250, "Our time for one neuron step by the size of the layer, as T, B or N grows.")
        _log(ax, "x")
        _log(ax, "y")
        for name, found in along.items():
            found = sorted(found, key=speed.size)
            sizes = [speed.size(layer) for layer in found]
            values = [1e9 * layer["candidates"][speed.OURS]["median"] / speed.size(layer) for layer in found]
            ax.plot(sizes, values, color=INK, linestyle=dashes[name], marker=markers[name], markersize=4, linewidth=1.4)
            ax.annotate(f"{name} grows", (sizes[0], values[0]), xytext=(4, 5), textcoords="offset points", fontsize=9.5)
        ax.set_title("lifroles: forward and backward, per neuron and step", fontsize=10.5)
        ax.set_ylabel("time (ns)")
        ax.set_xlabel("neuron steps, T · B · N")
        return fig


def ratios(record: Record) -> Figure:
    """How many times as fast as the fastest of the others, and how far from the floor, by size, for each T."""
    found = speed.layers(record, "B")
    steps = sorted({layer["T"] for layer in found})
    with style():
        fig, (peer, floor) = figure(
            2,
            400,
            "Two panels by number of neurons, one line for each number of steps: how many times as fast as the fastest "
            "other candidate ours is, and how many times the floor it takes.",
            sharex=True,
        )
        for ax, value, goal in (
            (peer, lambda s: s.faster, 10),
            (floor, lambda s: s.above_floor, 2),
        ):
            _log(ax, "x")
            _log(ax, "y")
            ax.axhline(goal, **CHANCE)
            for i, t in enumerate(steps):
                own = sorted((layer for layer in found if layer["T"] == t), key=speed.size)
                neurons = [layer["B"] * layer["N"] for layer in own]
                values = [value(speed.standing(layer)) for layer in own]
                width = 1.0 + 0.35 * i
                ax.plot(neurons, values, color=INK, marker="o", markersize=3.5, linewidth=width, alpha=0.45 + 0.12 * i)
                ax.annotate(
                    f"T {t}", (neurons[-1], values[-1]), xytext=(6, 0), textcoords="offset points", va="center",
                    fontsize=9.5, annotation_clip=False,
                )  # fmt: skip
            ax.yaxis.set_major_formatter(lambda y, _: f"{y:g}×")
        peer.set_title("times as fast as the fastest other; dashed: the goal", fontsize=10.5)
        floor.set_title("times the floor; dashed: the goal", fontsize=10.5)
        floor.set_xlabel("neurons, B · N")
        return fig
