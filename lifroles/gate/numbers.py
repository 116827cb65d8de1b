"""Does a number in a page's text come from somewhere?

Results belong into outputs, captions and glued text, which are computed from the records. A number that is typed into
a Markdown cell or page would stay what it is when the record changes. It is refused, unless it names a place (a
section, an equation, a table, a year), stands in code or mathematics, or a comment in the same cell says where it
comes from::

    <!-- numbers: 15 = nmnist.T; 288 = dvs_gesture.samples.test; 95 % = lifroles.statistics.LEVEL; 2 = "why" -->

The right side is a field of a benchmark's protocol or facts, a value of the package, or, in quotation marks, where a
number that is in neither comes from. The first two are compared with the text. Numbers in words are not looked at.

The sentences that the package itself writes are made from records, too: one of them that holds a number of per cent or
points as it stands is refused.
"""

from __future__ import annotations

import ast
import importlib
import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from lifroles.gate.base import Layout, Problem
from lifroles.gate.notebooks import read_notebook

_FENCED = re.compile(r"^ *(?P<fence>`{3,}).*?^ *(?P=fence)`*\s*$", re.DOTALL | re.MULTILINE)
_DECLARED = re.compile(r"<!--\s*numbers:(.*?)-->", re.DOTALL)
_ENTRY = re.compile(r"\s*(?P<text>[^=;]+?)\s*=\s*(?P<origin>\"[^\"]+\"|[\w.]+)\s*")
_PLACES = (
    r"(?:sections?|eqs?\.|equations?|figs?\.|figures?|tables?|appendix|chapters?|refs?\.)\s*[(\[]*\d[\d.]*[)\]]*"
    r"(?:(?:,| and| to|, and|–)\s*[(\[]*\d[\d.]*[)\]]*)*"
)
# What is taken out before numbers are looked for, in this order.
_NOT_TEXT = (
    _FENCED,  # code and directives
    re.compile(r"<!--.*?-->", re.DOTALL),
    re.compile(r"\$\$.*?\$\$", re.DOTALL),
    re.compile(r"(?:\{[\w:+-]+\})?(?P<ticks>`+)[^`].*?(?P=ticks)", re.DOTALL),  # code and roles
    re.compile(r"\$[^$\n]+\$"),
    re.compile(r"\[[\d.]+\]\([^)]*\)"),  # a link whose text is the number of a section
    re.compile(r"(?<=\])\([^)]*\)"),  # where a link leads
    re.compile(r"<[^>]+>"),
    re.compile(r"^#+\s+[\d.]+\s", re.MULTILINE),  # the number of a heading
    re.compile(r"^\s*\d+\.\s", re.MULTILINE),  # of an item
    re.compile(r"\bet al\.,? \(?(?:19|20)\d\d\b"),
    re.compile(_PLACES, re.IGNORECASE),
)
_RESULT = re.compile(r"(?<![\w.,])\d[\d.,]*\s(?:%|points?\b)")
_LEVEL = re.compile(r"\b95 % ")
# Neither inside a word or a name (DVS128, ResNet-18) nor inside another number.
_NUMBER = re.compile(r"(?<![\w.,])(?<![A-Za-z]-)[-−]?\d+(?:[,.]\d+)*(?:e[-−]?\d+)?(?:\s?%)?(?![A-Za-z\d])")
# Names that have a number, and the two values of a spike or the ends of a share.
_NAMES = re.compile(r"CC BY \d\.\d|\d-Clause|Python \d\.\d+|NFS \d|[Vv]ersion \d[\d.]*\b|\b[01] (?:or|to|and) [01]\b")


def check_numbers(layout: Layout, pages: Iterable[str]) -> list[Problem]:
    """Return the numbers in the text of these pages that come from nowhere.

    Arguments:
        pages: those of the table of contents, without endings; notebooks are read at their source.
    """
    problems: list[Problem] = []
    for page in pages:
        path = layout.root / f"{page}.md"
        source = layout.source(page.rpartition("/")[2])
        if path.is_file():
            problems.extend(_check(f"{page}.md", "the text", path.read_text("utf-8")))
        elif source.is_file():
            problems.extend(_check_notebook(layout.page(source), source.read_text("utf-8")))
    return problems


