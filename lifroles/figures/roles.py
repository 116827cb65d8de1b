"""The map of roles: what each part of the neuron does to every measure."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lifroles.claims.roles import CHANGES, Measure
from lifroles.figures.style import INK, colour, figure, style

_GAP = 0.19  # between the four variants of one line


def roles(measures: Sequence[Measure]) -> Figure:
    """Return the effects of leakage, reset and recurrence on every measure, with their intervals.

    Arguments:
        measures: one line each, those in points first.
    """
    parts = [[m for m in measures if m.share], [m for m in measures if not m.share]]
    counts = [max(len(part), 1) for part in parts]
    with style():
        fig, axes = figure(
            2,
            120 + 34 * sum(counts),
            "What removing or adding leakage, reset and recurrence changes, measure by measure.",
            ratios=counts,
        )
        for ax, part, label in zip(axes, parts, ("change in points", "change in per cent"), strict=True):
            _panel(ax, part, label)
        # The legend takes the variants' order in each line, top to bottom.
        handles, labels = axes[0].get_legend_handles_labels()
        fig.legend(handles, labels, loc="outside upper center", ncols=2, frameon=False, fontsize=10)
        return fig


def _panel(ax: Axes, part: Sequence[Measure], label: str) -> None:
    ax.axvline(0, color=INK, linewidth=1, alpha=0.6)
    for line, measure in enumerate(part):
        if line % 2:
            ax.axhspan(line - 0.5, line + 0.5, color=INK, alpha=0.06, linewidth=0)
        for i, variant in enumerate(CHANGES):
            y = line + (i - (len(CHANGES) - 1) / 2) * _GAP
            effect = measure.effects.get(variant)
            if effect is None:
                continue
            if effect.low is not None and effect.high is not None:
                ax.plot([100 * effect.low, 100 * effect.high], [y, y], color=colour(variant), linewidth=2.2)
            face = colour(variant) if effect.low is not None else "none"
            ax.scatter([100 * effect.mean], [y], s=26, color=colour(variant), facecolors=face, zorder=3)
        if not measure.effects:
            ax.annotate("not run", (0, line), (4, 0), textcoords="offset points", va="center", fontsize=10, alpha=0.8)
    for variant, words in CHANGES.items():
        ax.scatter([], [], s=26, color=colour(variant), label=words)
    ax.set_xscale("symlog", linthresh=1, linscale=0.7)
    reach = max(
        (abs(100 * e) for m in part for i in m.effects.values() for e in (i.low, i.high, i.mean) if e), default=1
    )
    ax.set_xlim(-1.3 * max(reach, 1), 1.3 * max(reach, 1))
    ticks = [t for t in (1, 10, 100, 1000) if t <= 1.3 * reach]
    ax.set_xticks([*(-t for t in reversed(ticks)), 0, *ticks], minor=False)
    ax.xaxis.set_major_formatter(lambda value, _: f"{value:+g}".replace("-", "\N{MINUS SIGN}") if value else "0")
    ax.xaxis.set_minor_formatter(lambda *_: "")
    ax.set_yticks(range(len(part)), [measure.name for measure in part])
    ax.tick_params(axis="y", length=0)
    ax.set_ylim(len(part) - 0.5, -0.5)
    ax.set_xlabel(label)
