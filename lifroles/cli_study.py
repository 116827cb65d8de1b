"""The commands about the study as a whole. They parse, print and nothing else, as those of :mod:`lifroles.cli`."""

from __future__ import annotations

import json
import sys
from typing import Annotated, get_args

import typer
from rich.console import Console

from lifroles.errors import SpecError

out = Console()


def show_study(
    as_json: Annotated[
        bool, typer.Option("--json", help="Everything, for a program: targets, runs, commands, expected times.")
    ] = False,
) -> None:
    """List what can be reproduced: tables, figures and the book, with the number of their runs."""
    from lifroles import workflow
    from lifroles.study import Profile

    if as_json:
        sys.stdout.write(json.dumps(workflow.definition(), indent=1) + "\n")
        return
    from lifroles.cli_data import print_rows

    print_rows(("target", "what it makes", *(f"runs ({p})" for p in get_args(Profile))), workflow.rows())


def reproduce(
    target: Annotated[str | None, typer.Argument(help="What to make; `lifroles study` lists it.")] = None,
    profile: Annotated[
        str | None, typer.Option(help="smoke, archive or paper; the target's own where not given.")
    ] = None,
    budget: Annotated[
        str | None, typer.Option(metavar="TIME", help="Wall time to use, such as 30m or 2h; no limit where not given.")
    ] = None,
    jobs: Annotated[
        int | None, typer.Option("--jobs", "-j", min=1, help="Runs at once; one for each processor where not given.")
    ] = None,
    device: Annotated[str | None, typer.Option(help="cpu, or cuda: each job takes a GPU of its own.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the last request that did not end.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", "-n", help="Say what would be done, and stop.")] = False,
) -> None:
    """Train what a table, a figure or the book still lacks; what is stored is not trained again.

    It first says what would run, how long that is expected to take, and what the budget leaves out. It can be stopped
    at any time: what is missing then is what the next call does.
    """
    from lifroles import pool
    from lifroles import reproduce as maker

    last = maker.interrupted() if resume else {}
    name = target or last.get("target")
    if name is None:
        raise SpecError("There is no target: name one of those that `lifroles study` lists, or give --resume.")
    if name != last.get("target"):
        last = {}
    seconds = maker.parse_budget(budget) if budget is not None else last.get("budget")
    plan = maker.plan(name, profile or last.get("profile"), seconds, jobs or last.get("jobs"))
    for line in maker.describe(plan):
        _say(line)
    if dry_run:
        return
    try:
        whole = maker.execute(plan, _say, device or last.get("device") or "cpu")
    except (pool.Stopped, KeyboardInterrupt):
        _say("Stopped: `lifroles reproduce --resume` goes on from here.")
        raise typer.Exit(130) from None
    if not whole:
        _say("Not everything is there: `lifroles reproduce --resume` does the rest.")
        raise typer.Exit(1)


def _say(line: str) -> None:
    out.print(line, highlight=False, soft_wrap=True, markup=False)
