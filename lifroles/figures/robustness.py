"""Figures of section 4.3: how the attack works, what it costs, and what nature does to events."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch
from matplotlib.ticker import MaxNLocator

from lifroles.claims.attacked import corruption
from lifroles.figures.generalisation import line, name
from lifroles.figures.style import CHANCE, INK, PAPER, figure, style
from lifroles.generalisation.networks import Networks
from lifroles.probes.attack import TRANSFERRED
from lifroles.probes.attack_steps import Array
from lifroles.robustness.study import Study
from lifroles.robustness.sweep import FEWEST, STRENGTHS, Sweep

RISE, FALL = (0.84, 0.37, 0.0), (0.0, 0.45, 0.70)
"""Colours of brighter and darker, and of what is inserted and deleted."""


def _box(ax: Axes, x: float, y: float, width: float, height: float, text: str, *, bold: bool = False) -> None:
    ax.add_patch(
        FancyBboxPatch(
            (x - width / 2, y - height / 2), width, height, boxstyle="round,pad=0,rounding_size=3",
            facecolor=PAPER, edgecolor=INK, linewidth=1.6 if bold else 0.9,
        )
    )  # fmt: skip
    ax.text(x, y, text, ha="center", va="center", fontsize=8.6)


def _arrow(ax: Axes, start: tuple[float, float], end: tuple[float, float], text: str = "", bend: float = 0.0) -> None:
    ax.annotate(
        "", end, start,
        arrowprops={"arrowstyle": "-|>", "color": INK, "linewidth": 0.9, "connectionstyle": f"arc3,rad={bend}"},
    )  # fmt: skip
    if text:
        ax.text((start[0] + end[0]) / 2 + 3, (start[1] + end[1]) / 2, text, fontsize=8.2, va="center", ha="left")


def workflow() -> Figure:
    """Return Fig. 8 as a drawing: from the input's gradient to flipped spikes, until the network is fooled."""
    with style():
        description = "The attack: input, network, gradient, converter or flipper, clipped input, and back."
        fig, (ax,) = figure(1, 250, description)
        ax.set(xlim=(0, 390), ylim=(0, 250))
        ax.set_axis_off()
        _box(ax, 62, 215, 112, 36, "events x of 0 and 1\n15 steps × 2312", bold=True)
        _box(ax, 205, 215, 104, 36, "network\n(weights stay)")
        _box(ax, 335, 215, 92, 36, "wrong class?\nyes: stop", bold=True)
        _box(ax, 335, 145, 92, 36, "cross-entropy\nof the output rates")
        _box(ax, 190, 145, 122, 36, "gradient ∂L/∂x through\ntime, with surrogate")
        _box(ax, 280, 75, 140, 44, "zero everywhere:\nflip every entry with\nprobability 0.05")
        _box(ax, 100, 75, 168, 44, "else: keep an entry with\nprobability |g| / max |g|,\nstep by its sign, −1 or +1")
        _box(ax, 190, 18, 160, 28, "clip to 0 and 1: the next x")
        _arrow(ax, (118, 215), (152, 215))
        _arrow(ax, (257, 215), (288, 215))
        _arrow(ax, (335, 197), (335, 164), "no")
        _arrow(ax, (289, 145), (252, 145))
        _arrow(ax, (215, 127), (255, 98))
        _arrow(ax, (165, 127), (125, 98))
        _arrow(ax, (255, 53), (225, 33))
        _arrow(ax, (125, 53), (155, 33))
        ax.plot([110, 8, 8], [18, 18, 190], color=INK, linewidth=0.9)
        _arrow(ax, (8, 188), (14, 198))
        return fig


