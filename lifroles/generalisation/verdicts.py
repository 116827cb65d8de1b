"""What becomes of the paper's claims by the runs that a page shows, also while there are few of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from lifroles import prose
from lifroles.claims import CLAIMS, Claim, Evidence, Outcome, Verdict, decide
from lifroles.claims.page import measured, needed
from lifroles.claims.verdict import SEEDS, Test
from lifroles.tables import Table

DECIDED = {
    Verdict.REPRODUCED: "reproduced",
    Verdict.DIRECTION: "in direction only",
    Verdict.NOT_REPRODUCED: "not reproduced",
}


def of_section(*places: str) -> list[Claim]:
    """Return the claims that the paper makes in one of these places, such as ``"section 4.2"``."""
    return [claim for claim in CLAIMS if any(place in claim.place for place in places)]


def outcomes(claims: Iterable[Claim], evidence: Evidence) -> list[Outcome]:
    """Return what becomes of each claim."""
    return [decide(claim, evidence) for claim in claims]


def holds(test: Test, value: float) -> bool:
    """Return whether a value is where the test wants it."""
    if test.relation == "within":
        return abs(value) <= test.limit
    return value > test.limit if test.relation == "above" else value < test.limit


def word(outcome: Outcome) -> str:
    """Return a verdict in words; with fewer seeds than decide anything, what those that there are say."""
    if outcome.verdict is Verdict.DIRECTION:
        return f"{outcome}: the interval leaves it open"
    if outcome.verdict in DECIDED:
        return str(outcome)
    intervals = [one.interval for one in outcome.decisions]
    if any(one is None for one in intervals):
        return str(Verdict.NOT_TESTABLE)
    fewest = min(one.n for one in intervals if one is not None)
    so_far = all(holds(d.test, d.interval.mean) for d in outcome.decisions if d.interval is not None)
    return f"{'holds' if so_far else 'does not hold'} so far, undecided with {prose.counted(fewest, 'seed')}"


def table(found: Sequence[Outcome]) -> Table:
    """Return every claim with its place, its verdict, and below it the numbers that decide it."""
    rows = [(one.claim.statement, one.claim.place, word(one)) for one in found]
    caption = (
        "What becomes of each claim. Differences are taken seed by seed; a claim holds where the whole 95 % interval "
        f"is where it has to be, and fewer than {SEEDS} seeds decide nothing."
    )
    return Table(caption, ("The paper's claim", "Place", "Here"), rows, [_numbers(one) for one in found])


def _numbers(outcome: Outcome) -> str:
    """Return what was measured for each test of a claim, or why there is nothing."""
    numbers = [
        f"{one.test.quantity.label}: {measured(one.test.quantity, one.interval)}, needed {needed(one.test)}"
        for one in outcome.decisions
        if one.interval is not None
    ]
    numbers += [f"beside it, {one.quantity.label}: {measured(one.quantity, one.interval)}" for one in outcome.beside]
    return "; ".join(numbers)


def summary(found: Sequence[Outcome]) -> str:
    """Return the outcomes in a sentence."""
    few = f"so far, with fewer than {SEEDS} seeds"
    names = {word: 0 for word in (*DECIDED.values(), f"holding {few}", f"not holding {few}")}
    for one in found:
        if one.verdict in DECIDED:
            kind = DECIDED[one.verdict]
        elif any(d.interval is None for d in one.decisions):
            continue
        else:
            kind = list(names)[3 if word(one).startswith("holds") else 4]
        names[kind] += 1
    rest = len(found) - sum(names.values())
    parts = [f"{count} {name}" for name, count in names.items() if count]
    if rest:
        parts.append(f"{rest} cannot be tested by the runs that there are")
    return f"Of {prose.counted(len(found), 'claim')} that the paper makes here, {prose.listed(parts)}."
