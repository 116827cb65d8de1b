"""The loops that make :class:`lifroles.sparse.SparseSequence` of a dense one."""

from __future__ import annotations

from typing import Any

from lifroles.compiled import compiled


@compiled
def count(dense: Any, entries: Any, ones: Any) -> None:
    """Count what is not zero, and what is 1, in each step of each sample of ``[T, B, N]``; written to row b · T + t."""
    steps, batch, features = dense.shape
    for t in range(steps):
        for b in range(batch):
            row = dense[t, b]
            some, plain = 0, 0
            for n in range(features):
                some += row[n] != 0
                plain += row[n] == 1
            entries[b * steps + t] = some
            ones[b * steps + t] = plain


@compiled
def fill(dense: Any, indptr: Any, indices: Any, values: Any) -> None:
    """Write the channel and the value of what is not zero; no values where ``values`` is empty."""
    steps, batch, features = dense.shape
    for t in range(steps):
        for b in range(batch):
            row = dense[t, b]
            e = indptr[b * steps + t]
            for n in range(features):
                if row[n] != 0:
                    indices[e] = n
                    if values.shape[0] > 0:
                        values[e] = row[n]
                    e += 1
