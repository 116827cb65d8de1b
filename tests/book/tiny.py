"""A book of two short notebooks that need neither torch nor matplotlib, to plant faults in."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import nbformat
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook
from tiny_schemas import FAULTY, SCHEMAS

from lifroles.paths import project_root

TOC = """\
format: jb-book
root: book/index
parts:
  - caption: Notebooks
    chapters:
      - file: book/notebooks/alpha
      - file: book/notebooks/beta
  - caption: Texts
    chapters:
      - file: book/notes
"""

INDEX = """\
# Tiny book

An equation, $k_\\tau \\in [0, 1]$, and the [notes](notes.md).
"""

NOTES = """\
# Notes

Text with a {cite:p}`one2024`, and [a heading](#far-away) below.

```{bibliography}
```

## Far away

The end.
"""

REFERENCES = "@article{one2024,\n  author = {One, Some},\n  title = {A title},\n  journal = {J},\n  year = {2024}\n}\n"


def parameters_cell(notebook: str, **changes: object) -> NotebookNode:
    """Return a parameters cell with the defaults of the schema, some changed, or left out where None is `...`."""
    values = {**{**SCHEMAS, **FAULTY}[notebook].defaults(), **changes}
    cell = new_code_cell("\n".join(f"{name} = {value!r}" for name, value in values.items() if value is not ...))
    cell.metadata["tags"] = ["parameters"]
    return cell


def validation_cell(notebook: str) -> NotebookNode:
    """Return the cell that validates the parameters."""
    return new_code_cell(
        "from lifroles.parameters import from_notebook\n"
        "from tiny_schemas import FAULTY as _faulty, SCHEMAS as _schemas\n\n"
        f'p = from_notebook("{notebook}", globals(), {{**_schemas, **_faulty}})\np'
    )


def tiny_notebook(notebook: str, code: Sequence[str] = ("print(1 + 1)",)) -> NotebookNode:
    """Return a source notebook of the tiny book."""
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    cells = [
        new_markdown_cell(f"# Page {notebook}\n\n$$ u = k_\\tau u $$ (eq-{notebook})\n\nSee {{eq}}`eq-{notebook}`."),
        parameters_cell(notebook),
        validation_cell(notebook),
        *map(new_code_cell, code),
    ]
    return new_notebook(cells=cells, metadata={"kernelspec": kernel})


def write_notebook(path: Path, notebook: NotebookNode) -> None:
    """Write a notebook, making its folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(notebook, path)


def write_tiny_book(root: Path, notebooks: dict[str, NotebookNode] | None = None) -> None:
    """Write the sources of the tiny book: the project's own configuration and static files, other pages."""
    project = project_root()
    (root / "book").mkdir(parents=True)
    shutil.copy(project / "_config.yml", root)
    shutil.copytree(project / "book" / "_static", root / "book" / "_static")
    shutil.copy(Path(__file__).with_name("tiny_schemas.py"), root)
    (root / "_toc.yml").write_text(TOC)
    (root / "book" / "index.md").write_text(INDEX)
    (root / "book" / "notes.md").write_text(NOTES)
    (root / "book" / "references.bib").write_text(REFERENCES)
    for name, notebook in (notebooks or {name: tiny_notebook(name) for name in SCHEMAS}).items():
        write_notebook(root / "notebooks" / f"{name}.ipynb", notebook)


def edit(path: Path, change: Callable[[NotebookNode], object]) -> None:
    """Change a notebook on disk, without a word of validation."""
    notebook = nbformat.read(path, as_version=4)
    change(notebook)
    path.write_text(nbformat.writes(notebook))
