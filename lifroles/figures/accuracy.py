"""Figures of section 4.1: accuracy, learning curves, pattern pairs, spike rates, delays and learned leaks."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from lifroles import benchmarks
from lifroles.accuracy.study import Cell, Study, in_order
from lifroles.figures.dots import ROW, dots, not_run, rows
from lifroles.figures.style import (
    CHANCE,
    COLOURS,
    INK,
    MARKERS,
    REPORTED,
    colour,
    figure,
    short,
    spread,
    style,
)


def _percent(ax: Axes, low: float, high: float, label: str) -> None:
    ax.set_xlim(low, high)
    ax.xaxis.set_major_locator(MaxNLocator(5))
    ax.xaxis.set_major_formatter(lambda x, _: f"{100 * x:g}")
    ax.set_xlabel(label)


def table6(study: Study, benchmark: str) -> Figure:
    """Return every variant's accuracy, last and best epoch, beside the paper's value and chance."""
    cells = study.row(benchmark)
    chance = benchmarks.get(benchmark).chance
    everything = [chance, *(v for c in cells for which in ("last_accuracy", "best_accuracy") for v in c.values(which))]
    everything += [c.reported.value for c in cells if c.reported]
    # A benchmark on which every variant is far above chance is drawn without the empty space below it.
    seen = [v for v in everything if v > chance + 0.6] if min(everything[1:], default=0) > chance + 0.6 else everything
    pad = 0.06 * (max(seen) - min(seen)) + 0.002
    low, high = max(0.0, min(seen) - pad), min(1.0 + pad / 2, max(seen) + pad)
    with style():
        title = benchmarks.get(benchmark).title
        fig, (ax,) = figure(1, 70 + 46 * len(cells), f"Test accuracy on {title} of every variant, beside the paper's.")
        rows(ax, [short(c.variant) for c in cells])
        for y, cell in enumerate(cells):
            c = colour(cell.variant)
            dots(ax, y - 0.2, cell.values("last_accuracy"), c, cell.last, marker=MARKERS[benchmark])
            dots(ax, y + 0.27, cell.values("best_accuracy"), c, marker=MARKERS[benchmark], pale=True)
            if not cell.records:
                # Beside the paper's value and the chance line, not on them.
                far = cell.reported is not None and cell.reported.value > (low + high) / 2
                not_run(ax, y, low + (0.25 if far else 0.6) * (high - low))
            if cell.reported:
                ax.scatter(cell.reported.value, y - 0.2, **REPORTED)
        if low < chance:
            ax.axvline(chance, **CHANCE)
            ax.annotate(
                "chance", (chance, 1), xycoords=("data", "axes fraction"), ha="center", va="bottom", fontsize=9.5
            )
        _percent(ax, low, high, f"test accuracy, {title} (%)")
        return fig


def _curve(cell: Cell, key: str) -> np.ndarray:
    """Return ``[runs, epochs]``."""
    shortest = min(r.epochs for r in cell.records)
    return np.array([r.history[key][:shortest] for r in cell.records], dtype=float)


def _end_labels(ax: Axes, ends: Sequence[tuple[float, str]], epochs: int) -> None:
    """Write each curve's name at its right end, apart from the others, with a thin line to it."""
    forth, back = (np.log10, lambda y: 10**y) if ax.get_yscale() == "log" else (float, float)
    low, high = map(forth, ax.get_ylim())
    places = spread([forth(y) for y, _ in ends], 0.095 * (high - low), low, high)
    for (y, name), place in zip(ends, places, strict=True):
        ax.annotate(
            short(name).replace("\n", " ").replace("no leak, no reset + rec.", "no l., no r. + rec."),
            (epochs, y),
            xytext=(1.05 * epochs, back(place)),
            textcoords="data",
            va="center",
            fontsize=9.5,
            annotation_clip=False,
            arrowprops={"arrowstyle": "-", "color": colour(name), "linewidth": 1.2, "shrinkA": 0, "shrinkB": 0},
        )


MANY = 5
"""Up to so many seeds are drawn as a band, more as a thin line each."""


