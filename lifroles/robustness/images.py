"""Attacks on MNIST: continuous input, for which well tried attacks of others exist."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean

from IPython.display import Markdown

from lifroles import prose
from lifroles.figures import card, command, show
from lifroles.figures import robustness as figures
from lifroles.generalisation import networks
from lifroles.generalisation.networks import LABELS, NOT_ASKED, Networks, Say
from lifroles.parameters import RobustnessParameters
from lifroles.probes.record import ProbeRecord, find
from lifroles.store import Store
from lifroles.tables import Table
from lifroles.variant import TABLE6_VARIANTS

BENCHMARK = "mnist"
NOTEBOOK = "4_3_robustness"


def collect(p: RobustnessParameters, say: Say = print, store: Store | None = None) -> tuple[Networks, ...]:
    """Return the networks on MNIST of the page's models that the paper trained on it.

    See :func:`lifroles.generalisation.networks.collect`.
    """
    models = [model for model in p.models if model in TABLE6_VARIANTS]
    known = networks.collect(p, {"images": ({},)}, say, store, BENCHMARK, models)
    return tuple(Networks(model, networks.of_model(known, model)) for model in models)


def _strengths(rows: Sequence[Networks]) -> list[str]:
    """Return the attacks with their sizes, ``"pgd/0.1"``, in the order of the records."""
    keys = [key for row in rows for probe in row.probes("images") for key in probe.metric("accuracy")]
    return [key for key in dict.fromkeys(keys) if not key.startswith("none")]


def _mean(probes: Sequence[ProbeRecord], key: str) -> float:
    return fmean(probe.metric("accuracy")[key] for probe in probes)


def caption(rows: Sequence[Networks]) -> str:
    """Return what the attacks leave of the accuracy, and whether the one without gradient is stronger than PGD."""
    found = {row.model: probes for row in rows if (probes := row.probes("images"))}
    if not found:
        return f"Attacks on images: {NOT_ASKED}."
    sizes = [key.partition("/")[2] for key in _strengths(rows) if key.startswith("pgd/")]
    middle = sizes[len(sizes) // 2]
    left = {model: _mean(probes, f"pgd/{middle}") for model, probes in found.items()}
    firm, frail = max(left, key=left.__getitem__), min(left, key=left.__getitem__)
    hidden = [
        LABELS[model]
        for model, probes in found.items()
        if any(_mean(probes, f"square/{size}") < _mean(probes, f"pgd/{size}") for size in sizes)
    ]
    said = (
        f"Square, which sees no gradient, leaves less than PGD does ({prose.listed(hidden)}): there the gradient "
        "hides something."
        if hidden
        else "Square, which sees no gradient, is nowhere stronger than PGD: no sign of a hidden gradient."
    )
    n = prose.counted(sum(len(probes) for probes in found.values()), "network")
    return (
        f"Where every pixel may change by {middle}, PGD leaves between {prose.percent(left[frail], 0)} "
        f"({LABELS[frail]}) and {prose.percent(left[firm], 0)} ({LABELS[firm]}). {said} Mean accuracy on MNIST by the "
        f"largest change of a pixel, {n}; dashed: chance."
    )


def table(rows: Sequence[Networks]) -> Table:
    """Return the accuracy under every attack, and the share of images without gradient."""
    found = {row.model: probes for row in rows if (probes := row.probes("images"))}
    lines = [
        (label, *(f"{100 * _mean(probes, key):.1f}" for probes in found.values()))
        for key, label in (("none/0", "clean"), *((key, key.replace("/", " ")) for key in _strengths(rows)))
    ]
    vanished = [[probe.metric("vanished")["all"] for probe in probes] for probes in found.values()]
    lines.append(("images without a gradient", *(f"{100 * fmean(shares):.1f}" for shares in vanished)))
    title = "Accuracy on MNIST in percent by attack and largest change of a pixel, and images without a gradient."
    return Table(title, ("Attack", *(LABELS[model] for model in found)), lines)


def attacks(p: RobustnessParameters, rows: Sequence[Networks]) -> list[object]:
    """Return the attacks on images: figure and table, or that nothing was measured."""
    fig = figures.images(rows)
    if fig is None:
        return [Markdown(caption(rows))]
    records = [record for row in rows for record in row.records if find(record, "images")]
    again = command(NOTEBOOK, p)
    shown = table(rows)
    drawn = show(fig, caption(rows), command=again, records=records, probes=["images"])
    return [drawn, shown, card(again, records, shown.caption, probes=["images"])]
