"""The paper's order of Fig. 9, which variant takes a larger perturbation than which, under every attack."""

from __future__ import annotations

import math

from lifroles import prose
from lifroles.claims.quantities import named
from lifroles.generalisation.networks import LABELS, NOT_ASKED
from lifroles.probes.attack import ATTACKS
from lifroles.robustness.labels import ATTACK_LABELS, label
from lifroles.robustness.study import Study
from lifroles.statistics import Interval
from lifroles.tables import Table

ORDER = (
    ("complete_leakage", "baseline", "Complete leakage takes more than the baseline"),
    ("baseline", "no_leakage", "The baseline takes more than without leakage"),
    ("baseline", "recurrent", "The baseline takes more than with recurrence"),
)
"""The paper's order of Fig. 9: the first model takes a larger perturbation than the second."""


MOST = 0.95
"""Where an attack fools a smaller share of the recordings, its flips are those of the easy ones and compare nothing."""


def fooled(study: Study, model: str, attack: str) -> float:
    """Return the share of the recordings on which an attack fools a model, mean over networks."""
    found = study.value(model, attack, "success")
    return 0.0 if found is None else found.mean


def _comparable(study: Study, more: str, less: str, attack: str) -> bool:
    return min(fooled(study, model, attack) for model in (more, less)) >= MOST


def _ratio(study: Study, more: str, less: str, attack: str) -> str:
    """Return a ratio of flips; in its place the shares fooled where they differ in more than the flips."""
    found = study.ratio(more, less, attack)
    if found is None or _comparable(study, more, less, attack):
        return _times(found)
    shares = (prose.percent(fooled(study, model, attack), 0) for model in (more, less))
    return f"fooled: {' and '.join(shares)}"


def _times(found: Interval | None) -> str:
    if found is None:
        return "–"
    times = f"× {math.exp(found.mean):.2f}"
    if found.low is None or found.high is None:
        return f"{times} (n = {found.n})"
    return f"{times} ({math.exp(found.low):.2f} to {math.exp(found.high):.2f})"


def order_table(study: Study) -> Table:
    """Return the paper's order under every attack: how many times the flips of the other model one takes."""
    attacks = [name for name in ATTACKS if any(study.values(r.model, name, "flips") for r in study.rows)]
    pairs = [(more, less) for more, less, _ in ORDER] + [("no_reset", "baseline")]
    rows = [(label(a), *(_ratio(study, more, less, a) for more, less in pairs)) for a in attacks]
    caption = (
        "The paper's order: how many times the other model's flips the first one takes, on the recordings on which "
        "both are fooled; geometric mean over networks of the same seed with its 95 % interval. Above 1 the paper's "
        "order holds; the last column is 1 where the reset plays no part. Where fewer than "
        f"{prose.percent(MOST, 0)} of a model's recordings are fooled, the two shares stand in place of a ratio."
    )
    heads = (f"{LABELS[more]} to {named(less)}" for more, less in pairs)
    return Table(caption, ("Attack", *heads), rows)


def _sure(found: Interval) -> str:
    """Return how sure a logarithm's sign is: nothing where its interval excludes 0."""
    if found.low is None or found.high is None:
        return " (one network each)"
    return "" if found.low > 0 or found.high < 0 else " (on average)"


def turned(study: Study) -> str:
    """Return, as Markdown, which attacks turn a part of the paper's order round for sure; nothing where none does."""
    parts = []
    for more, less, text in ORDER:
        found = {
            a: ratio
            for a in ATTACKS
            if (ratio := study.ratio(more, less, a)) is not None
            and ratio.high is not None
            and ratio.high < 0
            and _comparable(study, more, less, a)
        }
        if found:
            said = prose.listed(f"{ATTACK_LABELS[a]}: {_times(ratio)}" for a, ratio in found.items())
            parts.append(f"*{text[0].lower() + text[1:]}*, under {said}")
    return f"**Turned round by another attack**: {'; '.join(parts)}." if parts else ""


def strongest(study: Study) -> str:
    """Return, as Markdown, what every model of the order takes under the attack that needs fewest flips of it.

    How many flips a network can bear is at most what the cheapest attack needs: any other attack bounds it less well.
    """
    least: dict[str, float] = {}
    for model in dict.fromkeys(m for more, less, _ in ORDER for m in (more, less)):
        found = [
            flips.mean
            for a in ATTACKS
            if fooled(study, model, a) >= MOST and (flips := study.value(model, a, "flips")) is not None
        ]
        if found:
            least[model] = min(found)
    known = [(more, less, text) for more, less, text in ORDER if more in least and less in least]
    if not known:
        return ""
    said = prose.listed(
        f"{named(model)} {flips:,.0f}" for model, flips in sorted(least.items(), key=lambda item: -item[1])
    )
    against = [text[0].lower() + text[1:] for more, less, text in known if least[more] <= least[less]]
    verdict = "every part of the paper's order holds" if not against else f"not so: {prose.listed(against)}"
    return (
        f"**Each by the attack that takes fewest flips of it**, of those that fool at least {prose.percent(MOST, 0)} "
        f"of the recordings: {said} flips. By these bounds {verdict}; what another attack turns round is that attack's."
    )


def reversals(study: Study) -> str:
    """Return, as Markdown, for each part of the paper's order under which attacks it holds and which turn it round."""
    lines = []
    for more, less, text in ORDER:
        every = {a: ratio for a in ATTACKS if (ratio := study.ratio(more, less, a)) is not None}
        found = {a: ratio for a, ratio in every.items() if _comparable(study, more, less, a)}
        if not every:
            lines.append(f"- {text}: {NOT_ASKED}.")
            continue
        # How sure all are alike is said once.
        common = {_sure(ratio) for ratio in found.values()}
        once = common.pop() if len(common) == 1 else ""
        parts = []
        for which, up in (("holds", True), ("**is reversed**", False)):
            said = [
                ATTACK_LABELS[a] + ("" if once else _sure(ratio))
                for a, ratio in found.items()
                if (ratio.mean > 0) == up
            ]
            if said:
                parts.append(f"{which} under {prose.listed(said)}")
        if rest := [ATTACK_LABELS[a] for a in every if a not in found]:
            parts.append(f"cannot be told from {prose.listed(rest)}: too few recordings are fooled")
        lines.append(f"- {text}{once}: {'; '.join(parts)}.")
    reset = {
        a: ratio
        for a in ATTACKS
        if (ratio := study.ratio("no_reset", "baseline", a)) is not None
        and _comparable(study, "no_reset", "baseline", a)
    }
    if reset:
        said = prose.listed(f"{_times(ratio)} under {ATTACK_LABELS[a]}" for a, ratio in reset.items())
        text = f"- Without reset a network takes of the baseline's flips {said}."
        leak = {name: study.ratio("complete_leakage", "baseline", name) for name in reset}
        more = [
            ATTACK_LABELS[name]
            for name, ratio in reset.items()
            if (other := leak[name]) is not None and abs(ratio.mean) > abs(other.mean)
        ]
        if more:
            text += f" As a factor that is more than what complete leakage changes under {prose.listed(more)}."
        lines.append(text)
    return "\n".join(lines)
