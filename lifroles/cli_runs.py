"""The commands that look after runs. They parse, print and nothing else."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from lifroles.cli_data import bytes_in_words, print_rows
from lifroles.cli_train import outcome, parse_settings
from lifroles.errors import SpecError

if TYPE_CHECKING:
    from lifroles.store import Record, Store

runs_app = typer.Typer(
    invoke_without_command=True, help="List, show, compare, verify, export, archive and prune training runs."
)

out = Console()
err = Console(stderr=True)


def _stores() -> tuple[Store, Store]:
    from lifroles import paths
    from lifroles.store import Store

    return Store(paths.runs_dir()), Store(paths.results_dir())


def _everything() -> Store:
    from lifroles.store import Store

    here, archive = _stores()
    return Store(*here.roots, *archive.roots)


def _one(digest: str) -> Record:
    """Return the run whose digest begins so.

    Raises:
        SpecError: there is none, or several.
    """
    found = [r for r in _everything().all() if r.spec.digest.startswith(digest)]
    if len(found) != 1:
        raise SpecError(f"{len(found)} runs have a digest that begins with {digest!r}: `lifroles runs` lists them.")
    return found[0]


def _query(where: list[str]) -> list[Record]:
    """Return the runs that are asked for by ``NAME=VALUE``.

    Raises:
        SpecError: no run has such a field.
    """
    wanted = parse_settings(where, "the query")
    store = _everything()
    records = store.all()
    known = {name for record in records for name in record.fields}
    for name in wanted:
        if records and name not in known:
            raise SpecError(f"No run has a field {name!r}: there are {', '.join(sorted(known))}.")
    return store.find(**wanted)


def _list(records: Iterable[Record]) -> None:
    head = ("benchmark", "variant", "seed", "source", "differs from protocol", "epochs", "outcome", "digest")
    rows = [
        (
            r.spec.benchmark,
            r.variant_name,
            str(r.seed),
            r.spec.source,
            " ".join(f"{k}={v}" for k, v in r.spec.changes().items()),
            str(r.epochs),
            outcome(r),
            r.spec.digest,
        )
        for r in records
    ]
    print_rows(head, rows)


@runs_app.callback()
def runs(
    context: typer.Context,
    benchmark: Annotated[str | None, typer.Option("--benchmark", "-b", help="Only this benchmark.")] = None,
    variant: Annotated[str | None, typer.Option("--variant", "-v", help="Only this variant.")] = None,
) -> None:
    """List the runs here and in the archive."""
    if context.invoked_subcommand is None:
        asked = (("benchmark", benchmark), ("variant", variant))
        _list(_query([f"{name}={value}" for name, value in asked if value is not None]))


Where = Annotated[
    list[str] | None,
    typer.Argument(metavar="[NAME=VALUE]...", help="A field of the spec, such as T=100; seed='[0, 1]' for any of two."),
]


@runs_app.command("list")
def runs_list(where: Where = None) -> None:
    """List the runs whose fields have these values: benchmark, variant, seed, source, status or any of the protocol."""
    _list(_query(where or []))


@runs_app.command("show")
def runs_show(digest: Annotated[str, typer.Argument(help="The run's digest, or its beginning.")]) -> None:
    """Print everything a run recorded, as JSON."""
    record = _one(digest)
    whole = {
        "spec": record.spec.model_dump(mode="json"),
        **{k: getattr(record, k) for k in ("status", "reason", "final", "history", "provenance")},
    }
    sys.stdout.write(json.dumps(whole, indent=1) + "\n")


@runs_app.command("diff")
def runs_diff(
    a: Annotated[str, typer.Argument(help="A run's digest, or its beginning.")],
    b: Annotated[str, typer.Argument(help="Another's.")],
) -> None:
    """Show which fields of spec, outcome and provenance differ between two runs."""
    from lifroles import upkeep

    one, other = _one(a), _one(b)
    rows = [(name, *map(_cell, values)) for name, *values in upkeep.differences(one, other)]
    print_rows(("field", one.spec.path, other.spec.path), rows)


def _cell(value: object) -> str:
    text = "" if value is None else value if isinstance(value, str) else json.dumps(value)
    return text if len(text) <= 80 else text[:77] + "..."


@runs_app.command("verify")
def runs_verify() -> None:
    """Compare every file of every run with its hash, and the archive with what was committed."""
    from lifroles import upkeep

    mistakes = []
    for store in _stores():
        for root in store.roots:
            found = upkeep.problems(store)
            found += [
                f"{path} was changed after it had been committed: restore it with git, records are written once."
                for path in upkeep.changed_since_committed(root)
            ]
            mistakes += found
            if not found:
                out.print(f"{len(store.all())} runs are whole in {root.name}", highlight=False)
    for mistake in mistakes:
        err.print(f"lifroles: {mistake}", highlight=False, soft_wrap=True, markup=False)
    if mistakes:
        raise typer.Exit(2)


@runs_app.command("prune")
def runs_prune(
    failed: Annotated[bool, typer.Option("--failed", help="Also runs that failed.")] = False,
    unfinished: Annotated[
        bool, typer.Option("--unfinished", help="Also checkpoints of runs that are not done.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", "-n", help="Only say what would go.")] = False,
) -> None:
    """Remove what killed processes left in the folder of runs; the archive is not touched."""
    from lifroles import upkeep

    here, _ = _stores()
    found = [left for root in here.roots for left in upkeep.removable(root, failed=failed, unfinished=unfinished)]
    for left in found:
        if not dry_run:
            shutil.rmtree(left.path) if left.path.is_dir() else left.path.unlink(missing_ok=True)
        out.print(f"{left.path}  {left.why}", highlight=False, soft_wrap=True, markup=False)
    size = bytes_in_words(sum(left.size for left in found))
    out.print(f"{len(found)} {'would go' if dry_run else 'removed'}, {size}", highlight=False)


@runs_app.command("archive")
def runs_archive(
    digests: Annotated[list[str] | None, typer.Argument(help="Digests; all finished runs where none is given.")] = None,
    replace: Annotated[
        bool, typer.Option("--replace", help="Put a run in the place of an archived one that came out differently.")
    ] = False,
) -> None:
    """Copy finished runs and their probe records into results/, which the book is built from; weights stay here.

    A run that another processor trained differs from the archived one of the same name, and its probes do not belong
    beside that one's curves: it stays here unless --replace is given, and the archived one was not asked more.
    """
    from lifroles import upkeep

    here, archive = _stores()
    wanted = set(digests or [])
    records = [r for r in here.all() if not wanted or r.spec.digest in wanted]
    missing = wanted - {r.spec.digest for r in records}
    if missing:
        raise SpecError(f"There is no finished run {sorted(missing)[0]}: `lifroles runs` lists the digests.")
    for record in records:
        upkeep.undo_half_replaced(archive.place(record.spec))
    new = [r for r in records if archive.get(r.spec) is None]
    probes = 0
    other = 0
    for record in records:
        place = archive.write(record)
        known = archive.get(record.spec)
        if record.path is None or known is None:
            continue
        if known.history == record.history:
            probes += upkeep.copy_probes(record.path, place)
            continue
        other += 1
        if replace:
            upkeep.supersede(record, archive)
    text = f"{len(new)} runs archived, {len(records) - len(new)} were there"
    if other:
        text += f", {other} of them different"
        text += ": they were replaced" if replace else ": they are as they were, and --replace would replace them"
    out.print(text + (f"; {probes} probe records archived" if probes else ""), highlight=False, soft_wrap=True)


@runs_app.command("export")
def runs_export(
    folder: Annotated[Path, typer.Argument(help="A folder that does not exist yet.")],
    where: Where = None,
) -> None:
    """Write runs.csv, probes.csv and an RO-Crate of the study: every run, probe, specification and provenance."""
    from lifroles import export

    counts = export.write(_query(where or []), folder)
    out.print(f"{counts.runs} runs and {counts.numbers} numbers of probes are in {folder}", highlight=False)
