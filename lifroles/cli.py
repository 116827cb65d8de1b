"""The command line. It parses, prints and nothing else; heavy imports wait until a command needs them."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from lifroles import __version__
from lifroles.cli_data import data_app, show_benchmarks
from lifroles.errors import LifrolesError, SpecError
from lifroles.variant import PAPER_VARIANTS

if TYPE_CHECKING:
    from lifroles.spec import RunSpec
    from lifroles.store import Record, Store

app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False, add_completion=False, help=__doc__)
runs_app = typer.Typer(invoke_without_command=True, help="List, show, verify and archive training runs.")
book_app = typer.Typer(invoke_without_command=True, help="Build the book, or check it without building.")
app.add_typer(runs_app, name="runs")
app.add_typer(book_app, name="book")
app.add_typer(data_app, name="data")
app.command("benchmarks")(show_benchmarks)

out = Console()
err = Console(stderr=True)

Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print results only.")]


def _version(wanted: bool) -> None:
    if wanted:
        out.print(__version__, highlight=False)
        raise typer.Exit


@app.callback(help="What leakage, reset and recurrence do in spiking neural networks.")
def _root(
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Print it.")] = False,
) -> None: ...


def parse_seeds(text: str) -> list[int]:
    """Return the seeds in ``"0,1,5-7"``, each once, in order.

    Raises:
        SpecError: it is not such a list.
    """
    seeds: list[int] = []
    try:
        for part in text.split(","):
            low, _, high = part.partition("-")
            seeds.extend(range(int(low), int(high or low) + 1))
    except ValueError as error:
        raise SpecError(f"--seeds is {text!r}: give numbers and ranges such as 0,1 or 0-4.") from error
    if not seeds:
        raise SpecError(f"--seeds is {text!r}: a range runs from the lower to the higher number.")
    return list(dict.fromkeys(seeds))


def parse_settings(settings: list[str], option: str) -> dict[str, object]:
    """Return ``["T=100", "loss=mse"]`` as names and values, read as a notebook's parameters are.

    Raises:
        SpecError: a setting has no name or no value, or a name comes twice.
    """
    from lifroles.parameters import parse_value

    parsed: dict[str, object] = {}
    for setting in settings:
        name, equals, value = setting.partition("=")
        if not (name and equals and value):
            raise SpecError(f"{option} is {setting!r}: give NAME=VALUE, such as T=100.")
        if name in parsed:
            raise SpecError(f"{option} gives {name} twice: give it once.")
        parsed[name] = parse_value(value)
    return parsed


@contextmanager
def _bar(description: str, total: int, quiet: bool) -> Generator[Progress | None]:
    """A progress bar on the terminal; nothing where there is none."""
    if quiet or not err.is_terminal:
        yield None
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=err, transient=True) as progress:
        progress.add_task(description, total=total)
        yield progress


@app.command()
def train(
    benchmark: Annotated[str, typer.Argument(help="A benchmark; `lifroles benchmarks` lists them.")],
    variant: Annotated[
        list[str] | None,
        typer.Option("--variant", "-v", help="A variant's name; repeat for several; 'all' for every one."),
    ] = None,
    seeds: Annotated[str, typer.Option("--seeds", "-s", help="Such as 0,1 or 0-4.")] = "0",
    source: Annotated[str | None, typer.Option(help="The data, for example official; the benchmark's default.")] = None,
    epochs: Annotated[int | None, typer.Option(help="Epochs, where not the protocol's own.")] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME=VALUE", help="Change a protocol field; repeat for several."),
    ] = None,
    threads: Annotated[int, typer.Option(min=1, help="Processor threads of this process.")] = 1,
    store: Annotated[Path | None, typer.Option(help="Folder of runs (default: LIFROLES_RUNS, else runs/).")] = None,
    weights: Annotated[
        bool, typer.Option("--weights", help="Train also what only the archive holds, which has no weights.")
    ] = False,
    quiet: Quiet = False,
) -> None:
    """Train variants of a benchmark; what the store already holds is not trained again."""
    import torch

    from lifroles import paths
    from lifroles.spec import RunSpec
    from lifroles.store import Store

    changes = parse_settings(settings or [], "--set")
    if epochs is not None:
        changes["epochs"] = epochs
    names = list(variant or ["baseline"])
    if names == ["all"]:
        names = list(PAPER_VARIANTS)
    # All specs are made before the first run starts: a mistake in the last one shows at once.
    specs = [RunSpec.of(benchmark, name, seed, source, **changes) for seed in parse_seeds(seeds) for name in names]
    torch.set_num_threads(threads)
    place = Store(store or paths.runs_dir(), paths.results_dir())
    failed = False
    for spec in specs:
        known = place.get(spec, weights=weights)
        start = time.monotonic()
        record = known or _train_one(spec, place, quiet, weights)
        failed |= record.status != "completed"
        took = "in store" if known else f"{time.monotonic() - start:.0f} s"
        out.print(f"{spec.path}  {_outcome(record)}  ({took})", highlight=False, soft_wrap=True)
    if failed:
        raise typer.Exit(1)


def _train_one(spec: RunSpec, store: Store, quiet: bool, weights: bool) -> Record:
    from lifroles import training

    total = int(getattr(spec.protocol, "epochs", 1))
    with _bar(f"{spec.benchmark} {spec.variant_name} seed {spec.seed}", total, quiet) as bar:

        def tick(epoch: int, total: int, metrics: dict[str, float]) -> None:
            if bar is not None:
                text = f"{spec.path}  loss {metrics['train_loss']:.4f}  test {metrics['test_accuracy']:.2%}"
                bar.update(bar.task_ids[0], completed=epoch, description=text)

        return training.run(spec, store, progress=tick, weights=weights)


def _outcome(record: Record) -> str:
    if record.status != "completed":
        return f"{record.status}: {record.reason}"
    final = record.final
    return (
        f"last {final['last_accuracy']:.2%}, best {final['best_accuracy']:.2%} "
        f"at epoch {final['best_epoch']} of {record.epochs}"
    )


def _stores() -> tuple[Store, Store]:
    from lifroles import paths
    from lifroles.store import Store

    return Store(paths.runs_dir()), Store(paths.results_dir())


@runs_app.callback()
def runs(
    context: typer.Context,
    benchmark: Annotated[str | None, typer.Option("--benchmark", "-b", help="Only this benchmark.")] = None,
    variant: Annotated[str | None, typer.Option("--variant", "-v", help="Only this variant.")] = None,
) -> None:
    """List the runs here and in the archive."""
    if context.invoked_subcommand is not None:
        return
    from lifroles.store import Store

    here, archive = _stores()
    wanted = {k: v for k, v in (("benchmark", benchmark), ("variant", variant)) if v is not None}
    records = Store(*here.roots, *archive.roots).find(**wanted)
    head = ("benchmark", "variant", "seed", "source", "differs from protocol", "epochs", "outcome", "digest")
    rows = [
        (
            r.spec.benchmark,
            r.variant_name,
            str(r.seed),
            r.spec.source,
            " ".join(f"{k}={v}" for k, v in r.spec.changes().items()),
            str(r.epochs),
            _outcome(r),
            r.spec.digest,
        )
        for r in records
    ]
    if out.is_terminal:
        table = Table(*head)
        for row in rows:
            table.add_row(*row)
        out.print(table)
    else:
        for row in (head, *rows):
            sys.stdout.write("\t".join(row) + "\n")


@runs_app.command("show")
def runs_show(digest: Annotated[str, typer.Argument(help="The run's digest, or its beginning.")]) -> None:
    """Print everything a run recorded, as JSON."""
    from lifroles.store import Store

    here, archive = _stores()
    found = [r for r in Store(*here.roots, *archive.roots).all() if r.spec.digest.startswith(digest)]
    if len(found) != 1:
        raise SpecError(f"{len(found)} runs have a digest that begins with {digest!r}: `lifroles runs` lists them.")
    record = found[0]
    whole = {
        "spec": record.spec.model_dump(mode="json"),
        **{k: getattr(record, k) for k in ("status", "reason", "final", "history", "provenance")},
    }
    sys.stdout.write(json.dumps(whole, indent=1) + "\n")


@runs_app.command("verify")
def runs_verify() -> None:
    """Read every run and compare each file with its recorded hash."""
    here, archive = _stores()
    for store in (here, archive):
        for root in store.roots:
            out.print(f"{len(store.all())} runs are whole in {root.name}", highlight=False)


@runs_app.command("archive")
def runs_archive(
    digests: Annotated[list[str] | None, typer.Argument(help="Digests; all finished runs where none is given.")] = None,
) -> None:
    """Copy finished runs into results/, which the book is built from."""
    here, archive = _stores()
    wanted = set(digests or [])
    records = [r for r in here.all() if not wanted or r.spec.digest in wanted]
    missing = wanted - {r.spec.digest for r in records}
    if missing:
        raise SpecError(f"There is no finished run {sorted(missing)[0]}: `lifroles runs` lists the digests.")
    new = [r for r in records if archive.get(r.spec) is None]
    for record in new:
        archive.write(record)
    out.print(f"{len(new)} runs archived, {len(records) - len(new)} were there", highlight=False)


@book_app.callback()
def book(
    context: typer.Context,
    profile: Annotated[str, typer.Option(help="archive, smoke or paper.")] = "archive",
    parameters: Annotated[
        list[str] | None,
        typer.Option("--parameter", "-p", metavar="NAME=VALUE", help="A notebook parameter; repeat for several."),
    ] = None,
    notebooks: Annotated[
        list[str] | None,
        typer.Option("--notebook", "-n", help="Execute only this notebook again; repeat for several."),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Execute and build everything again.")] = False,
    quiet: Quiet = False,
) -> None:
    """Execute the notebooks, pass them through the publication gate and build the book."""
    if context.invoked_subcommand is not None:
        return
    from lifroles import book as maker

    values = parse_settings(parameters or [], "--parameter")
    page = maker.build(profile=profile, parameters=values, pages=notebooks, force=force, quiet=quiet)
    out.print(f"The book is in {page}", highlight=False, soft_wrap=True)


@book_app.command("check")
def book_check() -> None:
    """Run the publication gate on what is there; status 1 names every page that must not be published."""
    from lifroles import book as maker

    problems = maker.check()
    for problem in problems:
        out.print(str(problem), highlight=False, soft_wrap=True, markup=False)
    if problems:
        raise typer.Exit(1)
    out.print("The book may be published.", highlight=False)


def main() -> None:
    """Run the command line; an error that a user can mend is one sentence and status 2."""
    try:
        app()
    except LifrolesError as error:
        err.print(f"lifroles: {error}", highlight=False, soft_wrap=True, markup=False)
        sys.exit(2)


if __name__ == "__main__":
    main()
