"""Section 4.2 in words: tables, captions and findings, all computed from runs and probe records."""

from __future__ import annotations

from collections.abc import Sequence

from lifroles import paper, prose
from lifroles.generalisation.study import LABELS, REAL, TRAINED, Row, Study, interval
from lifroles.tables import Table

NOT_RUN = "not run"
NOT_ASKED = "not measured"
READINGS = {"steps": "15 steps, whatever they cover", "duration": "45 ms, in as many steps as fit"}
OTHERS = tuple(dt for dt in paper.TABLE7_DTS if dt != TRAINED)


def scale_note(study: Study) -> str:
    """Return, as Markdown, which runs and answers the page shows, and which are missing."""
    lead = {
        "archive": "This page shows **archived runs** of the full protocol and what was asked of them, and trains "
        "nothing.",
        "smoke": "**Every number on this page is from toy scale.** It shows that the code runs, and says nothing "
        "about the paper.",
        "paper": "This page shows runs **trained in place with the full protocol**.",
    }[study.parameters.profile]
    have = [
        f"{LABELS[row.model].lower()} ({prose.counted(len(row.records), 'seed')})" for row in study.rows if row.records
    ]
    missing = [LABELS[row.model] for row in study.rows if not row.records]
    lines = [lead, "", f"- Source `{study.source}`; trained: {prose.listed(have) or 'none yet'}."]
    if missing:
        lines.append(f"- **{NOT_RUN.capitalize()}**: {'; '.join(missing)}.")
    for probe in ("resolution", "gradients", "landscape", "features"):
        n = sum(len(row.probes(probe)) for row in study.rows)
        lines.append(f"- Probe `{probe}`: {prose.counted(n, 'run') if n else NOT_ASKED}.")
    if study.source.startswith("saccades"):
        lines.append(
            "- The recordings are a **stand-in**: MNIST's images before a simulated event camera. "
            f"The real ones at hand are the test recordings of `{REAL}`, reported apart."
        )
    return "\n".join(lines)


def table7(study: Study, kept: str) -> Table:
    """Return Table 7 under one reading: ours, and the paper's number beside it."""
    rows = []
    for row in study.rows:
        cells = []
        for dt in paper.TABLE7_DTS:
            found = row.accuracy(dt, kept)
            own = prose.percent(found.mean) if found else NOT_ASKED if row.records else NOT_RUN
            theirs = row.reported[dt].text if dt in row.reported else "–"
            cells.append(f"{own} · {theirs}")
        rows.append((LABELS[row.model], *cells, str(len(row.probes("resolution", source=None))) or "0"))
    columns = ("Model", *(f"{dt} ms" for dt in paper.TABLE7_DTS), "Seeds")
    caption = (
        f"Test accuracy, trained at {TRAINED} ms, kept: {READINGS[kept]}. Each cell: the mean over seeds here · the "
        "paper's Table 7, which does not say what it keeps."
    )
    return Table(caption, columns, rows)


def changes(study: Study, kept: str) -> Table:
    """Return by how many points the accuracy changes against 3 ms, seed by seed, here and in the paper."""
    rows = []
    for row in study.rows:
        cells = []
        for dt in OTHERS:
            found = row.change(dt, kept)
            theirs = prose.signed_points(row.reported[dt].value - row.reported[TRAINED].value)
            if found is None:
                own = NOT_ASKED if row.records else NOT_RUN
            elif found.low is None or found.high is None:
                own = prose.signed_points(found.mean)
            else:
                ends = f"{prose.signed_points(found.low)} to {prose.signed_points(found.high)}"
                own = f"{prose.signed_points(found.mean)} ({ends})"
            cells.append(f"{own} · {theirs}")
        rows.append((LABELS[row.model], *cells))
    caption = (
        f"Change of the accuracy against {TRAINED} ms in points, kept: {READINGS[kept]}. Each cell: mean of the "
        "differences seed by seed with its 95 % t-interval here · the paper's difference."
    )
    return Table(caption, ("Model", *(f"{dt} ms" for dt in OTHERS)), rows)


def readings(study: Study) -> str:
    """Return which reading of Table 7 lies nearer to the paper's numbers."""
    found = {kept: gap for kept in READINGS if (gap := study.distance(kept)) is not None}
    if len(found) < len(READINGS):
        return "No run was tested at other step lengths yet, so neither reading can be compared with the paper."
    near = min(found, key=lambda kept: found[kept][0])
    parts = [f"{prose.points(gap)} with {READINGS[kept]}" for kept, (gap, _) in found.items()]
    return (
        f"Over {found[near][1]} cells away from {TRAINED} ms, the paper's numbers and ours lie {prose.listed(parts)} "
        "apart "
        f"on average: the reading **{READINGS[near]}** is the nearer one."
    )


