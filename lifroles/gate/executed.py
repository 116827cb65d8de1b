"""May an executed notebook be published?

Jupyter Book publishes whatever an executed notebook holds: a traceback, a page that stopped half-way, a
copy from last week. Each of these is a problem here.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from nbformat import NotebookNode

from lifroles.errors import ParameterError
from lifroles.gate.base import Layout, Problem, notebook_inputs, shared_inputs
from lifroles.gate.cards import check_cards
from lifroles.gate.notebooks import INJECTED, PARAMETERS, assignments, code_cells, read_notebook, tags
from lifroles.parameters import SCHEMAS, Schemas, validate

RECORD = "lifroles"
"""The key of a notebook's metadata under which its execution is recorded."""

BANNER = "lifroles-profile"
"""The tag of the cell that says which profile made a page."""

_PAPERMILL_ERROR = "papermill-error-cell-tag"
_WARNING = re.compile(r"\b(\w*Warning: .*)$", re.MULTILINE)
_AGAIN = "Run 'lifroles book' again"


def check_copies(layout: Layout, notebooks: Iterable[str], schemas: Schemas = SCHEMAS) -> list[Problem]:
    """Return the problems of the executed copies on disk.

    Arguments:
        notebooks: the names of the notebooks in the table of contents.
    """
    problems: list[Problem] = []
    profiles: dict[str, str] = {}
    shared = shared_inputs(layout)
    for name in notebooks:
        page = layout.page(layout.copy(name))
        if not layout.source(name).is_file() or name not in schemas:
            continue  # the checks of the table of contents and of the sources say so
        if not layout.copy(name).is_file():
            problems.append(Problem(page, "the notebook has not been executed", "Run 'lifroles book'"))
            continue
        try:
            copy = read_notebook(layout.copy(name).read_text("utf-8"))
        except ValueError as error:
            problems.append(Problem(page, str(error), _AGAIN))
            continue
        source = layout.source(name).read_bytes()
        problems.extend(check_copy(page, name, copy, source, schemas))
        problems.extend(_check_fresh(page, copy, source, shared))
        profiles[page] = str(copy.metadata.get(RECORD, {}).get("profile"))
    problems.extend(_check_one_profile(profiles))
    for path in sorted(layout.executed.glob("*.ipynb")):
        if not layout.source(path.stem).is_file():
            problems.append(Problem(layout.page(path), "it is left over: its source notebook is gone", "Delete it"))
    return problems


def check_copy(page: str, name: str, copy: NotebookNode, source: bytes, schemas: Schemas = SCHEMAS) -> list[Problem]:
    """Return the problems of one executed notebook, as it would be published.

    Arguments:
        page: what to call it in problems.
        name: its name, as in ``schemas``.
        copy: the executed notebook.
        source: the committed notebook it was made from.
    """
    stopped = list(_check_ran(page, copy))
    return [
        *stopped,
        *_check_outputs(page, copy),
        *check_cards(page, copy),
        *_check_parameters(page, name, copy, schemas),
        *_check_record(page, copy),
        *_check_same_code(page, copy, source),
    ]


def _check_ran(page: str, copy: NotebookNode) -> Iterator[Problem]:
    """Find papermill's marks of an exception, an early exit, and cells that never ran."""
    papermill = [copy.metadata.get("papermill", {}), *(cell.metadata.get("papermill", {}) for cell in copy.cells)]
    if any(mark.get("exception") for mark in papermill):
        yield Problem(page, "papermill left it with an exception", _AGAIN)
    if any(_PAPERMILL_ERROR in tags(cell) for cell in copy.cells):
        yield Problem(page, "it shows papermill's error banner", _AGAIN)
    code = code_cells(copy)
    never = [number for number, cell in enumerate(code, start=1) if cell.execution_count is None]
    exits = [
        number
        for number, cell in enumerate(code, start=1)
        if any(output.output_type == "error" and output.ename == "SystemExit" for output in cell.outputs)
    ]
    if exits:
        rest = f"{len(never)} of {len(code)} code cells never ran" if never else "the rest ran"
        yield Problem(page, f"it stopped early, by an exit in code cell {exits[0]}: {rest}", "Delete the exit")
    elif never:
        cells = f"code cell {never[0]}" if len(never) == 1 else f"{len(never)} of {len(code)} code cells"
        yield Problem(page, f"{cells} never ran", "Execute the whole notebook: " + _AGAIN)


