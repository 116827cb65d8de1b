"""Is the built book whole, and does it work without a network?

Every internal link, anchor, image, script and style has to be in the book itself, and no page may ask
another server for anything. Hyperlinks to other sites are fine: nothing is fetched until they are followed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from urllib.parse import unquote, urlsplit

from bs4 import BeautifulSoup, Tag

from lifroles.gate.base import Problem

# What a browser fetches by itself, by tag and attribute. Of <link>, only some relations are fetched.
_FETCHED = {
    "script": ("src",),
    "img": ("src", "srcset"),
    "source": ("src", "srcset"),
    "iframe": ("src",),
    "video": ("src", "poster"),
    "audio": ("src",),
    "embed": ("src",),
    "object": ("data",),
    "track": ("src",),
    "input": ("src",),
    "use": ("href",),
}
_FETCHED_LINKS = {"stylesheet", "preload", "modulepreload", "prefetch", "preconnect", "icon", "shortcut", "manifest"}
_CSS_URL = re.compile(r"url\(\s*['\"]?([^'\")]+)|@import\s+['\"]([^'\"]+)")
_ADDRESS = re.compile(r"https?://(?:[\w-]+\.)+[a-z]{2,}(?::\d+)?(?:[/?#]\S*)?")
_SCRIPT_URL = re.compile(r"https?://[^\s\"'<>\\]+\.(?:m?js|css)\b")
HEAVIEST = 2_000_000
"""Bytes that a page may weigh with its own pictures; scripts and styles, which all pages share, are not counted."""

_LINK = "Mend the link, or the page it points to"


_OBJECT = re.compile(r"<[A-Za-z_][\w.]* object(?: at 0x[0-9a-f]+)?>")
"""How Python names what cannot show itself."""


def check_html(html: Path, docnames: Iterable[str], profile: str = "archive") -> list[Problem]:
    """Return the problems of a built book.

    Arguments:
        html: the folder of the built book.
        docnames: the pages of the table of contents, without endings; each has to be there.
        profile: the profile that the pages were made with; every page says so unless it is ``archive``.
    """
    html = html.resolve()
    problems: list[Problem] = []
    for name in docnames:
        if not (html / f"{name}.html").is_file():
            problems.append(Problem(f"{name}.html", "the page was not built", "See the log of Jupyter Book"))
    pages = {
        path: _read(path) for path in sorted(html.rglob("*.html")) if "_static" not in path.relative_to(html).parts
    }
    anchors = {path: {value for tag in soup.find_all(True) for value in _names(tag)} for path, soup in pages.items()}
    for path, soup in pages.items():
        page = path.relative_to(html).as_posix()
        problems.extend(_check_content(page, soup))
        problems.extend(_check_weight(html, path, soup))
        problems.extend(_check_fetched(html, path, soup))
        problems.extend(_check_links(html, path, soup, anchors))
        is_redirect = soup.find("body") is None
        if profile != "archive" and not is_redirect and profile not in _announcement(soup):
            problems.append(Problem(page, f"it does not say that the profile '{profile}' made it", "Build it again"))
    for style in sorted(html.rglob("*.css")):
        problems.extend(_check_style(html, style, style.read_text("utf-8", errors="replace")))
    return problems


def _read(path: Path) -> BeautifulSoup:
    return BeautifulSoup(path.read_text("utf-8"), "html.parser")


def _announcement(soup: BeautifulSoup) -> str:
    banner = soup.find(class_="bd-header-announcement")
    return banner.get_text() if banner else ""


def _names(tag: Tag) -> Iterator[str]:
    for attribute in ("id", "name"):
        if value := _value(tag, attribute):
            yield value


def _value(tag: Tag, attribute: str) -> str:
    value = tag.get(attribute)
    return value.strip() if isinstance(value, str) else ""


def _is_external(url: str) -> bool:
    return url.startswith("//") or urlsplit(url).scheme in ("http", "https", "ftp", "ws", "wss")


def _check_content(page: str, soup: BeautifulSoup) -> Iterator[Problem]:
    # A walk of our own: a CSS selector of several parts takes as long as reading the page.
    classes = [set(tag["class"]) for tag in soup.find_all(class_=True)]
    if any("output_error" in found or {"output", "traceback"} <= found for found in classes):
        yield Problem(page, "it shows a traceback", "Mend the notebook and run 'lifroles book' again")
    if any({"system-message", "problematic"} & found for found in classes):
        yield Problem(page, "it shows a message of Sphinx in place of its text", "See the log of Jupyter Book")
    shown = next((pre.get_text() for pre in soup.find_all("pre") if _OBJECT.fullmatch(pre.get_text().strip())), None)
    if shown:
        yield Problem(page, f"it shows {shown.strip()} in place of its content", "Show something that HTML can say")


def _check_weight(html: Path, path: Path, soup: BeautifulSoup) -> Iterator[Problem]:
    pictures = {_target(html, path, _value(tag, "src")) for tag in soup.find_all("img")}
    weight = sum(file.stat().st_size for file in {path, *pictures} if file.is_file())
    if weight > HEAVIEST:
        what = f"it weighs {weight / 1e6:.1f} MB, more than {HEAVIEST / 1e6:g} MB"
        yield Problem(path.relative_to(html).as_posix(), what, "Show less on it, or thin out what its figures draw")


def _check_fetched(html: Path, path: Path, soup: BeautifulSoup) -> Iterator[Problem]:
    """Check everything that a browser fetches to show a page."""
    page = path.relative_to(html).as_posix()
    for tag in soup.find_all(True):
        for url in _fetched_by(tag):
            if _is_external(url):
                mend = "Vendor it below book/_static, or leave it out"
                yield Problem(page, f"<{tag.name}> fetches {url}, so the page needs a network", mend)
            elif missing := _missing(html, path, url):
                yield Problem(page, f"<{tag.name}> needs '{missing}', which is not in the book", _LINK)
        if tag.name == "style" or tag.has_attr("style"):
            text = tag.get_text() if tag.name == "style" else _value(tag, "style")
            yield from _check_style(html, path, text)
        if tag.name == "script" and not tag.has_attr("src") and (found := _SCRIPT_URL.search(tag.get_text())):
            yield Problem(page, f"a script names {found[0]}, so the page may need a network", "Leave it out")


def _fetched_by(tag: Tag) -> Iterator[str]:
    if tag.name == "link":
        relation = tag.get("rel") or []
        if _FETCHED_LINKS & set(relation if isinstance(relation, list) else relation.split()):
            yield _value(tag, "href")
    for attribute in _FETCHED.get(tag.name, ()):
        value = _value(tag, attribute)
        if attribute == "srcset":
            yield from (part.split()[0] for part in value.split(",") if part.strip())
        elif value:
            yield value


def _check_links(html: Path, path: Path, soup: BeautifulSoup, anchors: dict[Path, set[str]]) -> Iterator[Problem]:
    """Check that every internal hyperlink leads to a file, and to an anchor where it names one.

    Of one to another site its form alone is checked: nothing is fetched.
    """
    page = path.relative_to(html).as_posix()
    for tag in soup.find_all(["a", "area"]):
        url = _value(tag, "href")
        if urlsplit(url).scheme in ("http", "https") and not _ADDRESS.fullmatch(url):
            yield Problem(page, f"the link to '{url}' is not an address on the web", _LINK)
        if not url or _is_external(url) or urlsplit(url).scheme:
            continue
        if missing := _missing(html, path, url):
            yield Problem(page, f"the link to '{missing}' leads nowhere", _LINK)
            continue
        target, anchor = _target(html, path, url), unquote(urlsplit(url).fragment)
        if anchor and target in anchors and anchor not in anchors[target]:
            yield Problem(page, f"the link to '{url}' names an anchor that is not there", _LINK)


def _check_style(html: Path, path: Path, text: str) -> Iterator[Problem]:
    page = path.relative_to(html).as_posix()
    for match in _CSS_URL.finditer(text):
        url = (match[1] or match[2]).strip()
        if _is_external(url):
            yield Problem(page, f"a style fetches {url}, so the page needs a network", "Vendor it or leave it out")


def _target(html: Path, path: Path, url: str) -> Path:
    """Return the file that an internal address means."""
    relative = unquote(urlsplit(url).path)
    if not relative:
        return path
    target = (html / relative.lstrip("/") if relative.startswith("/") else path.parent / relative).resolve()
    return target / "index.html" if target.is_dir() else target


def _missing(html: Path, path: Path, url: str) -> str | None:
    """Return the address if it means a file that is not in the book, else nothing."""
    if urlsplit(url).scheme in ("data", "mailto", "javascript", "blob", "about"):
        return None
    target = _target(html, path, url)
    return None if target.is_file() and target.is_relative_to(html) else url
