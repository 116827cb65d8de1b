"""Dot plots: a row a label, every value a point, mean and interval below."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes

from lifroles.figures.style import INK
from lifroles.statistics import Interval

ROW = 34  # units a row of a dot plot


def rows(ax: Axes, labels: Sequence[str], *, left: bool = True) -> None:
    """Make one row a label, the first at the top."""
    ax.set_ylim(len(labels) - 0.5, -0.5)
    ax.set_yticks(range(len(labels)), labels if left else [""] * len(labels))
    ax.tick_params(axis="y", length=0)
    ax.spines["left"].set_visible(False)
    for i in range(len(labels) - 1):
        ax.axhline(i + 0.5, color=INK, linewidth=0.5, alpha=0.2, zorder=0)


def _jitter(n: int, width: float = 0.09) -> np.ndarray:
    """Return small offsets, the same for the same n, so that equal values stay apart."""
    return np.zeros(1) if n == 1 else np.linspace(-width, width, n)


def dots(
    ax: Axes,
    y: float,
    values: Sequence[float],
    c: str,
    summary: Interval | None = None,
    *,
    marker: str = "o",
    pale: bool = False,
) -> None:
    """Draw every value as a point, and below them the mean and interval, if given."""
    if not values:
        return
    alpha = 0.55 if pale else 1.0
    offsets = _jitter(len(values))
    ax.scatter(values, y + offsets, s=22 if pale else 34, color=c, marker=marker, alpha=alpha, linewidths=0, zorder=4)
    if summary is not None and summary.low is not None and summary.high is not None:
        y += 0.18
        ax.plot([summary.low, summary.high], [y, y], color=c, linewidth=2, zorder=3, solid_capstyle="butt")
        ax.plot([summary.mean] * 2, [y - 0.09, y + 0.09], color=c, linewidth=2, zorder=3)


def not_run(ax: Axes, y: float, x: float) -> None:
    """Write into a row that there is nothing to draw."""
    ax.text(x, y, "not run", va="center", ha="left", fontsize=9.5, style="italic", alpha=0.8)
