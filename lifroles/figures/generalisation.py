"""Figures of section 4.2: step lengths, error propagation, loss landscapes and features."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from lifroles import paper
from lifroles.figures.style import CHANCE, INK, REPORTED, colour, figure, short, style
from lifroles.generalisation.networks import LABELS
from lifroles.generalisation.study import Plane, Row, Study

Array = np.ndarray[Any, Any]

CELLS: Mapping[str, tuple[str, Any]] = {
    "lstm": ("LSTM", "-"),
    "gru": ("GRU", (0, (5, 2))),
    "rnn": ("RNN", (0, (1, 1.5))),
}
"""Cells without spikes are drawn in ink: their short names and lines."""

FIG6 = ("baseline", "no_leakage_recurrent", "lstm")
"""The models of Fig. 6; where one is missing, others take its place."""

FIG7 = ("baseline", "no_leakage", "complete_leakage", "no_reset", "recurrent")


FLOOR = 1e-8
"""What is smaller on an axis of powers of ten is drawn here, zero as well."""


def name(model: str) -> str:
    """Return a model's short name on one line."""
    return CELLS[model][0] if model in CELLS else short(model).replace("\n", " ")


def line(model: str) -> dict[str, Any]:
    """Return how a model's curves are drawn: cells without spikes in ink, with their own dashes."""
    return {"color": INK if model in CELLS else colour(model), "linestyle": CELLS[model][1] if model in CELLS else "-"}


def recording(frames: Mapping[int, np.ndarray]) -> Figure:
    """Return Fig. 5: the third, sixth and ninth step of one recording at every step length, both polarities."""
    steps = (2, 5, 8)
    with style():
        fig, axes = figure(
            len(steps), 270, "One recording as frames of 1, 2, 3, 5 and 10 ms, three steps of each.", len(frames)
        )
        top = max(float(x[list(steps)].sum(1).max()) for x in frames.values())
        for i, step in enumerate(steps):
            for j, (dt, x) in enumerate(frames.items()):
                ax = axes[i * len(frames) + j]
                off, on = x[step]
                both = np.zeros((*on.shape, 4))
                both[..., :3] = np.where((on >= off)[..., None], (0.84, 0.37, 0.0), (0.0, 0.45, 0.70))
                both[..., 3] = np.sqrt(np.minimum((on + off) / top, 1))
                ax.imshow(both, interpolation="nearest")
                ax.set_xticks([])
                ax.set_yticks([])
                for spine in ax.spines.values():
                    spine.set(visible=True, alpha=0.3)
                if i == 0:
                    ax.set_title(f"{dt} ms", loc="center")
                if j == 0:
                    ax.set_ylabel(f"step {step + 1}")
        return fig


