"""The paper's equation numbers name the same thing in the book, in the code and in the tests."""

import ast
import re
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).resolve().parents[1]
IMPLEMENTED = range(3, 12)
IN_THE_BOOK = range(1, 14)
_EQS = re.compile(r"Eqs?\.\s*((?:\(\d+\)(?:,\s*|\s*-\s*|\s+and\s+)?)+)")


def numbers(text):
    """Return the equation numbers that a text names, ranges such as "Eqs. (5)-(7)" written out."""
    found = set()
    for match in _EQS.finditer(text):
        listed = re.sub(
            r"\((\d+)\)\s*-\s*\((\d+)\)",
            lambda m: " ".join(f"({n})" for n in range(int(m[1]), int(m[2]) + 1)),
            match[1],
        )
        found |= {int(n) for n in re.findall(r"\((\d+)\)", listed)}
    return found


def markdown():
    books = sorted((ROOT / "notebooks").glob("*.ipynb"))
    assert books
    for path in books:
        for cell in nbformat.read(path, as_version=4).cells:
            if cell.cell_type == "markdown":
                yield cell.source


def function_docstrings(*modules):
    """Yield the docstrings of functions and classes, not of the modules around them."""
    for module in modules:
        for node in ast.walk(ast.parse((ROOT / "lifroles" / module).read_text())):
            if isinstance(node, ast.FunctionDef | ast.ClassDef):
                yield ast.get_docstring(node) or ""


def test_ranges_and_lists_are_read():
    assert numbers("Eq. (3); Eqs. (5)-(7), Eqs. (8) and (9).") == {3, 5, 6, 7, 8, 9}
    assert numbers("See equation 4.") == set()


@pytest.mark.parametrize("number", IN_THE_BOOK)
def test_each_equation_has_one_label_and_its_number_in_the_book(number):
    sources = "\n".join(markdown())
    assert sources.count(f"(eq-{number})=") == 1
    assert sources.count(rf"\tag{{{number}}}") == 1
    block = sources.split(f"(eq-{number})=")[1].split("$$")[1]
    assert rf"\tag{{{number}}}" in block, "the label stands before another equation"


def test_every_reference_to_an_equation_leads_to_its_own_label():
    references = [pair for text in markdown() for pair in re.findall(r"\[Eq\. \((\d+)\)\]\(#eq-(\d+)\)", text)]
    assert references
    assert all(shown == target for shown, target in references)
    plain = [text for text in markdown() if re.search(r"(?<!\[)Eq\. \(\d+\)(?!\])", text)]
    assert not plain, "an equation is named without a link"


@pytest.mark.parametrize("number", IMPLEMENTED)
def test_each_equation_is_named_by_the_function_that_implements_it(number):
    named = set().union(*map(numbers, function_docstrings("backends/reference.py")))
    assert number in named


@pytest.mark.parametrize("number", IMPLEMENTED)
def test_each_equation_is_in_the_name_of_a_test_that_checks_it(number):
    tree = ast.parse((ROOT / "tests" / "test_neuron_equations.py").read_text())
    names = [node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
    assert any(name.startswith(f"test_eq{number}_") for name in names)
