"""A configuration that Jupyter Book would take without a word is refused, with the key named."""

from __future__ import annotations

from pathlib import Path

import pytest
from tiny_schemas import SCHEMAS

from lifroles import book
from lifroles.gate import Layout, Problem, PublicationError, check_config, check_toc, toc_pages
from lifroles.paths import project_root

LAST = "      - file: book/notes"


def _only(problems: list[Problem], page: str) -> str:
    """Return what is wrong, where exactly one thing is wrong and the page is named."""
    assert [problem.page for problem in problems] == [page], [str(problem) for problem in problems]
    return f"{problems[0].what}. {problems[0].mend}"


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("execute:", "exekute:", ["unknown key 'exekute' at the top level", "'execute'"]),
        ("  stderr_output:", "  stder_output:", ["unknown key 'stder_output' under 'execute'", "'stderr_output'"]),
        ("title:", "use_issues_button: true\ntitle:", ["unknown key 'use_issues_button'", "belongs under 'html'"]),
        ("  path_to_book:", "  path_to_boook:", ["unknown key 'path_to_boook' under 'repository'"]),
        ("launch_buttons:", "launch_buttons:\n  thebee: true", ["unknown key 'thebee' under 'launch_buttons'"]),
        ("html:", "latex: {latex_engin: x}\nhtml:", ["unknown key 'latex_engin' under 'latex'"]),
        ("  use_issues_button:", "  analytics: {google_id: x}\n  use_issues_button:", ["under 'html.analytics'"]),
        ("parse:", "parse: {}\nparse:", ["the key 'parse' is given twice, in lines"]),
        ("  stderr_output:", "  execute_notebooks: off\n  stderr_output:", ["'execute_notebooks' is given twice"]),
        ("      options:", "      options: {}\n      options:", ["the key 'options' is given twice"]),
        ("only_build_toc_files: true", "only_build_toc_files: [true]", ["'only_build_toc_files' has a wrong value"]),
        ("title:", "title: [", ["it is not YAML"]),
        ("    mathjax_path:", "    nb_execution_mode: force\n    mathjax_path:", ["'sphinx.config.nb_execution_mode'"]),
        ("    mathjax_path:", "    suppress_warnings: [myst]\n    mathjax_path:", ["hides faults from the gate"]),
        ('execute_notebooks: "off"', "execute_notebooks: force", ["execute.execute_notebooks is 'force'"]),
        ('  execute_notebooks: "off"\n', "", ["execute.execute_notebooks is missing"]),
    ],
)
def test_a_fault_in_the_configuration_is_named(tiny_sources: Path, old: str, new: str, words: list[str]) -> None:
    path = tiny_sources / "_config.yml"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    problems = check_config(Layout(tiny_sources))
    assert {problem.page for problem in problems} == {"_config.yml"}
    for word in words:
        assert word in "\n".join(map(str, problems))


def test_a_fault_in_the_configuration_stops_the_build_before_anything_runs(tiny_sources: Path) -> None:
    path = tiny_sources / "_config.yml"
    path.write_text(path.read_text() + "\nexecute:\n  timeout: 10\n")
    with pytest.raises(PublicationError, match=r"_config\.yml: the key 'execute' is given twice"):
        book.build(root=tiny_sources, schemas=SCHEMAS, quiet=True)
    assert not (tiny_sources / "book" / "notebooks").exists()
    assert not (tiny_sources / "_build" / "html").exists()


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("root:", "rooot:", ["it is malformed"]),
        (LAST, "      - fille: book/notes", ["it is malformed"]),
        ("  - caption: Texts", "  - captoin: Texts", ["unknown key 'captoin' under 'parts'", "'caption'"]),
        ("root:", "options: {numberd: true}\nroot:", ["unknown key 'numberd' under 'options'", "'numbered'"]),
        ("root:", "root: book/index\nroot:", ["the key 'root' is given twice"]),
        (LAST, f"{LAST}\n{LAST}", ["multiple times: 'book/notes'"]),
        (LAST, f"{LAST}\n{LAST}.md", ["'book/notes' is listed twice"]),
        (LAST, f"{LAST}\n        titel: N", ["'titel'"]),
        (LAST, "      - glob: book/*", ["the pattern 'book/*'"]),
        ("notebooks/beta", "notebooks/gamma", ["'book/notebooks/gamma' has no notebook notebooks/gamma.ipynb"]),
        ("book/notes", "book/note", ["'book/note' has no file"]),
        ("book/notebooks/beta", "notebooks/beta", ["'notebooks/beta' is a notebook that the build does not execute"]),
        ("format: jb-book", "format: jb-bok", ["it is malformed"]),
        ("parts:", "parts: 3\nmeta:", ["it is malformed"]),
    ],
)
def test_a_fault_in_the_table_of_contents_is_named(tiny_sources: Path, old: str, new: str, words: list[str]) -> None:
    path = tiny_sources / "_toc.yml"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    what = _only(check_toc(Layout(tiny_sources)), "_toc.yml")
    for word in words:
        assert word in what


@pytest.mark.parametrize("name", ["_config.yml", "_toc.yml"])
def test_a_missing_file_is_named(tiny_sources: Path, name: str) -> None:
    (tiny_sources / name).unlink()
    assert f"{name}: " in "\n".join(map(str, book.check(tiny_sources, SCHEMAS)))


@pytest.mark.parametrize("text", ["\n```{code-cell}\nprint(1)\n```\n", "\nmystnb:\n  execution_mode: force\n"])
def test_code_in_a_text_page_would_run_unseen_or_not_at_all(tiny_sources: Path, text: str) -> None:
    page = tiny_sources / "book" / "notes.md"
    page.write_text(page.read_text() + text)
    assert "would run code unseen" in _only(check_toc(Layout(tiny_sources)), "book/notes.md")


def test_the_tiny_book_has_no_fault(tiny_sources: Path) -> None:
    layout = Layout(tiny_sources)
    assert [*check_config(layout), *check_toc(layout)] == []
    assert toc_pages(layout) == ["book/index", "book/notebooks/alpha", "book/notebooks/beta", "book/notes"]


def test_the_projects_own_configuration_has_no_fault() -> None:
    layout = Layout(project_root())
    assert [*check_config(layout), *check_toc(layout)] == []
