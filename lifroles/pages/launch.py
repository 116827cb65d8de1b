"""Launch buttons: where they lead.

The theme takes a page's own place in the repository for the notebook to open. A page of this book is an executed copy
that is not committed; what a reader wants to run is its source.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from docutils.nodes import document
    from sphinx.application import Sphinx

EXECUTED = "book/notebooks/"
"""Below it lie the executed copies, by the names of their sources."""
SOURCES = "notebooks/"


def point_at_source(
    app: Sphinx, pagename: str, templatename: str, context: dict[str, Any], doctree: document | None
) -> None:
    """Lead a page's launch buttons to the notebook that it was executed from (``html-page-context``)."""
    if not pagename.startswith(EXECUTED):
        return
    below = str(app.config.html_theme_options.get("path_to_docs", "")).strip("/")
    page = f"{below}/{pagename}" if below else pagename
    source = SOURCES + pagename.removeprefix(EXECUTED)
    for group in context.get("header_buttons", ()):
        if group.get("label") == "launch-buttons":
            for button in group["buttons"]:
                button["url"] = button.get("url", "").replace(f"/{page}.", f"/{source}.")
