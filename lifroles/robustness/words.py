"""Section 4.3 in words: tables, captions and findings, all computed from runs and probe records."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Mapping, Sequence

from lifroles import prose
from lifroles.attacks.liang import GAMMA
from lifroles.claims.attacked import ENTRIES, corruption
from lifroles.claims.quantities import named
from lifroles.generalisation import networks
from lifroles.generalisation.networks import LABELS, NOT_ASKED, Networks
from lifroles.probes.attack import PROBE, TRANSFERRED, VARIATIONS
from lifroles.probes.record import choose
from lifroles.robustness.labels import ATTACK_LABELS, label
from lifroles.robustness.order import MOST, fooled
from lifroles.robustness.study import Study
from lifroles.statistics import Interval
from lifroles.tables import Download, Table

EACH = 20
"""Recordings of a class that a comparison should have."""

HIDDEN = 0.05
"""By so much more of the recordings a smooth surrogate fools a network whose own gradient is hidden."""

NOISE = (0.01, 0.03)
"""Probabilities of an event in an empty entry at which networks are compared."""


def scale_note(study: Study) -> str:
    """Return, as Markdown, which runs and answers the page shows, and on how many recordings."""
    lines = [networks.scale_note(study, ("attack", "corruption"))]
    common = study.common
    if common:
        counts = prose.listed(f"{n} (seed {seed})" for seed, n in sorted(common.items()))
        few = " That is fewer than the 200 that a comparison should have." if min(common.values()) < 10 * EACH else ""
        lines.append(
            f"- Recordings that every attacked network of a seed gets right, and that all numbers are of: {counts}."
            f"{few}"
        )
    return "\n".join(lines)


def _cell(found: Interval | None, show: str) -> str:
    if found is None:
        return "–"
    if found.low is None or found.high is None:
        return f"{found.mean:{show}}"
    return f"{found.mean:{show}} ({found.low:{show}} to {found.high:{show}})"


def fig9_table(study: Study, attack: str) -> Table:
    """Return what an attack costs on every model: flips, share of entries, L2, insertions, success."""
    rows = []
    for row in study.rows:
        seeds = study.values(row.model, attack, "success")
        if not seeds:
            continue
        value = {what: study.value(row.model, attack, what) for what in MEASURES}
        inserted, success, vanished = (value[what] for what in ("inserted", "success", "vanished"))
        rows.append(
            (
                LABELS[row.model],
                _cell(value["flips"], ",.0f"),
                "–" if value["fraction"] is None else prose.percent(value["fraction"].mean, 2),
                _cell(value["l2"], ".1f"),
                "–" if inserted is None else prose.percent(inserted.mean, 0),
                "–" if success is None else prose.percent(success.mean),
                "–" if vanished is None or attack == "chance" else prose.percent(vanished.mean),
                _seeds(study, row.model, attack, len(seeds)),
            )
        )
    caption = f"{label(attack)}."
    if attack == study.parameters.attacks[0]:
        caption += (
            " Means over the recordings that were fooled, with 95 % intervals over networks where there are several "
            "seeds. These are not the same recordings for every model: the table of the order below compares them on "
            "the same. Share: of the entries of a recording, the mean squared change. Inserted: share of the flips "
            "that add a spike. Fooled: share of recordings. No gradient: share of the attack's steps, mean over "
            "recordings. Seeds: networks, times the attack's own where it draws random numbers. The tables of the "
            "other attacks have the same columns."
        )
    columns = ("Model", "Flips", "Share", "L2", "Inserted", "Fooled", "No gradient", "Seeds")
    return Table(caption, columns, rows or [(NOT_ASKED, *["–"] * (len(columns) - 1))])


def _seeds(study: Study, model: str, attack: str, networks: int) -> str:
    """Return how many networks were attacked, and how often each."""
    drawn = [len(found) for (one, name, _), found in study.attacked.items() if (one, name) == (model, attack)]
    low, high = min(drawn), max(drawn)
    return str(networks) if high == 1 else f"{networks} × {low if low == high else f'{low} to {high}'}"


BY_CHANCE = ("liang", "chance")
"""Attacks that come out differently with another seed of theirs."""

MEASURES = ("flips", "fraction", "l2", "inserted", "success", "vanished")


def attacks(study: Study) -> Download:
    """Return what every attack cost as a file: one row a model, attack, network and measure."""
    rows = [
        (model, attack, seed, what, f"{value:.6g}")
        for model, attack in dict.fromkeys((model, attack) for model, attack, _ in study.attacked)
        for what in MEASURES
        for seed, value in sorted(study.values(model, attack, what).items())
    ]
    return Download("attacks", ("model", "attack", "seed", "measure", "value"), rows)


def _extremes(means: Mapping[str, float]) -> tuple[str, float, str, float]:
    """Return the model of the lowest mean and that mean, and the same of the highest."""
    low, high = min(means, key=means.__getitem__), max(means, key=means.__getitem__)
    return named(low), means[low], named(high), means[high]


def _sentence(parts: Sequence[str]) -> str:
    """Return the parts as one sentence."""
    text = "; ".join(parts)
    return f"{text[0].upper()}{text[1:]}."


def fig9_caption(study: Study) -> str:
    """Return the finding of Fig. 9: the least and the most robust model under every attack."""
    parts = []
    for attack in study.parameters.attacks:
        found = {r.model: v.mean for r in study.rows if (v := study.value(r.model, attack, "flips")) is not None}
        escaped = {model: share for model in found if (share := fooled(study, model, attack)) < MOST}
        common = {model: flips for model, flips in found.items() if model not in escaped}
        said = []
        if common:
            weak, few, strong, many = _extremes(common)
            said.append(f"{weak} is fooled by the fewest flips ({few:,.0f}), {strong} takes the most ({many:,.0f})")
        if escaped:
            shares = prose.listed(f"{named(model)} ({prose.percent(share, 0)})" for model, share in escaped.items())
            said.append(f"not compared, since too few of its recordings are fooled: {shares}")
        if said:
            parts.append(f"{ATTACK_LABELS[attack]}: {', '.join(said)}")
    if not parts:
        return f"Attacks: {NOT_ASKED}."
    return (
        f"{_sentence(parts)} Points: networks, each {_over_attack_seeds(study)}; bars: mean and 95 % "
        "interval; in italics: the share of recordings fooled, where some were not."
    )


def _over_attack_seeds(study: Study) -> str:
    """Return over how many seeds of the attacks with chance a network's point is the mean."""
    counts: dict[tuple[str, int], int] = {}
    for (model, attack, seed), found in study.attacked.items():
        if attack in BY_CHANCE and attack in study.parameters.attacks:
            counts[model, seed] = min(len(found), counts.get((model, seed), len(found)))
    if not counts:
        return "attacked without chance"
    most = max(counts.values())
    fewer: dict[tuple[int, int], list[str]] = {}
    for (model, seed), count in counts.items():
        if count < most:
            fewer.setdefault((count, seed), []).append(named(model))
    but = [f"{count} for seed {seed} of {prose.listed(models)}" for (count, seed), models in sorted(fewer.items())]
    text = f"the mean over {prose.counted(most, 'seed')} of an attack with chance"
    return f"{text} ({'; '.join(but)})" if but else text


