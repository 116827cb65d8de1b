"""What became of the paper's claims, as the book shows it: the tally, the ledger, and the claims of one section.

What the front page says of them is in :mod:`lifroles.claims.front`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from types import MappingProxyType
from typing import get_args

from IPython.display import Markdown

from lifroles import benchmarks
from lifroles.baselines import BASELINES
from lifroles.claims.archive import Archive
from lifroles.claims.generalisation import DURATION
from lifroles.claims.ledger import CLAIMS
from lifroles.claims.quantities import MINUS, Quantity
from lifroles.claims.roles import CHANGES, TITLES, measures
from lifroles.claims.verdict import SEEDS, Claim, Outcome, Part, Test, Verdict, decide
from lifroles.figures import Display, card, command, show
from lifroles.figures import roles as figures
from lifroles.parameters import NotebookParameters, Profile
from lifroles.prose import NBSP, counted, listed, signed_points
from lifroles.statistics import Interval
from lifroles.study import SCALES
from lifroles.tables import Table
from lifroles.variant import PAPER_VARIANTS

PAGE = "6_conclusion"
"""The page that holds the ledger; other pages link to its claims."""

ORDER = (Verdict.REPRODUCED, Verdict.DIRECTION, Verdict.NOT_REPRODUCED, Verdict.NOT_TESTABLE)
"""From best to worst, as they are shown."""

PARTS: Mapping[Part, str] = MappingProxyType(
    {"leakage": "Leakage", "reset": "Reset", "recurrence": "Recurrence", "all": "Several parts"}
)
"""How the parts that claims are about are called."""


def outcomes(profile: Profile = "archive", claims: Iterable[Claim] = CLAIMS) -> list[Outcome]:
    """Return what becomes of the claims, by the runs of a profile."""
    archive = Archive(profile)
    return [decide(claim, archive) for claim in claims]


def tally(found: Sequence[Outcome]) -> Table:
    """Return how many claims have which verdict, by the part of the neuron they are about."""
    counts = Counter((outcome.claim.part, outcome.verdict) for outcome in found)
    rows = [
        (name, *(str(counts[part, verdict]) for verdict in ORDER), str(sum(counts[part, v] for v in ORDER)))
        for part, name in PARTS.items()
    ]
    sums = [sum(counts[part, verdict] for part in PARTS) for verdict in ORDER]
    rows.append(("All", *map(str, sums), str(sum(sums))))
    twice = sum(outcome.claim.name.endswith(DURATION) for outcome in found)
    caption = "What became of the paper's claims"
    if twice:
        caption += f"; {twice} on other step lengths stand twice, once for each reading of Table 7"
    return Table(caption, ("About", *(v.capitalize() for v in ORDER), "Claims"), rows)


def tally_in_words(found: Sequence[Outcome]) -> str:
    """Return the tally in a sentence or two."""
    counts = Counter(outcome.verdict for outcome in found)
    tested = sum(counts[verdict] for verdict in ORDER[:3])
    said = f"Of {len(found)} claims {tested} can be tested on the runs that there are: "
    said += listed(f"{counts[verdict]} {as_said(verdict)}" for verdict in ORDER[:3])
    rest = counts[Verdict.NOT_TESTABLE]
    if rest:
        said += f". For {counted(rest, 'claim')} there are no runs, or fewer than {SEEDS} seeds"
    twice = sum(outcome.claim.name.endswith(DURATION) for outcome in found)
    if twice:
        said += (
            f". {counted(twice, 'claim').capitalize()} on other step lengths stand twice, for each reading of Table 7"
        )
    return f"{said}."


def capital(text: str) -> str:
    """Return a text that begins with a capital letter."""
    return text[:1].upper() + text[1:]


def as_said(verdict: Verdict) -> str:
    """Return a verdict as it is said of several claims."""
    return "in direction only" if verdict is Verdict.DIRECTION else str(verdict)


def conclusion(found: Sequence[Outcome]) -> Markdown:
    """Return the tally in words, and which claims of each part hold and which do not."""
    lines = [tally_in_words(found)]
    for part, name in PARTS.items():
        said = []
        for verdict in ORDER[:3]:
            statements = [
                link(one, one.claim.statement.rstrip("."), "")
                for one in found
                if one.claim.part == part and one.verdict is verdict
            ]
            if statements:
                said.append(f"  - *{verdict}*: {'; '.join(statements)}.")
        lines.append("\n".join([f"- **{name}**" + ("" if said else ": nothing tested yet."), *said]))
    return Markdown("\n\n".join([lines[0], "\n".join(lines[1:])]))


def roles(parameters: NotebookParameters) -> Display:
    """Return the map of roles, with the runs behind it."""
    archive = Archive(parameters.profile)
    found = measures(archive)
    records = [
        record for name in TITLES for variant in ("baseline", *CHANGES) for record in archive.runs(name, variant)
    ]
    seen = sum(bool(measure.effects) for measure in found)
    caption = (
        f"What each part changes, for {seen} of {len(found)} measures; the others were not run. Accuracies, also those "
        "kept at another step length than the trained 3 ms, are differences to the baseline in points; spike rates of "
        "the hidden layer and flips of input entries are relative to it. Data: "
        + listed(f"{benchmarks.get(name).title} ({SCALES[parameters.profile][name].source})" for name in TITLES)
        + "."
    )
    return show(figures.roles(found), caption, command=command("5_suggestions", parameters), records=records)


def evidence(parameters: NotebookParameters, notebook: str = PAGE) -> Display:
    """Return the provenance card of what is made from all claims: every run that one can be decided by."""
    archive = Archive(parameters.profile)
    models = dict.fromkeys((*PAPER_VARIANTS, *BASELINES))
    records = [record for name in _ORDER for model in models for record in archive.runs(name, model)]
    return card(command(notebook, parameters), records, "The claims of the paper")


def in_short(found: Sequence[Outcome]) -> Markdown:
    """Return what became of the claims of one page, with links into the ledger: its answer, before the details."""
    untested = sum(one.verdict is Verdict.NOT_TESTABLE for one in found)
    lines = [
        f"Of {counted(len(found), 'claim')} that the paper makes here, {len(found) - untested} can be tested by these "
        "runs."
    ]
    tested = [one for verdict in ORDER[:3] for one in found if one.verdict is verdict]
    for said in dict.fromkeys(str(one) for one in sorted(tested, key=lambda one: (ORDER.index(one.verdict), str(one)))):
        statements = [link(one, one.claim.statement.rstrip(".")) for one in tested if str(one) == said]
        lines.append(f"- *{capital(said)}*: {'; '.join(statements)}.")
    return Markdown("\n".join([lines[0], "", *lines[1:]]))


def link(outcome: Outcome, text: str, page: str = f"{PAGE}.html") -> str:
    """Return HTML that leads to a claim in the ledger: its places are HTML, which Markdown's links do not find."""
    return f'<a href="{page}#claim-{outcome.claim.name}">{escape(text)}</a>'