def curves(study: Study, benchmark: str) -> Figure:
    """Return training loss and test accuracy by epoch: mean over seeds, and a band or a thin line a seed."""
    cells = [c for c in study.row(benchmark) if c.records]
    title = benchmarks.get(benchmark).title
    panels = (("train_loss", "training loss"), ("test_accuracy", "test accuracy (%)"))
    with style():
        fig, axes = figure(2, 470, f"Training loss and test accuracy by epoch on {title}, every variant.", sharex=True)
        epochs = 1
        for ax, (key, name) in zip(axes, panels, strict=True):
            ends, lowest, highest = [], [], []
            factor = 100 if key == "test_accuracy" else 1
            for cell in cells:
                runs = factor * _curve(cell, key)
                x = np.arange(1, runs.shape[1] + 1)
                epochs = max(epochs, len(x))
                mark = "o" if len(x) < 8 else ""
                ax.plot(x, runs.mean(0), color=colour(cell.variant), marker=mark, markersize=4)
                if len(runs) > MANY:
                    ax.plot(x, runs.T, color=colour(cell.variant), linewidth=0.5, alpha=0.4, zorder=1)
                else:
                    ax.fill_between(x, runs.min(0), runs.max(0), color=colour(cell.variant), alpha=0.2, linewidth=0)
                ends.append((float(runs.mean(0)[-1]), cell.variant))
                # What the first tenth of the epochs does is not what the figure is about.
                late = runs[:, len(x) // 10 :]
                lowest.append(float(late.min()))
                highest.append(float(runs.max()))
            if key == "test_accuracy":
                chance = 100 * benchmarks.get(benchmark).chance
                if min(lowest) > chance + 30:
                    low, high = min(lowest), max(highest)
                    ax.set_ylim(low - 0.15 * (high - low) - 0.5, high + 0.05 * (high - low) + 0.2)
                else:
                    ax.axhline(chance, **CHANCE)
            ax.set_title(name)
            if key == "train_loss" and max(highest) > 10 * min(lowest) > 0:
                ax.set_yscale("log")
            else:
                ax.yaxis.set_major_locator(MaxNLocator(5))
            _end_labels(ax, ends, epochs)
        axes[-1].set_xlabel("epoch")
        axes[-1].set_xlim(min(1, epochs - 1), epochs)
        axes[-1].xaxis.set_major_locator(MaxNLocator(5, integer=True))
        return fig


def groups(study: Study) -> Figure:
    """Return the accuracy on each of XOR's four pattern pairs, every variant and seed."""
    cells, names = study.row("xor"), benchmarks.get("xor").groups
    with style():
        fig, axes = figure(
            1,
            90 + ROW * len(cells),
            "Accuracy on each pair of patterns of XOR, every variant and seed.",
            columns=len(names),
        )
        for i, (ax, group) in enumerate(zip(axes, names, strict=True)):
            rows(ax, [short(c.variant) for c in cells], left=i == 0)
            for y, cell in enumerate(cells):
                values = [float(r.final["group_accuracy"][group]) for r in cell.records]
                dots(ax, y, values, colour(cell.variant))
                if not cell.records and i == 0:
                    not_run(ax, y, 0.05)
            ax.axvline(0.5, **CHANCE)
            ax.set_xlim(-0.08, 1.08)
            ax.set_xticks([0.5, 1], ["50", "100"])
            ax.set_title(group, fontsize=10)
        fig.supxlabel("accuracy by pattern pair, first–second (%)", fontsize=11)
        return fig


def _layers(found: Iterable[str]) -> dict[str, str]:
    """Return the layers to draw, in the order of the network, and their names: of a deep network only four."""
    order = in_order(found) or ["hidden1"]
    several = sum(name != "output" for name in order) > 1
    drawn = [order[0], order[len(order) // 2], *order[-2:]] if len(order) > 4 else order
    return {name: _layer(name, several) for name in drawn}


def _layer(name: str, several: bool) -> str:
    """Return the name for readers of ``hidden2``, ``stem``, ``block3.1`` or ``output``."""
    if name in ("output", "stem"):
        return f"{name} layer"
    if name.startswith("block"):
        block, layer = name.removeprefix("block").split(".")
        return f"block {block}, layer {layer}"
    return f"hidden layer {name.removeprefix('hidden')}" if several else "hidden layer"


def rates(study: Study, benchmark: str) -> Figure:
    """Return each spiking layer's rate, every variant and seed."""
    cells, runs = study.row(benchmark), study.records(benchmark)
    layers = _layers({layer for r in runs for layer in r.final["spike_rate"]})
    title = benchmarks.get(benchmark).title
    with style():
        fig, axes = figure(
            len(layers),
            (64 + ROW * len(cells)) * len(layers),
            f"Spikes per neuron and step on {title} of each spiking layer, every variant and seed.",
        )
        for ax, layer in zip(axes, layers, strict=True):
            rows(ax, [short(c.variant) for c in cells])
            for y, cell in enumerate(cells):
                dots(ax, y - 0.05, cell.rates(layer), colour(cell.variant), cell.rate(layer), marker=MARKERS[benchmark])
                if not cell.records:
                    not_run(ax, y, 0.01)
            right = ax.get_xlim()[1]
            ax.set_xlim(-0.02 * right, 1.05 * right)
            ax.set_title(f"{title}, {layers[layer]}")
            ax.xaxis.set_major_locator(MaxNLocator(5))
            ax.set_xlabel("spikes per neuron and step")
        return fig


def delays(study: Study) -> Figure:
    """Return the baseline's accuracy and hidden spike rate for longer delays, and for what was changed there."""
    settings = study.delays
    c = COLOURS["baseline"]
    with style():
        fig, axes = figure(
            2,
            2 * (62 + 28 * len(settings)),
            "Accuracy and hidden spike rate of the baseline on XOR for longer sequences and for single changes.",
            sharey=True,
        )
        labels = [d.label.replace(", ", ",\n", 1) if len(d.label) > 18 else d.label for d in settings]
        for ax, values in zip(axes, ([d.accuracies() for d in settings], [d.rates() for d in settings]), strict=True):
            rows(ax, labels)
            for y, own in enumerate(values):
                dots(ax, y, own, c, marker=MARKERS["xor"])
                if not own:
                    not_run(ax, y, 0.42 if ax is axes[0] else 0.002)
        axes[0].axvline(benchmarks.get("xor").chance, **CHANCE)
        _percent(axes[0], 0.4, 1.02, "test accuracy (%)")
        axes[1].set_xlabel("hidden layer, spikes per neuron and step")
        axes[1].set_xlim(left=-0.004)
        axes[1].xaxis.set_major_locator(MaxNLocator(5))
        return fig


def leaks(study: Study, initial: tuple[float, float]) -> Figure:
    """Return the learned leakage coefficient of every neuron of every XOR run, over the range they began in."""
    layers = ("hidden1", "output")
    cells = [c for c in study.row("xor") if any(r.final["learned_leaks"] for r in c.records)]
    rng = np.random.default_rng(0)
    with style():
        fig, axes = figure(
            2,
            2 * (70 + ROW * max(len(cells), 1)),
            "Learned leakage coefficient of every neuron, by variant, hidden layer above and readout below.",
            sharex=True,
        )
        for ax, layer in zip(axes, layers, strict=True):
            rows(ax, [short(c.variant) for c in cells])
            ax.axvspan(*initial, color=INK, alpha=0.1, linewidth=0)
            for y, cell in enumerate(cells):
                values = [k for r in cell.records for k in r.final["learned_leaks"].get(layer, ())]
                # Vertical scatter has no meaning: it only keeps neurons apart.
                places = y + rng.uniform(-0.22, 0.22, len(values))
                ax.scatter(values, places, s=16, color=colour(cell.variant), alpha=0.75, linewidths=0, zorder=3)
            ax.set_title({"hidden1": "hidden layer", "output": "readout"}[layer])
        axes[-1].set_xlim(-0.02, 1.02)
        axes[-1].set_xlabel("learned kτ (1: no leakage, 0: complete leakage)")
        return fig
