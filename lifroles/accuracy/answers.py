"""What the runs behind the open questions say: a sentence or two for each question, computed from them."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean

from lifroles import benchmarks, paper, prose
from lifroles.accuracy.settings import SILENT, Outcome
from lifroles.accuracy.words import label
from lifroles.statistics import Interval, mean_interval
from lifroles.variant import TABLE6_VARIANTS

NEAR = 0.02
"""How near an accuracy comes to the paper's to be told."""


def leakage(found: Sequence[Outcome]) -> str:
    """Return whether a network without memory learns SHD, and where it does not."""
    complete = [o for o in found if o.setting.variant == "complete_leakage"]
    learned = [o for o in complete if o.learned]
    failed = [o for o in complete if not o.learned]
    silent = [o for o in complete if max(o.rate) < SILENT]
    sentences = []
    if learned:
        best = max(learned, key=lambda o: o.mean)
        sentences.append(
            f"With complete leakage the network learns in {len(learned)} of {prose.counted(len(complete), 'setting')}, "
            f"up to {prose.percent(best.mean)} ({best.setting.label}); the paper reports "
            f"{paper.TABLE6['complete_leakage']['shd'].text}. So chance is no consequence of lost memory alone."  # pyright: ignore[reportOptionalMemberAccess]
        )
    elif complete:
        sentences.append("With complete leakage the network stays near chance in every setting tried.")
    if failed:
        sentences.append(f"Near chance: {prose.listed(o.setting.label for o in failed)}.")
    sentences.append(
        f"Hidden layer silent: {prose.listed(o.setting.label for o in silent)}."
        if silent
        else "The hidden layer fires in all of them: training fails for another reason than silence where it fails."
        if failed
        else "The hidden layer fires in all of them."
    )
    return " ".join(sentences)


def recurrence(found: Sequence[Outcome]) -> str:
    """Return whether recurrence fails to train, or fails to help."""
    base = [o for o in found if o.setting.variant == "baseline"]
    loops = [o for o in found if o.setting.variant == "recurrent"]
    if not base or not loops:
        return "Baseline and recurrence were not both run."
    top = max(base, key=lambda o: o.mean)
    best = max(loops, key=lambda o: o.mean)
    text = (
        f"Best with recurrence: {prose.percent(best.mean)} ({best.setting.label}), its training accuracy "
        f"{prose.percent(fmean(best.train))}; best without: {prose.percent(top.mean)} ({top.setting.label}), training "
        f"{prose.percent(fmean(top.train))}. "
    )
    same = next((o for o in base if o.setting.changes == best.setting.changes), None)
    effect = None if same is None else _effect(best, same)
    if effect is not None:
        text += f"With the same settings in both, recurrence makes {_said(effect)}. "
        if effect.low is not None and effect.low > 0:
            return f"{text}So recurrence that is trained well helps, as in the paper."
    if best.mean > top.mean:
        return f"{text}On average recurrence helps there, as in the paper; these seeds do not decide it."
    if fmean(best.train) < fmean(top.train):
        n = len(best.train)
        runs = "In this one run" if n == 1 else f"In these {n} runs"
        return f"{text}{runs} recurrence falls behind on the training set already: there it is training that fails."
    return f"{text}Recurrence fits the training set at least as well and does not carry over to the test set."


def step_length(found: Sequence[Outcome]) -> str:
    """Return what the reset does at each step length."""
    by_dt: dict[float, dict[str, Outcome]] = {}
    for one in found:
        by_dt.setdefault(float(one.setting.changes.get("dt", 1.0)), {})[one.setting.variant] = one
    effects = {
        dt: effect
        for dt, pair in sorted(by_dt.items())
        if {"baseline", "no_reset"} <= pair.keys() and (effect := _effect(pair["no_reset"], pair["baseline"]))
    }
    if not effects:
        return "No step length has both variants with the same seed yet."
    lines = (f"{dt:g} ms: {_said(effect)}" for dt, effect in effects.items())
    text = f"Accuracy without reset, less that with it: {'; '.join(lines)}."
    if len(effects) > 1:
        short, long = effects[min(effects)], effects[max(effects)]
        agrees = "as" if short.mean > 0 > long.mean else "not as"
        text += (
            f" Between {min(effects):g} and {max(effects):g} ms it is {agrees} the earlier work has it (help at the "
            "shortest step, harm at the longest)."
        )
    return text


