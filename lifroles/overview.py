"""The benchmarks side by side: Tables 1 to 5 of the paper from the objects that the runs use."""

from __future__ import annotations

from typing import Any

from lifroles.benchmarks import BENCHMARKS, Benchmark
from lifroles.tables import Table


def marked(benchmark: Benchmark, text: str) -> str:
    """Return the text, with an asterisk where the paper's own table says something else."""
    return f"{text}*" if benchmark.facts.corrected else text


def _samples(benchmark: Benchmark) -> str:
    facts = benchmark.facts
    parts = ", ".join(f"{number:,} {split}" for split, number in facts.samples.items())
    return parts if len(facts.samples) == 1 else f"{sum(facts.samples.values()):,} ({parts})"


def data_table() -> Table:
    """Return Tables 1 to 3: what each data set is. What the paper has otherwise stands below its row."""
    rows = [
        (
            marked(b, b.title),
            b.name,
            f"{b.facts.kind} ({b.facts.place})",
            _samples(b),
            str(round(1 / b.chance)),
            f"{b.chance:.2%}",
            b.facts.size,
            b.facts.origin,
            b.facts.form,
            ", ".join(b.sources),
        )
        for b in BENCHMARKS.values()
    ]
    columns = ("Benchmark", "Name", "Kind", "Samples", "Classes", "Chance", "One sample", "Origin", "Format", "Sources")
    notes = [b.facts.corrected for b in BENCHMARKS.values()]
    return Table("The data sets (Tables 1 to 3; * differs from the paper, see below the row)", columns, rows, notes)


def network_table() -> Table:
    """Return Table 4: layers, steps and readout, with what the paper leaves open."""
    rows: list[tuple[str, ...]] = []
    notes: list[str] = []
    for b in BENCHMARKS.values():
        protocol: Any = b.protocol()
        fields = type(protocol).model_fields
        notes.append(f"{fields['network'].description}." if "network" in fields else "")
        steps = getattr(protocol, "steps", protocol.T)
        dt = getattr(protocol, "dt", None)
        leak = "learnable" if b.normal_leak == "learnable" else f"{b.normal_leak:g}"
        readout = getattr(protocol, "readout", "spike rates" if b.facts.kind != "temporal" else "potentials at the end")
        rows.append(
            (
                b.title,
                "–".join(map(str, b.sizes(protocol))),
                str(steps),
                "–" if dt is None else f"{dt:g} ms",
                leak,
                str(readout).replace("_", " "),
            )
        )
    columns = ("Benchmark", "Units", "T", "dt", "Leak of the baseline", "Class read from")
    return Table("The networks (Table 4) and what the paper leaves open", columns, rows, notes)


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


def tables() -> list[Table]:
    """Return all three."""
    return [data_table(), network_table(), training_table()]
