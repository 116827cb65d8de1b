"""Section 4.1: which runs it shows (:mod:`.study`), and what they say (:mod:`.words`)."""

from __future__ import annotations

from lifroles.accuracy.study import Cell, Delay, Study, collect, replay

__all__ = ["Cell", "Delay", "Study", "collect", "replay"]
