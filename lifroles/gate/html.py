"""Is the built book whole, and does it work without a network?

Every internal link, anchor, image, script and style has to be in the book itself, and no page may ask
another server for anything. Hyperlinks to other sites are fine: nothing is fetched until they are followed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

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


@dataclass
class _Tag:
    """A start tag; of :data:`_READ` and of the announcement also the text up to its end."""

    name: str
    attributes: Mapping[str, str]
    text: str = ""

    @property
    def classes(self) -> set[str]:
        return set(self.attributes.get("class", "").split())


_READ = ("pre", "style", "script")
_ANNOUNCEMENT = "bd-header-announcement"


class _Reader(HTMLParser):
    """Notes the start tags of a page in order. A tree of it, which nothing here needs, takes three times as long."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[_Tag] = []
        self._reading = _Tag("", {})
        self._text: list[str] | None = None  # of the tag that is being read
        self._depth = 0  # how many of its name are open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = _Tag(tag, {name: (value or "").strip() for name, value in attrs})
        self.tags.append(found)
        if self._text is not None:
            self._depth += tag == self._reading.name
        elif tag in _READ or _ANNOUNCEMENT in found.classes:
            self._reading, self._text, self._depth = found, [], 1

    def handle_data(self, data: str) -> None:
        if self._text is not None:
            self._text.append(data)

    def handle_endtag(self, tag: str) -> None:
        if self._text is None or tag != self._reading.name:
            return
        self._depth -= 1
        if not self._depth:
            self._reading.text, self._text = "".join(self._text), None


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
    anchors = {path: {value for tag in tags for value in _names(tag)} for path, tags in pages.items()}
    for path, tags in pages.items():
        page = path.relative_to(html).as_posix()
        problems.extend(_check_content(page, tags))
        problems.extend(_check_weight(html, path, tags))
        problems.extend(_check_fetched(html, path, tags))
        problems.extend(_check_links(html, path, tags, anchors))
        is_redirect = not any(tag.name == "body" for tag in tags)
        if profile != "archive" and not is_redirect and profile not in _announcement(tags):
            problems.append(Problem(page, f"it does not say that the profile '{profile}' made it", "Build it again"))
    for style in sorted(html.rglob("*.css")):
        problems.extend(_check_style(html, style, style.read_text("utf-8", errors="replace")))
    return problems


def _read(path: Path) -> list[_Tag]:
    reader = _Reader()
    reader.feed(path.read_text("utf-8"))
    reader.close()
    return reader.tags


def _announcement(tags: Sequence[_Tag]) -> str:
    return next((tag.text for tag in tags if _ANNOUNCEMENT in tag.classes), "")


def _names(tag: _Tag) -> Iterator[str]:
    for attribute in ("id", "name"):
        if value := tag.attributes.get(attribute):
            yield value


def _is_external(url: str) -> bool:
    return url.startswith("//") or urlsplit(url).scheme in ("http", "https", "ftp", "ws", "wss")


def _check_content(page: str, tags: Sequence[_Tag]) -> Iterator[Problem]:
    classes = [tag.classes for tag in tags if "class" in tag.attributes]
    if any("output_error" in found or {"output", "traceback"} <= found for found in classes):
        yield Problem(page, "it shows a traceback", "Mend the notebook and run 'lifroles book' again")
    if any({"system-message", "problematic"} & found for found in classes):
        yield Problem(page, "it shows a message of Sphinx in place of its text", "See the log of Jupyter Book")
    shown = next((tag.text for tag in tags if tag.name == "pre" and _OBJECT.fullmatch(tag.text.strip())), None)
    if shown:
        yield Problem(page, f"it shows {shown.strip()} in place of its content", "Show something that HTML can say")


def _check_weight(html: Path, path: Path, tags: Sequence[_Tag]) -> Iterator[Problem]:
    pictures = {_target(html, path, tag.attributes.get("src", "")) for tag in tags if tag.name == "img"}
    weight = sum(file.stat().st_size for file in {path, *pictures} if file.is_file())
    if weight > HEAVIEST:
        what = f"it weighs {weight / 1e6:.1f} MB, more than {HEAVIEST / 1e6:g} MB"
        yield Problem(path.relative_to(html).as_posix(), what, "Show less on it, or thin out what its figures draw")


def _check_fetched(html: Path, path: Path, tags: Sequence[_Tag]) -> Iterator[Problem]:
    """Check everything that a browser fetches to show a page."""
    page = path.relative_to(html).as_posix()
    for tag in tags:
        for url in _fetched_by(tag):
            if _is_external(url):
                mend = "Vendor it below book/_static, or leave it out"
                yield Problem(page, f"<{tag.name}> fetches {url}, so the page needs a network", mend)
            elif missing := _missing(html, path, url):
                yield Problem(page, f"<{tag.name}> needs '{missing}', which is not in the book", _LINK)
        if tag.name == "style" or "style" in tag.attributes:
            text = tag.text if tag.name == "style" else tag.attributes["style"]
            yield from _check_style(html, path, text)
        if tag.name == "script" and "src" not in tag.attributes and (found := _SCRIPT_URL.search(tag.text)):
            yield Problem(page, f"a script names {found[0]}, so the page may need a network", "Leave it out")


def _fetched_by(tag: _Tag) -> Iterator[str]:
    if tag.name == "link" and _FETCHED_LINKS & set(tag.attributes.get("rel", "").split()):
        yield tag.attributes.get("href", "")
    for attribute in _FETCHED.get(tag.name, ()):
        value = tag.attributes.get(attribute, "")
        if attribute == "srcset":
            yield from (part.split()[0] for part in value.split(",") if part.strip())
        elif value:
            yield value


def _check_links(html: Path, path: Path, tags: Sequence[_Tag], anchors: Mapping[Path, set[str]]) -> Iterator[Problem]:
    """Check that every internal hyperlink leads to a file, and to an anchor where it names one.

    Of one to another site its form alone is checked: nothing is fetched.
    """
    page = path.relative_to(html).as_posix()
    for tag in tags:
        if tag.name not in ("a", "area"):
            continue
        url = tag.attributes.get("href", "")
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
