"""Section 4.2: which runs and probe records it shows (:mod:`.study`), and what they say (:mod:`.words`)."""

from __future__ import annotations

from lifroles.generalisation.study import Row, Study, collect

__all__ = ["Row", "Study", "collect"]
