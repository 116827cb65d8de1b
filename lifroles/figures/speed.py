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


def _plain(ax: Axes, unit: str = "") -> None:
    """Label the vertical axis at 1, 2 and 5 of every power of ten: its values span few of them."""
    ax.yaxis.set_major_locator(LogLocator(10, subs=(1, 2, 5), numticks=20))
    ax.yaxis.set_major_formatter(lambda y, _: f"{y:g}{unit}")


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
        ax.legend(
            ax.get_lines(), [f"{name} grows" for name in along], frameon=False, fontsize=10, ncols=3, handlelength=2.6,
            loc="lower center", bbox_to_anchor=(0.5, 1.0), borderaxespad=0.1,
        )  # fmt: skip
        _plain(ax)
        ax.set_ylabel("time of a neuron step (ns)")
        ax.set_xlabel("neuron steps, T · B · N")
        return fig


def ratios(record: Record) -> Figure:
    """How many times as fast as the fastest of the others, and how far from the floor, by size, for each T."""
    found = speed.layers(record, "B")
    steps = sorted({layer["T"] for layer in found})
    neurons_least = min(layer["B"] * layer["N"] for layer in found)
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
            firsts = []
            for i, t in enumerate(steps):
                own = sorted((layer for layer in found if layer["T"] == t), key=speed.size)
                neurons = [layer["B"] * layer["N"] for layer in own]
                values = [value(speed.standing(layer)) for layer in own]
                width = 1.0 + 0.35 * i
                ax.plot(neurons, values, color=INK, marker="o", markersize=3.5, linewidth=width, alpha=0.45 + 0.12 * i)
                firsts.append((neurons[0], values[0]))
            _plain(ax, "×")
            # With few neurons the lines lie apart: there they are named.
            ax.set_xlim(left=neurons_least / 6)
            heights = [ax.transData.transform(first)[1] for first in firsts]
            low, high = ax.transData.transform([(1, y) for y in ax.get_ylim()])[:, 1]
            for t, place in zip(steps, spread(heights, 0.1 * (high - low), low, high), strict=True):
                y = ax.transData.inverted().transform((0, place))[1]
                ax.annotate(
                    f"T {t}", (neurons_least, y), xytext=(-6, 0), textcoords="offset points", ha="right", va="center",
                    fontsize=9.5,
                )  # fmt: skip
        peer.set_title("times as fast as the fastest other; dashed: the goal", fontsize=10.5)
        floor.set_title("times the floor; dashed: the goal", fontsize=10.5)
        floor.set_xlabel("neurons, B · N")
        return fig
