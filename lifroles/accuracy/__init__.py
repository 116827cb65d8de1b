"""Section 4.1: which runs it shows, and what they say.

:mod:`.study` chooses the runs; :mod:`.matrix` is Table 6, :mod:`.words` each benchmark in words, :mod:`.differences`
every pair of variants, :mod:`.roles` the paper's claims, :mod:`.activity` spike rates and operations (Fig. 4),
:mod:`.mechanism` what lies behind XOR, :mod:`.questions` (with :mod:`.settings` and :mod:`.answers`) what the paper
leaves open, :mod:`.downloads` the numbers as files. :mod:`.page` puts them into notebook cells.
"""

from __future__ import annotations

from lifroles.accuracy.study import Cell, Delay, Study, collect, replay

__all__ = ["Cell", "Delay", "Study", "collect", "replay"]
