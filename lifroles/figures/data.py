"""Figures of the page on data: one sample of each benchmark, and a recording integrated at several step lengths."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import PathPatch

from lifroles.figures.camera import draw_net, net, squares
from lifroles.figures.speech import SPIKES, draw_raster
from lifroles.figures.style import INK, figure, style
from lifroles.standins.camera import Events

Array = np.ndarray[Any, Any]


def rasters(xor: Array, spoken: Mapping[str, tuple[Array, Array]], channels: int) -> Figure:
    """Draw a sequence of delayed XOR and spoken words, channel by channel over time.

    Arguments:
        xor: spikes ``[T, channels]``, 0 or 1, a step a millisecond.
        spoken: by what is written above: times (s) and channels of the spikes.
        channels: of the spoken words.
    """
    with style():
        fig, axes = figure(
            1 + len(spoken),
            110 + 150 * len(spoken),
            "Spikes over time, channel by channel: a sequence of delayed XOR, and the spoken words "
            + " and ".join(spoken),
            ratios=(0.6, *[1] * len(spoken)),
        )
        first = axes[0]
        first.add_patch(PathPatch(squares(xor.T > 0), facecolor=SPIKES, linewidth=0))
        first.set_xlim(-0.5, len(xor) - 0.5)
        first.set_ylim(xor.shape[1] - 0.5, -0.5)
        first.set_title("XOR: pattern, delay, pattern")
        first.set_xlabel("time (ms)")
        first.set_yticks([0, xor.shape[1] - 1], ["1", str(xor.shape[1])])
        first.set_ylabel("channel")
        for ax, (name, (t, unit)) in zip(axes[1:], spoken.items(), strict=True):
            draw_raster(ax, t, unit, channels, float(t.max()))
            ax.set_title(name)
            ax.set_xlabel("time (s)")
        return fig


def moving(rows: Mapping[str, tuple[Array, Sequence[tuple[float, float]]]]) -> Figure:
    """Draw recordings of event cameras, a row each, in a few stretches of time.

    Arguments:
        rows: by what is written above: pictures ``[windows, rows, columns]`` (see :func:`lifroles.figures.camera.net`)
            and the beginning and end of each, ms.
    """
    columns = max(len(windows) for _, windows in rows.values())
    with style():
        fig, axes = figure(
            len(rows),
            (390 / columns + 44) * len(rows),
            f"Events of {', of '.join(rows)} in {columns} stretches of time each: vermilion where it became brighter, "
            "blue where darker.",
            columns,
        )
        for row, (name, (pictures, windows)) in enumerate(rows.items()):
            for column, (picture, (low, high)) in enumerate(zip(pictures, windows, strict=True)):
                ax = axes[row * columns + column]
                draw_net(ax, picture)
                ax.set_xlabel(f"{_short(low)}–{_short(high)} ms", fontsize=9.5)
                if column == 0:
                    ax.set_title(name)
        return fig


def _short(ms: float) -> str:
    return f"{ms:.0f}" if ms >= 100 or ms == round(ms) else f"{ms:.1f}"


def images(rows: Mapping[str, Array]) -> Figure:
    """Draw images, a row for each data set.

    Arguments:
        rows: by what is written above: ``[images, side, side]`` of ink from 0 to 1, or ``[images, side, side, 3]``.
    """
    columns = max(map(len, rows.values()))
    with style():
        fig, axes = figure(len(rows), (390 / columns + 28) * len(rows), f"Images of {' and of '.join(rows)}.", columns)
        for row, (name, pictures) in enumerate(rows.items()):
            for column, picture in enumerate(pictures):
                ax = axes[row * columns + column]
                if picture.ndim == 2:
                    _ink(ax, picture)
                else:
                    ax.imshow(picture, interpolation="none")
                ax.set_xticks([])
                ax.set_yticks([])
                ax.spines[:].set_visible(True)
                if column == 0:
                    ax.set_title(name)
        return fig


def _ink(ax: Axes, picture: Array) -> None:
    """Draw grey levels as the opacity of one colour that both themes show."""
    image = np.zeros((*picture.shape, 4))
    image[..., :3] = 0.5
    image[..., 3] = picture
    ax.imshow(image, interpolation="none")


def integrated(events: Events, lengths: Sequence[float], T: int, shown: Sequence[int], side: int) -> Figure:
    """Draw a recording in steps of several lengths, a row each (Fig. 5 of the paper).

    Arguments:
        lengths: of a step, ms.
        T: steps that the benchmark uses.
        shown: which of them are drawn, from 1.
        side: pixels each way.
    """
    with style():
        fig, axes = figure(
            len(lengths),
            (390 / len(shown) + 22) * len(lengths),
            f"One recording in {T} steps of {', '.join(f'{dt:g}' for dt in lengths)} ms: the steps "
            f"{', '.join(map(str, shown))} of each, from nearly empty to crowded.",
            len(shown),
        )
        for row, dt in enumerate(lengths):
            for column, step in enumerate(shown):
                ax = axes[row * len(shown) + column]
                draw_net(ax, net(events, (step - 1) * dt, step * dt, side))
                if column == 0:
                    ax.set_title(f"{dt:g} ms a step, {T * dt:g} ms in all")
                if row == len(lengths) - 1:
                    ax.set_xlabel(f"step {step}", fontsize=9.5)
        return fig


def learnt(rows: Sequence[Mapping[str, Any]], names: Sequence[str]) -> Figure:
    """Draw what each reader gets right on each stand-in, a line each, with chance as a tick.

    Arguments:
        rows: ``{"simple": {reader: share}, "snn": share, "chance": share}``.
        names: of the stand-ins.
    """
    symbols = {"nearest centroid": ("^", "none"), "linear": ("s", "none"), "baseline SNN": ("o", INK)}
    with style():
        fig, (ax,) = figure(
            1,
            60 + 42 * len(rows),
            "Accuracy of a nearest-centroid classifier, a linear one and the baseline network on each stand-in: "
            + ", ".join(names),
        )
        for i, row in enumerate(rows):
            found = {**row["simple"], "baseline SNN": row["snn"]}
            ax.plot([100 * row["chance"]] * 2, [i - 0.3, i + 0.3], color=INK, linewidth=1.2, linestyle=(0, (2, 1)))
            for name, (marker, face) in symbols.items():
                ax.plot(
                    100 * found[name], i, marker=marker, markersize=8, markerfacecolor=face, markeredgecolor=INK,
                    linestyle="none", label=name if i == 0 else None,
                )  # fmt: skip
        ax.set_yticks(range(len(rows)), names)
        ax.set_ylim(len(rows) - 0.5, -0.5)
        ax.set_xlim(0, 102)
        ax.set_xlabel("right answers on the test set (%); dashed: chance")
        ax.legend(frameon=False, fontsize=10, ncols=3, loc="lower center", bbox_to_anchor=(0.4, 1.0), handlelength=1)
        return fig