def vanishing(study: Study, attack: str = "liang") -> str:
    """Return how often an attack finds no gradient and goes on by chance."""
    shares = {r.model: v.mean for r in study.rows if (v := study.value(r.model, attack, "vanished")) is not None}
    if not shares:
        return f"Vanished gradients: {NOT_ASKED}."
    low, high = min(shares, key=shares.__getitem__), max(shares, key=shares.__getitem__)
    return (
        f"The paper's attack finds no gradient at all in {prose.percent(shares[low], 0)} ({named(low)}) to "
        f"{prose.percent(shares[high], 0)} ({named(high)}) of its steps. There it flips {prose.percent(GAMMA, 0)} of "
        f"the entries, about {GAMMA * ENTRIES:,.0f}, by chance: the more often, the less its number says about the "
        "network."
    )


def hidden(study: Study) -> str:
    """Return how many recordings the training surrogate's gradient fools, and a smooth one's that never vanishes."""
    found = {
        attack: {r.model: v.mean for r in study.rows if (v := study.value(r.model, attack, "success")) is not None}
        for attack in ("gradient", "smooth")
    }
    both = found["gradient"].keys() & found["smooth"].keys()
    if not both:
        return f"Robust network, or weak attack? {NOT_ASKED.capitalize()}."
    own, smooth = ({model: shares[model] for model in both} for shares in found.values())
    low, least, high, most = _extremes(own)
    weak = any(smooth[model] - own[model] > HIDDEN for model in both)
    return (
        f"**Robust network, or weak attack?** Along the gradient of the surrogate that trained them, "
        f"{prose.percent(least, 0)} ({low}) to {prose.percent(most, 0)} ({high}) of the recordings can be made to fool "
        f"the networks; along that of a smooth surrogate {_at_least(min(smooth.values()))}. "
        + (
            "So what looks like robustness is in part a gradient that vanishes."
            if weak
            else "So no gradient is hidden from the first."
        )
    )


def _at_least(share: float) -> str:
    return "all of them" if share == 1 else f"at least {prose.percent(share)}"


