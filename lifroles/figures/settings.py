"""What one changed choice of the protocol does to accuracy: a row a setting."""

from __future__ import annotations

from collections.abc import Sequence
from textwrap import fill

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from lifroles import benchmarks
from lifroles.accuracy.settings import Outcome
from lifroles.figures.dots import dots, not_run, rows
from lifroles.figures.style import CHANCE, INK, PAPER, colour, figure, style
from lifroles.statistics import mean_interval

_ROW = 34  # units a setting
_LABEL = 25  # letters a line of a setting's name


def settings(found: Sequence[Outcome]) -> Figure:
    """Return test accuracy by seed (filled, with mean and interval) and training accuracy (open) of every setting.

    Arguments:
        found: the settings of one question, all of one benchmark; one without runs gets an empty row.
    """
    name = found[0].setting.benchmark
    chance, title = benchmarks.get(name).chance, benchmarks.get(name).title
    values = [v for one in found for v in (*one.test, *one.train)]
    pad = 0.06 * (max(values) - min(values)) + 0.01
    # Settings that are all far above chance are drawn without the empty space below them.
    low = min(values) if min(values) > chance + 0.5 else min(chance, min(values))
    low, high = max(0.0, low - pad), min(1.0 + pad / 2, max(values) + pad)
    with style():
        fig, (ax,) = figure(1, 60 + _ROW * len(found), f"Test and training accuracy on {title} of every setting.")
        rows(ax, [fill(one.setting.label, _LABEL) for one in found])
        ax.tick_params(axis="y", labelsize=8.5)
        for y, one in enumerate(found):
            if not one.records:
                not_run(ax, y, low + 0.6 * (high - low))
                continue
            c = colour(one.setting.variant)
            dots(ax, y - 0.16, one.test, c, mean_interval(one.test))
            ax.scatter(one.train, [y + 0.22] * len(one.train), s=24, facecolors=PAPER, edgecolors=c, zorder=4)
        if low < chance:
            ax.axvline(chance, **CHANCE)
            ax.annotate("chance", (chance, 1), xycoords=("data", "axes fraction"), ha="center", va="bottom", fontsize=9)
        for face, edge, words in ((INK, INK, "test"), (PAPER, INK, "training")):
            ax.scatter([], [], s=28, facecolors=face, edgecolors=edge, label=words)
        fig.legend(loc="outside upper right", ncols=2, frameon=False, fontsize=9, handletextpad=0.1, columnspacing=1)
        ax.set_xlim(low, high)
        ax.xaxis.set_major_locator(MaxNLocator(5))
        ax.xaxis.set_major_formatter(lambda x, _: f"{100 * x:g}")
        ax.set_xlabel(f"accuracy, {title} (%)")
        return fig
