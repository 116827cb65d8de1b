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
        interval = _interval(self.quantity, evidence)
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

    @property
    def contradicted(self) -> bool:
        """Whether the whole interval lies where the test does not want it."""
        test, found = self.test, self.interval
        if self.verdict is not Verdict.NOT_REPRODUCED or found is None or found.low is None or found.high is None:
            return False
        if test.relation == "above":
            return found.high <= test.limit
        if test.relation == "below":
            return found.low >= test.limit
        return found.low > test.limit or found.high < -test.limit


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
        beside: what a reader of the verdict should see with it; it decides nothing.
        by_definition: what of it follows from the equations, whatever is measured.
    """

    name: str
    place: str
    part: Part
    statement: str
    tests: Sequence[Test]
    why: str = ""
    beside: Sequence[Quantity] = ()
    by_definition: str = ""


@dataclass(frozen=True)
class Measured:
    """A quantity's mean and interval over seeds (``None`` where no run has the number)."""

    quantity: Quantity
    interval: Interval | None


@dataclass(frozen=True)
class Outcome:
    """What became of a claim: the worst of its tests' verdicts, except that a test that fails outweighs all."""

    claim: Claim
    verdict: Verdict
    decisions: Sequence[Decision]
    beside: Sequence[Measured] = ()

    @property
    def contradicted(self) -> bool:
        """Whether a test fails by its whole interval, so that more seeds would hardly change the verdict."""
        return any(decision.contradicted for decision in self.decisions)

    def __str__(self) -> str:
        """Return the verdict, and where the claim is not reproduced, whether that is sure."""
        if self.verdict is not Verdict.NOT_REPRODUCED:
            return str(self.verdict)
        return f"{self.verdict}: {'contradicted' if self.contradicted else 'open'}"


def decide(claim: Claim, evidence: Evidence) -> Outcome:
    """Decide a claim by the runs and probes there are."""
    decisions = [test.decide(evidence) for test in claim.tests]
    order = list(Verdict)
    beside = [Measured(quantity, _interval(quantity, evidence)) for quantity in claim.beside]
    return Outcome(claim, min((d.verdict for d in decisions), key=order.index), decisions, beside)


def _interval(quantity: Quantity, evidence: Evidence) -> Interval | None:
    values = quantity.values(evidence)
    return mean_interval(list(values.values())) if values else None
