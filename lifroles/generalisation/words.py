"""Section 4.2 in words: tables, captions and findings, all computed from runs and probe records."""

from __future__ import annotations

from collections.abc import Sequence

from lifroles import benchmarks, overview, paper, prose
from lifroles.claims.generalisation import READINGS
from lifroles.claims.quantities import named
from lifroles.generalisation import networks
from lifroles.generalisation.networks import LABELS, NOT_ASKED, NOT_RUN, interval
from lifroles.generalisation.study import REAL, TRAINED, Plane, Row, Study
from lifroles.tables import Table

OTHERS = tuple(dt for dt in paper.TABLE7_DTS if dt != TRAINED)


def scale_note(study: Study) -> str:
    """Return, as Markdown, which runs and answers the page shows, and which are missing."""
    return networks.scale_note(study, ("resolution", "gradients", "landscape", "features"))


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
        f"Test accuracy, trained at {TRAINED} ms, {READINGS[kept]}. Each cell: the mean over seeds here · the "
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
        f"Change of the accuracy against {TRAINED} ms in points, {READINGS[kept]}. Each cell: mean of the "
        "differences seed by seed with its 95 % t-interval here · the paper's difference."
    )
    return Table(caption, ("Model", *(f"{dt} ms" for dt in OTHERS)), rows)


def table7_caption(study: Study) -> str:
    """Return the finding of the figure: which models lose least and most at the worst step length."""
    reading = study.reading
    lost: dict[str, float] = {}
    for row in study.rows:
        found = [change.mean for dt in OTHERS if (change := row.change(dt, reading)) is not None]
        if found:
            lost[row.model] = -min(found)
    if not lost:
        return f"No model was tested at other step lengths yet ({NOT_ASKED}); open diamonds: the paper's Table 7."
    least, most = min(lost, key=lost.__getitem__), max(lost, key=lost.__getitem__)
    n = sum(len(row.probes("resolution", source=None)) for row in study.rows)
    other = next(kept for kept in READINGS if kept != reading)
    return (
        f"With {READINGS[reading]}, {named(least)} loses {prose.points(lost[least])} at its worst step length and "
        f"{named(most)} {prose.points(lost[most])}. Points: every seed with {READINGS[reading]}; triangles, pale: with "
        f"{READINGS[other]}; open diamonds: the paper; dashed: chance ({prose.counted(n, 'run')})."
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
            f"Real recordings: published test recordings (source {REAL}: {overview.SOURCES[REAL][1]}), which no "
            "network was trained on. Accuracy, 15 steps kept.",
            columns,
            real or nothing,
        ),
    ]


def _ordered(values: dict[str, float], show: str) -> str:
    order = sorted(values, key=values.__getitem__)
    return ", ".join(f"{named(model)} {values[model]:{show}}" for model in order)


def propagation_caption(study: Study) -> str:
    """Return the finding of the error-propagation figure: the gain of an error over five steps, in order."""
    reach = {row.model: curve[5] for row in study.rows if 5 in (curve := row.curve("gradients", "reach"))}
    if not reach:
        return f"Error propagation: {NOT_ASKED}."
    return (
        f"Gain of an error over five steps, from the smallest: {_ordered(reach, '.2g')}. Top: root mean square of the "
        "singular values of ∂u(T)/∂u(T−lag); middle: norm of the loss's gradient at each step, last step = 1; bottom: "
        "distance of the states after some input entries of one step were flipped, without any surrogate. The state "
        "is u of the hidden layer, c of the LSTM, h of the other cells. Mean over runs; what is below 1e-8 is drawn "
        "there, zero as well."
    )


def propagation_table(study: Study, lag: int = 5) -> Table:
    """Return how errors travel: the gain of one step and of several, and what becomes of flipped input entries."""
    rows = []
    for row in study.rows:
        found = row.probes("gradients")
        if not found:
            continue
        gain, reach, distance, spikes = (row.curve("gradients", m) for m in ("gain", "reach", "distance", "spikes"))
        flipped = sum(one.numbers["flipped", "output"] for one in found) / len(found)
        rows.append(
            (
                LABELS[row.model],
                f"{sum(gain.values()) / len(gain):.3f}",
                f"{reach[lag]:.2g}",
                f"{distance[lag] / distance[0]:.2g}" if distance[0] else "–",
                f"{1e6 * spikes[lag]:,.0f}" if spikes else "–",
                prose.percent(flipped, 2),
                str(len(found)),
            )
        )
    columns = (
        "Model", "Gain of a step", f"Gain of {lag} steps", f"Distance after {lag} steps", "Spikes changed by then",
        "Class changed", "Runs",
    )  # fmt: skip
    caption = (
        "Errors in time, mean over runs. Gains: root mean square of the singular values, by the surrogate gradient. "
        "Distance: of the states, after entries of one input step were flipped, that of the flips = 1; spikes of the "
        "hidden layer that differ by then, of a million; and recordings whose class changes; all without a surrogate."
    )
    return Table(caption, columns, rows)


def landscapes_caption(shown: Sequence[Plane]) -> str:
    """Return the caption of Fig. 6: what is drawn, and how far the loss rises in it."""
    ends = {plane.model: (float(plane.loss.min()), float(plane.loss.max())) for plane in shown}
    found = prose.listed(f"{named(m)} from {low:.2g} to {high:.2g}" for m, (low, high) in ends.items())
    return (
        f"Loss (mean squared error to one-hot) in a plane of two filter-normalised random directions around the "
        f"trained weights, one scale for all: {found}. Top: as surfaces, the height a power of ten; bottom: as "
        f"contours, the cross is the trained network ({_drawn(shown)})."
    )