def steps(arrays: dict[str, Array], flips: list[float], columns: int = 5) -> Figure:
    """Return the strip of Fig. 8: a recording before the attack and after some of its iterations."""
    last = len(arrays["events"]) - 1
    shown = sorted({round(i) for i in np.linspace(0, last, min(columns, last + 1))})
    with style():
        fig, axes = figure(
            4, 85 * 4 + 20, "One recording under attack: events, gradient, flips and output.", len(shown)
        )
        grid = np.array(axes, dtype=object).reshape(4, len(shown))
        most = max(float(arrays["events"].sum(1).max()), 1)
        changed = max(float(arrays["inserted"].max()), float(arrays["deleted"].max()), 1)
        for column, i in enumerate(shown):
            off, on = arrays["events"][i].astype(float)
            grid[0, column].imshow(_two_colours(on, off, most), interpolation="nearest")
            shade = np.zeros((*on.shape, 4))
            shade[..., :3], shade[..., 3] = (0.5, 0.5, 0.5), np.sqrt(arrays["gradient"][i].astype(float))
            grid[1, column].imshow(shade, interpolation="nearest")
            new, gone = arrays["inserted"][i].astype(float), arrays["deleted"][i].astype(float)
            grid[2, column].imshow(_two_colours(new, gone, changed), interpolation="nearest")
            scores = arrays["scores"][i]
            bars = grid[3, column].bar(range(10), scores, color=INK, alpha=0.35)
            bars[int(scores.argmax())].set_alpha(0.9)
            grid[3, column].set_ylim(0, max(float(arrays["scores"].max()), 0.1) * 1.05)
            grid[3, column].set_xticks(range(0, 10, 3))
            grid[3, column].tick_params(labelsize=8, left=False, labelleft=False)
            title = "recording" if i == 0 else f"step {i}\n{flips[i - 1]:,.0f} flips"
            grid[0, column].set_title(title, loc="center", fontsize=8.8)
            for ax in grid[:3, column]:
                ax.set_xticks([])
                ax.set_yticks([])
                for spine in ax.spines.values():
                    spine.set(visible=True, alpha=0.3)
        for row, label in enumerate(("events", "gradient", "flips", "output rate")):
            grid[row, 0].set_ylabel(label, fontsize=9)
        return fig


def _two_colours(one: Array, other: Array, most: float) -> Array:
    """Return an image ``[H, W, 4]``: the colour says which of two counts is larger, the opacity how large both are."""
    image = np.zeros((*one.shape, 4))
    image[..., :3] = np.where((one >= other)[..., None], RISE, FALL)
    image[..., 3] = np.sqrt(np.minimum((one + other) / most, 1))
    return image


FOOLED = 0.97
"""Below this share of recordings fooled the share is written beside the points: their mean is of the weakest ones."""


