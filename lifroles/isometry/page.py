"""What the page shows of gradients, part by part."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from IPython.display import Markdown

from lifroles.benchmarks.cifar10 import Cifar10Protocol
from lifroles.figures import Display, card, command, show
from lifroles.figures import isometry as draw
from lifroles.isometry.initial import COMMAND, MEMORYLESS, Record
from lifroles.isometry.study import VARIANT, Cases, Trained, alike, initial, rows, title
from lifroles.parameters import NotebookParameters
from lifroles.prose import counted, listed, percent
from lifroles.store import Record as Run
from lifroles.study import DEPTHS, NORMS, SHORT
from lifroles.tables import Download, Table

NOTEBOOK = "A_5_tdbn"
LABELS = {"tdbn": "tdBN", "bn": "ordinary batch normalisation", "none": "no normalisation"}


def power(value: float) -> str:
    """Return a factor with two digits: ``"1.4"``, ``"230"``, ``"3·10⁹"``."""
    if value < 1e4:
        return f"{float(f'{value:.2g}'):g}"
    digits, exponent = f"{value:.0e}".split("e")
    return f"{digits}·10{str(int(exponent)).translate(str.maketrans('0123456789', '⁰¹²³⁴⁵⁶⁷⁸⁹'))}"


def mean(cases: Any, value: Any) -> float:
    """Return the geometric mean of a number over seeds."""
    return float(np.exp(np.mean([np.log(value(case)) for case in cases])))


def behind(record: Record) -> str:
    """Return where the numbers of untrained networks come from."""
    p = record["provenance"]
    commit = str(p["commit"] or "unknown")[:7] + (" with local changes" if p["dirty"] else "")
    n = record["parameters"]["samples"]
    return (
        f"From results/isometry/initial.json, which {COMMAND} makes: the first {n} test images "
        f"(source {record['source']}), {record['channels']:g} times the channels, {p['processor']}, "
        f"{counted(p['threads'], 'thread')}, commit {commit}, {p['started'][:10]}."
    )


def made(record: Record) -> Display:
    """Return the provenance card of a table about untrained networks."""
    return card(COMMAND, [], "Before training", behind(record))


def _download(cases: Cases, metric: str, key: str) -> Download:
    table = [
        (variant, depth, norm, case.seed, name, value)
        for (variant, depth, norm), seeds in cases.items()
        for case in seeds
        for name, value in case.metrics[metric].items()
    ]
    return Download(f"{NOTEBOOK}_{metric}", ("variant", "depth", "norm", "seed", key, metric), table)


def _n(cases: Cases) -> str:
    return f"n = {counted(len(cases[VARIANT, DEPTHS[0], NORMS[0]]), 'seed')} each."


def gradients(record: Record, parameters: NotebookParameters) -> Display:
    """Return the gradient's norm by block."""
    cases = initial(record)
    deepest = DEPTHS[-1]
    grows = {norm: mean(cases[VARIANT, deepest, norm], lambda c: c.whole) for norm in NORMS}
    return show(
        draw.by_block(
            rows(cases, "gradient"),
            "gradient, relative",
            "Norm of the loss's gradient at the beginning of every block, relative to the end of the last one, by "
            "depth and normalisation.",
        ),
        f"Before training, over all blocks of {title(deepest)} the loss's gradient grows {power(grows['tdbn'])}-fold "
        f"with tdBN, {power(grows['none'])}-fold without normalisation and {power(grows['bn'])}-fold with ordinary "
        f"batch normalisation. Its norm at the spikes that enter each block, relative to that at the spikes that leave "
        f"the last one; lines: geometric means, points: seeds. {_n(cases)}",
        command=command(NOTEBOOK, parameters),
        behind=behind(record),
        download=_download(cases, "gradient", "block"),
    )


def isometry(record: Record, parameters: NotebookParameters) -> Display:
    """Return the first condition of block dynamical isometry by block."""
    cases = initial(record)
    of = {norm: _range(cases, norm, "isometry") for norm in NORMS}
    return show(
        draw.by_block(
            rows(cases, "isometry"),
            "tr(J Jᵀ)",
            "Normalised trace of J times its transpose by block, by depth and normalisation, with a line at 1.",
            ideal=1.0,
        ),
        f"The theory asks for 1 (dashed). The blocks with tdBN have {of['tdbn']}; those without normalisation "
        f"{of['none']}; those with ordinary batch normalisation {of['bn']}. {_n(cases)}",
        command=command(NOTEBOOK, parameters),
        behind=behind(record),
        download=_download(cases, "isometry", "block"),
    )


def _range(cases: Cases, norm: str, metric: str) -> str:
    """Return the least and the greatest mean over seeds of a block at any depth."""
    means = np.concatenate([np.mean([c.row(metric) for c in cases[VARIANT, depth, norm]], axis=0) for depth in DEPTHS])
    return f"{power(float(means.min()))} to {power(float(means.max()))}"


