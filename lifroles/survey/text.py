"""The record's numbers in words."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from IPython.display import Markdown

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


def measured(part: str) -> Callable[[Callable[..., list[object]]], Callable[..., list[object]]]:
    """Let a function return one sentence instead where its part of the record is not there."""

    def wrap(function: Callable[..., list[object]]) -> Callable[..., list[object]]:
        @wraps(function)
        def shown(record: Record, *arguments: Any) -> list[object]:
            if part not in record:
                return [Markdown(f"This has not been measured yet; `{COMMAND} {part}` measures it.")]
            return function(record, *arguments)

        return shown

    return wrap
