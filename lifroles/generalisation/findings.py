"""What section 4.2 finds beyond the paper's claims: which reading of Table 7 is its own, and what goes with what."""

from __future__ import annotations

import numpy as np
from scipy import stats

from lifroles import paper, prose
from lifroles.claims.generalisation import READINGS
from lifroles.claims.quantities import MINUS
from lifroles.generalisation.networks import interval
from lifroles.generalisation.study import TRAINED, Study
from lifroles.statistics import Interval


def readings(study: Study) -> str:
    """Return which reading of Table 7 lies nearer to the paper's numbers."""
    found = {kept: gap for kept in READINGS if (gap := study.distance(kept)) is not None}
    if len(found) < len(READINGS):
        return "No run was tested at other step lengths yet, so neither reading can be compared with the paper."
    near = min(found, key=lambda kept: found[kept][0])
    far = next(kept for kept in READINGS if kept != near)
    said, agree = [], True
    for spiking, who in ((True, "the spiking networks"), (False, "the networks without spikes")):
        gaps = [study.distance(kept, spiking) for kept in (near, far)]
        if gaps[0] is not None and gaps[1] is not None:
            said.append(f"{who} by {prose.points(gaps[0][0])} and {prose.points(gaps[1][0])}")
            agree = agree and gaps[0][0] < gaps[1][0]
    end = (
        "So the first is probably what the paper did."
        if agree
        else "The two kinds of networks speak for different readings, so what the paper did stays open; the claims are "
        "tested under both."
    )
    return (
        f"On average over {found[near][1]} cells away from {TRAINED} ms, ours differ from the paper's numbers by "
        f"{prose.points(found[near][0])} with **{READINGS[near]}**, and by {prose.points(found[far][0])} with "
        f"{READINGS[far]}: {prose.listed(said)}. {end}"
    )


def beyond(study: Study) -> str:
    """Return, as Markdown, what the page's question asks and no claim of the paper answers."""
    lines = []
    for kept, reading in READINGS.items():
        loses = _against(study, "no_leakage", "baseline", paper.TABLE7_DTS[-1], kept)
        if loses is not None and loses.low is not None and loses.high is not None and loses.high < 0:
            lines.append(
                f"- At {paper.TABLE7_DTS[-1]} ms a network without leakage loses *less* than the baseline, by "
                f"{prose.points(loses.mean)} ({reading}; {prose.counted(loses.n, 'seed')}): the paper says that "
                "without leakage generalisation declines, above all at 1 ms."
            )
    lines += filter(None, [_explained(study)])
    return "\n".join(lines)


def _against(study: Study, model: str, other: str, dt: int, kept: str) -> Interval | None:
    """Return how much more accuracy a model loses at a step length than another, seed by seed."""
    rows = [study.row(name) for name in (model, other)]
    lost = []
    for row in rows:
        if row is None:
            return None
        there, here = row.accuracies(dt, kept), row.accuracies(TRAINED, kept)
        lost.append({seed: here[seed] - there[seed] for seed in there if seed in here})
    return interval([lost[0][seed] - lost[1][seed] for seed in lost[0] if seed in lost[1]])


def _explained(study: Study, fewest: int = 5) -> str:
    """Return which of the paper's two explanations goes with what models lose at the shortest step."""
    dt, kept = paper.TABLE7_DTS[0], study.reading
    lost = {row.model: -change.mean for row in study.rows if (change := row.change(dt, kept)) is not None}
    measures = {
        "the gain of an error over five steps": {
            row.model: curve[5] for row in study.rows if 5 in (curve := row.curve("gradients", "reach"))
        },
        "the rise of the loss at radius 0.5": {
            row.model: mean.mean for row in study.rows if (mean := interval(row.rises(0.5))) is not None
        },
    }
    said = []
    for what, found in measures.items():
        common = [model for model in found if model in lost]
        if len(common) >= fewest:
            rank = float(np.asarray(stats.spearmanr([found[m] for m in common], [lost[m] for m in common]))[0])
            said.append(f"{rank:+.2f} with {what} ({len(common)} models)".replace("-", MINUS))
    if not said:
        return ""
    return (
        f"- Error accumulation, or flatness of the loss? Over models, what is lost at {dt} ms ({READINGS[kept]}) has a "
        f"rank correlation of {prose.listed(said)}. A correlation of so few models is a hint and no more."
    )
