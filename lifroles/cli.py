"""The command line. It parses, prints and nothing else; heavy imports wait until a command needs them."""

from __future__ import annotations

import sys
from typing import Annotated

import typer
from rich.console import Console

from lifroles import __version__
from lifroles.cli_data import data_app, show_benchmarks
from lifroles.cli_probes import probe
from lifroles.cli_runs import runs_app
from lifroles.cli_study import reproduce, show_study
from lifroles.cli_train import parse_settings, train
from lifroles.errors import LifrolesError

app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False, add_completion=False, help=__doc__)
book_app = typer.Typer(invoke_without_command=True, help="Build the book, or check it without building.")
app.add_typer(runs_app, name="runs")
app.add_typer(book_app, name="book")
app.add_typer(data_app, name="data")
app.command("benchmarks")(show_benchmarks)
app.command("train")(train)
app.command("probe")(probe)
app.command("study")(show_study)
app.command("reproduce")(reproduce)

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
    pdf: Annotated[bool, typer.Option("--pdf", help="Print the book as one PDF, too (needs Chromium).")] = False,
    quiet: Quiet = False,
) -> None:
    """Execute the notebooks, pass them through the publication gate and build the book."""
    if context.invoked_subcommand is not None:
        return
    from lifroles import book as maker

    values = parse_settings(parameters or [], "--parameter")
    page = maker.build(profile=profile, parameters=values, pages=notebooks, force=force, quiet=quiet)
    out.print(f"The book is in {page}", highlight=False, soft_wrap=True)
    if pdf:
        out.print(f"The PDF is in {maker.print_pdf()}", highlight=False, soft_wrap=True)


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
