"""A page for each archived run: what came out, everything that decides it, where it was made, what was asked of it.

The pages are made from the records while Sphinx writes the book, without a notebook each: a hundred runs take seconds.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lifroles import paper, probes
from lifroles.baselines import BASELINE_LABELS
from lifroles.overview import SOURCES, changes_in_words
from lifroles.pages import curve
from lifroles.prose import NBSP, percent
from lifroles.store import Record, Store
from lifroles.tables import Download, Table, protocol_table
from lifroles.variant import PAPER_VARIANTS, VARIANT_LABELS

if TYPE_CHECKING:
    from sphinx.application import Sphinx

FOLDER = "book/runs"
"""Where the pages lie in the built book; the cards below figures link to ``../runs/DIGEST.html``."""

INDEX = "../notebooks/runs.html"
"""The page that lists them, from one of them."""

SHOWN = 24
"""Numbers of a probe that a page shows; all of them are in the file that it offers."""

_SIDEBAR = ("navbar-logo.html", "search-button-field.html")
"""The whole table of contents would be most of a run's page."""


def prepare(app: Sphinx, config: Any) -> None:
    """Leave the table of contents out of the runs' pages (``config-inited``)."""
    config.html_sidebars = {**config.html_sidebars, f"{FOLDER}/*": list(_SIDEBAR)}


def collect(app: Sphinx) -> Iterator[tuple[str, dict[str, Any], str]]:
    """Yield name, content and template of the page of every archived run (``html-collect-pages``)."""
    options = app.config.html_theme_options
    tree = f"{options.get('repository_url', '').rstrip('/')}/tree/{options.get('repository_branch', 'main')}/results"
    for record in Store(Path(app.confdir, app.config.lifroles_archive).resolve()).all():
        context = {"title": escape(title(record)), "body": body(record, tree)}
        yield f"{FOLDER}/{record.spec.digest}", context, "page.html"


def label(record: Record) -> str:
    """Return the variant's name as the paper's tables have it, or its parts in words where they have none."""
    known = {**VARIANT_LABELS, **BASELINE_LABELS}
    return known.get(record.variant_name) or record.spec.variant.describe()


def title(record: Record) -> str:
    """Return what a run is, in a line."""
    return f"{record.spec.task.title}: {label(record)}, seed {record.seed}"


def body(record: Record, tree: str) -> str:
    """Return a run's page as HTML.

    Arguments:
        record: an archived run.
        tree: the address of the folder of archived runs in the repository.
    """
    spec = record.spec
    files = f"{tree}/{spec.path}"
    parts = [
        f"<h1>{escape(title(record))}</h1>",
        f'<p>Run <code>{escape(spec.digest)}</code> of <a href="{INDEX}">all archived runs</a>. '
        f"{escape(_departure(record))}</p>",
        outcome(record)._repr_html_(),
        _figure(record),
        "<h2>What decides its numbers</h2>",
        f"<p>Neuron: {escape(spec.variant.describe())}. "
        f"Data: {escape(spec.source)}, {escape(SOURCES[spec.source][1])}. "
        f"Train it again: <code>{escape(spec.command())}</code></p>",
        protocol_table(f"Protocol of {title(record)}", spec.protocol)._repr_html_(),
        "<h2>Where it was made</h2>",
        origin(record)._repr_html_(),
        "<h2>What was asked of the trained network</h2>",
        *_answers(record),
        f'<p><a href="{escape(files)}">Its files in the repository</a>.</p>',
    ]
    return f'<section class="lifroles lifroles-run">{"".join(parts)}</section>'


def _departure(record: Record) -> str:
    changes = changes_in_words(record.spec.benchmark, record.spec.changes())
    return f"Differs from the full protocol: {changes}." if changes else "The full protocol."


