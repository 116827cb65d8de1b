"""Section 4.3: which attacks on which networks it shows (:mod:`.study`), and what they say (:mod:`.words`)."""

from __future__ import annotations

from lifroles.robustness.study import Study, collect

__all__ = ["Study", "collect"]