def fig9(study: Study, labels: dict[str, str]) -> Figure | None:
    """Return Fig. 9: the flips that fool every model under each attack, one panel an attack; ``None`` without data."""
    attacks = [a for a in study.parameters.attacks if any(study.values(r.model, a, "flips") for r in study.rows)]
    rows = [row for row in study.rows if any(study.values(row.model, a, "flips") for a in attacks)]
    if not attacks:
        return None
    with style():
        description = "Mean number of flips that fool every model, one panel an attack."
        columns = 2 if len(attacks) > 1 else 1
        lines = -(-len(attacks) // columns)
        fig, axes = figure(lines, lines * (70 + 24 * len(rows)), description, columns, sharey=True)
        for ax, attack in zip(axes, attacks, strict=False):
            for y, row in enumerate(rows):
                values = study.values(row.model, attack, "flips")
                c = line(row.model)["color"]
                ax.scatter(list(values.values()), [y] * len(values), s=26, color=c, linewidths=0, alpha=0.85)
                found = study.value(row.model, attack, "flips")
                if found is not None and found.low is not None and found.high is not None:
                    ax.plot([max(found.low, 0), found.high], [y + 0.28] * 2, color=c, linewidth=1.8)
                    ax.plot([found.mean] * 2, [y + 0.18, y + 0.38], color=c, linewidth=1.8)
                success = study.value(row.model, attack, "success")
                if success is not None and success.mean < FOOLED:
                    ax.text(1.13, y, f"{100 * success.mean:.0f} %", transform=ax.get_yaxis_transform(), fontsize=7.6,
                            ha="right", va="center", style="italic")  # fmt: skip
            ax.set_xlim(left=0)
            ax.margins(x=0.2)
            ax.xaxis.set_major_locator(MaxNLocator(4))
            ax.set_title(labels[attack], fontsize=9.6)
            ax.tick_params(axis="y", length=0)
            for y in range(len(rows) - 1):
                ax.axhline(y + 0.5, color=INK, linewidth=0.5, alpha=0.15)
        for ax in axes[len(attacks) :]:
            ax.set_visible(False)
        for ax in axes[-columns:]:
            ax.set_xlabel("flips")
        axes[0].set_ylim(len(rows) - 0.5, -0.5)
        axes[0].set_yticks(range(len(rows)), [name(row.model) for row in rows])
        return fig


def in_time(study: Study, labels: dict[str, str]) -> Figure | None:
    """Return the share of the flips that falls on each time step, one panel an attack; ``None`` without data.

    Flips by chance fall on all steps alike, so they have no panel.
    """
    wanted = [attack for attack in study.parameters.attacks if attack != "chance"]
    attacks = [a for a in wanted if any(study.in_time(r.model, a) is not None for r in study.rows)]
    if not attacks:
        return None
    with style():
        fig, axes = figure(
            len(attacks), 60 + 120 * len(attacks), "Share of flips that falls on each time step.", sharex=True
        )
        for ax, attack in zip(axes, attacks, strict=True):
            for row in study.rows:
                shares = study.in_time(row.model, attack)
                if shares is not None:
                    ax.plot(np.arange(1, len(shares) + 1), 100 * shares, **line(row.model), label=name(row.model))
            ax.set_ylim(bottom=0)
            ax.set_title(labels[attack], fontsize=9.6)
            ax.set_ylabel("flips (%)")
        axes[-1].set_xlabel("step of 3 ms")
        axes[0].legend(fontsize=7.6, frameon=False, ncols=2)
        return fig


def transfers(study: Study, labels: dict[str, str]) -> Figure | None:
    """Return how much of what fools one model fools another, one panel an attack; ``None`` without data."""
    attacks = [a for a in TRANSFERRED if any(t.attack == a for t in study.transfers)]
    models = [r.model for r in study.rows if any(r.model in (t.made, t.met) for t in study.transfers)]
    if not attacks:
        return None
    with style():
        description = "Share of the recordings made against one model that fool another, one panel an attack."
        fig, axes = figure(len(attacks), len(attacks) * (90 + 22 * len(models)), description)
        for ax, attack in zip(axes, attacks, strict=True):
            shades = np.zeros((len(models), len(models), 4))
            shades[..., :3] = RISE
            for (y, made), (x, met) in itertools.product(enumerate(models), enumerate(models)):
                found = study.transfer(made, met, attack)
                if found is not None:
                    shades[y, x, 3] = 0.8 * found.mean
                ax.text(x, y, "–" if found is None else f"{100 * found.mean:.0f}", ha="center", va="center", fontsize=8)
            ax.imshow(shades, interpolation="nearest", aspect="auto")
            names = [name(model) for model in models]
            ax.set_xticks(range(len(models)), names, rotation=40, ha="right", rotation_mode="anchor", fontsize=8.4)
            ax.set_yticks(range(len(models)), names, fontsize=8.4)
            ax.tick_params(length=0)
            ax.set_title(labels[attack], fontsize=9.6)
            ax.set_ylabel("made against", fontsize=9.6)
        axes[-1].set_xlabel("given to", fontsize=9.6)
        return fig


CORRUPTIONS = {
    "noise": "noise: probability of an event",
    "drop": "lost: share of events",
    "jitter": "jitter (steps)",
    "shift": "shift (pixels)",
}


def corruptions(study: Study) -> Figure | None:
    """Return the accuracy of every model by strength of four corruptions; ``None`` without data."""
    rows = [row for row in study.rows if corruption(row.records, "noise")]
    if not rows:
        return None
    with style():
        fig, axes = figure(2, 380, "Accuracy of every model by strength of noise, losses, jitter and shift.", 2)
        for ax, (kind, label) in zip(axes, CORRUPTIONS.items(), strict=True):
            for row in rows:
                curve = corruption(row.records, kind)
                means = {s: float(np.mean(list(v.values()))) for s, v in curve.items()}
                ax.plot(list(means), [100 * m for m in means.values()], **line(row.model), label=name(row.model))
            if kind == "noise":
                ax.set_xscale("symlog", linthresh=0.001)
                ax.set_xticks([0, 0.001, 0.01, 0.1], ["0", "0.001", "0.01", "0.1"])
                ax.minorticks_off()
            ax.axhline(10, **CHANCE)
            ax.set_ylim(0, 102)
            ax.set_xlabel(label, fontsize=9.6)
        for ax in axes[::2]:
            ax.set_ylabel("accuracy (%)")
        handles, labels = axes[0].get_legend_handles_labels()
        fig.legend(handles, labels, loc="outside lower center", ncols=3, fontsize=7.8, frameon=False)
        return fig


IMAGES = {"noise": "noise", "fgsm": "one step (FGSM)", "pgd": "many steps (PGD)", "square": "no gradient (Square)"}


def images(rows: Sequence[Networks]) -> Figure | None:
    """Return the accuracy of every model on images by attack and size of the change; ``None`` without data."""
    found = {row.model: probes for row in rows if (probes := row.probes("images"))}
    if not found:
        return None
    with style():
        fig, axes = figure(2, 380, "Accuracy of every model on MNIST by attack and size of the change.", 2)
        for ax, (attack, label) in zip(axes, IMAGES.items(), strict=True):
            for model, probes in found.items():
                curve: dict[float, list[float]] = {}
                for probe in probes:
                    for key, value in probe.metric("accuracy").items():
                        kind, _, eps = key.partition("/")
                        if kind in (attack, "none"):
                            curve.setdefault(float(eps), []).append(100 * value)
                sizes = sorted(curve)
                ax.plot(sizes, [float(np.mean(curve[eps])) for eps in sizes], **line(model), label=name(model))
            ax.axhline(10, **CHANCE)
            ax.set_ylim(0, 102)
            ax.set_title(label)
        for ax in axes[::2]:
            ax.set_ylabel("accuracy (%)")
        for ax in axes[2:]:
            ax.set_xlabel("change of a pixel")
        handles, labels = axes[0].get_legend_handles_labels()
        fig.legend(handles, labels, loc="outside lower center", ncols=3, fontsize=7.8, frameon=False)
        return fig


def sweep(networks: Sweep) -> Figure | None:
    """Return accuracy, what corruptions leave of it and the flips of each attack by k_tau; ``None`` for too few."""
    if len(networks.runs) < FEWEST:
        return None
    dashes = ("-", (0, (5, 2)), (0, (1, 1.5)), (0, (6, 2, 1, 2)))
    with style():
        fig, axes = figure(2, 330, "Accuracy and flips by leakage coefficient.", sharex=True)
        for (label, strength), dash in zip(STRENGTHS.items(), dashes, strict=False):
            found = networks.accuracy(*strength)
            share = [100 * value for value in found.values()]
            axes[0].plot(list(found), share, color=INK, linestyle=dash, marker="o", ms=4, label=label)
        axes[0].set_ylabel("accuracy (%)")
        axes[0].legend(fontsize=8, frameon=False)
        for attack, dash in zip(networks.attacks, dashes, strict=False):
            if found := networks.flips(attack):
                axes[1].semilogy(
                    list(found), list(found.values()), color=INK, linestyle=dash, marker="o", ms=4, label=attack
                )
        axes[1].set_ylabel("flips")
        axes[1].set_xlabel("leakage coefficient k_tau (1: no leakage)")
        if axes[1].lines:
            axes[1].legend(fontsize=8, frameon=False)
        return fig
