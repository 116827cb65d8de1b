"""The whole book as one PDF: the built pages, put together in the order of the table of contents, and printed.

A browser does the printing, because the figures are SVG in the pages' own colours and the equations are MathJax's. Code
that a page folds away is left out, and of the runs behind a figure their number is printed.
"""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from html import escape
from pathlib import Path
from urllib.parse import unquote, urlsplit

from bs4 import BeautifulSoup, Tag

from lifroles import __version__
from lifroles.errors import BookError
from lifroles.provenance import code

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
"""Commands that start a browser which can print, in the order in which they are looked for."""

_FLAGS = ("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking")
_TIMEOUT = 300_000  # milliseconds; equations of the whole book, on a busy machine
_FOOTER = '<div style="font-size: 8px; width: 100%; text-align: center"><span class="pageNumber"></span></div>'
_STYLE = """
@page { size: A4; margin: 18mm 18mm 20mm; }
html, body { height: auto; overflow: visible; font-size: 10.5pt; background: white; }
body { display: block; padding: 0; }
article { break-before: page; }
article h1 { margin-top: 0; }
h1, h2, h3, h4 { break-after: avoid; }
figure, svg, tr, .admonition { break-inside: avoid; }
pre, pre code { white-space: pre-wrap; overflow-wrap: anywhere; }
div.lifroles-table, div.cell_output, div.math { overflow: visible !important; }
table { font-size: 8.5pt !important; width: 100%; }
table :is(th, td) { min-width: 0 !important; padding: 0.15rem 0.35rem !important; }
table :is(th, td) { overflow-wrap: break-word !important; }
table :is(code, tbody th) { overflow-wrap: anywhere !important; }
caption, thead { break-after: avoid; }
tbody tr:first-child { break-before: avoid; }
details.hide { display: none; }
.headerlink, .lifroles-filter, .copybtn, button, form { display: none !important; }
.lifroles-print-title { margin: 30vh 0 0; text-align: center; }
"""


def write(html: Path, pages: Sequence[str], title: str, out: Path) -> Path:
    """Print a built book.

    Arguments:
        html: the folder of the built book.
        pages: its pages in order, without endings.
        title: of the book.
        out: the PDF; one that is there is replaced in one go.

    Returns:
        ``out``.

    Raises:
        BookError: there is no browser, or it did not print.
    """
    try:
        from playwright.sync_api import Error
    except ImportError:
        raise BookError("Printing needs the package playwright: pip install -c requirements.lock playwright.") from None
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None:
        raise BookError("Printing needs Chromium or Chrome: tools/install-browser.sh installs one on Debian.")
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out.parent) as folder:
        source, printed = Path(folder, "book.html"), Path(folder, "book.pdf")
        source.write_text(assemble(html, pages, title), "utf-8")
        try:
            # In a thread of its own: Playwright refuses one in which a loop runs, such as a notebook's.
            with ThreadPoolExecutor(1) as aside:
                aside.submit(_print, browser, source.as_uri(), printed).result()
        except Error as error:
            raise BookError(f"The browser did not print the book ({str(error).splitlines()[0]}): try again.") from error
        os.replace(printed, out)
    return out


def _print(browser: str, address: str, out: Path) -> None:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=browser, args=_FLAGS)
        page = chromium.new_page(color_scheme="light", offline=True)
        page.set_default_timeout(_TIMEOUT)
        page.goto(address)
        page.evaluate("() => window.MathJax && MathJax.startup && MathJax.startup.promise.then(() => true)")
        page.pdf(
            path=out,
            prefer_css_page_size=True,
            print_background=True,
            outline=True,
            tagged=True,
            display_header_footer=True,
            header_template="<span></span>",
            footer_template=_FOOTER,
        )
        chromium.close()


def assemble(html: Path, pages: Sequence[str], title: str) -> str:
    """Return one document of all pages: anchors named anew by page, links between pages inside the document.

    A link to what is not printed, such as the page of a single run or a file, becomes plain text.
    """
    html = html.resolve()
    names = {(html / f"{page}.html").resolve(): _slug(page) for page in pages}
    head, articles = "", []
    for place, name in names.items():
        soup = BeautifulSoup(place.read_text("utf-8"), "html.parser")
        head = head or _head(soup, place)
        article = soup.select_one("article.bd-article")
        if article is None:
            raise BookError(f"{place.relative_to(html)} has no text to print: build the book again.")
        _adapt(article, place, name, names)
        articles.append(str(article))
    commit, _ = code()
    version = f"lifroles {__version__}" + (f", commit {commit[:7]}" if commit else "")
    front = f'<section class="lifroles-print-title"><h1>{escape(title)}</h1><p>{escape(version)}</p></section>'
    return (
        f'<!doctype html><html lang="en" data-theme="light"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        f"{head}<style>{_STYLE}</style></head><body>{front}{''.join(articles)}</body></html>"
    )


def _slug(page: str) -> str:
    return "page-" + re.sub(r"[^A-Za-z0-9]+", "-", page)


def _head(soup: BeautifulSoup, place: Path) -> str:
    """Return the styles of a page, and MathJax with its settings."""
    parts = []
    for tag in soup.select('head link[rel="stylesheet"], head script'):
        kind = "href" if tag.name == "link" else "src"
        text = str(tag.get(kind, ""))
        if tag.name == "script" and "mathjax" not in (text or tag.get_text()).lower():
            continue
        if text:
            tag[kind] = _file(place, text).as_uri()
        parts.append(str(tag))
    return "".join(parts)


def _file(place: Path, url: str) -> Path:
    """Return the file that an address on a page means."""
    return (place.parent / unquote(urlsplit(url).path)).resolve() if urlsplit(url).path else place


def _adapt(article: Tag, place: Path, name: str, names: Mapping[Path, str]) -> None:
    for tag in article.select("script, iframe, .prev-next-footer"):
        tag.decompose()
    for tag in article.find_all(True):
        # A drawing refers to its own parts, by names that no other drawing has.
        if tag.get("id") and tag.find_parent("svg") is None:
            tag["id"] = f"{name}-{tag['id']}"
        if tag.name == "img":
            src = str(tag.get("src", ""))
            if src and not urlsplit(src).scheme:
                tag["src"] = _file(place, src).as_uri()
        elif tag.name == "a" and tag.get("href") is not None:
            href = str(tag["href"])
            parts = urlsplit(href)
            if parts.scheme in ("http", "https", "mailto"):
                continue
            target = None if parts.scheme else names.get(_file(place, href))
            if target is None:
                del tag["href"]
            else:
                tag["href"] = f"#{target}-{parts.fragment}" if parts.fragment else f"#{target}"
    article["id"] = name
