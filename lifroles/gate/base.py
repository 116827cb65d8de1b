"""What a check returns, and where the parts of the book lie."""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

from lifroles.errors import BookError


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """Why the book must not be published.

    Arguments:
        page: the file at fault, relative to the root of the project.
        what: what is wrong with it, without a full stop.
        mend: what to do about it, without a full stop.
    """

    page: str
    what: str
    mend: str

    def __str__(self) -> str:
        return f"{self.page}: {self.what}. {self.mend}."


class PublicationError(BookError):
    """The book was refused; ``problems`` says why, page by page."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = sorted(set(problems))
        count = "1 problem" if len(self.problems) == 1 else f"{len(self.problems)} problems"
        super().__init__("\n  ".join([f"The book is not published, because of {count}:", *map(str, self.problems)]))


@dataclass(frozen=True, slots=True)
class Layout:
    """The places of a book, all below ``root``."""

    root: Path

    @property
    def config(self) -> Path:
        """Jupyter Book's configuration."""
        return self.root / "_config.yml"

    @property
    def toc(self) -> Path:
        """The table of contents."""
        return self.root / "_toc.yml"

    @property
    def sources(self) -> Path:
        """The notebooks as they are committed, without outputs."""
        return self.root / "notebooks"

    @property
    def executed(self) -> Path:
        """The executed copies, made by the build and never committed."""
        return self.root / "book" / "notebooks"

    @property
    def build(self) -> Path:
        """Everything that the build makes and that is not a page source."""
        return self.root / "_build"

    @property
    def html(self) -> Path:
        """The published book."""
        return self.build / "html"

    def source(self, notebook: str) -> Path:
        """The committed notebook of this name."""
        return self.sources / f"{notebook}.ipynb"

    def copy(self, notebook: str) -> Path:
        """The executed copy of the notebook of this name."""
        return self.executed / f"{notebook}.ipynb"

    def page(self, path: Path) -> str:
        """Name a file as problems do: relative to the root, with forward slashes."""
        return path.relative_to(self.root).as_posix()

    def notebooks(self) -> list[str]:
        """The names of the committed notebooks, in the order of their file names."""
        return sorted(path.stem for path in self.sources.glob("*.ipynb"))


def digest(parts: Mapping[str, bytes]) -> str:
    """Return one hash of named byte strings, in any order."""
    total = hashlib.sha256()
    for name in sorted(parts):
        total.update(f"{name}\0{hashlib.sha256(parts[name]).hexdigest()}\n".encode())
    return total.hexdigest()[:16]


def shared_inputs(layout: Layout) -> str:
    """Return one hash of what every executed notebook depends on beside its own source.

    That is the package with the files that lie in it, the archived runs, the lock file and Python's minor version.
    Runs trained in place are not among them: they follow from the others.
    """
    files = [*(layout.root / "lifroles").rglob("*"), *(layout.root / "results").rglob("*")]
    files.append(layout.root / "requirements.lock")
    files = [path for path in files if path.is_file() and "__pycache__" not in path.parts]
    parts = {layout.page(path): path.read_bytes() for path in files}
    parts["python"] = f"{sys.version_info.major}.{sys.version_info.minor}".encode()
    return digest(parts)


def notebook_inputs(source: bytes, given: Mapping[str, object], shared: str) -> str:
    """Return the hash that an executed copy records, and that is asked before it is executed again.

    Arguments:
        source: the committed notebook, byte for byte.
        given: the parameters that differ from the defaults, as plain data.
        shared: the result of :func:`shared_inputs`.
    """
    return digest({"source": source, "given": json.dumps(given, sort_keys=True).encode(), "shared": shared.encode()})


def nearest(name: object, known: Iterable[object], otherwise: str) -> str:
    """Return a mend that points at the nearest known name, or another one where none is near."""
    near = get_close_matches(str(name), [str(item) for item in known], n=1, cutoff=0.6)
    return f"The nearest known one is '{near[0]}'" if near else otherwise
