"""The record's numbers in words."""

from __future__ import annotations

from lifroles.prose import NBSP, counted
from lifroles.survey.record import COMMAND, Record


def behind(record: Record, part: str) -> str:
    """Return where the numbers of a figure come from."""
    p = record[part]["provenance"]
    commit = str(p["commit"] or "unknown")[:7] + (" with local changes" if p["dirty"] else "")
    return (
        f"From results/data/{part}.json, which {COMMAND} {part} makes: {p['processor']}, "
        f"{counted(p['threads'], 'thread')}, commit {commit}, {p['started'][:10]}."
    )


def around(mean: float, deviation: float) -> str:
    """Return ``"4,108 ± 812"``, with the digits that the deviation has."""
    digits = 0 if deviation >= 10 else 1 if deviation >= 1 else 2
    return f"{mean:,.{digits}f} ± {deviation:,.{digits}f}"


def minutes(seconds: float) -> str:
    """Return a time in the unit that suits it."""
    if seconds < 100:
        return f"{seconds:.0f}{NBSP}s"
    return f"{seconds / 60:.0f}{NBSP}min" if seconds < 6000 else f"{seconds / 3600:.1f}{NBSP}h"
