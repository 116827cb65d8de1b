"""A figure or table of results without a provenance card is refused, and so is a claim without a verdict."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from nbformat import NotebookNode
from nbformat.v4 import new_output
from tiny import edit
from tiny_schemas import SCHEMAS

from lifroles import book
from lifroles.gate import check_claims

PAGE = "book/notebooks/beta.ipynb"
CARD = '<div class="lifroles-card"><p>Make it again: <code>x</code></p>{}</div>'
RUN = "<ul><li><code>xor/baseline</code>: seed 0, commit {}, data {}, 3 s</li></ul>"
TABLE = "<table><tr><td>0.95</td></tr></table>"
FIGURE = "<figure><svg></svg>{}</figure>"


def _shows(*tags: str, **data: str) -> Callable[[NotebookNode], None]:
    """Let the last cell show something; two underscores in a name stand for a slash."""

    def change(notebook: NotebookNode) -> None:
        cell = notebook.cells[-1]
        cell.outputs = [new_output("display_data", data={kind.replace("__", "/"): text for kind, text in data.items()})]
        cell.metadata["tags"] = list(tags)

    return change


@pytest.mark.parametrize(
    ("shown", "words"),
    [
        (_shows(text__html=FIGURE.format("")), "code cell 3 shows a figure without a provenance card"),
        (_shows(text__html=FIGURE.format(CARD) * 2 + FIGURE.format("")), "shows a figure without"),
        (_shows("definitions", text__html=FIGURE.format("")), "shows a figure without"),
        (_shows(text__html=TABLE), "code cell 3 shows a table without a provenance card"),
        (_shows(text__markdown="| a | b |\n|---|---|\n| 1 | 2 |"), "shows a table without a provenance card"),
        (_shows(image__png="aaaa"), "code cell 3 shows a picture without a provenance card"),
        (_shows(text__html=CARD.format(RUN.format("unknown", "0123"))), "the run xor/baseline, whose commit nobody"),
        (_shows(text__html=CARD.format(RUN.format("0123", "unknown"))), "the run xor/baseline, whose data nobody"),
    ],
)
def test_results_that_do_not_say_where_they_come_from_are_named(
    tiny_executed: Path, shown: Callable[[NotebookNode], None], words: str
) -> None:
    edit(tiny_executed / PAGE, shown)
    problems = book.check(tiny_executed, SCHEMAS)
    assert {problem.page for problem in problems} == {PAGE}
    assert words in "\n".join(map(str, problems))


@pytest.mark.parametrize(
    "shown",
    [
        _shows(text__html=FIGURE.format(CARD.format(RUN.format("0123", "4567")))),
        _shows(text__html=TABLE + TABLE + CARD.format("")),
        _shows("definitions", text__html=TABLE),
        _shows(text__markdown="A sentence -- with a dash."),
    ],
)
def test_results_with_a_card_are_no_fault(tiny_executed: Path, shown: Callable[[NotebookNode], None]) -> None:
    edit(tiny_executed / PAGE, shown)
    assert book.check(tiny_executed, SCHEMAS) == []


@pytest.mark.parametrize(
    ("ledger", "whats"),
    [
        ('<div id="claim-a" data-verdict="reproduced"></div><div id="claim-b" data-verdict="open"></div>', []),
        ('<div id="claim-a" data-verdict="reproduced"></div>', ["the claim 'b' is not in the ledger"]),
        ('<div id="claim-a" data-verdict="open"></div><div id="claim-b"></div>', ["the claim 'b' has no verdict"]),
        ('<div id="claim-b" data-verdict="open"></div><div id="claim-a" data-verdict="so"></div>', ["the claim 'a'"]),
    ],
)
def test_a_claim_without_a_verdict_is_named(tmp_path: Path, ledger: str, whats: list[str]) -> None:
    (tmp_path / "book").mkdir()
    (tmp_path / "book/ledger.html").write_text(f'<article><div class="lifroles-ledger">{ledger}</div></article>')
    problems = check_claims(tmp_path, "book/ledger", ["a", "b"], ["reproduced", "open"])
    assert {problem.page for problem in problems} <= {"book/ledger.html"}
    assert len(problems) == len(whats)
    for problem, what in zip(problems, whats, strict=True):
        assert problem.what.startswith(what)
