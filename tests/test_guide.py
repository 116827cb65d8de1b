"""The examples of the page on running the book yourself are ones that the notebooks accept."""

import shlex

import pytest

from lifroles import guide
from lifroles.parameters import SCHEMAS, NotebookParameters, parse_value, validate


@pytest.mark.parametrize("notebook", SCHEMAS)
def test_a_notebook_has_three_examples_whose_command_line_says_what_they_mean(notebook):
    found = guide.examples(notebook)
    assert len(found) == 3
    for _, values in found:
        command = shlex.split(guide.papermill(notebook, values))
        assert command[:3] == ["papermill", f"notebooks/{notebook}.ipynb", "out.ipynb"]
        typed = {command[i + 1]: parse_value(command[i + 2]) for i in range(3, len(command), 3)}
        assert validate(notebook, typed) == validate(notebook, values)


def test_examples_show_the_parameters_that_a_notebook_has_of_its_own():
    for notebook, schema in SCHEMAS.items():
        own = set(schema.model_fields) - set(NotebookParameters.model_fields)
        shown = {name for _, values in guide.examples(notebook) for name in values}
        assert not own or shown & own, notebook


def test_every_notebook_says_how_long_it_takes_and_how_near_numbers_come(monkeypatch, tmp_path):
    known = {
        "archive": {"seconds": {"4_1_accuracy": 20.4, "A_4_errata": 0.2}},
        "smoke": {"seconds": {"4_1_accuracy": 200.0}},
    }
    said = guide.expected("4_1_accuracy", known).replace("\N{NO-BREAK SPACE}", " ")
    assert said.startswith("Time: 20 s from the archive and 3 min with everything trained at toy scale.")
    assert "another run of the same distribution" in said
    assert guide.expected("A_4_errata", known).replace("\N{NO-BREAK SPACE}", " ") == (
        "Time: 1 s from the archive. Tolerance: The same numbers on every machine, to the last digit."
    )
    assert "Computed on the page" in guide.expected("3_variants", {})
    assert {*guide.TRAINS, *guide.TOLERANCES} <= set(SCHEMAS)
    text = str(guide.page().data)
    assert text.count("Tolerance: ") == len(SCHEMAS)
    monkeypatch.setattr(guide, "path", lambda: tmp_path / "none.json")
    assert "Times were measured on" not in str(guide.page().data)


def test_the_page_has_every_notebook_with_its_table():
    text = str(guide.page().data)
    for notebook in SCHEMAS:
        assert f"papermill notebooks/{notebook}.ipynb out.ipynb" in text
    assert "| `k_tau` |" in text
    assert text.count("```bash") == len(SCHEMAS)
