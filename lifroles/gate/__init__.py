"""The publication gate: what must be true of a book before anybody reads it.

Jupyter Book 1.x lets a misspelt configuration, a traceback, a half-run notebook and a warning through.
Each module here asks one question; every answer is a list of :class:`Problem`, and an empty one means yes.
"""

from lifroles.gate.base import Layout, Problem, PublicationError
from lifroles.gate.cards import check_claims
from lifroles.gate.config import check_config, check_toc, toc_pages
from lifroles.gate.executed import check_copies, check_copy
from lifroles.gate.html import check_html
from lifroles.gate.notebooks import check_sources
from lifroles.gate.numbers import check_numbers, check_sentences

__all__ = [
    "Layout",
    "Problem",
    "PublicationError",
    "check_claims",
    "check_config",
    "check_copies",
    "check_copy",
    "check_html",
    "check_numbers",
    "check_sentences",
    "check_sources",
    "check_toc",
    "toc_pages",
]
