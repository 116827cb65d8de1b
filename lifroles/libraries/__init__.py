"""What other libraries mean by leak and reset: every node of theirs that comes near ours, run beside it.

:mod:`~lifroles.libraries.rows` says what is known, one row a node; :mod:`~lifroles.libraries.peers` runs the nodes;
:mod:`~lifroles.libraries.record` compares, and keeps the outcome in ``results/libraries.json``, so that a reader who
has none of the libraries sees what they did. SpikingJelly is always there; snnTorch and Norse are in the extra
``bench``, and nothing here imports them before they are to run.
"""

from lifroles.libraries.record import Comparison, compare, read
from lifroles.libraries.rows import LIBRARIES, ROWS, Row

__all__ = ["LIBRARIES", "ROWS", "Comparison", "Row", "compare", "read"]
