"""The benchmarks side by side: Tables 1 to 5 of the paper, protocols and scales, from the objects that the runs use."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from lifroles.benchmarks import BENCHMARKS, Benchmark, get
from lifroles.benchmarks.base import Kind
from lifroles.data import registry
from lifroles.study import SCALES, Scale
from lifroles.tables import Table, protocol_table

TABLES: Mapping[Kind, str] = {"temporal": "Table 1", "spatial": "Table 2", "spatio-temporal": "Table 3"}

PUBLISHED = ("published", "part of it", "altered")
SOURCES: Mapping[str, tuple[str, str]] = {
    "generated": ("drawn", "drawn from random numbers when it is asked for, as the task defines it"),
    "official": ("published", "the publishers' own files, told by their checksums"),
    "tonic": ("published", "the 1,077 and 264 recordings that the package tonic distributes"),
    "regenerated": ("altered", "the real recordings of SHD, turned into spikes again with the published model"),
    "subset": ("part of it", "960 and 100 of the published recordings, unchanged"),
    "jpeg": ("altered", "the published images after lossy compression"),
    "mnist-5k": ("part of it", "4,000 and 1,000 of the training images, which a Python package brings along"),
    "speech": ("stand-in", "words of synthetic voices, heard by the model that made the published set"),
    "saccades": ("stand-in", "all 70,000 images of MNIST, moved before a simulated event camera"),
    "saccades-5k": ("stand-in", "5,000 images of MNIST, which need no download, before the same camera"),
    "gestures": ("stand-in", "a drawn person before a simulated event camera"),
    "shapes": ("stand-in", "drawn shapes, which show that the pipeline runs and nothing else"),
    "local": ("your own", "any other files in the publishers' format"),
}
"""What the sources are: their kind, and in words."""


def marked(benchmark: Benchmark, text: str) -> str:
    """Return the text, with an asterisk where the paper's own table says something else."""
    return f"{text}*" if benchmark.facts.corrected else text


def _samples(benchmark: Benchmark) -> str:
    facts = benchmark.facts
    parts = ", ".join(f"{number:,} {split}" for split, number in facts.samples.items())
    return parts if len(facts.samples) == 1 else f"{sum(facts.samples.values()):,} ({parts})"


def data_table(kind: Kind | None = None) -> Table:
    """Return what each data set is: Tables 1 to 3 in one, or those of one kind as the paper has them.

    What the paper has otherwise stands below its row.
    """
    chosen = [b for b in BENCHMARKS.values() if kind in (None, b.facts.kind)]
    notes = [b.facts.corrected for b in chosen]
    rows = [
        {
            "Benchmark": marked(b, b.title),
            "Name": b.name,
            "Kind": f"{b.facts.kind} ({b.facts.place})",
            "Samples": _samples(b),
            "Classes": str(round(1 / b.chance)),
            "Chance": f"{b.chance:.2%}",
            "One sample": b.facts.size,
            "Origin": b.facts.origin,
            "Format": b.facts.form,
            "Sources": ", ".join(b.sources),
        }
        for b in chosen
    ]
    if kind is None:
        caption = "The data sets (Tables 1 to 3; * differs from the paper, see below the row)"
        columns = tuple(rows[0])
    else:
        caption = f"{kind.capitalize()} data ({TABLES[kind]}; * differs from the paper, see below the row)"
        columns = ("Benchmark", "Samples", "Classes", "One sample", "Origin", "Format")
    return Table(caption, columns, [tuple(row[column] for column in columns) for row in rows], notes)


def source_table() -> Table:
    """Return which data each benchmark can be trained on, and what they are."""
    rows = []
    for b in BENCHMARKS.values():
        terms = registry.DATASETS[b.name].licence if b.name in registry.DATASETS else "–"
        for source in b.sources:
            kind, what = SOURCES[source]
            name = f"{source} (default)" if source == b.default_source else source
            rows.append((b.title, name, kind, what, terms if kind in PUBLISHED else "–"))
    caption = "What each benchmark can be trained on; a record says which it was"
    return Table(caption, ("Benchmark", "Source", "Kind", "What it is", "Licence"), rows)


