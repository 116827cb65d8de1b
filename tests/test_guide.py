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


def test_the_page_has_every_notebook_with_its_table():
    text = str(guide.page().data)
    for notebook in SCHEMAS:
        assert f"papermill notebooks/{notebook}.ipynb out.ipynb" in text
    assert "| `k_tau` |" in text
    assert text.count("```bash") == len(SCHEMAS)
