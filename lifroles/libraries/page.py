"""What the page on other libraries shows, part by part, from the record alone."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from typing import Any

import numpy as np
from IPython.display import Markdown

from lifroles import traces
from lifroles.figures import Display, card, command, show
from lifroles.figures import libraries as figures
from lifroles.libraries.demonstration import SHOWN, SURROGATES, grid
from lifroles.libraries.record import COMMAND, compare, fires_at_threshold
from lifroles.libraries.rows import K_TAU, LIBRARIES, ROWS, Row
from lifroles.parameters import NotebookParameters
from lifroles.prose import counted, listed
from lifroles.tables import Table
from lifroles.variant import Variant

NOTEBOOK = "A_1_libraries"

Record = Mapping[str, Any]

_POTENTIAL = {"before": "before reset", "after": "after reset", "hidden": "not shown", None: "another"}


def _versions(record: Record) -> str:
    return listed(f"{title} {record['versions'][name]}" for name, title in LIBRARIES.items())


def _behind(record: Record) -> str:
    return f"from results/libraries.json, which {COMMAND} makes, here with {_versions(record)}."


def nodes(record: Record, parameters: NotebookParameters) -> Display:
    """Return the figure of the nodes that people reach for first."""
    recorded = record["traces"]
    k, u_th = recorded["k_tau"], recorded["u_th"]
    x = np.asarray(recorded["x"])[:, None]
    rows = [row for row in ROWS if row.name in SHOWN]
    ours = {row.name: traces.run(Variant(leak=k, reset=row.variant.reset), x, u_th, name=row.name) for row in rows}
    return show(
        figures.nodes(rows, recorded, ours),
        nodes_words(record, rows, ours),
        command=command(NOTEBOOK, parameters),
        behind=f"Ours is computed on this page; theirs comes {_behind(record)}",
    )


def nodes_words(record: Record, rows: list[Row], ours: Mapping[str, traces.Trace]) -> str:
    """Return what the nodes do on the one current."""
    recorded = record["traces"]
    same = [row for row in rows if recorded["nodes"][row.name]["o"] == ours[row.name].o[:, 0].astype(int).tolist()]
    return (
        f"One current, kτ = {recorded['k_tau']:g} and the same threshold: {len(same)} of {len(rows)} nodes spike as "
        "ours does. Thin: the potential as the node gives it out, and its spikes; thick and grey: u(t) and the spikes "
        "of the variant of ours that the same words name (soft reset beside snnTorch's subtraction). Where the thin "
        "line alone drops at the step of a spike, the node shows the potential after the reset, and nothing else "
        "differs."
    )


def table(record: Record, library: str) -> Table:
    """Return the rows of one library: how each node answers, before and after its mend, and why."""
    rows = [row for row in ROWS if row.library == library]
    title = f"{LIBRARIES[library]} {record['versions'][library]} beside this book's neuron; an arrow: once mended"
    return Table(
        title,
        ("Node", "Ours", "Spikes", "Potential", "Gradient", "At u_th"),
        [_cells(row, record["rows"][row.name]) for row in rows],
        [row.reason + (f" To mend it: {row.mend[0].lower()}{row.mend[1:]}." if row.mend else "") for row in rows],
    )


def made(record: Record) -> Display:
    """Return the provenance card of the tables."""
    return card(COMMAND, [], "The nodes beside this book's neuron", f"It comes {_behind(record)}")


def _ours(row: Row) -> str:
    variant = row.variant
    parts = [
        {"hard": "hard reset", "soft": "soft reset", "none": "no reset"}[variant.reset],
        "learned leak" if variant.leak == "learnable" else "" if variant.leak == K_TAU else f"k_tau {variant.leak:g}",
        "recurrent" if variant.recurrent else "",
        "reset detached" if row.detach_reset else "",
    ]
    return ", ".join(filter(None, parts))


def _cells(row: Row, outcome: Record) -> tuple[str, ...]:
    found, mended = outcome["as it is"], outcome["mended"]
    fires = {True: "fires", False: "silent", None: "–"}[outcome["fires at threshold"]]
    if found["verdict"] is None:
        return row.node, _ours(row), "it refuses", "–", "–", fires
    answers = [_answer(found["verdict"], f"{found['differing']:,} differ")]
    if mended:
        answers.append(_answer(mended["verdict"], f"{mended['differing']:,} differ"))
    # What the mend leaves as it was is said once.
    return row.node, _ours(row), *(" → ".join(dict.fromkeys(cells)) for cells in zip(*answers, strict=True)), fires


def _answer(verdict: Record, differ: str) -> tuple[str, str, str]:
    spikes = "same" if verdict["spikes"] else differ
    return spikes, _POTENTIAL[verdict["potential"]], "same" if verdict["gradient"] else "differs"


def counts(record: Record) -> Markdown:
    """Return how many nodes answer as ours, as they are and mended."""
    rows = record["rows"].values()
    plain = [row for row in rows if (row["as it is"]["verdict"] or {}).get("spikes")]
    whole = [row for row in plain if row["as it is"]["verdict"]["gradient"]]
    mended = [row for row in rows if row not in plain and row["mended"] and row["mended"]["verdict"]["spikes"]]
    never = len(rows) - len(plain) - len(mended)
    strict = [row for row in rows if row["fires at threshold"] is False]
    size = record["input"]
    return Markdown(
        f"On an input of {size['T']} steps, {counted(size['B'], 'sample')} and {counted(size['N'], 'neuron')}, of "
        f"{counted(len(rows), 'node')}:\n\n"
        f"- {len(plain)} spike exactly where ours do, as they are; {len(whole)} of them have our gradients too.\n"
        f"- {len(mended)} do so once the input, the threshold or an argument is mended as the table says.\n"
        f"- {never} cannot be made to.\n"
        f"- {len(strict)} do not fire at the threshold itself, only above it. It is counted apart: the random input "
        "never hits the threshold to the last bit."
    )


def surrogates(record: Record, parameters: NotebookParameters) -> list[object]:
    """Return the surrogates as a figure and as a table."""
    recorded = record["surrogates"]
    fig = figures.surrogates(grid().tolist(), recorded)
    peak = {name: max(values) for name, values in recorded.items()}
    wide = [LIBRARIES[name] for name, values in recorded.items() if name in LIBRARIES and values[-1] > 0.01]
    caption = (
        "The gradient of one spike differs more between libraries than the spike does: ours is "
        f"{peak['lifroles']:g} high and ends at the width, while {listed(wide)} never "
        f"{'reaches' if len(wide) == 1 else 'reach'} 0 nearby. n = 1 function each; nothing is random."
    )
    names = {"lifroles": "lifroles", **LIBRARIES}
    shown = Table(
        "What a library passes back where nothing else is said; x = u − u_th",
        ("Library", "Surrogate", "Derivative", "At the threshold", "One unit away"),
        [
            (names[name], title, formula, f"{peak[name]:.3g}", f"{recorded[name][-1]:.2g}")
            for name, (title, formula, _) in SURROGATES.items()
        ],
    )
    return [show(fig, caption, command=command(NOTEBOOK, parameters), behind=f"It comes {_behind(record)}"), shown]


def again(record: Record) -> Markdown:
    """Run every node again where all libraries are installed, and return whether the record still holds."""
    missing = [title for name, title in LIBRARIES.items() if importlib.util.find_spec(name) is None]
    if missing:
        return Markdown(
            f"{listed(missing)} {'is' if len(missing) == 1 else 'are'} not installed here, so nothing was run again: "
            f"this page shows what came out with {_versions(record)}."
        )
    changed = []
    for row in ROWS:
        verdicts = compare(row).verdict, compare(row, mended=True).verdict if row.mended else None
        if (*verdicts, fires_at_threshold(row)) != (row.verdict, row.mended, row.at_threshold):
            changed.append(row.node)
    if changed:
        return Markdown(f"Run again here, {counted(len(changed), 'node')} did something else: {listed(changed)}.")
    return Markdown(f"Run again here, while this page was made, all {len(ROWS)} nodes did what the tables say.")
