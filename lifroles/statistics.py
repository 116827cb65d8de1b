"""How sure a mean over a few seeds is, and a difference between two."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from lifroles.errors import LifrolesError


class StatisticsError(LifrolesError):
    """The numbers given cannot be summed up."""


LEVEL = 0.95
"""The confidence level of every interval in the book."""

FEWEST = 3
"""Values that an interval takes: of two it is six times as wide as of three alike, and tells a reader nothing."""


@dataclass(frozen=True, slots=True)
class Interval:
    """A mean, its confidence interval and how many values it is of.

    ``low`` and ``high`` are ``None`` below :data:`FEWEST` values: they say next to nothing about the spread.
    """

    mean: float
    low: float | None
    high: float | None
    n: int
    level: float = LEVEL

    def contains(self, value: float) -> bool | None:
        """Return whether ``value`` lies in the interval, ends included; ``None`` where there is no interval."""
        if self.low is None or self.high is None:
            return None
        return self.low <= value <= self.high


def mean_interval(values: Sequence[float], level: float = LEVEL) -> Interval:
    """Return the mean of independent values with its Student t interval, where there are :data:`FEWEST` of them.

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
    if n < FEWEST:
        return Interval(mean, None, None, n, level)
    error = math.sqrt(math.fsum((value - mean) ** 2 for value in values) / (n - 1) / n)
    half = float(stats.t.ppf((1 + level) / 2, n - 1)) * error
    return Interval(mean, mean - half, mean + half, n, level)


RESAMPLES = 10_000
"""Resamples of a bootstrap."""


@dataclass(frozen=True, slots=True)
class Difference:
    """How two sets of runs differ, seed by seed.

    Arguments:
        mean: mean of the differences.
        low, high: 95 % interval of the mean by the percentile bootstrap over seeds; ``None`` below two seeds. With few
            seeds it is too narrow: of two it is the two differences themselves.
        n: seeds that both have.
        effect: the mean in units of the differences' standard deviation (Cohen's d_z); ``None`` below two seeds and
            where all differences are equal.
        p: two-sided paired t-test, which takes the differences as normal; ``None`` where ``effect`` is.
        p_exact: two-sided permutation test over all signs of the differences, which assumes nothing but symmetry; it
            cannot fall below ``2 / 2**n``. ``None`` below two seeds.
    """

    mean: float
    low: float | None
    high: float | None
    n: int
    effect: float | None
    p: float | None
    p_exact: float | None


def paired_difference(first: Mapping[int, float], second: Mapping[int, float]) -> Difference | None:
    """Return by how much ``second`` is above ``first``; ``None`` where they have no seed in common.

    Arguments:
        first, second: one number a seed. The same seed has to mean the same in both: here the same feed-forward
            weights to begin with, and the same order of the data.

    Raises:
        StatisticsError: a number is not finite.
    """
    pairs = [second[seed] - first[seed] for seed in sorted(first.keys() & second.keys())]
    if not pairs:
        return None
    n, mean = len(pairs), mean_interval(pairs).mean
    if n == 1:
        return Difference(mean, None, None, 1, None, None, None)
    values = np.array(pairs)
    draws = np.random.default_rng(0).integers(0, n, (RESAMPLES, n))
    low, high = (float(end) for end in np.quantile(values[draws].mean(1), (0.025, 0.975)))
    deviation = float(values.std(ddof=1))
    # Differences that are equal but for rounding have no spread.
    if deviation <= 1e-12 * max(abs(values)):
        return Difference(mean, low, high, n, None, None, _sign_flips(values))
    effect = mean / deviation
    p = 2 * float(stats.t.sf(abs(effect) * math.sqrt(n), n - 1))
    return Difference(mean, low, high, n, effect, p, _sign_flips(values))


def _sign_flips(values: np.ndarray) -> float:
    """Return the share of all signs of the values that bring their mean at least as far from 0 as it is."""
    if len(values) > 15:
        signs = np.random.default_rng(0).choice((-1.0, 1.0), (RESAMPLES, len(values)))
    else:
        signs = np.array(list(itertools.product((-1.0, 1.0), repeat=len(values))))
    own = abs(values.sum())
    return float((np.abs(signs @ values) >= own * (1 - 1e-12)).mean())


def holm(p: Sequence[float]) -> list[float]:
    """Return p-values of several tests, corrected for their number (Holm 1979), in the order given.

    Raises:
        StatisticsError: one is not between 0 and 1.
    """
    for value in p:
        if not 0 <= value <= 1:
            raise StatisticsError(f"One of the p-values is {value}: give numbers between 0 and 1.")
    corrected = [0.0] * len(p)
    least = 0.0
    for rank, i in enumerate(sorted(range(len(p)), key=p.__getitem__)):
        # A test never comes out surer than one with a smaller p.
        least = max(least, min(1.0, (len(p) - rank) * p[i]))
        corrected[i] = least
    return corrected


def difference_error(first: float, second: float, samples: int) -> float:
    """Return the standard error of the difference of two accuracies on test sets of so many samples.

    Both are taken as binomial and independent. Two networks tested on the same samples err together on some of them,
    which makes the error smaller; how much, only their answers would tell.

    Raises:
        StatisticsError: an accuracy is not between 0 and 1, or there are no samples.
    """
    if samples < 1:
        raise StatisticsError(f"samples is {samples}: give the size of the test set.")
    for value in (first, second):
        if not 0 <= value <= 1:
            raise StatisticsError(f"An accuracy is {value}: give a share between 0 and 1.")
    return math.sqrt((first * (1 - first) + second * (1 - second)) / samples)
