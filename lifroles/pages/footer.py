"""Version and commit, below every page."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from lifroles import __version__
from lifroles.provenance import code

if TYPE_CHECKING:
    from sphinx.application import Sphinx


def text(commit: str | None, dirty: bool | None) -> str:
    """Return the line as HTML: the version, and the commit that the pages were built from where one is known."""
    if commit is None:
        return f"<p>lifroles {escape(__version__)}</p>"
    local = " with local changes" if dirty else ""
    return f"<p>lifroles {escape(__version__)}, built from commit <code>{escape(commit[:7])}</code>{local}</p>"


def add(app: Sphinx) -> None:
    """Add the line to what the configuration puts below a page (``builder-inited``)."""
    options = app.config.html_theme_options
    options["extra_footer"] = options.get("extra_footer", "") + text(*code())