def table7(study: Study) -> Figure:
    """Return every model's accuracy at every step length, both readings, beside the paper's."""
    rows = list(study.rows)
    columns = 2
    lines = -(-len(rows) // columns)
    chance = 0.1
    with style():
        fig, axes = figure(
            lines,
            60 + 105 * lines,
            "Test accuracy of every model at 1, 2, 3, 5 and 10 ms.",
            columns,
            sharex=True,
            sharey=True,
        )
        x = np.arange(len(paper.TABLE7_DTS))
        for ax, row in zip(axes, rows, strict=False):
            look = line(row.model)
            for kept in ("steps", "duration"):
                alpha = 1.0 if kept == study.reading else 0.45
                means = [row.accuracy(dt, kept) for dt in paper.TABLE7_DTS]
                seen = [(i, m) for i, m in zip(x, means, strict=True) if m is not None]
                if seen:
                    ax.plot([i for i, _ in seen], [m.mean for _, m in seen], color=look["color"], alpha=alpha)
                for i, dt in enumerate(paper.TABLE7_DTS):
                    values = list(row.accuracies(dt, kept).values())
                    mark = "o" if kept == study.reading else "^"
                    ax.scatter(
                        [i] * len(values), values, color=look["color"], s=16, alpha=alpha, marker=mark, linewidths=0
                    )
            ax.scatter(
                x, [row.reported[dt].value for dt in paper.TABLE7_DTS], **{**REPORTED, "s": 26, "linewidths": 1.1}
            )
            ax.axhline(chance, **CHANCE)
            ax.set_title(name(row.model) + ("" if row.records else ": not run"), fontsize=10)
            ax.set_ylim(0, 1.04)
            ax.set_xticks(x, [str(dt) for dt in paper.TABLE7_DTS])
            ax.yaxis.set_major_formatter(lambda v, _: f"{100 * v:g}")
        for ax in axes[len(rows) :]:
            ax.set_visible(False)
        for ax in axes[max(len(rows) - columns, 0) : len(rows)]:
            ax.set_xlabel("step length (ms)")
        for ax in axes[::columns]:
            ax.set_ylabel("accuracy (%)")
        return fig


def propagation(study: Study) -> Figure:
    """Return how gradients fade backwards, and how a disturbance fades forwards, for every model."""
    panels = (
        ("reach", "steps back from the last", "gain of an error"),
        ("gradient", "step t", "|∂L/∂u(t)|, last step = 1"),
        ("distance", "steps after the flips", "distance, at the flips = 1"),
    )
    with style():
        fig, axes = figure(3, 600, "How errors travel through time in every model: gain, gradient and disturbance.")
        for ax, (metric, across, up) in zip(axes, panels, strict=True):
            for row in study.rows:
                curve = row.curve("gradients", metric)
                if not curve:
                    continue
                values = np.array(list(curve.values()))
                unit = values[-1] if metric == "gradient" else values[0]
                if unit > 0:
                    label = name(row.model) if metric == "reach" else None
                    ax.semilogy(list(curve), np.maximum(values / unit, FLOOR), **line(row.model), label=label)
            ax.set_xlabel(across)
            ax.set_ylabel(up)
            ax.axhline(1, color=INK, linewidth=0.6, alpha=0.3)
        handles, names = axes[0].get_legend_handles_labels()
        fig.legend(handles, names, loc="outside upper center", ncols=3, fontsize=8, frameon=False)
        return fig


def _with(study: Study, wanted: Sequence[str], probe: str) -> list[Row]:
    """Return the rows of ``wanted`` that have an answer, and others that do in the places of those that have none."""
    have = [row for row in study.rows if row.probes(probe)]
    others = [row.model for row in have if row.model not in wanted]
    found = [row.model for row in have if row.model in wanted]
    chosen = {*found, *others[: len(wanted) - len(found)]}
    return [row for row in have if row.model in chosen]


def planes(study: Study) -> tuple[list[Plane], list[Plane]]:
    """Return what Fig. 6 draws, a plane for each of its models, and all others: other pairs and other models.

    Of every model the run with the finest grid is taken, of several the first.
    """
    found: dict[str, list[Plane]] = {}
    for row in study.rows:
        asked = [probe for probe in row.probes("landscape") if probe.spec.parameters["grids"]]
        if asked:
            probe = max(asked, key=lambda one: len(one.array("line")))
            seed = next(record.seed for record in row.records if record.spec.digest == probe.spec.run)
            found[row.model] = [
                Plane(row.model, seed, pair, probe.array("line"), loss)
                for pair, loss in enumerate(probe.array("grid"), start=1)
            ]
    drawn = [row.model for row in _with(study, FIG6, "landscape") if row.model in found]
    rest = [plane for model in drawn for plane in found[model][1:]]
    return [found[m][0] for m in drawn], [*rest, *(found[m][0] for m in found if m not in drawn)]


def _levels(shown: Sequence[Plane]) -> Array:
    low, high = (pick(float(pick(plane.loss.flat)) for plane in shown) for pick in (min, max))
    return np.geomspace(max(low, 1e-4), max(high, low * 1.01), 13)


def _contours(ax: Axes, plane: Plane, levels: Array, rasterized: bool = False) -> Any:
    """Draw one plane and return what a colour bar needs; ``rasterized``: as a picture, where lines would weigh more."""
    drawn = ax.contourf(
        plane.line, plane.line, plane.loss.T, levels=levels, cmap="viridis", norm=LogNorm(), extend="both"
    )
    lines = ax.contour(plane.line, plane.line, plane.loss.T, levels=levels, colors="white", linewidths=0.4, alpha=0.6)
    for part in (drawn, lines):
        part.set_rasterized(rasterized)
    ax.scatter(0, 0, marker="+", color="white", linewidths=1)
    ax.set_aspect("equal")
    return drawn


def landscapes(shown: Sequence[Plane], scale: Sequence[Plane] = ()) -> Figure:
    """Return Fig. 6: the loss around the trained weights of the paper's three models, as surfaces and as contours.

    Arguments:
        shown: the planes, one a panel.
        scale: planes whose range the colours have to cover too.
    """
    levels = _levels([*shown, *scale])
    norm = LogNorm(levels[0], levels[-1])
    with style():
        fig, axes = figure(
            2, 265, "The loss around trained weights, as surfaces and as contours.", len(shown), ratios=(1, 1.2)
        )
        drawn: Any = None
        solids = []
        for top, ax, plane in zip(axes[: len(shown)], axes[len(shown) :], shown, strict=True):
            place = top.get_subplotspec()
            top.remove()
            solid: Any = fig.add_subplot(place, projection="3d")
            across, along = np.meshgrid(plane.line, plane.line, indexing="ij")
            height = np.log10(np.clip(plane.loss, levels[0], None))
            solid.plot_surface(
                across, along, height, facecolors=colormaps["viridis"](norm(plane.loss)),
                rcount=len(plane.line), ccount=len(plane.line), linewidth=0, antialiased=False, shade=False,
                rasterized=True,
            )  # fmt: skip
            solid.set_zlim(np.log10(levels[0]), np.log10(levels[-1]))
            solid.set_title(name(plane.model), fontsize=9.5, loc="center", y=1.06)
            powers = range(math.ceil(np.log10(levels[0])), math.floor(np.log10(levels[-1])) + 1)
            solid.set_zticks(list(powers), [f"{10.0**power:g}" for power in powers])
            solid.set_xticks([-1, 0, 1])
            solid.set_yticks([-1, 0, 1])
            solid.tick_params(labelsize=7, pad=-2)
            solid.view_init(elev=28, azim=-55)
            solid.set_box_aspect((1, 1, 0.85), zoom=1.3)
            solids.append(solid)
            for axis in (solid.xaxis, solid.yaxis, solid.zaxis):
                axis.set_pane_color((0, 0, 0, 0))
            drawn = _contours(ax, plane, levels)
            ax.set_xlabel("direction 1")
        axes[len(shown)].set_ylabel("direction 2")
        for ax in axes[len(shown) + 1 :]:
            ax.tick_params(labelleft=False)
        bar = fig.colorbar(drawn, ax=[*solids, *axes[len(shown) :]], shrink=0.7, format="%.2g")
        bar.set_label("loss")
        return fig


def other_landscapes(shown: Sequence[Plane], scale: Sequence[Plane] = ()) -> Figure:
    """Return the loss in further planes, as contours: arguments as of :func:`landscapes`."""
    columns = 4
    lines = -(-len(shown) // columns)
    levels = _levels([*shown, *scale])
    with style():
        fig, axes = figure(lines, 20 + 105 * lines, "Contours of the loss in further planes.", columns)
        drawn: Any = None
        for ax in axes:
            ax.set_axis_off()
        for ax, plane in zip(axes, shown, strict=False):
            drawn = _contours(ax, plane, levels, rasterized=True)
            title = name(plane.model) if plane.model in CELLS else short(plane.model)
            ax.set_title(title + (f", {plane.pair}" if plane.pair > 1 else ""), fontsize=8.5)
        bar = fig.colorbar(drawn, ax=axes, shrink=0.8, format="%.2g")
        bar.set_label("loss")
        return fig


def rises(study: Study, radii: Sequence[float]) -> Figure:
    """Return how much the loss rises at each radius: every run as a point, mean over pairs of directions."""
    rows = [row for row in study.rows if row.probes("landscape")]
    with style():
        fig, axes = figure(
            1,
            80 + 26 * len(rows),
            "Mean rise of the loss at three radii around the trained weights.",
            len(radii),
            sharey=True,
        )
        for ax, radius in zip(axes, radii, strict=True):
            for y, row in enumerate(rows):
                values = row.rises(radius)
                ax.scatter(values, [y] * len(values), s=26, color=line(row.model)["color"], linewidths=0, alpha=0.85)
            ax.set_ylim(len(rows) - 0.5, -0.5)
            ax.set_yticks(range(len(rows)), [name(row.model) for row in rows])
            most = max((value for row in rows for value in row.rises(radius)), default=1)
            ax.set_xlim(min(0, ax.get_xlim()[0]), 1.12 * most)
            ax.xaxis.set_major_locator(MaxNLocator(2))
            ax.set_title(f"radius {radius:g}", fontsize=10)
            ax.set_xlabel("rise of the loss")
            ax.tick_params(axis="y", length=0)
        return fig


def features(study: Study, layout: str = "tsne") -> Figure | None:
    """Return Fig. 7: the last hidden layer in two dimensions, one panel a model, one colour a digit."""
    rows = _with(study, FIG7, "features")
    if not rows:
        return None
    columns = 3
    lines = -(-len(rows) // columns)
    with style():
        fig, axes = figure(lines, 40 + 135 * lines, "Features of the hidden layer in two dimensions.", columns)
        for ax in axes:
            ax.set_axis_off()
        for ax, row in zip(axes, rows, strict=False):
            record = row.probes("features")[0]
            places, labels = record.array(layout), record.array("labels")
            ax.scatter(*places.T, c=labels, cmap="tab10", s=2.2, linewidths=0, rasterized=True)
            for digit in np.unique(labels):
                x, y = np.median(places[labels == digit], 0)
                ax.text(x, y, str(digit), ha="center", va="center", fontsize=9.5, fontweight="bold")
            ax.set_title(LABELS[row.model], fontsize=9)
        return fig


def moved(study: Study) -> Figure | None:
    """Return how the features move: a UMAP of 3 ms, and the same one of 1 and 10 ms, one row a model."""
    wanted = [(row, row.probes("features")[0]) for row in _with(study, FIG7, "features")]
    shown = [(row, record) for row, record in wanted if any(key == "dt=10" for key in record.metric("knn"))]
    if not shown:
        return None
    steps = [name for name in ("umap_1", "umap_10") if f"dt={name[5:]}" in shown[0][1].metric("knn")]
    with style():
        fig, axes = figure(
            len(shown), 20 + 118 * len(shown), "Features at 3 ms and, in the same plane, at others.", 1 + len(steps)
        )
        for i, (row, record) in enumerate(shown):
            labels = record.array("labels")
            for j, layout in enumerate(("umap", *steps)):
                ax = axes[i * (1 + len(steps)) + j]
                ax.scatter(*record.array(layout).T, c=labels, cmap="tab10", s=1.6, linewidths=0, rasterized=True)
                ax.set_xticks([])
                ax.set_yticks([])
                for spine in ax.spines.values():
                    spine.set_visible(False)
                if i == 0:
                    ax.set_title("3 ms" if layout == "umap" else f"{layout[5:]} ms", loc="center", fontsize=9.5)
                if j == 0:
                    ax.set_ylabel(name(row.model), fontsize=9)
        for i in range(len(shown)):
            across = axes[i * (1 + len(steps)) : (i + 1) * (1 + len(steps))]
            low = np.min([[ax.get_xlim()[0], ax.get_ylim()[0]] for ax in across], 0)
            high = np.max([[ax.get_xlim()[1], ax.get_ylim()[1]] for ax in across], 0)
            for ax in across:
                ax.set(xlim=(low[0], high[0]), ylim=(low[1], high[1]))
        return fig
