"""The study for other people's programs: tables of runs and probes, and an RO-Crate of the records.

The crate follows RO-Crate 1.1 and the Workflow Run profile (Process Run Crate 0.5): the study is the root data set,
each run is an action of one piece of software with its specification as input and its record as result, and the two
tables are made by another action from the records.
"""

from __future__ import annotations

import csv
import io
import json
import re
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from lifroles import __version__, folders
from lifroles.errors import StoreError
from lifroles.paths import project_root
from lifroles.store import FILES, Record
from lifroles.upkeep import probe_folders

RUN_COLUMNS = (
    "id", "benchmark", "source", "variant", "seed", "epochs", "status", "accuracy_last", "accuracy_best",
    "accuracy_selected", "wall_s", "threads", "device", "backend", "commit", "data_sha256", "changes", "reason",
)  # fmt: skip
PROBE_COLUMNS = ("id", "run", "probe", "metric", "key", "value")

PROFILE = "https://w3id.org/ro/wfrun/process/0.5"
CODE = "#lifroles"


@dataclass(frozen=True, slots=True)
class Counts:
    """How many rows the two tables have."""

    runs: int
    numbers: int


def run_rows(records: Iterable[Record]) -> Iterator[dict[str, object]]:
    """Yield a row of ``runs.csv`` for every run; accuracies lie in [0, 1]."""
    for r in records:
        origin = r.provenance
        yield {
            "id": r.spec.digest,
            "benchmark": r.spec.benchmark,
            "source": r.spec.source,
            "variant": r.variant_name,
            "seed": r.seed,
            "epochs": r.epochs,
            "status": r.status,
            # A failed run has no number to show, though its first epochs may have.
            **{
                f"accuracy_{which}": r.final.get(f"{which}_accuracy") if r.status == "completed" else None
                for which in ("last", "best", "selected")
            },
            "wall_s": origin.get("wall_seconds"),
            **{name: origin.get(name) for name in ("threads", "device", "backend", "commit", "data_sha256")},
            "changes": json.dumps(r.spec.changes(), sort_keys=True),
            "reason": r.reason,
        }


def probe_rows(records: Iterable[Record]) -> Iterator[dict[str, object]]:
    """Yield a row of ``probes.csv`` for every number that a probe of these runs found.

    Raises:
        StoreError: a probe record is damaged.
    """
    for r in records:
        for folder in probe_folders(r.path) if r.path is not None else ():
            probe, _, digest = folder.name.rpartition("-")
            try:
                numbers = json.loads(folders.read(folder, ["record.json"])["record.json"])["numbers"]
                for number in numbers:
                    values = {name: number[name] for name in ("metric", "key", "value")}
                    yield {"id": digest, "run": r.spec.digest, "probe": probe, **values}
            except (OSError, ValueError, KeyError, TypeError, StoreError) as error:
                raise StoreError(
                    f"The probe record in {folder} cannot be read ({error}): delete it and probe the run again."
                ) from error


def _table(columns: Sequence[str], rows: Iterable[dict[str, object]]) -> tuple[bytes, int]:
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    written = list(rows)
    writer.writerows(written)
    return text.getvalue().encode(), len(written)


