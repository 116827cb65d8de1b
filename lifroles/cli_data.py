"""The commands about data. They parse, print and nothing else, as those of :mod:`lifroles.cli`."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from lifroles.errors import DataError

if TYPE_CHECKING:
    from lifroles.data.registry import DataSet

data_app = typer.Typer(no_args_is_help=True, help="List, fetch, verify and prepare the data sets.")

out = Console()
err = Console(stderr=True)

Names = Annotated[list[str] | None, typer.Argument(metavar="NAME...", help="Data sets; all where none is given.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print results only.")]


def _chosen(names: list[str] | None) -> list[DataSet]:
    from lifroles.data import registry

    return [registry.get(name) for name in dict.fromkeys(names or registry.DATASETS)]


def bytes_in_words(number: int) -> str:
    """Return a size as a person says it."""
    for unit, one in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if number >= one:
            return f"{number / one:.1f} {unit}"
    return f"{number} B"


def print_rows(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> None:
    """Print a table to a terminal, and lines of tab-separated cells to anything else."""
    if not out.is_terminal:
        for row in (head, *rows):
            sys.stdout.write("\t".join(row) + "\n")
        return
    from rich.table import Table

    table = Table(*head)
    for row in rows:
        table.add_row(*row)
    out.print(table)


@contextmanager
def _counting(quiet: bool, download: bool = False) -> Generator[Callable[[str, int, int], None]]:
    """Yield what shows how many of how many are done, one bar a name; it shows nothing where there is no terminal."""
    if quiet or not err.is_terminal:
        yield lambda name, done, total: None
        return
    count = DownloadColumn() if download else MofNCompleteColumn()
    columns = (TextColumn("{task.description}"), BarColumn(), count, TimeRemainingColumn())
    with Progress(*columns, console=err, transient=True) as progress:
        bars = {}

        def tick(name: str, done: int, total: int) -> None:
            if name not in bars:
                bars[name] = progress.add_task(name, total=total or None)
            progress.update(bars[name], completed=done, total=total or None)

        yield tick


@data_app.command("list")
def data_list(names: Names = None) -> None:
    """Say which data sets are here, what they are, and under which terms."""
    from lifroles.data import status

    rows = []
    for dataset in _chosen(names):
        parts = status.look(dataset)
        states = {part.name: "damaged" if part.problem else part.source or "not here" for part in parts}
        same = len(set(states.values())) == 1
        state = next(iter(states.values())) if same else ", ".join(f"{name}: {what}" for name, what in states.items())
        size = status.size(dataset)
        rows.append(
            (dataset.name, dataset.title, state, bytes_in_words(size) if size else "–", str(dataset.path()),
             dataset.licence, dataset.citation)
        )  # fmt: skip
    print_rows(("name", "data set", "here", "size", "folder", "licence", "cite"), rows)


@data_app.command("fetch")
def data_fetch(
    names: Annotated[list[str], typer.Argument(metavar="NAME...", help="Data sets.")], quiet: Quiet = False
) -> None:
    """Download data sets from their publishers; what is here is checked, what is half here goes on."""
    from lifroles.data.fetch import fetch

    for dataset in _chosen(names):
        with _counting(quiet, download=True) as tick:
            paths = fetch(dataset, tick)
        out.print(
            f"{dataset.name}: {len(paths)} files are whole in {dataset.path()} ({dataset.licence}; cite "
            f"{dataset.citation})",
            highlight=False,
            soft_wrap=True,
            markup=False,
        )


@data_app.command("verify")
def data_verify(names: Names = None) -> None:
    """Read all that is here; status 1 names what is damaged, and the mend."""
    from lifroles.data import status

    damaged = False
    for dataset in _chosen(names):
        for part in status.verify(dataset):
            if names and not part.here:
                line, damaged = f"is not here: `lifroles data fetch {dataset.name}` fetches it", True
            elif not part.here:
                line = "is not here"
            elif part.problem:
                line, damaged = f"DAMAGED: {part.problem}", True
            else:
                line = f"is whole: {part.source}, {part.content}"
            out.print(f"{dataset.name} {part.name} {line}", highlight=False, soft_wrap=True, markup=False)
    if damaged:
        raise typer.Exit(1)


@data_app.command("prepare")
def data_prepare(
    names: Annotated[list[str], typer.Argument(metavar="NAME...", help="Benchmarks.")],
    source: Annotated[str | None, typer.Option(help="The data, for example official; the benchmark's default.")] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME=VALUE", help="Change a protocol field; repeat for several."),
    ] = None,
    quiet: Quiet = False,
) -> None:
    """Make stand-ins and bin events once, so that training begins at once; what is prepared is not prepared again."""
    from lifroles.cli import parse_settings
    from lifroles.spec import RunSpec

    changes = parse_settings(settings or [], "--set")
    specs = [RunSpec.of(name, "baseline", 0, source, **changes) for name in dict.fromkeys(names)]
    for spec in specs:
        start = time.monotonic()
        with _counting(quiet) as tick:
            data = spec.task.load(spec.protocol, spec.source, lambda done, total: tick("samples", done, total))
        out.print(
            f"{spec.benchmark} ({spec.source}) is prepared: {data.digest[:12]} ({time.monotonic() - start:.0f} s)",
            highlight=False,
            soft_wrap=True,
        )


@data_app.command("encode")
def data_encode(
    folder: Annotated[Path, typer.Argument(help="Folder of WAV or FLAC recordings of words.")],
    target: Annotated[Path, typer.Argument(help="The HDF5 file to write, in SHD's layout.")],
    only: Annotated[
        Path | None, typer.Option(help="A file that lists the recordings to take, one name a line.")
    ] = None,
    rate: Annotated[int | None, typer.Option(min=1, help="Samples a second to bring every recording to.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the spikes.")] = 0,
    quiet: Quiet = False,
) -> None:
    """Turn recordings of words into spikes of 700 channels, as SHD and SSC were made.

    A word is named by its folder, or as Heidelberg Digits and Speech Commands name their files. Training finds the
    result as SHD/shd_train.h5 and SHD/shd_test.h5 (or SSC/...) in the data folder, with --source local.
    """
    from lifroles.standins import encode

    listed = None
    if only is not None:
        try:
            listed = [line.strip() for line in only.read_text(encoding="utf-8").splitlines() if line.strip()]
        except (OSError, UnicodeDecodeError) as error:
            raise DataError(f"{only} is no list of recordings ({error}): give a text file, one name a line.") from error
    with _counting(quiet) as tick:
        plan = encode.encode(
            folder, target, only=listed, rate=rate, seed=seed, progress=lambda done, all_: tick("words", done, all_)
        )
    out.print(
        f"{target} holds {len(plan.labels)} words, {len(set(plan.labels))} different ones, of "
        f"{len(set(plan.speakers))} speakers",
        highlight=False,
        soft_wrap=True,
        markup=False,
    )


def show_benchmarks() -> None:
    """Print the benchmarks: Tables 1 to 5 of the paper from the objects that the runs use."""
    from lifroles import overview

    for table in overview.tables():
        if not out.is_terminal:
            sys.stdout.write(f"{table!r}\n\n")
            continue
        from rich.table import Table

        shown = Table(*table.columns, title=table.caption)
        for row in table.rows:
            shown.add_row(*row)
        out.print(shown)
        notes = table.notes or [""] * len(table.rows)
        for row, note in zip(table.rows, notes, strict=True):
            if note:
                out.print(f"{row[0]}: {note}", highlight=False, markup=False)