def check_sentences(layout: Layout) -> list[Problem]:
    """Return the sentences of the package that hold a result as it stands; the level of an interval is none."""
    problems: list[Problem] = []
    for path in sorted((layout.root / "lifroles").rglob("*.py")):
        text = path.read_text("utf-8")
        for node in _strings(text) if _RESULT.search(text) else ():
            if found := _RESULT.search(_LEVEL.sub(" ", str(node.value))):
                what = f"line {node.lineno} writes '{found[0]}', which comes from no record"
                problems.append(Problem(layout.page(path), what, "Compute it, or name it as a constant"))
    return problems


def _strings(code: str) -> Iterator[ast.Constant]:
    """Return the strings of a module that are no docstrings, those inside of f-strings among them."""
    nodes = list(ast.walk(ast.parse(code)))
    docs = {id(node.value) for node in nodes if isinstance(node, ast.Expr)}
    for node in nodes:
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docs:
            yield node


def _check_notebook(page: str, text: str) -> Iterator[Problem]:
    try:
        cells = read_notebook(text).cells
    except ValueError:
        return  # the checks of the sources say so
    for number, cell in enumerate(cells, start=1):
        if cell.cell_type == "markdown":
            yield from _check(page, f"cell {number}", cell.source)


def _check(page: str, where: str, text: str) -> Iterator[Problem]:
    declared: dict[str, str] = {}
    for comment in _DECLARED.findall(_FENCED.sub("", text)):
        for entry in filter(str.strip, comment.split(";")):
            if match := _ENTRY.fullmatch(entry):
                declared[_plain(match["text"])] = match["origin"]
            else:
                yield Problem(page, f"{where} declares '{entry.strip()}'", "Write 'number = origin'")
    found = numbers(text)
    for number in found:
        if number not in declared:
            mend = "Compute it in a code cell, glue it, or say in a comment where it comes from (see gate/numbers.py)"
            yield Problem(page, f"{where} holds the number '{number}', which comes from no record", mend)
    for number, origin in declared.items():
        if number not in found:
            yield Problem(page, f"{where} declares the number '{number}' and does not hold it", "Delete the entry")
        elif not origin.startswith('"') and (what := _differs(number, origin)):
            yield Problem(page, f"{where} holds the number '{number}', but {what}", "Correct the number or its origin")


def numbers(text: str) -> list[str]:
    """Return the numbers in a page's text for which an origin has to be known, each once, in order."""
    for pattern in _NOT_TEXT:
        text = pattern.sub(" ", text)
    return list(dict.fromkeys(map(_plain, _NUMBER.findall(_NAMES.sub(" ", text)))))


def _plain(number: str) -> str:
    return re.sub(r"\s+", " ", number.replace("−", "-").replace("\N{NO-BREAK SPACE}", " ")).strip()


def _differs(number: str, origin: str) -> str:
    """Return what an origin says instead of this number; nothing if it says this number."""
    try:
        value = _value(origin)
    except (ImportError, LookupError, AttributeError, ValueError):
        return f"there is no '{origin}'"
    is_percent = number.endswith("%")
    written = float(number.rstrip("% ").replace(",", ""))
    if isinstance(value, bool) or not isinstance(value, int | float):
        return f"'{origin}' is {value!r}"
    said = 100 * value if is_percent else value
    return "" if math.isclose(written, said, rel_tol=1e-9) else f"'{origin}' is {said:g}{' %' if is_percent else ''}"


def _value(origin: str) -> Any:
    """Return what a dotted name means: a field of a benchmark's protocol or facts, or a value of the package."""
    first, *rest = origin.split(".")
    if first != "lifroles":
        benchmark = importlib.import_module("lifroles.benchmarks").BENCHMARKS[first]
        protocol = benchmark.protocol()
        start = protocol if hasattr(protocol, rest[0]) else benchmark.facts
        return _down(start, rest)
    for length in range(len(rest), -1, -1):
        name = ".".join(["lifroles", *rest[:length]])
        try:
            module = importlib.import_module(name)
        except ModuleNotFoundError as error:
            if error.name is None or not f"{name}.".startswith(f"{error.name}."):
                raise
        else:
            return _down(module, rest[length:])
    raise ModuleNotFoundError(origin)


def _down(start: Any, names: Iterable[str]) -> Any:
    for name in names:
        if isinstance(start, Sequence):
            start = start[int(name)]
        else:
            start = start[name] if isinstance(start, Mapping) else getattr(start, name)
    return start
