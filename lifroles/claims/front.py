"""What the front page says of the claims: an answer, the main claims by part of the neuron, and on which data."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from types import MappingProxyType

from IPython.display import HTML

from lifroles import benchmarks
from lifroles.claims import accuracy, generalisation, robustness
from lifroles.claims.archive import Archive
from lifroles.claims.generalisation import DURATION
from lifroles.claims.page import ORDER, PAGE, PARTS, as_said, badge, capital, link, measured, reported
from lifroles.claims.verdict import Claim, Outcome, Part, Test, Verdict
from lifroles.overview import SOURCES, departure
from lifroles.parameters import Profile
from lifroles.prose import counted, listed
from lifroles.study import SCALES
from lifroles.tables import Table
from lifroles.variant import TABLE6_VARIANTS

HEADLINES = (
    "xor-complete-leakage",
    f"no-leakage-generalises-worse{DURATION}",
    f"complete-leakage-generalises-better{DURATION}",
    "robust-complete-leakage",
    "xor-reset",
    "reset-rate",
    "robust-reset",
    "xor-recurrence",
    f"recurrence-generalises-worse{DURATION}",
    "robust-recurrence",
    "temporal-most",
)
"""The claims that say what the paper is about."""

TOPICS: Mapping[str, Sequence[Claim]] = MappingProxyType(
    {
        "accuracy and firing (sections 4.1 and 5)": accuracy.CLAIMS,
        "time resolution and gradients (section 4.2)": generalisation.CLAIMS,
        "attacks and noise (section 4.3)": robustness.CLAIMS,
    }
)


def answer(found: Sequence[Outcome]) -> HTML:
    """Return in two sentences how many of the paper's claims hold, and on what they do."""
    # Those on other step lengths have a test for each reading of Table 7: the nearer one counts.
    twice = {one.claim.name.removesuffix(DURATION) for one in found if one.claim.name.endswith(DURATION)}
    found = [one for one in found if one.claim.name not in twice]
    tested = [one for one in found if one.verdict is not Verdict.NOT_TESTABLE]
    if not tested:
        return HTML("<p>Nothing is trained yet.</p>")
    shares = []
    for topic, claims in TOPICS.items():
        names = {claim.name for claim in claims}
        own = [one for one in tested if one.claim.name in names]
        if own:
            shares.append(f"{_held(own)} of {len(own)} on {topic}")
    rest = len(found) - len(tested)
    again = f" ({len(twice)} stand twice, for another reading of Table 7, and count once)" if twice else ""
    said = (
        f"Of {len(found)} claims of the paper, each with one test or more{again}, {len(tested)} can be decided by the "
        f"runs there are, and {_held(tested)} of these hold: {listed(shares)}."
    )
    half = sum(one.verdict is Verdict.DIRECTION for one in tested)
    failed = [one for one in tested if one.verdict is Verdict.NOT_REPRODUCED]
    others = [f"{half} hold in direction only"] if half else []
    if failed:
        sure = sum(one.contradicted for one in failed)
        others.append(f"{len(failed)} are not reproduced ({sure} contradicted, {len(failed) - sure} open)")
    if others:
        said += f" Of the others {listed(others)}."
    if rest:
        said += f" For {counted(rest, 'claim')} there are no runs, or too few."
    return HTML(f"<p>{escape(said)}</p>")


def _held(found: Sequence[Outcome]) -> int:
    return sum(one.verdict is Verdict.REPRODUCED for one in found)


@dataclass(frozen=True)
class Main:
    """The paper's main claims: a card for each part of the neuron, and all that belongs to them folded below."""

    found: Mapping[str, Outcome]

    def _repr_html_(self) -> str:
        cards = "".join(self._card(part) for part in PARTS)
        table = headlines(list(self.found.values()))._repr_html_()
        return (
            f'<div class="lifroles lifroles-main"><div class="lifroles-cards">{cards}</div>'
            "<details><summary>What was measured, on which data, and how many tests each claim has</summary>"
            f"{table}</details></div>"
        )

    def __repr__(self) -> str:
        return "\n".join(f"{name}\t{self.found[name].verdict}" for name in HEADLINES)

    def _card(self, part: Part) -> str:
        items = "".join(
            f"<li>{badge(one)} {link(one, one.claim.statement, f'notebooks/{PAGE}.html')} "
            f"<small>{escape(_small(one))}</small></li>"
            for one in map(self.found.__getitem__, HEADLINES)
            if one.claim.part == part
        )
        return f"<div><p><strong>{PARTS[part]}</strong></p><ul>{items}</ul></div>" if items else ""


