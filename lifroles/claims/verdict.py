"""When a claim counts as reproduced."""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from lifroles.claims.quantities import Evidence, Quantity
from lifroles.statistics import Interval, mean_interval

SEEDS = 3
"""Fewer seeds than this decide nothing."""


Part = Literal["leakage", "reset", "recurrence", "all"]
"""What a claim is about: one part of the neuron, or several."""


class Verdict(enum.StrEnum):
    """What became of a claim, from worst to best."""

    NOT_REPRODUCED = "not reproduced"
    NOT_TESTABLE = "not testable here"
    DIRECTION = "direction only"
    REPRODUCED = "reproduced"


@dataclass(frozen=True)
class Test:
    """A comparison that has to hold.

    Arguments:
        quantity: what is compared.
        relation: ``"above"``: the quantity has to be above ``limit``; ``"below"``: below it; ``"within"``: between
            ``-limit`` and ``limit``.
        limit: in the quantity's unit.
    """

    quantity: Quantity
    relation: Literal["above", "below", "within"]
    limit: float = 0.0

    def decide(self, evidence: Evidence) -> Decision:
        """Return the verdict: by the whole 95 % interval, or by the mean alone (then only the direction holds)."""
        values = self.quantity.values(evidence)
        interval = mean_interval(list(values.values())) if values else None
        if interval is None or interval.n < SEEDS or interval.low is None or interval.high is None:
            return Decision(self, Verdict.NOT_TESTABLE, interval)
        if all(self._holds(end) for end in (interval.low, interval.high)):
            return Decision(self, Verdict.REPRODUCED, interval)
        return Decision(self, Verdict.DIRECTION if self._holds(interval.mean) else Verdict.NOT_REPRODUCED, interval)

    def _holds(self, value: float) -> bool:
        if self.relation == "above":
            return value > self.limit
        if self.relation == "below":
            return value < self.limit
        return abs(value) <= self.limit


@dataclass(frozen=True)
class Decision:
    """A test's verdict, and the mean and interval over seeds behind it (``None`` where no run has the number)."""

    test: Test
    verdict: Verdict
    interval: Interval | None


@dataclass(frozen=True)
class Claim:
    """An empirical claim of the paper.

    Arguments:
        name: a short name that stays, for links.
        place: where the paper makes it.
        part: the part of the neuron it is about.
        statement: what it says, in our words.
        tests: what has to hold, all of it.
        why: how the tests follow from the statement, where that is not plain, and where the limits come from.
    """

    name: str
    place: str
    part: Part
    statement: str
    tests: Sequence[Test]
    why: str = ""


@dataclass(frozen=True)
class Outcome:
    """What became of a claim: the worst of its tests' verdicts, except that a test that fails outweighs all."""

    claim: Claim
    verdict: Verdict
    decisions: Sequence[Decision]


def decide(claim: Claim, evidence: Evidence) -> Outcome:
    """Decide a claim by the runs and probes there are."""
    decisions = [test.decide(evidence) for test in claim.tests]
    order = list(Verdict)
    return Outcome(claim, min((d.verdict for d in decisions), key=order.index), decisions)