def conditions(record: Record) -> Table:
    """Return both conditions and the growth of the gradient, for every depth, normalisation and neuron."""
    cases = initial(record)
    networks = [(VARIANT, depth) for depth in DEPTHS] + [(MEMORYLESS, DEPTHS[0])]
    table = [_row(f"{title(depth, variant)}, {LABELS[norm]}", cases[variant, depth, norm])
             for variant, depth in networks for norm in NORMS]  # fmt: skip
    return Table(
        "Both conditions, means over blocks and seeds, and the gradient's growth, geometric means over seeds",
        HEAD,
        table,
    )


HEAD = (
    "",
    "tr(J Jᵀ), ideal 1",
    "tr((J Jᵀ)²) − tr(J Jᵀ)², ideal 0",
    "the same over tr(J Jᵀ)²",
    "growth per block",
    "over all blocks",
)


def _row(label: str, cases: Any) -> tuple[str, ...]:
    first = float(np.mean([case.row("isometry") for case in cases]))
    second = float(np.mean([case.row("spread") for case in cases]))
    relative = float(np.mean([np.array(c.row("spread")) / np.square(c.row("isometry")) for c in cases]))
    return (
        label,
        *(power(value) for value in (first, second, relative)),
        _factor(mean(cases, lambda c: c.growth), "{:.2f}".format),
        _factor(mean(cases, lambda c: c.whole), power),
    )


def _factor(value: float, show: Callable[[float], str]) -> str:
    """Return a factor, or that there is none: where no neuron of the class layer is near its threshold."""
    return "no gradient" if math.isnan(value) else f"{show(value)}×"


def verdict(record: Record) -> Markdown:
    """Return what was found before training, in a few sentences."""
    cases = initial(record)
    per = {norm: [mean(cases[VARIANT, d, norm], lambda c: c.growth) for d in DEPTHS] for norm in NORMS}
    first = {
        norm: np.mean(np.concatenate([c.row("isometry") for d in DEPTHS for c in cases[VARIANT, d, norm]]))
        for norm in NORMS
    }
    spread = np.mean([np.array(c.row("spread")) / np.square(c.row("isometry"))
                      for c in cases[VARIANT, DEPTHS[0], "tdbn"]])  # fmt: skip
    nothing = np.mean([c.row("isometry") for c in cases[MEMORYLESS, DEPTHS[0], "tdbn"]])
    normal = np.mean([c.row("isometry") for c in cases[VARIANT, DEPTHS[0], "tdbn"]])

    def growth(norm: str) -> str:
        low, high = f"{min(per[norm]):.2f}", f"{max(per[norm]):.2f}"
        return low if low == high else f"{low} to {high}"

    return Markdown(
        f"- **The first condition holds nearly with tdBN, and only with it.** Its mean over blocks and depths is "
        f"{first['tdbn']:.2f}, without normalisation {first['none']:.1f}, with ordinary batch normalisation "
        f"{first['bn']:.0f}. A block lets the gradient grow {growth('tdbn')}-fold with tdBN, {growth('none')}-fold "
        f"without normalisation and {growth('bn')}-fold with the ordinary one.\n"
        "- **Nearly is not quite.** With tdBN a block whose shortcut is the spikes themselves has more than 1. A "
        "convolution in the shortcut brings it down, below 1 where a later stage begins. Most blocks are of the first "
        "kind, so that the gradient still grows with depth, slowly.\n"
        f"- **The second condition does not hold.** The surrogate is a rectangle: a potential outside its window lets "
        f"nothing through, one inside it multiplies. The squared singular values of a block are spread by "
        f"{power(float(spread))} times the square of their mean ({title(DEPTHS[0])}).\n"
        f"- **The neuron of the derivation, without memory, behaves alike**: {nothing:.2f} with k_tau = 0, "
        f"{normal:.2f} with normal leakage ({title(DEPTHS[0])}, tdBN)."
    )


def firing(record: Record, parameters: NotebookParameters) -> Display:
    """Return the spike rates by block."""
    cases = initial(record)
    inside = {
        norm: percent(float(np.mean([np.mean(c.rates()[1]) for d in DEPTHS for c in cases[VARIANT, d, norm]])), 0)
        for norm in NORMS
    }
    return show(
        draw.rates(_rates(cases)),
        f"Before training, a neuron inside a block (dotted) fires in {inside['tdbn']} of the steps with tdBN, in "
        f"{inside['none']} without normalisation and in {inside['bn']} with ordinary batch normalisation. At the end "
        "of a block (solid) the shortcut adds its spikes, so that rates rise along a stage; a convolution in the "
        f"shortcut, at the beginning of the next stage, brings them down. Means over seeds. {_n(cases)}",
        command=command(NOTEBOOK, parameters),
        behind=behind(record),
        download=_download(cases, "rate", "layer"),
    )


def _rates(cases: Cases) -> dict[str, dict[str, Any]]:
    """Return the rates at the blocks' ends and inside them by normalisation and network, means over seeds."""
    return {
        norm: {
            title(depth): tuple(
                np.mean([case.rates()[place] for case in cases[VARIANT, depth, norm]], axis=0).tolist()
                for place in (0, 1)
            )
            for depth in DEPTHS
            if (VARIANT, depth, norm) in cases
        }
        for norm in NORMS
    }