def write(records: Sequence[Record], folder: Path) -> Counts:
    """Write the tables and the crate into a new folder; the runs' records are copied, their weights are not.

    Raises:
        StoreError: the folder is there already or cannot be written, or a record is damaged; nothing is left then.
    """
    if folder.exists():
        raise StoreError(f"{folder} is there already: name a folder that does not exist yet.")
    partial: Path | None = None
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        partial = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
        partial.chmod(0o755)
        runs, count = _table(RUN_COLUMNS, run_rows(records))
        probes, numbers = _table(PROBE_COLUMNS, probe_rows(records))
        (partial / "runs.csv").write_bytes(runs)
        (partial / "probes.csv").write_bytes(probes)
        for record in records:
            _copy(record, partial)
        licences = [name for name in ("LICENSE", "LICENSE-text.md") if (project_root() / name).is_file()]
        for name in licences:
            shutil.copyfile(project_root() / name, partial / name)
        crate = {"@context": _CONTEXT, "@graph": list(_graph(records, partial, licences))}
        (partial / "ro-crate-metadata.json").write_text(json.dumps(crate, indent=1) + "\n", "utf-8")
        partial.rename(folder)
    except OSError as error:
        raise StoreError(f"{folder} cannot be written ({error.strerror}): free or unlock its folder.") from error
    finally:
        if partial is not None:
            shutil.rmtree(partial, ignore_errors=True)
    return Counts(count, numbers)


def _copy(record: Record, root: Path) -> None:
    assert record.path is not None
    target = root / "runs" / record.spec.path
    # Only what has a hash, and has it still, goes into the crate.
    contents = folders.read(record.path, FILES)
    folders.write(target, contents)
    for probe in probe_folders(record.path):
        folders.write(target / "probes" / probe.name, folders.read(probe))


_CONTEXT = ["https://w3id.org/ro/crate/1.1/context", "https://w3id.org/ro/terms/workflow-run/context"]


def _ref(identifier: str) -> dict[str, str]:
    return {"@id": identifier}


def _graph(records: Sequence[Record], root: Path, licences: Sequence[str]) -> Iterator[dict[str, Any]]:
    """Yield the entities of the crate."""
    files = sorted(p for p in root.rglob("*") if p.is_file())
    names = [p.relative_to(root).as_posix() for p in files]
    actions = [f"#run-{r.spec.digest}" for r in records]
    yield {
        "@id": "ro-crate-metadata.json",
        "@type": "CreativeWork",
        "about": _ref("./"),
        "conformsTo": _ref("https://w3id.org/ro/crate/1.1"),
    }
    yield {
        "@id": "./",
        "@type": "Dataset",
        "name": "What leakage, reset and recurrence do in spiking neural networks: training runs",
        "description": "Training runs of lifroles, the reproducible companion of Yin et al. (2024): specification, "
        "curves and provenance of every run, what probes found in the trained networks, and tables of both.",
        "datePublished": datetime.now(UTC).date().isoformat(),
        "license": _ref(licences[-1]) if licences else "https://creativecommons.org/licenses/by/4.0/",
        "conformsTo": _ref(PROFILE),
        "citation": _ref(_PAPER),
        "hasPart": [_ref(name) for name in names],
        "mentions": [_ref(action) for action in (*actions, "#export")],
    }
    yield {"@id": PROFILE, "@type": "CreativeWork", "name": "Process Run Crate", "version": "0.5"}
    yield {
        "@id": _PAPER,
        "@type": "ScholarlyArticle",
        "name": "Understanding the functional roles of modelling components in spiking neural networks",
        "url": "https://arxiv.org/abs/2403.16674",
    }
    yield {
        "@id": CODE,
        "@type": "SoftwareApplication",
        "name": "lifroles",
        "description": "Trains spiking neural networks whose neurons lack a part, or have one more.",
        "url": "https://arxiv.org/abs/2403.16674",
        "softwareVersion": __version__,
    }
    yield {"@id": "#authors", "@type": "Organization", "name": "The lifroles authors"}
    for path, name in zip(files, names, strict=True):
        yield _file(path, name)
    for record, action in zip(records, actions, strict=True):
        yield from _action(record, action, [n for n in names if n.startswith(f"runs/{record.spec.path}/")])
    yield {
        "@id": "#export",
        "@type": "CreateAction",
        "name": "Tables of all runs and probes",
        "instrument": _ref(CODE),
        "agent": _ref("#authors"),
        "endTime": datetime.now(UTC).isoformat(timespec="seconds"),
        "object": [_ref(n) for n in names if n.startswith("runs/") and n.endswith("record.json")],
        "result": [_ref("runs.csv"), _ref("probes.csv")],
    }