def other_landscapes_caption(shown: Sequence[Plane]) -> str:
    """Return the caption of the planes that are not in Fig. 6."""
    return (
        "The same planes, from -1 to 1, of the other models and, numbered, of further pairs of directions of those "
        f"above, on one scale with them ({_drawn(shown)})."
    )


def _drawn(shown: Sequence[Plane]) -> str:
    sizes = sorted({len(plane.line) for plane in shown})
    seeds = sorted({plane.seed for plane in shown})
    grids = prose.listed(f"{n}\N{MULTIPLICATION SIGN}{n}" for n in sizes)
    return f"{grids} points; {'seed' if len(seeds) == 1 else 'seeds'} {prose.listed(map(str, seeds))}"


def rises_table(study: Study, radii: Sequence[float]) -> Table:
    """Return the rise of the loss at each radius: mean over runs, and the least and most of all pairs of directions."""
    rows = []
    for row in study.rows:
        found = row.probes("landscape")
        if not found:
            continue
        cells = []
        for radius in radii:
            ends = f"/radius={radius:g}"
            values = [v for one in found for k, v in one.metric("rise").items() if k.endswith(ends)]
            mean = interval(row.rises(radius))
            cells.append(f"{mean.mean:.4f} ({min(values):.4f} to {max(values):.4f})" if mean else "–")
        worst = [one.numbers["worst", "radius=0.25"] for one in found if ("worst", "radius=0.25") in one.numbers]
        centre = sum(one.numbers["loss", "centre"] for one in found) / len(found)
        steepest = f"{sum(worst) / len(worst):.4f}" if worst else "–"
        sharp = [one.numbers["eigenvalue", "largest"] for one in row.probes("curvature")]
        sharpest = f"{sum(sharp) / len(sharp):.3g}" if sharp else NOT_ASKED
        rows.append((LABELS[row.model], f"{centre:.4f}", *cells, steepest, sharpest, str(len(found))))
    rises = (f"Rise at {radius:g}" for radius in radii)
    columns = ("Model", "Loss", *rises, "Up the gradient, 0.25", "Largest eigenvalue", "Runs")
    caption = (
        "Mean squared error at the trained weights, and its mean rise on circles around them: mean over runs (least to "
        "most of all pairs of directions and runs). Up the gradient: the rise one step along the gradient that "
        "training used, every row by a quarter of its norm. Eigenvalue: of the Hessian, by power iteration on "
        "differences of that gradient. For spiking networks it is the surrogate's, not the loss's own."
    )
    return Table(caption, columns, rows)


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
        ("knn", "dt=1", ".1%"), ("knn", "dt=10", ".1%"), ("silhouette", "tsne", ".2f"), ("procrustes", "tsne", ".4f"),
        ("procrustes", "umap", ".4f"),
    )  # fmt: skip
    rows = []
    for row in study.rows:
        found = row.probes("features")
        if not found:
            continue
        cells = []
        for metric, key, show in wanted:
            values = [record.numbers[metric, key] for record in found if (metric, key) in record.numbers]
            cells.append(f"{sum(values) / len(values):{show}}".replace("%", " %") if values else "–")
        rows.append((LABELS[row.model], *cells, str(len(found))))
    columns = (
        "Model", "Silhouette", "kNN", "Linear", "kNN at 1 ms", "kNN at 10 ms", "Silhouette in t-SNE",
        "t-SNE, seeds apart",
        "UMAP, seeds apart", "Runs",
    )  # fmt: skip
    caption = (
        "Separability of the hidden layer's features: silhouette and cross-validated accuracy of five nearest "
        "neighbours "
        "and of a linear classifier in the features themselves; what the picture makes of it; and the Procrustes "
        "disparity of embeddings of different seeds (0: the same but for rotation and scale; t-SNE begins at the "
        "principal components, which leaves little to its seed). Guessing gives "
        f"{prose.percent(benchmarks.get('nmnist').chance, 0)}."
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
    return (
        "t-SNE of the hidden layer's spike rates, one colour a digit. In the features themselves the digits are "
        f"separated, from the least by silhouette: {_ordered(found, '.3f')}. Distances in the picture prove nothing."
    )


def moved_caption(study: Study) -> str:
    """Return how much of the neighbourhood at 3 ms still tells the digit at another step length."""
    parts = []
    for row in study.rows:
        found = row.probes("features")
        keys = [key for key in ("dt=1", "dt=10") if any(("knn", key) in one.numbers for one in found)]
        if keys:
            shares = []
            for key in ("features", *keys):
                values = [one.numbers["knn", key] for one in found if ("knn", key) in one.numbers]
                where = f"{TRAINED}" if key == "features" else key.removeprefix("dt=")
                shares.append(f"{prose.percent(sum(values) / len(values), 0)} at {where} ms")
            parts.append(f"{named(row.model)} {prose.listed(shares)}")
    return (
        f"UMAP, fitted to the features at {TRAINED} ms and applied to those at other step lengths with 15 steps kept, "
        f"one colour a digit. Digits told by their neighbours at {TRAINED} ms: {'; '.join(parts)}."
    )
