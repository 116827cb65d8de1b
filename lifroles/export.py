"""The study for other people's programs: tables of runs and probes, and an RO-Crate of the records.

The crate follows RO-Crate 1.1 and the profile Workflow Run Crate 0.5: the study is the root data set and the workflow
its main entity; one action stands for what of the workflow is done so far, and each run and each probe is an action of
its own, with its specification as input and its record as result.
"""

from __future__ import annotations

import csv
import io
import json
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
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

WORKFLOW = "workflow/Snakefile"

_PROFILES = {
    "https://w3id.org/ro/wfrun/process/0.5": ("Process Run Crate", "0.5"),
    "https://w3id.org/ro/wfrun/workflow/0.5": ("Workflow Run Crate", "0.5"),
    "https://w3id.org/workflowhub/workflow-ro-crate/1.0": ("Workflow RO-Crate", "1.0"),
}
_BIOSCHEMAS = "https://bioschemas.org/profiles/ComputationalWorkflow/1.0-RELEASE"
_CONTEXT = ["https://w3id.org/ro/crate/1.1/context", "https://w3id.org/ro/terms/workflow-run/context"]
_PAPER = "https://doi.org/10.1088/2634-4386/ad6cef"
_CODE = "#lifroles"
_TITLE = "What leakage, reset and recurrence do in spiking neural networks: training runs"
_DESCRIPTION = (
    "Training runs of lifroles, the reproducible companion of Yin et al. (2024): specification, curves and provenance "
    "of every run, what probes found in the trained networks, and tables of both."
)
_LICENCES = ("LICENSE", "LICENSE-text.md")


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
        (partial / WORKFLOW).parent.mkdir()
        for name in (WORKFLOW, *_LICENCES):
            shutil.copyfile(project_root() / name, partial / name)
        (partial / "README.md").write_text(f"# {_TITLE}\n\n{_DESCRIPTION}\n", "utf-8")
        crate = {"@context": _CONTEXT, "@graph": list(_graph(records, partial))}
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


def _ref(identifier: str) -> dict[str, str]:
    return {"@id": identifier}


def _graph(records: Sequence[Record], root: Path) -> Iterator[dict[str, Any]]:
    """Yield the entities of the crate."""
    files = sorted(p for p in root.rglob("*") if p.is_file())
    names = [p.relative_to(root).as_posix() for p in files]
    actions = [action for record in records for action in _actions(record, names, root)]
    now = datetime.now(UTC)
    profiles = [_ref(url) for url in _PROFILES]
    yield {
        "@id": "ro-crate-metadata.json",
        "@type": "CreativeWork",
        "about": _ref("./"),
        "conformsTo": [_ref("https://w3id.org/ro/crate/1.1"), profiles[-1]],
    }
    yield {
        "@id": "./",
        "@type": "Dataset",
        "name": _TITLE,
        "description": _DESCRIPTION,
        "datePublished": now.date().isoformat(),
        "license": _ref("LICENSE-text.md"),
        "conformsTo": profiles,
        "mainEntity": _ref(WORKFLOW),
        "author": _ref("#authors"),
        "publisher": _ref("#authors"),
        "citation": _ref(_PAPER),
        "hasPart": [_ref(name) for name in names],
        "mentions": [_ref("#study"), *(_ref(a["@id"]) for a in actions if a["@type"] == "CreateAction")],
    }
    profiles_of = {**_PROFILES, _BIOSCHEMAS: ("Bioschemas ComputationalWorkflow", "1.0-RELEASE")}
    for url, (name, version) in profiles_of.items():
        yield {"@id": url, "@type": "CreativeWork", "name": name, "version": version}
    yield {
        "@id": _PAPER,
        "@type": "ScholarlyArticle",
        "name": "Understanding the functional roles of modelling components in spiking neural networks",
        "url": "https://arxiv.org/abs/2403.16674",
    }
    yield {
        "@id": _CODE,
        "@type": "SoftwareApplication",
        "name": "lifroles",
        "description": "Trains spiking neural networks whose neurons lack a part, or have one more.",
        "url": _PAPER,
        "softwareVersion": __version__,
    }
    yield {"@id": "#authors", "@type": "Organization", "name": "The lifroles authors", "url": _PAPER}
    yield {
        "@id": "#snakemake",
        "@type": "ComputerLanguage",
        "name": "Snakemake",
        "identifier": _ref("https://snakemake.readthedocs.io"),
        "url": _ref("https://snakemake.readthedocs.io"),
        "version": "9",
    }
    for path, name in zip(files, names, strict=True):
        yield _file(path, name)
    yield from {action["@id"]: action for action in actions}.values()
    yield {
        "@id": "#study",
        "@type": "CreateAction",
        "name": "The study, as far as it is done",
        "description": "What of the workflow is done, whether Snakemake started a step or somebody by its command.",
        "instrument": _ref(WORKFLOW),
        "agent": _ref("#authors"),
        "endTime": now.isoformat(timespec="seconds"),
        "object": [_ref(n) for n in names if n.startswith("runs/") and n.endswith("/spec.json")],
        "result": [
            *(_ref(n) for n in names if n.startswith("runs/") and n.endswith("/record.json")),
            _ref("runs.csv"),
            _ref("probes.csv"),
        ],
        "actionStatus": "http://schema.org/CompletedActionStatus",
    }