def table7_caption(study: Study) -> str:
    """Return the finding of the figure: which models lose least and most at the worst step length."""
    lost: dict[str, float] = {}
    for row in study.rows:
        found = [change.mean for dt in OTHERS if (change := row.change(dt)) is not None]
        if found:
            lost[row.model] = -min(found)
    if not lost:
        return f"No model was tested at other step lengths yet ({NOT_ASKED}); open diamonds: the paper's Table 7."
    least, most = min(lost, key=lost.__getitem__), max(lost, key=lost.__getitem__)
    n = sum(len(row.records) for row in study.rows)
    return (
        f"At its worst step length {LABELS[least].lower()} loses {prose.points(lost[least])} and "
        f"{LABELS[most].lower()} "
        f"{prose.points(lost[most])}. Round points: 15 steps kept, every seed; triangles, pale: 45 ms kept; open "
        "diamonds: "
        f"the paper; dashed: chance ({prose.counted(n, 'run')})."
    )


def _cells(row: Row, kept: str, frames: str, source: str | None) -> list[str]:
    found = [row.accuracy(dt, kept, frames, source) for dt in paper.TABLE7_DTS]
    return [prose.percent(one.mean) if one else NOT_ASKED if row.records else NOT_RUN for one in found]


def controls(study: Study) -> list[Table]:
    """Return three controls: input scale, readout of the cells without spikes, and real recordings."""
    columns = ("Model", *(f"{dt} ms" for dt in paper.TABLE7_DTS))
    scaled = [
        (f"{LABELS[row.model]}: {what}", *_cells(row, "steps", frames, None))
        for row in study.rows
        if row.probes("resolution")
        for frames, what in (("binary", "binary"), ("counts", "counts"), ("scaled", "binary, scaled"))
    ]
    mean = [(LABELS[row.model], *_cells(row, "steps", "binary", None)) for row in study.controls]
    real = [
        (LABELS[row.model], *_cells(row, "steps", "binary", REAL))
        for row in study.rows
        if row.probes("resolution", source=REAL)
    ]
    nothing = [(NOT_ASKED, *["–"] * len(paper.TABLE7_DTS))]
    return [
        Table(
            "Input scale: binary frames as trained, counts of events, and binary frames scaled to hold as much as at "
            f"{TRAINED} ms. Accuracy, 15 steps kept.",
            columns,
            scaled or nothing,
        ),
        Table(
            "Readout: the cells without spikes, trained and read as a mean over time, as a spiking network's rate is. "
            "Accuracy, 15 steps kept.",
            columns,
            mean or nothing,
        ),
        Table(
            f"Real recordings: the test recordings of `{REAL}`, which no network was trained on. Accuracy, 15 steps "
            "kept.",
            columns,
            real or nothing,
        ),
    ]


def _ordered(values: dict[str, float], show: str) -> str:
    order = sorted(values, key=values.__getitem__)
    return ", ".join(f"{LABELS[model].lower()} {values[model]:{show}}" for model in order)


def propagation_caption(study: Study) -> str:
    """Return the finding of the error-propagation figure: the gain of an error over five steps, in order."""
    reach = {row.model: curve[5] for row in study.rows if 5 in (curve := row.curve("gradients", "reach"))}
    if not reach:
        return f"Error propagation: {NOT_ASKED}."
    return (
        f"Gain of an error over five steps, from the smallest: {_ordered(reach, '.2g')}. Top: root mean square of the "
        "singular values of ∂u(T)/∂u(T−lag); middle: norm of the loss's gradient at each step, last step = 1; bottom: "
        "distance of the states after some input entries of one step were flipped, without any surrogate. The state "
        "is u "
        "of the hidden layer, c of the LSTM, h of the other cells. Mean over runs."
    )


def rises_caption(study: Study, radius: float) -> str:
    """Return the finding of the figure of loss rises."""
    found = {row.model: mean.mean for row in study.rows if (mean := interval(row.rises(radius))) is not None}
    if not found:
        return f"Loss landscape: {NOT_ASKED}."
    return (
        f"Mean rise of the mean squared error at radius {radius:g}, from the flattest: {_ordered(found, '.3g')}. "
        "Points: "
        "every run, mean over its pairs of directions and the points of each circle. Spiking rates lie in [0, 1], the "
        "other outputs do not, so the same loss can rise further for them."
    )