def _check_outputs(page: str, copy: NotebookNode) -> Iterator[Problem]:
    for number, cell in enumerate(code_cells(copy), start=1):
        for output in cell.outputs:
            if output.output_type == "error" and output.ename != "SystemExit":
                what = f"code cell {number} ended with {output.ename}: {_first_line(output.evalue)}"
                yield Problem(page, what, "Mend the notebook and run 'lifroles book' again")
            elif output.output_type == "stream" and output.name == "stderr":
                yield from _check_stderr(page, number, output.text)
            elif any("widget" in mime for mime in output.get("data", {})):
                mend = "Show plain text or HTML instead"
                yield Problem(page, f"code cell {number} shows a widget, which a reader's browser would download", mend)


def _check_stderr(page: str, number: int, text: str) -> Iterator[Problem]:
    if found := _WARNING.search(text):
        yield Problem(page, f"code cell {number} warned: {_first_line(found[1])}", "Mend what it warns of")
    if "Traceback (most recent call last)" in text:
        yield Problem(page, f"code cell {number} printed a traceback", "Mend what raised it")


def _check_parameters(page: str, name: str, copy: NotebookNode, schemas: Schemas) -> Iterator[Problem]:
    """Compare the parameters that the cells set with the schema and with the record."""
    values: dict[str, Any] = {}
    try:
        for tag in (PARAMETERS, INJECTED):
            for cell in copy.cells:
                if tag in tags(cell):
                    values.update(assignments(cell.source))
        parameters = validate(name, values, schemas)
    except (ValueError, ParameterError) as error:
        yield Problem(page, str(error).removesuffix("."), _AGAIN)
        return
    recorded = copy.metadata.get(RECORD, {}).get("parameters")
    if recorded is not None and dict(recorded) != parameters.as_data():
        yield Problem(page, "its cells set other parameters than the ones it was executed with", _AGAIN)


def _check_record(page: str, copy: NotebookNode) -> Iterator[Problem]:
    record = copy.metadata.get(RECORD)
    if not isinstance(record, Mapping) or not {"profile", "given", "parameters", "inputs"} <= record.keys():
        yield Problem(page, "it was not executed by 'lifroles book'", "Run 'lifroles book'")
    elif record["profile"] != "archive" and not any(BANNER in tags(cell) for cell in copy.cells):
        yield Problem(page, f"it does not say that the profile '{record['profile']}' made it", _AGAIN)


def _check_same_code(page: str, copy: NotebookNode, source: bytes) -> Iterator[Problem]:
    """Find a copy whose code is not that of its source, so that nobody publishes an edited one."""
    ran = [cell.source for cell in code_cells(copy) if INJECTED not in tags(cell)]
    try:
        written = [cell.source for cell in code_cells(read_notebook(source.decode("utf-8")))]
    except ValueError:
        return  # the checks of the sources say so
    if ran != written:
        yield Problem(page, "its code is not that of its source notebook", _AGAIN)


def _check_fresh(page: str, copy: NotebookNode, source: bytes, shared: str) -> Iterator[Problem]:
    record = copy.metadata.get(RECORD, {})
    if "inputs" in record and record["inputs"] != notebook_inputs(source, record.get("given", {}), shared):
        what = "it is stale: its source, the package, the archived runs or the lock file changed since it was executed"
        yield Problem(page, what, "Run 'lifroles book'")


def _check_one_profile(profiles: Mapping[str, str]) -> Iterator[Problem]:
    """Refuse a book whose pages come from different profiles."""
    counts = {profile: list(profiles.values()).count(profile) for profile in profiles.values()}
    if len(counts) > 1:
        most = max(counts, key=lambda profile: counts[profile])
        for page, profile in profiles.items():
            if profile != most:
                what = f"the profile '{profile}' made it, and '{most}' the other pages"
                yield Problem(page, what, "Build all pages with one profile")


def _first_line(text: str) -> str:
    lines = re.sub(r"\x1b\[[0-9;]*m", "", str(text)).strip().splitlines()
    return lines[0][:200] if lines else ""
