"""The paper's suggestions (section 5), each with the claims that it rests on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from lifroles.claims.page import badge, capital, link, measured
from lifroles.claims.verdict import Outcome, Verdict
from lifroles.prose import counted, listed
from lifroles.tables import Table


@dataclass(frozen=True)
class Suggestion:
    """What the paper advises for one part of the neuron.

    Arguments:
        need: what a task needs.
        part: of the neuron.
        advice: what to do with it.
        claims: names of the claims (:data:`lifroles.claims.CLAIMS`) that the advice rests on.
    """

    need: str
    part: str
    advice: str
    claims: tuple[str, ...]


SUGGESTIONS: tuple[Suggestion, ...] = (
    Suggestion(
        "memory over many steps",
        "leakage",
        "Leak little: a large k_tau.",
        ("xor-complete-leakage", "shd-complete-leakage", "ssc-complete-leakage"),
    ),
    Suggestion(
        "following fast signals",
        "leakage",
        "Learn the leakage, rather than leave it out.",
        ("xor-no-leakage", "shd-no-leakage", "ssc-no-leakage"),
    ),
    Suggestion("memory over many steps", "reset", "Leave the reset out.", ("xor-reset",)),
    Suggestion("few spikes", "reset", "Keep the reset.", ("reset-rate", "reset-rate-xor")),
    Suggestion(
        "complex dynamics in time",
        "recurrence",
        "Add recurrence, and watch for overfitting.",
        ("xor-recurrence", "shd-recurrence", "ssc-recurrence", "recurrence-overfits"),
    ),
    Suggestion(
        "other time resolutions",
        "leakage",
        "Leak much: a small k_tau.",
        (
            "complete-leakage-generalises-better",
            "no-leakage-generalises-worse",
            "complete-leakage-generalises-better-duration",
            "no-leakage-generalises-worse-duration",
        ),
    ),
    Suggestion(
        "other time resolutions",
        "recurrence",
        "Do without recurrence.",
        ("recurrence-generalises-worse", "recurrence-generalises-worse-duration"),
    ),
    Suggestion(
        "robustness against attacks",
        "leakage",
        "Leak much: a small k_tau.",
        ("robust-complete-leakage", "robust-no-leakage"),
    ),
    Suggestion("robustness against attacks", "recurrence", "Do without recurrence.", ("robust-recurrence",)),
    Suggestion(
        "robustness against attacks",
        "reset",
        "Choose it for other reasons: it does not matter much (section 6).",
        ("robust-reset",),
    ),
    Suggestion("noisy input", "leakage", "Leak much: a small k_tau.", ("leakage-filters-noise",)),
)
"""In the order of section 5."""


def _numbers(outcome: Outcome) -> str:
    """Return the first number behind a verdict, and what stands beside it."""
    first = outcome.decisions[0]
    found = [(first.test.quantity, first.interval), *((one.quantity, one.interval) for one in outcome.beside)]
    said = [f"{quantity.label}: {measured(quantity, interval)}" for quantity, interval in found if interval is not None]
    return capital(f"{'; '.join(said)}.") if said else "No runs."


NEEDS = tuple(dict.fromkeys(one.need for one in SUGGESTIONS))


@dataclass(frozen=True)
class Advisor:
    """Every suggestion with the evidence for and against it; in a browser a reader picks what a task needs."""

    found: Sequence[Outcome]

    def _repr_html_(self) -> str:
        boxes = "".join(
            f'<label><input type="checkbox" name="need" value="{escape(need)}"> {escape(need)}</label>'
            for need in NEEDS
        )
        return (
            '<div class="lifroles lifroles-advisor">'
            f'<form class="lifroles-filter" hidden><fieldset><legend>The task needs</legend>{boxes}</fieldset>'
            f'<output aria-live="polite">{counted(len(SUGGESTIONS), "suggestion")}</output></form>'
            + "".join(map(self._item, SUGGESTIONS))
            + "</div>"
        )

    def __repr__(self) -> str:
        return "\n".join(f"{one.need}\t{one.part}\t{one.advice}\t{self.evidence(one)}" for one in SUGGESTIONS)

    def behind(self, suggestion: Suggestion) -> list[Outcome]:
        """Return the outcomes of the claims that a suggestion rests on."""
        by_name = {outcome.claim.name: outcome for outcome in self.found}
        return [by_name[name] for name in suggestion.claims]

    def evidence(self, suggestion: Suggestion) -> str:
        """Return in a sentence how far the runs bear a suggestion out."""
        counts = Counter(outcome.verdict for outcome in self.behind(suggestion))
        untested = counts.pop(Verdict.NOT_TESTABLE, 0)
        rest = f"; {counted(untested, 'claim')} {Verdict.NOT_TESTABLE}" if untested else ""
        if not counts:
            return "Not tested here."
        order = (Verdict.REPRODUCED, Verdict.DIRECTION, Verdict.NOT_REPRODUCED)
        return f"{listed(f'{counts[v]} {v}' for v in order if counts[v])}{rest}.".capitalize()

    def in_short(self) -> Table:
        """Return every suggestion in a line: what a task needs, what to do, and how far the runs bear it out."""
        rows = [(one.need, one.part, one.advice, self.evidence(one)) for one in SUGGESTIONS]
        return Table(
            "The paper's suggestions in short", ("Needed", "Part", "The paper's advice", "Its claims here"), rows
        )

    def _item(self, suggestion: Suggestion) -> str:
        claims = "".join(
            f"<li>{badge(one)} {link(one, one.claim.statement)} <small>{escape(_numbers(one))}</small></li>"
            for one in self.behind(suggestion)
        )
        part, need, advice = (
            escape(text) for text in (suggestion.part.capitalize(), suggestion.need, suggestion.advice)
        )
        return (
            f'<div class="lifroles-item" data-need="{need}"><p><strong>{part}</strong>, for {need}: {advice} '
            f"<small>{escape(self.evidence(suggestion))}</small></p><ul>{claims}</ul></div>"
        )
