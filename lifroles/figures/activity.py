"""Fig. 4: how the spike rates of a layer's neurons are distributed."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from lifroles.accuracy.activity import Histogram
from lifroles.figures.style import INK, colour, figure, style
from lifroles.variant import VARIANT_LABELS


def distribution(found: Mapping[str, Histogram]) -> Figure:
    """Return a histogram a variant: mean over seeds, with the lowest and highest seed of each bar."""
    names = {"baseline": "normal reset", "no_reset": "without reset"}
    with style():
        fig, axes = figure(
            len(found),
            40 + 165 * len(found),
            f"Histograms of the neurons' spike rates: {', '.join(VARIANT_LABELS[v] for v in found)}.",
            sharex=True,
            sharey=True,
        )
        for i, (ax, (variant, shown)) in enumerate(zip(axes, found.items(), strict=True)):
            mean = 100 * shown.shares.mean(0)
            middle = (shown.edges[1:] + shown.edges[:-1]) / 2
            width = 0.9 * float(shown.edges[1] - shown.edges[0])
            ax.bar(middle, mean, width=width, color=colour(variant), alpha=0.85, linewidth=0)
            if len(shown.shares) > 1:
                low, high = 100 * shown.shares.min(0), 100 * shown.shares.max(0)
                ax.vlines(middle, low, high, color=INK, linewidth=1, alpha=0.8)
            at = float(np.mean(shown.means))
            ax.axvline(at, color=INK, linewidth=1.2)
            ax.annotate(f" mean {at:.3f}", (at, 0.97), xycoords=("data", "axes fraction"), va="top", fontsize=9.5)
            ax.set_title(f"({'abcdefg'[i]}) {names.get(variant, VARIANT_LABELS[variant])}")
            ax.set_ylabel("neurons (%)")
            ax.yaxis.set_major_locator(MaxNLocator(4))
        axes[-1].set_xlabel("spikes per step of a neuron")
        axes[-1].set_xlim(left=0)
        return fig