_ABOUT = {
    "runs.csv": "One training run a row; accuracies lie in [0, 1], times are in seconds.",
    "probes.csv": "One number a row that a probe found in a trained network.",
    "spec.json": "Everything that decides a run's or a probe's numbers.",
    "record.json": "What came out: curves and summary of a run, or the numbers of a probe.",
    "provenance.json": "Code, versions, processor and time.",
    "arrays.npz": "Arrays of a probe.",
    folders.DONE: "SHA-256 of the files beside it.",
    "Snakefile": "The study as one workflow: data, runs, probes, notebooks and book.",
    "README.md": "What this is.",
    "LICENSE": "The licence of the code.",
    "LICENSE-text.md": "The licence of text and data.",
}
_FORMATS = {".csv": "text/csv", ".json": "application/json", ".npz": "application/zip", ".md": "text/markdown"}


def _file(path: Path, name: str) -> dict[str, Any]:
    data = path.read_bytes()
    kind: dict[str, Any] = {"@type": "File"}
    if name == WORKFLOW:
        kind["@type"] = ["File", "SoftwareSourceCode", "ComputationalWorkflow"]
        kind |= {"programmingLanguage": _ref("#snakemake"), "license": _ref("LICENSE"), "version": __version__}
        kind |= {"creator": _ref("#authors"), "url": _PAPER, "conformsTo": _ref(_BIOSCHEMAS)}
    if name == "README.md":
        kind["about"] = _ref("./")
    return {
        "@id": name,
        **kind,
        "name": name,
        "description": _ABOUT.get(path.name, path.name),
        "encodingFormat": _FORMATS.get(path.suffix, "application/json" if path.name == folders.DONE else "text/plain"),
        "contentSize": str(len(data)),
        "sha256": folders.sha256(data),
    }


def _actions(record: Record, names: Sequence[str], root: Path) -> Iterator[dict[str, Any]]:
    """Yield the training of a run as an action, what it was trained on, and its probes as actions of their own."""
    origin = record.provenance
    own = f"runs/{record.spec.path}/"
    inside = [n for n in names if n.startswith(own)]
    probes = [n for n in inside if n.startswith(f"{own}probes/")]
    data = origin.get("data_sha256")
    common = {"@type": "CreateAction", "instrument": _ref(_CODE), "agent": _ref("#authors")}
    status = "Completed" if record.status == "completed" else "Failed"
    action: dict[str, Any] = {
        **common,
        "@id": f"#run-{record.spec.digest}",
        "name": f"Training of {record.variant_name} on {record.spec.task.title}, seed {record.seed}",
        "description": record.spec.command().removesuffix(" --weights"),
        "object": [_ref(f"{own}spec.json"), *([_ref(f"#data-{data[:16]}")] if data else [])],
        "result": [_ref(n) for n in inside if n not in probes and not n.endswith("spec.json")],
        "actionStatus": f"http://schema.org/{status}ActionStatus",
    }
    if record.reason:
        action["error"] = record.reason
    yield action | _times(origin)
    if data:
        yield {
            "@id": f"#data-{data[:16]}",
            "@type": "CreativeWork",
            "name": f"{record.spec.task.title}, source {record.spec.source}",
            "description": "What was trained on, by the SHA-256 of its content; it is not in this crate.",
            "identifier": data,
        }
    for folder in sorted({n.rsplit("/", 1)[0] for n in probes}):
        probe, _, digest = folder.rsplit("/", 1)[1].rpartition("-")
        yield {
            **common,
            "@id": f"#probe-{digest}",
            "name": f"Probe {probe} of {record.spec.path}",
            "description": f"What the probe {probe} found in the trained network.",
            "object": [_ref(f"{folder}/spec.json"), _ref(f"{own}record.json")],
            "result": [_ref(n) for n in probes if n.startswith(f"{folder}/") and not n.endswith("/spec.json")],
            "actionStatus": "http://schema.org/CompletedActionStatus",
            **_times(json.loads((root / folder / "provenance.json").read_text("utf-8"))),
        }


def _times(origin: Mapping[str, Any]) -> dict[str, str]:
    """Return when an action began and ended, as far as its provenance tells."""
    if not origin.get("started"):
        return {}
    times = {"startTime": origin["started"]}
    # Of an interrupted run it is not known when it ended: its seconds are those at work.
    if origin.get("wall_seconds") is not None and not origin.get("resumed"):
        end = datetime.fromisoformat(origin["started"]) + timedelta(seconds=origin["wall_seconds"])
        times["endTime"] = end.isoformat(timespec="seconds")
    return times
