"""One look for every figure of the book.

Figures are drawn 390 units wide and scaled to the column, so that 11-unit text is near 10 px on a phone
and near 15 px on a desk. ``INK`` and ``PAPER`` are placeholders that :mod:`lifroles.figures.display` replaces by the
page's own text and background colours, so that one drawing serves the light and the dark theme.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from types import MappingProxyType
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

INK = "#010203"
"""Text, axes and everything that is no variant."""

PAPER = "#fdfcfb"
"""The page's background, for symbols that are open."""

WIDTH = 390 / 72
"""Width of every figure in inches: 390 units of the SVG."""

# Okabe and Ito's set without black and yellow, which vanish on one of the two backgrounds; grey takes
# the place of black, for the neuron that all others are compared with.
COLOURS: Mapping[str, str] = MappingProxyType(
    {
        "baseline": "#808080",
        "no_leakage": "#E69F00",
        "complete_leakage": "#0072B2",
        "no_reset": "#009E73",
        "recurrent": "#D55E00",
        "no_leakage_recurrent": "#CC79A7",
        "no_leakage_no_reset_recurrent": "#56B4E9",
    }
)
"""The colour of each of the paper's variants in the whole book."""

SHORT: Mapping[str, str] = MappingProxyType(
    {
        "baseline": "baseline",
        "no_leakage": "no leak",
        "complete_leakage": "full leak",
        "no_reset": "no reset",
        "recurrent": "recurrent",
        "no_leakage_recurrent": "no leak + rec.",
        "no_leakage_no_reset_recurrent": "no leak, no reset\n+ rec.",
    }
)
"""The variants' names in figures, where room is short."""

MARKERS: Mapping[str, str] = MappingProxyType(
    {"xor": "o", "shd": "^", "ssc": "v", "nmnist": "P", "dvs_gesture": "X", "mnist": "s", "cifar10": "h"}
)
"""One marker a benchmark; the diamond is the paper's value."""

REPORTED = {"marker": "D", "facecolors": PAPER, "edgecolors": INK, "s": 46, "linewidths": 1.4, "zorder": 5}
"""The paper's value: the same open diamond everywhere."""

CHANCE = {"color": INK, "linestyle": (0, (4, 3)), "linewidth": 1.0, "alpha": 0.75, "zorder": 1}
"""Chance: a dashed line everywhere."""

_RC: Any = {
    "font.size": 11,
    "axes.titlesize": 11,
    "axes.labelsize": 11,
    "xtick.labelsize": 10,
    "ytick.labelsize": 10,
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": False,
    "axes.facecolor": "none",
    "figure.facecolor": "none",
    "savefig.facecolor": "none",
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.titlecolor": INK,
    "axes.edgecolor": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "lines.linewidth": 1.6,
    "figure.constrained_layout.use": True,
    "figure.constrained_layout.h_pad": 0.06,
    "svg.fonttype": "none",
    "svg.hashsalt": "lifroles",
}


@contextmanager
def style() -> Generator[None]:
    """Draw in the book's style, and leave matplotlib's settings as they were."""
    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(_RC)
        yield


def figure(
    rows: int,
    height: float,
    description: str,
    columns: int = 1,
    *,
    ratios: Sequence[float] | None = None,
    sharex: bool = False,
    sharey: bool = False,
) -> tuple[Figure, list[Axes]]:
    """Return a figure of the book's width and its axes, row by row; call it inside :func:`style`.

    Arguments:
        rows: panels one above the other.
        height: of the whole, in units (the width is 390).
        description: what is drawn, for those who cannot see it.
        columns: panels side by side.
        ratios: of the rows' heights.
        sharex: whether all panels have one horizontal axis.
        sharey: whether all panels have one vertical axis.
    """
    # Not through pyplot, which would keep every figure and show it a second time.
    fig = Figure(figsize=(WIDTH, height / 72))
    fig.set_label(description)
    axes = fig.subplots(rows, columns, squeeze=False, height_ratios=ratios, sharex=sharex, sharey=sharey)
    return fig, list(axes.flat)


def colour(variant: str) -> str:
    """Return a variant's colour; the ink for a variant that the paper has no name for."""
    return COLOURS.get(variant, INK)


def short(variant: str) -> str:
    """Return a variant's short name."""
    return SHORT.get(variant, variant)


def spread(wanted: Sequence[float], gap: float, low: float, high: float) -> list[float]:
    """Move labels apart: return a place for each, ``gap`` from its neighbours, inside ``low`` to ``high``.

    Labels keep their order and stay as near as that allows to where they are wanted.
    """
    order = sorted(range(len(wanted)), key=wanted.__getitem__)
    gap = min(gap, (high - low) / max(len(wanted) - 1, 1))
    places = [min(max(wanted[i], low), high) for i in order]
    for _ in range(100):
        for i in range(len(places) - 1):
            if (lack := gap - (places[i + 1] - places[i])) > 0:
                places[i] -= lack / 2
                places[i + 1] += lack / 2
    # There is room for all of them: push up from below, then down from above.
    floor, ceiling = low, high
    for i in range(len(places)):
        places[i] = max(places[i], floor)
        floor = places[i] + gap
    for i in reversed(range(len(places))):
        places[i] = min(places[i], ceiling)
        ceiling = places[i] - gap
    result = [0.0] * len(wanted)
    for i, place in zip(order, places, strict=True):
        result[i] = place
    return result