def variations_table(study: Study) -> Table | None:
    """Return what variations of the attacks cost, or ``None`` where none was measured."""
    rows = []
    for attack in VARIATIONS:
        if any(study.values(row.model, attack, "success") for row in study.rows):
            rows.append(attack)
    if not rows:
        return None
    # Models that were never attacked so would be columns of dashes.
    models = [r.model for r in study.rows if any(study.values(r.model, attack, "success") for attack in rows)]
    caption = (
        "Stronger and other attacks: mean flips over the recordings that were fooled, and in brackets their share "
        "where some were not. A network that only hides its gradient is fooled more cheaply, or more often, once the "
        "attack takes another one, or none. What these attacks make of the paper's order is in its table, above."
    )
    return Table(
        caption,
        ("Attack", *(LABELS[model] for model in models)),
        [
            (label(attack), *(_fooled(study, model, attack) for model in models))
            for attack in (*rows, *study.parameters.attacks)
        ],
    )


def _fooled(study: Study, model: str, attack: str) -> str:
    """Return the mean flips of an attack on a model, and the share of the recordings that it fools."""
    flips, share = study.value(model, attack, "flips"), study.value(model, attack, "success")
    if share is None:
        return "–"
    cost = "none fooled" if flips is None else f"{flips.mean:,.0f}"
    return cost if share.mean > 0.995 or flips is None else f"{cost} ({prose.percent(share.mean, 0)})"


def transfer_caption(study: Study) -> str:
    """Return what the figure of transfers shows."""
    counts = Counter((t.attack, t.made, t.met) for t in study.transfers).values()
    seeds = prose.counted(max(counts), "seed")
    seeds = seeds if min(counts) == max(counts) else f"{min(counts)} to {seeds}"
    return (
        "Transfer: per cent of the recordings made against the model of the row that fool that of the column, of those "
        f"that it gets right; mean over {seeds}."
    )


def transfer_download(study: Study) -> Download:
    """Return every transfer as a file, with what as many flips in random places do."""
    columns = ("attack", "made_against", "given_to", "seed", "fooled", "by_chance", "flips")
    rows = [
        (t.attack, t.made, t.met, t.seed, *(f"{value:.6g}" for value in (t.fooled, t.chance, t.flips)))
        for t in study.transfers
    ]
    return Download("transfer", columns, rows)


def transferred(study: Study, attack: str) -> str:
    """Return how often what was made against one model fools another, and what as many random flips do."""
    models = [row.model for row in study.rows]
    met: dict[str, tuple[float, float]] = {}
    for other in models:
        found = [
            (fooled.mean, chance.mean)
            for model in models
            if model != other
            and (fooled := study.transfer(model, other, attack)) is not None
            and (chance := study.transfer(model, other, attack, "chance")) is not None
        ]
        if found:
            met[other] = (statistics.fmean(f for f, _ in found), statistics.fmean(c for _, c in found))
    if not met:
        return ""
    low, least, high, most = _extremes({model: fooled for model, (fooled, _) in met.items()})
    chances = [chance for _, chance in met.values()]
    shares = f"{prose.percent(least, 0)} ({low})"
    by_chance = prose.percent(min(chances), 0)
    if len(met) > 1:
        shares += f" to {prose.percent(most, 0)} ({high})"
        by_chance += f" to {prose.percent(max(chances), 0)}"
    return (
        f"**{label(attack)}**: of what was made against another model, {shares} fools a network, mean over the others; "
        f"as many flips in random places fool {by_chance}."
    )


def same_number(study: Study) -> str:
    """Return what as many flips as an attack makes do in random places of the same recordings."""
    parts = []
    for attack in TRANSFERRED:
        found = {row.model: study.transfer(row.model, row.model, attack, "chance") for row in study.rows}
        shares = {model: one.mean for model, one in found.items() if one is not None}
        if not shares:
            continue
        low, least, high, most = _extremes(shares)
        range_ = f"{prose.percent(least, 0)} ({low})"
        range_ += f" to {prose.percent(most, 0)} ({high})" if len(shares) > 1 else ""
        parts.append(f"{range_} where their number is that of {ATTACK_LABELS[attack]}")
    if not parts:
        return ""
    return (
        f"**As many flips in random places** of the same recordings fool the network itself in {prose.listed(parts)}. "
        "What flips fool without being chosen says nothing about the gradient."
    )


