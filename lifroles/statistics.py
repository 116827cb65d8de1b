"""How sure a mean over a few seeds is."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from scipy import stats

from lifroles.errors import LifrolesError


class StatisticsError(LifrolesError):
    """The numbers given cannot be summed up."""


@dataclass(frozen=True, slots=True)
class Interval:
    """A mean, its confidence interval and how many values it is of.

    ``low`` and ``high`` are ``None`` where there is one value only: it says nothing about the spread.
    """

    mean: float
    low: float | None
    high: float | None
    n: int
    level: float = 0.95

    def contains(self, value: float) -> bool | None:
        """Return whether ``value`` lies in the interval, ends included; ``None`` where there is no interval."""
        if self.low is None or self.high is None:
            return None
        return self.low <= value <= self.high


def mean_interval(values: Sequence[float], level: float = 0.95) -> Interval:
    """Return the mean of independent values with its Student t interval.

    Arguments:
        values: one number a seed.
        level: the confidence level, between 0 and 1.

    Raises:
        StatisticsError: there are no values, one is not a finite number, or the level is not between 0 and 1.
    """
    if not 0 < level < 1:
        raise StatisticsError(f"level is {level}: give a number between 0 and 1, such as 0.95.")
    if not values:
        raise StatisticsError("There are no values to take a mean of: give at least one.")
    for value in values:
        if not math.isfinite(value):
            raise StatisticsError(f"One of the values is {value}: leave runs out that gave no number.")
    n = len(values)
    mean = math.fsum(values) / n
    if n == 1:
        return Interval(mean, None, None, 1, level)
    error = math.sqrt(math.fsum((value - mean) ** 2 for value in values) / (n - 1) / n)
    half = float(stats.t.ppf((1 + level) / 2, n - 1)) * error
    return Interval(mean, mean - half, mean + half, n, level)