_PAPER = "https://doi.org/10.1088/2634-4386/ad6cef"

_ABOUT = {
    "runs.csv": "One training run a row; accuracies lie in [0, 1], times are in seconds.",
    "probes.csv": "One number a row that a probe found in a trained network.",
    "spec.json": "Everything that decides a run's or a probe's numbers.",
    "record.json": "What came out: curves and summary of a run, or the numbers of a probe.",
    "provenance.json": "Code, versions, processor and time.",
    "arrays.npz": "Arrays of a probe.",
    folders.DONE: "SHA-256 of the files beside it.",
    "LICENSE": "The licence of the code.",
    "LICENSE-text.md": "The licence of text and data.",
}
_FORMATS = {".csv": "text/csv", ".json": "application/json", ".npz": "application/zip", ".md": "text/markdown"}


def _file(path: Path, name: str) -> dict[str, Any]:
    data = path.read_bytes()
    return {
        "@id": name,
        "@type": "File",
        "name": name,
        "description": _ABOUT.get(path.name, path.name),
        "encodingFormat": _FORMATS.get(path.suffix, "application/json" if path.name == folders.DONE else "text/plain"),
        "contentSize": str(len(data)),
        "sha256": folders.sha256(data),
    }


def _action(record: Record, identifier: str, names: Sequence[str]) -> Iterator[dict[str, Any]]:
    """Yield the training of a run as an action, with what its network was on and what it was trained from."""
    origin = record.provenance
    own = f"runs/{record.spec.path}/"
    probes = [n for n in names if n.startswith(f"{own}probes/")]
    data = f"#data-{origin['data_sha256'][:16]}" if origin.get("data_sha256") else None
    action: dict[str, Any] = {
        "@id": identifier,
        "@type": "CreateAction",
        "name": f"Training of {record.variant_name} on {record.spec.task.title}, seed {record.seed}",
        "description": re.sub(r" --weights$", "", record.spec.command()),
        "instrument": _ref(CODE),
        "agent": _ref("#authors"),
        "object": [_ref(f"{own}spec.json"), *([_ref(data)] if data else [])],
        "result": [_ref(n) for n in names if n not in probes and not n.endswith("spec.json")],
        "actionStatus": _ref(
            "http://schema.org/CompletedActionStatus"
            if record.status == "completed"
            else "http://schema.org/FailedActionStatus"
        ),
    }
    if record.reason:
        action["error"] = record.reason
    if origin.get("started"):
        action["startTime"] = origin["started"]
        start = datetime.fromisoformat(origin["started"])
        # An interrupted run ended later than its working time says: only the last stretch's end is known.
        if origin.get("wall_seconds") is not None and not origin.get("resumed"):
            action["endTime"] = (start + timedelta(seconds=origin["wall_seconds"])).isoformat(timespec="seconds")
    yield action
    if data:
        yield {
            "@id": data,
            "@type": "CreativeWork",
            "name": f"{record.spec.task.title}, source {record.spec.source}",
            "description": "The data set that was trained on, by the SHA-256 of its content; not in this crate.",
            "identifier": origin["data_sha256"],
        }
    for folder in sorted({n.rsplit("/", 1)[0] for n in probes}):
        inside = [n for n in probes if n.startswith(f"{folder}/")]
        yield {
            "@id": f"#probe-{folder.rsplit('-', 1)[1]}",
            "@type": "CreateAction",
            "name": f"Probe {folder.rsplit('/', 1)[1].rsplit('-', 1)[0]} of {record.spec.path}",
            "instrument": _ref(CODE),
            "agent": _ref("#authors"),
            "object": [_ref(f"{folder}/spec.json"), _ref(f"{own}record.json")],
            "result": [_ref(n) for n in inside if not n.endswith("spec.json")],
        }