def main(found: Sequence[Outcome]) -> Main:
    """Return the paper's main claims with their verdicts, as the front page shows them."""
    return Main({one.claim.name: one for one in found})


def _small(one: Outcome) -> str:
    """Return the first number behind a verdict, on which data, and what of the claim needs no data."""
    first = one.decisions[0]
    number = measured(first.test.quantity, first.interval) if first.interval is not None else "too few runs"
    return f"{capital(number)}. {capital(_data(one))}. {one.claim.by_definition}".strip()


def headlines(found: Sequence[Outcome]) -> Table:
    """Return the paper's main claims, each with its verdict and the first number behind it."""
    named = {one.claim.name: one for one in found}
    rows = []
    for name in HEADLINES:
        one = named[name]
        first = one.decisions[0]
        number = measured(first.test.quantity, first.interval)
        if len(one.decisions) > 1:
            number += f"; first of {len(one.decisions)} tests"
        rows.append((one.claim.statement, PARTS[one.claim.part], str(one), reported(first.test.quantity), number))
    notes = [capital(f"{named[name].decisions[0].test.quantity.label}. {_under(named, name)}") for name in HEADLINES]
    columns = ("The paper says", "About", "Here", "In the paper", "Measured")
    said = listed(f"{n} {as_said(v)}" for v in ORDER if (n := sum(named[name].verdict is v for name in HEADLINES)))
    return Table(f"The paper's main claims: {said} (95 % intervals over seeds)", columns, rows, notes)


def _data(one: Outcome) -> str:
    """Return which data a claim is decided on."""
    names = list(_benchmarks(one.claim.tests))
    scales = SCALES["archive"]
    kinds = {name: SOURCES[scales[name].source][0] for name in names}
    if len(names) == 1:
        kinds = {name: departure(name, scales[name]) or kind for name, kind in kinds.items()}
    return listed(f"{benchmarks.get(name).title} ({kind})" for name, kind in kinds.items())


def _under(named: Mapping[str, Outcome], name: str) -> str:
    """Return which data a claim is decided on, and what becomes of it under the other reading of Table 7."""
    data = _data(named[name])
    if not name.endswith(DURATION):
        return f"Data: {data}."
    other = named[name.removesuffix(DURATION)]
    return f"Data: {data}. Of the readings of Table 7 the one nearer to its numbers; under the other: {other}."


def _benchmarks(tests: Sequence[Test]) -> Iterator[str]:
    """Yield the benchmarks that tests measure on, in the order of the paper."""
    for name in SCALES["archive"]:
        if any(name == benchmark for test in tests for benchmark, _ in test.quantity.sources):
            yield name


def coverage(profile: Profile = "archive") -> HTML:
    """Return on which data the claims are decided, how often each network was trained, and what was not run."""
    archive = Archive(profile)
    run, missing = [], []
    for name, scale in SCALES[profile].items():
        title = benchmarks.get(name).title
        counts = [n for variant in TABLE6_VARIANTS if (n := len(archive.runs(name, variant)))]
        if counts:
            kind, _ = SOURCES[scale.source]
            few, many = min(counts), max(counts)
            seeds = counted(many, "seed") if few == many else f"{few} to {many} seeds"
            run.append(f"{title} ({kind} data; {seeds})")
        else:
            missing.append(title)
    said = f"Trained: {listed(run)}." if run else "Nothing is trained yet."
    # HTML, since that is what one page can take over from another.
    return HTML(f"<p>{escape(f'{said} Not run: {listed(missing)}.' if missing else said)}</p>")
