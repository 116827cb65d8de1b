"""The role of leakage, reset and recurrence: the paper's claims of section 4.1, decided by the runs of the page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from lifroles import prose
from lifroles.accuracy.study import Study
from lifroles.accuracy.words import label, title
from lifroles.claims.archive import Stored
from lifroles.claims.ledger import CLAIMS
from lifroles.claims.page import measured, needed
from lifroles.claims.verdict import SEEDS, Decision, Outcome, Part, Verdict, decide
from lifroles.paper import TABLE6_BENCHMARKS
from lifroles.statistics import Interval
from lifroles.store import Record
from lifroles.tables import Table

CHANGED: Mapping[Part, tuple[str, ...]] = {
    "leakage": ("no_leakage", "complete_leakage"),
    "reset": ("no_reset",),
    "recurrence": ("recurrent",),
    "all": (),
}
"""The variants that differ from the baseline in a part."""

PLACES = ("section 4.1", "Table 6", "Fig. 3", "Fig. 4")


class StudyEvidence(Stored):
    """The numbers behind claims, from the runs that a page shows."""

    def __init__(self, study: Study) -> None:
        self.study = study

    def runs(self, benchmark: str, model: str) -> Sequence[Record]:
        """Return the page's runs of a model on a benchmark."""
        cell = self.study.cells.get((benchmark, model))
        return cell.records if cell else ()


def outcomes(study: Study, part: Part) -> list[Outcome]:
    """Return what becomes of section 4.1's claims about a part."""
    evidence = StudyEvidence(study)
    claims = [c for c in CLAIMS if c.part == part and any(place in c.place for place in PLACES)]
    return [decide(claim, evidence) for claim in claims]


def claims_table(study: Study, part: Part) -> Table:
    """Return the claims about a part, each with what was measured, what has to hold, and the verdict."""
    rows = []
    for outcome in outcomes(study, part):
        several = len(outcome.decisions) > 1
        found = [
            f"{_where(d) if several else ''}{measured(d.test.quantity, d.interval)} (needed: {needed(d.test)})"
            for d in outcome.decisions
        ]
        rows.append((outcome.claim.statement, str(outcome.verdict), "; ".join(found)))
    caption = (
        "What the paper says, and what the runs of this page say to it. A claim is reproduced where the whole 95 % "
        f"interval over at least {SEEDS} seeds lies on its side, and only in direction where the mean does. What "
        "exactly is compared stands in the ledger of claims."
    )
    return Table(caption, ("Claim", "Verdict", "Measured"), rows)


def _where(decision: Decision) -> str:
    names = {benchmark for benchmark, _ in decision.test.quantity.sources}
    return f"{' and '.join(title(name) for name in TABLE6_BENCHMARKS if name in names)}: "


def _side(effect: Interval) -> str:
    if effect.n < SEEDS or effect.contains(0.0) is not False:
        return "undecided"
    return "up" if effect.mean > 0 else "down"


def effects_caption(study: Study, part: Part) -> str:
    """Return where accuracy rises, falls, or is undecided when a part is changed."""
    sentences = []
    for variant in CHANGED[part]:
        sides: dict[str, list[str]] = {"up": [], "down": [], "undecided": []}
        for name in study.parameters.benchmarks:
            effect = study.effect(name, variant)
            if effect is not None:
                sides[_side(effect)].append(f"{title(name)} ({prose.signed_points(effect.mean)})")
        words = {"up": "rises on", "down": "falls on", "undecided": "is undecided on"}
        said = [f"{words[side]} {prose.listed(names)}" for side, names in sides.items() if names]
        sentences.append(f"{label(variant)}, accuracy {'; '.join(said)}." if said else f"{label(variant)}: not run.")
    seen = [n for n in study.parameters.benchmarks if any(study.effect(n, variant) for variant in CHANGED[part])]
    departs = [title(name) for name in seen if study.departure(name)]
    scale = f" Other data or another protocol than the paper's: {prose.listed(departs)}." if departs else ""
    return (
        " ".join(sentences) + " Points: difference to the baseline with the same seed, last epoch; bars: mean and 95 % "
        f"t-interval, undecided where it holds zero or there are fewer than {SEEDS} seeds; open diamonds: the paper's "
        "difference. Each stands by itself; corrected for all pairs of a benchmark, fewer may survive." + scale
    )


def summary(study: Study, part: Part) -> str:
    """Return, as Markdown, how the claims about a part fare, and how sure that is."""
    found = outcomes(study, part)
    if study.parameters.profile == "smoke":
        return "At toy scale this says nothing about the paper."
    counts = {verdict: [o for o in found if o.verdict is verdict] for verdict in Verdict}
    tested = len(found) - len(counts[Verdict.NOT_TESTABLE])
    text = f"**{tested} of {prose.counted(len(found), 'claim')} can be tested** on these runs"
    if tested:
        said = [
            f"{len(counts[v])} {words}"
            for v, words in (
                (Verdict.REPRODUCED, "reproduced"),
                (Verdict.DIRECTION, "in direction only, with an interval that leaves it open"),
                (Verdict.NOT_REPRODUCED, "not reproduced"),
            )
            if counts[v]
        ]
        text += f": {prose.listed(said)}"
    return text + "."
