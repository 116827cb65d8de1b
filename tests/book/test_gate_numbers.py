"""A number that somebody typed into a page's text is refused, unless it is known where it comes from."""

from __future__ import annotations

from pathlib import Path

import pytest
from tiny import edit
from tiny_schemas import SCHEMAS

from lifroles import book
from lifroles.gate import Layout, PublicationError, check_numbers, check_sentences, toc_pages
from lifroles.gate.numbers import numbers
from lifroles.paths import project_root

NOTES = "book/notes"


def _problems(root: Path, text: str) -> list[str]:
    (root / "book/notes.md").write_text(f"# Notes\n\n{text}\n")
    problems = check_numbers(Layout(root), [NOTES])
    assert {problem.page for problem in problems} <= {"book/notes.md"}
    return [problem.what for problem in problems]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Without leakage it is 77.5 % right.", ["77.5 %"]),
        ("It loses 3.2 points, and -1.5 here.", ["3.2", "-1.5"]),
        ("| variant | accuracy |\n|---|---|\n| baseline | 0.955 |", ["0.955"]),
        ("A learning rate of 1e-4, and 1,024 samples.", ["1e-4", "1,024"]),
        ("A 3-fold improvement.", ["3"]),
        ("Twice 12, once 12.", ["12"]),
        ("Section 4.1, Eqs. (12) and (13), Figs. 5 to 7, Table 6, [4.1.1](a.md), Zheng et al. (2024).", []),
        ("## 4.2.1 One recording\n\n1. An item.", []),
        ("`x = 3.5`, $u = 0.5$, $$k = 0.3$$, {cite:p}`yin2024`, [here](a-3.html)", []),
        ("```python\nx = 3.5\n```\n<span title='3'>x</span> <!-- 3 -->", []),
        ("CIFAR10, DVS128 Gesture, ResNet-18, CC BY 4.0, Python 3.11, spikes of 0 or 1", []),
    ],
)
def test_what_counts_as_a_number(text: str, found: list[str]) -> None:
    assert numbers(text) == found


def test_a_declaration_that_is_shown_as_code_declares_nothing(tiny_sources: Path) -> None:
    assert _problems(tiny_sources, "- Write:\n\n  ```markdown\n  <!-- numbers: 3 = nmnist.dt -->\n  ```") == []


def test_a_number_without_a_record_is_named(tiny_sources: Path) -> None:
    assert _problems(tiny_sources, "It is right in 77.5 % of the cases.") == [
        "the text holds the number '77.5 %', which comes from no record"
    ]


@pytest.mark.parametrize(
    "origin",
    [
        "15 = nmnist.T",
        "60,000 = nmnist.samples.train",
        "95 % = lifroles.statistics.LEVEL",
        "10 = lifroles.paper.TABLE7_DTS.4",
        '4 = "workflow/Snakefile"',
    ],
)
def test_a_number_with_an_origin_is_no_fault(tiny_sources: Path, origin: str) -> None:
    number = origin.partition(" =")[0]
    assert _problems(tiny_sources, f"It is {number} here.\n\n<!-- numbers: {origin} -->") == []


@pytest.mark.parametrize(
    ("declared", "words"),
    [
        ("15 = nmnist.epochs", "but 'nmnist.epochs' is 100"),
        ("15 = nmnist.nothing", "but there is no 'nmnist.nothing'"),
        ("15 = nmnst.T", "but there is no 'nmnst.T'"),
        ("15 = lifroles.nothing.X", "but there is no 'lifroles.nothing.X'"),
        ("15 = lifroles.paper.TABLE7_DTS.9", "but there is no 'lifroles.paper.TABLE7_DTS.9'"),
        ("15 = nmnist.values", "but 'nmnist.values' is 'binary'"),
        ("15 = nmnist.T; 16 = nmnist.T", "declares the number '16' and does not hold it"),
        ("15", "declares '15'"),
    ],
)
def test_a_wrong_origin_is_named(tiny_sources: Path, declared: str, words: str) -> None:
    assert words in "\n".join(_problems(tiny_sources, f"There are 15 steps.\n\n<!-- numbers: {declared} -->"))


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ('X = "It is right in 77.5 % of the cases."', ["line 1 writes '77.5 %', which comes from no record"]),
        ('def f(x):\n    return f"{x} loses 3.2 points."', ["line 2 writes '3.2 points', which comes from no record"]),
        ('"""It loses 3.2 points."""\nX = f"{Y} points, mean and 95 % interval"  # 3 %', []),
    ],
)
def test_a_result_in_a_sentence_of_the_package_is_named(tiny_sources: Path, code: str, words: list[str]) -> None:
    (tiny_sources / "lifroles").mkdir()
    (tiny_sources / "lifroles/words.py").write_text(code)
    problems = check_sentences(Layout(tiny_sources))
    assert [problem.what for problem in problems] == words


def test_the_build_refuses_such_a_page_before_anything_runs(tiny_sources: Path) -> None:
    path = tiny_sources / "notebooks/beta.ipynb"
    edit(path, lambda nb: nb.cells[0].update(source=nb.cells[0].source + "\n\nIt is 77.5 % right."))
    with pytest.raises(PublicationError, match=r"notebooks/beta.ipynb: cell 1 holds the number '77.5 %'"):
        book.build(root=tiny_sources, schemas=SCHEMAS, quiet=True)
    assert not (tiny_sources / "book/notebooks").exists()


def test_every_number_in_the_projects_own_text_has_an_origin() -> None:
    layout = Layout(project_root())
    assert check_numbers(layout, toc_pages(layout)) == []
    assert check_sentences(layout) == []
