"""Figures of event cameras: what a recording looks like, and a stand-in's statistics beside the real ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import PathPatch
from matplotlib.path import Path
from matplotlib.ticker import MaxNLocator

from lifroles.figures.style import COLOURS, INK, figure, style
from lifroles.standins.camera import Events
from lifroles.standins.statistics import INTERVALS, RATE_STEP, Statistics

ON, OFF = COLOURS["recurrent"], COLOURS["complete_leakage"]
"""Vermilion where it became brighter, blue where it became darker."""

REAL, STANDIN = INK, COLOURS["no_reset"]

Array = np.ndarray[Any, Any]


def squares(where: Array) -> Path:
    """Return the pixels that are set ``[rows, columns]`` as one path; neighbours in a row are one rectangle."""
    edges = np.diff(np.pad(where.astype(np.int8), ((0, 0), (1, 1))), axis=1)
    # Every beginning of a run has its end in the same row, and both come in the same order.
    (y, left), (_, right) = np.nonzero(edges == 1), np.nonzero(edges == -1)
    corners = np.stack([left, y, right, y, right, y + 1, left, y + 1, left, y], axis=1).reshape(-1, 2) - 0.5
    codes = np.tile([Path.MOVETO, Path.LINETO, Path.LINETO, Path.LINETO, Path.CLOSEPOLY], len(y))
    return Path(corners, codes)


def net(events: Events, low: float, high: float, side: int, pool: int = 1) -> Array:
    """Return which polarity each pixel had more of in a stretch of time, ms: ``[side / pool, side / pool]``, int8.

    1: ON, or as many of both; -1: OFF; 0: no event.
    """
    inside = (events.t >= 1000 * low) & (events.t < 1000 * high)
    total = np.zeros((side // pool, side // pool), np.int64)
    place = events.y[inside] // pool, events.x[inside] // pool
    np.add.at(total, place, np.where(events.p[inside], 1, -1))
    sign = np.zeros(total.shape, np.int8)
    sign[place] = np.where(total[place] >= 0, 1, -1)
    return sign


def draw_net(ax: Axes, sign: Array) -> None:
    """Draw what :func:`net` returns."""
    for shown, c in ((sign > 0, ON), (sign < 0, OFF)):
        ax.add_patch(PathPatch(squares(shown), facecolor=c, linewidth=0))
    ax.set_xlim(-0.5, sign.shape[1] - 0.5)
    ax.set_ylim(sign.shape[0] - 0.5, -0.5)
    ax.set_aspect("equal")
    ax.set_xticks([])
    ax.set_yticks([])
    for spine in ax.spines.values():
        spine.set_visible(True)
        spine.set_linewidth(0.6)


def frames(
    recordings: Mapping[str, Events], windows: Sequence[tuple[float, float]], *, side: int, pool: int = 1
) -> Figure:
    """Events in several stretches of time, a row for each recording.

    Arguments:
        recordings: by what is written above each row.
        windows: beginnings and ends, ms; the same for every recording.
        side: pixels each way.
        pool: pixels each way that are drawn as one.
    """
    spans = ", ".join(f"{low:g} to {high:g}" for low, high in windows)
    with style():
        fig, axes = figure(
            len(recordings),
            (390 / len(windows) + 28) * len(recordings),
            f"Events of {' and of '.join(recordings)} at {spans} ms: vermilion where it became brighter, blue where "
            "darker.",
            len(windows),
        )
        for row, (name, events) in enumerate(recordings.items()):
            for column, (low, high) in enumerate(windows):
                ax = axes[row * len(windows) + column]
                draw_net(ax, net(events, low, high, side, pool))
                if column == 0:
                    ax.set_title(name, fontsize=10)
                if row == len(recordings) - 1:
                    ax.set_xlabel(f"{low:g}–{high:g} ms", fontsize=9.5)
        return fig


def _lines(ax: Axes, x: Array, real: Array, standin: Array) -> None:
    """Draw two step curves over bins with the limits ``x``."""
    ax.stairs(real, x, color=REAL, linewidth=1.4)
    ax.stairs(standin, x, color=STANDIN, linewidth=1.8, linestyle=(0, (4, 1.5)))
    ax.set_ylim(bottom=0)
    ax.yaxis.set_major_locator(MaxNLocator(3))


def comparison(real: Statistics, standin: Statistics) -> Figure:
    """The real recordings (solid, ink) and the stand-in (dashed, green) of the same digits, in four histograms."""
    with style():
        fig, (rate, events, between, per_pixel) = figure(
            4,
            560,
            "Four histograms of recordings and their stand-in: events over time, events of a recording, times between "
            "two events of a pixel, and events of a pixel.",
        )
        rates = real.rate.sum(0), standin.rate.sum(0)
        last = max(int(np.flatnonzero(r)[-1]) for r in rates) + 1
        _lines(rate, np.arange(last + 1) * RATE_STEP, rates[0][:last], rates[1][:last])
        rate.set_title("events a ms; solid: recorded, dashed: stand-in")
        rate.set_xlabel("time (ms)")
        top = max(real.events.max(), standin.events.max())
        limits = np.linspace(0, top, 26)
        shares = [100 * np.histogram(s.events, limits)[0] / len(s.events) for s in (real, standin)]
        _lines(events, limits, *shares)
        events.set_title("share of recordings (%)")
        events.set_xlabel("events of a recording")
        _lines(between, INTERVALS, real.intervals.sum(0), standin.intervals.sum(0))
        between.set_xscale("log")
        between.xaxis.set_major_formatter(lambda x, _: f"{x:g}")
        between.set_title("pairs of successive events of a pixel")
        between.set_xlabel("time between them (ms)")
        # Most pixels have no event at all: from one on.
        counts = np.arange(1, len(real.per_pixel) + 1) - 0.5
        _lines(per_pixel, counts, real.per_pixel[1:], standin.per_pixel[1:])
        per_pixel.set_title("pixels of a recording")
        per_pixel.set_xlabel("events of a pixel")
        per_pixel.set_xlim(0.5, 30.5)
        return fig
