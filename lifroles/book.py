"""Make the book: execute what changed, pass the gate, let Jupyter Book build it, swap it into place.

What is published is either the whole new book or the whole previous one. A build that fails at any
point leaves ``_build/html`` as it was, and the next one starts from nothing, so that no cache can hide a
warning.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Generator, Iterable, Mapping
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path

import yaml
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn

from lifroles.errors import BookError, ParameterError
from lifroles.execution import BANNERS, Step, execute_all, is_fresh
from lifroles.gate import (
    Layout,
    Problem,
    PublicationError,
    check_claims,
    check_config,
    check_copies,
    check_html,
    check_numbers,
    check_sentences,
    check_sources,
    check_toc,
    toc_pages,
)
from lifroles.gate.base import digest, nearest, shared_inputs
from lifroles.gate.config import read_yaml
from lifroles.gate.executed import RECORD
from lifroles.gate.notebooks import read_notebook
from lifroles.parameters import SCHEMAS, Schemas, assign
from lifroles.paths import project_root

STAMP = ".lifroles.json"
"""The file in the built book that says what it was built from, and what it held when it was."""

_BUILDERS = ("jupyter-book", "sphinx", "myst-nb", "sphinx-book-theme", "pydata-sphinx-theme", "sphinxcontrib-bibtex")
_LOGGED = re.compile(r"^(?:(?P<where>\S.*?):\s*)?(?:WARNING|ERROR|SEVERE|CRITICAL): (?P<what>.*)$")


def build(
    profile: str = "archive",
    parameters: Mapping[str, object] | None = None,
    pages: Iterable[str] | None = None,
    quiet: bool = False,
    force: bool = False,
    *,
    root: Path | None = None,
    schemas: Schemas = SCHEMAS,
) -> Path:
    """Build the book, doing only what changed since the last time.

    Arguments:
        profile: where the runs come from (``parameters.PROFILES``); one for the whole book.
        parameters: notebook parameters by name; each goes to every notebook that has it.
        pages: the notebooks to execute, by name; the others are taken as they are, if they pass the gate.
            Default: all.
        quiet: print nothing.
        force: execute and build also what did not change.
        root: the project (default: the checkout).
        schemas: the notebooks' parameters.

    Returns:
        The first page, ``_build/html/index.html``.

    Raises:
        ParameterError: a parameter is unknown or wrong; nothing was executed.
        PublicationError: the book must not be published; the previous one is untouched.
        BookError: another build is running, or there is no such notebook.
    """
    layout = Layout((root or project_root()).resolve())
    values = dict(parameters or {})
    if "profile" in values:
        raise ParameterError("The profile is one for the whole book: give it as --profile, not as a parameter.")
    with _Report(quiet) as report, _only_one(layout):
        _refuse([*check_config(layout), *check_toc(layout), *check_sources(layout, schemas)])
        _refuse([*check_numbers(layout, toc_pages(layout)), *check_sentences(layout)])
        notebooks = _notebook_pages(layout)
        chosen = notebooks if pages is None else list(pages)
        for name in chosen:
            if name not in notebooks:
                hint = nearest(name, notebooks, f"There are {', '.join(notebooks)}")
                raise BookError(f"The table of contents has no notebook {name!r}. {hint}.")
        assigned = assign({"profile": profile, **values}, chosen, schemas)

        shared = shared_inputs(layout)
        stale = {name: own for name, own in assigned.items() if force or not is_fresh(layout, name, own, shared)}
        for name in assigned:
            if name not in stale:
                report.line(f"{name}: unchanged")
        _refuse(execute_all(layout, stale, shared, schemas=schemas, tell=report.tell))
        _refuse(check_copies(layout, notebooks, schemas))

        _recover(layout)
        inputs = book_inputs(layout, profile)
        if not force and _stamp(layout) == {"inputs": inputs, "content": _content(layout.html)}:
            report.line("pages: unchanged")
        else:
            start = time.monotonic()
            with report.spinner("pages"):
                _build_html(layout, profile, inputs)
            report.line(f"pages: built in {time.monotonic() - start:.0f} s")
    return layout.html / "index.html"


def check(root: Path | None = None, schemas: Schemas = SCHEMAS) -> list[Problem]:
    """Return why what is on disk must not be published; nothing is executed or built.

    Arguments:
        root: the project (default: the checkout).
        schemas: the notebooks' parameters.
    """
    layout = Layout((root or project_root()).resolve())
    problems = check_config(layout)
    contents = check_toc(layout)
    problems += [*contents, *check_sources(layout, schemas)]
    try:
        notebooks = _notebook_pages(layout)
    except Exception:  # whatever is wrong with the table of contents is among the problems
        return sorted(set(problems))
    problems += [*check_numbers(layout, toc_pages(layout)), *check_sentences(layout)]
    problems += check_copies(layout, notebooks, schemas)
    if layout.html.is_dir():
        problems += _check_built(layout, notebooks)
    return sorted(set(problems))


def print_pdf(root: Path | None = None) -> Path:
    """Print the book in ``_build/html`` as ``_build/pdf/lifroles.pdf``, and return that.

    Raises:
        BookError: there is no built book or no browser, or it did not print.
    """
    from lifroles import pdf

    layout = Layout((root or project_root()).resolve())
    if not (layout.html / STAMP).is_file():
        raise BookError("There is no built book to print: run 'lifroles book'.")
    title = str(read_yaml(layout.config.read_text("utf-8"))["title"])
    return pdf.write(layout.html, toc_pages(layout), title, layout.build / "pdf" / "lifroles.pdf")


def _check_built(layout: Layout, notebooks: list[str]) -> list[Problem]:
    """Check the book in ``_build/html``: its pages, and whether it was built from what is there now."""
    page = layout.page(layout.html)
    profile = _profile(layout, notebooks)
    problems = [*check_html(layout.html, toc_pages(layout), profile), *_check_ledger(layout, layout.html)]
    stamp = _stamp(layout)
    if stamp.get("content") != _content(layout.html):
        problems.append(Problem(page, "it is not as 'lifroles book' built it", "Run 'lifroles book'"))
    elif stamp.get("inputs") != book_inputs(layout, profile):
        problems.append(Problem(page, "it is older than what it is built from", "Run 'lifroles book'"))
    return problems


def _check_ledger(layout: Layout, html: Path) -> list[Problem]:
    """Check that every claim of the paper has its verdict, in a book that has the ledger."""
    from lifroles.claims import CLAIMS, Verdict  # imports the benchmarks, which takes a moment
    from lifroles.claims.page import PAGE

    if PAGE not in _notebook_pages(layout):
        return []
    page = layout.page(layout.copy(PAGE)).removesuffix(".ipynb")
    return check_claims(html, page, [claim.name for claim in CLAIMS], Verdict)


def book_inputs(layout: Layout, profile: str) -> str:
    """Return one hash of everything that the pages are built from."""
    files = [layout.config, layout.toc, layout.root / "CHANGELOG.md", *(layout.root / "book").rglob("*")]
    # the runs' pages, which no notebook stands for
    files += [*(layout.root / "results").rglob("*"), *(layout.root / "lifroles" / "pages").rglob("*.py")]
    parts = {layout.page(path): path.read_bytes() for path in files if path.is_file()}
    parts |= {name: version(name).encode() for name in _BUILDERS}
    return digest({**parts, "profile": profile.encode()})


def _notebook_pages(layout: Layout) -> list[str]:
    """Return the names of the notebooks in the table of contents, in order."""
    folder = layout.page(layout.executed) + "/"
    return [page.removeprefix(folder) for page in toc_pages(layout) if page.startswith(folder)]


def _profile(layout: Layout, notebooks: list[str]) -> str:
    """Return the profile that the first executed notebook was made with."""
    for name in notebooks:
        try:
            return str(read_notebook(layout.copy(name).read_text("utf-8")).metadata[RECORD]["profile"])
        except (OSError, ValueError, KeyError):
            continue
    return "archive"


def _refuse(problems: list[Problem]) -> None:
    if problems:
        raise PublicationError(problems)


def _build_html(layout: Layout, profile: str, inputs: str) -> None:
    """Build into a staging folder, check, and only then replace the published book."""
    staging = layout.build / "staging"
    shutil.rmtree(staging, ignore_errors=True)
    staging.mkdir(parents=True)
    try:
        html = staging / "_build" / "html"
        _refuse(_run_jupyter_book(layout, staging, profile))
        _refuse([*check_html(html, toc_pages(layout), profile), *_check_ledger(layout, html)])
        stamp = {"inputs": inputs, "content": _content(html)}
        (html / STAMP).write_text(json.dumps(stamp), "utf-8")
        previous = layout.build / "html.previous"
        if layout.html.is_dir():
            layout.html.rename(previous)
        html.rename(layout.html)
        shutil.rmtree(previous, ignore_errors=True)
    finally:
        _recover(layout)
        shutil.rmtree(staging, ignore_errors=True)


def _recover(layout: Layout) -> None:
    """Put the previous book back where a build was killed between taking it away and moving the new one in."""
    previous = layout.build / "html.previous"
    if previous.is_dir() and not layout.html.is_dir():
        previous.rename(layout.html)
    shutil.rmtree(previous, ignore_errors=True)


def _run_jupyter_book(layout: Layout, staging: Path, profile: str) -> list[Problem]:
    """Run Jupyter Book in a process of its own; return what it warned of, by page."""
    config = layout.config
    if profile in BANNERS:
        data = read_yaml(config.read_text("utf-8"))
        data.setdefault("html", {})["announcement"] = BANNERS[profile].replace("`", "")
        config = staging / "_config.yml"
        config.write_text(yaml.safe_dump(data), "utf-8")
    command = [sys.executable, "-c", "from jupyter_book.cli.main import main; main()", "build", str(layout.root)]
    command += ["--path-output", str(staging), "--config", str(config), "-W", "-n", "--keep-going"]
    environment = {**os.environ, "NO_COLOR": "1", "PYTHONUTF8": "1"}
    environment.pop("FORCE_COLOR", None)
    result = subprocess.run(
        command, cwd=layout.root, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False
    )
    text = result.stdout.decode("utf-8", errors="replace")
    log = layout.build / "logs" / "jupyter-book.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    log.write_text(text, "utf-8")
    problems = [problem for line in text.splitlines() if (problem := _warning(layout, line))]
    if result.returncode != 0 and not problems:
        what = f"Jupyter Book ended with status {result.returncode} and no warning"
        problems.append(Problem(layout.page(log), what, "Read this log"))
    return problems


def _warning(layout: Layout, line: str) -> Problem | None:
    """Return a line of Sphinx's log as a problem if it is a warning or an error."""
    line = re.sub(r"\x1b\[[0-9;]*m", "", line).strip()
    match = _LOGGED.match(line)
    if not match:
        return None
    where = (match["where"] or layout.page(layout.config)).rstrip(":").removeprefix(f"{layout.root}{os.sep}")
    return Problem(
        where, f"Sphinx warns: {match['what'].removesuffix('.')}", "Mend the page: a warning fails the build"
    )


