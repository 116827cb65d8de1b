"""Table 6: the paper's numbers and ours in one table; and its N-MNIST networks on real recordings."""

from __future__ import annotations

from lifroles import benchmarks, overview, prose
from lifroles.accuracy.study import Cell, Study
from lifroles.accuracy.words import NOT_RUN, label, named, title
from lifroles.paper import TABLE6_BENCHMARKS
from lifroles.probes.record import find
from lifroles.probes.resolution import key
from lifroles.statistics import mean_interval
from lifroles.tables import Download, Table
from lifroles.variant import TABLE6_VARIANTS

NONE = "–"


def mark(study: Study, benchmark: str) -> str:
    """Return in few words what parts a benchmark's numbers from the full protocol on the published data."""
    scale = study.scale(benchmark)
    epochs = {k: v for k, v in scale.changes.items() if k == "epochs"}
    parts = [
        overview.departure(benchmark, type(scale)(scale.source, scale.seeds, epochs)),
        "other protocol" if scale.changes.keys() - {"epochs"} else "",
    ]
    return ", ".join(part for part in parts if part)


def _here(study: Study, cell: Cell) -> str:
    if cell.last is None:
        if cell.failed:
            return f"failed: {cell.failed[0].reason}"
        return NOT_RUN if cell.reported else NONE
    text = prose.interval(cell.last)
    marked = mark(study, cell.benchmark)
    return f"{text}; {marked}" if marked else text


def table6(study: Study) -> Table:
    """Return Table 6, a benchmark below the other: the paper's numbers, ours, and what ours are of."""
    names = [name for name in TABLE6_BENCHMARKS if name in study.parameters.benchmarks]
    variants = [variant for variant in TABLE6_VARIANTS if variant in study.parameters.variants]
    rows: list[tuple[str, ...]] = []
    notes = []
    for name in names:
        cells = [study.cells[name, variant] for variant in variants]
        rows.append((f"{title(name)}: paper", *(c.reported.text if c.reported else NONE for c in cells)))
        rows.append((f"{title(name)}: here", *(_here(study, cell) for cell in cells)))
        scale = study.scale(name)
        changes = overview.changes_in_words(name, scale.changes) or benchmarks.get(name).facts.chosen
        notes += ["", _sentence(scale.source, changes)]
    caption = (
        "Table 6: test accuracy after the last epoch, mean with 95 % t-interval over n seeds, below the paper's. A "
        "number that is not of the full protocol on the published data says so in its cell, and the line below says "
        "how it was made."
    )
    columns = ("Benchmark", *map(label, variants))
    return Table(caption, columns, rows, notes, download=_download(study, names, variants))


def _sentence(source: str, changes: str) -> str:
    """Return in a sentence which data and protocol a benchmark's numbers are of."""
    kind, what = overview.SOURCES[source]
    data = f"data {source}, {what}" if kind not in ("published", "drawn") else f"{kind} data"
    return f"Here: {data}; {changes or 'the full protocol'}."


def _download(study: Study, names: list[str], variants: list[str]) -> Download:
    columns = (
        "benchmark",
        "variant",
        "paper",
        "mean",
        "low_95",
        "high_95",
        "seeds",
        "mean_of_best_epochs",
        "source",
        "departure",
    )
    rows = []
    for name in names:
        for variant in variants:
            cell = study.cells[name, variant]
            last, best = cell.last, cell.best
            paper = cell.reported.value if cell.reported else None
            ours = (last.mean, last.low, last.high, last.n) if last else (None, None, None, 0)
            own = (study.scale(name).source, study.departure(name))
            rows.append((name, variant, paper, *ours, best.mean if best else None, *own))
    return Download("table6", columns, rows)


def coverage(study: Study) -> str:
    """Return, as Markdown, how much of Table 6 has a number here, and of which kind."""
    cells = [
        study.cells[name, variant]
        for name in study.parameters.benchmarks
        for variant in study.parameters.variants
        if study.cells[name, variant].reported
    ]
    run = [cell for cell in cells if cell.records]
    full = [cell for cell in run if not study.departure(cell.benchmark)]
    several = [cell for cell in run if len(cell.records) > 1]
    missing = [title(name) for name in study.parameters.benchmarks if not study.records(name)]
    text = (
        f"Of {prose.counted(len(cells), 'cell')} of Table 6, {len(run)} have a number here: {len(full)} of the full "
        f"protocol on the published data, {len(run) - len(full)} of another protocol, scale or data. "
        f"{len(several)} have more than one seed."
    )
    if missing:
        text += f" {prose.listed(missing)}: {NOT_RUN}."
    return text


def real(study: Study) -> Table | None:
    """Return how networks trained on simulated recordings of N-MNIST do on real ones; ``None`` if none was asked."""
    if "nmnist" not in study.parameters.benchmarks:
        return None
    cell_name = key("steps", "binary", 3)
    rows, tested = [], set()
    for cell in study.row("nmnist"):
        values: dict[str | None, list[float]] = {None: [], "subset": []}
        for record in cell.records:
            for source, own in values.items():
                found = [
                    p for p in find(record, "resolution", {"source": source}) if ("accuracy", cell_name) in p.numbers
                ]
                if found:
                    own.append(found[0].numbers["accuracy", cell_name])
                    tested |= {int(found[0].numbers["samples", cell_name])} if source else set()
        if values["subset"]:
            texts = (prose.interval(mean_interval(own)) if own else "–" for own in values.values())
            rows.append((label(cell.variant), *texts))
    if not rows:
        return None
    columns = ("Variant", "Simulated recordings", "Real recordings")
    sizes = prose.listed(f"{n:,}" for n in sorted(tested))
    one = f"{100 / min(tested):.2g}"
    caption = (
        f"{named(study, 'nmnist')}: test accuracy of the same networks on the simulated test "
        f"set and on {sizes} real recordings, mean and 95 % t-interval over seeds. One real recording weighs "
        f"{one} {'point' if one == '1' else 'points'}: the level means something, the order of the variants little."
    )
    return Table(caption, columns, rows, download=Download("real_recordings", columns, rows))
