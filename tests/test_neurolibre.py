"""What NeuroLibre asks of a submission, as far as its checker and its book build say it.

The rules are those of RoboNeuro's `validate_repository_content` (neurolibre/roboneuro-neo) and of "Structure your NRP
repository" (docs.neurolibre.org).
"""

import datetime
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from test_environment import FLOOR, ROOT, load_tool

TOOL = load_tool("neurolibre")
# What may describe an environment, by the names that RoboNeuro knows.
BINDER = {
    *("environment.yml", "data_requirement.json", "requirements.txt", "Pipfile", "Pipfile.lock", "setup.py"),
    *("Project.toml", "REQUIRE", "install.R", "apt.txt", "DESCRIPTION", "manifest.yml", "postBuild", "start"),
    *("runtime.txt", "default.nix", "Dockerfile"),
}


def real_files(folder: str) -> set[str]:
    """Return the names of the files that GitHub lists as such: a symbolic link is none."""
    return {p.name for p in (ROOT / folder).iterdir() if p.is_file() and not p.is_symlink()}


def front_matter() -> tuple[dict[str, Any], str]:
    _, head, text = (ROOT / "paper.md").read_text("utf-8").split("---\n", 2)
    return yaml.safe_load(head), text


@pytest.mark.parametrize("folder", ["binder", "content"])
def test_the_folders_that_the_checker_asks_for_are_real(folder: str) -> None:
    assert (ROOT / folder).is_dir() and not (ROOT / folder).is_symlink()


def test_the_files_that_the_checker_asks_for_are_real() -> None:
    assert real_files("binder") & BINDER == {"postBuild", "requirements.txt", "runtime.txt"}
    assert real_files("content") == {"_config.yml", "_toc.yml"}


def test_the_content_is_what_the_tool_writes() -> None:
    assert TOOL.differences() == [], "run `make neurolibre`"


def test_every_page_of_the_content_is_a_page_of_the_project() -> None:
    pages = re.findall(r"(?:file|root): (\S+)", (ROOT / "content/_toc.yml").read_text("utf-8"))
    assert pages == re.findall(r"(?:file|root): (\S+)", (ROOT / "_toc.yml").read_text("utf-8"))
    for page in pages:
        (found,) = (ROOT / "content").glob(f"{page}.*")
        source = found.resolve()
        assert source.is_relative_to(ROOT) and source.parent.name in {"book", "notebooks"}
        assert not source.is_relative_to(ROOT / "book/notebooks"), "an executed copy is in nobody's clone"


def test_jupyter_book_executes_the_content_and_neurolibre_adds_the_buttons() -> None:
    config = yaml.safe_load((ROOT / "content/_config.yml").read_text("utf-8"))
    assert config["execute"]["execute_notebooks"] == "force" and config["execute"]["raise_on_error"]
    assert "launch_buttons" not in config
    named = [*config["bibtex_bibfiles"], *config["sphinx"]["config"]["html_static_path"]]
    named.append(config["sphinx"]["config"]["lifroles_archive"])
    for place in named:
        assert (ROOT / "content" / place).exists(), place


def _key(root: Path) -> None:
    (root / "_config.yml").write_text((root / "_config.yml").read_text() + "\nlogo: logo.png\n")


def _page(root: Path) -> None:
    (root / "book/new.md").write_text("# New\n")
    (root / "_toc.yml").write_text((root / "_toc.yml").read_text() + "      - file: book/new\n")


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (_key, ["_config.yml"]),
        (_page, ["_toc.yml", "book/new.md"]),
        (lambda root: (root / "content/book/cite.md").unlink(), ["book/cite.md"]),
        (lambda root: (root / "content/book/old.md").symlink_to("x"), ["book/old.md"]),
    ],
)
def test_a_content_that_is_behind_is_noticed_and_mended(
    tmp_path: Path, change: Callable[[Path], object], named: list[str]
) -> None:
    for name in ("_config.yml", "_toc.yml", "CHANGELOG.md"):
        shutil.copy(ROOT / name, tmp_path)
    shutil.copytree(ROOT / "book", tmp_path / "book", ignore=shutil.ignore_patterns("notebooks", "mathjax"))
    shutil.copytree(ROOT / "content", tmp_path / "content", symlinks=True)
    assert TOOL.differences(tmp_path) == []
    change(tmp_path)
    assert TOOL.differences(tmp_path) == named
    TOOL.write(tmp_path)
    assert TOOL.differences(tmp_path) == []


def test_the_binder_environment_is_the_locked_one() -> None:
    lines = (ROOT / "binder/requirements.txt").read_text("utf-8").splitlines()
    asked = [line for line in lines if line and not line.startswith(("#", "--extra-index-url"))]
    assert asked == ["-r ../requirements.lock", "-e ."]
    assert (ROOT / "binder/runtime.txt").read_text().strip() == f"python-{FLOOR}"
    assert (ROOT / "binder/postBuild").stat().st_mode & 0o111, "repo2docker executes it"


def test_the_paper_has_what_the_journal_reads() -> None:
    head, _ = front_matter()
    assert head.keys() == {"title", "tags", "authors", "affiliations", "date", "bibliography"}
    assert head["title"] and len(head["tags"]) >= 3
    known = {str(affiliation["index"]) for affiliation in head["affiliations"]}
    for author in head["authors"]:
        assert author["name"] and set(re.split(r",\s*", author["affiliation"])) <= known
    assert datetime.datetime.strptime(head["date"], "%d %B %Y")
    assert head["bibliography"] == "paper.bib"
    assert [path.relative_to(ROOT).as_posix() for path in ROOT.glob("**/paper.md")] == ["paper.md"]


def test_the_paper_is_short_and_gives_no_number_of_its_own() -> None:
    _, text = front_matter()
    assert re.findall(r"^# (.+)$", text, re.MULTILINE)[:2] == ["Summary", "Statement of need"]
    assert len(text.split()) < 1000
    assert not re.search(r"\d", re.sub(r"\[-?@\w+\]", "", text)), "results stand in the book, where they are computed"


def test_the_paper_cites_the_entries_of_the_book_and_no_others() -> None:
    def entries(name: str) -> dict[str, str]:
        text = (ROOT / name).read_text("utf-8")
        return {m[1]: m[0] for m in re.finditer(r"^@\w+\{(\w+),.*?^\}$", text, re.MULTILINE | re.DOTALL)}

    own, books = entries("paper.bib"), entries("book/references.bib")
    assert set(re.findall(r"@(\w+)", front_matter()[1])) == set(own)
    assert own == {key: books[key] for key in own}
