"""The command that asks questions of trained runs. It parses and prints, as those of :mod:`lifroles.cli`."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from lifroles.errors import DataError, SpecError

if TYPE_CHECKING:
    from lifroles.store import Record

out = Console()


def probe(
    name: Annotated[str, typer.Argument(help="A probe, or 'all' for every one that covers the run.")],
    runs: Annotated[
        list[str] | None, typer.Argument(metavar="RUN...", help="Digests or their beginnings; all runs with weights.")
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME=VALUE", help="Change a parameter of the probe; repeat for several."),
    ] = None,
    threads: Annotated[int, typer.Option(min=1, help="Processor threads of this process.")] = 1,
    store: Annotated[Path | None, typer.Option(help="Folder of runs (default: LIFROLES_RUNS, else runs/).")] = None,
) -> None:
    """Ask a question of trained runs; what is answered already is not measured again."""
    import torch

    from lifroles import paths, probes
    from lifroles.cli_train import parse_settings

    chosen = list(probes.PROBES.values()) if name == "all" else [probes.get(name)]
    changes = parse_settings(settings or [], "--set")
    if name == "all" and changes:
        raise SpecError("--set is for one probe: name it in place of 'all'.")
    for one in chosen:
        probes.choose(one, changes)
    torch.set_num_threads(threads)
    failed = False
    for run in _runs(store or paths.runs_dir(), runs or []):
        covering = [each for each in chosen if each.covers(run.spec)]
        if not covering and runs:
            raise SpecError(f"No such probe covers {run.spec.path}: {chosen[0].question}")
        wanted = ((one, asked) for one in covering for asked in (one.asked if name == "all" else (changes,)))
        for one, asked in wanted:
            start = time.monotonic()
            try:
                record = probes.ask(one, run, **asked)
            except DataError as error:
                if name != "all":
                    raise
                # The other questions can do without these data.
                out.print(f"{run.spec.path}  {one.name}: {error}", highlight=False, soft_wrap=True)
                failed = True
                continue
            took = time.monotonic() - start
            where = f"{run.spec.path}/{record.spec.path}"
            out.print(f"{where}  {len(record.numbers)} numbers  ({took:.0f} s)", highlight=False, soft_wrap=True)
    if failed:
        raise typer.Exit(1)


def _runs(folder: Path, digests: list[str]) -> list[Record]:
    """Return the runs whose digests begin so, or all that have weights.

    Raises:
        SpecError: a beginning fits no run, or several.
    """
    from lifroles.store import Store

    known = Store(folder).all()
    if not digests:
        return [run for run in known if run.has_weights]
    chosen = []
    for digest in digests:
        found = [run for run in known if run.spec.digest.startswith(digest)]
        if len(found) != 1:
            raise SpecError(f"{len(found)} runs have a digest that begins with {digest!r}: `lifroles runs` lists them.")
        chosen += found
    return chosen