def features_table(study: Study) -> Table:
    """Return how separable the classes are in the features themselves, and how stable the pictures are."""
    wanted = (
        ("silhouette", "features", ".3f"), ("knn", "features", ".1%"), ("linear", "features", ".1%"),
        ("knn", "dt=1", ".1%"), ("knn", "dt=10", ".1%"), ("silhouette", "tsne", ".2f"), ("procrustes", "tsne", ".2f"),
        ("procrustes", "umap", ".2f"),
    )  # fmt: skip
    rows = []
    for row in study.rows:
        found = row.probes("features")
        cells = []
        for metric, key, show in wanted:
            values = [record.numbers[metric, key] for record in found if (metric, key) in record.numbers]
            cells.append(f"{sum(values) / len(values):{show}}".replace("%", " %") if values else "–")
        rows.append((LABELS[row.model], *cells, str(len(found)) if found else NOT_ASKED))
    columns = (
        "Model", "Silhouette", "kNN", "Linear", "kNN at 1 ms", "kNN at 10 ms", "Silhouette in t-SNE",
        "t-SNE, seeds apart",
        "UMAP, seeds apart", "Runs",
    )  # fmt: skip
    caption = (
        "Separability of the hidden layer's features: silhouette and cross-validated accuracy of five nearest "
        "neighbours "
        "and of a linear classifier in the features themselves; what the picture makes of it; and the Procrustes "
        "disparity of embeddings of different seeds (0: the same but for rotation and scale)."
    )
    return Table(caption, columns, rows)


def features_caption(study: Study) -> str:
    """Return the finding of the feature figure: the most and the least separated, in the features themselves."""
    found = {
        row.model: sum(values) / len(values)
        for row in study.rows
        if (values := [record.numbers["silhouette", "features"] for record in row.probes("features")])
    }
    if not found:
        return f"Features: {NOT_ASKED}."
    top, low = max(found, key=found.__getitem__), min(found, key=found.__getitem__)
    return (
        "t-SNE of the hidden layer's spike rates, one colour a digit. In the features themselves "
        f"{LABELS[top].lower()} "
        f"separates the digits most (silhouette {found[top]:.3f}) and {LABELS[low].lower()} least ({found[low]:.3f}); "
        "distances in the picture prove nothing."
    )


def verdicts(study: Study) -> str:
    """Return, as Markdown, what becomes of the paper's five claims of section 4.2."""

    def means(models: Sequence[str], value: str) -> dict[str, float]:
        found: dict[str, float] = {}
        for row in study.rows:
            if row.model in models:
                got = _value(row, value)
                if got is not None:
                    found[row.model] = got
        return found

    spiking = [row.model for row in study.rows if row.model not in ("lstm", "gru", "rnn")]
    lines = []

    def claim(text: str, one: dict[str, float], other: dict[str, float], higher: bool, unit: str) -> None:
        if not one or not other:
            lines.append(f"- {text}: **not yet tested**, because runs or answers are missing.")
            return
        a, b = sum(one.values()) / len(one), sum(other.values()) / len(other)
        held = a > b if higher else a < b
        lines.append(f"- {text}: **{'held' if held else 'did not hold'}** ({a:.3g} against {b:.3g}, {unit}).")

    cells = ("lstm", "gru", "rnn")
    drop = "mean accuracy away from 3 ms, 15 steps kept"
    claim("Spiking networks generalise better than RNNs", means(spiking, "away"), means(cells, "away"), True, drop)
    claim(
        "Without leakage more is lost at 1 ms",
        means(("no_leakage",), "1"), means(("baseline",), "1"), False, "accuracy at 1 ms less that at 3 ms",
    )  # fmt: skip
    claim("Recurrence impairs generalisation", means(("recurrent",), "away"), means(("baseline",), "away"), False, drop)
    rise = "rise of the loss at radius 0.5"
    claim(
        "The baseline's loss is flatter than without leakage and with recurrence",
        means(("baseline",), "rise"), means(("no_leakage_recurrent",), "rise"), False, rise,
    )  # fmt: skip
    claim(
        "An LSTM's loss is the steepest", means(("lstm",), "rise"), means(("no_leakage_recurrent",), "rise"), True, rise
    )
    others = [m for m in ("baseline", "no_leakage", "complete_leakage", "no_reset") if m in spiking]
    claim(
        "Recurrence separates the classes most in feature space",
        means(("recurrent",), "silhouette"), means(others, "silhouette"), True, "silhouette in the features",
    )  # fmt: skip
    return "\n".join(lines)


def _value(row: Row, which: str) -> float | None:
    if which == "away":
        found = [one.mean for dt in OTHERS if (one := row.accuracy(dt)) is not None]
        return sum(found) / len(found) if found else None
    if which == "1":
        change = row.change(1)
        return change.mean if change else None
    if which == "rise":
        mean = interval(row.rises(0.5))
        return mean.mean if mean else None
    values = [record.numbers["silhouette", "features"] for record in row.probes("features")]
    return sum(values) / len(values) if values else None
