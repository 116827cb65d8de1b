"""A committed notebook that the build could not trust is refused before a kernel starts."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_output
from tiny import edit, parameters_cell, tiny_notebook, write_notebook
from tiny_schemas import SCHEMAS

from lifroles.gate import Layout, check_sources
from lifroles.gate.notebooks import COLAB, COLAB_CELL, read_notebook, tags
from lifroles.paths import project_root


def _output(notebook: NotebookNode) -> None:
    notebook.cells[3].outputs = [new_output("stream", text="2\n")]


def _count(notebook: NotebookNode) -> None:
    notebook.cells[3].execution_count = 1


def _replace(index: int, **changes: Any) -> Callable[[NotebookNode], None]:
    return lambda notebook: notebook.cells.__setitem__(index, parameters_cell("beta", **changes))


def _source(index: int, source: str) -> Callable[[NotebookNode], None]:
    return lambda notebook: notebook.cells[index].__setitem__("source", source)


def _tags(index: int, *tags: str) -> Callable[[NotebookNode], None]:
    return lambda notebook: notebook.cells[index].metadata.__setitem__("tags", list(tags))


def colab_cell(source: str = COLAB_CELL) -> NotebookNode:
    return new_code_cell(source, metadata={"tags": [COLAB]})


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (_output, "cell 4 holds an output"),
        (_count, "cell 4 holds an output or an execution count"),
        (_tags(1), "no cell is tagged 'parameters'"),
        (_tags(3, "parameters"), "several cells are tagged 'parameters'"),
        (lambda nb: nb.cells.insert(1, new_code_cell("x = 1")), "a cell after other code is tagged 'parameters'"),
        (lambda nb: nb.cells.insert(1, colab_cell("!rm -r .")), "its cell for Colab is not the one"),
        (_tags(3, "raises-exception"), "cell 4 is tagged 'raises-exception'"),
        (_tags(3, "skip-execution"), "cell 4 is tagged 'skip-execution'"),
        (_tags(3, "injected-parameters"), "cell 4 is tagged 'injected-parameters'"),
        (_replace(1, T=6), "'T' is 6 but the schema's default is 5"),
        (_replace(1, T=5.0), "'T' is 5.0 but the schema's default is 5"),
        (_replace(1, T=...), "the parameter 'T' of its schema is missing"),
        (_replace(1, varient="x"), "'varient' is not in its schema"),
        (_source(1, "import os\nT = 5\nprofile = 'archive'"), "its parameters cell does more than assign values"),
        (_source(1, "T = 2 + 3\nprofile = 'archive'"), "assigns something else than plain data"),
        (_source(1, "T ="), "its parameters cell is not Python"),
        (_source(2, "p = 1"), "its parameters are not validated before anything runs"),
        (_source(2, 'p = from_notebook("alpha", globals())'), "its parameters are not validated"),
        (_source(2, 'p = from_notebook("beta", {})'), "its parameters are not validated"),
        (_source(0, "No title"), "it does not begin with a title"),
        (lambda nb: nb.metadata.update(mystnb={"execution_mode": "force"}), "settings of MyST-NB"),
        (lambda nb: nb.metadata.kernelspec.update(name="conda-env"), "its kernel is 'conda-env'"),
    ],
)
def test_a_fault_in_a_source_notebook_is_named(
    tiny_sources: Path, fault: Callable[[NotebookNode], object], words: str
) -> None:
    edit(tiny_sources / "notebooks" / "beta.ipynb", fault)
    problems = check_sources(Layout(tiny_sources), SCHEMAS)
    assert {problem.page for problem in problems} == {"notebooks/beta.ipynb"}
    assert words in "\n".join(map(str, problems))


@pytest.mark.parametrize("text", ["", "{", '{"nbformat": 4}', '{"cells": [{"cell_type": "cod"}]}'])
def test_a_damaged_notebook_is_named(tiny_sources: Path, text: str) -> None:
    (tiny_sources / "notebooks" / "beta.ipynb").write_text(text)
    problems = check_sources(Layout(tiny_sources), SCHEMAS)
    assert [problem.page for problem in problems] == ["notebooks/beta.ipynb"]
    assert "it is not a valid notebook" in problems[0].what


def test_a_notebook_without_schema_and_a_schema_without_notebook_are_named(tiny_sources: Path) -> None:
    write_notebook(tiny_sources / "notebooks" / "gamma.ipynb", tiny_notebook("beta"))
    (tiny_sources / "notebooks" / "beta.ipynb").unlink()
    problems = {problem.page: problem.what for problem in check_sources(Layout(tiny_sources), SCHEMAS)}
    assert problems == {
        "notebooks/beta.ipynb": "there is a schema but no such notebook",
        "notebooks/gamma.ipynb": "no schema says which parameters it takes",
    }


def test_the_cell_for_colab_may_come_before_the_parameters_and_nothing_else(tiny_sources: Path) -> None:
    edit(tiny_sources / "notebooks" / "beta.ipynb", lambda nb: nb.cells.insert(1, colab_cell()))
    assert check_sources(Layout(tiny_sources), SCHEMAS) == []


def test_every_notebook_of_the_project_can_be_opened_in_colab() -> None:
    for path in sorted((project_root() / "notebooks").glob("*.ipynb")):
        cells = read_notebook(path.read_text("utf-8")).cells
        assert COLAB in tags(cells[1]) and "remove-cell" in tags(cells[1]), path.name
        assert cells[1].source == COLAB_CELL, path.name


def test_the_projects_own_notebooks_have_no_fault() -> None:
    assert check_sources(Layout(project_root())) == []
