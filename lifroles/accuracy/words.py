"""Section 4.1 in words: tables, captions and verdicts, all computed from the runs."""

from __future__ import annotations

from statistics import fmean

from lifroles import benchmarks, prose
from lifroles.accuracy.study import Cell, Study
from lifroles.statistics import FEWEST
from lifroles.store import Record
from lifroles.tables import Table
from lifroles.training import Replay
from lifroles.variant import VARIANT_LABELS

NOT_RUN = "not run"

NO_CHANGE = 0.0005
"""A difference of accuracies below this is written as no points, and is none."""


def title(benchmark: str) -> str:
    """Return a benchmark's name for readers."""
    return benchmarks.get(benchmark).title


def named(study: Study, benchmark: str) -> str:
    """Return a benchmark's name, and what parts its numbers here from the full protocol on the published data."""
    departs = study.departure(benchmark)
    return f"{title(benchmark)} ({departs})" if departs else title(benchmark)


def label(variant: str) -> str:
    """Return a variant's name as the paper's tables write it."""
    return VARIANT_LABELS.get(variant, variant)


def seeds_a_variant(study: Study, benchmark: str) -> str:
    """Return how many seeds there are: ``"n = 1 seed a variant"``, ``"n = 2 to 5 seeds a variant"``."""
    counts = [len(cell.records) for cell in study.row(benchmark) if cell.records] or [0]
    if min(counts) == max(counts):
        return f"n = {prose.counted(counts[0], 'seed')} a variant"
    return f"n = {min(counts)} to {max(counts)} seeds a variant"


def scale_note(study: Study) -> str:
    """Return which runs the page shows: profile, sources and scale, as Markdown."""
    p = study.parameters
    lead = {
        "archive": "This page shows **archived runs** and trains nothing but one replay.",
        "smoke": "**Every number on this page is from toy scale.** It shows that the code runs, and says nothing "
        "about the paper.",
        "paper": "This page shows runs **trained in place with the full protocol**.",
    }[p.profile]
    if p.profile == "paper" and (p.epochs is not None or p.scale not in (None, "paper") or p.source is not None):
        lead = "This page shows runs **trained in place, not with the paper's full protocol**: see each benchmark."
    parts = []
    for name in p.benchmarks:
        runs, departs = study.records(name), study.departure(name)
        missing = [label(c.variant).lower() for c in study.row(name) if not c.records]
        note = f"; {NOT_RUN}: {prose.listed(missing)}" if missing and runs else ""
        what = f"{prose.counted(len(runs), 'run')}, {departs or 'the full protocol'}" if runs else NOT_RUN
        parts.append(f"- {title(name)}: source `{study.scale(name).source}`, {what}{note}.")
    return "\n".join([lead, "", *parts])


def accuracy_table(study: Study, benchmark: str) -> Table:
    """Return a benchmark's column of Table 6 beside ours: last and best epoch, and how the paper's number lies."""
    rows = []
    departs = study.departure(benchmark)
    for cell in study.row(benchmark):
        reported = cell.reported.text if cell.reported else "–"
        if cell.last is None or cell.best is None:
            why = f"failed: {cell.failed[0].reason}" if cell.failed else NOT_RUN
            rows.append((label(cell.variant), reported, why, *["–"] * (5 if departs else 6)))
            continue
        failed = f"; {prose.counted(len(cell.failed), 'run')} failed" if cell.failed else ""
        seeds = ", ".join(str(r.seed) for r in cell.records) + failed
        effect = study.effect(benchmark, cell.variant)
        against = "–" if effect is None or cell.variant == "baseline" else prose.signed_points(effect.mean)
        last, best = prose.interval(cell.last), prose.percent(cell.best.mean)
        # Runs of another protocol are no measure of the paper's number.
        compared = () if departs else (_compared(cell),)
        learned = prose.percent(fmean(r.history["train_accuracy"][-1] for r in cell.records))
        fired = f"{fmean(rates):.4f}" if (rates := cell.rates("hidden1")) else "–"
        rows.append((label(cell.variant), reported, last, best, against, *compared, learned, fired, seeds))
    columns = (
        "Variant",
        "Paper",
        "Here, last epoch",
        "Here, best epoch",
        "Against the baseline, points",
        *(() if departs else ("The paper's number lies",)),
        "Here, on the training set",
        "Spikes per hidden neuron and step",
        "Seeds",
    )
    chance = prose.percent(benchmarks.get(benchmark).chance, 0)
    caption = (
        f"{title(benchmark)} ({departs or 'full protocol'}, source {study.scale(benchmark).source}): test accuracy, "
        "mean and 95 % t-interval over seeds, beside Table 6. The best epoch is chosen by test accuracy, so it is "
        "optimistic. Against the baseline: last epoch, seed by seed. A network that is no better on its training set "
        "did not learn, whatever it remembers; the spikes are those of the first hidden layer, after the last epoch. "
        f"Chance is {chance}."
    )
    return Table(caption, columns, rows)


def caption(study: Study, benchmark: str) -> str:
    """Return the finding of the accuracy figure."""
    cells = [c for c in study.row(benchmark) if c.last]
    if not cells:
        return f"{title(benchmark)}: {NOT_RUN}; only the paper's values (open diamonds) are shown."
    means = {c.variant: c.last.mean for c in cells if c.last}
    top, low = max(means, key=means.__getitem__), min(means, key=means.__getitem__)
    spread = "" if len(means) == 1 else f", {label(low).lower()} lowest with {prose.percent(means[low])}"
    toy = " Toy scale." if study.parameters.profile == "smoke" else ""
    return (
        f"{named(study, benchmark)}: after the last epoch {label(top).lower()} is highest with "
        f"{prose.percent(means[top])}{spread} ({seeds_a_variant(study, benchmark)}). Filled: every seed, with mean and "
        f"95 % interval, last epoch; pale: best epoch; open diamond: the paper; dashed: chance.{toy}"
    )