def by_hand(record: Record) -> Markdown:
    """Return the first condition for one layer, from the scale of its potential and the rate of its input."""
    protocol = Cifar10Protocol()
    cases = initial(record)

    def estimate(norm: str, scale: float) -> float:
        low, high = ((protocol.u_th + side * protocol.width) / (scale * math.sqrt(2)) for side in (-1, 1))
        inside = (math.erf(high) - math.erf(low)) / 2
        rate = float(np.mean([np.mean(c.rates()[1]) for d in DEPTHS for c in cases[VARIANT, d, norm]]))
        return inside / (2 * protocol.width) ** 2 * scale**2 / (rate * (1 - rate))

    return Markdown(
        "Spikes of rate $r$ have the variance $r (1 - r)$; a convolution that is normalised to the scale $s$ has "
        "$\\mathrm{tr}(J J^T) \\approx s^2 / r (1 - r)$; and the surrogate multiplies by its height squared, "
        f"{1 / (2 * protocol.width) ** 2:g}, where the potential is inside its window. For a normal potential, without "
        "memory and without a shortcut, with the rates that were found inside the blocks, that makes "
        f"**{estimate('tdbn', protocol.u_th):.1f} with tdBN** ($s = u_{{th}} = {protocol.u_th:g}$) and "
        f"**{estimate('bn', 1.0):.1f} with ordinary batch normalisation** ($s = 1$) for a layer, of which a block has "
        "two or three."
    )


def after(runs: list[Trained], parameters: NotebookParameters) -> list[object]:
    """Return what training made of it, or what is missing and how to get it."""
    cases = alike(runs)
    parts: list[object] = []
    if cases:
        parts += _drawn(cases, [one.run for one in runs if one.epochs == SHORT["epochs"] and one.case], parameters)
    asked = [one for one in runs if one.case is not None]
    if asked:
        table = [
            (
                *_row(f"{title(one.depth)}, {LABELS[one.norm]}, {counted(one.epochs, 'epoch')}, seed {one.run.seed}",
                      [one.case]),
                percent(float(one.run.final["last_accuracy"])),
            )
            for one in asked
        ]  # fmt: skip
        caption = "Trained networks: conditions, growth of the gradient, accuracy"
        parts += [
            Table(caption, (*HEAD, "test accuracy, last epoch"), table),
            card(command(NOTEBOOK, parameters), [one.run for one in asked], caption, probes=["isometry"]),
        ]
    missing = [
        f"{title(depth)} with {LABELS[norm]}"
        for depth in DEPTHS
        for norm in NORMS
        if (VARIANT, depth, norm) not in cases
    ]
    if missing:
        parts.append(
            Markdown(
                f"**Not measured after training: {listed(missing)}.** `lifroles reproduce tdbn --profile archive` "
                "trains what is missing and asks it."
            )
        )
    return parts


def _drawn(cases: Cases, runs: list[Run], parameters: NotebookParameters) -> list[object]:
    """Return the figures of networks that were trained alike."""
    origin: Any = {"command": command(NOTEBOOK, parameters), "records": runs}
    trained = f"after {counted(SHORT['epochs'], 'epoch')}"
    dead = {
        f"{title(depth)} with {LABELS[norm]}": found
        for (_, depth, norm), found in cases.items()
        if any(math.isnan(case.whole) for case in found)
    }
    quiet = all(case.metrics["rate"].get("output") == 0 for found in dead.values() for case in found)
    why = " Their class layers have fallen silent; the blocks below still fire." if quiet else ""
    none = f" No gradient comes back, and no line is drawn: {listed(dead)}.{why}" if dead else ""
    values = {
        norm: np.concatenate(
            [case.row("isometry") for (_, _, n), found in cases.items() if n == norm for case in found]
        )
        for norm in dict.fromkeys(norm for _, _, norm in cases)
    }
    first = listed([f"{found.mean():.2g} with {LABELS[norm]}" for norm, found in values.items()])
    return [
        show(
            draw.by_block(rows(cases, "gradient"), "gradient, relative",
                          f"Norm of the loss's gradient by block {trained}, by depth and normalisation.",
                          empty="no gradient"),
            f"The loss's gradient {trained} of training, one network each, relative to that at the end of the last "
            f"block.{none}",
            **origin,
        ),
        show(
            draw.by_block(rows(cases, "isometry"), "tr(J Jᵀ)",
                          f"Normalised trace by block {trained}, by depth and normalisation, with a line at 1.",
                          ideal=1.0),
            f"The first condition {trained} of training: the mean over blocks and depths is {first}; the theory asks "
            "for 1 (dashed). A block that passes nothing has no point.",
            **origin,
        ),
        show(
            draw.rates(_rates(cases)),
            f"Spike rates {trained} of training, at the blocks' ends (solid) and inside them (dotted).",
            **origin,
        ),
    ]  # fmt: skip