def _effect(one: Outcome, other: Outcome) -> Interval | None:
    """Return by how much one setting is more accurate than another, paired by seed; ``None``: no seed has both."""
    own, base = one.by_seed, other.by_seed
    both = [own[seed] - base[seed] for seed in sorted(own.keys() & base.keys())]
    return mean_interval(both) if both else None


def _said(effect: Interval) -> str:
    ends = (
        ""
        if effect.low is None or effect.high is None
        else f" ({prose.signed_points(effect.low)} to {prose.signed_points(effect.high)})"
    )
    return f"{prose.signed_points(effect.mean)} points{ends}, {prose.counted(effect.n, 'seed')}"


def batch_size(found: Sequence[Outcome]) -> str:
    """Return which batch trains gestures."""
    reported = paper.TABLE6["baseline"]["dvs_gesture"]
    assert reported is not None
    samples = benchmarks.get("dvs_gesture").facts.samples["train"]
    said = []
    for one in found:
        batch = int(one.setting.changes.get("batch_size", 1024))
        said.append(f"{batch:,} ({prose.counted(-(-samples // batch), 'update')} an epoch): {prose.percent(one.mean)}")
    if len(found) == 1:
        return f"One batch size was run, {said[0]}; the paper reports {reported.text} on other data."
    best = max(found, key=lambda one: one.mean)
    enough = [one for one in found if one.mean >= reported.value - NEAR]
    text = f"Batch size and accuracy: {'; '.join(said)}."
    own = next((one for one in found if not one.setting.changes), None)
    if best is not own:
        text += f" Best: {best.setting.label}."
        if own is not None:
            text += (
                f" That is {prose.points(best.mean - own.mean)} above the protocol's own batch, with which the "
                f"training set reaches {prose.percent(fmean(own.train))} already, and "
                f"{prose.percent(fmean(best.train))} with the best."
            )
    return text + (
        f" Within {prose.points(NEAR, 0)} of the paper's {reported.text} or above: "
        f"{prose.listed(o.setting.label for o in enough)}."
        if enough
        else f" None comes within {prose.points(NEAR, 0)} of the paper's {reported.text}, on other data."
    )


def order(found: Sequence[Outcome]) -> str:
    """Return whether the order of the variants changes with the learning rate."""
    slow = {o.setting.variant: o.mean for o in found if not o.setting.changes}
    fast = {o.setting.variant: o.mean for o in found if o.setting.changes}
    common = [v for v in TABLE6_VARIANTS if v in slow and v in fast]
    if len(common) < 2:
        return "Too few variants were run with both learning rates to compare their order."
    orders = [sorted(common, key=values.__getitem__, reverse=True) for values in (slow, fast)]
    gain = fmean(fast[v] - slow[v] for v in common)
    spreads = [max(values[v] for v in common) - min(values[v] for v in common) for values in (slow, fast)]
    text = (
        f"A tenfold higher rate changes accuracy by {prose.signed_points(gain)} points on average; from best to worst "
        f"variant there are {prose.points(spreads[0])} at the paper's rate and {prose.points(spreads[1])} now. "
    )
    names = [", ".join(label(v).lower() for v in order) for order in orders]
    stays = orders[0] == orders[1]
    text += f"The order stays: {names[0]}." if stays else f"The order changes, from {names[0]} to {names[1]}."
    return f"{text} {silent_classes(found)}".rstrip()


def silent_classes(found: Sequence[Outcome]) -> str:
    """Return whose class units never fire, and what that does; nothing where all fire or nobody asked."""
    some = [o for o in found if sum(o.silent_classes)]
    if not some:
        return ""
    classes = round(1 / benchmarks.get(some[0].setting.benchmark).chance)
    counts = prose.listed(
        f"{sum(o.silent_classes)} of {classes * len(o.silent_classes)} ({o.setting.label})" for o in some
    )
    return (
        f"Class units that never fire on the test set after a run's last epoch: {counts}. Such a class is chosen only "
        f"where no unit fires at all, which costs about {prose.points(1 / classes, 0)} a unit. The rectangular "
        "surrogate passes no gradient to a potential further below the threshold than its half width, so that such a "
        "unit need not come back."
    )


def readout(found: Sequence[Outcome]) -> str:
    """Return which readout the held-out speakers prefer."""
    best = max(found, key=lambda o: fmean(max(r.history["valid_accuracy"]) for r in o.records))
    return f"Held-out speakers prefer: {best.setting.label}. The archived runs use it, with every speaker in training."
