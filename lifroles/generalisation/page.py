"""What section 4.2 shows, part by part: each function returns what a notebook cell displays."""

from __future__ import annotations

from collections.abc import Sequence

from IPython.display import Markdown
from matplotlib.figure import Figure

from lifroles.benchmarks.nmnist import NmnistProtocol
from lifroles.claims import Outcome
from lifroles.claims import page as ledger
from lifroles.figures import Display, card, command, show
from lifroles.figures import generalisation as figures
from lifroles.generalisation import findings, networks, verdicts, words
from lifroles.generalisation.explorer import explorer
from lifroles.generalisation.study import Plane, Study, frames
from lifroles.probes.landscape import RADII
from lifroles.probes.record import find
from lifroles.store import Record
from lifroles.tables import Download, Table, protocol_table

NOTEBOOK = "4_2_generalisation"


METRICS = {
    "resolution": ("accuracy",),
    "gradients": ("gradient", "reach", "distance"),
    "landscape": ("rise", "worst", "loss"),
    "features": ("silhouette", "knn", "linear", "procrustes", "accuracy"),
}
"""The numbers of each probe that its figure offers as a file."""


def _shown(study: Study, fig: Figure, caption: str, probe: str) -> Display:
    offered = networks.download(study, probe, METRICS[probe])
    again, records = command(NOTEBOOK, study.parameters), _asked(study, probe)
    return show(fig, caption, command=again, records=records, download=offered, probes=[probe])


def _card(study: Study, probe: str, caption: str) -> Display:
    return card(command(NOTEBOOK, study.parameters), _asked(study, probe), caption, probes=[probe])


def _asked(study: Study, probe: str) -> list[Record]:
    return [record for row in study.rows for record in row.records if find(record, probe)]


def scale(study: Study) -> Markdown:
    """Return which runs and answers the page shows."""
    return Markdown(words.scale_note(study))


def recording(study: Study) -> Display:
    """Return Fig. 5."""
    caption = (
        "The longer a step, the more events it holds: the third, sixth and ninth step of one recording of the "
        "simulated "
        "camera, orange where brightness rises and blue where it falls. With 15 steps kept, a column covers 15 to 150 "
        "ms."
    )
    fig = figures.recording(frames(study.parameters))
    return show(fig, caption, command=command(NOTEBOOK, study.parameters))


def results(study: Study) -> list[object]:
    """Return Table 7 under both readings, its figure, and which reading is the paper's."""
    fig = _shown(study, figures.table7(study), words.table7_caption(study), "resolution")
    if not any(row.probes("resolution") for row in study.rows):
        return [fig, words.table7(study, "steps"), Markdown(findings.readings(study))]
    return [
        fig,
        words.table7(study, "steps"),
        words.changes(study, "steps"),
        words.table7(study, "duration"),
        words.changes(study, "duration"),
        Markdown(findings.readings(study)),
    ]


def controls(study: Study) -> list[object]:
    """Return the controls of Table 7."""
    return [*words.controls(study), _card(study, "resolution", "Controls of Table 7")]


def propagation(study: Study) -> list[object]:
    """Return Eqs. (12) and (13), measured."""
    said = words.propagation_caption(study)
    if not any(row.probes("gradients") for row in study.rows):
        return [Markdown(said)]
    return [_shown(study, figures.propagation(study), said, "gradients"), words.propagation_table(study)]


def landscapes(study: Study) -> list[object]:
    """Return Fig. 6, and the numbers behind it."""
    radii = RADII
    shown, others = figures.planes(study)
    if not shown:
        return [Markdown(words.rises_caption(study, radii[1]))]
    found: list[object] = [
        _planes(study, figures.landscapes(shown, others), words.landscapes_caption(shown), "landscape_fig_6", shown)
    ]
    if others:
        fig = figures.other_landscapes(others, shown)
        found.append(_planes(study, fig, words.other_landscapes_caption(others), "landscape_others", others))
    return [
        *found,
        _shown(study, figures.rises(study, radii), words.rises_caption(study, radii[1]), "landscape"),
        words.rises_table(study, radii),
    ]


def _planes(study: Study, fig: Figure, caption: str, name: str, planes: Sequence[Plane]) -> Display:
    """Return a figure of planes with the runs behind it; its file has a row for each coordinate along direction 1."""
    rows = [
        (plane.model, plane.seed, plane.pair, f"{at:g}", *(f"{loss:.3g}" for loss in losses))
        for plane in planes
        for at, losses in zip(plane.line, plane.loss, strict=True)
    ]
    across = max((plane.line for plane in planes), key=len)
    columns = ("model", "seed", "pair", "direction 1", *(f"direction 2: {at:g}" for at in across))
    behind = {(plane.model, plane.seed) for plane in planes}
    records = [r for row in study.rows for r in row.records if (row.model, r.seed) in behind]
    again = command(NOTEBOOK, study.parameters)
    return show(
        fig, caption, command=again, records=records, download=Download(name, columns, rows), probes=["landscape"]
    )


def features(study: Study) -> list[object]:
    """Return Fig. 7, and what the picture cannot prove."""
    fig = figures.features(study)
    if fig is None:
        return [Markdown(words.features_caption(study))]
    shown: list[object] = [
        _shown(study, fig, words.features_caption(study), "features"),
        words.features_table(study),
    ]
    if (interactive := explorer(study)) is not None:
        shown += [interactive, _card(study, "features", "Fig. 7 to move about in")]
    moved = figures.moved(study)
    return shown if moved is None else [*shown, _shown(study, moved, words.moved_caption(study), "features")]


def in_short(study: Study) -> Markdown:
    """Return the page's answer: what becomes of the paper's claims, and what no claim says."""
    return Markdown(f"{ledger.in_short(_outcomes(study)).data}\n\n{findings.beyond(study)}")


def _outcomes(study: Study) -> list[Outcome]:
    return verdicts.outcomes(verdicts.of_section("section 4.2", "Table 7"), study)


def claims(study: Study) -> list[object]:
    """Return what becomes of the paper's claims, those about other step lengths under both readings of Table 7."""
    found = _outcomes(study)
    table = verdicts.table(found)
    return [Markdown(verdicts.summary(found)), table, _card(study, "resolution", table.caption)]


def protocol() -> Table:
    """Return the protocol of N-MNIST."""
    return protocol_table("N-MNIST: protocol", NmnistProtocol())
