"""Release notes, checklists, and the book as a PDF."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
import yaml
from bs4 import BeautifulSoup

from lifroles import __version__, pdf
from lifroles.book import STAMP, print_pdf
from lifroles.errors import BookError
from lifroles.paths import project_root

ROOT = project_root()
ANSWERS = {"yes", "partly", "no", "does not apply", "yes, we think", "not asked for", "the aim of this book"}


def test_the_release_notes_begin_with_this_version() -> None:
    found = re.findall(r"^## (\S+) \((\S+)\)$", (ROOT / "CHANGELOG.md").read_text("utf-8"), re.MULTILINE)
    released = yaml.safe_load((ROOT / "CITATION.cff").read_text("utf-8"))["date-released"]
    assert found[0] == (__version__, str(released))


def test_every_item_of_the_checklists_has_an_answer_and_where_to_look() -> None:
    text = (ROOT / "book/checklists.md").read_text("utf-8")
    rows = [line.strip("|").split("|") for line in text.splitlines() if line.startswith("|")]
    items = [[cell.strip() for cell in row] for row in rows if set(row[0]) - set("- ")]
    heads = [item for item in items if item[1] in ("Here", "Would it be earned?")]
    assert len(heads) == 6 and len(items) - len(heads) == 25
    for item, answer, where in (item for item in items if item not in heads):
        assert answer in ANSWERS, item
        assert "](" in where or answer == "no", item


PAGES = {
    "book/one": '<h1 id="title">One</h1><a href="two.html#part">two</a><a href="two.html">page</a>'
    '<a href="#title">up</a>'
    '<a href="../runs/abc.html">run</a><a href="https://example.org">web</a><a download href="data:text/csv,a">csv</a>'
    '<svg><path id="f1-a"></path><use href="#f1-a"></use></svg><img src="../pic.png"><script>alert(1)</script>',
    "book/two": '<h1 id="title">Two</h1><p id="part">Part</p>',
}


@pytest.fixture
def built(tmp_path: Path) -> Path:
    """Two pages as the theme builds them."""
    for name, text in PAGES.items():
        place = tmp_path / f"{name}.html"
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(
            '<html><head><link rel="stylesheet" href="../_static/a.css"><script>window.MathJax = {}</script>'
            '<script src="../_static/mathjax/startup.js"></script><script src="../_static/other.js"></script></head>'
            f'<body><nav>menu</nav><article class="bd-article">{text}</article></body></html>'
        )
    return tmp_path


def test_pages_become_one_document_whose_links_stay_inside(built: Path) -> None:
    soup = BeautifulSoup(pdf.assemble(built, list(PAGES), "A <title>"), "html.parser")
    one, two = soup.select("article")
    links = {link.get_text(): link.get("href") for link in one.select("a")}
    assert links["web"] == "https://example.org"
    assert links["run"] is None and links["csv"] is None, "they lead to nothing on paper"
    for text, target in (("two", two.select_one("p")), ("page", two), ("up", one.select_one("h1"))):
        assert target is not None and links[text] == f"#{target['id']}"
    ids = [str(tag["id"]) for tag in soup.find_all(id=True)]
    assert len(ids) == len(set(ids)), "an anchor has one place"
    assert one.select_one("use")["href"] == "#f1-a" and one.select_one("path")["id"] == "f1-a"  # type: ignore[index]
    assert one.select_one("img")["src"] == (built / "pic.png").as_uri()  # type: ignore[index]
    assert [script.get("src") for script in soup.select("script")] == [
        None,
        (built / "_static/mathjax/startup.js").as_uri(),
    ]
    assert "menu" not in soup.get_text() and soup.title is not None and soup.title.get_text() == "A <title>"


def test_a_page_without_text_is_named(built: Path) -> None:
    (built / "book/two.html").write_text("<html><body></body></html>")
    with pytest.raises(BookError, match=r"book/two\.html has no text to print"):
        pdf.assemble(built, list(PAGES), "Title")


def test_printing_says_what_it_lacks(built: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "_config.yml").write_text("title: A book\n")
    with pytest.raises(BookError, match="There is no built book to print: run 'lifroles book'"):
        print_pdf(tmp_path)
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(BookError, match=r"Printing needs Chromium or Chrome: tools/install-browser\.sh"):
        pdf.write(built, list(PAGES), "Title", tmp_path / "out.pdf")
    assert not (tmp_path / "out.pdf").exists()


def test_the_book_is_printed_with_an_outline_and_replaces_the_old_one(chromium: str, built: Path) -> None:
    for name in ("_config.yml", "_toc.yml"):
        (built / name).write_text({"_config.yml": "title: A book\n", "_toc.yml": TOC}[name])
    html = built / "_build" / "html"
    shutil.copytree(built / "book", html / "book")
    (html / STAMP).write_text("{}")
    out = built / "_build" / "pdf" / "lifroles.pdf"
    out.parent.mkdir()
    out.write_text("old")
    assert print_pdf(built) == out
    data = out.read_bytes()
    assert data.startswith(b"%PDF-")
    assert len(re.findall(rb"/Type /Page\b", data)) == 3, "the title and two pages"
    assert b"/Outlines" in data and b"/StructTreeRoot" in data
    assert [path.name for path in out.parent.iterdir()] == ["lifroles.pdf"], "nothing else is left"


TOC = "format: jb-book\nroot: book/one\nchapters:\n  - file: book/two\n"