def measured(quantity: Quantity, interval: Interval | None) -> str:
    """Return a quantity's mean with its interval, or why there is none."""
    if interval is None:
        return "no runs"
    if quantity.counts:
        return f"{round(interval.mean * interval.n)} of {interval.n}"
    show, unit = _unit(quantity)
    n = f"n{NBSP}={NBSP}{interval.n}"
    if interval.low is None or interval.high is None:
        return f"{show(interval.mean)}{unit}, {n}"
    return f"{show(interval.mean)}{unit} ({show(interval.low)} to {show(interval.high)}), {n}"


def reported(quantity: Quantity) -> str:
    """Return what the paper's tables have for a quantity, or a dash: some claims rest on figures, or on words."""
    if quantity.reported is None:
        return "–"
    show, unit = _unit(quantity)
    return f"{show(quantity.reported)}{unit}"


def needed(test: Test) -> str:
    """Return what has to hold."""
    show, unit = _unit(test.quantity)
    if test.relation == "within":
        return f"within ±{show(test.limit).lstrip('+')}{unit}"
    return f"above {show(test.limit)}{unit}" if test.relation == "above" else f"below {show(test.limit)}{unit}"


def _unit(quantity: Quantity) -> tuple[Callable[[float], str], str]:
    """Return how a quantity's numbers are written: an accuracy in per cent, a difference of two in points."""
    if not quantity.share:
        return lambda value: f"{value:+.3g}".replace("-", MINUS), quantity.unit and f"{NBSP}{quantity.unit}"
    if MINUS in quantity.label:
        return lambda value: signed_points(value, 2) if value else "0", f"{NBSP}points"
    # A t-interval of an accuracy can reach beyond what an accuracy can be.
    return lambda value: f"{100 * min(max(value, 0.0), 1.0):.2f}", f"{NBSP}%"


