"""What changing one part of the neuron does to accuracy, on every benchmark."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from lifroles import benchmarks
from lifroles.accuracy.study import Study
from lifroles.figures.dots import dots, not_run, rows
from lifroles.figures.style import CHANCE, MARKERS, REPORTED, colour, figure, short, style
from lifroles.statistics import mean_interval
from lifroles.variant import VARIANT_LABELS

ROW = 44  # units a benchmark
WIDEST = 80.0
"""The largest difference that is drawn, in points; the paper's are up to 73."""


def effects(study: Study, variants: Sequence[str]) -> Figure:
    """Return the difference to the baseline of some variants on every benchmark: seeds, mean, interval, the paper's."""
    names = list(study.parameters.benchmarks)
    with style():
        fig, axes = figure(
            len(variants),
            (70 + ROW * len(names)) * len(variants),
            f"Difference in accuracy to the baseline of {', '.join(variants)}, by benchmark.",
        )
        for ax, variant in zip(axes, variants, strict=True):
            rows(ax, [benchmarks.get(name).title for name in names])
            for y, name in enumerate(names):
                own, base = study.accuracies(name, variant), study.accuracies(name, "baseline")
                points = [100 * (own[seed] - base[seed]) for seed in sorted(own.keys() & base.keys())]
                mean = mean_interval(points) if points else None
                dots(ax, y + 0.02, points, colour(variant), mean, marker=MARKERS[name])
                cells = [study.cells.get((name, v)) for v in (variant, "baseline")]
                theirs = [cell.reported.value for cell in cells if cell and cell.reported]
                if len(theirs) == 2:
                    ax.scatter(100 * (theirs[0] - theirs[1]), y - 0.27, **REPORTED)
                if not points:
                    not_run(ax, y + 0.1, -WIDEST)
            ax.axvline(0, **CHANCE)
            ax.set_title(VARIANT_LABELS.get(variant, short(variant)))
            # Effects of a point and of sixty on one axis: logarithmic beyond one point either side.
            ax.set_xscale("symlog", linthresh=1, linscale=0.6)
            ax.set_xlim(-1.1 * WIDEST, 1.1 * WIDEST)
            ticks = [-30, -10, -3, -1, 0, 1, 3, 10, 30]
            ax.set_xticks(ticks, [f"{t:+d}".replace("-", "\N{MINUS SIGN}") if t else "0" for t in ticks])
            ax.xaxis.set_minor_locator(NullLocator())
        axes[-1].set_xlabel("points against the baseline (logarithmic beyond \N{PLUS-MINUS SIGN}1)")
        return fig
