"""A built page that is broken, or that needs a network, is refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from lifroles.gate import Problem, check_html

PAGES = ["book/index", "book/notebooks/alpha", "book/notebooks/beta", "book/notes"]
NOTES = "book/notes.html"


def _with(text: str) -> Callable[[Path], object]:
    """Put text into a page, at the end of its article."""

    def change(html: Path) -> None:
        page = html / NOTES
        before = page.read_text()
        assert "The end." in before
        page.write_text(before.replace("The end.", f"The end.</p>{text}<p>", 1))

    return change


@pytest.fixture
def html(tiny_book: Path) -> Path:
    return tiny_book / "_build" / "html"


def _whats(problems: list[Problem]) -> list[str]:
    return [problem.what for problem in problems]


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (_with('<a href="gone.html">x</a>'), "the link to 'gone.html' leads nowhere"),
        (_with('<a href="../../outside.html">x</a>'), "the link to '../../outside.html' leads nowhere"),
        (_with('<a href="index.html#nothing">x</a>'), "'index.html#nothing' names an anchor that is not there"),
        (_with('<a href="#nothing">x</a>'), "'#nothing' names an anchor"),
        (_with('<img src="gone.png">'), "<img> needs 'gone.png', which is not in the book"),
        (_with('<script src="../_static/gone.js"></script>'), "<script> needs '../_static/gone.js'"),
        (_with('<link rel="stylesheet" href="gone.css">'), "<link> needs 'gone.css'"),
        (_with('<script src="https://unpkg.com/x.js"></script>'), "<script> fetches https://unpkg.com/x.js"),
        (_with('<link rel="stylesheet" href="//cdn.example/x.css">'), "<link> fetches //cdn.example/x.css"),
        (_with('<img srcset="https://example.org/a.png 2x">'), "<img> fetches https://example.org/a.png"),
        (_with('<iframe src="https://example.org"></iframe>'), "<iframe> fetches https://example.org"),
        (_with("<style>@import 'https://example.org/x.css';</style>"), "a style fetches https://example.org/x.css"),
        (_with('<p style="background: url(https://example.org/a)">x</p>'), "a style fetches https://example.org/a"),
        (_with('<script>load("https://cdn.example/x.mjs")</script>'), "a script names https://cdn.example/x.mjs"),
        (_with('<div class="output traceback">ValueError</div>'), "it shows a traceback"),
        (_with("<pre><span>&lt;</span>a.B object&gt;\n</pre>"), "it shows <a.B object> in place of its content"),
        (_with('<div class="system-message">?</div>'), "it shows a message of Sphinx"),
        (_with(f"<p>{'word ' * 400_000}</p>"), "it weighs 2.0 MB, more than 2 MB"),
        (_with('<a href="https:/example.org/x">x</a>'), "the link to 'https:/example.org/x' is not an address"),
        (_with('<a href="http://">x</a>'), "the link to 'http://' is not an address"),
        (_with('<a href="https://localhost:8000/x">x</a>'), "the link to 'https://localhost:8000/x' is not an address"),
    ],
)
def test_a_fault_in_a_page_is_named(html: Path, fault: Callable[[Path], object], words: str) -> None:
    fault(html)
    problems = check_html(html, PAGES)
    assert {problem.page for problem in problems} == {NOTES}
    assert words in "\n".join(_whats(problems))


@pytest.mark.parametrize(
    "text",
    [
        '<a href="https://example.org/x#y">x</a>',
        '<a href="https://doi.org/10.1088/2634-4386/ad6cef">x</a>',
        '<a href="mailto:a@example.org">x</a>',
        '<a href="index.html">x</a>',
        '<a href="#far-away">x</a>',
        '<img src="data:image/png;base64,AAAA">',
        '<link rel="canonical" href="https://example.org/notes.html">',
        '<a href="../search.html?q=x">x</a>',
    ],
)
def test_what_is_no_fault(html: Path, text: str) -> None:
    _with(text)(html)
    assert check_html(html, PAGES) == []


def test_a_style_sheet_may_not_fetch_either(html: Path) -> None:
    (html / "_static" / "extra.css").write_text("@font-face { src: url('https://fonts.example/x.woff2') }")
    problems = check_html(html, PAGES)
    assert [problem.page for problem in problems] == ["_static/extra.css"]
    assert "https://fonts.example/x.woff2" in problems[0].what


def test_a_page_that_was_not_built_is_named(html: Path) -> None:
    problems = check_html(html, [*PAGES, "book/other"])
    assert [(problem.page, problem.what) for problem in problems] == [("book/other.html", "the page was not built")]


def test_every_page_has_to_say_its_profile(html: Path) -> None:
    silent = {problem.page for problem in check_html(html, PAGES, "smoke")}
    assert {f"{page}.html" for page in PAGES} <= silent


def test_a_page_that_says_its_profile_is_fine(html: Path) -> None:
    _with('<div class="bd-header-announcement x"><div>Made</div> by <div>the profile smoke</div></div>')(html)
    assert NOTES not in {problem.page for problem in check_html(html, PAGES, "smoke")}


def test_what_stands_in_code_is_no_tag(html: Path) -> None:
    _with('<pre>&lt;img src="gone.png"&gt;</pre><script>x = "<img src=gone.png>"</script>')(html)
    assert check_html(html, PAGES) == []


def test_equations_need_no_network(html: Path) -> None:
    page = (html / "book/notebooks/beta.html").read_text()
    assert 'src="../../_static/mathjax/startup.js' in page
    assert (html / "_static/mathjax/LICENSE").is_file()
    assert "unpkg.com" not in page
    assert "jsdelivr" not in page
