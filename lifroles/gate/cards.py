"""Does every figure and table of results say where it comes from, and does every claim have a verdict?

A figure or table stands with a provenance card (``lifroles.figures.show`` and ``card``): the command that makes it
again, and the runs or the record behind it. A cell whose tables hold no results, but definitions or a protocol, is
tagged ``definitions``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from bs4 import BeautifulSoup
from nbformat import NotebookNode

from lifroles.gate.base import Problem
from lifroles.gate.notebooks import code_cells, tags

DEFINITIONS = "definitions"
"""The tag of a cell whose tables hold no results."""

_CARD = re.compile(r'class="lifroles-card"')
_FIGURE = re.compile(r"<figure\b")
_TABLE = re.compile(r"<table\b")
_MARKDOWN_TABLE = re.compile(r"^ *\|? *:?-{3,}", re.MULTILINE)
_UNKNOWN = re.compile(r"<code>(?P<run>[^<]+)</code>(?:</a>)?: [^<]*\b(?P<what>commit|data) unknown")


def check_cards(page: str, copy: NotebookNode) -> Iterator[Problem]:
    """Find figures and tables in an executed notebook that do not say where they come from.

    Arguments:
        page: what to call it in problems.
        copy: the executed notebook; the table of its parameters is none of results.
    """
    for number, cell in enumerate(code_cells(copy), start=1):
        if "from_notebook(" in cell.source:
            continue
        bundles = [output.get("data", {}) for output in cell.outputs]
        html = "".join(bundle.get("text/html", "") for bundle in bundles)
        cards, figures = len(_CARD.findall(html)), len(_FIGURE.findall(html))
        where = f"code cell {number}"
        if any(kind.startswith("image/") for bundle in bundles for kind in bundle):
            mend = "Show it with lifroles.figures.show"
            yield Problem(page, f"{where} shows a picture without a provenance card", mend)
        elif cards < figures:
            what = f"{where} shows a figure without a provenance card"
            yield Problem(page, what, "Show it with lifroles.figures.show")
        elif not cards and DEFINITIONS not in tags(cell) and _has_table(bundles, html):
            mend = f"Display lifroles.figures.card below it, or tag the cell '{DEFINITIONS}' if it holds no results"
            yield Problem(page, f"{where} shows a table without a provenance card", mend)
        if copy.metadata.get("lifroles", {}).get("profile") == "archive":
            for found in _UNKNOWN.finditer(html):
                what = f"{where} shows the run {found['run']}, whose {found['what']} nobody knows"
                yield Problem(page, what, "Train it again from a clean checkout, or leave it out")


def _has_table(bundles: Iterable[NotebookNode | dict[str, str]], html: str) -> bool:
    text = "\n\n".join(bundle.get("text/markdown", "") for bundle in bundles)
    return bool(_TABLE.search(html) or _MARKDOWN_TABLE.search(text))


def check_claims(html: Path, page: str, claims: Iterable[str], verdicts: Iterable[str]) -> list[Problem]:
    """Return the claims without a verdict in the built ledger.

    Arguments:
        html: the folder of the built book.
        page: that of the ledger, without ending.
        claims: the names of all claims.
        verdicts: what a verdict can be.
    """
    file = f"{page}.html"
    try:
        soup = BeautifulSoup((html / file).read_text("utf-8"), "html.parser")
    except FileNotFoundError:
        return []  # that a page was not built is said elsewhere
    found = {str(item.get("id")): str(item.get("data-verdict")) for item in soup.select(".lifroles-ledger [id]")}
    known = set(verdicts)
    problems: list[Problem] = []
    for name in claims:
        if f"claim-{name}" not in found:
            problems.append(Problem(file, f"the claim '{name}' is not in the ledger", "Show all of CLAIMS"))
        elif found[f"claim-{name}"] not in known:
            problems.append(Problem(file, f"the claim '{name}' has no verdict", "Decide it: see claims/verdict.py"))
    return problems