def sources(claim: Claim) -> str:
    """Return which data the runs behind a claim have, by benchmark."""
    names = sorted({benchmark for test in claim.tests for benchmark, _ in test.quantity.sources}, key=_ORDER.index)
    return listed(f"{benchmarks.get(name).title} ({SCALES['archive'][name].source})" for name in names)


_ORDER = tuple(SCALES["archive"])


@dataclass(frozen=True)
class Ledger:
    """Every claim with its verdict and the tests behind it; it shows itself in a notebook, to filter and to search."""

    found: Sequence[Outcome]

    def _repr_html_(self) -> str:
        return (
            '<div class="lifroles lifroles-ledger">'
            f'<form class="lifroles-filter" hidden>{_select("verdict", ORDER)}{_select("part", get_args(Part))}'
            '<label>Search <input type="search" name="words"></label>'
            f'<output aria-live="polite">{counted(len(self.found), "claim")}</output></form>'
            + "".join(map(_item, self.found))
            + "</div>"
        )

    def __repr__(self) -> str:
        return "\n".join(f"{one.claim.name}\t{one.verdict}" for one in self.found)


def _select(name: str, values: Sequence[str]) -> str:
    options = "".join(f'<option value="{escape(value)}">{escape(value)}</option>' for value in values)
    return f'<label>{name.capitalize()} <select name="{name}"><option value="">all</option>{options}</select></label>'


def badge(outcome: Outcome) -> str:
    """Return a verdict as it is marked in the ledger."""
    name = outcome.verdict.name.lower()
    return f'<strong class="lifroles-verdict" data-verdict="{name}">{escape(str(outcome))}</strong>'


def _item(outcome: Outcome) -> str:
    claim = outcome.claim
    rows = [
        (
            one.test.quantity.label,
            reported(one.test.quantity),
            needed(one.test),
            measured(one.test.quantity, one.interval),
            str(one.verdict),
        )
        for one in outcome.decisions
    ]
    tests = counted(len(rows), "test")
    rows += [
        (one.quantity.label, reported(one.quantity), "–", measured(one.quantity, one.interval), "beside it")
        for one in outcome.beside
    ]
    table = Table(f"Tests of {claim.name}", ("Quantity", "In the paper", "Needed", "Measured", "Verdict"), rows)
    why = "".join(f"<p>{escape(said)}</p>" for said in (claim.by_definition, claim.why) if said)
    return (
        f'<div class="lifroles-item" id="claim-{claim.name}" data-verdict="{escape(outcome.verdict)}" '
        f'data-part="{claim.part}">'
        f"<p>{badge(outcome)} {escape(claim.statement)} "
        f"<small>{escape(claim.place)}; {escape(claim.part)}; data: {escape(sources(claim))}</small></p>"
        f"<details><summary>{tests} of {escape(claim.name)}</summary>{why}"
        f"{table._repr_html_()}</details></div>"
    )
