"""An executed notebook that must not be published is refused, with the page named.

The faults are planted in copies that the build has executed; that each also fails the build itself is
tested in `test_build.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_output
from tiny import edit
from tiny_schemas import SCHEMAS

from lifroles import book

PAGE = "book/notebooks/beta.ipynb"


def _error(ename: str, evalue: str) -> NotebookNode:
    return new_output("error", ename=ename, evalue=evalue, traceback=[f"{ename}: {evalue}"])


def _stderr(text: str) -> Callable[[NotebookNode], None]:
    return lambda notebook: notebook.cells[-1].outputs.append(new_output("stream", name="stderr", text=text))


def _exit(notebook: NotebookNode) -> None:
    notebook.cells[-1].outputs = [_error("SystemExit", "0")]
    notebook.cells.append(new_code_cell("print(2)"))


def _banner(notebook: NotebookNode) -> None:
    notebook.cells.insert(0, new_markdown_cell("An Exception was encountered"))
    notebook.cells[0].metadata["tags"] = ["papermill-error-cell-tag"]


def _inject(source: str) -> Callable[[NotebookNode], None]:
    def fault(notebook: NotebookNode) -> None:
        cell = new_code_cell(source, execution_count=1)
        cell.metadata["tags"] = ["injected-parameters"]
        notebook.cells.insert(2, cell)

    return fault


def _widget(notebook: NotebookNode) -> None:
    data = {"application/vnd.jupyter.widget-view+json": {"model_id": "1"}}
    notebook.cells[-1].outputs.append(new_output("display_data", data=data))


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (
            lambda nb: nb.cells[-1].outputs.append(_error("ValueError", "no spikes")),
            "code cell 3 ended with ValueError: no spikes",
        ),
        (lambda nb: nb.metadata.papermill.update(exception=True), "papermill left it with an exception"),
        (lambda nb: nb.cells[-1].metadata.papermill.update(exception=True), "papermill left it with an exception"),
        (_banner, "it shows papermill's error banner"),
        (lambda nb: nb.cells[-1].update(execution_count=None), "code cell 3 never ran"),
        (_exit, "it stopped early, by an exit in code cell 3: 1 of 4 code cells never ran"),
        (_stderr("/tmp/x.py:3: DeprecationWarning: old\n  old()\n"), "code cell 3 warned: DeprecationWarning: old"),
        (_stderr("Traceback (most recent call last):\n  x\n"), "code cell 3 printed a traceback"),
        (_widget, "code cell 3 shows a widget"),
        (_inject("varient = 'x'"), "Unknown parameter 'varient' of beta"),
        (_inject("T = 'three'"), "Parameter 'T' of beta is 'three'"),
        (_inject("T = 7"), "its cells set other parameters than the ones it was executed with"),
        (lambda nb: nb.metadata.pop("lifroles"), "it was not executed by 'lifroles book'"),
        (lambda nb: nb.metadata.lifroles.update(profile="smoke"), "it does not say that the profile 'smoke' made it"),
        (lambda nb: nb.cells[-1].update(source="print(3)"), "its code is not that of its source notebook"),
        (lambda nb: nb.metadata.lifroles.update(inputs="0" * 16), "it is stale"),
    ],
)
def test_a_fault_in_an_executed_notebook_is_named(
    tiny_executed: Path, fault: Callable[[NotebookNode], object], words: str
) -> None:
    edit(tiny_executed / PAGE, fault)
    problems = book.check(tiny_executed, SCHEMAS)
    assert {problem.page for problem in problems} == {PAGE}
    assert words in "\n".join(map(str, problems))


def test_what_a_library_logs_is_no_fault(tiny_executed: Path) -> None:
    edit(tiny_executed / PAGE, _stderr("Matplotlib is building the font cache; this may take a moment.\n"))
    assert book.check(tiny_executed, SCHEMAS) == []


@pytest.mark.parametrize(
    "changed",
    ["notebooks/beta.ipynb", "lifroles/new.py", "lifroles/new.cu", "results/xor/run.json", "requirements.lock"],
)
def test_a_copy_that_is_older_than_its_inputs_is_named(tiny_executed: Path, changed: str) -> None:
    path = tiny_executed / changed
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".ipynb":
        edit(path, lambda notebook: notebook.cells[0].update(source="# Another title"))
    else:
        path.write_text("changed")
    stale = {problem.page for problem in book.check(tiny_executed, SCHEMAS) if "it is stale" in problem.what}
    everything = {PAGE, "book/notebooks/alpha.ipynb"}
    assert stale == ({PAGE} if path.suffix == ".ipynb" else everything)


def test_a_page_that_was_never_executed_is_named(tiny_executed: Path) -> None:
    (tiny_executed / PAGE).unlink()
    problems = book.check(tiny_executed, SCHEMAS)
    assert [(problem.page, problem.what) for problem in problems] == [(PAGE, "the notebook has not been executed")]


def test_a_damaged_copy_is_named(tiny_executed: Path) -> None:
    text = (tiny_executed / PAGE).read_text()
    (tiny_executed / PAGE).write_text(text[: len(text) // 2])
    problems = book.check(tiny_executed, SCHEMAS)
    assert [problem.page for problem in problems] == [PAGE]
    assert "not a valid notebook" in problems[0].what


def test_a_copy_without_source_is_named(tiny_executed: Path) -> None:
    (tiny_executed / PAGE).rename(tiny_executed / "book/notebooks/gamma.ipynb")
    whats = {problem.page: problem.what for problem in book.check(tiny_executed, SCHEMAS)}
    assert whats["book/notebooks/gamma.ipynb"] == "it is left over: its source notebook is gone"


def test_pages_of_two_profiles_do_not_make_one_book(tiny_executed: Path) -> None:
    def smoke(notebook: NotebookNode) -> None:
        notebook.metadata.lifroles.profile = "smoke"
        cell = new_markdown_cell("made with the profile smoke")
        cell.metadata["tags"] = ["lifroles-profile"]
        notebook.cells.insert(1, cell)

    edit(tiny_executed / PAGE, smoke)
    whats = [str(problem) for problem in book.check(tiny_executed, SCHEMAS)]
    assert any("the profile 'smoke' made it, and 'archive' the other pages" in what for what in whats)


def test_the_tiny_book_has_no_fault(tiny_executed: Path) -> None:
    assert book.check(tiny_executed, SCHEMAS) == []
