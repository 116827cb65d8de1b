"""Is a committed notebook one that the build can execute, and that nobody has to trust blindly?

It has no outputs; its first code cell is tagged ``parameters`` and assigns what its schema says; and the
next cell validates, before anything else runs. Only the cell for Colab, the same in all, may come earlier.
"""

from __future__ import annotations

import ast
import warnings
from collections.abc import Iterator
from typing import Any

import nbformat
from nbformat import NotebookNode

from lifroles.gate.base import Layout, Problem
from lifroles.parameters import SCHEMAS, NotebookParameters, Schemas

PARAMETERS = "parameters"
INJECTED = "injected-parameters"
COLAB = "colab"
"""The tag of the cell that makes a notebook run in Colab, where it arrives without the rest of the repository."""

COLAB_CELL = """\
import sys

if "google.colab" in sys.modules:  # opened there, a notebook comes without the package and the archived runs
    !git clone --quiet --depth 1 https://github.com/lifroles/lifroles
    %cd lifroles
    %pip install --quiet --editable ."""

# Cells so tagged may fail, or never run, without anybody noticing.
_SILENCING = ("raises-exception", "skip-execution")


def read_notebook(text: str) -> NotebookNode:
    """Return a notebook.

    Raises:
        ValueError: it is not a valid notebook of format 4.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # nbformat repairs some faults with a warning only
            notebook = nbformat.reads(text, as_version=4)
            nbformat.validate(notebook)
    except Exception as error:  # nbformat raises errors of many kinds for a damaged file
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise ValueError(f"it is not a valid notebook: {reason}") from None
    return notebook


def tags(cell: NotebookNode) -> list[str]:
    """Return the tags of a cell."""
    return list(cell.metadata.get("tags", []))


def code_cells(notebook: NotebookNode) -> list[NotebookNode]:
    """Return the code cells that hold code."""
    return [cell for cell in notebook.cells if cell.cell_type == "code" and cell.source.strip()]


def assignments(source: str) -> dict[str, Any]:
    """Return the names that a parameters cell assigns, with their values.

    Raises:
        ValueError: the cell does something else than assign plain data to names.
    """
    found: dict[str, Any] = {}
    try:
        statements = ast.parse(source).body
    except SyntaxError as error:
        raise ValueError(f"its parameters cell is not Python (line {error.lineno})") from None
    for statement in statements:
        if isinstance(statement, ast.Assign) and len(statement.targets) == 1:
            target, value = statement.targets[0], statement.value
        elif isinstance(statement, ast.AnnAssign) and statement.value is not None:
            target, value = statement.target, statement.value
        elif isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant):
            continue  # papermill writes a bare string where it says what it injects
        else:
            raise ValueError(f"its parameters cell does more than assign values (line {statement.lineno})")
        try:
            data = ast.literal_eval(value)
        except ValueError:
            data = ...
        if not isinstance(target, ast.Name) or data is ...:
            raise ValueError(f"its parameters cell assigns something else than plain data (line {statement.lineno})")
        found[target.id] = data
    return found


def check_sources(layout: Layout, schemas: Schemas = SCHEMAS) -> list[Problem]:
    """Return the problems of all committed notebooks, and of schemas that belong to none."""
    problems: list[Problem] = []
    present = layout.notebooks()
    for name in present:
        page = layout.page(layout.source(name))
        if name not in schemas:
            mend = "Add its schema to lifroles/parameters.py"
            problems.append(Problem(page, "no schema says which parameters it takes", mend))
        else:
            problems.extend(_check_source(layout, page, name, schemas[name]))
    for name in schemas:
        if name not in present:
            page = layout.page(layout.source(name))
            problems.append(Problem(page, "there is a schema but no such notebook", "Write it or delete the schema"))
    return problems


def _check_source(layout: Layout, page: str, name: str, schema: type[NotebookParameters]) -> Iterator[Problem]:
    try:
        notebook = read_notebook(layout.source(name).read_text("utf-8"))
    except ValueError as error:
        yield Problem(page, str(error), "Save it with Jupyter, or restore it")
        return
    for number, cell in enumerate(notebook.cells, start=1):
        if cell.cell_type == "code" and (cell.outputs or cell.execution_count is not None):
            mend = f"Clear it: jupyter nbconvert --clear-output --inplace {page}"
            yield Problem(page, f"cell {number} holds an output or an execution count", mend)
        for tag in (*_SILENCING, INJECTED):
            if tag in tags(cell):
                yield Problem(page, f"cell {number} is tagged '{tag}'", "Delete the tag")
    kernel = notebook.metadata.get("kernelspec", {}).get("name")
    if kernel != "python3":
        yield Problem(page, f"its kernel is {kernel!r}", "Choose the kernel 'python3'")
    if "mystnb" in notebook.metadata:
        yield Problem(page, "its metadata hold settings of MyST-NB, which may execute it unseen", "Delete 'mystnb'")
    first = notebook.cells[0] if notebook.cells else None
    if first is None or first.cell_type != "markdown" or not first.source.lstrip().startswith("# "):
        yield Problem(
            page, "it does not begin with a title", "Begin with a Markdown cell whose first line is '# Title'"
        )
    yield from _check_parameters(page, name, notebook, schema)


def _check_parameters(
    page: str, name: str, notebook: NotebookNode, schema: type[NotebookParameters]
) -> Iterator[Problem]:
    code = code_cells(notebook)
    if code and COLAB in tags(code[0]):
        if code[0].source != COLAB_CELL:
            yield Problem(page, "its cell for Colab is not the one of the other notebooks", "Copy it from another one")
        code = code[1:]
    tagged = [index for index, cell in enumerate(code) if PARAMETERS in tags(cell)]
    if tagged != [0]:
        what = "no cell" if not tagged else "several cells" if len(tagged) > 1 else "a cell after other code"
        mend = f"Tag exactly the first code cell with '{PARAMETERS}'"
        yield Problem(page, f"{what} is tagged '{PARAMETERS}'".replace("several cells is", "several cells are"), mend)
        return
    try:
        found = assignments(code[0].source)
    except ValueError as error:
        yield Problem(page, str(error), "Assign plain values to names there, and nothing else")
    else:
        defaults = schema.defaults()
        for parameter in sorted(found.keys() | defaults.keys()):
            if parameter not in defaults:
                yield Problem(page, f"'{parameter}' is not in its schema", "Delete it or add it to the schema")
            elif parameter not in found:
                mend = f"Add '{parameter} = {defaults[parameter]!r}' to the parameters cell"
                yield Problem(page, f"the parameter '{parameter}' of its schema is missing", mend)
            elif found[parameter] != defaults[parameter] or type(found[parameter]) is not type(defaults[parameter]):
                what = f"'{parameter}' is {found[parameter]!r} but the schema's default is {defaults[parameter]!r}"
                yield Problem(page, what, "Make them equal")
    if len(code) < 2 or not _validates(code[1].source, name):
        mend = f"Put 'p = from_notebook(\"{name}\", globals())' into the cell after the parameters"
        yield Problem(page, "its parameters are not validated before anything runs", mend)


def _validates(source: str, name: str) -> bool:
    """Tell whether a cell calls ``from_notebook`` with this notebook's name and its ``globals()``."""
    try:
        tree = ast.parse(source)
    except SyntaxError:
        return False
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and len(node.args) >= 2:
            called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", None)
            first, second = node.args[:2]
            if (
                called == "from_notebook"
                and isinstance(first, ast.Constant)
                and first.value == name
                and ast.unparse(second) == "globals()"
            ):
                return True
    return False