def masked(study: Study) -> str:
    """Return which models are fooled more often by what was made against another than along their own gradient.

    An attack that knows the network is the stronger one unless the gradient that it follows is hidden.
    """
    parts = []
    for model in (row.model for row in study.rows):
        own = study.value(model, "gradient", "success")
        found = {
            other.model: made.mean
            for other in study.rows
            if other.model != model and (made := study.transfer(other.model, model, "smooth")) is not None
        }
        if own is None or not found:
            continue
        best = max(found, key=found.__getitem__)
        if found[best] - own.mean > HIDDEN:
            parts.append(
                f"{named(model)} in {prose.percent(found[best], 0)} (that of {named(best)}), where its own gradient "
                f"does in {prose.percent(own.mean, 0)}"
            )
    if not parts:
        return ""
    return (
        f"What was made along another network's smooth gradient fools {prose.listed(parts)}: it knows less and does "
        "more, so it is the gradient that hides."
    )


def in_time_caption(study: Study, attack: str = "gradient") -> str:
    """Return the finding of the figure of flips in time: the share of the last third of the steps."""
    late = {}
    for row in study.rows:
        shares = study.in_time(row.model, attack)
        if shares is not None:
            late[row.model] = float(shares[-(len(shares) // 3) :].sum())
    if not late:
        return f"Flips in time: {NOT_ASKED}."
    early, least, tardy, most = _extremes(late)
    return (
        f"Where in time the flips fall, one line a model. Of the flips along the gradient {early} has "
        f"{prose.percent(least, 0)} and {tardy} {prose.percent(most, 0)} in the last third of the steps."
    )


def _lost(study: Study, row: Networks, kind: str, strength: float) -> Interval | None:
    curve = corruption(row.records, kind)
    clean, there = curve.get(0.0, {}), curve.get(strength, {})
    pairs = [clean[seed] - value for seed, value in there.items() if seed in clean]
    return networks.interval(pairs)


def corruption_caption(study: Study) -> str:
    """Return the finding of the corruption curves: what noise costs each model, from the least."""
    parts = []
    for strength in NOISE:
        lost = {r.model: v.mean for r in study.rows if (v := _lost(study, r, "noise", strength)) is not None}
        if lost:
            firm, little, frail, much = _extremes(lost)
            parts.append(
                f"at {prose.percent(strength, 0)} of noise {firm} loses least ({prose.points(little)}) and {frail} "
                f"most ({prose.points(much)})"
            )
    if not parts:
        return f"Corruptions: {NOT_ASKED}."
    return (
        f"{_sentence(parts)} Mean accuracy over networks. Noise: probability of an event in an empty entry; "
        "lost: of losing an event; jitter: standard deviation in steps of 3 ms; shift: pixels in one of four "
        "directions."
    )


def corruption_table(study: Study) -> Table:
    """Return what each corruption costs in accuracy, at every strength."""
    kinds = {
        kind: [s for s in strengths if s]
        for kind in ("noise", "drop", "jitter", "shift")
        if (strengths := sorted({s for row in study.rows for s in corruption(row.records, kind)}))
    }
    shown = [row for row in study.rows if corruption(row.records, "noise")]
    names = {"noise": "noise {:g}", "drop": "lost {:g}", "jitter": "jitter {:g}", "shift": "shift {:g}"}
    if not shown:
        return Table("What corruptions cost", ("Corruption", "Points"), [(NOT_ASKED, "–")])
    rows = [
        (names[kind].format(s), *(_points(_lost(study, row, kind, s)) for row in shown))
        for kind, strengths in kinds.items()
        for s in strengths
    ]
    caption = "Points of accuracy lost, mean over networks, each against its own clean recordings."
    return Table(caption, ("Corruption", *(LABELS[row.model] for row in shown)), rows)


def _points(found: Interval | None) -> str:
    return "–" if found is None else f"{100 * found.mean:.1f}".replace("-", "\N{MINUS SIGN}")


def steps_caption(numbers: Mapping[tuple[str, str], float], iterations: int, model: str) -> str:
    """Return what the strip of Fig. 8 shows."""
    label, predicted = (int(numbers[name, "all"]) for name in ("label", "predicted"))
    flips = numbers.get(("flips", f"iteration={iterations}"), 0.0)
    end = (
        f"takes it for a {predicted} after {prose.counted(iterations, 'iteration')} and {flips:,.0f} flips"
        if numbers["success", "all"]
        else f"still takes it for a {label} after {prose.counted(iterations, 'iteration')} and {flips:,.0f} flips"
    )
    return (
        f"A recording of a {label} under attack: {named(model)} {end}. Rows: events (orange where brightness rises, "
        "blue where it falls), where the gradient is large, what was inserted (orange) and deleted (blue), and the "
        "output's spike rate by digit."
    )


def protocol() -> Table:
    """Return the parameters of the attack with their values, as the first attack of the page has them."""
    own = choose(PROBE, {})
    rows = [
        (str(info.description), name, str(getattr(own, name)).replace("None", "–"))
        for name, info in type(own).model_fields.items()
    ]
    return Table("The attack: every choice", ("Choice", "Name in the code", "Value"), rows)