def network_table() -> Table:
    """Return Table 4: layers, steps and readout, with what the paper leaves open."""
    rows: list[tuple[str, ...]] = []
    notes: list[str] = []
    for b in BENCHMARKS.values():
        protocol: Any = b.protocol()
        fields = type(protocol).model_fields
        notes.append(f"`network` takes {fields['network'].description}." if "network" in fields else "")
        steps = getattr(protocol, "steps", protocol.T)
        dt = getattr(protocol, "dt", None)
        leak = "learnable" if b.normal_leak == "learnable" else f"{b.normal_leak:g}"
        readout = getattr(
            protocol, "readout", "spike rates" if b.facts.kind != "temporal" else "potentials of the last steps"
        )
        rows.append(
            (
                b.title,
                b.architecture(protocol),
                str(steps),
                "–" if dt is None else f"{dt:g} ms",
                leak,
                str(readout).replace("_", " "),
                _loss(protocol),
            )
        )
    columns = ("Benchmark", "Units", "T", "dt", "Leak of the baseline", "Class read from", "Loss")
    return Table("The networks (Table 4) and what the paper leaves open", columns, rows, notes)


def _loss(protocol: Any) -> str:
    """Return the loss in words."""
    if hasattr(protocol, "loss"):
        return str(protocol.loss).replace("_", " ")
    # XOR has no other readout than the script's, which takes the softmax of what is a softmax already.
    twice = getattr(protocol, "readout", "softmax_sum") == "softmax_sum"
    return f"cross-entropy{', softmax acts twice' if twice else ''}"


def training_table() -> Table:
    """Return Table 5: the hyper-parameters."""
    rows: list[tuple[str, ...]] = []
    for b in BENCHMARKS.values():
        p: Any = b.protocol()
        rows.append(
            (
                b.title,
                str(p.epochs),
                str(p.batch_size),
                f"{p.lr:g}",
                f"{p.u_th:g}",
                f"{p.width:g}",
                "Adam",
                f"StepLR ({p.lr_step}, {p.lr_gamma:g})",
            )
        )
    columns = ("Benchmark", "Epochs", "Batch size", "Learning rate", "u_th", "Width", "Optimiser", "Scheduler")
    return Table("Hyper-parameters (Table 5)", columns, rows)


def changes_in_words(benchmark: str, changes: Mapping[str, object]) -> str:
    """Return what a run changes in its benchmark's protocol: ``"30 of 100 epochs, steps of 4 ms"``; empty for none."""
    own = get(benchmark).protocol()
    found = []
    for name, value in changes.items():
        shown = f"{value:g}" if isinstance(value, float) else str(value).replace("_", " ")
        if name == "epochs":
            found.append(f"{value} of {own.epochs} epochs")
        elif name == "dt":
            found.append(f"steps of {shown} ms")
        elif name == "readout":
            found.append(f"readout: {shown}")
        elif name == "readout_from":
            found.append(f"read from step {value}")
        elif name.endswith("_samples") and isinstance(value, int):
            found.append(f"{value:,} {name.removesuffix('_samples')} samples")
        else:
            found.append(f"{name.replace('_', ' ') if name != 'u_th' else name} = {shown}")
    return ", ".join(found)


def departure(benchmark: str, scale: Scale) -> str:
    """Return what parts a scale from the full protocol on the published data: ``"stand-in, 30 of 100 epochs"``."""
    kind, _ = SOURCES[scale.source]
    data = {"published": "", "drawn": "", "altered": "altered data", "part of it": "part of the data"}.get(kind, kind)
    parts = (data, get(benchmark).facts.chosen, changes_in_words(benchmark, scale.changes))
    return ", ".join(part for part in parts if part)


def scale_table() -> Table:
    """Return what the archived runs are trained on, and what they change in the protocol."""
    rows, notes = [], []
    for name, scale in SCALES["archive"].items():
        kind, what = SOURCES[scale.source]
        changes = changes_in_words(name, scale.changes) or get(name).facts.chosen or "the full protocol"
        rows.append((get(name).title, scale.source, kind, str(scale.seeds)))
        notes.append(f"Data: {what}. Protocol: {changes}.")
    columns = ("Benchmark", "Source", "Kind of data", "Seeds aimed at")
    return Table("The archived runs: data, and what they change in the protocol", columns, rows, notes)


def protocols(names: Iterable[str]) -> list[Table]:
    """Return every choice of these benchmarks' full protocols, with the source of each."""
    return [protocol_table(f"{get(name).title}: protocol", get(name).protocol()) for name in names]


def tables() -> list[Table]:
    """Return all three."""
    return [data_table(), network_table(), training_table()]
