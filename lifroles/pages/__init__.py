"""A Sphinx extension: what the book's pages have beside their text.

Launch buttons that open the source notebook (:mod:`lifroles.pages.launch`), version and commit below every page
(:mod:`lifroles.pages.footer`), and a page for each archived run (:mod:`lifroles.pages.runs`). `_config.yml` lists it
among the extensions; it reads the archive in the folder that the setting ``lifroles_archive`` names, relative to the
book's sources.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lifroles import __version__

if TYPE_CHECKING:
    from sphinx.application import Sphinx

LATE = 900
"""After the theme, whose handlers have priorities up to 501."""


def setup(app: Sphinx) -> dict[str, Any]:
    """Connect the handlers."""
    from lifroles.pages import footer, launch, runs  # a notebook that shows the index needs none of this

    app.add_config_value("lifroles_archive", "results", "html", str)
    app.connect("config-inited", runs.prepare)
    app.connect("builder-inited", footer.add)
    app.connect("html-collect-pages", runs.collect)
    app.connect("html-page-context", launch.point_at_source, priority=LATE)
    return {"version": __version__, "parallel_read_safe": True, "parallel_write_safe": True}