def outcome(record: Record) -> Table:
    """Return what came out, beside what the paper reports."""
    rows = [("Status", record.status if record.reason is None else f"{record.status}: {record.reason}")]
    final = record.final if record.status == "completed" else {}
    words = {"last": "after the last epoch", "best": "at the best epoch by test accuracy, which is optimistic"}
    words["selected"] = "at the best epoch by validation accuracy"
    for which, said in words.items():
        if (value := final.get(f"{which}_accuracy")) is not None:
            rows.append((f"Test accuracy {said}", percent(value, 2)))
    rows.append(("Chance", percent(record.spec.task.chance, 2)))
    named = record.spec.benchmark in paper.TABLE6_BENCHMARKS and record.variant_name in PAPER_VARIANTS
    reported = paper.accuracy(record.spec.benchmark, record.variant_name) if named else None
    if reported is not None:
        rows.append((f"The paper ({reported.place})", reported.text))
    for layer, rate in final.get("spike_rate", {}).items():
        rows.append((f"Spikes per neuron and step, {layer}", f"{rate:.4f}"))
    rows.append(("Epochs trained", str(record.epochs)))
    return Table(f"Outcome of {title(record)}", ("Quantity", "Value"), rows)


def history(record: Record) -> Download:
    """Return the curves as a file: one line an epoch; spike rates have a column a layer."""
    curves = {name: values for name, values in record.history.items() if isinstance(values, list) and values}
    curves |= {f"spike_rate_{layer}": rates for layer, rates in record.history.get("spike_rate", {}).items()}
    rows = [(epoch + 1, *(values[epoch] for values in curves.values())) for epoch in range(record.epochs)]
    return Download(f"run_{record.spec.digest}", ("epoch", *curves), rows)


def _figure(record: Record) -> str:
    if not record.epochs:
        return "<p>It has no whole epoch.</p>"
    train, test = record.history["train_accuracy"], record.history["test_accuracy"]
    ends = f"{percent(train[-1])} on training and {percent(test[-1])} on test samples"
    said = f"Accuracy after each epoch; at the end {ends}"
    drawn = curve.learning(train, test, record.spec.task.chance, said)
    card = f'<div class="lifroles-card"><p>Data: {history(record).link()}</p></div>'
    return f'<figure class="lifroles">{drawn}<figcaption><p>{escape(said)}.</p>{card}</figcaption></figure>'


def origin(record: Record) -> Table:
    """Return the provenance of a run."""
    found = record.provenance
    commit = str(found.get("commit") or "unknown") + (" with local changes" if found.get("dirty") else "")
    wall = found.get("wall_seconds")
    rows = [
        ("Commit", commit),
        ("Data (SHA-256)", str(found.get("data_sha256") or "unknown")),
        ("Weights (SHA-256)", str(record.final.get("weights_sha256") or "not recorded")),
        ("Started", str(found.get("started") or "unknown")),
        ("Time", "unknown" if wall is None else f"{float(wall):,.0f}{NBSP}s"),
        ("Processor", f"{found.get('processor') or 'unknown'}, {found.get('platform') or 'system unknown'}"),
        ("Threads", str(found.get("threads") or "unknown")),
        ("Device and backend", f"{found.get('device') or 'unknown'}, {found.get('backend') or 'unknown'}"),
        ("Versions", ", ".join(f"{name} {version}" for name, version in found.get("versions", {}).items())),
    ]
    if resumed := found.get("resumed"):
        rows.append(("Resumed after epoch", ", ".join(str(one["after_epoch"]) for one in resumed)))
    return Table(f"Provenance of {title(record)}", ("What", "Recorded"), rows)


def _answers(record: Record) -> Sequence[str]:
    """Return the records of every probe, each folded together under its question."""
    found = probes.find(record)
    if not found:
        return ["<p>No probe was recorded.</p>"]
    return [_answer(one) for one in found]


def _answer(one: probes.ProbeRecord) -> str:
    question = probes.PROBES[one.spec.probe].question if one.spec.probe in probes.PROBES else ""
    asked = json.dumps(one.spec.parameters, sort_keys=True)
    numbers = [(metric, key, value) for (metric, key), value in one.numbers.items()]
    rows = [(metric, key, f"{value:.6g}") for metric, key, value in numbers[:SHOWN]]
    rest = f", the first {SHOWN} of {len(numbers)}" if len(numbers) > SHOWN else ""
    file = Download(f"probe_{one.spec.digest}", ("metric", "key", "value"), numbers)
    table = Table(f"Probe {one.spec.probe}{rest}", ("Metric", "Key", "Value"), rows, download=file)
    return (
        f"<details><summary>{escape(one.spec.probe)}: {escape(question)}</summary>"
        f"<p>Parameters: <code>{escape(asked)}</code></p>{table._repr_html_()}</details>"
    )