def _compared(cell: Cell) -> str:
    """Return how far the paper's number lies from the mean of the last epochs, and whether inside its interval."""
    assert cell.last is not None
    if cell.reported is None:
        return "–"
    gap = cell.reported.value - cell.last.mean
    where = f"{prose.points(gap)} {'above' if gap > 0 else 'below'}"
    if round(100 * gap, 1) == 0:
        where = "where ours does"
    inside = cell.last.contains(cell.reported.value)
    return where if inside is None else f"{where}, {'inside' if inside else 'outside'} the interval"


def summary(study: Study, benchmark: str) -> str:
    """Return whether the paper's numbers, and the direction of its effects, are found again."""
    if study.parameters.profile == "smoke":
        return "At toy scale these differences say nothing about the paper."
    known = [(c, c.last.contains(c.reported.value)) for c in study.row(benchmark) if c.reported and c.last]
    judged = [inside for _, inside in known if inside is not None]
    base = study.cells.get((benchmark, "baseline"))
    signs: list[tuple[str, bool, bool | None]] = []
    still: list[str] = []
    for cell, _ in known:
        effect = study.effect(benchmark, cell.variant)
        if cell is base or effect is None or base is None or base.reported is None or cell.reported is None:
            continue
        theirs = cell.reported.value - base.reported.value
        clear = None if effect.low is None else effect.contains(0.0) is False
        if abs(effect.mean) < NO_CHANGE:
            still.append(label(cell.variant).lower())
            continue
        signs.append((label(cell.variant).lower(), (theirs > 0) == (effect.mean > 0), clear))
    sentences = []
    if departs := study.departure(benchmark):
        sentences.append(f"These runs are not the paper's ({departs}): directions can be compared, levels cannot.")
    elif judged:
        sentences.append(
            f"The paper's number lies inside our 95 % interval for {sum(judged)} of "
            f"{prose.counted(len(judged), 'variant')} with at least {FEWEST} seeds."
        )
    if single := len(known) - len(judged):
        sentences.append(
            f"{prose.counted(single, 'variant')} {'has' if single == 1 else 'have'} fewer than {FEWEST} seeds and no "
            "interval."
        )
    if signs:
        same = [name for name, agrees, _ in signs if agrees]
        other = [name for name, agrees, _ in signs if not agrees]
        sentences.append(
            "The change against the baseline goes the paper's way for "
            f"{len(same)} of {prose.counted(len(signs) + len(still), 'variant')}"
            + (f" ({prose.listed(same)})" if same else "")
            + (f", and the other way: {prose.listed(other)}" if other else "")
            + (f"; no change: {prose.listed(still)}" if still else "")
            + "."
        )
        clear = [name for name, _, sure in signs if sure]
        if any(sure is not None for *_, sure in signs):
            sentences.append(
                f"Paired by seed, the 95 % interval of that change leaves zero out for {prose.listed(clear)}."
                if clear
                else "Paired by seed, the 95 % interval of that change holds zero for every variant."
            )
    return " ".join(sentences) or "There is not yet a run to compare with the paper."


def curves_caption(study: Study, benchmark: str) -> str:
    """Return the finding of the learning curves: how far last and best epochs lie apart."""
    gaps = {
        c.variant: max(b - e for b, e in zip(c.values("best_accuracy"), c.values("last_accuracy"), strict=True))
        for c in study.row(benchmark)
        if c.records
    }
    if not gaps:
        return f"{title(benchmark)}: {NOT_RUN}."
    worst = max(gaps, key=gaps.__getitem__)
    apart = f"the best epoch lies above the last by up to {prose.points(gaps[worst])} ({label(worst).lower()})"
    if gaps[worst] == 0:
        apart = "in every run the last epoch is the best"
    chance = benchmarks.get(benchmark).chance
    lost = {c.variant: sum(_fell(r, chance) for r in c.records) for c in study.row(benchmark)}
    if any(lost.values()):
        fell = prose.listed(
            f"{label(c.variant).lower()} {lost[c.variant]} of {len(c.records)}"
            for c in study.row(benchmark)
            if lost[c.variant]
        )
        apart += f"; runs that had learned and fell back to chance: {fell}"
    return (
        f"{named(study, benchmark)}: {apart}. Thick lines: mean over seeds; bands: lowest "
        "to highest seed, thin lines: every seed where there are many; dashed, where it is near: chance "
        f"({seeds_a_variant(study, benchmark)})."
    )


LEARNED, AT_CHANCE = 0.1, 0.03
"""A run has learned from so much above chance on, and is back at chance from so little on."""


def _fell(record: Record, chance: float) -> bool:
    """Tell whether a run was well above chance and ends at it."""
    best, last = record.final["best_accuracy"], record.final["last_accuracy"]
    return best - chance > LEARNED and abs(last - chance) < AT_CHANCE


def replay_words(replay: Replay | None) -> str:
    """Return whether a stored run's first epochs came out the same here, as Markdown."""
    if replay is None:
        return "There is no stored run to replay."
    spec = replay.record.spec
    what = f"`{spec.path}`, trained again here for {prose.counted(replay.epochs, 'epoch')} in {replay.seconds:.0f} s,"
    if replay.identical:
        return f"{what} came out **identical, bit for bit**: losses, accuracies and spike rates."
    origin = replay.record.provenance.get("processor") or "an unknown processor"
    return (
        f"{what} came out **different by at most {replay.difference:.2g}** in any loss, accuracy or spike rate. It was "
        f"recorded on {origin}; another processor or library may round the last bits differently, and training "
        "magnifies that."
    )