def _content(html: Path) -> str:
    """Return one hash of a built book, without its stamp."""
    files = {path.relative_to(html).as_posix(): path for path in html.rglob("*") if path.is_file()}
    return digest({name: path.read_bytes() for name, path in files.items() if name != STAMP})


def _stamp(layout: Layout) -> dict[str, str]:
    try:
        stamp = json.loads((layout.html / STAMP).read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return stamp if isinstance(stamp, dict) else {}


@contextmanager
def _only_one(layout: Layout) -> Generator[None]:
    """Keep two builds of one project from writing into each other."""
    layout.build.mkdir(exist_ok=True)
    with (layout.build / "lock").open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise BookError("Another build of this book is running: wait until it has finished.") from None
        yield


class _Report:
    """Say what happens: bars on a terminal, plain lines elsewhere, nothing if quiet."""

    def __init__(self, quiet: bool) -> None:
        self._console = Console(quiet=quiet, highlight=False, markup=False, soft_wrap=True)
        columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
        self._progress = Progress(*columns, TimeElapsedColumn(), console=self._console, transient=True)
        self._running: dict[str, TaskID] = {}

    def __enter__(self) -> _Report:
        if self._console.is_terminal and not self._console.quiet:
            self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._progress.live.is_started:  # else it would print an empty line
            self._progress.stop()

    def line(self, text: str) -> None:
        """Print a line that stays."""
        self._console.print(text)

    def tell(self, step: Step) -> None:
        """Show a notebook's step: a bar while it runs, and then a line."""
        match step.what:
            case "began":
                self._running[step.notebook] = self._progress.add_task(step.notebook, total=step.cells)
            case "cell":
                self._progress.advance(self._running[step.notebook])
            case "ended":
                if step.notebook in self._running:
                    self._progress.remove_task(self._running.pop(step.notebook))
                ended = f"failed after {step.seconds:.0f} s" if step.problems else f"executed in {step.seconds:.0f} s"
                self.line(f"{step.notebook}: {ended}")

    @contextmanager
    def spinner(self, name: str) -> Generator[None]:
        """Show that something is going on while the block runs."""
        task = self._progress.add_task(name, total=None)
        try:
            yield
        finally:
            self._progress.remove_task(task)
