"""Numbers and lists as words, so that every page writes them the same way."""

from __future__ import annotations

from collections.abc import Iterable

from lifroles.statistics import Interval

NBSP = "\N{NO-BREAK SPACE}"


def percent(share: float, digits: int = 1) -> str:
    """Return a share of 1 in per cent, which no line break parts: ``0.775`` is ``"77.5 %"``."""
    return f"{100 * share:.{digits}f}{NBSP}%"


def points(difference: float, digits: int = 1) -> str:
    """Return a difference of two shares in percentage points, without its sign."""
    return f"{abs(100 * difference):.{digits}f} points"


def signed_points(difference: float, digits: int = 1) -> str:
    """Return a difference of two shares in percentage points, with its sign."""
    text = f"{100 * difference:+.{digits}f}"
    return text.replace("-", "−")


def counted(n: int, noun: str, plural: str | None = None) -> str:
    """Return ``"1 run"``, ``"2 runs"``."""
    return f"{n:,} {noun if n == 1 else plural or noun + 's'}"


def listed(words: Iterable[str]) -> str:
    """Return ``"a"``, ``"a and b"``, ``"a, b and c"``; nothing for nothing."""
    items = list(words)
    if len(items) < 2:
        return "".join(items)
    return f"{', '.join(items[:-1])} and {items[-1]}"


def interval(value: Interval, digits: int = 1) -> str:
    """Return a mean share with its interval and n: ``"77.5 % (70.0 to 85.0, n = 5)"``."""
    mean = percent(value.mean, digits)
    if value.low is None or value.high is None:
        return f"{mean} (n{NBSP}={NBSP}{value.n})"
    return f"{mean} ({100 * value.low:.{digits}f} to {100 * value.high:.{digits}f}, n{NBSP}={NBSP}{value.n})"
